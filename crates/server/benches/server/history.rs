//! Views of 90 days of history of 2,000 pairs of workloads, of a file on disk, and what it takes: single
//! questions, and whole answers of the API, which asks several each.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use kubezonnet_model::{
    Direction, FlowCounters, Labels, Locality, Name, Namespace, Timestamp, Window, Zone,
};
use kubezonnet_pricing::{Overrides, PriceBook};
use kubezonnet_server::export::Exporters;
use kubezonnet_server::history::embedded::{Counted, Embedded, Options};
use kubezonnet_server::history::{By, EdgePart, Filter, PartyPart, Past as _, Question, SidePart};
use kubezonnet_server::http;
use kubezonnet_server::ingest::{BodyLimits, Ingest};
use kubezonnet_server::ledger::edges::{Class, EdgeKey, EdgeList, Towards};
use kubezonnet_server::ledger::{Place, Side, Who};
use kubezonnet_server::names::{Key, Names};
use kubezonnet_server::store::StoreId;
use kubezonnet_testkit::bench::{Bench, Figure, median, timed};
use kubezonnet_topology::Clock;
use tower::ServiceExt as _;

use crate::Outcome;
use crate::cluster::{self, NOW};

const PAIRS: u32 = 2_000;
const WORKLOADS: u32 = 300;
const DAYS: u64 = 90;
const HOUR: Duration = Duration::from_hours(1);
const HOUR_MS: u64 = 3_600_000;

/// Bytes of the smallest pair in a window.
const BYTES: u64 = 1_003;

/// The milliseconds that a view may take.
const MOST: f64 = 300.0;

