//! What a file may say, and what each mistake is answered with.

use super::*;

const GOOD: &str = r#"
nodes:
  - name: node-a
    addresses: [10.66.0.1, "fd66::1"]
    zone: zone-a
    region: region-1
  - name: node-b
pods:
  - namespace: shop
    name: web-0
    node: node-a
    addresses: [10.67.1.2, "fd67:1::2"]
    owner: { kind: StatefulSet, name: web }
  - namespace: kube-system
    name: proxy
    node: node-b
    hostNetwork: true
    addresses: [10.66.0.1]
"#;

/// The line and message that a text is refused with.
fn refused(text: &str) -> (u64, String) {
    let problem = parse(text).expect_err("the text is wrong");
    assert_eq!(problem.message.lines().count(), 1, "{}", problem.message);
    (problem.line.expect("the line is known"), problem.message)
}

#[test]
fn a_whole_file_is_read() {
    let view = parse(GOOD).unwrap();

    assert_eq!(view.nodes.len(), 2);
    assert_eq!(view.nodes[0].zone, Zone::new("zone-a").ok());
    assert_eq!(view.nodes[0].region, Region::new("region-1").ok());
    assert_eq!(view.nodes[0].addresses.len(), 2);
    assert_eq!(view.nodes[1].zone, None);
    let web = &view.pods[0];
    assert_eq!(web.uid, "shop/web-0");
    assert_eq!(web.node.as_ref().unwrap().as_str(), "node-a");
    assert_eq!(web.workload.as_ref().unwrap().kind.as_str(), "StatefulSet");
    assert_eq!(
        web.addresses,
        ["10.67.1.2", "fd67:1::2"].map(|a| a.parse::<IpAddr>().unwrap())
    );
    let proxy = &view.pods[1];
    assert!(proxy.host_network);
    assert_eq!(proxy.addresses, Vec::<IpAddr>::new());
}

#[test]
fn the_documented_example_is_read() {
    let page = include_str!("../../../../../docs/topology-file.md");
    let example = page.split("```yaml\n").nth(1).unwrap();
    let example = example.split("```").next().unwrap();

    let view = parse(example).unwrap();

    assert_eq!((view.nodes.len(), view.pods.len()), (3, 3));
}

#[test]
fn each_mistake_is_named_with_its_line() {
    let replaced = [
        (
            "zone: zone-a",
            "zone: \"\"",
            5,
            "this zone names nothing: leave it out if it is not known",
        ),
        (
            "zone: zone-a",
            "zone: \"  \"",
            5,
            "this zone names nothing: leave it out if it is not known",
        ),
        (
            "region: region-1",
            "region: ''",
            6,
            "this region names nothing: leave it out if it is not known",
        ),
        (
            "zone: zone-a",
            "zone: 'zone-a '",
            5,
            "zone \"zone-a \" has blanks at its ends",
        ),
        (
            "- name: node-b",
            "- name: node-a",
            7,
            "node node-a is listed already in line 3",
        ),
        ("name: node-b", "name: ''", 7, "a node is empty"),
        (
            "namespace: shop",
            "namespace: _node_",
            9,
            "namespace _node_ stands for nodes in metrics: pods need another",
        ),
        (
            "namespace: shop",
            "namespace: _other_",
            9,
            "namespace _other_ stands for pods that are too many in metrics: pods need another",
        ),
        (
            "node: node-a\n    addresses",
            "node: node-x\n    addresses",
            11,
            "pod shop/web-0 is on node node-x, which is not listed under nodes",
        ),
        (
            "10.67.1.2",
            "10.67.1.256",
            12,
            "\"10.67.1.256\" is no IPv4 or IPv6 address",
        ),
        (
            "10.67.1.2",
            "10.67.1.0/24",
            12,
            "\"10.67.1.0/24\" is no IPv4 or IPv6 address",
        ),
        (
            "10.67.1.2",
            "127.0.0.1",
            12,
            "127.0.0.1 can be held by no one: it is the same everywhere",
        ),
        (
            "10.67.1.2",
            "10.66.0.1",
            12,
            "10.66.0.1 is held already by node node-a in line 4",
        ),
        (
            "\"fd67:1::2\"",
            "\"::ffff:10.67.1.2\"",
            12,
            "10.67.1.2 is held already by pod shop/web-0 in line 12",
        ),
    ];
    for (good, bad, line, message) in replaced {
        assert!(GOOD.contains(good), "{good}");

        let found = refused(&GOOD.replacen(good, bad, 1));

        assert_eq!(found, (line, message.to_owned()), "{bad}");
    }
}

