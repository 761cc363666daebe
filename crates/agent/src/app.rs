//! Wires the agent: links, hooks, status server and loop.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;

use anyhow::Context as _;
use kubezonnet_capture::{
    Capture, ClosedWindow, Detachment, Problem, Progress, pinned_elsewhere, preflight,
};
use kubezonnet_model::{FlowBatch, FlowCounters, InterfaceClass, NodeName};
use kubezonnet_wire::{DecodedBatch, Limits};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tracing::{info, warn};

use crate::backoff::Backoff;
use crate::cgroups::Cgroups;
use crate::config::{Config, Target, Task};
use crate::links::{self, Given, Links, View};
use crate::lock::{self, Lock};
use crate::metrics::Metrics;
use crate::send::Sender;
use crate::sockets::{Owners, Sockets};
use crate::source::{Draining, Source};
use crate::status::{self, Bounded, Health};
use crate::table::Table;
use crate::tick::Tick;
use crate::uplinks::{Kernel, Meter};
use crate::window::{Pace, Plan, Windows};

/// The ports that clients use; /proc/sys/net shows the network namespace of who reads it.
const EPHEMERAL_PORTS: &str = "/proc/sys/net/ipv4/ip_local_port_range";

/// Why the agent ended, other than by a signal.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A flag or variable is wrong.
    #[error("{0}")]
    Usage(String),
    /// The machine lacks something.
    #[error("this machine lacks something")]
    Unfit(Vec<Problem>),
    /// Everything is taken off, and what was counted last could not be delivered.
    #[error(
        "hooks are taken off, and {} bytes in {} packets that were counted and not delivered are lost",
        .0.bytes, .0.packets
    )]
    Undelivered(FlowCounters),
    /// Anything else.
    #[error(transparent)]
    Other(#[from] anyhow::Error),
}

impl Failure {
    /// The exit status, by the names of `sysexits.h`.
    pub fn exit_code(&self) -> u8 {
        match self {
            // EX_USAGE
            Self::Usage(_) => 64,
            // EX_UNAVAILABLE
            Self::Unfit(_) => 69,
            // EX_IOERR
            Self::Undelivered(_) => 74,
            Self::Other(_) => 1,
        }
    }

    /// What to print, one line each.
    pub fn lines(&self) -> Vec<String> {
        match self {
            Self::Usage(line) => vec![line.clone()],
            Self::Undelivered(_) => vec![self.to_string()],
            Self::Unfit(problems) => problems.iter().map(ToString::to_string).collect(),
            Self::Other(error) => vec![format!("{error:#}")],
        }
    }
}

/// Runs the agent until a signal ends it.
///
/// # Errors
///
/// [`Failure`] if it cannot start. Once it has started it ends by a signal only.
pub fn run(config: &Config) -> Result<(), Failure> {
    // One thread does: a tick is milliseconds of work, and every thread more costs memory on every
    // node. The second is for the system's name resolver, which blocks.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(1)
        .build()
        .context("failed to start the runtime")?;
    runtime.block_on(start(config))
}

async fn start(config: &Config) -> Result<(), Failure> {
    // Everything that can be wrong without the kernel comes before anything is attached.
    check_uplinks(config)?;
    let sender = match &config.target {
        Target::Server(url) => {
            let sender = Sender::new(url, config.credentials.clone());
            Some(sender.map_err(|error| Failure::Usage(error.to_string()))?)
        }
        Target::Table => None,
    };
    let problems = preflight();
    if !problems.is_empty() {
        return Err(Failure::Unfit(problems));
    }
    let metrics = Arc::new(Metrics::new());
    let health = Arc::new(Health::new());
    if let Some(address) = config.metrics_listen {
        serve_status(address, &metrics, &health).await?;
    }
    let mut signals = count_signals()?;
    // A dry run beside an agent is harmless: it reports to nobody.
    let _lock = if sender.is_some() {
        tokio::select! {
            lock = Lock::take(lock::PATIENCE) => Some(lock.map_err(anyhow::Error::from)?),
            _ = signals.changed() => return Ok(()),
        }
    } else {
        None
    };
    let given = Given {
        uplinks: config.uplinks.clone(),
        tunnel_ports: config.tunnel_ports.clone(),
    };
    let links = links::follow(given).context("failed to look at the node's network interfaces")?;
    let cgroups = Cgroups::follow(config.cgroup_root.as_deref())
        .context("failed to start a thread to follow control groups")?;
    let mut sockets = Sockets::new(cgroups);
    sockets.say(&metrics);
    let shared = Shared {
        config,
        links,
        sockets,
        signals,
        metrics,
        health,
    };
    match (sender, config.task) {
        (Some(sender), Task::Report) => report(&shared, sender).await,
        (Some(sender), Task::Detach) => detach(&shared, sender).await,
        (None, _) => report_as_table(&shared).await,
    }
}

