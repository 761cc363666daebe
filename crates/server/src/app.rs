//! Wires the server: topology, exporters, pipeline, routes, and the tasks beside them.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum_server::Handle;
use kubezonnet_topology::{Clock, Topology};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use crate::budgets::BudgetFile;
use crate::bypass::Warning;
use crate::config::Config;
use crate::connections;
use crate::edge::{Edge, Serving};
use crate::export::Exporters;
use crate::export::pods::Pods;
use crate::export::recent::Recent;
use crate::history::embedded::{Embedded, Options};
use crate::history::prometheus::{Column, Here, Prometheus};
use crate::history::{self, Past};
use crate::http;
use crate::ingest::{self, Ingest};
use crate::metrics::Columns;
use crate::pipeline::{Pipeline, Settings};
use crate::prices::Prices;
use crate::source::{self, Source};
use crate::store::{DataDir, Pace};

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

/// How often it is looked whether the server can still take anything.
const LOOK_EVERY: Duration = Duration::from_secs(1);

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
    let clock = Clock::system();
    let labels = config.labels.kept().context("--team-label, --extra-label");
    let labels = labels.map_err(Failure::Configuration)?;
    let columns = config.labels.columns(&labels).context("--metrics-labels");
    let columns = columns.map_err(Failure::Configuration)?;
    let topology = Topology::keeping(labels.clone());
    let source = Source::open(config, &topology, &clock)
        .await
        .map_err(Failure::Configuration)?;
    let networks = source::named_networks(config, &topology).map_err(Failure::Configuration)?;
    let prices = Prices::open(&config.prices).map_err(Failure::Configuration)?;
    let budgets = config.prices.budgets.as_deref();
    let budgets = BudgetFile::open(budgets, topology.labels(), &prices);
    let budgets = budgets.map_err(Failure::Configuration)?;
    let edge = Edge::open(config, &source, &topology, &clock).map_err(Failure::Configuration)?;

    let settings = Settings {
        pending_timeout: source.pending_timeout(config),
        reports_due: clock.now().plus(FIRST_REPORTS),
        series_retention: config.series_retention,
        limits: config.metrics.series(),
    };
    let labels = labels.names().map(ToString::to_string).collect();
    let prometheus = config.prometheus.options();
    let prometheus = prometheus.map_err(Failure::Configuration)?;
    // Who asks another keeps none.
    let past = prometheus
        .is_none()
        .then(|| config.history.options(&config.data_dir, labels));
    let recent = Arc::new(Recent::new(clock.now().0));
    let exporters = Exporters::open(config).and(Box::new(Arc::clone(&recent)));
    let pods = Arc::new(Pods::by(clock.clone()));
    let exporters = exporters.and(Box::new(Arc::clone(&pods)));
    let pipeline = open_pipeline(config, topology, exporters, settings, past)?.with_prices(prices);
    let pipeline = pipeline.with_budgets(budgets);
    let pipeline = Arc::new(pipeline);
    let ingest = Ingest::new(Arc::clone(&pipeline), config.limits.bodies(), clock.clone());
    let ingest = Arc::new(ingest.guarded(Arc::clone(&edge.door)));
    let prometheus = ask_prometheus(prometheus, &pipeline, &columns, &clock)?;
    let shown = http::Shown::new(Arc::clone(&pipeline), Arc::clone(&ingest), clock.clone())
        .without(&config.metrics.metrics_disable)
        .with_columns(columns)
        .behind(edge.gate.clone())
        .with_recent(recent, pods)
        .with_past(past_of(&pipeline, prometheus.clone()))
        .with_credentials(Arc::clone(&edge.status), edge.is_ready());

    let handle = Handle::new();
    let reporting = Handle::new();
    let source = tokio::spawn(source.follow(pipeline.topology().clone(), clock.clone()));
    let networks = networks.map(|networks| tokio::spawn(networks.run()));
    let looks = prometheus.map(|past| tokio::spawn(past.follow()));
    let upkeep = tokio::spawn(keep_up(Arc::clone(&pipeline), clock));
    let limits = config.limits.connections();
    if let Some(connections) = connections::make_room(limits.total) {
        tracing::warn!(
            wanted = limits.total,
            connections,
            "the system allows fewer open files than --max-connections needs"
        );
    }
    let (stopping, stopped) = watch::channel(false);
    let handles = [handle.clone(), reporting.clone()];
    let stop = stop_on_signal(catch_signals(), Arc::clone(&pipeline), handles, stopping);
    let stop = tokio::spawn(stop);
    let serving = Serving {
        limits,
        counts: Arc::clone(ingest.counts().connections()),
        stopped,
    };
    let mut pages = http::routes(shown);
    if config.legacy_ingest {
        tracing::warn!(
            path = ingest::legacy::PATH,
            "--legacy-ingest: reports of agents of the Go system are taken from whoever has a node's \
             address, and counted without the exactness of our own; switch it off when all nodes \
             have changed over"
        );
        pages = pages.merge(ingest::legacy::router(Arc::clone(&ingest)));
    }
    let served = serve_both(edge, pages, ingest, [handle, reporting], serving).await;
    for task in [source, upkeep, stop] {
        task.abort();
    }
    for task in [networks, looks].into_iter().flatten() {
        task.abort();
    }
    let failed = pipeline.has_failed();
    pipeline.close();
    pipeline.exporters().close(FLUSH);
    served.map_err(Failure::Running)?;
    if failed {
        let what = "the server failed while it counted, and has to start anew";
        return Err(Failure::Running(anyhow::Error::msg(what)));
    }
    tracing::info!("stopped");
    Ok(())
}

