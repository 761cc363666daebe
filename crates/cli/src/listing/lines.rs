//! A list for programs: values field by field, exact.

use std::borrow::Cow;
use std::io::{self, Write};

use kubezonnet_api::{Amount, Item, Measure, Measures, Money, Top};

use super::of_item;
use crate::key;

/// Names of the values of a line.
pub(super) fn titles(top: &Top) -> Vec<&'static str> {
    let mut titles = key::columns(top.of).to_vec();
    titles.extend(match top.items.first().map(|item| &item.amount) {
        Some(Amount::Party(_)) => &[
            "sent_bytes",
            "sent_packets",
            "received_bytes",
            "received_packets",
            "crossing_bytes",
        ][..],
        _ => &["bytes", "packets"][..],
    });
    titles.extend(["cost", "before_bytes", "before_cost", "currency"]);
    titles
}

/// The values of an item.
pub(super) fn values(top: &Top, item: &Item) -> Vec<String> {
    let mut values: Vec<String> = of_item(item).into_iter().map(str::to_owned).collect();
    let is_party = matches!(
        top.items.first().map(|item| &item.amount),
        Some(Amount::Party(_))
    );
    values.extend(match &item.amount {
        Amount::Party(party) => {
            let Measures {
                sent_bytes,
                sent_packets,
                received_bytes,
                received_packets,
                crossing_bytes,
                ..
            } = party;
            [
                sent_bytes,
                sent_packets,
                received_bytes,
                received_packets,
                crossing_bytes,
            ]
            .map(ToString::to_string)
            .to_vec()
        }
        Amount::Between(Measure { bytes, packets, .. }) if is_party => {
            // The server answers with one kind or the other; a mixture keeps its columns.
            vec![
                bytes.to_string(),
                packets.to_string(),
                String::new(),
                String::new(),
                String::new(),
            ]
        }
        Amount::Between(Measure { bytes, packets, .. }) => {
            vec![bytes.to_string(), packets.to_string()]
        }
    });
    let text = |money: Option<&Money>| money.map(|money| money.0.clone()).unwrap_or_default();
    values.push(text(cost(&item.amount)));
    let before = item.before.as_ref();
    values.push(
        before
            .map(|before| bytes(before).to_string())
            .unwrap_or_default(),
    );
    values.push(text(before.and_then(cost)));
    values.push(top.currency.clone().unwrap_or_default());
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

/// A value, never a formula: a spreadsheet takes what begins so for one, and works it out. The server's own
/// tables have the same guard.
pub(crate) fn guarded(value: &str) -> Cow<'_, str> {
    if value.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) {
        Cow::Owned(format!("'{value}"))
    } else {
        Cow::Borrowed(value)
    }
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
