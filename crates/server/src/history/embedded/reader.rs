//! Questions to the past.

use std::sync::{Arc, Mutex, PoisonError};

use kubezonnet_history::{ChunkStart, Reader as Cells, Resolution, SeriesId};
use kubezonnet_model::{Service, Timestamp, Window};
use kubezonnet_pricing::{PriceBook, Version};
use rusqlite::{Connection, params};

use super::HistoryCounts;
use super::database::{Database, Shared, meta};
use super::dictionary::{self, KeptSide};
use crate::history::{Answer, AskError, Books, Fold, Question, Row, Series};
use crate::ledger::Side;
use crate::ledger::edges::Class;

/// Slots of the finest resolutions that one answer looks at: two days of minutes, 100 days of hours. A longer
/// range is answered more coarsely.
const MOST_SLOTS: [u64; 2] = [2 * 24 * 60, 100 * 24];

/// Answers questions.
#[derive(Debug)]
pub(super) struct Reader {
    connection: Shared,
    labels: Vec<String>,
    counts: Arc<HistoryCounts>,
    /// What was read of the dictionary: it only grows.
    known: Mutex<Known>,
}

/// The dictionary: by number, as numbers are given from one on.
#[derive(Debug, Default)]
struct Known {
    sides: Vec<Option<Side>>,
    services: Vec<Option<Service>>,
    series: Vec<Option<Numbers>>,
    books: Books,
}

/// A series, by the numbers of its parts.
#[derive(Debug, Clone, Copy)]
struct Numbers {
    source: usize,
    destination: usize,
    class: Class,
    service: usize,
    prices: Option<Version>,
}

/// Where the cells of a series go.
#[derive(Debug, Clone, Copy)]
enum Looked {
    NotYet,
    At(Row),
    LeftOut,
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

    pub(super) fn ask(&self, question: &Question) -> Result<Answer, AskError> {
        let unreadable = |error: Unreadable| AskError::Unreadable(error.to_string());
        let mut connection = self.connection.lock();
        // All of one instant: what is written meanwhile is not seen.
        let snapshot = connection.transaction();
        let snapshot = snapshot.map_err(|error| unreadable(error.into()))?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.read_on(&snapshot, &self.labels).map_err(unreadable)?;
        let resolution = resolution(&snapshot, question);
        let resolution = resolution.map_err(|error| unreadable(error.into()))?;
        let mut fold = Fold::new(question, &known.books, resolution);
        let mut looked = vec![Looked::NotYet; known.series.len()];
        each_chunk(&snapshot, resolution, fold.range(), |start, cells| {
            let positions: Vec<_> = (0..resolution.slots())
                .map(|slot| fold.position(start.slot(resolution, slot)))
                .collect();
            cells.each(|SeriesId(number), slot, counters| {
                let Some(position) = positions[usize::from(slot)] else {
                    return;
                };
                let Some(place) = looked.get_mut(number as usize) else {
                    return;
                };
                if matches!(place, Looked::NotYet) {
                    let row = known
                        .series(number as usize)
                        .and_then(|series| fold.row(&series));
                    *place = row.map_or(Looked::LeftOut, Looked::At);
                }
                if let Looked::At(row) = place {
                    fold.add(*row, position, counters);
                }
            })
        })
        .map_err(unreadable)?;
        Ok(fold.answer(self.counts.since()))
    }
}

