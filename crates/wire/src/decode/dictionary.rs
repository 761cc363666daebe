//! The two dictionaries of a body: addresses and shapes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use kubezonnet_model::{ObservationPoint, Transport};

use super::column::Column;
use super::fields::{Fields, malformed};
use crate::{DecodeError, Shape, code, field};

/// What flows refer to by position.
#[derive(Debug)]
pub(super) struct Dictionary {
    pub(super) addresses: Vec<IpAddr>,
    /// How many of `addresses` are IPv4; they come first.
    pub(super) ipv4: usize,
    pub(super) shapes: Vec<Shape>,
}

impl Dictionary {
    pub(super) fn read(fields: &Fields<'_>) -> Result<Self, DecodeError> {
        let (addresses, ipv4) = read_addresses(fields)?;
        Ok(Self {
            addresses,
            ipv4,
            shapes: read_shapes(fields)?,
        })
    }

    /// The node's own addresses: positions, each as the difference from the one before.
    pub(super) fn node_addresses(&self, fields: &Fields<'_>) -> Result<Vec<IpAddr>, DecodeError> {
        let column = Column::of(fields, field::NODE_ADDRESS)?;
        if column.len() > self.addresses.len() {
            // Refused before memory is taken for more than can be right.
            return Err(column.row_error(self.addresses.len(), "there are fewer addresses"));
        }
        let mut steps = Steps::default();
        column.read(|step| Ok(self.addresses[steps.take(step, self.addresses.len())?]))
    }
}

/// How many addresses a body holds, if it is right.
pub(super) fn count_addresses(fields: &Fields<'_>) -> Result<usize, DecodeError> {
    let ipv4 = fields.bytes(field::IPV4)?.len() / 4;
    Ok(ipv4 + Column::of(fields, field::IPV6_SHARED)?.len())
}

/// Positions that only rise, each sent as the difference from the one before.
#[derive(Debug, Default)]
pub(super) struct Steps {
    last: Option<u64>,
}

impl Steps {
    /// The next position, if it is after the last and below `end`.
    #[inline]
    pub(super) fn take(&mut self, step: u64, end: usize) -> Result<usize, &'static str> {
        if step == 0 && self.last.is_some() {
            return Err("the same address comes twice");
        }
        let position = self.last.unwrap_or(0).saturating_add(step);
        self.last = Some(position);
        usize::try_from(position)
            .ok()
            .filter(|position| *position < end)
            .ok_or(NO_SUCH_ADDRESS)
    }
}

/// Said of a position past the end of the address dictionary.
pub(super) const NO_SUCH_ADDRESS: &str = "there is no address at this position";

const NOT_ASCENDING: &str = "is not greater than the one before";

fn read_addresses(fields: &Fields<'_>) -> Result<(Vec<IpAddr>, usize), DecodeError> {
    let (offset, octets) = fields.located_bytes(field::IPV4)?;
    let (octets, []) = octets.as_chunks::<4>() else {
        return Err(malformed(
            field::IPV4.name,
            offset,
            "is not a multiple of 4 bytes",
        ));
    };
    let shared = Column::of(fields, field::IPV6_SHARED)?;
    let rest = fields.bytes(field::IPV6_REST)?;
    if rest.len() < shared.len() {
        // Each address differs from its predecessor by a byte at least. Checked before memory is
        // taken by the number of addresses.
        return Err(DecodeError::Header {
            field: field::IPV6_REST.name,
            problem: REST_TOO_SHORT,
        });
    }
    let mut addresses = Vec::with_capacity(octets.len() + shared.len());
    for (row, address) in octets.iter().enumerate() {
        let address = IpAddr::V4(Ipv4Addr::from(*address));
        if addresses.last().is_some_and(|before| *before >= address) {
            return Err(DecodeError::Row {
                field: field::IPV4.name,
                row,
                problem: NOT_ASCENDING,
            });
        }
        addresses.push(address);
    }
    read_ipv6(shared, rest, &mut addresses)?;
    Ok((addresses, octets.len()))
}

const REST_TOO_SHORT: &str = "is shorter than its addresses need";

