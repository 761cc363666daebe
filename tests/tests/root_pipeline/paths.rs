//! Packets that travel in tunnels, and packets that a node forwards for others, up to the metrics.

use kubezonnet_model::Family;
use kubezonnet_testkit::{
    Cluster, DeploymentOptions, NodeSpec, Overlay, Place, PodSpec, require_root, traffic,
};

use kubezonnet_tests::books::{
    assert_balanced, booked, carried, deploy, of_pod, received, sent, sum, total, uplinks,
};

fn zones(overlay: Option<Overlay>) -> Cluster {
    require_root();
    let mut builder = Cluster::builder()
        .node(NodeSpec::new("node-a").zone("region-1", "zone-a"))
        .node(NodeSpec::new("node-b").zone("region-1", "zone-b"))
        .node(NodeSpec::new("node-c").zone("region-1", "zone-c"))
        .pod("node-a", PodSpec::new("shop", "client"))
        .pod("node-b", PodSpec::new("shop", "database"));
    if let Some(overlay) = overlay {
        builder = builder.overlay(overlay);
    }
    builder.build().unwrap()
}

#[test]
fn pods_are_charged_for_the_packets_that_carry_theirs() {
    let overlay = Overlay::vxlan().port(8472);
    let mut deployment = deploy(zones(Some(overlay)), DeploymentOptions::default());
    let before = uplinks(deployment.cluster());
    let cluster = deployment.cluster();
    let (client, database) = (cluster.pod("shop/client"), cluster.pod("shop/database"));
    for family in Family::ALL {
        traffic::tcp_bulk(database, client, family, 3_000_000).unwrap();
        traffic::udp(client, database, family, 100, 3_000).unwrap();
    }
    let links = carried(&deployment, &before);
    deployment.end_agents().unwrap();

    let scrape = deployment.scrape().unwrap();
    assert_balanced(&scrape);
    assert!(
        booked(&scrape, "encapsulated")[0] > 0,
        "packets went through tunnels"
    );
    assert_eq!(
        of_pod(&scrape, "client", "egress", "cross_zone"),
        sent(&links[0])
    );
    assert_eq!(
        of_pod(&scrape, "database", "egress", "cross_zone"),
        sent(&links[1])
    );
    assert_eq!(
        of_pod(&scrape, "database", "ingress", "cross_zone"),
        received(&links[1])
    );
    assert_eq!(
        booked(&scrape, "cross_zone"),
        total([sent(&links[0]), sent(&links[1])])
    );
    assert_eq!(
        booked(&scrape, "cross_zone"),
        booked(&scrape, "counted_by_sender")
    );
    assert_eq!(booked(&scrape, "unknown"), [0, 0]);
}

#[test]
fn a_node_that_forwards_for_others_is_charged_for_its_hop() {
    let mut deployment = deploy(zones(None), DeploymentOptions::default());
    let cluster = deployment.cluster();
    let before = uplinks(cluster);
    let port = cluster
        .node_port("node-c", 30_080, "shop/database", 8_080)
        .unwrap();
    let client = cluster.pod("shop/client");
    assert_ne!(client.address(Family::Ipv4), port.socket(Family::Ipv4).ip());
    traffic::tcp_bulk(client, &port, Family::Ipv4, 2_000_000).unwrap();
    let links = carried(&deployment, &before);
    deployment.end_agents().unwrap();

    let scrape = deployment.scrape().unwrap();
    let [a, b, c] = &links[..] else {
        panic!("three nodes")
    };
    let forwarded = ["bytes", "packets"].map(|unit| {
        let labels = [
            ("namespace", "_node_"),
            ("pod", "node-c"),
            ("direction", "transit"),
        ];
        sum(
            &scrape,
            &format!("kubezonnet_pod_traffic_{unit}_total"),
            &labels,
        )
    });
    assert_balanced(&scrape);
    assert!(c.tx_ip_bytes() > 2_000_000);
    assert_eq!(forwarded, sent(c), "each hop counts once");
    assert_eq!(
        booked(&scrape, "cross_zone"),
        total([sent(a), sent(b), sent(c)])
    );
    assert_eq!(of_pod(&scrape, "client", "egress", "cross_zone"), sent(a));
    assert_eq!(of_pod(&scrape, "database", "egress", "cross_zone"), sent(b));
}
