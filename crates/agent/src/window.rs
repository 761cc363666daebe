//! The state machine of windows: what is to be done next, and with which window.
//!
//! Pure: time and the server's answers go in, steps come out. [`crate::tick`] carries them out.
//!
//! ```text
//!             due                    acknowledged, refused, abandoned
//! Collecting ────▶ close ─▶ Sending ─────────────────────────────────▶ Clearing ─▶ Collecting
//!                            ▲  │ anything else: the same body again,      (Ended after the last)
//!                            └──┘ after a wait
//! ```
//!
//! Invariants: at most one window is unacknowledged; its body never changes; the next sequence is
//! given out only when it is settled; windows leave no gap in time between each other.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kubezonnet_capture::Drained;
use kubezonnet_model::{BatchHeader, Coverage, Epoch, FlowBatch, FlowCounters, NodeName};

use crate::answer::{Answer, Outcome};
use crate::backoff::Backoff;

/// All windows of one epoch: the one that is unacknowledged, and when the next one is due.
#[derive(Debug)]
pub struct Windows {
    node: NodeName,
    epoch: Epoch,
    interval: Duration,
    backoff: Backoff,
    /// Of the window that is unacknowledged, or else of the next one.
    sequence: u64,
    /// When the kernel last switched: where the next window begins.
    opened: Instant,
    stage: Stage,
    /// Set once the agent is to end: nothing is sent after it.
    deadline: Option<Instant>,
}

#[derive(Debug)]
enum Stage {
    /// The kernel collects, the other generation is empty.
    Collecting { due: Instant },
    /// The other generation holds a window that is not acknowledged.
    Sending { window: Closed, due: Instant },
    /// The window is settled, its generation not yet empty.
    Clearing { due: Instant },
    /// The last window is settled.
    Ended,
}

/// A window that was closed, as it goes out.
#[derive(Debug)]
struct Closed {
    /// Its number within the epoch.
    sequence: u64,
    /// Whether it is the last one.
    ends: bool,
    /// All that the hooks saw in it.
    seen: FlowCounters,
    /// The encoded batch; never changed.
    body: Bytes,
    opened: Instant,
    ended: Instant,
}

/// What a window holds when it is closed.
#[derive(Debug)]
pub struct Contents {
    /// What the kernel counted.
    pub drained: Drained,
    /// What was attached.
    pub coverage: Coverage,
    /// The node's own addresses.
    pub node_addresses: Vec<IpAddr>,
}

/// What is to be done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Close a window, then call [`Windows::close`].
    Close,
    /// Send [`Windows::outgoing`], then call [`Windows::answer`].
    Send,
    /// The time is over: call [`Windows::abandon`].
    Abandon,
    /// Empty the closed generation, then call [`Windows::cleared`].
    Clear,
    /// Nothing before this point in time.
    Wait(Instant),
    /// Nothing any more.
    Done,
}

/// One attempt to deliver a window.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// The epoch it belongs to.
    pub epoch: Epoch,
    /// Its number within the epoch.
    pub sequence: u64,
    /// How long ago the window ended; the only thing that differs between two attempts.
    pub age: Duration,
    /// The encoded batch.
    pub body: Bytes,
}

/// What an answer did to the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settlement {
    /// The server has it.
    Delivered,
    /// The server will never have it.
    Lost(Loss),
    /// It goes out again after this wait.
    Retry(Duration),
}

/// Bytes that were counted and do not reach the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loss {
    /// Why.
    pub reason: LossReason,
    /// The window they were in.
    pub sequence: u64,
    /// How many.
    pub counters: FlowCounters,
}

/// Why counted bytes do not reach the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LossReason {
    /// The server refused the window.
    Refused,
    /// The agent ended before the server acknowledged the window.
    Undelivered,
}

impl LossReason {
    /// Every reason.
    pub const ALL: [Self; 2] = [Self::Refused, Self::Undelivered];

    /// The name in metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Undelivered => "undelivered",
        }
    }
}

impl Windows {
    /// The first window begins at `attached` and is due at once, so that the server knows early
    /// that the node is covered.
    pub fn new(
        node: NodeName,
        epoch: Epoch,
        interval: Duration,
        backoff: Backoff,
        attached: Instant,
    ) -> Self {
        Self {
            node,
            epoch,
            interval,
            backoff,
            sequence: 1,
            opened: attached,
            stage: Stage::Collecting { due: attached },
            deadline: None,
        }
    }

    /// Lets the first window last a whole interval.
    pub fn skip_first(&mut self) {
        self.put_off(self.opened + self.interval);
    }

    /// What is to be done at `now`.
    pub fn next(&self, now: Instant) -> Step {
        let over = self.deadline.is_some_and(|deadline| now >= deadline);
        let (due, step) = match &self.stage {
            Stage::Ended => return Step::Done,
            Stage::Sending { .. } if over => return Step::Abandon,
            Stage::Collecting { due } => (*due, Step::Close),
            Stage::Sending { due, .. } => (*due, Step::Send),
            Stage::Clearing { due } => (*due, Step::Clear),
        };
        if over || now >= due {
            return step;
        }
        Step::Wait(self.deadline.map_or(due, |deadline| due.min(deadline)))
    }

