//! The state machine of windows: what is to be done next, and with which window.
//!
//! Pure: time and the server's answers go in, steps come out. [`crate::tick`] carries them out.
//!
//! ```text
//!             due            kept               acknowledged, refused, abandoned
//! Collecting ────▶ Keeping ──────▶ Sending ──────────────────────────────────────▶ Clearing ─▶ Collecting
//!                                   ▲  │ anything else: the same body again,         (Ended after the last)
//!                                   └──┘ after a wait
//! ```
//!
//! Invariants: at most one window is unacknowledged; its body never changes, and is kept before it is
//! sent, so that it does not change with another agent either; the next sequence is given out only
//! when it is settled; windows leave no gap in time between each other.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kubezonnet_capture::Progress;
use kubezonnet_model::{BatchHeader, Coverage, Epoch, FlowBatch, FlowCounters, NodeName};

use crate::answer::{Answer, Outcome, ServerId};
use crate::backoff::Backoff;

pub use outcome::{Contents, Loss, LossReason, Outgoing, ServerChange, Settlement, Step};
pub use pace::{Pace, Plan};

mod outcome;
mod pace;

/// A window as long as this one, or as old, cannot be told: servers refuse what is longer, and it can
/// no longer be resolved. Thirty days.
const LONGEST: Duration = Duration::from_hours(30 * 24);

/// The most addresses of its own that a window tells of its node: servers take no more, and what is
/// kept of a window has a bound.
pub const MAX_NODE_ADDRESSES: usize = 1024;

/// All windows of one epoch: the one that is unacknowledged, and when the next one is due.
#[derive(Debug)]
pub struct Windows {
    node: NodeName,
    plan: Plan,
    pace: Pace,
    /// A moment at which a window is to end; the others are whole intervals away.
    beat: Instant,
    epoch: Epoch,
    backoff: Backoff,
    /// Of the window that is unacknowledged, or else of the next one.
    sequence: u64,
    /// When the kernel last switched: where the next window begins.
    opened: Instant,
    stage: Stage,
    /// Whether the next window was closed by an agent before this one.
    resumed: Resumed,
    /// Who acknowledged a window last.
    server: Option<ServerId>,
    /// The unacknowledged window may have arrived, though nobody said so.
    is_doubtful: bool,
    /// Set once the agent is to end: nothing is sent after it.
    deadline: Option<Instant>,
}

#[derive(Debug)]
enum Resumed {
    /// It is open.
    No,
    /// It was closed; nothing else of it is known, so it was never sent.
    Closed,
    /// It was closed, and this is what was kept of it: all but its flows. It may have been sent.
    Kept(Box<FlowBatch>),
}

#[derive(Debug)]
enum Stage {
    /// The kernel collects, the other generation is empty.
    Collecting { due: Instant },
    /// The other generation holds a window that is not kept yet.
    Keeping { window: Closed, due: Instant },
    /// The other generation holds a window that is not acknowledged.
    Sending { window: Closed, due: Instant },
    /// The window is settled, its generation not yet empty.
    Clearing { due: Instant, is_last: bool },
    /// The last window is settled.
    Ended,
}

/// A window that was closed, as it goes out.
#[derive(Debug)]
struct Closed {
    /// Its number within the epoch.
    sequence: u64,
    /// Whether it is the last one.
    is_last: bool,
    /// All that the hooks saw in it.
    seen: FlowCounters,
    /// The encoded batch; never changed.
    body: Bytes,
    /// The same without flows: what of it is in no map.
    note: Bytes,
    opened: Instant,
    ended: Instant,
}

