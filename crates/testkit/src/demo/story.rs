//! Who is in the demo's cluster, and who talks to whom.
//!
//! ```text
//!        zone-a                 zone-b                zone-c
//!   orders ◀════ 8 MB/s ═════ postgres-0 ◀── scraper-0 pulls from every zone
//!     ▲ └─────────────────────── web                    web
//!   web ⇄ cache               web ⇄ cache           web ⇄ cache      (stay at home)
//! ```

use kubezonnet_model::Family;

use crate::traffic::{Flow, Pace};
use crate::{Cluster, Error, NodeSpec, PodSpec};

/// The database: far from those who use it, so it is on top of who sends across zones.
pub(super) const DATABASE: (&str, &str) = ("shop", "postgres-0");

/// Where the database runs.
pub(super) const DATABASE_NODE: &str = "node-b";

const REGION: &str = "region-1";

const NODES: [(&str, &str); 3] = [
    ("node-a", "zone-a"),
    (DATABASE_NODE, "zone-b"),
    ("node-c", "zone-c"),
];

/// Node, namespace, pod, kind and name of its owner.
const PODS: [(&str, &str, &str, &str, &str); 9] = [
    ("node-a", "shop", "orders-6d5f7", "Deployment", "orders"),
    ("node-a", "shop", "web-7c9fd", "Deployment", "web"),
    ("node-a", "shop", "cache-a", "DaemonSet", "cache"),
    ("node-b", "shop", "postgres-0", "StatefulSet", "postgres"),
    ("node-b", "shop", "web-k2x4p", "Deployment", "web"),
    ("node-b", "shop", "cache-b", "DaemonSet", "cache"),
    ("node-c", "shop", "web-q8m2z", "Deployment", "web"),
    ("node-c", "shop", "cache-c", "DaemonSet", "cache"),
    (
        "node-c",
        "monitoring",
        "scraper-0",
        "StatefulSet",
        "scraper",
    ),
];

/// One pod that asks another over and over.
struct Talk {
    from: &'static str,
    to: &'static str,
    port: u16,
    family: Family,
    pace: Pace,
}

/// Small questions, answers of 100 kB, 80 times a second: eight megabytes every second.
const DATABASE_PACE: Pace = Pace {
    per_second: 80,
    request: 400,
    answer: 100_000,
};
const CACHE_PACE: Pace = Pace {
    per_second: 25,
    request: 200,
    answer: 20_000,
};
const ORDER_PACE: Pace = Pace {
    per_second: 10,
    request: 2_000,
    answer: 12_000,
};
const SCRAPE_PACE: Pace = Pace {
    per_second: 1,
    request: 300,
    answer: 60_000,
};

const TALKS: [Talk; 10] = [
    talk(
        "shop/orders-6d5f7",
        "shop/postgres-0",
        5432,
        Family::Ipv4,
        DATABASE_PACE,
    ),
    talk(
        "shop/web-7c9fd",
        "shop/cache-a",
        6379,
        Family::Ipv6,
        CACHE_PACE,
    ),
    talk(
        "shop/web-k2x4p",
        "shop/cache-b",
        6379,
        Family::Ipv6,
        CACHE_PACE,
    ),
    talk(
        "shop/web-q8m2z",
        "shop/cache-c",
        6379,
        Family::Ipv4,
        CACHE_PACE,
    ),
    talk(
        "shop/web-7c9fd",
        "shop/orders-6d5f7",
        8080,
        Family::Ipv4,
        ORDER_PACE,
    ),
    talk(
        "shop/web-k2x4p",
        "shop/orders-6d5f7",
        8080,
        Family::Ipv6,
        ORDER_PACE,
    ),
    talk(
        "shop/web-q8m2z",
        "shop/orders-6d5f7",
        8080,
        Family::Ipv6,
        ORDER_PACE,
    ),
    talk(
        "monitoring/scraper-0",
        "shop/orders-6d5f7",
        9100,
        Family::Ipv6,
        SCRAPE_PACE,
    ),
    talk(
        "monitoring/scraper-0",
        "shop/postgres-0",
        9187,
        Family::Ipv6,
        SCRAPE_PACE,
    ),
    talk(
        "monitoring/scraper-0",
        "shop/cache-c",
        9121,
        Family::Ipv6,
        SCRAPE_PACE,
    ),
];

const fn talk(from: &'static str, to: &'static str, port: u16, family: Family, pace: Pace) -> Talk {
    Talk {
        from,
        to,
        port,
        family,
        pace,
    }
}

/// Builds the cluster.
pub(super) fn cluster() -> Result<Cluster, Error> {
    let mut builder = Cluster::builder();
    for (node, zone) in NODES {
        builder = builder.node(NodeSpec::new(node).zone(REGION, zone));
    }
    for (node, namespace, pod, kind, owner) in PODS {
        builder = builder.pod(node, PodSpec::new(namespace, pod).owner(kind, owner));
    }
    builder.build()
}

/// Lets everybody talk.
pub(super) fn begin(cluster: &Cluster) -> Result<Vec<Flow>, Error> {
    TALKS
        .iter()
        .map(|talk| {
            let (from, to) = (cluster.pod(talk.from), cluster.pod(talk.to));
            Flow::start(from, to, talk.family, talk.port, talk.pace)
        })
        .collect()
}
