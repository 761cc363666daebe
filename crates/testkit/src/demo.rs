//! The demo: a small shop in three zones of a region, with a node in another region, and kubezonnet
//! finding out who pays for its traffic.
//!
//! ```text
//! options ─▶ stage (cluster, server, relays, agents) ─▶ story (pods that talk)
//!                     │ /metrics, every 2 s
//!                     ▼
//!                   board (who sends how much) ─▶ table ─▶ layout (what fits) ─▶ screen
//! ```
//!
//! Everything is real: packets, eBPF programs, agents, server. Only the cluster is made of
//! network namespaces. Nothing of it is left when the demo has ended.

mod board;
mod layout;
mod options;
mod screen;
mod signals;
mod stage;
mod story;
mod table;

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use self::board::Board;
pub use self::options::Options;
use self::screen::Screen;
pub use self::signals::Signals;
use self::stage::Stage;
use crate::traffic::Flow;
use crate::{Cluster, Error, binary, check_root};

/// The pods that send most across zones, in megabytes per second over the last five minutes.
pub const TOP_PODS_QUERY: &str =
    "topk(20, rate(pod_cross_zone_network_traffic_bytes_total[5m])) / 1e6";

/// The pods that sent most across zones, in gigabytes over the last week: what the bill shows.
pub const TOTAL_QUERY: &str =
    "topk(20, increase(pod_cross_zone_network_traffic_bytes_total[1w])) / 1e9";

/// The counter that both queries read.
pub(crate) const CROSS_ZONE_BYTES: &str = "pod_cross_zone_network_traffic_bytes_total";

/// How often the agents report, and how often the server is asked: shorter than in a cluster, for
/// somebody is watching.
const INTERVAL: Duration = Duration::from_secs(2);

/// How often it is looked whether all programs run, and whether the terminal has another size.
const LOOK: Duration = Duration::from_millis(200);

/// How long the last bytes may take from the wire to the metrics: several windows.
const SETTLE: Duration = Duration::from_secs(10);

/// Runs the demo until its time is up or a signal comes.
///
/// # Errors
///
/// [`Error::NotRoot`], [`Error::Ended`] if the server or an agent ends before, or what else went
/// wrong with cluster, server or agents.
pub fn run(options: &Options, signals: &Signals) -> Result<(), Error> {
    check_root()?;
    let mut screen = Screen::new(options);
    match play(options, signals, &mut screen) {
        // Whoever read the output has gone: that is an end like any other.
        Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(Error::Interrupted) => Ok(()),
        result => result,
    }
}

fn play(options: &Options, signals: &Signals, screen: &mut Screen) -> Result<(), Error> {
    // Before anything is built in vain.
    binary("kubezonnet-agent").and(binary("kubezonnet-server"))?;
    for id in Cluster::sweep()? {
        screen.note(&format!("removed what an earlier run left behind: {id}"))?;
    }
    screen.note("building three zones and a second region out of network namespaces ...")?;
    let cluster = story::cluster()?;
    screen.note("starting one server, and an agent in every node ...")?;
    let mut stage = Stage::start(cluster, options.port, INTERVAL, signals)?;
    if let Err(error) = perform(&mut stage, options, signals, screen) {
        // Said before it is cleaned up, which takes a moment.
        screen.fail(&error)?;
        return Err(error);
    }
    // A second signal ends what is left at once.
    stage.end(|| signals.came())
}

/// From the first packet to the comparison of what was counted.
fn perform(
    stage: &mut Stage,
    options: &Options,
    signals: &Signals,
    screen: &mut Screen,
) -> Result<(), Error> {
    let flows = story::begin(stage.cluster())?;
    let begun = Instant::now();
    let example = stage.first_flow(signals)?;
    if let Some(path) = &options.endpoints_file {
        write_endpoints(path, stage)?;
    }
    screen.introduce(stage, &example)?;

    let mut board = Board::default();
    let end = options.end(begun);
    loop {
        board.add(&stage.scrape()?);
        let report = board.report(begun.elapsed());
        screen.show(&report)?;
        let now = Instant::now();
        let next = end.map_or(now + INTERVAL, |end| end.min(now + INTERVAL));
        let is_told = watch(stage, &flows, signals, next, || screen.fit(&report))?;
        if is_told || end.is_some_and(|end| Instant::now() >= end) {
            break;
        }
    }

    board.add(&stage.scrape()?);
    let mut report = board.report(begun.elapsed());
    screen.close(&report)?;
    screen.note("stopping the traffic, and waiting for the last bytes to be counted ...")?;
    drop(flows);
    // A second signal ends the comparison, not the cleaning up.
    report.comparisons = stage.compare(SETTLE, || signals.came())?;
    screen.finish(&report)
}

/// Waits until `next`, as long as all goes well; whether a signal came.
fn watch(
    stage: &mut Stage,
    flows: &[Flow],
    signals: &Signals,
    next: Instant,
    mut look: impl FnMut() -> Result<(), Error>,
) -> Result<bool, Error> {
    loop {
        stage.check()?;
        if flows.iter().any(Flow::is_broken) {
            return Err(Error::Invalid(
                "a connection between two pods broke".to_owned(),
            ));
        }
        look()?;
        let left = next.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(signals.came());
        }
        if signals.came_within(left.min(LOOK)) {
            return Ok(true);
        }
    }
}

/// Writes where to find what, for programs: all of it at once, and only when all of it is there.
fn write_endpoints(path: &Path, stage: &Stage) -> Result<(), Error> {
    let text = stage.endpoints().to_string() + "\n";
    let beside = path.with_extension("new");
    std::fs::write(&beside, text)
        .and_then(|()| std::fs::rename(&beside, path))
        .map_err(Error::io(format!("write {}", path.display())))
}