impl Windows {
    /// Goes on from where the windows stand. The first one is due at once, so that the server knows
    /// early that the node is covered. `kept` is what was kept of a window that is closed already.
    pub fn new(
        node: NodeName,
        plan: Plan,
        pace: Pace,
        backoff: Backoff,
        progress: &Progress,
        kept: Option<FlowBatch>,
    ) -> Self {
        Self {
            node,
            plan,
            pace,
            beat: progress.opened + pace.phase,
            epoch: progress.epoch,
            backoff,
            sequence: progress.sequence,
            opened: progress.opened,
            stage: Stage::Collecting {
                due: progress.opened,
            },
            resumed: match (&progress.closed, kept) {
                (None, _) => Resumed::No,
                (Some(_), None) => Resumed::Closed,
                (Some(_), Some(kept)) => Resumed::Kept(Box::new(kept)),
            },
            server: progress.server.map(ServerId),
            is_doubtful: false,
            deadline: None,
        }
    }

    /// Lets the first window last a whole interval.
    pub fn skip_first(&mut self) {
        self.put_off(self.opened + self.pace.interval);
    }

    /// What is to be done at `now`.
    pub fn next(&self, now: Instant) -> Step {
        let over = self.deadline.is_some_and(|deadline| now >= deadline);
        let (due, step) = match &self.stage {
            Stage::Ended => return Step::Done,
            Stage::Collecting { .. } | Stage::Keeping { .. } | Stage::Sending { .. }
                if over && self.plan.stays =>
            {
                return Step::Done;
            }
            Stage::Sending { .. } if over => return Step::Abandon,
            Stage::Collecting { due } => (*due, Step::Close),
            Stage::Keeping { due, .. } => (*due, Step::Keep),
            Stage::Sending { due, .. } => (*due, Step::Send),
            Stage::Clearing { due, .. } => (*due, Step::Clear),
        };
        if over || now >= due {
            return step;
        }
        Step::Wait(self.deadline.map_or(due, |deadline| due.min(deadline)))
    }

    /// Whether the next window is the first of its epoch.
    pub fn is_new(&self) -> bool {
        self.sequence == 1 && !self.is_resumed()
    }

    /// Whether the next window to be closed was closed by an agent before this one.
    pub fn is_resumed(&self) -> bool {
        !matches!(self.resumed, Resumed::No)
    }

    /// Whether the hooks are to be taken off before the next window is closed.
    pub fn takes_hooks_off(&self) -> bool {
        self.plan.ends && self.is_last()
    }

    /// Whether the next window to be closed is the last one.
    fn is_last(&self) -> bool {
        (self.deadline.is_some() || self.plan.hurries) && !self.is_resumed()
    }

    /// Takes over what the kernel counted up to `ended`; the next window begins there.
    /// Returns all that the hooks saw in the window.
    pub fn close(&mut self, ended: Instant, contents: Contents) -> FlowCounters {
        let is_last = self.is_last();
        let kept = match std::mem::replace(&mut self.resumed, Resumed::No) {
            Resumed::Kept(kept) => Some(*kept),
            Resumed::No | Resumed::Closed => None,
        };
        let is_kept = kept.is_some();
        let mut batch = kept.unwrap_or_else(|| {
            self.without_flows(ended, is_last, contents.coverage, contents.node_addresses)
        });
        let note = [kubezonnet_wire::encode(&batch), contents.told.encode()];
        let note = note.concat().into();
        batch.records = contents.records;
        batch.totals = contents.totals;
        batch.skipped = contents.skipped;
        let seen = batch.seen();
        let window = Closed {
            sequence: self.sequence,
            is_last,
            seen,
            body: kubezonnet_wire::encode(&batch).into(),
            note,
            opened: self.opened,
            ended,
        };
        self.opened = ended;
        self.backoff.reset();
        // It may have been sent before.
        self.is_doubtful = is_kept;
        let due = ended;
        self.stage = if is_kept {
            Stage::Sending { window, due }
        } else {
            Stage::Keeping { window, due }
        };
        seen
    }

    /// The window without what is in the kernel's maps.
    fn without_flows(
        &self,
        ended: Instant,
        is_last: bool,
        mut coverage: Coverage,
        mut node_addresses: Vec<IpAddr>,
    ) -> FlowBatch {
        coverage.ends = is_last && self.plan.ends;
        node_addresses.truncate(MAX_NODE_ADDRESSES);
        let window = ended.saturating_duration_since(self.opened);
        FlowBatch {
            header: BatchHeader {
                node: self.node.clone(),
                epoch: self.epoch,
                sequence: self.sequence,
                window: window.min(LONGEST),
                coverage,
            },
            records: Vec::new(),
            totals: Vec::new(),
            skipped: Vec::new(),
            node_addresses,
        }
    }

