//! A list for programs: values field by field, exact.

use std::io::{self, Write};

use kubezonnet_api::{Amount, Item, Measure, Measures, Money, Top, guarded};

use crate::key;

/// What a line has of the time before, beyond what the server's own tables have.
const BEFORE: [&str; 2] = ["before_bytes", "before_cost"];

/// Names of the values of a line: those of the server's own tables.
pub(super) fn titles(top: &Top) -> Vec<&'static str> {
    let mut titles = key::columns(top.of).to_vec();
    titles.extend(if top.of.is_of_parties() {
        &Measures::COLUMNS[..]
    } else {
        &Measure::COLUMNS[..]
    });
    titles.extend(BEFORE);
    titles
}

/// The values of an item.
pub(super) fn values(top: &Top, item: &Item) -> Vec<String> {
    let own = key::values(top.of, &item.key);
    let mut values: Vec<String> = own.into_iter().map(str::to_owned).collect();
    values.extend(match &item.amount {
        Amount::Party(party) => [
            party.sent_bytes,
            party.sent_packets,
            party.received_bytes,
            party.received_packets,
            party.crossing_bytes,
        ]
        .map(|number| number.to_string())
        .to_vec(),
        Amount::Between(between) => {
            let mut numbers = vec![between.bytes.to_string(), between.packets.to_string()];
            // A mixture keeps its columns.
            let columns = if top.of.is_of_parties() { 5 } else { 2 };
            numbers.resize(columns, String::new());
            numbers
        }
    });
    let text = |money: Option<&Money>| money.map(|money| money.0.clone()).unwrap_or_default();
    values.push(text(cost(&item.amount)));
    values.push(top.currency.clone().unwrap_or_default());
    let before = item.before.as_ref();
    let bytes = before.map(|before| bytes(before).to_string());
    values.push(bytes.unwrap_or_default());
    values.push(text(before.and_then(cost)));
    values
}

/// Writes all of it, quoted where that is needed.
pub(super) fn write(top: &Top, out: &mut impl Write) -> io::Result<()> {
    let mut writer = csv::Writer::from_writer(out);
    writer.write_record(titles(top)).map_err(into_io)?;
    for item in &top.items {
        let values = values(top, item);
        let cells = values.iter().map(|value| guarded(value));
        let cells: Vec<_> = cells.collect();
        writer
            .write_record(cells.iter().map(|cell| cell.as_bytes()))
            .map_err(into_io)?;
    }
    writer.flush()
}

fn cost(amount: &Amount) -> Option<&Money> {
    match amount {
        Amount::Party(party) => party.known_cost(),
        Amount::Between(between) => between.known_cost(),
    }
}

fn bytes(amount: &Amount) -> u128 {
    match amount {
        Amount::Party(party) => u128::from(party.sent_bytes) + u128::from(party.received_bytes),
        Amount::Between(between) => between.bytes.into(),
    }
}

/// Keeps the kind, by which a broken pipe is known.
pub(crate) fn into_io(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}
