//! Wires the agent: links, hooks, status server and loop.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use kubezonnet_capture::{Capture, Problem, preflight};
use kubezonnet_model::{Epoch, FlowCounters, InterfaceClass};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tracing::{info, warn};

use crate::backoff::Backoff;
use crate::config::{Config, Target};
use crate::links::{self, Given, View};
use crate::lock::{self, Lock};
use crate::metrics::Metrics;
use crate::send::Sender;
use crate::status::{self, Bounded, Health};
use crate::table::Table;
use crate::tick::Tick;
use crate::uplinks::{Kernel, Meter};
use crate::window::Windows;

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
            Self::Other(_) => 1,
        }
    }

    /// What to print, one line each.
    pub fn lines(&self) -> Vec<String> {
        match self {
            Self::Usage(line) => vec![line.clone()],
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
    let capture = attach(config, &links.borrow(), &metrics)?;
    let windows = Windows::new(
        config.node.clone(),
        Epoch(rand::random()),
        config.interval,
        Backoff::new(rand::random()),
        Instant::now(),
    );
    let mut tick = Tick {
        source: capture,
        meter: Meter::new(Kernel),
        windows,
        links,
        signals,
        grace: config.grace,
        metrics,
        health,
    };
    let lost = if let Some(sender) = sender {
        tick.run(sender).await
    } else {
        // Nobody waits to hear that the node is covered, and an empty table helps nobody.
        tick.windows.skip_first();
        tick.health.delivered();
        tick.run(Table).await
    };
    // Hooks are taken off with the capture.
    drop(tick);
    report_end(lost);
    Ok(())
}

/// A name that no link has is a mistake in the flag; it may not pass for "no uplink".
fn check_uplinks(config: &Config) -> Result<(), Failure> {
    if config.uplinks.is_empty() {
        return Ok(());
    }
    let links =
        links::netlink::dump().context("failed to look at the node's network interfaces")?;
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
    };
    let capture = Capture::attach(&settings, &view.interfaces)
        .context("failed to attach to the network namespace's hooks")?;
    metrics.attached(capture.attached());
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
    use super::*;

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