    /// What is to be kept of the window that was closed.
    pub fn note(&self) -> Option<Bytes> {
        match &self.stage {
            Stage::Keeping { window, .. } => Some(window.note.clone()),
            _ => None,
        }
    }

    /// The window is kept, and goes out from now on.
    pub fn kept(&mut self, now: Instant) {
        self.backoff.reset();
        self.stage = match std::mem::replace(&mut self.stage, Stage::Ended) {
            Stage::Keeping { window, .. } => Stage::Sending { window, due: now },
            other => other,
        };
    }

    /// The unacknowledged window as it goes out at `now`.
    pub fn outgoing(&self, now: Instant) -> Option<Outgoing> {
        let Stage::Sending { window, .. } = &self.stage else {
            return None;
        };
        let age = now.saturating_duration_since(window.ended);
        Some(Outgoing {
            epoch: self.epoch,
            sequence: window.sequence,
            age: age.min(LONGEST),
            body: window.body.clone(),
        })
    }

    /// Takes the answer to the unacknowledged window.
    pub fn answer(&mut self, now: Instant, answer: &Answer) -> Settlement {
        match answer.outcome {
            Outcome::Acknowledged | Outcome::Duplicate => {
                let change = self.acknowledged_by(answer.server);
                self.settle(now);
                Settlement::Delivered(change)
            }
            Outcome::Refused => Settlement::Lost(self.lose(now, LossReason::Refused)),
            Outcome::Unauthorized
            | Outcome::Busy
            | Outcome::Unexpected
            | Outcome::TimedOut
            | Outcome::Unreachable => {
                self.is_doubtful |= answer.is_doubtful;
                let wait = self.backoff.next(answer.retry_after);
                self.put_off(now + wait);
                Settlement::Retry(wait)
            }
        }
    }

    fn acknowledged_by(&mut self, server: Option<ServerId>) -> Option<ServerChange> {
        let to = server?;
        let from = self.server.replace(to)?;
        (from != to).then_some(ServerChange {
            from,
            to,
            is_maybe_twice: self.is_doubtful,
        })
    }

    /// Who acknowledged a window last.
    pub fn server(&self) -> Option<ServerId> {
        self.server
    }

    /// Gives the unacknowledged window up: the time to deliver it is over.
    pub fn abandon(&mut self, now: Instant) -> Loss {
        self.lose(now, LossReason::Undelivered)
    }

    /// The closed generation is empty again.
    pub fn cleared(&mut self, now: Instant) {
        self.backoff.reset();
        self.stage = match (&self.stage, self.deadline) {
            (Stage::Clearing { is_last: true, .. }, _) => Stage::Ended,
            (_, Some(_)) => Stage::Collecting { due: now },
            (_, None) if self.plan.hurries => Stage::Collecting { due: now },
            (_, None) => Stage::Collecting {
                due: self.pace.due(self.beat, self.opened),
            },
        };
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
            Stage::Keeping { window, .. } | Stage::Sending { window, .. } => window.opened,
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
            _ => FlowCounters::ZERO,
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
        // Maps that go with the last window are not worth emptying.
        let is_last = window.is_last;
        let goes = is_last && (self.plan.hurries || !self.plan.stays);
        self.stage = if goes {
            Stage::Ended
        } else {
            Stage::Clearing { due: now, is_last }
        };
        self.sequence += 1;
        self.backoff.reset();
    }

    fn put_off(&mut self, until: Instant) {
        match &mut self.stage {
            Stage::Collecting { due }
            | Stage::Keeping { due, .. }
            | Stage::Sending { due, .. }
            | Stage::Clearing { due, .. } => *due = until,
            Stage::Ended => {}
        }
    }
}

#[cfg(test)]
mod tests;
