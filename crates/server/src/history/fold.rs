//! From series and what they had to the answer of a question. Pure.
//!
//! A series is looked at once ([`Fold::row`]): whether the filter takes it, to which group it belongs and
//! what a byte of it costs. What it had is added to rows of plain counters ([`Fold::add`]), of which there
//! is one for each group and price, so that millions of cells are additions only; money is made of the
//! sums at the end. It is exact in either order.

use std::collections::BTreeMap;
use std::time::Duration;

use foldhash::{HashMap, HashMapExt as _};
use kubezonnet_history::Resolution;
use kubezonnet_model::{FlowCounters, Locality, Timestamp, Window};
use kubezonnet_pricing::{Charges, Currency, Edge, PriceBook, Version};

use super::answer::{Answer, Group, Measure, Reaches, Unpriced, Value};
use super::part::{Charge, Part, Role, charge, is_crossing, is_free};
use super::question::{By, EdgePart, PartyPart, Question, SidePart};
use super::series::Series;
use crate::costs::place;
use crate::ledger::Side;

/// All price books that were ever in force, and what today's is in.
#[derive(Debug, Clone, Default)]
pub struct Books {
    /// By their versions.
    pub books: BTreeMap<Version, PriceBook>,
    /// That of the prices of today; those in other currencies do not count.
    pub currency: Option<Currency>,
}

/// Where in the answer a series' cells go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    first: u32,
    /// Of parties the receiver's.
    second: Option<u32>,
}

/// An answer in the making.
#[derive(Debug)]
pub struct Fold<'a> {
    question: &'a Question,
    books: &'a Books,
    resolution: Resolution,
    range: Window,
    times: Vec<Timestamp>,
    groups: HashMap<Vec<Value>, u32>,
    rows: HashMap<RowKey, u32>,
    /// As many for each row as there are times.
    cells: Vec<FlowCounters>,
    charges: HashMap<PricedBy, Charge>,
}

/// What cells have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct RowKey {
    group: u32,
    part: Part,
}

/// What a price depends on, beside the places.
type PricedBy = (Option<Version>, [Side; 2], Locality);

impl<'a> Fold<'a> {
    /// Begins an answer of what is kept at a resolution.
    pub fn new(question: &'a Question, books: &'a Books, resolution: Resolution) -> Self {
        let slot = millis(resolution.slot());
        let asked = question.range;
        let start = asked.start.0 / slot * slot;
        let end = asked.end.0.div_ceil(slot).saturating_mul(slot).max(start);
        // A step is of whole slots.
        let step = question.step;
        let step = step.map(|step| usize::try_from(millis(step).div_ceil(slot).max(1) * slot));
        let times = match step {
            Some(Ok(step)) => (start..end).step_by(step).map(Timestamp).collect(),
            None | Some(Err(_)) => vec![Timestamp(start)],
        };
        Self {
            question,
            books,
            resolution,
            range: Window {
                start: Timestamp(start),
                end: Timestamp(end),
            },
            times,
            groups: HashMap::new(),
            rows: HashMap::new(),
            cells: Vec::new(),
            charges: HashMap::new(),
        }
    }

    /// The time it is of: whole slots.
    pub fn range(&self) -> Window {
        self.range
    }

    /// How long each cell is, in milliseconds; the last one can end before that.
    pub fn cell(&self) -> u64 {
        match self.times[..] {
            [first, second, ..] => second.0 - first.0,
            _ => self.range.end.0 - self.range.start.0,
        }
    }

    /// Which of the cells of a row is that of a point in time; `None` if that is not asked for.
    pub fn position(&self, at: Timestamp) -> Option<usize> {
        let is_within = self.range.start <= at && at < self.range.end;
        is_within.then(|| self.times.partition_point(|time| *time <= at) - 1)
    }

    /// Where the cells of a series go; `None` if it is not asked for.
    pub fn row(&mut self, series: &Series<'_>) -> Option<Row> {
        if !self.question.filter.takes(series) {
            return None;
        }
        let charge = self.charge(series);
        match &self.question.by {
            By::Edges(parts) => {
                let key = parts.iter().map(|part| of_edge(*part, series)).collect();
                let first = self.row_of(key, Role::Whole, series, charge);
                Some(Row {
                    first,
                    second: None,
                })
            }
            By::Parties(parts) => {
                let key = |side| {
                    parts
                        .iter()
                        .map(|part| of_party(*part, side, series))
                        .collect()
                };
                let (sender, receiver) = (key(series.source), key(series.destination));
                let first = self.row_of(sender, Role::Sender, series, charge);
                let second = self.row_of(receiver, Role::Receiver, series, charge);
                Some(Row {
                    first,
                    second: Some(second),
                })
            }
        }
    }