fn read_ipv6(
    shared: Column<'_>,
    mut rest: &[u8],
    addresses: &mut Vec<IpAddr>,
) -> Result<(), DecodeError> {
    let mut octets = [0; 16];
    let mut cursor = shared.cursor();
    for row in 0..shared.len() {
        let kept = usize::try_from(cursor.next()?).unwrap_or(usize::MAX);
        if kept > 15 || (row == 0 && kept > 0) {
            return Err(shared.row_error(row, "shares more than it can with the one before"));
        }
        let before = octets;
        let tail = &mut octets[kept..];
        let Some((own, left)) = rest.split_at_checked(tail.len()) else {
            return Err(DecodeError::Header {
                field: field::IPV6_REST.name,
                problem: REST_TOO_SHORT,
            });
        };
        tail.copy_from_slice(own);
        rest = left;
        if row > 0 && octets <= before {
            return Err(shared.row_error(row, NOT_ASCENDING));
        }
        addresses.push(IpAddr::V6(Ipv6Addr::from(octets)));
    }
    if !rest.is_empty() {
        return Err(DecodeError::Header {
            field: field::IPV6_REST.name,
            problem: "is longer than its addresses need",
        });
    }
    Ok(())
}

fn read_shapes(fields: &Fields<'_>) -> Result<Vec<Shape>, DecodeError> {
    let protocol = Column::of(fields, field::SHAPE_PROTOCOL)?;
    let port = Column::of(fields, field::SHAPE_PORT)?.same_length_as(&protocol)?;
    let hook = Column::of(fields, field::SHAPE_HOOK)?.same_length_as(&protocol)?;
    let input = Column::of(fields, field::SHAPE_INPUT)?.same_length_as(&protocol)?;
    let output = Column::of(fields, field::SHAPE_OUTPUT)?.same_length_as(&protocol)?;
    let socket = Column::of(fields, field::SHAPE_SOCKET)?;
    let has_sockets = socket.len() > 0;
    if has_sockets {
        socket.same_length_as(&protocol)?;
    }
    let pods = read_pods(fields)?;
    let may_repeat = fields.has_unknown_key_parts();
    let columns = [protocol, port, hook, input, output, socket];
    let mut cursors = columns.map(Column::cursor);
    let present = if has_sockets {
        SHAPE_COLUMNS
    } else {
        SHAPE_COLUMNS - 1
    };
    let mut before: Option<[u64; SHAPE_COLUMNS]> = None;
    let mut shapes = Vec::with_capacity(protocol.len());
    for row in 0..protocol.len() {
        let mut codes = [0; SHAPE_COLUMNS];
        for (code, cursor) in codes.iter_mut().zip(&mut cursors[..present]) {
            *code = cursor.next()?;
        }
        if before.is_some_and(|before| before > codes || (before == codes && !may_repeat)) {
            return Err(protocol.row_error(row, "the shape is not greater than the one before"));
        }
        before = Some(codes);
        shapes.push(shape(&columns, row, codes, pods)?);
    }
    Ok(shapes)
}

/// The uids of pods, which stay where they are in the body.
fn read_pods<'a>(fields: &Fields<'a>) -> Result<&'a [[u8; 16]], DecodeError> {
    let (offset, bytes) = fields.located_bytes(field::POD_UID)?;
    let (pods, []) = bytes.as_chunks::<16>() else {
        let problem = "is not a multiple of 16 bytes";
        return Err(malformed(field::POD_UID.name, offset, problem));
    };
    if let Some(row) = (1..pods.len()).find(|row| pods[row - 1] >= pods[*row]) {
        return Err(DecodeError::Row {
            field: field::POD_UID.name,
            row,
            problem: NOT_ASCENDING,
        });
    }
    Ok(pods)
}

/// How many columns a shape has.
const SHAPE_COLUMNS: usize = 6;

fn shape(
    columns: &[Column<'_>; SHAPE_COLUMNS],
    row: usize,
    codes: [u64; SHAPE_COLUMNS],
    pods: &[[u8; 16]],
) -> Result<Shape, DecodeError> {
    let [protocol, port, hook, input, output, socket] = codes;
    let unknown = |column: usize| columns[column].code_error(row, codes[column]);
    let protocol = code::to_protocol(protocol).map_err(|_| unknown(0))?;
    let service = code::to_port(port).map_err(|_| unknown(1))?;
    if protocol.is_none() && service.is_some() {
        return Err(columns[1].row_error(row, "there is a port without a protocol"));
    }
    Ok(Shape {
        socket: code::to_socket(socket, pods)
            .map_err(|_| columns[5].row_error(row, "there is no pod at this position"))?,
        transport: protocol.map(|protocol| Transport {
            protocol,
            service,
            client_port: None,
        }),
        point: ObservationPoint {
            hook: code::to_hook(hook).ok_or_else(|| unknown(2))?,
            input: code::to_class(input),
            output: code::to_class(output),
        },
    })
}
