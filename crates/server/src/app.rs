//! Wires the server: topology, exporters, pipeline, routes, and the tasks beside them.

use std::fmt;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum_server::Handle;
use axum_server::accept::NoDelayAcceptor;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use kubezonnet_topology::{Clock, Topology};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::MissedTickBehavior;

use crate::bypass::Warning;
use crate::config::Config;
use crate::connections;
use crate::export::Exporters;
use crate::ingest::Ingest;
use crate::pipeline::{Pipeline, Settings};
use crate::source::Source;
use crate::{http, tls};

/// How long requests that have begun may take to end after a signal: a body in flight, not a body
/// that never comes. Kubernetes gives 30 seconds for all.
const GRACE: Duration = Duration::from_secs(10);

/// How long the reader of the flow log has to take what is left of it.
const FLUSH: Duration = Duration::from_secs(5);

/// How long after its start every agent has reported: six intervals of the default length. A node
/// that has not by then is taken for one without agent.
const FIRST_REPORTS: Duration = Duration::from_mins(1);

/// How often records that wait are looked at.
const SETTLE_EVERY: Duration = Duration::from_secs(1);

/// How often series of deleted pods, and what is of long ago, are looked for.
const FORGET_EVERY: Duration = Duration::from_secs(30);

/// Why the server ends without having been asked to.
#[derive(Debug)]
pub enum Failure {
    /// A flag, or a file it names, is wrong.
    Configuration(anyhow::Error),
    /// Something else failed.
    Running(anyhow::Error),
}

impl Failure {
    /// The exit status: 64 is `EX_USAGE` of sysexits.h.
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Configuration(_) => 64,
            Self::Running(_) => 1,
        }
    }
}

impl fmt::Display for Failure {
    /// The whole chain of causes on one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Configuration(error) | Self::Running(error)) = self;
        f.write_str(&format!("{error:#}").replace('\n', " "))
    }
}

/// Runs the server until SIGTERM or SIGINT.
///
/// # Errors
///
/// [`Failure`] if it cannot start, or cannot go on.
pub fn run(config: &Config) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the async runtime")
        .map_err(Failure::Running)?;
    runtime.block_on(serve(config))
}

async fn serve(config: &Config) -> Result<(), Failure> {
    // The Kubernetes client takes the process' default.
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
    let encryption = match (&config.tls_cert, &config.tls_key) {
        (Some(certificate), Some(key)) => {
            Some(tls::load(certificate, key).map_err(Failure::Configuration)?)
        }
        _ => None,
    };
    let clock = Clock::system();
    let topology = Topology::new();
    let source = Source::open(config, &topology, &clock)
        .await
        .map_err(Failure::Configuration)?;

    let pipeline = Arc::new(Pipeline::new(
        topology,
        Exporters::open(config),
        Settings {
            pending_timeout: source.pending_timeout(config),
            reports_due: clock.now().plus(FIRST_REPORTS),
            series_retention: config.series_retention,
        },
    ));
    let bodies = config.limits.bodies();
    let ingest = Arc::new(Ingest::new(Arc::clone(&pipeline), bodies, clock.clone()));
    let connected = Arc::clone(ingest.counts().connections());
    let router = http::router(Arc::clone(&pipeline), ingest, clock.clone());

    let (listener, address) = listen(config.listen).map_err(Failure::Running)?;
    let handle = Handle::new();
    let source = tokio::spawn(source.follow(pipeline.topology().clone(), clock.clone()));
    let upkeep = tokio::spawn(keep_up(Arc::clone(&pipeline), clock));
    let stop = tokio::spawn(stop_on_signal(handle.clone()));
    let scheme = if encryption.is_some() {
        "https"
    } else {
        "http"
    };
    tracing::info!(%address, scheme, "listening");

    let service = router.into_make_service();
    let limits = config.limits.connections();
    if let Some(connections) = connections::make_room(limits.total) {
        tracing::warn!(
            wanted = limits.total,
            connections,
            "the system allows fewer open files than --max-connections needs"
        );
    }
    let tcp = NoDelayAcceptor::new();
    let served = if let Some(encryption) = encryption {
        let tls = RustlsAcceptor::new(RustlsConfig::from_config(encryption)).acceptor(tcp);
        let server = connections::serve(listener, tls, limits, connected);
        let server = server.context("cannot listen").map_err(Failure::Running)?;
        server.handle(handle).serve(service).await
    } else {
        let server = connections::serve(listener, tcp, limits, connected);
        let server = server.context("cannot listen").map_err(Failure::Running)?;
        server.handle(handle).serve(service).await
    };
    for task in [source, upkeep, stop] {
        task.abort();
    }
    pipeline.exporters().close(FLUSH);
    served.context("cannot serve").map_err(Failure::Running)?;
    tracing::info!("stopped");
    Ok(())
}

fn listen(address: SocketAddr) -> anyhow::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address)
        .with_context(|| format!("--listen {address}: cannot listen there"))?;
    listener.set_nonblocking(true)?;
    let bound = listener.local_addr()?;
    Ok((listener, bound))
}

/// Settles what waits and forgets what is gone, for as long as the server runs.
async fn keep_up(pipeline: Arc<Pipeline>, clock: Clock) {
    let mut settle = tokio::time::interval(SETTLE_EVERY);
    let mut forget = tokio::time::interval(FORGET_EVERY);
    let mut warning = Warning::default();
    settle.set_missed_tick_behavior(MissedTickBehavior::Delay);
    forget.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let pipeline = Arc::clone(&pipeline);
        let now = clock.now();
        let work = tokio::select! {
            _ = settle.tick() => tokio::task::spawn_blocking(move || pipeline.settle(now)),
            _ = forget.tick() => {
                warning.give(&pipeline.uplinks(), now);
                tokio::task::spawn_blocking(move || pipeline.forget(now))
            }
        };
        if let Err(error) = work.await {
            tracing::error!(%error, "upkeep failed, it goes on with the next turn");
        }
    }
}

async fn stop_on_signal(handle: Handle<SocketAddr>) {
    let (Ok(mut terminate), Ok(mut interrupt)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        tracing::error!("cannot wait for signals, only SIGKILL will end the server");
        return;
    };
    let name = tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    };
    tracing::info!(signal = name, "stopping");
    handle.graceful_shutdown(Some(GRACE));
}
