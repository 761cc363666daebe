//! Records that wait for an owner or for a report: put off, looked at again, settled.

use std::sync::Arc;

use kubezonnet_model::{FlowKey, FlowRecord, Timestamp, Window};

use super::Pipeline;
use super::rows::Resolved;
use crate::change::{Change, Settled};
use crate::committer::Ticket;
use crate::ledger::Entry;
use crate::pending::Waiting;
use crate::resolve::{ResolvedBatch, ResolvedFlow, Wanted};

impl Pipeline {
    /// Looks again at what waits: where the views have changed since, or the time is over.
    pub fn settle(&self, now: Timestamp) {
        if !self.topology.is_synced() {
            // Who holds what is not known yet, as after a start.
            return;
        }
        let version = Some(self.version());
        let due = |waiting: &Waiting| waiting.version != version || waiting.deadline <= now;
        let taken = self.state.pending().take(due);
        // All are on their way before the first is waited for, so that they share a sync.
        let tickets: Vec<_> = taken
            .into_iter()
            .filter_map(|waiting| self.settle_group(waiting, now))
            .collect();
        for ticket in tickets {
            // What cannot be written now is put back, and looked at again the next time.
            ticket.wait().ok();
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
        room_for: impl Fn(Wanted, usize) -> usize,
    ) -> (ResolvedBatch, Vec<Waiting>) {
        let Resolved {
            mut batch,
            mut wanting,
            version,
            ..
        } = resolved;
        let mut groups = Vec::new();
        for wanted in Wanted::ALL {
            let mut flows: Vec<_> = wanting
                .extract_if(.., |(each, _)| *each == wanted)
                .map(|(_, flow)| flow)
                .collect();
            let deadline = self.deadline(wanted, batch.window);
            if deadline <= now {
                batch.flows.extend(flows);
                continue;
            }
            let turned_away = flows.split_off(room_for(wanted, flows.len()));
            let settled = turned_away.into_iter().map(|flow| ResolvedFlow {
                outcome: wanted.outcome_in_doubt(flow.outcome),
                ..flow
            });
            batch.flows.extend(settled);
            if flows.is_empty() {
                continue;
            }
            groups.push(Waiting {
                id: self.state.pending().next_id(),
                node: batch.reporter.node.name.clone(),
                window: batch.window,
                version: Some(version),
                deadline,
                records: records(&batch, &flows),
            });
        }
        (batch, groups)
    }

    /// Looks at one group again; what is settled of it is on its way to the disk.
    fn settle_group(&self, waiting: Waiting, now: Timestamp) -> Option<Ticket> {
        let resolved = self.resolve_records(&waiting.node, &waiting.records, waiting.window);
        // Who had room to wait has it still, whatever it waits for now.
        let (batch, mut groups) = self.postpone(resolved, now, |_, records| records);
        if batch.flows.is_empty()
            && let [group] = &mut *groups
        {
            // All of it waits on: on disk it is the same group as before.
            group.id = waiting.id;
            self.state.pending().put(groups.remove(0));
            return None;
        }
        let mut entry = Entry {
            settled: batch.flows.iter().map(|flow| flow.counters).sum(),
            ..Entry::default()
        };
        let lease = self.enter(&mut entry, &batch);
        let settled = Settled {
            id: waiting.id,
            now,
            entry,
            waiting: groups,
        };
        let change = Change::Settled(Box::new(settled));
        let ticket = self
            .committer
            .submit(change, lease, Some(waiting), Some(batch));
        Some(ticket)
    }
}

/// The flows as they were before they were resolved.
fn records(batch: &ResolvedBatch, flows: &[ResolvedFlow]) -> Arc<[FlowRecord]> {
    let address = |position: u32| batch.parties[position as usize].address;
    flows
        .iter()
        .map(|flow| FlowRecord {
            key: FlowKey {
                source: address(flow.source),
                destination: address(flow.destination),
                transport: flow.transport,
                point: flow.point,
                socket: flow.socket,
            },
            counters: flow.counters,
        })
        .collect()
}
