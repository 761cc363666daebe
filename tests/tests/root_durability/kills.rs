//! SIGKILL at random instants, again and again, while traffic flows.

use std::collections::BTreeMap;

use kubezonnet_testkit::{Deployment, DeploymentOptions, Scrape};

use crate::stage::{NODES, Stage, kills};

#[test]
fn agents_killed_at_any_instant_lose_no_byte_and_count_none_twice() {
    let mut stage = Stage::set(DeploymentOptions::default());

    for round in 0..kills() {
        let node = NODES[round as usize % NODES.len()];
        stage.wait_at_random();
        stage.deployment.agent(node).kill();
        stage.wait_at_random();
        stage.deployment.start_agent(node).unwrap();
    }

    wait_for_agents(&mut stage.deployment);
    stage.assert_exact();
}

#[test]
fn a_server_killed_at_any_instant_goes_on_where_it_was() {
    let mut stage = Stage::set(DeploymentOptions::default());
    let mut seen = Seen::default();

    for _ in 0..kills() {
        stage.wait_at_random();
        seen.look(&stage.deployment.scrape().unwrap());
        stage.deployment.server().kill();
        stage.wait_at_random();
        stage.deployment.start_server().unwrap();
        seen.look(&stage.deployment.scrape().unwrap());
    }

    seen.look(&stage.assert_exact());
}

#[test]
fn both_killed_at_any_instant_lose_nothing_together_either() {
    let mut stage = Stage::set(DeploymentOptions::default());
    let mut seen = Seen::default();

    for round in 0..kills() {
        let node = NODES[round as usize % NODES.len()];
        stage.wait_at_random();
        seen.look(&stage.deployment.scrape().unwrap());
        stage.deployment.agent(node).kill();
        stage.deployment.server().kill();
        stage.wait_at_random();
        stage.deployment.start_agent(node).unwrap();
        stage.deployment.start_server().unwrap();
    }

    wait_for_agents(&mut stage.deployment);
    seen.look(&stage.assert_exact());
}

fn wait_for_agents(deployment: &mut Deployment) {
    for node in NODES {
        deployment.wait_for_agent(node).unwrap();
    }
}

/// Counters of traffic as they were when they were last looked at.
#[derive(Default)]
struct Seen(BTreeMap<String, f64>);

/// What these counters' names begin with. Others count what one process did.
const TRAFFIC: [&str; 6] = [
    "pod_cross_zone_",
    "kubezonnet_pod_traffic_",
    "kubezonnet_zone_traffic_",
    "kubezonnet_unknown_",
    "kubezonnet_seen_",
    "kubezonnet_books_",
];

impl Seen {
    /// None may be lower than it was, or gone.
    fn look(&mut self, scrape: &Scrape) {
        let traffic = scrape.all().filter(|sample| {
            sample.name.ends_with("_total")
                && TRAFFIC.iter().any(|begin| sample.name.starts_with(begin))
        });
        let now: BTreeMap<_, _> = traffic
            .map(|sample| (format!("{}{:?}", sample.name, sample.labels), sample.value))
            .collect();
        for (series, before) in &self.0 {
            let value = now.get(series).copied();
            assert!(
                value.is_some_and(|value| value >= *before),
                "{series} was {before} and is {value:?}"
            );
        }
        self.0 = now;
    }
}
