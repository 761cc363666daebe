//! What it costs, in the shape of FOCUS, for charge-back.
//!
//! A row is what a workload pays itself in an hour or a day, at a place and across a boundary. Columns have
//! the names of FOCUS 1.2 where they mean the same; what is of this server alone begins with `x_`.

use std::borrow::Cow;
use std::time::Duration;

use kubezonnet_api::{CostsAsked, End, Granularity};
use kubezonnet_model::{Locality, Timestamp, Window};

use super::asking::{Asking, Part};
use super::csv::{Cell, Table};
use super::money::{DIGITS, units};
use super::query::Query;
use super::refusal::Refusal;
use super::{Api, filter, when, words};
use crate::history::{Answer, By, Measure, PartyPart, SidePart, Value};

/// The most rows at once: a month of a thousand workloads by day.
const MOST_ROWS: usize = 100_000;

/// The most hours or days: 400 days of hours.
const MOST_PERIODS: u64 = 400 * 24;

/// Of so many hours or days history is asked at once, or fewer if it cannot tell these: what an answer takes of
/// memory is as many times as large as there are workloads.
const AT_ONCE: u32 = 24;

const COLUMNS: [&str; 22] = [
    "ChargePeriodStart",
    "ChargePeriodEnd",
    "BillingCurrency",
    "BilledCost",
    "EffectiveCost",
    "ChargeCategory",
    "ChargeDescription",
    "ServiceCategory",
    "ServiceName",
    "RegionId",
    "AvailabilityZone",
    "ResourceId",
    "ResourceName",
    "ResourceType",
    "ConsumedQuantity",
    "ConsumedUnit",
    "x_Namespace",
    "x_Team",
    "x_Locality",
    "x_SentBytes",
    "x_ReceivedBytes",
    "x_UnpricedBytes",
];

/// What it costs, row by row.
pub(super) struct Costs {
    currency: Option<String>,
    rows: Vec<Row>,
}

struct Row {
    start: Timestamp,
    end: Timestamp,
    who: End,
    team: String,
    zone: String,
    region: String,
    locality: Locality,
    measure: Measure,
    units: u128,
}

/// Answers `/api/v1/costs.csv`.
pub(super) fn answer(api: &Api, query: &Query) -> Result<Costs, Refusal> {
    let CostsAsked { granularity } = query.get()?;
    let asking = Asking::of(api, query)?;
    let step = match granularity {
        Granularity::Hour => Duration::from_hours(1),
        Granularity::Day => Duration::from_hours(24),
    };
    let team = filter::team(asking.labels, "team").ok();
    let mut parts = vec![SidePart::Who, SidePart::Zone, SidePart::Region];
    parts.extend(team.map(SidePart::Label));
    let parts = parts.into_iter().map(PartyPart::Side);
    let by = By::Parties(std::iter::once(PartyPart::Locality).chain(parts).collect());
    // Whole hours or days, so that periods of two files are the same.
    let mut range = asking.range;
    let slot = u64::try_from(step.as_millis()).unwrap_or(u64::MAX);
    let since = asking.since().unwrap_or_default();
    range.start = Timestamp(range.start.max(since).0 / slot * slot);
    let periods = range.end.0.saturating_sub(range.start.0) / slot;
    if periods > MOST_PERIODS {
        let message = format!("it has {periods} hours or days, and can have {MOST_PERIODS}");
        return Err(Refusal::of(asking.begins_by, message));
    }
    let mut costs = Costs {
        currency: None,
        rows: Vec::new(),
    };
    while range.start < range.end {
        let end = asking.tellable(range, step, AT_ONCE);
        let part = Window {
            start: range.start,
            end,
        };
        let answer = asking.ask(Part::of(part).by(step), by.clone(), None)?;
        if answer.resolution.slot() > step {
            let message =
                "hours are not kept of so long ago: ask for `granularity=day`, or a later time";
            return Err(Refusal::of("granularity", message));
        }
        costs.add(&answer, step);
        if costs.rows.len() > MOST_ROWS {
            let message = format!("it has more than {MOST_ROWS} rows: ask for a shorter range");
            return Err(Refusal::of(asking.begins_by, message));
        }
        range.start = end;
    }
    costs.finish();
    Ok(costs)
}

