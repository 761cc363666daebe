//! Every byte once, in its class, on the counter of its pod.

use kubezonnet_model::Family;
use kubezonnet_testkit::{Cluster, DeploymentOptions, Place, Scrape, traffic};
use serde_json::{Value, json};

use kubezonnet_tests::books::{
    assert_balanced, booked, carried, cluster, deploy, of_pod, received, sent, sum, total, uplinks,
};

const CROSS_ZONE: &str = "pod_cross_zone_network_traffic_bytes_total";

#[test]
fn what_the_uplinks_carried_is_what_the_metrics_say_to_the_byte() {
    let mut deployment = deploy(cluster(), DeploymentOptions::default());
    let cluster = deployment.cluster();
    let before = uplinks(cluster);
    every_kind_of_traffic(cluster);

    let links = carried(&deployment, &before);
    deployment.end_agents().unwrap();
    let scrape = deployment.scrape().unwrap();
    let [a, a2, b, far, bare] = &links[..] else {
        panic!("five nodes")
    };
    // What came from the internet is what arrived and no node has sent.
    let to_internet = of_pod(&scrape, "neighbour", "egress", "internet");
    let (arrived, left) = (
        total(links.iter().map(received)),
        total(links.iter().map(sent)),
    );
    let from_internet = [0, 1].map(|unit| arrived[unit] + to_internet[unit] - left[unit]);
    assert_balanced(&scrape);
    // On the wire, each uplink's bytes are once among what was seen leaving and once arriving.
    assert_eq!(
        seen(&scrape, ("output", "uplink")),
        total(links.iter().map(sent))
    );
    assert_eq!(
        seen(&scrape, ("input", "uplink")),
        total(links.iter().map(received))
    );
    // Each class is what the links of its nodes carried.
    assert_eq!(
        booked(&scrape, "same_zone"),
        total([sent(a2), received(a2)])
    );
    assert_eq!(of_pod(&scrape, "near", "egress", "same_zone"), sent(a2));
    assert_eq!(of_pod(&scrape, "far", "egress", "cross_region"), sent(far));
    assert_eq!(
        of_pod(&scrape, "far", "ingress", "cross_region"),
        received(far)
    );
    assert_eq!(of_pod(&scrape, "bare", "egress", "unknown"), sent(bare));
    assert_eq!(
        of_pod(&scrape, "bare", "ingress", "unknown"),
        received(bare)
    );
    assert_eq!(
        booked(&scrape, "unknown"),
        total([sent(bare), received(bare)])
    );
    assert_eq!(
        booked(&scrape, "cross_region"),
        total([sent(far), received(far)])
    );
    assert_eq!(booked(&scrape, "cross_zone"), total([sent(b), received(b)]));
    assert_eq!(
        of_pod(&scrape, "neighbour", "ingress", "internet"),
        from_internet
    );
    assert_eq!(
        booked(&scrape, "internet"),
        total([to_internet, from_internet])
    );
    let leaving_zone_from_b = sum(&scrape, CROSS_ZONE, &[("pod", "database")])
        + sum(
            &scrape,
            CROSS_ZONE,
            &[("namespace", "_node_"), ("pod", "node-b")],
        );
    assert_eq!(leaving_zone_from_b, sent(b)[0]);
    // What the first node sent is all its pods' and its own.
    let egress_of_a = ["client", "neighbour"].map(|pod| {
        total(
            [
                "same_zone",
                "cross_zone",
                "cross_region",
                "internet",
                "unknown",
            ]
            .map(|locality| of_pod(&scrape, pod, "egress", locality)),
        )
    });
    assert_eq!(total(egress_of_a), sent(a));
    let zones = |src, dst| {
        sum(
            &scrape,
            "kubezonnet_zone_traffic_bytes_total",
            &[("src_zone", src), ("dst_zone", dst)],
        )
    };
    assert_eq!(zones("zone-b", "zone-a"), sent(b)[0]);
    assert_eq!(zones("zone-a", "zone-b"), received(b)[0]);
    assert_eq!(zones("zone-far", "zone-a"), sent(far)[0]);
}