/// Brings the server to where its data directory is.
fn open_pipeline(
    config: &Config,
    topology: Topology,
    exporters: Exporters,
    settings: Settings,
    past: Option<Options>,
) -> Result<Pipeline, Failure> {
    let directory = match &config.data_dir {
        DataDir::Path(path) => Some((path.as_path(), Pace::default())),
        DataDir::None => {
            tracing::warn!(
                "--data-dir none: everything is kept in memory; counters begin at zero when the \
                 server starts again, and windows that were counted but not acknowledged count again"
            );
            None
        }
    };
    Pipeline::with_past(topology, exporters, settings, directory, past)
        .map_err(|error| Failure::Configuration(error.into()))
}

/// Who is asked of the past.
fn past_of(pipeline: &Pipeline, prometheus: Option<Arc<Prometheus>>) -> Option<Arc<dyn Past>> {
    let asked = prometheus.map(|past| -> Arc<dyn Past> { past });
    let kept = pipeline.past();
    asked.or_else(|| kept.map(|past| -> Arc<dyn Past> { Arc::<Embedded>::clone(past) }))
}

/// Brings what is known here to who asks another server for the past, if one is asked.
fn ask_prometheus(
    options: Option<history::prometheus::Options>,
    pipeline: &Arc<Pipeline>,
    columns: &Columns,
    clock: &Clock,
) -> Result<Option<Arc<Prometheus>>, Failure> {
    let Some(options) = options else {
        return Ok(None);
    };
    let names = columns.names();
    let here = Here {
        topology: pipeline.topology().clone(),
        columns: names
            .map(|(place, names)| Column {
                place,
                names: names.clone(),
            })
            .collect(),
        book: {
            let pipeline = Arc::clone(pipeline);
            Box::new(move || {
                let in_force = pipeline.prices().in_force(pipeline.topology());
                in_force.map(|prices| prices.book.clone())
            })
        },
        clock: clock.clone(),
    };
    let prometheus = Prometheus::new(options, here);
    let prometheus = prometheus.map_err(|error| Failure::Configuration(error.into()))?;
    Ok(Some(Arc::new(prometheus)))
}

/// Serves where the server is looked at and where agents report, until both are told to end.
async fn serve_both(
    mut edge: Edge,
    pages: Router,
    ingest: Arc<Ingest>,
    [handle, reporting]: [Handle<SocketAddr>; 2],
    serving: Serving,
) -> anyhow::Result<()> {
    let reports = ingest::router(ingest);
    let (listen, side) = (edge.listen.bind()?, edge.ingest.take());
    let served = if let Some(side) = side {
        let [few, most] = serving.split();
        let looked_at = listen.serve(pages, handle, few);
        let reported_to = side.bind()?.serve(reports, reporting, most);
        tokio::try_join!(looked_at, reported_to).map(drop)
    } else {
        listen.serve(pages.merge(reports), handle, serving).await
    };
    edge.tasks.abort_all();
    served
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
                pipeline.prices().tell(pipeline.topology(), now);
                tokio::task::spawn_blocking(move || {
                    pipeline.tell_of_budgets();
                    pipeline.forget(now);
                })
            }
        };
        if let Err(error) = work.await {
            tracing::error!(%error, "upkeep failed, it goes on with the next turn");
        }
    }
}

/// Waits until the server can take nothing more: what starts it anew helps.
async fn failure(pipeline: &Pipeline) {
    let mut look = tokio::time::interval(LOOK_EVERY);
    while !pipeline.has_failed() {
        look.tick().await;
    }
}

/// From here on the signals that end the server do not kill it.
fn catch_signals() -> io::Result<[Signal; 2]> {
    let terminate = signal(SignalKind::terminate())?;
    let interrupt = signal(SignalKind::interrupt())?;
    Ok([terminate, interrupt])
}

/// Ends the server when it is told to, or when it can take nothing more.
async fn stop_on_signal(
    signals: io::Result<[Signal; 2]>,
    pipeline: Arc<Pipeline>,
    handles: [Handle<SocketAddr>; 2],
    stopping: watch::Sender<bool>,
) {
    let Ok([mut terminate, mut interrupt]) = signals else {
        tracing::error!("cannot wait for signals, only SIGKILL will end the server");
        return;
    };
    let reason = tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
        () = failure(&pipeline) => "failure",
    };
    tracing::info!(reason, "stopping");
    stopping.send_replace(true);
    for handle in handles {
        handle.graceful_shutdown(Some(GRACE));
    }
}
