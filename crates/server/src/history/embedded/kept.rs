//! The chunks that are kept: written, merged, cut and deleted.

use std::collections::{BTreeMap, BTreeSet};

use foldhash::HashMap;
use kubezonnet_history::{Chunk, ChunkStart, Reader, Resolution, SeriesId, merge};
use kubezonnet_model::Timestamp;
use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use super::gathered::Gathered;
use super::since::Since;

/// Parts of a level that are merged into one of the next.
const PARTS: usize = 16;

/// A stretch of time and a level.
type Stretch = (Resolution, ChunkStart, u8);

/// What is kept.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// How many parts there are that can be merged: of those beside one that is damaged none, but they are there.
    parts: BTreeMap<Stretch, usize>,
    next_part: i64,
    since: Since,
}

impl Kept {
    /// What a file has.
    pub(super) fn load(connection: &Connection) -> rusqlite::Result<Self> {
        let mut kept = Self {
            since: Since::load(connection)?,
            next_part: 1,
            ..Self::default()
        };
        let sql = "SELECT resolution, start, level, count(*), max(part) FROM chunks
                   GROUP BY resolution, start, level";
        let mut statement = connection.prepare(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let resolution: usize = row.get::<_, i64>(0)?.try_into().unwrap_or(usize::MAX);
            let Some(resolution) = Resolution::ALL.get(resolution) else {
                continue;
            };
            let start = ChunkStart(Timestamp(row.get::<_, i64>(1)?.cast_unsigned()));
            let parts = usize::try_from(row.get::<_, i64>(3)?).unwrap_or(0);
            kept.parts.insert((*resolution, start, row.get(2)?), parts);
            kept.next_part = kept.next_part.max(row.get::<_, i64>(4)? + 1);
        }
        kept.find_deleted(connection)?;
        Ok(kept)
    }

    /// Of a file that does not say so: until when each resolution was deleted.
    fn find_deleted(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let Some(begin) = self.since.any() else {
            return Ok(());
        };
        let ends = self.parts.keys().map(|(of, start, _)| start.next(*of).0);
        let end = ends.max().unwrap_or(begin);
        for resolution in Resolution::ALL {
            let oldest = self.oldest(resolution).map_or(end, |start| start.0);
            if self.since.deleted(resolution) == Timestamp::default()
                && oldest > resolution.place(begin).0.0
            {
                self.since.delete(connection, resolution, oldest)?;
            }
        }
        Ok(())
    }

    pub(super) fn since(&self) -> &Since {
        &self.since
    }

    /// The oldest chunk of a resolution.
    pub(super) fn oldest(&self, resolution: Resolution) -> Option<ChunkStart> {
        self.starts(resolution).next()
    }

    /// How many stretches of time a resolution has something of.
    pub(super) fn count(&self, resolution: Resolution) -> usize {
        self.starts(resolution).collect::<BTreeSet<_>>().len()
    }

    fn starts(&self, resolution: Resolution) -> impl Iterator<Item = ChunkStart> {
        let of = self.parts.keys().filter(move |(of, ..)| *of == resolution);
        of.map(|(_, start, _)| *start)
    }

    /// From when on there is anything at all of a resolution; `None` if there is nothing.
    pub(super) fn floor(&self, resolution: Resolution) -> Option<Timestamp> {
        let oldest = self.oldest(resolution)?;
        Some(oldest.0.max(self.since.deleted(resolution)))
    }