    /// Adds what a series had at a position.
    pub fn add(&mut self, row: Row, position: usize, counters: FlowCounters) {
        let width = self.times.len();
        self.cells[row.first as usize * width + position] += counters;
        if let Some(second) = row.second {
            self.cells[second as usize * width + position] += counters;
        }
    }

    /// The answer.
    pub fn answer(self, reaches: Reaches) -> Answer {
        let own = reaches[self.resolution as usize];
        let any = reaches.into_iter().flatten().min();
        let since = own.filter(|own| *own > self.range.start).or(any);
        let width = self.times.len();
        let empty = || vec![Measure::default(); width];
        let mut groups: Vec<_> = self.groups.iter().map(|_| empty()).collect();
        for (key, row) in &self.rows {
            let from = *row as usize * width;
            let cells = &self.cells[from..from + width];
            for (sum, counters) in groups[key.group as usize].iter_mut().zip(cells) {
                *sum += key.part.measure(*counters);
            }
        }
        let mut groups = groups.into_iter().map(Some).collect::<Vec<_>>();
        let groups = self.groups.into_iter().filter_map(|(key, group)| {
            let cells = groups[group as usize].take()?;
            let is_empty = cells.iter().all(|cell| *cell == Measure::default());
            (!is_empty).then_some(Group { key, cells })
        });
        Answer {
            range: self.range,
            resolution: self.resolution,
            since,
            reaches,
            currency: self.books.currency,
            groups: groups.collect(),
            times: self.times,
        }
    }

    fn row_of(
        &mut self,
        group: Vec<Value>,
        role: Role,
        series: &Series<'_>,
        charge: Charge,
    ) -> u32 {
        let group = match &self.question.only {
            // Those that are not told apart are one.
            Some(only) if !only.contains(&group) => Vec::new(),
            _ => group,
        };
        let next = index(self.groups.len());
        let group = *self.groups.entry(group).or_insert(next);
        let key = RowKey {
            group,
            part: Part {
                role,
                is_crossing: is_crossing(series.locality()),
                charge,
            },
        };
        let next = index(self.rows.len());
        let row = *self.rows.entry(key).or_insert(next);
        if row == next {
            let width = self.times.len();
            self.cells
                .resize(self.cells.len() + width, FlowCounters::ZERO);
        }
        row
    }

    /// What a byte of it costs.
    fn charge(&mut self, series: &Series<'_>) -> Charge {
        let locality = series.locality();
        if is_free(locality) {
            return Ok(Charges::FREE);
        }
        let known = |version: &Version| self.books.books.get(version);
        let is_todays = |book: &&PriceBook| Some(book.currency()) == self.books.currency;
        let book = series.prices.as_ref().and_then(known).filter(is_todays);
        let Some(book) = book else {
            return Err(Unpriced::NoPrices);
        };
        // Who it is matters only of networks.
        let sides = [series.source, series.destination].map(Side::place_only);
        let by = (series.prices, sides, locality);
        *self.charges.entry(by).or_insert_with(|| {
            charge(book.charges(&Edge {
                source: place(series.source),
                destination: place(series.destination),
                locality,
            }))
        })
    }
}

fn of_edge(part: EdgePart, series: &Series<'_>) -> Value {
    match part {
        EdgePart::Source(part) => of_side(part, series.source),
        EdgePart::Destination(part) => of_side(part, series.destination),
        EdgePart::Locality => Value::Locality(series.locality()),
        EdgePart::Service => Value::Service(series.service.cloned()),
    }
}

fn of_party(part: PartyPart, side: &Side, series: &Series<'_>) -> Value {
    match part {
        PartyPart::Side(part) => of_side(part, side),
        PartyPart::Locality => Value::Locality(series.locality()),
    }
}

fn of_side(part: SidePart, side: &Side) -> Value {
    match part {
        SidePart::Who => Value::Who(side.who.as_shown()),
        SidePart::Namespace
        | SidePart::Label(_)
        | SidePart::Zone
        | SidePart::Region
        | SidePart::Outside => Value::Text(part.text(side).to_owned()),
    }
}

fn index(position: usize) -> u32 {
    u32::try_from(position).expect("fewer groups than memory has room for")
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