/// What every loop of this process has in common.
struct Shared<'a> {
    config: &'a Config,
    links: watch::Receiver<Arc<View>>,
    sockets: Sockets,
    signals: watch::Receiver<u32>,
    metrics: Arc<Metrics>,
    health: Arc<Health>,
}

impl Shared<'_> {
    /// A loop over the windows of a source.
    fn tick<S: Source>(&self, source: S, plan: Plan, progress: &Progress) -> Tick<S, Kernel> {
        let config = self.config;
        let mut sockets = self.sockets.clone();
        let note = progress
            .closed
            .as_ref()
            .and_then(|closed| closed.note.as_ref());
        if let Some(note) = note {
            sockets.resume(Owners::decode(note));
        }
        let kept = progress.closed.as_ref();
        let kept = kept.and_then(|closed| kept_of(closed, &config.node));
        let windows = Windows::new(
            config.node.clone(),
            plan,
            Pace::of(&config.node, config.interval),
            Backoff::new(rand::random()),
            progress,
            kept,
        );
        Tick {
            source,
            meter: Meter::new(Kernel),
            sockets,
            windows,
            links: self.links.clone(),
            signals: self.signals.clone(),
            grace: config.grace,
            metrics: Arc::clone(&self.metrics),
            health: Arc::clone(&self.health),
            failing_since: None,
        }
    }

    fn is_to_end(&self) -> bool {
        *self.signals.borrow() > 0
    }
}

/// What an agent before this one has kept of a window that it closed.
///
/// Not what it kept under another name: an agent may report for its own node only, so nothing of that
/// would ever be acknowledged, and nothing after it be sent.
fn kept_of(closed: &ClosedWindow, node: &NodeName) -> Option<FlowBatch> {
    let decoded = kubezonnet_wire::decode(closed.note.as_ref()?, &Limits::default());
    let kept = decoded
        .inspect_err(|error| {
            warn!(
                error = error as &dyn std::error::Error,
                "what was kept of an unacknowledged window cannot be read: it goes out with the \
                 node's addresses as they are now"
            );
        })
        .map(DecodedBatch::into_batch)
        .ok()?;
    if kept.header.node != *node {
        warn!(
            before = kept.header.node.as_str(),
            now = node.as_str(),
            "this node had another name (--node): an unacknowledged window goes out under the new \
             one, and is counted twice if it had arrived under the old one"
        );
        return None;
    }
    Some(kept)
}

/// Counts and reports until a signal comes.
async fn report(shared: &Shared<'_>, mut sender: Sender) -> Result<(), Failure> {
    check_elsewhere(shared.config)?;
    let mut capture = attach(shared.config, &shared.links.borrow(), &shared.metrics)?;
    while let Some(mut leftover) = capture.take_leftover() {
        info!("another layout, or another size of maps, counted before: delivering that first");
        let progress = leftover.progress();
        let source = Draining {
            leftover: &mut leftover,
            capture: Some(&mut capture),
        };
        let mut tick = shared.tick(source, Plan::LEFTOVER, &progress);
        tick.run(&mut sender).await;
        if shared.is_to_end() {
            report_stay();
            return Ok(());
        }
        leftover.remove().context("failed to remove old maps")?;
    }
    let progress = capture.progress();
    if capture.is_pinned() {
        let mut tick = shared.tick(capture, Plan::PINNED, &progress);
        tick.run(&mut sender).await;
        report_stay();
    } else {
        let mut tick = shared.tick(capture, Plan::ALONE, &progress);
        let lost = tick.run(&mut sender).await;
        drop(tick);
        report_end(lost);
    }
    Ok(())
}

