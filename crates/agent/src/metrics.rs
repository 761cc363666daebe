//! What the agent counts about itself; every name begins with `kubezonnet_agent_`.
//!
//! Bytes are counted when a window is closed, that is before it is sent: what was seen less what
//! was lost is what the server has or will have.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use kubezonnet_capture::{Attached, Drained};
use kubezonnet_exposition::{Format, ProcessCollector};
use kubezonnet_model::{
    FlowCounters, FlowRecord, InterfaceClass, ObservationPoint, TotalKind, Uplinks,
};
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use crate::answer::Outcome;
use crate::cgroups::View;
use crate::window::{Loss, LossReason, ServerChange};

/// Upper bounds of the send latency's buckets, in seconds: from a server next door to the time
/// limit of a request.
const LATENCY_BUCKETS: [f64; 10] = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0];

/// Names and values; the values are those of `as_str()`.
type Labels<const N: usize> = [(&'static str, &'static str); N];

/// Bytes and packets under the same labels.
#[derive(Debug, Default)]
struct Traffic<const N: usize> {
    bytes: Family<Labels<N>, Counter>,
    packets: Family<Labels<N>, Counter>,
}

/// All of the agent's metrics.
#[derive(Debug)]
pub struct Metrics {
    own: Registry,
    process: Registry,
    seen: Traffic<3>,
    skipped: Traffic<2>,
    lost: Traffic<1>,
    coarsened: Traffic<1>,
    windows: Family<Labels<1>, Counter>,
    map_entries: Family<Labels<1>, Gauge>,
    map_capacity: Family<Labels<1>, Gauge>,
    kernel_refusals: Counter,
    sends: Family<Labels<1>, Counter>,
    send_duration: Histogram,
    unacknowledged_age: Gauge<f64, AtomicU64>,
    /// What `unacknowledged_age` is worked out from when it is read.
    unacknowledged_since: Mutex<Instant>,
    interfaces: Family<Labels<1>, Gauge>,
    uplinks: Traffic<1>,
    uplink_read_failures: Counter,
    bypassed: Gauge,
    hook_priority: Family<Labels<2>, Gauge>,
    sockets: Traffic<1>,
    socket_read_failures: Counter,
    cgroups: Family<Labels<1>, Gauge>,
    known_cgroups: Gauge,
    pinned: Gauge,
    server_changes: Counter,
    windows_maybe_twice: Counter,
}

impl Metrics {
    /// All at zero.
    pub fn new() -> Self {
        let mut process = Registry::default();
        process.register_collector(Box::new(ProcessCollector));
        let mut metrics = Self {
            own: Registry::with_prefix("kubezonnet_agent"),
            process,
            seen: Traffic::default(),
            skipped: Traffic::default(),
            lost: Traffic::default(),
            coarsened: Traffic::default(),
            windows: Family::default(),
            map_entries: Family::default(),
            map_capacity: Family::default(),
            kernel_refusals: Counter::default(),
            sends: Family::default(),
            send_duration: Histogram::new(LATENCY_BUCKETS),
            unacknowledged_age: Gauge::default(),
            unacknowledged_since: Mutex::new(Instant::now()),
            interfaces: Family::default(),
            uplinks: Traffic::default(),
            uplink_read_failures: Counter::default(),
            bypassed: Gauge::default(),
            hook_priority: Family::default(),
            sockets: Traffic::default(),
            socket_read_failures: Counter::default(),
            cgroups: Family::default(),
            known_cgroups: Gauge::default(),
            pinned: Gauge::default(),
            server_changes: Counter::default(),
            windows_maybe_twice: Counter::default(),
        };
        metrics.register();
        metrics.show_zeros();
        metrics
    }

    fn register(&mut self) {
        let own = &mut self.own;
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        own.register("build", "Version of the agent", version);
        register_traffic(
            own,
            &self.seen,
            "seen",
            "that the hooks counted as traffic, by hook and class of the input and output \
             interface",
        );
        register_traffic(
            own,
            &self.skipped,
            "skipped",
            "that the hooks saw and did not count as traffic, by reason",
        );
        register_traffic(
            own,
            &self.coarsened,
            "coarsened",
            "counted without full detail because a kernel map was full, by what was kept \
             (pair: both addresses; total: only hook and interface classes)",
        );
        register_traffic(
            own,
            &self.lost,
            "lost",
            "that were counted and do not reach the server, by reason",
        );
        own.register(
            "windows",
            "Windows that are settled, by result",
            self.windows.clone(),
        );
        own.register(
            "map_entries",
            "Entries of a kernel map when it was last read",
            self.map_entries.clone(),
        );
        own.register(
            "map_capacity",
            "Entries that fit in a kernel map",
            self.map_capacity.clone(),
        );
        own.register(
            "kernel_refusals",
            "Windows the kernel refused to close or to clear; each is tried again",
            self.kernel_refusals.clone(),
        );
        own.register(
            "sends",
            "Attempts to deliver a window, by outcome",
            self.sends.clone(),
        );
        own.register_with_unit(
            "send_duration",
            "How long an attempt to deliver a window took",
            Unit::Seconds,
            self.send_duration.clone(),
        );
        own.register_with_unit(
            "unacknowledged_age",
            "Age of the oldest byte that the server has not acknowledged",
            Unit::Seconds,
            self.unacknowledged_age.clone(),
        );
        own.register(
            "interfaces",
            "Network interfaces of the node, by class",
            self.interfaces.clone(),
        );
        register_traffic(
            own,
            &self.uplinks,
            "uplink",
            "that left through the uplinks, as the hooks saw them and as the interfaces' own \
             counters say they were sent",
        );
        own.register(
            "uplink_read_failures",
            "Times that the uplinks' own counters could not be read",
            self.uplink_read_failures.clone(),
        );
        own.register(
            "bypassed",
            "1 while the hooks see less than 95 % of what the uplinks send",
            self.bypassed.clone(),
        );
        own.register(
            "hook_priority",
            "Netfilter priority a hook is attached at; absent where it is not attached",
            self.hook_priority.clone(),
        );
        self.register_sockets();
        self.register_pins_and_servers();
    }

