//! What left through the uplinks in a window, counted twice: by the hooks, and by the interfaces.
//!
//! ```text
//! Drained ─▶ seen() ──┐
//!                     ├─▶ share() ─▶ Uplinks ─▶ the window's coverage, metrics, a warning
//! readings ─▶ sent() ─┘
//! ```
//!
//! Where the interfaces sent more than the hooks saw, packets bypass the hooks.
//!
//! No reading is taken at the very moment when the kernel switches generations, so there are two: one
//! before it, and one after it. What was sent between them is in the hooks' counts of one window or
//! of the next. It goes to the first as far as the hooks saw that much, and the rest to the next: so
//! no window has more sent than seen only because traffic began while the one before was read, and
//! over all windows nothing is missing.

use std::collections::BTreeMap;
use std::time::Instant;

use kubezonnet_capture::Drained;
use kubezonnet_model::{
    BypassJudge, FlowCounters, Hook, InterfaceClass, ObservationPoint, SkipReason, Uplinks,
};
use tracing::{info, warn};

use crate::links::netlink::{self, NetlinkError};
use crate::metrics::Metrics;

/// What interfaces sent since they were made, by index: packets, and their bytes with the link
/// layer.
pub type Readings = BTreeMap<u32, FlowCounters>;

/// Where readings come from: the kernel, or a stand-in in tests.
pub trait ReadSent {
    /// Why a reading failed.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Reads the counters of these interfaces; those that are gone are left out.
    ///
    /// # Errors
    ///
    /// If nothing can be read.
    fn read_sent(&mut self, interfaces: &[u32]) -> Result<Readings, Self::Error>;
}

/// The kernel's counters, in the network namespace of the calling thread.
#[derive(Debug, Clone, Copy)]
pub struct Kernel;

impl ReadSent for Kernel {
    type Error = NetlinkError;

    fn read_sent(&mut self, interfaces: &[u32]) -> Result<Readings, NetlinkError> {
        netlink::sent(interfaces)
    }
}

/// Reads the uplinks at the end of each window and tells what came of it.
#[derive(Debug)]
pub struct Meter<R> {
    reader: R,
    /// The readings after the last window; `None` where there are none to go on from.
    last: Option<Readings>,
    /// What was sent at the end of the last window and is not in it.
    carried: FlowCounters,
    /// The last reading failed, and that was said.
    is_failing: bool,
    /// By the last verdict too much bypassed the hooks, and that was said.
    is_bypassed: bool,
    /// What was sent since the last verdict.
    judge: BypassJudge,
}

impl<R: ReadSent> Meter<R> {
    /// Nothing is read yet.
    pub fn new(reader: R) -> Self {
        Self {
            reader,
            last: None,
            carried: FlowCounters::ZERO,
            is_failing: false,
            is_bypassed: false,
            judge: BypassJudge::default(),
        }
    }

    /// Begins to count here. `uplinks` are those of [`crate::links::View`].
    pub fn begin(&mut self, uplinks: &BTreeMap<u32, u64>, metrics: &Metrics) {
        self.carried = FlowCounters::ZERO;
        self.last = self.read(uplinks, metrics);
    }

    /// Ends a window by `close`, and returns with its content what left through the uplinks in it.
    /// Nothing is told of that where a reading is missing.
    ///
    /// # Errors
    ///
    /// That of `close`.
    pub fn end<E>(
        &mut self,
        uplinks: &BTreeMap<u32, u64>,
        metrics: &Metrics,
        close: impl FnOnce() -> Result<(Drained, Instant), E>,
    ) -> Result<((Drained, Instant), Uplinks), E> {
        let before = self.read(uplinks, metrics);
        let (drained, ended) = match close() {
            Ok(closed) => closed,
            Err(error) => {
                // The generations may be switched all the same: the next readings come too late.
                self.last = None;
                return Err(error);
            }
        };
        let after = self.read(uplinks, metrics);
        let mut counted = Uplinks::default();
        let mut carried = FlowCounters::ZERO;
        if let (Some(last), Some(before), Some(after)) = (&self.last, &before, &after) {
            let mut surely = sent(last, before, uplinks);
            surely += self.carried;
            counted.seen = seen(&drained);
            (counted.sent, carried) = share(surely, sent(before, after, uplinks), counted.seen);
        }
        self.last = after;
        self.carried = carried;
        metrics.uplinks(&counted);
        self.judge(&counted, metrics);
        Ok(((drained, ended), counted))
    }

