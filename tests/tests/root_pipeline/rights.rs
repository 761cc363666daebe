//! The agent with no more rights than its manifest gives it.

use kubezonnet_model::Family;
use kubezonnet_testkit::{DeploymentOptions, traffic};

use kubezonnet_tests::books::{
    assert_balanced, booked, carried, cluster, deploy, received, sent, total, uplinks,
};

#[test]
fn three_capabilities_are_enough() {
    let words = [
        "setpriv",
        "--bounding-set=-all,+bpf,+net_admin,+perfmon",
        "--inh-caps=-all",
        "--no-new-privs",
    ];
    let options = DeploymentOptions {
        is_pinned: true,
        agent_wrapper: words.map(str::to_owned).to_vec(),
        ..DeploymentOptions::default()
    };

    let mut deployment = deploy(cluster(), options);
    let status =
        std::fs::read_to_string(format!("/proc/{}/status", deployment.agent("node-a").pid()));
    let before = uplinks(deployment.cluster());
    let (client, database) = (
        deployment.cluster().pod("shop/client"),
        deployment.cluster().pod("shop/database"),
    );
    traffic::tcp_bulk(database, client, Family::Ipv6, 1_000_000).unwrap();
    let links = carried(&deployment, &before);
    deployment.end_agents().unwrap();

    let status = status.unwrap();
    let effective = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .unwrap();
    let three = 1 << 39 | 1 << 38 | 1 << 12;
    assert_eq!(
        u64::from_str_radix(effective.trim(), 16),
        Ok(three),
        "{status}"
    );
    let scrape = deployment.scrape().unwrap();
    assert_eq!(
        booked(&scrape, "cross_zone"),
        total([sent(&links[2]), received(&links[2])])
    );
    assert_balanced(&scrape);
}
