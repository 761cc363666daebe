//! Two agents in one network namespace: one counts, the other waits for its end.

use std::time::Duration;

use kubezonnet_model::Family;
use kubezonnet_testkit::{DeploymentOptions, Place, Process, binary, traffic};

use kubezonnet_tests::books::{
    assert_balanced, booked, carried, cluster, deploy, received, sent, total, uplinks,
};

const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn a_second_agent_counts_nothing_until_the_first_has_ended() {
    let mut deployment = deploy(cluster(), DeploymentOptions::default());
    let node = deployment.cluster().node("node-b");
    let mut command = node.netns().command(binary("kubezonnet-agent").unwrap());
    command
        .args([
            "--node=node-b",
            "--server=http://127.0.0.1:9779",
            "--interval=1s",
        ])
        .args(["--metrics-listen=off", "--pin-dir=none"]);
    let run = deployment.cluster().run();
    let mut second = Process::start(run, "the second agent", &mut command).unwrap();
    second
        .wait_for_line("waiting for its end", PATIENCE)
        .unwrap();

    let before = uplinks(deployment.cluster());
    let cluster = deployment.cluster();
    let (client, database) = (cluster.pod("shop/client"), cluster.pod("shop/database"));
    traffic::tcp_bulk(database, client, Family::Ipv4, 2_000_000).unwrap();
    let links = carried(&deployment, &before);
    deployment.agent("node-b").terminate(PATIENCE).unwrap();
    second
        .wait_for_line("the server has the first window", PATIENCE)
        .unwrap();
    second.terminate(PATIENCE).unwrap();

    deployment.end_agents().unwrap();
    let scrape = deployment.scrape().unwrap();
    assert_balanced(&scrape);
    assert_eq!(
        booked(&scrape, "cross_zone"),
        total([sent(&links[2]), received(&links[2])])
    );
}