    fn register_sockets(&mut self) {
        let own = &mut self.own;
        register_traffic(
            own,
            &self.sockets,
            "socket",
            "that the node's own network sent and received, by who has the socket",
        );
        own.register(
            "socket_read_failures",
            "Times that the kernel's table of sockets could not be read",
            self.socket_read_failures.clone(),
        );
        own.register(
            "cgroups",
            "1 for what is to be seen of control groups: unified and hybrid tell pods on the \
             node's network apart; elsewhere, confined and absent do not",
            self.cgroups.clone(),
        );
        own.register(
            "known_cgroups",
            "Control groups that are known, those that are gone and remembered included",
            self.known_cgroups.clone(),
        );
    }

    fn register_pins_and_servers(&mut self) {
        let own = &mut self.own;
        own.register(
            "pinned",
            "1 if hooks and counts outlive the agent, 0 if they end with it",
            self.pinned.clone(),
        );
        own.register(
            "server_changes",
            "Times that a window was acknowledged by another server than the one before",
            self.server_changes.clone(),
        );
        own.register(
            "windows_maybe_twice",
            "Windows that another server acknowledged after an attempt at the one before ended \
             without an answer: both may count them",
            self.windows_maybe_twice.clone(),
        );
    }

    /// A series that begins at its first event hides that event from `rate()`.
    fn show_zeros(&self) {
        for outcome in Outcome::ALL {
            let _ = self.sends.get_or_create(&[("outcome", outcome.as_str())]);
        }
        for outcome in [Outcome::Acknowledged, Outcome::Duplicate] {
            let _ = self.windows.get_or_create(&[("result", outcome.as_str())]);
        }
        for reason in LossReason::ALL {
            // Never a whole window.
            if reason != LossReason::Undecodable {
                let _ = self.windows.get_or_create(&[("result", reason.as_str())]);
            }
            self.lost
                .add([("reason", reason.as_str())], FlowCounters::ZERO);
        }
        for kept in ["pair", "total"] {
            self.coarsened.add([("kept", kept)], FlowCounters::ZERO);
        }
        for owner in ["pod", "system", "kernel", "unseen", "unreadable"] {
            self.sockets.add([("owner", owner)], FlowCounters::ZERO);
        }
        for view in View::ALL {
            let _ = self.cgroups.get_or_create(&[("view", view.as_str())]);
        }
        self.interfaces(&BTreeMap::new());
        self.uplinks(&Uplinks::default());
    }

    /// A window was closed: this is what it holds.
    pub fn closed(&self, drained: &Drained) {
        for record in &drained.records {
            self.seen.add(point(record.key.point), record.counters);
            if record.key.transport.is_none() {
                self.coarsened.add([("kept", "pair")], record.counters);
            }
        }
        for total in &drained.totals {
            self.seen.add(point(total.point), total.counters);
            if total.kind == TotalKind::Coarsened {
                self.coarsened.add([("kept", "total")], total.counters);
            }
        }
        for skipped in &drained.skipped {
            let labels = [
                ("reason", skipped.reason.as_str()),
                ("hook", skipped.hook.as_str()),
            ];
            self.skipped.add(labels, skipped.counters);
        }
        if drained.undecodable != FlowCounters::ZERO {
            let reason = LossReason::Undecodable.as_str();
            self.lost.add([("reason", reason)], drained.undecodable);
        }
        let fill = &drained.fill;
        for (map, entries, capacity) in [
            ("flows", fill.flows, fill.max_flows),
            ("pairs", fill.pairs, fill.max_pairs),
        ] {
            let labels = [("map", map)];
            self.map_entries
                .get_or_create(&labels)
                .set(i64::from(entries));
            self.map_capacity
                .get_or_create(&labels)
                .set(i64::from(capacity));
        }
    }