/// The same node, the same zone, another zone, another region, no zone, the internet; pods and
/// nodes themselves.
fn every_kind_of_traffic(cluster: &Cluster) {
    let [client, neighbour, near, database, far, bare] =
        ["client", "neighbour", "near", "database", "far", "bare"]
            .map(|pod| cluster.pod(&format!("shop/{pod}")));

    for family in Family::ALL {
        traffic::tcp_bulk(client, neighbour, family, 1_000_000).unwrap();
        traffic::udp(near, client, family, 300, 1_000).unwrap();
        traffic::tcp_bulk(database, client, family, 4_000_000).unwrap();
        traffic::tcp_requests(client, database, family, 100, 200, 9_000).unwrap();
        traffic::udp_segmented(far, client, family, 500, 1_200).unwrap();
        traffic::ping(bare, client, family, 10, 500).unwrap();
        traffic::tcp_bulk(neighbour, cluster.fabric(), family, 500_000).unwrap();
        traffic::tcp_bulk(cluster.node("node-b"), client, family, 200_000).unwrap();
        traffic::udp(cluster.node("node-a"), neighbour, family, 50, 100).unwrap();
        traffic::udp(neighbour, cluster.node("node-a"), family, 50, 100).unwrap();
    }
}

fn seen(scrape: &Scrape, label: (&str, &str)) -> [u64; 2] {
    ["bytes", "packets"].map(|unit| sum(scrape, &format!("kubezonnet_seen_{unit}_total"), &[label]))
}

#[test]
fn every_flow_that_leaves_its_zone_is_logged_with_both_ends_by_name() {
    let mut deployment = deploy(cluster(), DeploymentOptions::default());
    let cluster = deployment.cluster();
    let (client, database) = (cluster.pod("shop/client"), cluster.pod("shop/database"));
    traffic::tcp_bulk_to_port(client, database, Family::Ipv4, 5432, 100_000).unwrap();
    traffic::tcp_bulk(client, cluster.pod("shop/near"), Family::Ipv4, 100_000).unwrap();
    let client_address = client.address(Family::Ipv4).to_string();
    deployment.end_agents().unwrap();
    let [bytes, packets] = booked(&deployment.scrape().unwrap(), "cross_zone");

    let log = deployment.flow_log();
    let lines = deployment.wait_while_all_run(
        "all bytes in the flow log",
        || false,
        |_| {
            let text = std::fs::read_to_string(&log).ok()?;
            let lines: Vec<Value> = text
                .lines()
                .map_while(|line| serde_json::from_str(line).ok())
                .collect();
            let sum: u64 = lines.iter().filter_map(|line| line["bytes"].as_u64()).sum();
            (sum == bytes).then_some(lines)
        },
    );

    let lines = lines.unwrap();
    let logged: u64 = lines
        .iter()
        .filter_map(|line| line["packets"].as_u64())
        .sum();
    assert_eq!(logged, packets);
    let request = lines
        .iter()
        .find(|line| line["source"]["pod"] == "client")
        .unwrap();
    assert_eq!(request["source"]["address"], client_address);
    assert_eq!(request["source"]["namespace"], "shop");
    assert_eq!(
        request["source"]["workload"],
        json!({ "kind": "Deployment", "name": "client" })
    );
    assert_eq!(request["source"]["node"], "node-a");
    assert_eq!(request["source"]["zone"], "zone-a");
    assert_eq!(request["destination"]["pod"], "database");
    assert_eq!(request["destination"]["port"], 5432);
    assert_eq!(request["destination"]["zone"], "zone-b");
    assert_eq!(request["protocol"], "tcp");
    assert_eq!(request["locality"], "cross_zone");
    assert!(
        request["start"].as_str() < request["end"].as_str(),
        "{request}"
    );
    assert!(
        lines
            .iter()
            .all(|line| line["destination"]["pod"] != "near")
    );
}
