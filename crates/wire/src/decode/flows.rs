//! The columns of the flows.

use super::column::Column;
use super::dictionary::{Dictionary, NO_SUCH_ADDRESS, Steps};
use super::fields::Fields;
use crate::{DecodeError, Flows, code, field};

pub(super) fn read(fields: &Fields<'_>, dictionary: &Dictionary) -> Result<Flows, DecodeError> {
    let bytes = Column::of(fields, field::BYTES)?;
    let packets = Column::of(fields, field::PACKETS)?.same_length_as(&bytes)?;
    let destination = Column::of(fields, field::DESTINATION)?.same_length_as(&bytes)?;
    let shape = Column::of(fields, field::SHAPE)?.same_length_as(&bytes)?;
    let client_port = Column::of(fields, field::CLIENT_PORT)?;
    if client_port.len() > 0 {
        client_port.same_length_as(&bytes)?;
    }
    let shapes = dictionary.shapes.len();
    let (source, destination_index) = read_pairs(fields, destination, dictionary)?;
    let flows = Flows {
        source,
        destination: destination_index,
        shape: shape.read(|position| {
            let position = u32::try_from(position).ok();
            position
                .filter(|position| (*position as usize) < shapes)
                .ok_or("there is no shape at this position")
        })?,
        client_port: client_port.read(|code| {
            code::to_client_port(code).map_err(|_| "there is no port with this number")
        })?,
        bytes: bytes.read(Ok)?,
        packets: packets.read(Ok)?,
    };
    check_client_ports(&flows, dictionary, &client_port)?;
    check_order(&flows, fields.has_unknown_key_parts(), &shape)?;
    Ok(flows)
}

/// Reads who sends to whom: for each source how many flows it has, for each flow how far its
/// destination is from that of the flow before.
fn read_pairs(
    fields: &Fields<'_>,
    destination: Column<'_>,
    dictionary: &Dictionary,
) -> Result<(Vec<u32>, Vec<u32>), DecodeError> {
    let source = Column::of(fields, field::SOURCE)?;
    let source_flows = Column::of(fields, field::SOURCE_FLOWS)?.same_length_as(&source)?;
    let rows = destination.len();
    let addresses = dictionary.addresses.len();
    let mut sources = Vec::with_capacity(rows);
    let mut destinations = Vec::with_capacity(rows);
    let mut steps = Steps::default();
    let (mut source_cursor, mut flows_cursor) = (source.cursor(), source_flows.cursor());
    let mut cursor = destination.cursor();
    for source_row in 0..source.len() {
        let position = steps
            .take(source_cursor.next()?, addresses)
            .map_err(|problem| source.row_error(source_row, problem))?;
        let flows = usize::try_from(flows_cursor.next()?).unwrap_or(usize::MAX);
        if flows == 0 || flows > rows - sources.len() {
            return Err(source_flows.row_error(source_row, "is 0, or more than flows are left"));
        }
        // The destinations of a source are of its family, and so between these two.
        let (begin, end) = if position < dictionary.ipv4 {
            (0, dictionary.ipv4 as u64)
        } else {
            (dictionary.ipv4 as u64, addresses as u64)
        };
        let source_index = narrow(position as u64);
        sources.resize(sources.len() + flows, source_index);
        let mut reached = 0_u64;
        for _ in 0..flows {
            reached = reached.saturating_add(cursor.next()?);
            if reached < begin || reached >= end {
                let row = destinations.len();
                return Err(destination.row_error(row, no_destination(reached, addresses)));
            }
            destinations.push(narrow(reached));
        }
    }
    if sources.len() < rows {
        return Err(DecodeError::UnequalColumns {
            field: field::SOURCE_FLOWS.name,
            found: sources.len(),
            other: field::DESTINATION.name,
            expected: rows,
        });
    }
    Ok((sources, destinations))
}

fn no_destination(position: u64, addresses: usize) -> &'static str {
    if position < addresses as u64 {
        "source and destination are of different families"
    } else {
        NO_SUCH_ADDRESS
    }
}

/// A position in the dictionary as it is kept.
fn narrow(position: u64) -> u32 {
    u32::try_from(position)
        .expect("a body has fewer than 2^32 bytes, and an address takes two at least")
}

fn check_client_ports(
    flows: &Flows,
    dictionary: &Dictionary,
    column: &Column<'_>,
) -> Result<(), DecodeError> {
    for (row, client_port) in flows.client_port.iter().enumerate() {
        let shape = &dictionary.shapes[flows.shape[row] as usize];
        if client_port.is_some() && shape.transport.is_none() {
            return Err(column.row_error(row, "there is a port without a protocol"));
        }
    }
    Ok(())
}

/// Source and destination ascend by the way they are sent; within a pair shape and client port must
/// ascend too, so that no key comes twice.
fn check_order(flows: &Flows, may_repeat: bool, column: &Column<'_>) -> Result<(), DecodeError> {
    let within_pair = |row: usize| {
        let client_port = flows.client_port.get(row).copied().flatten();
        (flows.shape[row], client_port)
    };
    for row in 1..flows.len() {
        if flows.destination[row] != flows.destination[row - 1]
            || flows.source[row] != flows.source[row - 1]
        {
            continue;
        }
        let (before, this) = (within_pair(row - 1), within_pair(row));
        if before > this {
            return Err(column.row_error(row, "flows of one pair are not in ascending order"));
        }
        if before == this && !may_repeat {
            return Err(column.row_error(row, "the same flow comes twice"));
        }
    }
    Ok(())
}
