//! Questions to the past.

use std::sync::{Arc, Mutex, PoisonError};

use foldhash::{HashMap, HashSet};
use kubezonnet_history::{ChunkStart, Reader as Cells, Resolution, SeriesId};
use kubezonnet_model::{Service, Timestamp, Window};
use kubezonnet_pricing::{PriceBook, Version};
use rusqlite::{Connection, params};

use super::HistoryCounts;
use super::database::{Database, Open, Shared, is_damage, meta};
use super::dictionary::{self, KeptSide};
use super::retention::PRUNED;
use super::since::Since;
use crate::history::{Answer, Books, Fold, Question, Reaches, Row, Series};
use crate::ledger::Side;
use crate::ledger::edges::Class;

/// Slots of the finest resolutions that one answer looks at: two days of minutes, 100 days of hours. A longer
/// range is answered more coarsely.
const MOST_SLOTS: [u64; 2] = [2 * 24 * 60, 100 * 24];

/// Answers questions.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) connection: Shared,
    labels: Vec<String>,
    counts: Arc<HistoryCounts>,
    /// What was read of the dictionary.
    known: Mutex<Known>,
}

/// The dictionary, by number. It only grows, until something is deleted of it: then it is read anew.
#[derive(Debug, Default)]
struct Known {
    /// Of which file it is, and how often that was pruned.
    of: (u64, i64),
    sides: Part<Side>,
    services: Part<Service>,
    series: Part<Numbers>,
    books: Books,
    /// Chunks and books that are told to be unreadable, by where they are.
    unreadable: HashSet<(Resolution, i64)>,
    unreadable_books: HashSet<Version>,
}

/// A table of the dictionary.
#[derive(Debug)]
struct Part<T> {
    by: HashMap<i64, T>,
    /// The number after the last.
    next: i64,
}

impl<T> Default for Part<T> {
    fn default() -> Self {
        Self {
            by: HashMap::default(),
            next: 1,
        }
    }
}

/// A series, by the numbers of its parts.
#[derive(Debug, Clone, Copy)]
struct Numbers {
    source: i64,
    destination: i64,
    class: Class,
    service: i64,
    prices: Option<Version>,
}

impl Reader {
    pub(super) fn new(
        database: &Database,
        labels: Vec<String>,
        counts: Arc<HistoryCounts>,
    ) -> Self {
        Self {
            connection: database.reading.clone(),
            labels,
            counts,
            known: Mutex::default(),
        }
    }

    pub(super) fn ask(&self, question: &Question) -> Result<Answer, Unanswered> {
        let mut connection = self.connection.lock();
        let generation = connection.generation();
        self.answer(&mut connection, question)
            .map_err(|error| Unanswered::of(error, generation))
    }