    /// Writes what is gathered, with the row up to which that is, and until when its series were seen. Tells
    /// of which resolutions it came too late.
    pub(super) fn write(
        &mut self,
        connection: &mut Connection,
        gathered: &Gathered,
        row: u64,
        seen: &HashMap<SeriesId, Timestamp>,
    ) -> rusqlite::Result<Vec<Resolution>> {
        connection.pragma_update(None, "synchronous", "FULL")?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut part = self.next_part;
        let chunks = gathered.chunks(&self.since);
        for ((resolution, start), chunk) in &chunks.by {
            put(
                &transaction,
                (*resolution, *start, 0),
                part,
                &chunk.to_bytes(),
            )?;
            part += 1;
        }
        for (SeriesId(series), last) in seen {
            let sql = "UPDATE series SET last = max(last, ?2) WHERE id = ?1";
            let mut update = transaction.prepare_cached(sql)?;
            update.execute(params![series, last.0.cast_signed()])?;
        }
        crate::store::set_meta(&transaction, "through", row.cast_signed())?;
        let since = self.since.with(gathered.earliest());
        since.write(&transaction)?;
        transaction.commit()?;
        self.next_part = part;
        self.since = since;
        for (resolution, start) in chunks.by.into_keys() {
            *self.parts.entry((resolution, start, 0)).or_default() += 1;
        }
        Ok(chunks.late)
    }

    /// Makes one part of the next level of all that a level has, where these are many.
    pub(super) fn merge(&mut self, connection: &mut Connection) -> rusqlite::Result<()> {
        let many = self.parts.iter().filter(|(_, parts)| **parts >= PARTS);
        for stretch in many.map(|(stretch, _)| *stretch).collect::<Vec<_>>() {
            self.merge_level(connection, stretch)?;
        }
        Ok(())
    }

    fn merge_level(
        &mut self,
        connection: &mut Connection,
        stretch: Stretch,
    ) -> rusqlite::Result<()> {
        let (resolution, start, level) = stretch;
        let at = params![resolution as u8, start.0.0.cast_signed(), level];
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let merged = {
            let sql = "SELECT body FROM chunks WHERE resolution = ?1 AND start = ?2 AND level = ?3";
            let bodies = bodies(&transaction, sql, at)?;
            let bodies: Vec<&[u8]> = bodies.iter().map(Vec::as_slice).collect();
            merge(&bodies, resolution)
        };
        let Ok(merged) = merged else {
            // Who reads it says so.
            self.parts.insert(stretch, 0);
            return Ok(());
        };
        let sql = "DELETE FROM chunks WHERE resolution = ?1 AND start = ?2 AND level = ?3";
        transaction.prepare_cached(sql)?.execute(at)?;
        let next = (resolution, start, level + 1);
        put(&transaction, next, self.next_part, &merged)?;
        transaction.commit()?;
        self.next_part += 1;
        self.parts.remove(&stretch);
        *self.parts.entry(next).or_default() += 1;
        Ok(())
    }

    /// Deletes a chunk.
    pub(super) fn delete(
        &mut self,
        connection: &mut Connection,
        resolution: Resolution,
        start: ChunkStart,
    ) -> rusqlite::Result<()> {
        let until = start.next(resolution).0;
        self.replace(connection, (resolution, start), None, until)
    }

    /// Deletes the older half of the slots that the oldest chunk of a resolution has, and all of one that has
    /// only one; but not the last minute. Says whether there was something to delete.
    pub(super) fn cut(
        &mut self,
        connection: &mut Connection,
        resolution: Resolution,
    ) -> rusqlite::Result<bool> {
        let Some(start) = self.oldest(resolution) else {
            return Ok(false);
        };
        let sql = "SELECT body FROM chunks WHERE resolution = ?1 AND start = ?2";
        let at = params![resolution as u8, start.0.0.cast_signed()];
        let bodies = bodies(connection, sql, at)?;
        let cells = || {
            let readers = bodies.iter().map(|body| Reader::new(body, resolution));
            readers.flatten().flatten()
        };
        let slots: BTreeSet<u8> = cells().map(|(_, slot, _)| slot).collect();
        let from = slots.iter().nth(slots.len() / 2).copied();
        let (from, until) = match from {
            Some(from) if slots.len() > 1 => (Some(from), start.slot(resolution, from)),
            Some(only) if resolution != Resolution::Minute => {
                (None, start.slot(resolution, only).plus(resolution.slot()))
            }
            Some(_) => return Ok(false),
            None => (None, start.next(resolution).0),
        };
        let left = from.map(|from| {
            let mut left = Chunk::default();
            for (series, slot, counters) in cells().filter(|(_, slot, _)| *slot >= from) {
                left.add(series, slot, counters);
            }
            left.to_bytes()
        });
        self.replace(connection, (resolution, start), left.as_deref(), until)?;
        Ok(true)
    }

