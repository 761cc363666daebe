//! From the ids of a run to the numbers of series, which hold for ever.
//!
//! Who is at an end is kept as JSON, so that a field more or less of a later version reads what this one
//! wrote; labels by their names, as the flags may give them other places.

use std::collections::BTreeMap;
use std::sync::Arc;

use foldhash::HashMap;
use kubezonnet_history::{Resolution, SeriesId};
use kubezonnet_model::{Labels, Name, Service, Timestamp};
use kubezonnet_pricing::Version;
use rusqlite::{Connection, OptionalExtension as _, params};
use serde::{Deserialize, Serialize};

use crate::ledger::edges::{Class, EdgeKey};
use crate::ledger::{Place, Side, Who};
use crate::names::{Id, Key, Names};

/// Series whose numbers are remembered; past it all are asked for again. The most edges that a ledger has,
/// twice.
const MOST: usize = 100_000;

/// Which series an edge is of.
type Edge = (Id, Id, Class, Option<Id>);

/// The numbers of what was asked for.
#[derive(Debug, Default)]
pub(super) struct Dictionary {
    labels: Vec<String>,
    /// The prices in force.
    book: Option<Version>,
    series: HashMap<Edge, SeriesId>,
    /// Of sides and Services.
    numbers: HashMap<Id, i64>,
    /// Until when the file says that a series was seen.
    seen: HashMap<SeriesId, Timestamp>,
}

/// Why an edge has no number.
#[derive(Debug, thiserror::Error)]
pub(super) enum NumberError {
    #[error(transparent)]
    Database(#[from] rusqlite::Error),
    /// Its names are gone, which the lease of its window forbids.
    #[error("nobody knows the name with id {0}")]
    Nameless(u64),
    /// There are as many as there can be.
    #[error("there are as many series as there are numbers")]
    Full,
}

impl Dictionary {
    pub(super) fn new(labels: Vec<String>, book: Option<Version>) -> Self {
        Self {
            labels,
            book,
            ..Self::default()
        }
    }

    /// The prices in force for what comes.
    pub(super) fn price(&mut self, book: Option<Version>) {
        if self.book != book {
            self.book = book;
            self.series.clear();
        }
    }

    /// Of these series, with when they were seen last, those of which the file does not know yet that they
    /// were seen in that hour: until when it was.
    pub(super) fn unseen(
        &self,
        last: HashMap<SeriesId, Timestamp>,
    ) -> HashMap<SeriesId, Timestamp> {
        let ends = last
            .into_iter()
            .map(|(series, at)| (series, end_of_hour(at)));
        let is_new = |(series, end): &(SeriesId, Timestamp)| {
            self.seen.get(series).is_none_or(|seen| seen < end)
        };
        ends.filter(is_new).collect()
    }

    /// The file knows of it.
    pub(super) fn have_seen(&mut self, seen: HashMap<SeriesId, Timestamp>) {
        self.seen.extend(seen);
    }

    /// The number of an edge's series, if it is remembered.
    pub(super) fn find(&self, key: &EdgeKey) -> Option<SeriesId> {
        self.series.get(&edge(key)).copied()
    }