#[test]
fn labels_are_as_long_as_those_of_kubernetes() {
    let with = |key: &str, value: &str| {
        let labels = format!("hostNetwork: true\n    labels:\n      {key}: {value}");
        GOOD.replacen("hostNetwork: true", &labels, 1)
    };

    assert!(parse(&with("team", &"x".repeat(63))).is_ok());
    let value = refused(&with("team", &"x".repeat(64)));
    let key = refused(&with(&"x".repeat(318), "shop"));

    let expected = "the value of label team has more than 63 bytes";
    assert_eq!(value, (19, expected.to_owned()));
    let expected = "a label's key has more than 317 bytes";
    assert_eq!(key, (19, expected.to_owned()));
}

#[test]
fn a_pod_may_be_there_once() {
    let twice = GOOD
        .replace("kube-system", "shop")
        .replace("name: proxy", "name: web-0");

    let (line, message) = refused(&twice);

    assert_eq!(
        (line, &*message),
        (15, "pod shop/web-0 is listed already in line 10")
    );
}

#[test]
fn what_the_form_does_not_have_is_refused() {
    let cases = [
        ("    zone: zone-a", "    zones: zone-a", 5, "zones"),
        ("nodes:", "node:", 2, "node"),
        // What is missing is so at the end of what it is missing from.
        ("    node: node-a\n", "", 12, "missing field `node`"),
        (
            "owner: { kind: StatefulSet, name: web }",
            "owner: { kind: StatefulSet }",
            13,
            "name",
        ),
        ("hostNetwork: true", "hostNetwork: perhaps", 17, "boolean"),
        (
            "addresses: [10.66.0.1, \"fd66::1\"]",
            "addresses: [10.66.0.1",
            5,
            "",
        ),
    ];
    for (good, bad, line, word) in cases {
        assert!(GOOD.contains(good), "{good}");

        let (found, message) = refused(&GOOD.replacen(good, bad, 1));

        assert!(message.contains(word), "{bad}: {message}");
        assert_eq!(found, line, "{bad}: {message}");
    }
}

#[test]
fn a_file_with_nothing_in_it_is_a_mistake() {
    assert!(parse("").is_err());
    assert_eq!(parse("nodes: []").unwrap(), FileView::default());
}

#[test]
fn a_file_of_thirty_thousand_pods_is_read() {
    let pods = (0..30_000).map(|pod| {
        let address = std::net::Ipv4Addr::from(0x0A00_0001 + pod);
        format!("- {{namespace: shop, name: web-{pod}, node: n, addresses: [{address}]}}\n")
    });
    let text = format!("nodes: [{{name: n}}]\npods:\n{}", pods.collect::<String>());

    assert_eq!(parse(&text).unwrap().pods.len(), 30_000);
}

#[test]
fn an_empty_zone_is_none_and_one_in_quotes_is_its_text() {
    let cases = [
        ("zone:", None),
        ("zone: ~", None),
        ("zone: null", None),
        ("zone: \"~\"", Some("~")),
        ("zone: \"null\"", Some("null")),
    ];
    for (zone, expected) in cases {
        let text = format!("nodes:\n  - name: node-a\n    {zone}\n");

        let view = parse(&text).unwrap();

        let found = view.nodes[0].zone.as_ref().map(Zone::as_str);
        assert_eq!(found, expected, "{zone}");
    }
}
