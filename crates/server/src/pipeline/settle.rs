//! Records that wait for an owner: put off, looked at again, settled.

use std::sync::atomic::Ordering;

use kubezonnet_model::{FlowKey, FlowRecord, Timestamp};

use super::rows::Resolved;
use super::{Pipeline, version};
use crate::ledger::Entry;
use crate::pending::Waiting;
use crate::resolve::{ResolvedBatch, ResolvedFlow};

impl Pipeline {
    /// Looks again at what waits: where the topology has changed since, or the time is over.
    pub fn settle(&self, now: Timestamp) {
        let current = version(&self.topology);
        let before = self.looked_at.swap(current, Ordering::Relaxed);
        let due = |waiting: &Waiting| waiting.topology != current || waiting.deadline <= now;
        for mut waiting in self.pending.take(due) {
            waiting.topology = before;
            self.settle_group(waiting, now);
        }
    }

    /// Takes out the flows that may wait, if there is time and room; else they are final as they
    /// are. The room is kept until they are settled.
    pub(super) fn postpone(&self, resolved: &mut Resolved, now: Timestamp) -> Option<Waiting> {
        let window = resolved.batch.window;
        let deadline = window.end.plus(self.settings.pending_timeout);
        let unowned = std::mem::take(&mut resolved.unowned);
        if unowned.is_empty() {
            return None;
        }
        if deadline <= now || !self.pending.reserve(unowned.len()) {
            resolved.batch.flows.extend(unowned);
            return None;
        }
        Some(Waiting {
            node: resolved.batch.reporter.node.name.clone(),
            window,
            topology: resolved.topology,
            deadline,
            records: records(&resolved.batch, &unowned),
        })
    }

    fn settle_group(&self, mut waiting: Waiting, now: Timestamp) {
        let Resolved {
            mut batch,
            mut unowned,
            ..
        } = self.resolve_records(&waiting.node, &waiting.records, waiting.window);
        if waiting.deadline <= now {
            batch.flows.append(&mut unowned);
        }
        let settled = batch.flows.len();
        waiting.records = records(&batch, &unowned);
        if settled > 0 {
            let mut entry = Entry {
                settled: batch.flows.iter().map(|flow| flow.counters).sum(),
                ..Entry::default()
            };
            entry.flows(&batch);
            self.ledger().record(entry, now);
            self.exporters.offer(batch);
            self.pending.release(settled);
        }
        if !waiting.records.is_empty() {
            self.pending.put(waiting);
        }
    }
}

/// The flows as they were before they were resolved.
fn records(batch: &ResolvedBatch, flows: &[ResolvedFlow]) -> Vec<FlowRecord> {
    let address = |position: u32| batch.parties[position as usize].address;
    flows
        .iter()
        .map(|flow| FlowRecord {
            key: FlowKey {
                source: address(flow.source),
                destination: address(flow.destination),
                transport: flow.transport,
                point: flow.point,
            },
            counters: flow.counters,
        })
        .collect()
}
