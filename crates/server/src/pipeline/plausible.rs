//! Whether a window's counters can be true.

use kubezonnet_model::FlowCounters;
use kubezonnet_wire::DecodedBatch;

use super::Rejection;

/// The most bytes, or packets, that one window may bring: 9 PB, what 2,000 Gbit/s carry in ten
/// hours, and the largest count that Prometheus' floating point keeps exact. More is a lie, and
/// would soon push counters to the end of their 64 bits.
const MAX_BATCH: u64 = 1 << 53;

/// Refuses a batch that says more than any network carries.
pub(super) fn plausible(batch: &DecodedBatch) -> Result<(), Rejection> {
    let flows = FlowCounters {
        bytes: saturating_sum(&batch.flows.bytes),
        packets: saturating_sum(&batch.flows.packets),
    };
    let totals = batch.totals.iter().map(|total| total.counters);
    let skipped = batch.skipped.iter().map(|skipped| skipped.counters);
    let FlowCounters { bytes, packets } = totals.chain(skipped).chain([flows]).sum();
    if bytes > MAX_BATCH || packets > MAX_BATCH {
        return Err(Rejection::Implausible { bytes, packets });
    }
    Ok(())
}

fn saturating_sum(column: &[u64]) -> u64 {
    column.iter().fold(0, |sum, each| sum.saturating_add(*each))
}
