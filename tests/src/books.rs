//! A cluster with a deployment on it, and the books of its server.

use kubezonnet_testkit::{
    Cluster, Deployment, DeploymentOptions, LinkCounters, NodeSpec, PodSpec, Scrape, require_root,
};

/// The most an integer may be for a metric's float to hold it exactly.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Two nodes in one zone, one in another, one in another region, and one without labels; a pod on
/// each, two on the first.
pub fn cluster() -> Cluster {
    require_root();
    Cluster::builder()
        .node(NodeSpec::new("node-a").zone("region-1", "zone-a"))
        .node(NodeSpec::new("node-a2").zone("region-1", "zone-a"))
        .node(NodeSpec::new("node-b").zone("region-1", "zone-b"))
        .node(NodeSpec::new("node-far").zone("region-2", "zone-far"))
        .node(NodeSpec::new("node-bare"))
        .pod(
            "node-a",
            PodSpec::new("shop", "client").owner("Deployment", "client"),
        )
        .pod("node-a", PodSpec::new("shop", "neighbour"))
        .pod("node-a2", PodSpec::new("shop", "near"))
        .pod(
            "node-b",
            PodSpec::new("shop", "database").owner("StatefulSet", "database"),
        )
        .pod("node-far", PodSpec::new("shop", "far"))
        .pod("node-bare", PodSpec::new("shop", "bare"))
        .build()
        .unwrap()
}

/// Agents with short windows, so that a test has several.
pub fn deploy(cluster: Cluster, options: DeploymentOptions) -> Deployment {
    let mut options = options;
    options.agent_arguments.push("--interval=1s".to_owned());
    Deployment::start(cluster, &options, || false).unwrap()
}

/// What each uplink carried since the readings in `before`, by node, once nothing is on its way.
pub fn carried(deployment: &Deployment, before: &[LinkCounters]) -> Vec<LinkCounters> {
    let cluster = deployment.cluster();
    let now = uplinks(cluster);
    now.iter()
        .zip(before)
        .map(|(now, before)| now.since(before))
        .collect()
}

/// The counters of all uplinks, once nothing is on its way.
pub fn uplinks(cluster: &Cluster) -> Vec<LinkCounters> {
    cluster.settled_uplink("node-a").unwrap();
    cluster
        .nodes()
        .iter()
        .map(|node| node.uplink().unwrap())
        .collect()
}

/// The sum of a counter over all series with these labels.
pub fn sum(scrape: &Scrape, name: &str, labels: &[(&str, &str)]) -> u64 {
    let sum = scrape.sum(name, labels);
    assert!(
        (0.0..EXACT).contains(&sum) && sum.fract() == 0.0,
        "{name} is {sum}"
    );
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "just checked"
    )]
    let exact = sum as u64;
    exact
}

/// Bytes and packets in one of the books' columns.
pub fn booked(scrape: &Scrape, disposition: &str) -> [u64; 2] {
    ["bytes", "packets"].map(|unit| {
        let name = format!("kubezonnet_books_{unit}_total");
        let column = [("disposition", disposition)];
        assert_eq!(
            scrape.samples(&name, &column).count(),
            1,
            "{name} has {disposition}"
        );
        sum(scrape, &name, &column)
    })
}

/// Everything the hooks saw is somewhere in the books, and nothing waits any more.
pub fn assert_balanced(scrape: &Scrape) {
    for unit in ["bytes", "packets"] {
        let seen = sum(scrape, &format!("kubezonnet_seen_{unit}_total"), &[]);
        let booked = sum(scrape, &format!("kubezonnet_books_{unit}_total"), &[]);
        let pending = sum(scrape, &format!("kubezonnet_books_pending_{unit}"), &[]);
        assert!(seen > 0, "the hooks saw nothing");
        assert_eq!(pending, 0, "{unit} still wait");
        assert_eq!(seen, booked, "{unit} seen and booked");
    }
}

/// Bytes and packets that a link has sent.
pub fn sent(link: &LinkCounters) -> [u64; 2] {
    [link.tx_ip_bytes(), link.tx_packets]
}

/// Bytes and packets that a link has received.
pub fn received(link: &LinkCounters) -> [u64; 2] {
    [link.rx_ip_bytes(), link.rx_packets]
}

/// Adds up bytes and packets.
pub fn total(parts: impl IntoIterator<Item = [u64; 2]>) -> [u64; 2] {
    parts
        .into_iter()
        .fold([0, 0], |sum, part| [sum[0] + part[0], sum[1] + part[1]])
}

/// Bytes and packets of a pod, by direction and locality.
pub fn of_pod(scrape: &Scrape, pod: &str, direction: &str, locality: &str) -> [u64; 2] {
    ["bytes", "packets"].map(|unit| {
        let labels = [
            ("namespace", "shop"),
            ("pod", pod),
            ("direction", direction),
            ("locality", locality),
        ];
        sum(
            scrape,
            &format!("kubezonnet_pod_traffic_{unit}_total"),
            &labels,
        )
    })
}
