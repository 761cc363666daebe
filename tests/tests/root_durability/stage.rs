//! A cluster under steady traffic, whose agents and server are killed at random instants.

use std::env;
use std::time::Duration;

use kubezonnet_model::Family;
use kubezonnet_testkit::traffic::{Flow, Pace};
use kubezonnet_testkit::{
    Cluster, Deployment, DeploymentOptions, LinkCounters, NodeSpec, PodSpec, Scrape, require_root,
    wait_for,
};
use kubezonnet_tests::books::{
    assert_balanced, booked, carried, deploy, received, sent, sum, total, uplinks,
};
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};

/// The two nodes of the stage, each in a zone of its own.
pub(crate) const NODES: [&str; 2] = ["node-a", "node-b"];

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Requests that are small, and answers of several segments.
const PACE: Pace = Pace {
    per_second: 300,
    request: 200,
    answer: 9_000,
};

/// Traffic between two zones, and what had left through the uplinks before it.
pub(crate) struct Stage {
    pub(crate) deployment: Deployment,
    flows: Vec<Flow>,
    before: Vec<LinkCounters>,
    random: SmallRng,
}

impl Stage {
    /// Starts everything, with maps that are pinned and a server that keeps its data.
    pub(crate) fn set(options: DeploymentOptions) -> Self {
        require_root();
        let seed =
            env::var("TEST_SEED").map_or_else(|_| rand::random(), |seed| seed.parse().unwrap());
        say_seed(seed);
        let cluster = Cluster::builder()
            .node(NodeSpec::new(NODES[0]).zone("region-1", "zone-a"))
            .node(NodeSpec::new(NODES[1]).zone("region-1", "zone-b"))
            .pod(NODES[0], PodSpec::new("shop", "client"))
            .pod(NODES[1], PodSpec::new("shop", "database"))
            .build()
            .unwrap();
        let deployment = deploy(
            cluster,
            DeploymentOptions {
                is_pinned: true,
                ..options
            },
        );
        let before = uplinks(deployment.cluster());
        let mut stage = Self {
            deployment,
            flows: vec![],
            before,
            random: SmallRng::seed_from_u64(seed),
        };
        stage.flows = stage.begin_traffic();
        stage
    }

    fn begin_traffic(&self) -> Vec<Flow> {
        let cluster = self.deployment.cluster();
        let (client, database) = (cluster.pod("shop/client"), cluster.pod("shop/database"));
        let start = |family| Flow::start(client, database, family, 0, PACE).unwrap();
        Family::ALL.map(start).into()
    }

    /// Waits for an instant that nobody can foresee: until so many bytes more are carried.
    pub(crate) fn wait_at_random(&mut self) {
        let node = self.deployment.cluster().node(NODES[0]);
        let carried = || {
            let link = node.uplink().unwrap();
            link.tx_ip_bytes() + link.rx_ip_bytes()
        };
        // Up to about one and a half windows of traffic.
        let target = carried() + self.random.random_range(0..8_000_000);
        wait_for("more traffic", PATIENCE, || {
            (carried() >= target).then_some(())
        })
        .unwrap();
    }

    /// Ends the traffic, delivers all that is left, and compares.
    pub(crate) fn assert_exact(mut self) -> Scrape {
        assert!(!self.flows.iter().any(Flow::is_broken), "traffic went on");
        self.flows.clear();
        let links = carried(&self.deployment, &self.before);
        self.deployment.end_agents().unwrap();

        let scrape = self.deployment.scrape().unwrap();
        let a = &links[0];
        assert_eq!(
            sum(&scrape, "kubezonnet_server_missed_windows_total", &[]),
            0
        );
        assert_balanced(&scrape);
        assert_eq!(booked(&scrape, "cross_zone"), total([sent(a), received(a)]));
        scrape
    }
}

/// A run that fails can be looked at again.
#[expect(
    clippy::print_stdout,
    reason = "the runner shows what a test that fails has printed"
)]
fn say_seed(seed: u64) {
    println!("TEST_SEED={seed}");
}

/// How many times something is killed.
pub(crate) fn kills() -> u32 {
    env::var("TEST_KILLS").map_or(10, |kills| kills.parse().unwrap())
}
