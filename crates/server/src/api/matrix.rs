//! From where to where.

use std::collections::BTreeMap;

use kubezonnet_api::{Matrix, MatrixAsked, MatrixCell, Places};

use super::asking::Asking;
use super::money::{Purse, sum, units};
use super::query::Query;
use super::refusal::Refusal;
use super::{Api, when};
use crate::history::{self, By, EdgePart, SidePart, Value};

/// Answers `/api/v1/matrix`.
pub(super) fn answer(api: &Api, query: &Query) -> Result<Matrix, Refusal> {
    let MatrixAsked { by } = query.get()?;
    let asking = Asking::of(api, query)?;
    let answer = asking.all(asking.range, between(by))?;
    let purse = Purse::of(&answer);
    let mut cells: BTreeMap<[&str; 2], history::Measure> = BTreeMap::new();
    for group in &answer.groups {
        if let Some(places) = places(&group.key) {
            *cells.entry(places).or_default() += sum(&group.cells);
        }
    }
    let units = units(cells.values());
    let total = sum(cells.values());
    let total = purse.between(&total, units.iter().sum());
    let cells = cells.iter().zip(units);
    Ok(Matrix {
        range: when::range(&answer, asking.behind()),
        currency: purse.currency(),
        by,
        total,
        cells: cells
            .map(|(([source, destination], measure), units)| MatrixCell {
                source: (*source).to_owned(),
                destination: (*destination).to_owned(),
                measure: purse.between(measure, units),
            })
            .collect(),
    })
}

/// By which parts it is asked.
pub(super) fn between(places: Places) -> By {
    let part = match places {
        Places::Zone => SidePart::Zone,
        Places::Region => SidePart::Region,
    };
    By::Edges(vec![
        EdgePart::Source(part),
        EdgePart::Destination(part),
        EdgePart::Source(SidePart::Outside),
        EdgePart::Destination(SidePart::Outside),
    ])
}

/// From where to where a group is: who has no place and is outside is called so.
pub(super) fn places(key: &[Value]) -> Option<[&str; 2]> {
    let [
        Value::Text(source),
        Value::Text(destination),
        Value::Text(source_outside),
        Value::Text(destination_outside),
    ] = key
    else {
        return None;
    };
    Some([
        shown(source, source_outside),
        shown(destination, destination_outside),
    ])
}

fn shown<'a>(place: &'a str, outside: &'a str) -> &'a str {
    if place.is_empty() { outside } else { place }
}
