//! Bytes to [`DecodedBatch`], for bytes of any origin.
//!
//! ```text
//! body ─▶ fields: where each field lies ─▶ columns: how many values each has ─▶ read, checked
//! ```
//!
//! Nothing is copied before its size is known and checked: a column is a slice of the body until it
//! is read into a vector of exactly its length. That is why this is written by hand.

mod column;
mod dictionary;
mod fields;
mod flows;
mod tables;

use std::time::Duration;

use kubezonnet_model::{BatchHeader, Coverage, Epoch, FlowCounters, NodeName, Uplinks};

use self::column::Column;
use self::dictionary::Dictionary;
use self::fields::Fields;
use crate::{DecodeError, DecodedBatch, FORMAT_VERSION, Flows, field};

/// What [`decode`] takes of memory at most, as a multiple of the body's length; 4 KiB come on top
/// for the node's name and for a message about it.
///
/// The worst a body can hold is IPv6 addresses that differ in their last byte only and are the
/// node's own: 3 bytes of the body (shared length, last byte, position) make two `IpAddr` of 17
/// bytes, 11.4 times as much. A flow has 4 bytes at least and makes 28, 7 times as much.
pub const MEMORY_PER_BODY_BYTE: usize = 12;

/// How much a body may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Flows, totals and skipped together. It limits the dictionaries too: see
    /// [`max_addresses`](Self::max_addresses) and [`max_shapes`](Self::max_shapes).
    pub max_records: usize,
}

/// How many addresses of its own a node may name beside those of its flows. With kube-proxy in IPVS
/// mode a node holds the address of every Service.
const MAX_NODE_ADDRESSES: usize = 65_536;

impl Limits {
    /// How many addresses a body may hold: two for each record, and the node's own. Who resolves
    /// addresses takes far more memory for one than the bytes that name it.
    pub const fn max_addresses(&self) -> usize {
        let of_records = self.max_records.saturating_mul(2);
        of_records.saturating_add(MAX_NODE_ADDRESSES)
    }

    /// How many shapes a body may hold: one for each record.
    pub const fn max_shapes(&self) -> usize {
        self.max_records
    }
}

impl Default for Limits {
    /// 262,144 records: an agent's flow map and its map of address pairs, both full, at twice their
    /// default size of 65,536.
    fn default() -> Self {
        Self {
            max_records: 262_144,
        }
    }
}

/// Reads a batch.
///
/// # Errors
///
/// [`DecodeError`] if the body is not protobuf, is of another format version, holds more than the
/// limits allow, or contradicts itself; see there.
pub fn decode(body: &[u8], limits: &Limits) -> Result<DecodedBatch, DecodeError> {
    if u32::try_from(body.len()).is_err() {
        // So that every position in a dictionary fits in 32 bits.
        return Err(fields::malformed("body", 0, "it is larger than 4 GiB"));
    }
    let fields = Fields::scan(body)?;
    // First of all, since in another version nothing else need mean what it means here.
    let version = fields.uint(field::FORMAT_VERSION)?;
    if version != u64::from(FORMAT_VERSION) {
        return Err(DecodeError::UnsupportedVersion { found: version });
    }
    let header = read_header(&fields)?;
    check_limits(&fields, *limits)?;
    let dictionary = Dictionary::read(&fields)?;
    let node_addresses = dictionary.node_addresses(&fields)?;
    let flows = flows::read(&fields, &dictionary)?;
    let totals = tables::totals(&fields)?;
    let skipped = tables::skipped(&fields)?;
    let beside_flows = || {
        let totals = totals.iter().map(|total| total.counters);
        totals.chain(skipped.iter().map(|skipped| skipped.counters))
    };
    check_sums(&flows, beside_flows)?;
    Ok(DecodedBatch {
        header,
        addresses: dictionary.addresses,
        shapes: dictionary.shapes,
        flows,
        totals,
        skipped,
        node_addresses,
    })
}

fn read_header(fields: &Fields<'_>) -> Result<BatchHeader, DecodeError> {
    let refuse = |field: field::Field, problem| DecodeError::Header {
        field: field.name,
        problem,
    };
    let epoch = fields.bytes(field::EPOCH)?;
    let epoch = <[u8; 16]>::try_from(epoch).map_err(|_| refuse(field::EPOCH, "is not 16 bytes"))?;
    let sequence = fields.uint(field::SEQUENCE)?;
    if sequence == 0 {
        return Err(refuse(field::SEQUENCE, "is 0, it counts from 1"));
    }
    let mut coverage =
        Coverage::from_bits(fields.uint(field::HOOKS)?, fields.uint(field::ENDS)? != 0);
    coverage.uplinks = Uplinks {
        seen: FlowCounters {
            bytes: fields.uint(field::UPLINK_SEEN_BYTES)?,
            packets: fields.uint(field::UPLINK_SEEN_PACKETS)?,
        },
        sent: FlowCounters {
            bytes: fields.uint(field::UPLINK_SENT_BYTES)?,
            packets: fields.uint(field::UPLINK_SENT_PACKETS)?,
        },
    };
    Ok(BatchHeader {
        node: NodeName::new(fields.text(field::NODE)?).map_err(DecodeError::NodeName)?,
        epoch: Epoch(epoch),
        sequence,
        window: Duration::from_nanos(fields.uint(field::WINDOW_NANOS)?),
        coverage,
    })
}

/// Counts rows before anything is read: other columns are then held to the length of these.
fn check_limits(fields: &Fields<'_>, limits: Limits) -> Result<(), DecodeError> {
    let limit = limits.max_records;
    let mut found = 0;
    for table in [field::BYTES, field::TOTAL_BYTES, field::SKIPPED_BYTES] {
        found += Column::of(fields, table)?.len();
    }
    if found > limit {
        return Err(DecodeError::TooManyRecords { found, limit });
    }
    let addresses = dictionary::count_addresses(fields)?;
    let shapes = Column::of(fields, field::SHAPE_PROTOCOL)?.len();
    for (dictionary, found, limit) in [
        ("addresses", addresses, limits.max_addresses()),
        ("shapes", shapes, limits.max_shapes()),
    ] {
        if found > limit {
            return Err(DecodeError::DictionaryTooLarge {
                dictionary,
                found,
                limit,
            });
        }
    }
    Ok(())
}

/// Whoever adds up a batch in 64 bits shall not wrap.
fn check_sums<I: Iterator<Item = FlowCounters>>(
    flows: &Flows,
    beside_flows: impl Fn() -> I,
) -> Result<(), DecodeError> {
    let fits = |column: &[u64], beside: fn(FlowCounters) -> u64| {
        let others = beside_flows().map(beside);
        let mut values = column.iter().copied().chain(others);
        values.try_fold(0_u64, u64::checked_add).is_some()
    };
    if !fits(&flows.bytes, |counters| counters.bytes) {
        return Err(DecodeError::Overflow { counter: "bytes" });
    }
    if !fits(&flows.packets, |counters| counters.packets) {
        return Err(DecodeError::Overflow { counter: "packets" });
    }
    Ok(())
}
