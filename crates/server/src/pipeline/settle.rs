//! Records that wait for an owner or for a report: put off, looked at again, settled.

use std::sync::atomic::Ordering;

use kubezonnet_model::{FlowKey, FlowRecord, Timestamp, Window};
use kubezonnet_topology::Source;

use super::Pipeline;
use super::rows::Resolved;
use crate::ledger::Entry;
use crate::pending::Waiting;
use crate::resolve::{ResolvedBatch, ResolvedFlow, Wanted};

impl Pipeline {
    /// Looks again at what waits: where the views have changed since, or the time is over.
    pub fn settle(&self, now: Timestamp) {
        let current = self.version();
        let before = self.looked_at.swap(current, Ordering::Relaxed);
        let due = |waiting: &Waiting| waiting.version != current || waiting.deadline <= now;
        for mut waiting in self.pending.take(due) {
            waiting.version = before;
            self.settle_group(waiting, now);
        }
    }

    /// A number that is another one whenever the topology has changed or a node reported first.
    fn version(&self) -> u64 {
        let arrivals = self.agents().arrivals();
        Source::ALL
            .into_iter()
            .map(|source| self.topology.counts(source))
            .map(|counts| counts.events.wrapping_add(counts.relists))
            .fold(arrivals, u64::wrapping_add)
    }

    /// Until when flows of a window may wait for that.
    fn deadline(&self, wanted: Wanted, window: Window) -> Timestamp {
        match wanted {
            Wanted::Owner => window.end.plus(self.settings.pending_timeout),
            Wanted::Report => self.settings.reports_due,
        }
    }

    /// Takes out the flows that may wait, if there is time and room; else they are final as they
    /// are. The room is kept until they are settled.
    pub(super) fn postpone(&self, resolved: &mut Resolved, now: Timestamp) -> Vec<Waiting> {
        let mut groups = Vec::new();
        for wanted in Wanted::ALL {
            let flows: Vec<_> = resolved
                .wanting
                .extract_if(.., |(each, _)| *each == wanted)
                .map(flow)
                .collect();
            if flows.is_empty() {
                continue;
            }
            let batch = &mut resolved.batch;
            let deadline = self.deadline(wanted, batch.window);
            if deadline <= now || !self.pending.reserve(flows.len()) {
                batch.flows.extend(flows);
                continue;
            }
            groups.push(Waiting {
                node: batch.reporter.node.name.clone(),
                window: batch.window,
                wanted,
                version: resolved.version,
                deadline,
                records: records(batch, &flows),
            });
        }
        groups
    }

    fn settle_group(&self, mut waiting: Waiting, now: Timestamp) {
        let Resolved {
            mut batch, wanting, ..
        } = self.resolve_records(&waiting.node, &waiting.records, waiting.window);
        // What turns out to want something else has had its time: it waits for one thing only.
        let goes_on = |wanted: Wanted| wanted == waiting.wanted && waiting.deadline > now;
        let (left, over): (Vec<_>, Vec<_>) = wanting
            .into_iter()
            .partition(|(wanted, _)| goes_on(*wanted));
        batch.flows.extend(over.into_iter().map(flow));
        let left: Vec<_> = left.into_iter().map(flow).collect();
        let settled = batch.flows.len();
        waiting.records = records(&batch, &left);
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

fn flow((_, flow): (Wanted, ResolvedFlow)) -> ResolvedFlow {
    flow
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
