//! What a file may say, and what each mistake is answered with.

use kubezonnet_model::{Located, Site};

use super::*;

const GOOD: &str = r#"
networks:
  - name: orders-db
    kind: managed-database
    cidrs: [10.9.0.0/24, "fd00:9::/64"]
    zone: eu-west-1b
    zoneId: euw1-az2
    region: eu-west-1
    billed: cluster
  - name: office
    cidr: 10.0.0.0/8
"#;

fn find(networks: &Networks, address: &str) -> Option<(String, Site)> {
    let (network, site) = networks.find(address.parse().unwrap())?;
    Some((network.name.to_string(), site.clone()))
}

/// The line and message that a text is refused with.
fn refused(text: &str) -> (u64, String) {
    let problem = parse(text).expect_err("the text is wrong");
    assert_eq!(problem.message.lines().count(), 1, "{}", problem.message);
    (problem.line.expect("the line is known"), problem.message)
}

#[test]
fn a_whole_file_is_read_and_the_longest_prefix_has_an_address() {
    let networks = parse(GOOD).unwrap();

    assert_eq!(networks.len(), 3);
    let site = Site::from(Located {
        node: None,
        zone: Zone::new("eu-west-1b").ok(),
        zone_id: ZoneId::new("euw1-az2").ok(),
        region: Region::new("eu-west-1").ok(),
    });
    let database = Some(("orders-db".to_owned(), site));
    assert_eq!(find(&networks, "10.9.0.7"), database);
    assert_eq!(find(&networks, "fd00:9::7"), database);
    assert_eq!(find(&networks, "10.9.1.7").unwrap().0, "office");
    assert_eq!(find(&networks, "11.0.0.1"), None);
    let (network, _) = networks.find("10.9.0.7".parse().unwrap()).unwrap();
    assert_eq!(network.kind, NetworkKind::ManagedDatabase);
    assert_eq!(network.billed, Billed::Cluster);
    let (office, site) = networks.find("10.9.1.7".parse().unwrap()).unwrap();
    assert_eq!(
        (office.kind, office.billed),
        (NetworkKind::Other, Billed::Both)
    );
    assert_eq!((site.zone(), site.region()), (None, None));
}

#[test]
fn the_documented_example_is_read() {
    let page = include_str!("../../../../../docs/named-networks.md");
    let example = page.split("```yaml\n").nth(1).unwrap();
    let example = example.split("```").next().unwrap();

    let networks = parse(example).unwrap();

    assert_eq!(networks.len(), 6);
    for kind in NetworkKind::ALL {
        let row = format!("| `{}` |", kind.as_str());
        assert!(
            page.contains(&row),
            "{row} is not in docs/named-networks.md"
        );
    }
}

#[test]
fn a_file_may_name_nothing_yet() {
    assert!(parse("networks: []").unwrap().is_empty());
}

#[test]
fn several_prefixes_may_have_one_name_if_they_are_one_network() {
    let twice = "networks:\n- {name: db, cidr: 10.1.0.0/16, zone: a}\n- {name: db, cidr: 10.2.0.1, zone: a}\n";

    let networks = parse(twice).unwrap();

    assert_eq!(find(&networks, "10.1.9.9"), find(&networks, "10.2.0.1"));
    assert_eq!(find(&networks, "10.2.0.2"), None);
    let (line, message) = refused(&twice.replace("10.2.0.1, zone: a", "10.2.0.1, zone: b"));
    assert_eq!(line, 3);
    assert_eq!(
        message,
        "network db is another one in line 2: one name has one kind, zone, region and billing"
    );
}

