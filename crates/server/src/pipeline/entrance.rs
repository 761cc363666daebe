//! The one entrance for bytes, whoever tells of them: an agent of ours, one of the Go system, or a
//! look at what waited.

use super::Pipeline;
use crate::ledger::Entry;
use crate::names::Lease;
use crate::resolve::ResolvedBatch;

impl Pipeline {
    /// Adds to the entry of a change where the flows of its batch went, as there is room in the ledger.
    /// From the first on they cost money, if prices are known by now.
    pub(super) fn enter(&self, entry: &mut Entry, batch: &ResolvedBatch) -> Lease {
        if !self.state.costs().has_begun()
            && let Some(in_force) = self.prices.in_force(&self.topology)
        {
            self.begin_costs(&in_force.book);
        }
        let lease = entry.flows(batch, self.state.names());
        self.state.fit(entry);
        lease
    }
}