/// Prints what is counted until a signal comes.
async fn report_as_table(shared: &Shared<'_>) -> Result<(), Failure> {
    let capture = attach(shared.config, &shared.links.borrow(), &shared.metrics)?;
    let progress = capture.progress();
    let mut tick = shared.tick(capture, Plan::ALONE, &progress);
    // Nobody waits to hear that the node is covered, and an empty table helps nobody.
    tick.windows.skip_first();
    tick.health.delivered();
    let lost = tick.run(&mut Table).await;
    drop(tick);
    report_end(lost);
    Ok(())
}

/// Delivers what is pinned, and takes it off.
async fn detach(shared: &Shared<'_>, mut sender: Sender) -> Result<(), Failure> {
    let Some(path) = &shared.config.pin_dir else {
        return Err(Failure::Usage(
            "detach takes off what is pinned: it needs a --pin-dir".to_owned(),
        ));
    };
    let failed = || format!("failed to take off what is pinned in {}", path.display());
    let Some(mut detachment) = Detachment::begin(path).with_context(failed)? else {
        info!(path = %path.display(), "nothing is pinned here");
        return Ok(());
    };
    let mut lost = FlowCounters::ZERO;
    while let Some((mut leftover, is_last)) = detachment.take_leftover() {
        let progress = leftover.progress();
        let source = Draining {
            leftover: &mut leftover,
            capture: None,
        };
        let mut tick = shared.tick(source, Plan::removal(is_last), &progress);
        tick.hurry();
        lost += tick.run(&mut sender).await;
    }
    detachment.finish().with_context(failed)?;
    if lost != FlowCounters::ZERO {
        return Err(Failure::Undelivered(lost));
    }
    report_end(lost);
    Ok(())
}

/// A name that no link has is a mistake in the flag; it may not pass for "no uplink".
fn check_uplinks(config: &Config) -> Result<(), Failure> {
    if config.uplinks.is_empty() {
        return Ok(());
    }
    let links = links::netlink::dump(&Links::default())
        .context("failed to look at the node's network interfaces")?;
    let missing = links.missing(&config.uplinks);
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = links.names().collect();
    Err(Failure::Usage(format!(
        "--uplink {}: no such interface here; there are {}",
        missing.join(", "),
        names.join(", ")
    )))
}

/// Hooks that were pinned under another `--pin-dir` count on, so others beside them would double
/// every byte.
fn check_elsewhere(config: &Config) -> Result<(), Failure> {
    let Some(path) = pinned_elsewhere(config.pin_dir.as_deref()) else {
        return Ok(());
    };
    let path = path.display();
    Err(Failure::Other(anyhow::anyhow!(
        "hooks pinned in {path} count in this network namespace already, and two would count every \
         packet twice: run this agent with --pin-dir={path}, or take them off first \
         (kubezonnet-agent detach --pin-dir={path})"
    )))
}

async fn serve_status(
    address: SocketAddr,
    metrics: &Arc<Metrics>,
    health: &Arc<Health>,
) -> anyhow::Result<()> {
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("failed to listen on {address} (--metrics-listen)"))?;
    let address = listener.local_addr().unwrap_or(address);
    info!(%address, "serving /metrics, /healthz and /readyz");
    let router = status::router(Arc::clone(metrics), Arc::clone(health));
    tokio::spawn(async move { axum::serve(Bounded::new(listener), router).await });
    Ok(())
}

