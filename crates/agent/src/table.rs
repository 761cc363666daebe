//! `--dry-run`: prints each window as a table instead of sending it.
//!
//! The table is made from the encoded window, so it shows what a server would read.

use std::fmt::{self, Write as _};
use std::io::Write as _;

use kubezonnet_model::{
    FlowBatch, FlowCounters, FlowRecord, InterfaceClass, ObservationPoint, PortSide, ServicePort,
};
use kubezonnet_wire::Limits;

use crate::answer::{Answer, Outcome};
use crate::tick::Deliver;
use crate::window::Outgoing;

/// Prints windows on standard output; each is acknowledged once it is printed.
#[derive(Debug)]
pub struct Table;

/// The agent's own windows are bounded by the kernel's maps.
const NO_LIMITS: Limits = Limits {
    max_records: usize::MAX,
};

impl Deliver for Table {
    async fn deliver(&mut self, outgoing: Outgoing) -> Answer {
        let text = match kubezonnet_wire::decode(&outgoing.body, &NO_LIMITS) {
            Ok(decoded) => render(&decoded.into_batch()),
            Err(error) => return Answer::none(Outcome::Refused, error.to_string()),
        };
        match std::io::stdout().lock().write_all(text.as_bytes()) {
            Ok(()) => Answer::none(Outcome::Acknowledged, ""),
            // The reader is gone (`| head`): the window is lost, and said to be.
            Err(error) => Answer::none(Outcome::Refused, error.to_string()),
        }
    }
}

/// One row: eight cells of text.
type Row = [String; 8];

const HEADINGS: [&str; 8] = [
    "SOURCE",
    "DESTINATION",
    "PROTOCOL",
    "HOOK",
    "IN",
    "OUT",
    "BYTES",
    "PACKETS",
];

/// Where the numbers begin, which are aligned to the right.
const FIRST_NUMBER: usize = 6;

/// The window as a table, sorted by bytes, with the sum of everything the hooks saw.
///
/// # Panics
///
/// Never: text is written to memory.
pub fn render(batch: &FlowBatch) -> String {
    let mut records = batch.records.clone();
    records.sort_by(|a, b| b.counters.cmp(&a.counters).then(a.key.cmp(&b.key)));
    let mut rows = vec![HEADINGS.map(str::to_owned)];
    rows.extend(records.iter().map(record_row));
    rows.extend(batch.totals.iter().map(|total| {
        let label = format!("({})", total.kind.as_str());
        row(
            label,
            String::new(),
            String::new(),
            total.point,
            total.counters,
        )
    }));
    rows.extend(batch.skipped.iter().map(|skipped| {
        let mut row = row(
            format!("(skipped: {})", skipped.reason.as_str()),
            String::new(),
            String::new(),
            // Skipped packets have a hook and no classes: the cells are emptied below.
            ObservationPoint {
                hook: skipped.hook,
                input: InterfaceClass::Other,
                output: InterfaceClass::Other,
            },
            skipped.counters,
        );
        row[4].clear();
        row[5].clear();
        row
    }));
    let seen = batch.seen();
    let mut sum: Row = Default::default();
    "(seen)".clone_into(&mut sum[0]);
    sum[6] = seen.bytes.to_string();
    sum[7] = seen.packets.to_string();
    rows.push(sum);

    let mut text = format!(
        "window {} of node {}: {:.1} s, {} records{}\n",
        batch.header.sequence,
        batch.header.node,
        batch.header.window.as_secs_f64(),
        batch.records.len(),
        if batch.header.coverage.ends {
            ", the last one"
        } else {
            ""
        },
    );
    align(&mut text, &rows).expect("writing to a string does not fail");
    text.push('\n');
    text
}

fn align(text: &mut String, rows: &[Row]) -> fmt::Result {
    let widths: [usize; 8] =
        std::array::from_fn(|column| rows.iter().map(|row| row[column].len()).max().unwrap_or(0));
    for row in rows {
        for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
            let gap = if column == 0 { "" } else { "  " };
            if column < FIRST_NUMBER {
                write!(text, "{gap}{cell:<width$}")?;
            } else {
                write!(text, "{gap}{cell:>width$}")?;
            }
        }
        text.push('\n');
    }
    Ok(())
}

fn record_row(record: &FlowRecord) -> Row {
    let key = &record.key;
    let (mut source, mut destination) = (key.source.to_string(), key.destination.to_string());
    let mut protocol = "(any)".to_owned();
    if let Some(transport) = key.transport {
        protocol = transport.protocol.to_string();
        let [source_port, destination_port] = ports(transport.service, transport.client_port);
        source = with_port(source, source_port);
        destination = with_port(destination, destination_port);
    }
    row(source, destination, protocol, key.point, record.counters)
}

fn ports(service: Option<ServicePort>, client: Option<u16>) -> [Option<u16>; 2] {
    match service {
        None => [None, None],
        Some(ServicePort {
            number,
            side: PortSide::Source,
        }) => [Some(number), client],
        Some(ServicePort {
            number,
            side: PortSide::Destination,
        }) => [client, Some(number)],
    }
}

fn with_port(address: String, port: Option<u16>) -> String {
    match port {
        None => address,
        Some(port) if address.contains(':') => format!("[{address}]:{port}"),
        Some(port) => format!("{address}:{port}"),
    }
}

fn row(
    source: String,
    destination: String,
    protocol: String,
    point: ObservationPoint,
    counters: FlowCounters,
) -> Row {
    [
        source,
        destination,
        protocol,
        point.hook.as_str().to_owned(),
        point.input.as_str().to_owned(),
        point.output.as_str().to_owned(),
        counters.bytes.to_string(),
        counters.packets.to_string(),
    ]
}

#[cfg(test)]
mod tests;