    /// The numbers of edges, which are given where there are none.
    pub(super) fn number<'a>(
        &mut self,
        edges: impl Iterator<Item = &'a EdgeKey>,
        at: Timestamp,
        names: &Names,
        connection: &Connection,
    ) -> Result<(), NumberError> {
        if self.series.len() > MOST {
            self.forget();
        }
        for key in edges {
            if self.find(key).is_some() {
                continue;
            }
            let towards = &key.towards;
            let source = self.name(key.source, names, connection)?;
            let destination = self.name(towards.destination, names, connection)?;
            let service = match towards.service {
                Some(id) => self.name(id, names, connection)?,
                None => 0,
            };
            let class = u8::from(towards.class);
            let book = self
                .book
                .map_or(0, |Version(version)| version.cast_signed());
            let sql = "SELECT id FROM series WHERE source = ?1 AND destination = ?2 AND class = ?3
                       AND service = ?4 AND book = ?5";
            let known = connection.prepare_cached(sql)?;
            let row = params![source, destination, class, service, book];
            let known = { known }.query_row(row, |row| row.get(0)).optional()?;
            let number: i64 = if let Some(number) = known {
                number
            } else {
                let sql = "INSERT INTO series (source, destination, class, service, book, last)
                           VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
                let last = end_of_hour(at).0.cast_signed();
                let row = params![source, destination, class, service, book, last];
                connection.prepare_cached(sql)?.execute(row)?;
                connection.last_insert_rowid()
            };
            let number = u32::try_from(number).map_err(|_| NumberError::Full)?;
            self.series.insert(edge(key), SeriesId(number));
        }
        Ok(())
    }

    /// Forgets what was numbered, as it may not be on disk.
    pub(super) fn forget(&mut self) {
        self.series.clear();
        self.numbers.clear();
        self.seen.clear();
    }

    fn name(&mut self, id: Id, names: &Names, connection: &Connection) -> Result<i64, NumberError> {
        if let Some(number) = self.numbers.get(&id) {
            return Ok(*number);
        }
        let nameless = || NumberError::Nameless(id.get());
        let key = names.known(id).ok_or_else(nameless)?;
        let (table, column, text) = match &*key {
            Key::Side(side) => ("sides", "side", KeptSide::of(side, &self.labels).to_text()),
            Key::Service(service) => ("services", "service", to_text(service)),
            Key::Subject(_) => return Err(nameless()),
        };
        let find = format!("SELECT id FROM {table} WHERE {column} = ?1");
        let mut find = connection.prepare_cached(&find)?;
        let known = find.query_row([&text], |row| row.get(0)).optional()?;
        let number = if let Some(number) = known {
            number
        } else {
            let insert = format!("INSERT INTO {table} ({column}) VALUES (?1)");
            connection.prepare_cached(&insert)?.execute([&text])?;
            connection.last_insert_rowid()
        };
        self.numbers.insert(id, number);
        Ok(number)
    }
}

/// When the hour ends that a moment is in.
fn end_of_hour(at: Timestamp) -> Timestamp {
    let (chunk, slot) = Resolution::Hour.place(at);
    let hour = chunk.slot(Resolution::Hour, slot);
    hour.plus(Resolution::Hour.slot())
}

fn edge(key: &EdgeKey) -> Edge {
    let towards = &key.towards;
    (
        key.source,
        towards.destination,
        towards.class,
        towards.service,
    )
}

fn to_text(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("it is of strings and maps by strings")
}

/// Reads a Service.
pub(super) fn service(text: &str) -> Result<Service, serde_json::Error> {
    serde_json::from_str(text)
}

/// A side as it is kept.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct KeptSide {
    who: Who,
    #[serde(default)]
    place: Place,
    /// By their names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<String, Name>,
}

impl KeptSide {
    fn of(side: &Side, names: &[String]) -> Self {
        let labels = names.iter().enumerate().filter_map(|(place, name)| {
            let value = side.labels.get(place)?;
            Some((name.clone(), value.clone()))
        });
        Self {
            who: side.who.clone(),
            place: side.place.clone(),
            labels: labels.collect(),
        }
    }

    fn to_text(&self) -> String {
        to_text(self)
    }

    /// Reads a side, with labels at the places that these have today.
    pub(super) fn side(text: &str, names: &[String]) -> Result<Side, serde_json::Error> {
        let Self {
            who,
            place,
            mut labels,
        } = serde_json::from_str(text)?;
        let labels: Arc<[_]> = names.iter().map(|name| labels.remove(name)).collect();
        let has_some = labels.iter().any(Option::is_some);
        Ok(Side {
            who,
            place,
            labels: Labels(has_some.then_some(labels)),
        })
    }
}