    fn answer(&self, connection: &mut Open, question: &Question) -> rusqlite::Result<Answer> {
        let generation = connection.generation();
        // All of one instant: what is written meanwhile is not seen.
        let snapshot = connection.transaction()?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let of = (generation, meta(&snapshot, PRUNED)?.unwrap_or(0));
        if known.of != of {
            let mut unreadable = std::mem::take(&mut known.unreadable);
            if known.of.0 != generation {
                unreadable.clear();
            }
            self.counts.set_unreadable(unreadable.len() as u64);
            *known = Known {
                of,
                unreadable,
                ..Known::default()
            };
        }
        known.read_on(&snapshot, &self.labels, &self.counts)?;
        let reaches = Since::load(&snapshot)?.reaches();
        let resolution = resolution(&reaches, question);
        let mut fold = Fold::new(question, &known.books, resolution);
        let mut rows: HashMap<SeriesId, Option<Row>> = HashMap::default();
        let mut damaged = Vec::new();
        each_chunk(&snapshot, resolution, fold.range(), |start, cells| {
            let positions: Vec<_> = (0..resolution.slots())
                .map(|slot| fold.position(start.slot(resolution, slot)))
                .collect();
            // Cells come by series.
            let mut last: (Option<SeriesId>, Option<Row>) = (None, None);
            let read = cells.each(|series, slot, counters| {
                let Some(position) = positions[usize::from(slot)] else {
                    return;
                };
                if last.0 != Some(series) {
                    let row = rows.entry(series).or_insert_with(|| {
                        let series = known.series(i64::from(series.0))?;
                        fold.row(&series)
                    });
                    last = (Some(series), *row);
                }
                if let Some(row) = last.1 {
                    fold.add(row, position, counters);
                }
            });
            if read.is_err() {
                damaged.push((resolution, start.0.0.cast_signed()));
            }
        })?;
        let answer = fold.answer(reaches);
        for chunk in damaged {
            if known.unreadable.insert(chunk) {
                let (resolution, start) = (chunk.0.as_str(), chunk.1);
                tracing::error!(
                    resolution,
                    start,
                    "a part of the history is damaged: it is left out"
                );
                self.counts.add_unreadable();
            }
        }
        Ok(answer)
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unanswered {
    /// The file of that generation is damaged.
    #[error("{1}")]
    Damaged(u64, String),
    #[error(transparent)]
    Other(rusqlite::Error),
}

impl Unanswered {
    fn of(error: rusqlite::Error, generation: u64) -> Self {
        if is_damage(&error) {
            Self::Damaged(generation, error.to_string())
        } else {
            Self::Other(error)
        }
    }
}

/// The finest resolution that reaches back to where the question begins, or as far as any, and is not too
/// fine for so long a range. If none does, the one that reaches furthest.
fn resolution(reaches: &Reaches, question: &Question) -> Resolution {
    if let Some(resolution) = question.resolution {
        return resolution;
    }
    let range = question.range;
    let any = reaches.iter().flatten().min().copied();
    let begin = range.start.max(any.unwrap_or_default());
    let is_fine = |resolution: Resolution, begin: Timestamp| {
        let slots = range.end.since(begin).as_millis() / resolution.slot().as_millis();
        let most = MOST_SLOTS.get(resolution as usize);
        most.is_none_or(|most| slots <= u128::from(*most))
    };
    let since = |resolution: Resolution| reaches[resolution as usize].unwrap_or_default();
    let mut all = Resolution::ALL.into_iter();
    let first = all.find(|each| since(*each) <= begin && is_fine(*each, range.start));
    first.unwrap_or_else(|| {
        let fine = Resolution::ALL.into_iter().rev();
        let fine = fine.filter(|each| is_fine(*each, range.start.max(since(*each))));
        let furthest = fine.min_by_key(|each| since(*each));
        furthest.unwrap_or(Resolution::Day)
    })
}

/// Tells of every chunk that has something of a range.
fn each_chunk(
    connection: &Connection,
    resolution: Resolution,
    range: Window,
    mut tell: impl FnMut(ChunkStart, Cells<'_>),
) -> rusqlite::Result<()> {
    let sql = "SELECT start, body FROM chunks
               WHERE resolution = ?1 AND start >= ?2 AND start < ?3 ORDER BY start";
    let (first, _) = resolution.place(range.start);
    let signed = |at: Timestamp| i64::try_from(at.0).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params![
        resolution as u8,
        signed(first.0),
        signed(range.end)
    ])?;
    while let Some(row) = rows.next()? {
        let start = ChunkStart(Timestamp(row.get::<_, i64>(0)?.cast_unsigned()));
        let body = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
        tell(start, Cells::new(body, resolution));
    }
    Ok(())
}

impl Known {
    fn series(&self, number: i64) -> Option<Series<'_>> {
        let numbers = self.series.by.get(&number)?;
        Some(Series {
            source: self.sides.by.get(&numbers.source)?,
            destination: self.sides.by.get(&numbers.destination)?,
            class: numbers.class,
            service: self.services.by.get(&numbers.service),
            prices: numbers.prices,
        })
    }

    /// Reads what came since it was last read. What cannot be understood is left out.
    fn read_on(
        &mut self,
        connection: &Connection,
        labels: &[String],
        counts: &HistoryCounts,
    ) -> rusqlite::Result<()> {
        let unreadable = |what: &'static str, number: i64, why: &dyn std::fmt::Display| {
            tracing::error!(what, number, %why, "a part of the history cannot be read: it is left out");
            counts.add_unreadable();
        };
        let sql = "SELECT id, side FROM sides WHERE id >= ?1 ORDER BY id";
        self.sides.read_on(connection, sql, |number, row| {
            let side = KeptSide::side(row.get_ref(1)?.as_str()?, labels);
            Ok(side
                .inspect_err(|error| unreadable("side", number, error))
                .ok())
        })?;
        let sql = "SELECT id, service FROM services WHERE id >= ?1 ORDER BY id";
        self.services.read_on(connection, sql, |number, row| {
            let service = dictionary::service(row.get_ref(1)?.as_str()?);
            Ok(service
                .inspect_err(|error| unreadable("service", number, error))
                .ok())
        })?;
        let sql = "SELECT id, source, destination, class, service, book FROM series
                   WHERE id >= ?1 ORDER BY id";
        self.series.read_on(connection, sql, |number, row| {
            let Ok(class) = Class::try_from(row.get::<_, u8>(3)?) else {
                unreadable("series", number, &"it has a class that is none");
                return Ok(None);
            };
            let book: i64 = row.get(5)?;
            Ok(Some(Numbers {
                source: row.get(1)?,
                destination: row.get(2)?,
                class,
                service: row.get(4)?,
                prices: (book != 0).then_some(Version(book.cast_unsigned())),
            }))
        })?;
        self.read_books(connection, unreadable)
    }

    /// One that cannot be understood is as none.
    fn read_books(
        &mut self,
        connection: &Connection,
        unreadable: impl Fn(&'static str, i64, &dyn std::fmt::Display),
    ) -> rusqlite::Result<()> {
        let today = meta::<i64>(connection, "book")?;
        let Some(today) = today.map(|today| Version(today.cast_unsigned())) else {
            self.books.currency = None;
            return Ok(());
        };
        let is_known = |version: &Version| self.books.books.contains_key(version);
        if !is_known(&today) && !self.unreadable_books.contains(&today) {
            let mut statement = connection.prepare("SELECT version, book FROM books")?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let number: i64 = row.get(0)?;
                let version = Version(number.cast_unsigned());
                match PriceBook::from_text(row.get_ref(1)?.as_str()?) {
                    Ok(book) => {
                        self.books.books.insert(version, book);
                    }
                    Err(error) if self.unreadable_books.insert(version) => {
                        unreadable("price book", number, &error);
                    }
                    Err(_) => {}
                }
            }
        }
        self.books.currency = self.books.books.get(&today).map(PriceBook::currency);
        Ok(())
    }
}

impl<T> Part<T> {
    /// Reads the rows of a table that came since it was last read.
    fn read_on(
        &mut self,
        connection: &Connection,
        sql: &str,
        read: impl Fn(i64, &rusqlite::Row<'_>) -> rusqlite::Result<Option<T>>,
    ) -> rusqlite::Result<()> {
        let mut statement = connection.prepare_cached(sql)?;
        let mut rows = statement.query([self.next])?;
        while let Some(row) = rows.next()? {
            let number = row.get(0)?;
            if let Some(read) = read(number, row)? {
                self.by.insert(number, read);
            }
            self.next = number + 1;
        }
        Ok(())
    }
}
