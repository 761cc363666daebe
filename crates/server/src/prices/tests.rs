use std::path::PathBuf;

use kubezonnet_model::NodeName;
use kubezonnet_topology::NodeState;

use super::*;
use crate::testing::name_networks;

/// 2026-12-01.
const NOW: Timestamp = Timestamp(1_796_083_200_000);

fn flags(cloud: CloudChoice, pricing: Option<PathBuf>) -> PriceFlags {
    PriceFlags {
        cloud,
        pricing,
        internet_cost: false,
        budgets: None,
    }
}

/// A topology whose nodes say so of their cloud.
fn topology(provider_ids: &[&str]) -> Topology {
    let topology = Topology::new();
    for (number, id) in provider_ids.iter().enumerate() {
        let state = NodeState {
            name: NodeName::new(format!("n{number}")).unwrap(),
            uid: format!("node-{number}"),
            zone: None,
            zone_id: None,
            region: None,
            provider_id: (!id.is_empty()).then(|| (*id).to_owned()),
            can_run_agent: true,
            pod_cidrs: Vec::new(),
            addresses: Vec::new(),
        };
        topology.write().apply_node(state, Timestamp(1));
    }
    topology
}

fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("prices.yaml");
    std::fs::write(&path, text).unwrap();
    (folder, path)
}

fn cloud_in_force(prices: &Prices, topology: &Topology) -> Option<Cloud> {
    prices.in_force(topology)?.book.cloud()
}

#[test]
fn the_nodes_tell_the_cloud_once_they_are_known() {
    let prices = Prices::open(&flags(CloudChoice::Auto, None)).unwrap();
    let nodes = topology(&["", "gce://shop/europe-west1-b/n1"]);

    assert_eq!(cloud_in_force(&prices, &nodes), None);
    nodes.set_synced();

    assert_eq!(cloud_in_force(&prices, &nodes), Some(Cloud::Gcp));
    // What is in force stays, whatever nodes come.
    let others = topology(&["aws:///us-east-1a/i-0"]);
    others.set_synced();
    assert_eq!(cloud_in_force(&prices, &others), Some(Cloud::Gcp));
}

#[test]
fn where_nodes_tell_no_cloud_or_two_there_are_no_prices() {
    let aws = "aws:///us-east-1a/i-0";
    for ids in [&[""][..], &["kind://docker/a/b"], &[aws, "azure:///x"]] {
        let prices = Prices::open(&flags(CloudChoice::Auto, None)).unwrap();
        let nodes = topology(ids);
        nodes.set_synced();

        assert_eq!(cloud_in_force(&prices, &nodes), None, "{ids:?}");
    }
}

#[test]
fn a_flag_goes_before_what_nodes_tell() {
    let nodes = topology(&["aws:///us-east-1a/i-0"]);
    nodes.set_synced();
    let of = |cloud| Prices::open(&flags(cloud, None)).unwrap();

    let oci = cloud_in_force(&of(CloudChoice::Of(Cloud::Oci)), &nodes);
    let none = cloud_in_force(&of(CloudChoice::None), &nodes);

    assert_eq!(oci, Some(Cloud::Oci));
    assert_eq!(none, None);
}

#[test]
fn a_whole_file_needs_no_cloud() {
    let (_folder, path) =
        file("currency: EUR\nunit: GB\nbetweenZones: { price: 1, paidBy: both }\n");
    let nodes = topology(&["k3s://n0"]);
    nodes.set_synced();
    for cloud in [CloudChoice::None, CloudChoice::Auto] {
        let prices = Prices::open(&flags(cloud, Some(path.clone()))).unwrap();

        let in_force = prices.in_force(&nodes).unwrap();

        assert_eq!(in_force.book.cloud(), None);
        assert_eq!(in_force.book.currency().as_str(), "EUR");
    }
}

#[test]
fn a_file_that_needs_a_cloud_gives_no_prices_without_one() {
    let (_folder, path) = file("discounts: { betweenZones: 5 }\n");
    let nodes = topology(&["k3s://n0"]);
    nodes.set_synced();

    let prices = Prices::open(&flags(CloudChoice::Auto, Some(path.clone()))).unwrap();
    let alone = Prices::open(&flags(CloudChoice::None, Some(path.clone()))).unwrap_err();

    assert_eq!(cloud_in_force(&prices, &nodes), None);
    assert_eq!(
        format!("{alone:#}"),
        format!(
            "--pricing {}, without a cloud's table the file must say its currency",
            path.display()
        )
    );
}

#[test]
fn a_mistake_in_the_file_is_named_with_its_line() {
    let (folder, path) = file("unit: GB\ndiscount: 5\n");

    let error = Prices::open(&flags(CloudChoice::Auto, Some(path.clone()))).unwrap_err();
    let missing = folder.path().join("none.yaml");
    let unreadable = Prices::open(&flags(CloudChoice::Auto, Some(missing))).unwrap_err();
    let directory =
        Prices::open(&flags(CloudChoice::Auto, Some(folder.path().into()))).unwrap_err();

    let begin = format!(
        "--pricing {}, line 2: unknown field `discount`",
        path.display()
    );
    assert!(format!("{error:#}").starts_with(&begin), "{error:#}");
    assert!(
        format!("{unreadable:#}").contains("No such file"),
        "{unreadable:#}"
    );
    assert!(
        format!("{directory:#}").ends_with("no regular file"),
        "{directory:#}"
    );
}

#[test]
fn prices_are_as_old_as_the_file_says_they_are() {
    let year = 365 * 24 * 60 * 60 * 1000;
    let later = Timestamp(NOW.0 + year);
    let (_folder, path) = file("retrieved: 2027-11-30\n");
    let cloud = CloudChoice::Of(Cloud::Aws);
    let listed = Prices::open(&flags(cloud, None)).unwrap();
    let checked = Prices::open(&flags(cloud, Some(path))).unwrap();
    let nodes = topology(&[]);

    let stale = |prices: &Prices, now| prices.in_force(&nodes).unwrap().stale(now).is_some();

    assert!(!stale(&listed, NOW));
    assert!(stale(&listed, later));
    assert!(!stale(&checked, later));
}

#[test]
fn a_day_to_come_says_nothing_of_how_old_prices_are() {
    let year = 365 * 24 * 60 * 60 * 1000;
    let later = Timestamp(NOW.0 + year);
    let (_folder, path) = file("retrieved: 2030-01-01\n");
    let prices = Prices::open(&flags(CloudChoice::Of(Cloud::Aws), Some(path))).unwrap();

    let stale = prices.in_force(&topology(&[])).unwrap().stale(later);

    assert!(stale.is_some(), "the table is of more than a year ago");
}

#[test]
fn a_free_network_that_nobody_has_named_is_found() {
    let overrides = Overrides::parse("free: { networks: [cache, nosuch] }").unwrap();
    let topology = topology(&[]);
    name_networks(&topology, "networks: [{name: cache, cidr: 10.9.0.0/24}]");

    let unknown = unknown_networks(&overrides, &topology);

    assert_eq!(unknown, [&Name::new("nosuch").unwrap()]);
}

#[test]
fn a_cloud_that_is_none_is_answered_with_all_that_may_be_given() {
    let error = "ibm".parse::<CloudChoice>().unwrap_err();

    let expected =
        "there is no price table of it: give aws, gcp, azure, oci, alibaba, none or auto";
    assert_eq!(error, expected);
}