fn attach(config: &Config, view: &View, metrics: &Metrics) -> anyhow::Result<Capture> {
    let settings = kubezonnet_capture::Config {
        max_flows: config.max_flows,
        detail: config.flow_detail,
        networks: config.networks.clone(),
        tunnel_ports: view.tunnel_ports.clone(),
        ephemeral_ports: ephemeral_ports()?,
        pin_dir: config.pin_dir.clone(),
    };
    let capture = Capture::attach(&settings, &view.interfaces)
        .context("failed to attach to the network namespace's hooks")?;
    metrics.attached(capture.attached());
    metrics.pinned(capture.is_pinned());
    if let Some(reason) = capture.unpinnable() {
        warn!(
            %reason,
            "hooks and counts end with this agent: nothing can be pinned (--pin-dir=none if that is \
             meant)"
        );
    }
    metrics.interfaces(&view.interfaces);
    for attached in capture.attached() {
        info!(
            hook = attached.hook.as_str(),
            family = attached.family.as_str(),
            priority = attached.priority,
            "attached"
        );
    }
    let has_uplink = view
        .interfaces
        .values()
        .any(|&class| class == InterfaceClass::Uplink);
    if !has_uplink {
        warn!("no interface looks like an uplink; name it with --uplink");
    }
    Ok(capture)
}

/// Which ports clients use here: the kernel's own setting, in the namespace of this process.
fn ephemeral_ports() -> anyhow::Result<RangeInclusive<u16>> {
    let text = std::fs::read_to_string(EPHEMERAL_PORTS)
        .with_context(|| format!("failed to read {EPHEMERAL_PORTS}"))?;
    parse_ephemeral_ports(&text)
        .with_context(|| format!("{EPHEMERAL_PORTS} holds no range of ports: {text:?}"))
}

fn parse_ephemeral_ports(text: &str) -> Option<RangeInclusive<u16>> {
    let mut numbers = text.split_whitespace().map(str::parse);
    let (first, last) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
    (first <= last).then_some(first..=last)
}

/// Counts SIGTERM and SIGINT. From here on they no longer end the process by themselves.
fn count_signals() -> anyhow::Result<watch::Receiver<u32>> {
    let (sender, receiver) = watch::channel(0);
    let mut terminate = signal(SignalKind::terminate()).context("failed to listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("failed to listen for SIGINT")?;
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            sender.send_modify(|count| *count += 1);
        }
    });
    Ok(receiver)
}

fn report_stay() {
    info!("ended; hooks stay attached and go on counting for the next agent");
}

fn report_end(lost: FlowCounters) {
    if lost == FlowCounters::ZERO {
        info!("ended; hooks are taken off");
    } else {
        warn!(
            bytes = lost.bytes,
            packets = lost.packets,
            "ended; hooks are taken off, and these were counted and not delivered"
        );
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use kubezonnet_model::{BatchHeader, Coverage, Epoch};

    use super::*;

    #[test]
    fn what_was_kept_under_another_name_of_the_node_is_not_sent_under_it() {
        let [before, now] = ["n1", "n2"].map(|name| NodeName::new(name).unwrap());
        let batch = FlowBatch {
            header: BatchHeader {
                node: before.clone(),
                epoch: Epoch([7; 16]),
                sequence: 3,
                window: Duration::from_secs(10),
                coverage: Coverage::full(),
            },
            records: Vec::new(),
            totals: Vec::new(),
            skipped: Vec::new(),
            node_addresses: Vec::new(),
        };
        let closed = ClosedWindow {
            ended: Instant::now(),
            note: Some(kubezonnet_wire::encode(&batch)),
        };

        assert_eq!(kept_of(&closed, &now), None);
        assert_eq!(kept_of(&closed, &before), Some(batch));
    }

    #[test]
    fn the_range_of_client_ports_is_read_as_the_kernel_writes_it() {
        assert_eq!(
            parse_ephemeral_ports("32768\t60999\n"),
            Some(32_768..=60_999)
        );
        assert_eq!(parse_ephemeral_ports("60999 32768"), None);
        assert_eq!(parse_ephemeral_ports("32768"), None);
        assert_eq!(parse_ephemeral_ports("a b"), None);
    }
}