/// Its name, the time it is of, its step, and by what it is told apart.
type View = (&'static str, Window, Option<Duration>, fn() -> By);

#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
pub(crate) fn run(bench: &mut Bench) -> Outcome {
    let directory = tempfile::tempdir()?;
    let names = Arc::<Names>::default();
    let options = Options {
        directory: Some(directory.path().to_owned()),
        ..Options::default()
    };
    let past = Arc::new(Embedded::open(options, Arc::clone(&names))?);
    let prices = "currency: EUR\nunit: GB\nbetweenZones: { price: 0.02, paidBy: both }\n";
    past.price(Some(&PriceBook::new(
        None,
        &Overrides::parse(prices)?,
        false,
    )?));
    // As a journal is told: whoever fills it waits.
    past.follow(StoreId::random(), 0, 0);
    let list = pairs(&names)?;
    let ((), fed) = timed(|| fill(&past, &names, &list));
    let rounds = bench.rounds(15, 3);
    let whole = Window {
        start: NOW.minus(HOUR * 24 * u32::try_from(DAYS)?),
        end: NOW,
    };
    let day = Window {
        start: NOW.minus(HOUR * 24),
        end: NOW,
    };
    let who = || {
        By::Edges(vec![
            EdgePart::Source(SidePart::Who),
            EdgePart::Destination(SidePart::Who),
            EdgePart::Locality,
        ])
    };
    let zones = || {
        By::Edges(vec![
            EdgePart::Source(SidePart::Zone),
            EdgePart::Destination(SidePart::Zone),
        ])
    };
    let locality = || By::Edges(vec![EdgePart::Locality]);
    let workloads = || By::Parties(vec![PartyPart::Side(SidePart::Who)]);
    let views: [View; 7] = [
        ("90 days by locality", whole, None, locality),
        ("90 days by zones", whole, None, zones),
        ("90 days by pair", whole, None, who),
        ("90 days by workload", whole, None, workloads),
        (
            "90 days by locality, each 12 hours",
            whole,
            Some(12 * HOUR),
            locality,
        ),
        (
            "90 days by pair, each 36 hours",
            whole,
            Some(36 * HOUR),
            who,
        ),
        ("a day by pair, each half hour", day, Some(HOUR / 2), who),
    ];
    for (name, range, step, by) in views {
        let question = Question {
            range,
            resolution: None,
            step,
            by: by(),
            only: None,
            filter: Filter::default(),
        };
        let (mut times, mut groups) = (Vec::new(), 0);
        for _ in 0..rounds {
            let (answer, took) = timed(|| past.ask(&question));
            groups = answer?.groups.len();
            times.push(took.as_secs_f64() * 1e3);
        }
        let figures = [
            Figure::new("median ms", median(&times)).at_most(MOST),
            Figure::new("groups", groups as f64),
        ];
        bench.tell("history", name, &figures)?;
    }
    let figures = [
        Figure::new("MB on disk", past.counts().bytes() as f64 / 1e6),
        Figure::new(
            "cells a second to fill it",
            CELLS as f64 / fed.as_secs_f64(),
        ),
    ];
    bench.tell("history", "the file", &figures)?;
    answers(bench, past, rounds)
}

/// Paths of the API, as the dashboard and `kubectl zonnet` ask for them.
const PATHS: [&str; 9] = [
    "summary?since=90d",
    "summary?since=45d",
    "matrix?since=90d",
    "top?of=pairs&since=90d",
    "top?of=pairs&zones=true&since=90d",
    "top?of=pairs&by=growth&since=45d",
    "top?of=workloads&since=90d&limit=500",
    "series?by=pairs&since=90d",
    "series?by=locality&since=48h",
];

/// The same as answers of the API: from a request to the last byte of JSON.
fn answers(bench: &mut Bench, past: Arc<Embedded>, rounds: usize) -> Outcome {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let pipeline = cluster::pipeline(cluster::topology(50)?, Exporters::default());
    let pipeline = Arc::new(pipeline);
    let clock = Clock::new(|| NOW);
    let ingest = Ingest::new(Arc::clone(&pipeline), BodyLimits::default(), clock.clone());
    let shown = http::Shown::new(pipeline, Arc::new(ingest), clock).with_past(Some(past));
    let router = http::routes(shown);
    let ask = |path: &str| -> Outcome<Vec<u8>> {
        let request = Request::get(format!("/api/v1/{path}")).body(Body::empty())?;
        runtime.block_on(async {
            let answer = router.clone().oneshot(request).await?;
            let status = answer.status();
            let body = answer.into_body().collect().await?.to_bytes().to_vec();
            if status == StatusCode::OK {
                Ok(body)
            } else {
                Err(format!("{path}: {status}: {}", String::from_utf8_lossy(&body)).into())
            }
        })
    };
    let summary: serde_json::Value = serde_json::from_slice(&ask("summary?since=90d")?)?;
    if summary["total"]["bytes"].as_u64() != Some(all_bytes()) {
        return Err(format!("not all that was fed is in {summary}").into());
    }
    for path in PATHS {
        let mut times = Vec::new();
        for _ in 0..rounds {
            let (answer, took) = timed(|| ask(path));
            answer?;
            times.push(took.as_secs_f64() * 1e3);
        }
        let figures = [Figure::new("median ms", median(&times)).at_most(MOST)];
        bench.tell("history", path, &figures)?;
    }
    Ok(())
}

/// Bytes of everything that [`fill`] feeds.
fn all_bytes() -> u64 {
    let windows = DAYS * 24 - 48 + 48 * 60;
    (1..=u64::from(PAIRS)).map(|pair| BYTES * pair).sum::<u64>() * windows
}

/// What each pair has: an hour for 90 days, and each minute of the last two.
const CELLS: u64 = (PAIRS as u64) * (DAYS * 24 + 2 * 24 * 60);

/// An edge for each pair, with the ids of their names.
fn pairs(names: &Names) -> Outcome<Vec<(EdgeKey, FlowCounters)>> {
    let side = |number: u32| -> Outcome<Key> {
        Ok(Key::Side(Side {
            who: Who::Workload(
                Namespace::new(format!("namespace-{}", number % 20))?,
                Name::new("Deployment")?,
                Name::new(format!("workload-{number}"))?,
            ),
            place: Place {
                zone: Some(Zone::new(format!("zone-{}", number % 3))?),
                ..Place::default()
            },
            labels: Labels::default(),
        }))
    };
    let mut edges = Vec::new();
    for pair in 0..PAIRS {
        let (from, to) = (
            pair % WORKLOADS,
            (pair % WORKLOADS + pair / WORKLOADS + 1) % WORKLOADS,
        );
        let locality = if from % 3 == to % 3 {
            Locality::SameZone
        } else {
            Locality::CrossZone
        };
        let key = EdgeKey {
            source: names.id(&side(from)?),
            towards: Towards {
                destination: names.id(&side(to)?),
                class: Class::of(Direction::Egress, locality),
                service: None,
                origin: None,
            },
        };
        let counters = FlowCounters {
            bytes: BYTES * (u64::from(pair) + 1),
            packets: 1_009 * (u64::from(pair) + 1),
        };
        edges.push((key, counters));
    }
    Ok(edges)
}

fn fill(past: &Embedded, names: &Names, list: &[(EdgeKey, FlowCounters)]) {
    let hours = DAYS * 24;
    let begin = NOW.0 / HOUR_MS * HOUR_MS - hours * HOUR_MS;
    let mut row = 0;
    let mut feed = |start: u64, length: u64| {
        row += 1;
        past.feed(Counted {
            row,
            window: Window {
                start: Timestamp(start),
                end: Timestamp(start + length),
            },
            edges: [EdgeList(list.to_vec()), EdgeList::default()],
            lease: names.lease(),
        });
    };
    for hour in 0..hours {
        let start = begin + hour * HOUR_MS;
        if hour + 48 < hours {
            feed(start, 10_000);
        } else {
            (0..60).for_each(|minute| feed(start + minute * 60_000, 10_000));
        }
    }
    past.flush();
}
