//! The holdings of one address: who, from when, until when.

use std::sync::Arc;

use kubezonnet_model::{Pod, Timestamp, Window};

use super::nodes::{Nodes, Slot};

/// When a holding ends that has not ended.
pub(super) const OPEN: Timestamp = Timestamp(u64::MAX);

/// Who holds.
#[derive(Debug, Clone)]
pub(super) enum Owner {
    /// A pod.
    Pod(Arc<Pod>),
    /// The node of the holding's slot.
    Node,
}

/// A stretch of time for which one holder had the address.
#[derive(Debug, Clone)]
pub(super) struct Holding {
    /// Who held it.
    pub(super) owner: Owner,
    /// The holder's node.
    pub(super) slot: Slot,
    /// The list of pods that gave it to its holder, 0 for none: another of that list may yet prove to
    /// be the better one.
    pub(super) list: u32,
    /// When we heard that it began.
    pub(super) from: Timestamp,
    /// When we heard that it ended.
    until: Timestamp,
    /// The earliest that the holder can have had the address; never known to be after `from`, but
    /// for clocks that differ.
    since: Timestamp,
}

/// What can be said of an address in a window.
#[derive(Debug)]
pub(super) enum Found<'a> {
    /// One holder.
    One(&'a Holding),
    /// Two or more, one after another.
    Several,
    /// None.
    None,
}

/// How many holdings there are, so that nobody has to count them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Count {
    /// Those that last.
    pub(super) open: usize,
    /// Those that have ended and are kept.
    pub(super) ended: usize,
}

impl Count {
    /// Takes over what one address had before a change, and has after.
    pub(super) fn shift(&mut self, before: Self, after: Self) {
        self.open = self.open + after.open - before.open;
        self.ended = self.ended + after.ended - before.ended;
    }
}

/// A holder's demand for an address.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) owner: Owner,
    pub(super) slot: Slot,
    pub(super) at: Timestamp,
    /// When the holder was created, if that is known.
    pub(super) created: Option<Timestamp>,
    /// The list of pods that it is of, 0 for none.
    pub(super) list: u32,
}

impl Claim {
    /// When a node was created says nothing of when it got its addresses.
    pub(super) fn of_node(slot: Slot, at: Timestamp) -> Self {
        Self {
            owner: Owner::Node,
            slot,
            at,
            created: None,
            list: 0,
        }
    }
}

type Past = Vec<Holding>;

/// Every holding of one address, oldest first. Each counts as a use of its node.
///
/// Invariant: each ends before, or when, the next begins; only the latest can be open.
#[derive(Debug)]
pub(super) struct Holdings {
    /// Apart from the others, so that the usual lookup follows no pointer to it.
    latest: Holding,
    /// Those before it; most addresses have none.
    past: Option<Box<Past>>,
}

impl Holding {
    fn open(claim: Claim, is_first: bool, nodes: &mut Nodes) -> Self {
        nodes.take(claim.slot);
        Self {
            since: since(&claim, is_first),
            owner: claim.owner,
            slot: claim.slot,
            list: claim.list,
            from: claim.at,
            until: OPEN,
        }
    }

    /// The holder is as the claimant says.
    fn describe(&mut self, owner: Owner, slot: Slot, nodes: &mut Nodes) {
        self.owner = owner;
        if self.slot != slot {
            nodes.take(slot);
            nodes.give_back(self.slot);
            self.slot = slot;
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.until == OPEN
    }

    pub(super) fn is_of(&self, owner: &Owner, slot: Slot) -> bool {
        match (&self.owner, owner) {
            (Owner::Pod(one), Owner::Pod(other)) => Arc::ptr_eq(one, other) || one.uid == other.uid,
            (Owner::Node, Owner::Node) => self.slot == slot,
            _ => false,
        }
    }

    fn overlaps(&self, window: Window) -> bool {
        self.from < end_of(window) && self.until > window.start
    }

    fn close(&mut self, at: Timestamp) {
        self.until = at.max(self.from);
    }
}

/// The end of a window; an empty one is a moment.
pub(super) fn end_of(window: Window) -> Timestamp {
    window.end.max(Timestamp(window.start.0.saturating_add(1)))
}

/// The earliest that a claimant can have had the address: whose creation is not known may have had
/// a fresh address for ever, a used one not.
fn since(claim: &Claim, is_first: bool) -> Timestamp {
    let otherwise = if is_first { Timestamp(0) } else { claim.at };
    claim.created.unwrap_or(otherwise)
}

impl Holdings {
    pub(super) fn new(claim: Claim, nodes: &mut Nodes) -> Self {
        Self {
            latest: Holding::open(claim, true, nodes),
            past: None,
        }
    }

