//! What columns each answer has as a table.

use std::borrow::Cow;

use kubezonnet_api::{
    Address, Amount, Flows, Item, Key, Matrix, Measure, Measures, Money, Series, Summary, Top,
};

use super::csv::{Cell, Table};

fn columns(names: &[&[&'static str]]) -> Vec<Cow<'static, str>> {
    names
        .iter()
        .flat_map(|names| names.iter())
        .map(|name| (*name).into())
        .collect()
}

/// Money and in what; what has no price has an empty cell, and costs something perhaps.
fn money<'a>(money: Option<&'a Money>, currency: Option<&'a String>) -> [Cell<'a>; 2] {
    let amount = money.map(|Money(amount)| Cell::Number(amount.as_str().into()));
    [amount.unwrap_or(Cell::Empty), Cell::maybe(currency)]
}

fn between<'a>(measure: &'a Measure, currency: Option<&'a String>) -> Vec<Cell<'a>> {
    let mut cells = vec![Cell::number(measure.bytes), Cell::number(measure.packets)];
    cells.extend(money(measure.known_cost(), currency));
    cells
}

fn amount<'a>(item: &'a Item, currency: Option<&'a String>) -> Vec<Cell<'a>> {
    match &item.amount {
        Amount::Between(measure) => between(measure, currency),
        Amount::Party(measures) => {
            let numbers = [
                measures.sent_bytes,
                measures.sent_packets,
                measures.received_bytes,
                measures.received_packets,
                measures.crossing_bytes,
            ];
            let mut cells: Vec<_> = numbers.map(Cell::number).into();
            cells.extend(money(measures.known_cost(), currency));
            cells
        }
    }
}

impl Table for Summary {
    fn columns(&self) -> Vec<Cow<'static, str>> {
        columns(&[&["from", "to", "locality"], &Measure::COLUMNS])
    }

    fn rows(&self) -> Vec<Vec<Cell<'_>>> {
        let shares = self.localities.iter();
        let rows = shares.map(|share| {
            let mut row = vec![
                Cell::Text(self.range.from.as_str().into()),
                Cell::Text(self.range.to.as_str().into()),
                Cell::text(share.locality.as_str()),
            ];
            row.extend(between(&share.measure, self.currency.as_ref()));
            row
        });
        rows.collect()
    }
}

impl Table for Matrix {
    fn columns(&self) -> Vec<Cow<'static, str>> {
        columns(&[&["source", "destination"], &Measure::COLUMNS])
    }

    fn rows(&self) -> Vec<Vec<Cell<'_>>> {
        let cells = self.cells.iter();
        cells
            .map(|cell| {
                let mut row = vec![Cell::text(&cell.source), Cell::text(&cell.destination)];
                row.extend(between(&cell.measure, self.currency.as_ref()));
                row
            })
            .collect()
    }
}

impl Table for Top {
    fn columns(&self) -> Vec<Cow<'static, str>> {
        let amount: &[&str] = if self.of.is_of_parties() {
            &Measures::COLUMNS
        } else {
            &Measure::COLUMNS
        };
        columns(&[&Key::COLUMNS, amount])
    }

    fn rows(&self) -> Vec<Vec<Cell<'_>>> {
        let currency = self.currency.as_ref();
        let items = self.items.iter();
        items
            .map(|item| {
                let mut row: Vec<Cell<'_>> = key(&item.key).into();
                row.extend(amount(item, currency));
                row
            })
            .collect()
    }
}

impl Table for Series {
    fn columns(&self) -> Vec<Cow<'static, str>> {
        columns(&[&["time"], &Key::COLUMNS, &["bytes", "cost", "currency"]])
    }

    fn rows(&self) -> Vec<Vec<Cell<'_>>> {
        let mut rows = Vec::new();
        for line in &self.lines {
            for (time, point) in self.times.iter().zip(&line.points) {
                let mut row = vec![Cell::text(time)];
                row.extend(key(&line.key));
                row.push(Cell::number(point.bytes));
                row.extend(money(point.known_cost(), self.currency.as_ref()));
                rows.push(row);
            }
        }
        rows
    }
}

impl Table for Flows {
    fn columns(&self) -> Vec<Cow<'static, str>> {
        let ends = ["source", "destination"].into_iter().flat_map(|end| {
            let names = [
                "address",
                "port",
                "kind",
                "namespace",
                "pod",
                "workload_kind",
                "workload",
                "name",
                "node",
                "zone",
                "region",
            ];
            names.map(|name| Cow::from(format!("{end}_{name}")))
        });
        let mut all = columns(&[&[
            "start",
            "end",
            "reporter",
            "direction",
            "locality",
            "unknown_reason",
            "protocol",
            "service_namespace",
            "service",
        ]]);
        all.extend(ends);
        all.extend(columns(&[&["bytes", "packets"]]));
        all
    }

    fn rows(&self) -> Vec<Vec<Cell<'_>>> {
        let flows = self.flows.iter();
        flows
            .map(|flow| {
                let service = flow.service.as_ref();
                let mut row = vec![
                    Cell::text(&flow.start),
                    Cell::text(&flow.end),
                    Cell::text(&flow.reporter),
                    Cell::text(&flow.direction),
                    Cell::text(flow.locality.as_str()),
                    Cell::maybe(flow.unknown_reason.as_ref()),
                    Cell::text(&flow.protocol),
                    Cell::maybe(service.map(|service| &service.namespace)),
                    Cell::maybe(service.map(|service| &service.name)),
                ];
                row.extend(address(&flow.source));
                row.extend(address(&flow.destination));
                row.extend([Cell::number(flow.bytes), Cell::number(flow.packets)]);
                row
            })
            .collect()
    }
}

fn address(end: &Address) -> [Cell<'_>; 11] {
    let workload = end.workload.as_ref();
    [
        Cell::text(&end.address),
        end.port
            .map_or(Cell::Empty, |port| Cell::number(port.into())),
        Cell::text(end.kind.as_str()),
        Cell::maybe(end.namespace.as_ref()),
        Cell::maybe(end.pod.as_ref()),
        Cell::maybe(workload.map(|workload| &workload.kind)),
        Cell::maybe(workload.map(|workload| &workload.name)),
        Cell::maybe(end.name.as_ref()),
        Cell::maybe(end.node.as_ref()),
        Cell::maybe(end.zone.as_ref()),
        Cell::maybe(end.region.as_ref()),
    ]
}

/// Who it is, in the columns of [`Key::COLUMNS`].
fn key(key: &Key) -> [Cell<'_>; Key::COLUMNS.len()] {
    key.cells().map(|cell| cell.map_or(Cell::Empty, Cell::text))
}
