//! The agent's loop: carries out what [`Windows`] says is next.
//!
//! In: a [`Source`] of windows, links that come and go, signals. Out: windows to a [`Deliver`],
//! and what happened to the metrics. The loop never ends by itself and never fails: what goes
//! wrong is logged, counted and tried again.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kubezonnet_capture::{Tunnel, fault};
use kubezonnet_model::{FlowCounters, InterfaceClass, Uplinks};
use tokio::sync::watch;
use tracing::{debug, error, info, warn};

use crate::answer::{Answer, Outcome};
use crate::links::View;
use crate::metrics::Metrics;
use crate::sockets::Sockets;
use crate::source::Source;
use crate::status::Health;
use crate::uplinks::{Meter, ReadSent};
use crate::window::{
    Contents, Loss, LossReason, Outgoing, ServerChange, Settlement, Step, Windows,
};

/// The longest the loop sleeps without a sign of life to [`Health`].
const HEARTBEAT: Duration = Duration::from_secs(1);

/// Brings a window to where it is safe.
pub trait Deliver {
    /// Makes one attempt.
    fn deliver(&mut self, outgoing: Outgoing) -> impl Future<Output = Answer>;
}

/// What the loop works on.
#[derive(Debug)]
pub struct Tick<S, R> {
    /// Where windows come from.
    pub source: S,
    /// Tells what left through the uplinks.
    pub meter: Meter<R>,
    /// Tells whose the flows of the node's own network are.
    pub sockets: Sockets,
    /// Which window is where.
    pub windows: Windows,
    /// The node's links, as they come and go.
    pub links: watch::Receiver<Arc<View>>,
    /// How often the agent was asked to end: once is within `grace`, twice is now.
    pub signals: watch::Receiver<u32>,
    /// How long the last windows may take.
    pub grace: Duration,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Whether the loop is alive, and a window has arrived.
    pub health: Arc<Health>,
    /// Since when nothing could be delivered; `None` while all goes well.
    pub failing_since: Option<Instant>,
}

/// What the kernel was told of links.
#[derive(Debug)]
struct Told {
    interfaces: BTreeMap<u32, InterfaceClass>,
    tunnel_ports: BTreeMap<u16, Tunnel>,
}

impl<S: Source, R: ReadSent> Tick<S, R> {
    /// Runs until a signal comes and the last window is settled, and returns what was lost at the
    /// end. Drop the source afterwards to take the hooks off.
    pub async fn run<D: Deliver>(&mut self, deliver: &mut D) -> FlowCounters {
        // Links are told before the hooks are attached; only changes matter here.
        let view = Arc::clone(&self.links.borrow_and_update());
        // Of a window that began before this process the first readings are missing.
        if self.windows.is_new() {
            self.meter.begin(&view.uplinks, &self.metrics);
        }
        let mut told = Told {
            interfaces: view.interfaces.clone(),
            tunnel_ports: view.tunnel_ports.clone(),
        };
        let mut lost_at_end = FlowCounters::ZERO;
        loop {
            self.turn();
            let step = self.windows.next(now());
            match step {
                Step::Close => self.close(),
                Step::Keep => self.keep(),
                Step::Clear => self.clear(),
                Step::Abandon => {
                    let loss = self.windows.abandon(now());
                    lost_at_end += loss.counters;
                    self.lost(&loss, "the time to shut down is over");
                }
                Step::Send => {
                    let lost = self.send(deliver, &mut told).await;
                    if self.windows.deadline().is_some() {
                        lost_at_end += lost;
                    }
                }
                Step::Wait(until) => {
                    self.event(until, &mut told).await;
                }
                Step::Done => return lost_at_end,
            }
        }
    }

    /// Everything is to be settled within the grace period.
    pub fn hurry(&mut self) {
        self.windows.shut_down(now(), now() + self.grace);
    }

    fn close(&mut self) {
        if self.windows.takes_hooks_off()
            && let Err(error) = self.source.take_hooks_off()
        {
            return self.kernel_refused("take the hooks off", &error);
        }
        let view = Arc::clone(&self.links.borrow());
        let closed = if self.windows.is_resumed() {
            let closed = self.source.close_window();
            closed.map(|closed| (closed, Uplinks::default()))
        } else {
            self.meter
                .end(&view.uplinks, &self.metrics, || self.source.close_window())
        };
        let ((drained, ended), uplinks) = match closed {
            Ok(closed) => closed,
            Err(error) => return self.kernel_refused("close a window", &error),
        };
        let mut coverage = self.source.coverage();
        coverage.uplinks = uplinks;
        self.metrics.closed(&drained);
        let lost = drained.undecodable;
        if lost != FlowCounters::ZERO {
            error!(
                reason = LossReason::Undecodable.as_str(),
                bytes = lost.bytes,
                packets = lost.packets,
                "a newer agent has counted what this one cannot read: it is lost"
            );
        }
        let (records, told) = self.sockets.tell(drained.records, &self.metrics);
        let contents = Contents {
            records,
            told,
            totals: drained.totals,
            skipped: drained.skipped,
            coverage,
            node_addresses: view.node_addresses.clone(),
        };
        let seen = self.windows.close(ended, contents);
        debug!(bytes = seen.bytes, packets = seen.packets, "window closed");
    }

    fn keep(&mut self) {
        let Some(note) = self.windows.note() else {
            return;
        };
        match self.source.keep(&note) {
            Ok(()) => self.windows.kept(now()),
            Err(error) => self.kernel_refused("keep a window", &error),
        }
    }

