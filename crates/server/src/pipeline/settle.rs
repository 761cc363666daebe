//! Records that wait for an owner or for a report: put off, looked at again, settled.

use kubezonnet_model::{FlowKey, FlowRecord, Timestamp, Window};

use super::Pipeline;
use super::rows::Resolved;
use crate::ledger::Entry;
use crate::pending::Waiting;
use crate::resolve::{ResolvedBatch, ResolvedFlow, Wanted};

impl Pipeline {
    /// Looks again at what waits: where the views have changed since, or the time is over.
    pub fn settle(&self, now: Timestamp) {
        let version = self.version();
        let due = |waiting: &Waiting| waiting.version != version || waiting.deadline <= now;
        for waiting in self.pending.take(due) {
            self.settle_group(&waiting, now);
        }
    }

    /// Until when flows of a window may wait for that.
    fn deadline(&self, wanted: Wanted, window: Window) -> Timestamp {
        match wanted {
            Wanted::Owner => window.end.plus(self.settings.pending_timeout),
            Wanted::Report => self.settings.reports_due,
        }
    }

    /// Parts the flows that may wait, if there is time and room, from those that are final.
    pub(super) fn postpone(
        &self,
        resolved: Resolved,
        now: Timestamp,
        has_room: impl Fn(Wanted, usize) -> bool,
    ) -> (ResolvedBatch, Vec<Waiting>) {
        let Resolved {
            mut batch,
            mut wanting,
            version,
            ..
        } = resolved;
        let mut groups = Vec::new();
        for wanted in Wanted::ALL {
            let flows: Vec<_> = wanting
                .extract_if(.., |(each, _)| *each == wanted)
                .map(|(_, flow)| flow)
                .collect();
            let deadline = self.deadline(wanted, batch.window);
            if flows.is_empty() || deadline <= now || !has_room(wanted, flows.len()) {
                batch.flows.extend(flows);
                continue;
            }
            groups.push(Waiting {
                node: batch.reporter.node.name.clone(),
                window: batch.window,
                version,
                deadline,
                records: records(&batch, &flows),
            });
        }
        (batch, groups)
    }

    fn settle_group(&self, waiting: &Waiting, now: Timestamp) {
        let resolved = self.resolve_records(&waiting.node, &waiting.records, waiting.window);
        // Who had room to wait has it still, whatever it waits for now.
        let (batch, groups) = self.postpone(resolved, now, |_, _| true);
        let settled = batch.flows.len();
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
        for group in groups {
            self.pending.put(group);
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
