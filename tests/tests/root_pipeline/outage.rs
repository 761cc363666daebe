//! A server out of reach: the kernel's maps hold on, and nothing is lost or counted twice.

use std::time::Duration;

use kubezonnet_model::Family;
use kubezonnet_testkit::{DeploymentOptions, traffic, wait_for};

use kubezonnet_tests::books::{
    assert_balanced, booked, carried, cluster, deploy, received, sent, sum, total, uplinks,
};

#[test]
fn bytes_sent_while_the_server_is_out_of_reach_arrive_once_when_it_is_back() {
    let mut deployment = deploy(cluster(), DeploymentOptions::default());
    let before = uplinks(deployment.cluster());
    let nodes = ["node-a", "node-b"];
    for node in nodes {
        deployment.relay(node).cut();
    }

    let cluster = deployment.cluster();
    let (client, database) = (cluster.pod("shop/client"), cluster.pod("shop/database"));
    for family in Family::ALL {
        // Each transfer while at least one window more could not be delivered.
        for node in nodes {
            let refused = || {
                let scrape = deployment.scrape_agent(node).ok()?;
                let name = "kubezonnet_agent_sends_total";
                Some(sum(&scrape, name, &[("outcome", "unreachable")]))
            };
            let so_far = refused().unwrap();
            let once_more = || (refused()? > so_far).then_some(());
            wait_for("a send that fails", Duration::from_mins(1), once_more).unwrap();
        }
        traffic::tcp_bulk(database, client, family, 3_000_000).unwrap();
        traffic::udp(client, database, family, 100, 700).unwrap();
    }
    let links = carried(&deployment, &before);
    let during = booked(&deployment.scrape().unwrap(), "cross_zone");
    for node in nodes {
        deployment.relay(node).restore().unwrap();
    }
    deployment.end_agents().unwrap();

    let scrape = deployment.scrape().unwrap();
    let b = &links[2];
    assert_eq!(during, [0, 0], "nothing had arrived before");
    assert_eq!(booked(&scrape, "cross_zone"), total([sent(b), received(b)]));
    assert_eq!(
        sum(&scrape, "kubezonnet_server_missed_windows_total", &[]),
        0
    );
    assert_balanced(&scrape);
}
