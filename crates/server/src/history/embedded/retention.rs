//! What goes because it is old, or because there is no room for it.

use kubezonnet_history::Resolution;
use kubezonnet_model::Timestamp;
use rusqlite::{Connection, TransactionBehavior};

use super::database::{file_bytes, meta, used_bytes};
use super::kept::Kept;
use super::{HistoryCounts, Lost, Options};
use crate::store::{Disk, set_meta};

/// Series that there are at most: who answers has all of them, and their sides, in memory.
const MOST_SERIES: u64 = 250_000;

/// What is left free of a volume for the counters, at most: they are in the same directory, and no window is
/// acknowledged while they cannot be written.
const RESERVE: u64 = 256 << 20;

/// The most pages that a file can have.
const MOST_PAGES: i64 = 0xffff_fffe;

/// What goes.
#[derive(Debug, Default)]
pub(super) struct Retention {
    /// What series were last seen before then are gone.
    pruned: Timestamp,
    /// Some went since it was last asked.
    has_pruned: bool,
    /// The volume has less free than it has to have.
    is_short: bool,
}

impl Retention {
    /// Whether series were deleted since this was last asked.
    pub(super) fn take_pruned(&mut self) -> bool {
        std::mem::take(&mut self.has_pruned)
    }

    /// Looks how much of the volume is free. While that is too little, the file does not grow: what is oldest
    /// makes room for so many bytes.
    pub(super) fn look_at_volume(
        &mut self,
        connection: &mut Connection,
        kept: &mut Kept,
        bytes: usize,
        (options, counts): (&Options, &HistoryCounts),
    ) -> rusqlite::Result<()> {
        let Some(directory) = &options.directory else {
            return Ok(());
        };
        let is_short =
            (options.disk)(directory).is_some_and(|disk| disk.free_bytes < reserve(disk));
        if is_short != self.is_short {
            if is_short {
                tracing::warn!(
                    directory = %directory.display(),
                    "the volume is nearly full: the history does not grow, and its oldest makes room for \
                     what is new, so that the counters can be written"
                );
            } else {
                tracing::info!("there is room on the volume again: the history grows as it may");
            }
            let pages: i64 = connection.pragma_query_value(None, "page_count", |row| row.get(0))?;
            let most = if is_short { pages } else { MOST_PAGES };
            connection.pragma_update_and_check(None, "max_page_count", most, |_| Ok(()))?;
            self.is_short = is_short;
            counts.set_short(is_short);
        }
        if is_short {
            let room = 2 * bytes as u64 + (256 << 10);
            let limit = file_bytes(connection)?.saturating_sub(room);
            // What is not written yet may have any series.
            while used_bytes(connection)? > limit
                && delete_one(connection, kept, (Lost::Volume, counts))?
            {}
        }
        Ok(())
    }

    /// Deletes what is too old or too much.
    pub(super) fn delete(
        &mut self,
        connection: &mut Connection,
        kept: &mut Kept,
        (options, counts): (&Options, &HistoryCounts),
    ) -> rusqlite::Result<()> {
        let now = options.clock.now();
        for resolution in Resolution::ALL {
            let before = now.minus(options.retention[resolution as usize] + resolution.chunk());
            // One at a time: a clock that is wrong for a while does not cost all there is.
            if let Some(start) = kept.oldest(resolution).filter(|start| start.0 < before) {
                kept.delete(connection, resolution, start)?;
                counts.add_deleted(resolution, Lost::Age);
            }
        }
        self.prune(connection, kept)?;
        self.delete_excess(connection, kept, options.max_bytes, counts)
    }

    /// Deletes the oldest until there is room.
    fn delete_excess(
        &mut self,
        connection: &mut Connection,
        kept: &mut Kept,
        limit: u64,
        counts: &HistoryCounts,
    ) -> rusqlite::Result<()> {
        while (used_bytes(connection)? > limit || series(connection)? > MOST_SERIES)
            && delete_one(connection, kept, (Lost::Size, counts))?
        {
            self.prune(connection, kept)?;
        }
        Ok(())
    }