impl Costs {
    /// Adds the rows of an answer.
    fn add(&mut self, answer: &Answer, step: Duration) {
        self.currency = answer.currency.map(|currency| currency.to_string());
        for group in &answer.groups {
            let [
                Value::Locality(locality),
                Value::Who(who),
                Value::Text(zone),
                Value::Text(region),
                rest @ ..,
            ] = &group.key[..]
            else {
                continue;
            };
            let team = match rest {
                [Value::Text(team)] => team.clone(),
                _ => String::new(),
            };
            let cells = answer.times.iter().zip(&group.cells);
            let charged = cells.filter(|(_, cell)| {
                cell.crossing > 0 || cell.cost.total() > kubezonnet_pricing::Amount::ZERO
            });
            self.rows.extend(charged.map(|(start, measure)| Row {
                start: *start,
                end: start.plus(step).min(answer.range.end),
                who: words::end(who),
                team: team.clone(),
                zone: zone.clone(),
                region: region.clone(),
                locality: *locality,
                measure: *measure,
                units: 0,
            }));
        }
    }

    /// Puts them in order, and rounds what they cost.
    fn finish(&mut self) {
        let rows = &mut self.rows;
        rows.sort_by(|one, other| {
            let key = |row: &Row| {
                (
                    row.start,
                    row.who.clone(),
                    row.zone.clone(),
                    row.team.clone(),
                )
            };
            key(one)
                .cmp(&key(other))
                .then(one.locality.cmp(&other.locality))
        });
        let shares = units(rows.iter().map(|row| &row.measure));
        for (row, units) in rows.iter_mut().zip(shares) {
            row.units = units;
        }
    }
}

impl Table for Costs {
    fn columns(&self) -> Vec<Cow<'static, str>> {
        COLUMNS.into_iter().map(Cow::from).collect()
    }

    fn rows(&self) -> Vec<Vec<Cell<'_>>> {
        self.rows
            .iter()
            .map(|row| row.cells(self.currency.as_ref()))
            .collect()
    }
}

impl Row {
    fn cells<'a>(&'a self, currency: Option<&'a String>) -> Vec<Cell<'a>> {
        let own = |text: String| Cell::Text(text.into());
        let some = |text: &'a String| {
            if text.is_empty() {
                Cell::Empty
            } else {
                Cell::text(text)
            }
        };
        let cost = || match currency {
            Some(_) => Cell::Number(kubezonnet_pricing::decimal(self.units, DIGITS).into()),
            None => Cell::Empty,
        };
        let End {
            namespace,
            workload_kind,
            name,
            ..
        } = &self.who;
        let id = [namespace, workload_kind, name].into_iter().flatten();
        let id: Vec<_> = id.map(String::as_str).collect();
        let locality = words::locality(self.locality).as_str();
        let unpriced = self.measure.unpriced_bytes();
        vec![
            own(when::text(self.start)),
            own(when::text(self.end)),
            Cell::maybe(currency),
            cost(),
            cost(),
            Cell::text("Usage"),
            own(format!("Data transfer, {}", locality.replace('_', " "))),
            Cell::text("Networking"),
            Cell::text("Data transfer"),
            some(&self.region),
            some(&self.zone),
            own(id.join("/")),
            Cell::maybe(name.as_ref()),
            Cell::maybe(workload_kind.as_ref()),
            Cell::number(self.measure.bytes()),
            Cell::text("B"),
            Cell::maybe(namespace.as_ref()),
            some(&self.team),
            Cell::text(locality),
            Cell::number(self.measure.sent.bytes),
            Cell::number(self.measure.received.bytes),
            Cell::number(unpriced),
        ]
    }
}