    /// Takes over what the kernel counted up to `now`; the next window begins there.
    /// Returns all that the hooks saw in the window.
    pub fn close(&mut self, now: Instant, contents: Contents) -> FlowCounters {
        let ends = self.deadline.is_some();
        let mut coverage = contents.coverage;
        coverage.ends = ends;
        let batch = FlowBatch {
            header: BatchHeader {
                node: self.node.clone(),
                epoch: self.epoch,
                sequence: self.sequence,
                window: now.saturating_duration_since(self.opened),
                coverage,
            },
            records: contents.drained.records,
            totals: contents.drained.totals,
            skipped: contents.drained.skipped,
            node_addresses: contents.node_addresses,
        };
        let seen = batch.seen();
        let window = Closed {
            sequence: self.sequence,
            ends,
            seen,
            body: kubezonnet_wire::encode(&batch).into(),
            opened: self.opened,
            ended: now,
        };
        self.opened = now;
        self.backoff.reset();
        self.stage = Stage::Sending { window, due: now };
        seen
    }

    /// The unacknowledged window as it goes out at `now`.
    pub fn outgoing(&self, now: Instant) -> Option<Outgoing> {
        let Stage::Sending { window, .. } = &self.stage else {
            return None;
        };
        Some(Outgoing {
            epoch: self.epoch,
            sequence: window.sequence,
            age: now.saturating_duration_since(window.ended),
            body: window.body.clone(),
        })
    }

    /// Takes the answer to the unacknowledged window.
    pub fn answer(&mut self, now: Instant, answer: &Answer) -> Settlement {
        match answer.outcome {
            Outcome::Acknowledged | Outcome::Duplicate => {
                self.settle(now);
                Settlement::Delivered
            }
            Outcome::Refused => Settlement::Lost(self.lose(now, LossReason::Refused)),
            Outcome::Unauthorized
            | Outcome::Busy
            | Outcome::Unexpected
            | Outcome::TimedOut
            | Outcome::Unreachable => {
                let wait = self.backoff.next(answer.retry_after);
                self.put_off(now + wait);
                Settlement::Retry(wait)
            }
        }
    }

    /// Gives the unacknowledged window up: the time to deliver it is over.
    pub fn abandon(&mut self, now: Instant) -> Loss {
        self.lose(now, LossReason::Undelivered)
    }

    /// The closed generation is empty again.
    pub fn cleared(&mut self, now: Instant) {
        self.backoff.reset();
        let due = match self.deadline {
            Some(_) => now,
            None => self.opened + self.interval,
        };
        self.stage = Stage::Collecting { due };
    }

    /// The kernel refused a step: the same again after the returned wait, or never if the time is
    /// over.
    pub fn failed(&mut self, now: Instant) -> Option<Duration> {
        if self.deadline.is_some_and(|deadline| now >= deadline) {
            self.stage = Stage::Ended;
            return None;
        }
        let wait = self.backoff.next(None);
        self.put_off(now + wait);
        Some(wait)
    }

    /// From now on everything hurries: what is unacknowledged is sent at once, then one last
    /// window, and nothing after `deadline`.
    pub fn shut_down(&mut self, now: Instant, deadline: Instant) {
        self.deadline = Some(self.deadline.map_or(deadline, |known| known.min(deadline)));
        self.backoff.reset();
        self.put_off(now);
    }

    /// Where the oldest byte that is not acknowledged can be: the begin of the unacknowledged
    /// window, or of the one that is open.
    pub fn unacknowledged_since(&self) -> Instant {
        match &self.stage {
            Stage::Sending { window, .. } => window.opened,
            Stage::Collecting { .. } | Stage::Clearing { .. } | Stage::Ended => self.opened,
        }
    }

    /// The end of the time to shut down, once that has begun.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    fn lose(&mut self, now: Instant, reason: LossReason) -> Loss {
        let counters = match &self.stage {
            Stage::Sending { window, .. } => window.seen,
            Stage::Collecting { .. } | Stage::Clearing { .. } | Stage::Ended => FlowCounters::ZERO,
        };
        let loss = Loss {
            reason,
            sequence: self.sequence,
            counters,
        };
        self.settle(now);
        loss
    }

    /// A window that is lost keeps its sequence to itself: the gap tells the server of it.
    fn settle(&mut self, now: Instant) {
        let Stage::Sending { window, .. } = &self.stage else {
            return;
        };
        self.stage = if window.ends {
            Stage::Ended
        } else {
            Stage::Clearing { due: now }
        };
        self.sequence += 1;
        self.backoff.reset();
    }

    fn put_off(&mut self, until: Instant) {
        match &mut self.stage {
            Stage::Collecting { due } | Stage::Sending { due, .. } | Stage::Clearing { due } => {
                *due = until;
            }
            Stage::Ended => {}
        }
    }
}

#[cfg(test)]
mod tests;
