//! Who is in the demo's cluster, and who talks to whom.
//!
//! ```text
//!      us-east-1a              us-east-1b              us-east-1c
//!   orders ◀════ 8 MB/s ═════ postgres-0 ◀── scraper-0 pulls from every zone
//!     ▲ └─────────────────────── web                    web
//!   web ⇄ cache               web ⇄ cache           web ⇄ cache      (stay at home)
//! ```
//!
//! Beside them: a database that the cloud runs in the third zone, which `web` asks; a node of
//! another region, whose `reports` ask the database of the shop; and a node on whose own network a
//! pod ships logs to `orders`.
//!
//! Regions and zones have the names of a cloud's, so that its list prices hold.

use kubezonnet_model::Family;

use crate::traffic::{Flow, Pace};
use crate::{CgroupDriver, Cluster, ControlGroup, Error, NodeSpec, Place as _, PodSpec};

/// The database: far from those who use it, so it is on top of who sends across zones.
pub(super) const DATABASE: (&str, &str) = ("shop", "postgres-0");

/// Where the database runs.
pub(super) const DATABASE_NODE: &str = "node-b";

/// The database that the cloud runs: a host beside the cluster.
pub(super) const MANAGED: &str = "orders-db";

/// The node of the other region.
pub(super) const FAR_NODE: &str = "node-d";

/// The region of all nodes but that one, and its own.
pub(super) const REGIONS: (&str, &str) = ("us-east-1", "eu-west-1");

/// Whose names these are, and whose list prices hold.
pub(super) const CLOUD: &str = "aws";

/// The zone of the database that the cloud runs.
const MANAGED_ZONE: &str = "us-east-1c";

/// The pod on its node's own network, and the node, on which nobody else speaks.
pub(super) const SHIPPER: (&str, &str) = ("logging", "shipper-5kq2v");

/// Where it runs.
pub(super) const SHIPPER_NODE: &str = "node-e";

const NODES: [(&str, &str, &str); 5] = [
    ("node-a", REGIONS.0, "us-east-1a"),
    (DATABASE_NODE, REGIONS.0, "us-east-1b"),
    ("node-c", REGIONS.0, "us-east-1c"),
    (FAR_NODE, REGIONS.1, "eu-west-1a"),
    (SHIPPER_NODE, REGIONS.0, "us-east-1c"),
];

/// Node, namespace, pod, kind and name of its owner.
const PODS: [(&str, &str, &str, &str, &str); 10] = [
    (FAR_NODE, "shop", "reports-x7b4d", "Deployment", "reports"),
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

const MANAGED_PACE: Pace = Pace {
    per_second: 20,
    request: 500,
    answer: 15_000,
};
const REPORT_PACE: Pace = Pace {
    per_second: 2,
    request: 400,
    answer: 30_000,
};
const SHIPPER_PACE: Pace = Pace {
    per_second: 5,
    request: 20_000,
    answer: 100,
};

const TALKS: [Talk; 11] = [
    talk(
        "shop/reports-x7b4d",
        "shop/postgres-0",
        5433,
        Family::Ipv4,
        REPORT_PACE,
    ),
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
    for (node, region, zone) in NODES {
        builder = builder.node(NodeSpec::new(node).zone(region, zone));
    }
    let (namespace, name) = SHIPPER;
    let shipper = PodSpec::new(namespace, name).owner("DaemonSet", "shipper");
    builder = builder
        .node(NodeSpec::new(MANAGED).outside())
        .host_pod(SHIPPER_NODE, shipper);
    for (node, namespace, pod, kind, owner) in PODS {
        builder = builder.pod(node, PodSpec::new(namespace, pod).owner(kind, owner));
    }
    builder.build()
}

/// What the server is told of the database that the cloud runs.
pub(super) fn networks(cluster: &Cluster) -> String {
    let addresses = Family::ALL.map(|family| {
        let address = cluster.node(MANAGED).address(family);
        format!("\"{address}\"")
    });
    let (region, _) = REGIONS;
    format!(
        "networks:\n- name: {MANAGED}\n  kind: managed-database\n  cidrs: [{}]\n  zone: {MANAGED_ZONE}\n  \
         region: {region}\n",
        addresses.join(", ")
    )
}

/// The control group of the pod on its node's own network.
pub(super) fn shipper(cluster: &Cluster) -> Result<ControlGroup, Error> {
    let (namespace, name) = SHIPPER;
    let uid = cluster.host_pod(&format!("{namespace}/{name}"));
    ControlGroup::of_pod(cluster.run(), CgroupDriver::Systemd, uid)
}

/// Lets everybody talk.
pub(super) fn begin(cluster: &Cluster) -> Result<Vec<Flow>, Error> {
    let between_pods = TALKS.iter().map(|talk| {
        let (from, to) = (cluster.pod(talk.from), cluster.pod(talk.to));
        Flow::start(from, to, talk.family, talk.port, talk.pace)
    });
    let mut flows = between_pods.collect::<Result<Vec<_>, _>>()?;
    for (family, port) in [(Family::Ipv4, 3306), (Family::Ipv6, 3307)] {
        let (from, to) = (cluster.pod("shop/web-7c9fd"), cluster.node(MANAGED));
        flows.push(Flow::start(from, to, family, port, MANAGED_PACE)?);
    }
    let group = shipper(cluster)?;
    let (from, to) = (cluster.node(SHIPPER_NODE), cluster.pod("shop/orders-6d5f7"));
    let ship = || Flow::start(from, to, Family::Ipv4, 9200, SHIPPER_PACE);
    flows.push(group.inside(ship)??);
    Ok(flows)
}