/// Why the past cannot be read.
#[derive(Debug, thiserror::Error)]
enum Unreadable {
    #[error(transparent)]
    Database(#[from] rusqlite::Error),
    #[error(transparent)]
    Chunk(#[from] kubezonnet_history::Damaged),
    #[error("a name is damaged: {0}")]
    Name(#[from] serde_json::Error),
    #[error("{0}")]
    Book(#[from] kubezonnet_pricing::BookError),
    #[error("a series has a class that is none")]
    Class,
}

/// The finest resolution that reaches back to where the question begins, or as far as any, and is not too
/// fine for so long a range.
fn resolution(connection: &Connection, question: &Question) -> rusqlite::Result<Resolution> {
    let sql = "SELECT min(start) FROM chunks WHERE resolution = ?1";
    let mut oldest = connection.prepare_cached(sql)?;
    let mut oldest = |resolution: Resolution| {
        oldest.query_row([resolution as u8], |row| {
            let start = row.get::<_, Option<i64>>(0)?;
            Ok(start.map(|start| Timestamp(start.cast_unsigned())))
        })
    };
    let since = meta::<i64>(connection, "since")?
        .unwrap_or(0)
        .cast_unsigned();
    let begin = question.range.start.0.max(since);
    let length = question.range.end.since(question.range.start);
    for (resolution, most) in Resolution::ALL.into_iter().zip(MOST_SLOTS) {
        let reaches = oldest(resolution)?.is_none_or(|oldest| oldest.0 <= begin);
        let slots = length.as_millis() / resolution.slot().as_millis();
        if reaches && slots <= u128::from(most) {
            return Ok(resolution);
        }
    }
    Ok(Resolution::Day)
}

/// Tells of every chunk that has something of a range.
fn each_chunk(
    connection: &Connection,
    resolution: Resolution,
    range: Window,
    mut tell: impl FnMut(ChunkStart, Cells<'_>) -> Result<(), kubezonnet_history::Damaged>,
) -> Result<(), Unreadable> {
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
        tell(start, Cells::new(body, resolution))?;
    }
    Ok(())
}

impl Known {
    fn series(&self, number: usize) -> Option<Series<'_>> {
        let numbers = (*self.series.get(number)?)?;
        Some(Series {
            source: self.sides.get(numbers.source)?.as_ref()?,
            destination: self.sides.get(numbers.destination)?.as_ref()?,
            class: numbers.class,
            service: self.services.get(numbers.service).and_then(Option::as_ref),
            prices: numbers.prices,
        })
    }

    /// Reads what came since it was last read.
    fn read_on(&mut self, connection: &Connection, labels: &[String]) -> Result<(), Unreadable> {
        let sql = "SELECT id, side FROM sides WHERE id >= ?1 ORDER BY id";
        each_new(connection, sql, &mut self.sides, |row| {
            let text: String = row.get(1)?;
            Ok(KeptSide::side(&text, labels)?)
        })?;
        let sql = "SELECT id, service FROM services WHERE id >= ?1 ORDER BY id";
        each_new(connection, sql, &mut self.services, |row| {
            let text: String = row.get(1)?;
            Ok(dictionary::service(&text)?)
        })?;
        let sql = "SELECT id, source, destination, class, service, book FROM series
                   WHERE id >= ?1 ORDER BY id";
        each_new(connection, sql, &mut self.series, |row| {
            let number = |column| row.get::<_, i64>(column).map(position);
            let book: i64 = row.get(5)?;
            Ok(Numbers {
                source: number(1)?,
                destination: number(2)?,
                class: Class::try_from(row.get::<_, u8>(3)?).map_err(|_| Unreadable::Class)?,
                service: number(4)?,
                prices: (book != 0).then_some(Version(book.cast_unsigned())),
            })
        })?;
        self.read_books(connection)
    }

    fn read_books(&mut self, connection: &Connection) -> Result<(), Unreadable> {
        let Some(today) = meta::<i64>(connection, "book")? else {
            return Ok(());
        };
        let today = Version(today.cast_unsigned());
        if !self.books.books.contains_key(&today) {
            let mut statement = connection.prepare("SELECT version, book FROM books")?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let version = Version(row.get::<_, i64>(0)?.cast_unsigned());
                let book = PriceBook::from_text(&row.get::<_, String>(1)?)?;
                self.books.books.insert(version, book);
            }
        }
        self.books.currency = self.books.books.get(&today).map(PriceBook::currency);
        Ok(())
    }
}

/// Reads the rows of a table that came since it was last read.
fn each_new<T>(
    connection: &Connection,
    sql: &str,
    known: &mut Vec<Option<T>>,
    read: impl Fn(&rusqlite::Row<'_>) -> Result<T, Unreadable>,
) -> Result<(), Unreadable> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([i64::try_from(known.len()).unwrap_or(i64::MAX)])?;
    while let Some(row) = rows.next()? {
        let number = position(row.get(0)?);
        known.resize_with(number, || None);
        known.push(Some(read(row)?));
    }
    Ok(())
}

fn position(number: i64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