    /// The kernel refused to close or to clear a window.
    pub fn kernel_refused(&self) {
        self.kernel_refusals.inc();
    }

    /// An attempt to deliver a window ended.
    pub fn sent(&self, outcome: Outcome, took: Duration) {
        let labels = [("outcome", outcome.as_str())];
        self.sends.get_or_create(&labels).inc();
        self.send_duration.observe(took.as_secs_f64());
    }

    /// The server has a window.
    pub fn delivered(&self, outcome: Outcome) {
        let labels = [("result", outcome.as_str())];
        self.windows.get_or_create(&labels).inc();
    }

    /// The server will not have a window.
    pub fn lost(&self, loss: &Loss) {
        let labels = [("result", loss.reason.as_str())];
        self.windows.get_or_create(&labels).inc();
        self.lost
            .add([("reason", loss.reason.as_str())], loss.counters);
    }

    /// Where the oldest byte that is not acknowledged can be.
    pub fn unacknowledged_since(&self, since: Instant) {
        *self
            .unacknowledged_since
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = since;
    }

    /// The node's interfaces, by index.
    pub fn interfaces(&self, interfaces: &BTreeMap<u32, InterfaceClass>) {
        for class in InterfaceClass::ALL {
            let count = interfaces.values().filter(|&&each| each == class).count();
            self.interfaces
                .get_or_create(&[("class", class.as_str())])
                .set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }

    /// What left through the uplinks in a window.
    pub fn uplinks(&self, uplinks: &Uplinks) {
        self.uplinks.add([("what", "seen")], uplinks.seen);
        self.uplinks.add([("what", "sent")], uplinks.sent);
    }

    /// The uplinks' own counters could not be read.
    pub fn uplinks_unread(&self) {
        self.uplink_read_failures.inc();
    }

    /// Whether the hooks saw too little of what the uplinks sent in the last window that was judged.
    pub fn bypassed(&self, bypassed: bool) {
        self.bypassed.set(bypassed.into());
    }

    /// What is attached where.
    pub fn attached(&self, attached: &[Attached]) {
        for each in attached {
            let labels = [
                ("hook", each.hook.as_str()),
                ("family", each.family.as_str()),
            ];
            self.hook_priority
                .get_or_create(&labels)
                .set(i64::from(each.priority));
        }
    }

    /// A window was closed: these are its flows, with their owners.
    pub fn sockets(&self, records: &[FlowRecord]) {
        for record in records {
            if let Some(owner) = record.key.socket {
                self.sockets
                    .add([("owner", owner.as_str())], record.counters);
            }
        }
    }

    /// The kernel's table of sockets could not be read.
    pub fn sockets_unread(&self) {
        self.socket_read_failures.inc();
    }

    /// What is to be seen of control groups.
    pub fn cgroups(&self, view: View) {
        for each in View::ALL {
            self.cgroups
                .get_or_create(&[("view", each.as_str())])
                .set((each == view).into());
        }
    }

    /// How many control groups are known.
    pub fn known_cgroups(&self, count: usize) {
        self.known_cgroups
            .set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Whether hooks and counts outlive the agent.
    pub fn pinned(&self, is_pinned: bool) {
        self.pinned.set(is_pinned.into());
    }

    /// Another server acknowledged a window.
    pub fn server_changed(&self, change: &ServerChange) {
        self.server_changes.inc();
        if change.is_maybe_twice {
            self.windows_maybe_twice.inc();
        }
    }

    /// The whole page.
    ///
    /// # Panics
    ///
    /// Never: text is written to memory.
    pub fn render(&self, format: Format) -> String {
        let since = *self
            .unacknowledged_since
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        self.unacknowledged_age.set(since.elapsed().as_secs_f64());
        let mut text = String::new();
        encode_registry(&mut text, &self.own)
            .and_then(|()| encode_registry(&mut text, &self.process))
            .and_then(|()| encode_eof(&mut text))
            .expect("writing to a string does not fail");
        format.from_open_metrics(text)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> Traffic<N> {
    fn add(&self, labels: Labels<N>, counters: FlowCounters) {
        self.bytes.get_or_create(&labels).inc_by(counters.bytes);
        self.packets.get_or_create(&labels).inc_by(counters.packets);
    }
}

fn register_traffic<const N: usize>(
    registry: &mut Registry,
    traffic: &Traffic<N>,
    name: &str,
    what: &str,
) {
    registry.register_with_unit(
        name,
        format!("IP bytes {what}"),
        Unit::Bytes,
        traffic.bytes.clone(),
    );
    registry.register(
        format!("{name}_packets"),
        format!("Packets {what}"),
        traffic.packets.clone(),
    );
}

fn point(point: ObservationPoint) -> Labels<3> {
    [
        ("hook", point.hook.as_str()),
        ("input", point.input.as_str()),
        ("output", point.output.as_str()),
    ]
}

#[cfg(test)]
mod tests;