    /// Who holds it now.
    pub(super) fn holder(&self) -> Option<&Holding> {
        self.latest.is_open().then_some(&self.latest)
    }

    /// Gives the address to the claimant; whoever has it, has it no longer. Returns when the holding
    /// before ended, if one ended by this.
    pub(super) fn claim(&mut self, mut claim: Claim, nodes: &mut Nodes) -> Option<Timestamp> {
        if self.latest.is_open() && self.latest.is_of(&claim.owner, claim.slot) {
            self.latest.describe(claim.owner, claim.slot, nodes);
            return None;
        }
        // A clock that was set back must not make holdings overlap.
        claim.at = claim.at.max(self.latest.from);
        let was_open = self.latest.is_open();
        if was_open {
            self.latest.close(claim.at);
        } else {
            claim.at = claim.at.max(self.latest.until);
        }
        let latest = Holding::open(claim, false, nodes);
        let before = std::mem::replace(&mut self.latest, latest);
        let until = before.until;
        let past = self.past.get_or_insert_default();
        past.reserve_exact(1);
        past.push(before);
        was_open.then_some(until)
    }

    /// The claimant has it instead of the holder, who never had it.
    pub(super) fn replace(&mut self, claim: Claim, nodes: &mut Nodes) {
        self.latest.since = since(&claim, self.past.is_none());
        self.latest.describe(claim.owner, claim.slot, nodes);
    }

    /// Renews what is told of a pod, in all that it holds and held.
    pub(super) fn renew(&mut self, pod: &Arc<Pod>, slot: Slot, nodes: &mut Nodes) {
        let past = self.past.iter_mut().flat_map(|past| past.iter_mut());
        for holding in past.chain([&mut self.latest]) {
            let Owner::Pod(before) = &holding.owner else {
                continue;
            };
            // One that was on another node was there then.
            if before.uid == pod.uid && (holding.is_open() || before.node == pod.node) {
                holding.describe(Owner::Pod(Arc::clone(pod)), slot, nodes);
            }
        }
    }

    /// Takes the address back from this holder, if it still has it; returns when it ended then.
    pub(super) fn release(
        &mut self,
        owner: &Owner,
        slot: Slot,
        at: Timestamp,
    ) -> Option<Timestamp> {
        if !self.latest.is_open() || !self.latest.is_of(owner, slot) {
            return None;
        }
        self.latest.close(at);
        Some(self.latest.until)
    }

    /// Who had it in the window.
    ///
    /// Two who had it within the window, even one after another: `Several`. One who had it for a
    /// part of the window only is still the one: nobody else could speak with the address, and
    /// what we hear of beginnings and ends comes a little late. So if nobody had it in the window
    /// by what we heard, it was the next who did, provided that it existed before the window's end.
    pub(super) fn within(&self, window: Window) -> Found<'_> {
        let end = end_of(window);
        if self.latest.from <= window.start && self.latest.overlaps(window) {
            // The usual case: those before have ended when it began.
            return Found::One(&self.latest);
        }
        let mut found: Option<&Holding> = None;
        for holding in self.overlapping(window) {
            match found {
                Some(found) if !found.is_of(&holding.owner, holding.slot) => return Found::Several,
                _ => found = Some(holding),
            }
        }
        let next = || {
            let next = self.iter().find(|holding| holding.from >= end);
            next.filter(|holding| holding.since < end)
        };
        found.or_else(next).map_or(Found::None, Found::One)
    }

    /// Those that had it for any part of the window, oldest first.
    pub(super) fn overlapping(&self, window: Window) -> impl Iterator<Item = &Holding> {
        self.iter().filter(move |holding| holding.overlaps(window))
    }

    /// All of them, oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Holding> {
        let past = self.past.iter().flat_map(|past| past.iter());
        past.chain([&self.latest])
    }

    /// How many there are.
    pub(super) fn count(&self) -> Count {
        let open = usize::from(self.latest.is_open());
        let past = self.past.as_ref().map_or(0, |past| past.len());
        Count {
            open,
            ended: past + 1 - open,
        }
    }

    /// Forgets those that ended before; false if none is left.
    pub(super) fn prune(&mut self, before: Timestamp, nodes: &mut Nodes) -> bool {
        if let Some(past) = &mut self.past {
            past.retain(|holding| {
                let keep = holding.until >= before;
                if !keep {
                    nodes.give_back(holding.slot);
                }
                keep
            });
            if past.is_empty() {
                self.past = None;
            }
        }
        let keep = self.latest.until >= before;
        if !keep {
            for holding in self.iter() {
                nodes.give_back(holding.slot);
            }
        }
        keep
    }
}
