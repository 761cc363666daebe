//! What is lost on the way, either way, and a server that is away for longer than the maps have
//! room for.

use std::time::Duration;

use kubezonnet_model::Family;
use kubezonnet_testkit::{DeploymentOptions, Way, traffic, wait_for};
use kubezonnet_tests::books::sum;

use crate::stage::{NODES, Stage};

const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn a_window_whose_acknowledgement_was_lost_is_not_applied_again() {
    let mut stage = Stage::set(DeploymentOptions::default());

    for node in NODES {
        let [applied, duplicate] = ["applied", "duplicate"].map(|outcome| batches(&stage, outcome));
        stage.deployment.relay(node).lose(Way::FromServer);
        // The other node's agent reports too: of three windows one at least is this one's.
        wait_for("windows without answer", PATIENCE, || {
            (batches(&stage, "applied") >= applied + 3).then_some(())
        })
        .unwrap();
        stage.deployment.relay(node).restore().unwrap();
        wait_for("the same window again", PATIENCE, || {
            (batches(&stage, "duplicate") > duplicate).then_some(())
        })
        .unwrap();
    }

    stage.assert_exact();
}

#[test]
fn a_window_that_was_lost_on_its_way_comes_again() {
    let mut stage = Stage::set(DeploymentOptions::default());

    for node in NODES {
        let applied = batches(&stage, "applied");
        stage.deployment.relay(node).lose(Way::ToServer);
        wait_for("windows of the other node", PATIENCE, || {
            (batches(&stage, "applied") >= applied + 3).then_some(())
        })
        .unwrap();
        stage.deployment.relay(node).restore().unwrap();
    }

    stage.assert_exact();
}

#[test]
fn a_server_away_for_longer_than_the_maps_have_room_costs_detail_and_no_byte() {
    let mut stage = Stage::set(DeploymentOptions {
        agent_arguments: ["--max-flows=64", "--flow-detail=connection"]
            .map(str::to_owned)
            .into(),
        ..DeploymentOptions::default()
    });

    stage.deployment.server().kill();
    let cluster = stage.deployment.cluster();
    let (client, database) = (cluster.pod("shop/client"), cluster.pod("shop/database"));
    for family in Family::ALL {
        for _ in 0..200 {
            traffic::tcp_bulk(client, database, family, 2_000).unwrap();
        }
    }
    stage.deployment.start_server().unwrap();

    let coarsened = || {
        let scrape = stage.deployment.scrape_agent(NODES[0]).ok()?;
        let bytes = sum(&scrape, "kubezonnet_agent_coarsened_bytes_total", &[]);
        (bytes > 0).then_some(())
    };
    wait_for("a window with less detail", PATIENCE, coarsened).unwrap();
    stage.assert_exact();
}

fn batches(stage: &Stage, outcome: &str) -> u64 {
    let scrape = stage.deployment.scrape().unwrap();
    sum(
        &scrape,
        "kubezonnet_server_batches_total",
        &[("outcome", outcome)],
    )
}