    fn clear(&mut self) {
        match self.source.clear_closed(self.windows.server()) {
            Ok(()) => self.windows.cleared(now()),
            Err(error) => self.kernel_refused("clear a window", &error),
        }
    }

    fn kernel_refused(&mut self, what: &'static str, error: &S::Error) {
        self.metrics.kernel_refused();
        let error = error as &dyn std::error::Error;
        if let Some(wait) = self.windows.failed(now()) {
            let retry_seconds = wait.as_secs_f64();
            warn!(
                what,
                error, retry_seconds, "the kernel refused, trying again"
            );
        } else {
            error!(
                what,
                error, "the kernel refused at the end: what it still holds is lost"
            );
        }
    }

    /// Makes one attempt, and returns what it lost for good.
    async fn send<D: Deliver>(&mut self, deliver: &mut D, told: &mut Told) -> FlowCounters {
        let started = now();
        let Some(outgoing) = self.windows.outgoing(started) else {
            return FlowCounters::ZERO;
        };
        let sequence = outgoing.sequence;
        let mut attempt = pin!(deliver.deliver(outgoing));
        let answer = loop {
            let beat = now() + HEARTBEAT;
            let until = self
                .windows
                .deadline()
                .map_or(beat, |deadline| beat.min(deadline));
            tokio::select! {
                answer = &mut attempt => break answer,
                () = self.event(until, told) => {}
            }
            self.turn();
            if self
                .windows
                .deadline()
                .is_some_and(|deadline| now() >= deadline)
            {
                break Answer::none(Outcome::TimedOut, "the time to shut down is over");
            }
        };
        self.metrics.sent(answer.outcome, now() - started);
        fault::point("sent");
        match self.windows.answer(now(), &answer) {
            Settlement::Delivered(change) => {
                self.metrics.delivered(answer.outcome);
                if let Some(change) = change {
                    self.server_changed(sequence, &change);
                }
                let failed = self.failing_since.take();
                if self.health.delivered() {
                    info!(sequence, "the server has the first window");
                } else if let Some(since) = failed {
                    let after_seconds = (now() - since).as_secs_f64();
                    info!(sequence, after_seconds, "the server takes windows again");
                }
            }
            Settlement::Lost(loss) => {
                self.lost(&loss, &answer.detail);
                return loss.counters;
            }
            Settlement::Retry(wait) => {
                self.failing_since.get_or_insert(started);
                warn!(
                    sequence,
                    outcome = answer.outcome.as_str(),
                    detail = answer.detail,
                    retry_seconds = wait.as_secs_f64(),
                    "window not delivered, trying again"
                );
            }
        }
        FlowCounters::ZERO
    }

    fn server_changed(&self, sequence: u64, change: &ServerChange) {
        let ServerChange { from, to, .. } = change;
        self.metrics.server_changed(change);
        if change.is_maybe_twice {
            warn!(
                sequence,
                %from,
                %to,
                "another server has this window, and the one before may have it too: an attempt to \
                 deliver it there ended without an answer; its bytes may be counted by both"
            );
        } else {
            info!(sequence, %from, %to, "another server has this window");
        }
    }

    /// Waits for a signal, a change of links, or that point in time (or the next heartbeat).
    async fn event(&mut self, until: Instant, told: &mut Told) {
        let until = until.min(now() + HEARTBEAT);
        tokio::select! {
            Ok(()) = self.signals.changed() => {
                let first = *self.signals.borrow_and_update() == 1;
                let grace = if first { self.grace } else { Duration::ZERO };
                info!(grace_seconds = grace.as_secs_f64(), "shutting down");
                self.windows.shut_down(now(), now() + grace);
            }
            Ok(()) = self.links.changed() => self.follow_links(told),
            () = tokio::time::sleep_until(until.into()) => {}
        }
    }

    fn follow_links(&mut self, told: &mut Told) {
        let view = Arc::clone(&self.links.borrow_and_update());
        self.metrics.interfaces(&view.interfaces);
        // The next change of links tries again what fails here; until then packets of new links are
        // of the class `other`, and those of new overlays charged to the nodes. No byte is lost.
        if view.interfaces != told.interfaces {
            match self.source.set_interfaces(&view.interfaces) {
                Ok(()) => told.interfaces.clone_from(&view.interfaces),
                Err(error) => warn!(
                    error = &error as &dyn std::error::Error,
                    "interfaces not told to the kernel"
                ),
            }
        }
        if view.tunnel_ports != told.tunnel_ports {
            match self.source.set_tunnel_ports(&view.tunnel_ports) {
                Ok(()) => told.tunnel_ports.clone_from(&view.tunnel_ports),
                Err(error) => warn!(
                    error = &error as &dyn std::error::Error,
                    "ports of tunnels not told to the kernel"
                ),
            }
        }
    }

    fn lost(&self, loss: &Loss, detail: &str) {
        self.metrics.lost(loss);
        error!(
            sequence = loss.sequence,
            reason = loss.reason.as_str(),
            bytes = loss.counters.bytes,
            packets = loss.counters.packets,
            detail,
            "window lost"
        );
    }

    fn turn(&mut self) {
        // Without the thread that follows links, classes go stale for good. A restart mends it, so
        // the loop passes for one that hangs.
        if self.links.has_changed().is_ok() {
            self.health.turn();
        }
        self.sockets.show(&self.metrics);
        self.metrics
            .unacknowledged_since(self.windows.unacknowledged_since());
    }
}

/// The runtime's clock, which tests can stop.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

#[cfg(test)]
mod tests;