    /// Puts what is left of a chunk in its place: there is nothing from before any more.
    fn replace(
        &mut self,
        connection: &mut Connection,
        (resolution, start): (Resolution, ChunkStart),
        left: Option<&[u8]>,
        until: Timestamp,
    ) -> rusqlite::Result<()> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let sql = "DELETE FROM chunks WHERE resolution = ?1 AND start = ?2";
        transaction
            .prepare_cached(sql)?
            .execute(params![resolution as u8, start.0.0.cast_signed()])?;
        let stretch = (resolution, start, 1);
        if let Some(left) = left {
            put(&transaction, stretch, self.next_part, left)?;
        }
        let mut since = self.since;
        since.delete(&transaction, resolution, until)?;
        transaction.commit()?;
        self.since = since;
        self.parts
            .retain(|(of, at, _), _| (*of, *at) != (resolution, start));
        if left.is_some() {
            self.next_part += 1;
            self.parts.insert(stretch, 1);
        }
        Ok(())
    }
}

fn bodies(
    connection: &Connection,
    sql: &str,
    at: &[&dyn rusqlite::ToSql],
) -> rusqlite::Result<Vec<Vec<u8>>> {
    let mut statement = connection.prepare_cached(sql)?;
    let bodies = statement.query_map(at, |row| row.get::<_, Vec<u8>>(0))?;
    bodies.collect()
}

fn put(
    transaction: &Transaction<'_>,
    stretch: Stretch,
    part: i64,
    body: &[u8],
) -> rusqlite::Result<()> {
    let (resolution, start, level) = stretch;
    let sql = "INSERT INTO chunks (resolution, start, level, part, body)
               VALUES (?1, ?2, ?3, ?4, ?5)";
    let start = start.0.0.cast_signed();
    let mut statement = transaction.prepare_cached(sql)?;
    statement.execute(params![resolution as u8, start, level, part, body])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use kubezonnet_model::{FlowCounters, Window};

    use super::*;

    #[test]
    fn what_cannot_be_merged_is_known_and_goes_with_its_time() {
        let mut connection = Connection::open_in_memory().unwrap();
        let schema = include_str!("schema.sql");
        connection.execute_batch(schema).unwrap();
        let mut kept = Kept::load(&connection).unwrap();
        let mut gathered = Gathered::default();
        let window = Window {
            start: Timestamp(0),
            end: Timestamp(10_000),
        };
        gathered.add(
            SeriesId(1),
            window,
            FlowCounters {
                bytes: 1,
                packets: 1,
            },
        );
        for row in 1..=PARTS as u64 {
            let seen = HashMap::default();
            kept.write(&mut connection, &gathered, row, &seen).unwrap();
        }
        let sql = "UPDATE chunks SET body = x'ffff' WHERE resolution = 0 AND part = 1";
        assert_eq!(connection.execute(sql, []).unwrap(), 1);

        kept.merge(&mut connection).unwrap();
        let oldest = kept.oldest(Resolution::Minute).unwrap();
        kept.delete(&mut connection, Resolution::Minute, oldest)
            .unwrap();

        let sql = "SELECT count(*) FROM chunks WHERE resolution = ?1";
        let left = |resolution: Resolution| -> i64 {
            let row = connection.query_row(sql, [resolution as u8], |row| row.get(0));
            row.unwrap()
        };
        assert_eq!(
            Resolution::ALL.map(left),
            [0, 1, 1],
            "the parts of the others are merged into one"
        );
        assert_eq!(kept.count(Resolution::Minute), 0);
    }
}