    fn read(&mut self, uplinks: &BTreeMap<u32, u64>, metrics: &Metrics) -> Option<Readings> {
        let interfaces: Vec<u32> = uplinks.keys().copied().collect();
        match self.reader.read_sent(&interfaces) {
            Ok(readings) => {
                self.is_failing = false;
                Some(readings)
            }
            Err(error) => {
                metrics.uplinks_unread();
                if !self.is_failing {
                    warn!(
                        error = &error as &dyn std::error::Error,
                        "cannot read the uplinks' own counters: packets that bypass the hooks \
                         would go unnoticed"
                    );
                }
                self.is_failing = true;
                None
            }
        }
    }

    /// Says when too much begins or ends to bypass the hooks.
    fn judge(&mut self, counted: &Uplinks, metrics: &Metrics) {
        let Some(is_bypassed) = self.judge.judge(*counted) else {
            return;
        };
        let changed = is_bypassed != self.is_bypassed;
        self.is_bypassed = is_bypassed;
        metrics.bypassed(is_bypassed);
        let Uplinks { seen, sent } = counted;
        if changed && is_bypassed {
            warn!(
                sent_bytes = sent.bytes,
                sent_packets = sent.packets,
                seen_bytes = seen.bytes,
                seen_packets = seen.packets,
                "packets bypass the hooks and are not counted: BPF host routing (Cilium), \
                 flowtables, Open vSwitch, SR-IOV and further interfaces of pods (Multus) do that; \
                 if the uplinks were not found right, name them with --uplink"
            );
        } else if changed {
            info!(
                sent_bytes = sent.bytes,
                seen_bytes = seen.bytes,
                "the hooks see again what the uplinks send"
            );
        }
    }
}

/// What the hooks saw leave through uplinks.
///
/// Of skipped packets no interface is kept, so those count that may have left through one. This can
/// only make the sum larger, and hide what bypasses the hooks rather than invent it.
fn seen(drained: &Drained) -> FlowCounters {
    let leaves = |point: ObservationPoint| {
        point.hook == Hook::Postrouting && point.output == InterfaceClass::Uplink
    };
    let may_leave = |reason| match reason {
        SkipReason::OutsideCidr | SkipReason::Malformed => true,
        SkipReason::Looped | SkipReason::Encapsulated => false,
    };
    let records = drained.records.iter();
    let records = records.map(|record| (leaves(record.key.point), record.counters));
    let totals = drained.totals.iter();
    let totals = totals.map(|total| (leaves(total.point), total.counters));
    let skipped = drained.skipped.iter().map(|skipped| {
        let counts = skipped.hook == Hook::Postrouting && may_leave(skipped.reason);
        (counts, skipped.counters)
    });
    let all = records.chain(totals).chain(skipped);
    all.filter(|(counts, _)| *counts)
        .map(|(_, counters)| counters)
        .sum()
}

/// What the interfaces sent between two readings, less the link layer's headers of this many bytes.
///
/// An interface that is new, or that came again (its counters fell), begins with its reading now.
/// One that is gone takes what it sent last with it.
fn sent(before: &Readings, now: &Readings, uplinks: &BTreeMap<u32, u64>) -> FlowCounters {
    let of_interface = |(index, now): (&u32, &FlowCounters)| {
        let before = before.get(index)?;
        let header_bytes = uplinks.get(index)?;
        let packets = now.packets.checked_sub(before.packets)?;
        let bytes = now.bytes.checked_sub(before.bytes)?;
        let headers = packets.saturating_mul(*header_bytes);
        Some(FlowCounters {
            bytes: bytes.saturating_sub(headers),
            packets,
        })
    };
    now.iter().filter_map(of_interface).sum()
}

/// What was sent in a window, and what goes to the next one: of what was sent in one of the two, the
/// window takes as much as the hooks saw beyond what is surely in it.
fn share(
    surely: FlowCounters,
    perhaps: FlowCounters,
    seen: FlowCounters,
) -> (FlowCounters, FlowCounters) {
    let split = |surely: u64, perhaps: u64, seen: u64| {
        let taken = perhaps.min(seen.saturating_sub(surely));
        (surely.saturating_add(taken), perhaps - taken)
    };
    let (bytes, later_bytes) = split(surely.bytes, perhaps.bytes, seen.bytes);
    let (packets, later_packets) = split(surely.packets, perhaps.packets, seen.packets);
    let later = FlowCounters {
        bytes: later_bytes,
        packets: later_packets,
    };
    (FlowCounters { bytes, packets }, later)
}

#[cfg(test)]
mod tests;
