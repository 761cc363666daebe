//! The one entrance for bytes, whoever tells of them: an agent of ours, one of the Go system, or a
//! look at what waited.

use super::Pipeline;
use crate::ledger::Entry;
use crate::names::Lease;
use crate::resolve::ResolvedBatch;

impl Pipeline {
    /// Begins to count money once prices are known, or lets go of what waits for them.
    pub(super) fn begin_costs_if_known(&self) {
        if self.state.costs().has_begun() {
            return;
        }
        match self.prices.in_force(&self.topology) {
            Some(in_force) => self.begin_costs(&in_force.book),
            None if self.prices.are_none() => self.state.give_up_costs(),
            None => {}
        }
    }

    /// Adds to the entry of a change where the flows of its batch went, as there is room in the ledger.
    /// From the first on they cost money, if prices are known by now.
    pub(super) fn enter(&self, entry: &mut Entry, batch: &ResolvedBatch) -> Lease {
        self.begin_costs_if_known();
        let lease = entry.flows(batch, self.state.names());
        self.state.fit(entry);
        lease
    }
}