#[test]
fn each_mistake_is_named_with_its_line() {
    let replaced = [
        (
            "cidr: 10.0.0.0/8",
            "cidr: 10.9.0.0/24",
            11,
            "10.9.0.0/24 is listed already for orders-db in line 5",
        ),
        (
            "cidr: 10.0.0.0/8",
            "cidr: \"::ffff:10.9.0.0/120\"",
            11,
            "10.9.0.0/24 is listed already for orders-db in line 5",
        ),
        (
            "cidr: 10.0.0.0/8",
            "cidr: 10.0.0.1/8",
            11,
            "10.0.0.1/8 has bits beyond its length: write 10.0.0.0/8 or, for the one address, 10.0.0.1",
        ),
        (
            "cidr: 10.0.0.0/8",
            "cidr: 10.0.0.0/33",
            11,
            "\"10.0.0.0/33\" is no network: write it like 10.9.0.0/24 or fd00:9::/64",
        ),
        (
            "cidr: 10.0.0.0/8",
            "cidr: 010.0.0.0/8",
            11,
            "\"010.0.0.0/8\" is no network: write it like 10.9.0.0/24 or fd00:9::/64",
        ),
        (
            "cidr: 10.0.0.0/8",
            "cidr: 10.0.0.0/08",
            11,
            "\"10.0.0.0/08\" is no network: write it like 10.9.0.0/24 or fd00:9::/64",
        ),
        (
            "cidr: 10.0.0.0/8",
            "cidr: office",
            11,
            "\"office\" is no network: write it like 10.9.0.0/24 or fd00:9::/64",
        ),
        (
            "    cidr: 10.0.0.0/8",
            "    zone: a",
            10,
            "network office has neither cidr nor cidrs",
        ),
        ("name: office", "name: ''", 10, "a network's name is empty"),
        (
            "name: office",
            "name: other",
            10,
            "\"other\" stands for several in metrics: give another name",
        ),
        (
            "zone: eu-west-1b",
            "zone: ''",
            6,
            "this zone names nothing: leave it out if it is not known",
        ),
        (
            "zoneId: euw1-az2",
            "zoneId: ' '",
            7,
            "this zone id names nothing: leave it out if it is not known",
        ),
    ];
    for (good, bad, line, message) in replaced {
        assert_eq!(GOOD.matches(good).count(), 1, "{good}");

        let found = refused(&GOOD.replacen(good, bad, 1));

        assert_eq!(found, (line, message.to_owned()), "{bad}");
    }
}

#[test]
fn mistakes_of_yaml_are_told_in_words_for_who_wrote_the_file() {
    let cases = [
        (
            "networks:\n- {name: a, name: b, cidr: 10.9.0.0/24}\n",
            "name is there twice",
        ),
        (
            "networks: []\n---\nnetworks: []\n",
            "more than one YAML document",
        ),
        (
            "networks:\n- {name: , cidr: 10.9.0.0/24}\n",
            "a value is left empty",
        ),
        ("networks: [office]\n", "expected keys and values"),
        ("networks: {name: a}\n", "expected a list"),
    ];
    for (text, words) in cases {
        let (_, message) = refused(text);

        assert!(message.contains(words), "{text:?}: {message}");
        assert!(!message.contains("Option"), "{message}");
    }
}

#[test]
fn a_text_of_a_megabyte_is_not_repeated_whole() {
    let long = "x".repeat(1 << 20);
    for text in [
        format!("networks:\n- {{name: {long}, cidr: 10.9.0.0/24}}\n"),
        format!("networks:\n- {{name: a, cidr: {long}}}\n"),
        format!("networks:\n- {{name: a, cidr: 10.9.0.0/24, kind: {long}}}\n"),
        format!("networks:\n- {{{long}: a}}\n"),
    ] {
        let (_, message) = refused(&text);

        assert!(message.len() < 1000, "{} bytes", message.len());
    }
}

#[test]
fn what_the_form_does_not_have_is_refused() {
    for (good, bad, line) in [
        ("kind: managed-database", "kind: mainframe", 4),
        ("billed: cluster", "billed: them", 9),
        ("billed: cluster", "price: 3", 9),
        ("name: office", "nick: office", 10),
    ] {
        let (found, message) = refused(&GOOD.replacen(good, bad, 1));

        assert_eq!(found, line, "{bad}: {message}");
    }
}

#[test]
fn what_means_something_on_one_link_only_cannot_be_named() {
    for (prefix, what) in [
        ("169.254.169.254", "link-local"),
        ("169.254.0.0/16", "link-local"),
        ("127.0.0.0/8", "loopback"),
        ("224.0.0.0/24", "multicast"),
        ("255.255.255.255", "broadcast"),
        ("0.0.0.0", "unspecified"),
        ("'fe80::/64'", "link-local"),
        ("'::1'", "loopback"),
        ("'ff02::/16'", "multicast"),
        ("'::'", "unspecified"),
        ("'::ffff:127.0.0.1'", "loopback"),
    ] {
        let (line, message) = refused(&format!("networks:\n- name: x\n  cidr: {prefix}\n"));

        assert_eq!(line, 3, "{prefix}");
        assert!(
            message.contains(&format!("is {what}: ")),
            "{prefix}: {message}"
        );
    }
    for all in ["0.0.0.0/0", "'::/0'"] {
        assert!(parse(&format!("networks: [{{name: x, cidr: {all}}}]")).is_ok());
    }
}
