//! The holdings of one address: who, from when, until when.

use std::sync::Arc;

use kubezonnet_model::{Pod, Timestamp, Window};

use super::nodes::Slot;

/// When a holding ends that has not ended.
const OPEN: Timestamp = Timestamp(u64::MAX);

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
}

impl Claim {
    /// When a node was created says nothing of when it got its addresses.
    pub(super) fn of_node(slot: Slot, at: Timestamp) -> Self {
        Self {
            owner: Owner::Node,
            slot,
            at,
            created: None,
        }
    }
}

/// Every holding of one address, oldest first.
///
/// Invariant: each ends before, or when, the next begins; only the latest can be open.
#[derive(Debug)]
pub(super) struct Holdings {
    /// Apart from the others, so that the usual lookup follows no pointer to it.
    latest: Holding,
    /// Those before it.
    past: Vec<Holding>,
}

impl Holding {
    fn open(claim: Claim, is_first: bool) -> Self {
        // Whose creation is not known may have had a fresh address for ever, a used one not.
        let otherwise = if is_first { Timestamp(0) } else { claim.at };
        Self {
            owner: claim.owner,
            slot: claim.slot,
            from: claim.at,
            until: OPEN,
            since: claim.created.unwrap_or(otherwise),
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.until == OPEN
    }

    fn is_of(&self, owner: &Owner, slot: Slot) -> bool {
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
fn end_of(window: Window) -> Timestamp {
    window.end.max(Timestamp(window.start.0.saturating_add(1)))
}

impl Holdings {
    pub(super) fn new(claim: Claim) -> Self {
        Self {
            latest: Holding::open(claim, true),
            past: Vec::new(),
        }
    }

    /// Who holds it now.
    pub(super) fn holder(&self) -> Option<&Holding> {
        self.latest.is_open().then_some(&self.latest)
    }

    /// Gives the address to the claimant; whoever has it, has it no longer.
    pub(super) fn claim(&mut self, mut claim: Claim) {
        if self.latest.is_open() && self.latest.is_of(&claim.owner, claim.slot) {
            self.latest.owner = claim.owner;
            self.latest.slot = claim.slot;
            return;
        }
        // A clock that was set back must not make holdings overlap.
        claim.at = claim.at.max(self.latest.from);
        if self.latest.is_open() {
            self.latest.close(claim.at);
        } else {
            claim.at = claim.at.max(self.latest.until);
        }
        let latest = Holding::open(claim, false);
        self.past.push(std::mem::replace(&mut self.latest, latest));
    }

    /// Renews what is told of the holder, if it is still this one.
    pub(super) fn renew(&mut self, owner: &Owner, slot: Slot) {
        if self.latest.is_open() && self.latest.is_of(owner, slot) {
            self.latest.owner = owner.clone();
            self.latest.slot = slot;
        }
    }

    /// Takes the address back from this holder, if it still has it.
    pub(super) fn release(&mut self, owner: &Owner, slot: Slot, at: Timestamp) {
        if self.latest.is_open() && self.latest.is_of(owner, slot) {
            self.latest.close(at);
        }
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
        self.past.iter().chain([&self.latest])
    }

    /// How many there are.
    pub(super) fn count(&self) -> Count {
        let open = usize::from(self.latest.is_open());
        Count {
            open,
            ended: self.past.len() + 1 - open,
        }
    }

    /// Forgets those that ended before; false if none is left.
    pub(super) fn prune(&mut self, before: Timestamp) -> bool {
        self.past.retain(|holding| holding.until >= before);
        if self.past.is_empty() {
            self.past = Vec::new();
        }
        self.latest.until >= before
    }
}
