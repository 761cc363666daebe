//! A past that is a plain list, and a server that is asked of it.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use kubezonnet_model::{
    Direction, FlowCounters, Labels, Locality, Name, Namespace, Region, Service, Timestamp, Zone,
};
use kubezonnet_pricing::{Overrides, PriceBook};
use kubezonnet_topology::Topology;
use serde_json::Value;
use tower::ServiceExt as _;

use super::super::*;
use crate::history::Books;
use crate::history::plain::{Had, Plain};
use crate::ledger::edges::Class;
use crate::ledger::{Place, Side, Who};
use crate::testing::{NOW, cluster, pipeline};

pub(super) const MINUTE: u64 = 60_000;

/// A price with a remainder at nearly every count of bytes.
pub(super) fn book() -> PriceBook {
    let text = "currency: EUR\nunit: GiB\nbetweenZones: { price: 0.01, paidBy: both }\n";
    PriceBook::new(None, &Overrides::parse(text).unwrap(), false).unwrap()
}

pub(super) fn books() -> Books {
    let book = book();
    Books {
        currency: Some(book.currency()),
        books: [(book.version(), book)].into(),
    }
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

pub(super) fn place(zone: &str) -> Place {
    Place {
        zone: Zone::new(zone).ok(),
        zone_id: None,
        region: Region::new("r").ok(),
    }
}

pub(super) fn workload(namespace: &str, named: &str, zone: &str) -> Side {
    let namespace = Namespace::new(namespace).unwrap();
    Side {
        who: Who::Workload(namespace, name("Deployment"), name(named)),
        place: place(zone),
        labels: Labels::default(),
    }
}

pub(super) fn internet() -> Side {
    Side {
        who: Who::Internet,
        place: Place::default(),
        labels: Labels::default(),
    }
}

/// What went `minutes` before now.
pub(super) fn had(minutes: u64, source: &Side, destination: &Side, bytes: u64) -> Had {
    let locality = if source.who == Who::Internet || destination.who == Who::Internet {
        Locality::Internet
    } else if source.place.zone == destination.place.zone {
        Locality::SameZone
    } else {
        Locality::CrossZone
    };
    Had {
        at: Timestamp(NOW.0 - minutes * MINUTE),
        source: source.clone(),
        destination: destination.clone(),
        class: Class::of(Direction::Egress, locality),
        service: Some(Service {
            namespace: Namespace::new("shop").unwrap(),
            name: name("db"),
        }),
        prices: Some(book().version()),
        counters: FlowCounters {
            bytes,
            packets: bytes.div_ceil(1500),
        },
    }
}

/// Two namespaces in two zones, and the internet, in the last two hours.
pub(super) fn plain() -> Plain {
    let (web, db) = (workload("shop", "web", "a"), workload("shop", "db", "b"));
    let (job, out) = (workload("data", "job", "a"), internet());
    let had = [
        had(5, &web, &db, 1_000_000_007),
        had(7, &db, &web, 3_000_000_011),
        had(20, &web, &web, 500),
        had(30, &job, &db, 700_000_003),
        had(31, &job, &out, 40_000_000),
        had(90, &web, &db, 100_000_000),
        had(119, &out, &web, 10_000),
    ];
    Plain {
        books: books(),
        had: had.into(),
    }
}

pub(super) fn api_of(topology: &Topology, past: Option<Arc<dyn Past>>) -> Api {
    Api {
        past,
        recent: Some(Arc::new(Recent::new(1))),
        pods: Some(Arc::new(Pods::new())),
        pipeline: Arc::new(pipeline(topology)),
        clock: Clock::new(|| NOW),
        gate: Gate::open(),
        can_serve: Arc::new(|| true),
    }
}

/// A server with a plain past.
pub(super) fn api(plain: Plain) -> Api {
    api_of(&cluster(), Some(Arc::new(plain)))
}

/// Asks a server as a client does.
pub(super) async fn ask(api: &Api, request: Request<Body>) -> (StatusCode, HeaderMap, Vec<u8>) {
    let response = routes(api.clone()).oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (head.status, head.headers, body.to_vec())
}

pub(super) async fn get(api: &Api, path: &str) -> (StatusCode, Value) {
    let request = Request::get(path).body(Body::empty()).unwrap();
    let (status, _, body) = ask(api, request).await;
    (status, serde_json::from_slice(&body).unwrap())
}

/// What it answers to a right question, as text.
pub(super) async fn text(api: &Api, path: &str) -> String {
    let request = Request::get(path).body(Body::empty()).unwrap();
    let (status, _, body) = ask(api, request).await;
    let body = String::from_utf8(body).unwrap();
    assert_eq!(status, StatusCode::OK, "{path}: {body}");
    body
}

/// What it answers to a right question.
pub(super) async fn right(api: &Api, path: &str) -> Value {
    let (status, answer) = get(api, path).await;
    assert_eq!(status, StatusCode::OK, "{path}: {answer}");
    answer
}