    /// Deletes series that nothing has any more, and what only they had.
    fn prune(&mut self, connection: &mut Connection, kept: &Kept) -> rusqlite::Result<()> {
        let floors = Resolution::ALL.into_iter();
        let floor = floors.filter_map(|resolution| kept.floor(resolution)).min();
        let Some(floor) = floor.filter(|floor| *floor > self.pruned) else {
            return Ok(());
        };
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let sql = "DELETE FROM series WHERE last <= ?1";
        let gone = transaction.execute(sql, [floor.0.cast_signed()])?;
        if gone > 0 {
            transaction.execute_batch(
                "DELETE FROM sides WHERE id NOT IN
                     (SELECT source FROM series UNION SELECT destination FROM series);
                 DELETE FROM services WHERE id NOT IN (SELECT service FROM series);
                 DELETE FROM books WHERE version NOT IN (SELECT book FROM series)
                     AND version NOT IN (SELECT value FROM meta WHERE key = 'book');",
            )?;
            let times: i64 = meta(&transaction, PRUNED)?.unwrap_or(0);
            set_meta(&transaction, PRUNED, times + 1)?;
        }
        transaction.commit()?;
        self.pruned = floor;
        self.has_pruned |= gone > 0;
        Ok(())
    }
}

/// How often series were deleted: their numbers are given again then.
pub(super) const PRUNED: &str = "pruned";

/// How many series there are.
pub(super) fn series(connection: &Connection) -> rusqlite::Result<u64> {
    let sql = "SELECT count(*) FROM series";
    let mut count = connection.prepare_cached(sql)?;
    count.query_row([], |row| Ok(row.get::<_, i64>(0)?.cast_unsigned()))
}

/// What is left free of a volume.
fn reserve(disk: Disk) -> u64 {
    RESERVE.min(disk.size_bytes / 20)
}

/// Bytes of each resolution's chunks.
fn sums(connection: &Connection) -> rusqlite::Result<[u64; Resolution::ALL.len()]> {
    let mut sums = [0; Resolution::ALL.len()];
    let sql = "SELECT resolution, sum(length(body)) FROM chunks GROUP BY resolution";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        if let Some(sum) = sums.get_mut(usize::from(row.get::<_, u8>(0)?)) {
            *sum = row.get::<_, i64>(1)?.cast_unsigned();
        }
    }
    Ok(sums)
}

/// Deletes the oldest of what takes most; says whether there was any.
fn delete_one(
    connection: &mut Connection,
    kept: &mut Kept,
    (why, counts): (Lost, &HistoryCounts),
) -> rusqlite::Result<bool> {
    let sums = sums(connection)?;
    let names = used_bytes(connection)?.saturating_sub(sums.iter().sum());
    let are_most = sums.iter().all(|sum| *sum < names) || series(connection)? > MOST_SERIES;
    let deleted = if are_most {
        delete_for_names(connection, kept)?
    } else {
        delete_for_chunks(connection, kept, sums)?
    };
    if let Some(resolution) = deleted {
        counts.add_deleted(resolution, why);
    }
    Ok(deleted.is_some())
}

/// Deletes the oldest of all: only what nothing has goes from the names.
fn delete_for_names(
    connection: &mut Connection,
    kept: &mut Kept,
) -> rusqlite::Result<Option<Resolution>> {
    let mut all = Resolution::ALL;
    all.sort_by_key(|resolution| kept.floor(*resolution));
    for resolution in all {
        if delete_whole(connection, kept, resolution)? || kept.cut(connection, resolution)? {
            return Ok(Some(resolution));
        }
    }
    Ok(None)
}

/// Deletes the oldest of what takes most, and not what is under way as long as there is anything else.
fn delete_for_chunks(
    connection: &mut Connection,
    kept: &mut Kept,
    sums: [u64; Resolution::ALL.len()],
) -> rusqlite::Result<Option<Resolution>> {
    let mut all = Resolution::ALL;
    all.sort_by_key(|resolution| std::cmp::Reverse(sums[*resolution as usize]));
    for resolution in all {
        if delete_whole(connection, kept, resolution)? {
            return Ok(Some(resolution));
        }
    }
    for resolution in all {
        if kept.cut(connection, resolution)? {
            return Ok(Some(resolution));
        }
    }
    Ok(None)
}

fn delete_whole(
    connection: &mut Connection,
    kept: &mut Kept,
    resolution: Resolution,
) -> rusqlite::Result<bool> {
    let oldest = kept.oldest(resolution);
    match oldest.filter(|_| kept.count(resolution) > 1) {
        Some(start) => kept.delete(connection, resolution, start).map(|()| true),
        None => Ok(false),
    }
}
