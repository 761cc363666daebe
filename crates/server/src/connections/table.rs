//! Who is connected, and who has to go where there is no room.
//!
//! Pure but for the clock it is given.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{Closed, ConnectionLimits};

/// How long a request may be under way until its connection, too, can be the one that goes: far longer
/// than an honest one takes, whose sender comes again.
const UNDER_WAY: Duration = Duration::from_secs(2);

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// It is new: the handshake, or no byte of a request so far.
    New,
    /// Some of a head has come.
    Head,
    /// A request is under way, its body included.
    Request,
    /// An answer is sent.
    Answer,
    /// It has had its answer.
    Idle,
}

impl Phase {
    const ALL: [Self; 5] = [
        Self::New,
        Self::Head,
        Self::Request,
        Self::Answer,
        Self::Idle,
    ];

    const fn is_waiting(self) -> bool {
        matches!(self, Self::New | Self::Head | Self::Idle)
    }
}

/// What a connection is doing, and since when.
#[derive(Debug)]
pub(super) struct Activity {
    begun: Instant,
    phase: AtomicU8,
    /// Milliseconds after `begun`.
    since: AtomicU64,
}

impl Activity {
    fn new(begun: Instant) -> Self {
        Self {
            begun,
            phase: AtomicU8::new(Phase::New as u8),
            since: AtomicU64::new(0),
        }
    }

    pub(super) fn phase(&self) -> Phase {
        Phase::ALL[usize::from(self.phase.load(Ordering::Relaxed))]
    }

    pub(super) fn set(&self, phase: Phase) {
        let since = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.since.store(since, Ordering::Relaxed);
        self.phase.store(phase as u8, Ordering::Relaxed);
    }

    fn since(&self) -> Instant {
        self.begun + Duration::from_millis(self.since.load(Ordering::Relaxed))
    }
}

/// Who is connected to one listener.
#[derive(Debug)]
pub(super) struct Table {
    limits: ConnectionLimits,
    next: u64,
    connections: HashMap<u64, Entry>,
    /// How many connections each address has; none has zero.
    peers: HashMap<IpAddr, usize>,
}

#[derive(Debug)]
struct Entry {
    peer: IpAddr,
    activity: Arc<Activity>,
    /// Dropping it ends the connection.
    _end: oneshot::Sender<()>,
}

/// A place in the table.
#[derive(Debug)]
pub(super) struct Place {
    /// By which to leave.
    pub(super) id: u64,
    /// To tell what the connection is doing.
    pub(super) activity: Arc<Activity>,
    /// Resolves when the connection has to end.
    pub(super) ended: oneshot::Receiver<()>,
}

impl Table {
    pub(super) fn new(limits: ConnectionLimits) -> Self {
        Self {
            limits,
            next: 0,
            connections: HashMap::new(),
            peers: HashMap::new(),
        }
    }

    /// Takes a connection in. Who goes for it, if somebody has to, is told to `closed`; if nobody can,
    /// the newcomer does.
    pub(super) fn enter(&mut self, peer: IpAddr, mut closed: impl FnMut(Closed)) -> Option<Place> {
        let now = Instant::now();
        if self.held_by(peer) >= self.limits.per_peer {
            self.make_room(
                now,
                1,
                |entry| entry.peer == peer,
                || closed(Closed::CrowdedPeer),
            )?;
        } else if self.connections.len() >= self.limits.total {
            // Many at once: to look through all of them for every newcomer is what a flood would want.
            let most = (self.limits.total / 64).max(1);
            self.make_room(now, most, |_| true, || closed(Closed::Crowded))?;
        }
        let activity = Arc::new(Activity::new(now));
        let (end, ended) = oneshot::channel();
        let id = self.next;
        self.next += 1;
        *self.peers.entry(peer).or_default() += 1;
        let entry = Entry {
            peer,
            activity: Arc::clone(&activity),
            _end: end,
        };
        self.connections.insert(id, entry);
        Some(Place {
            id,
            activity,
            ended,
        })
    }

    /// Takes a connection out, if it is still there.
    pub(super) fn leave(&mut self, id: u64) {
        let Some(entry) = self.connections.remove(&id) else {
            return;
        };
        if let Some(held) = self.peers.get_mut(&entry.peer) {
            *held -= 1;
            if *held == 0 {
                self.peers.remove(&entry.peer);
            }
        }
    }

    fn held_by(&self, peer: IpAddr) -> usize {
        self.peers.get(&peer).copied().unwrap_or_default()
    }

    /// Ends a few of those that keep the server waiting: of the addresses with the most connections
    /// those that do so for longest. If there are none, one whose request is long under way. `None` if
    /// there is no such either, and then the newcomer is the one that is closed.
    fn make_room(
        &mut self,
        now: Instant,
        most: usize,
        among: impl Fn(&Entry) -> bool,
        mut closed: impl FnMut(),
    ) -> Option<()> {
        let able = self.connections.iter().filter(|(_, entry)| among(entry));
        let ranked = able.filter_map(|(id, entry)| {
            let waiting = entry.activity.phase().is_waiting();
            let took = now.saturating_duration_since(entry.activity.since());
            let rank = (waiting, self.held_by(entry.peer), took, Reverse(*id));
            (waiting || took >= UNDER_WAY).then_some(rank)
        });
        let mut ranked: Vec<_> = ranked.collect();
        let waiting = ranked.iter().filter(|(waiting, ..)| *waiting).count();
        let most = most.min(waiting.max(1));
        if most < ranked.len() {
            ranked.select_nth_unstable_by(most - 1, |a, b| b.cmp(a));
            ranked.truncate(most);
        }
        if ranked.is_empty() {
            closed();
            return None;
        }
        for (.., Reverse(id)) in ranked {
            closed();
            self.leave(id);
        }
        Some(())
    }
}

#[cfg(test)]
mod tests;
