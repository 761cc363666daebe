//! What is on the page after known windows.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};

use kubezonnet_capture::{Fill, SeenFlow, Socket};
use kubezonnet_model::{Family as AddressFamily, FlowKey, Hook, SkipReason, Skipped, Total};

use super::*;

const POINT: ObservationPoint = ObservationPoint {
    hook: Hook::Postrouting,
    input: InterfaceClass::Pod,
    output: InterfaceClass::Uplink,
};

fn counters(bytes: u64) -> FlowCounters {
    FlowCounters { bytes, packets: 1 }
}

fn drained() -> Drained {
    let key = FlowKey {
        source: "10.0.0.1".parse().unwrap(),
        destination: "10.0.0.2".parse().unwrap(),
        transport: None,
        point: POINT,
        socket: None,
    };
    let total = |kind, bytes| Total {
        kind,
        point: POINT,
        counters: counters(bytes),
    };
    Drained {
        records: vec![SeenFlow {
            key,
            socket: Socket::None,
            counters: counters(1),
        }],
        totals: vec![
            total(TotalKind::Coarsened, 20),
            total(TotalKind::Loopback, 300),
        ],
        skipped: vec![Skipped {
            reason: SkipReason::OutsideCidr,
            hook: Hook::LocalIn,
            counters: counters(4_000),
        }],
        undecodable: counters(50_000),
        fill: Fill {
            flows: 5,
            max_flows: 64,
            pairs: 1,
            max_pairs: 8,
        },
    }
}

fn assert_has(page: &str, line: &str) {
    assert!(
        page.lines().any(|each| each == line),
        "no line {line}\n{page}"
    );
}

#[test]
fn each_byte_of_a_window_is_seen_or_skipped_once() {
    let metrics = Metrics::new();

    metrics.closed(&drained());
    metrics.closed(&drained());

    let page = metrics.render(Format::Classic);
    for line in [
        r#"kubezonnet_agent_seen_bytes_total{hook="postrouting",input="pod",output="uplink"} 642"#,
        r#"kubezonnet_agent_seen_packets_total{hook="postrouting",input="pod",output="uplink"} 6"#,
        r#"kubezonnet_agent_skipped_bytes_total{reason="outside_cidr",hook="local_in"} 8000"#,
        r#"kubezonnet_agent_coarsened_bytes_total{kept="pair"} 2"#,
        r#"kubezonnet_agent_coarsened_bytes_total{kept="total"} 40"#,
        r#"kubezonnet_agent_lost_bytes_total{reason="undecodable"} 100000"#,
        r#"kubezonnet_agent_map_entries{map="flows"} 5"#,
        r#"kubezonnet_agent_map_capacity{map="pairs"} 8"#,
    ] {
        assert_has(&page, line);
    }
}

#[test]
fn what_can_be_lost_is_on_the_page_before_it_is() {
    let page = Metrics::new().render(Format::Classic);

    assert_has(
        &page,
        r#"kubezonnet_agent_lost_bytes_total{reason="refused"} 0"#,
    );
    assert_has(
        &page,
        r#"kubezonnet_agent_sends_total{outcome="unreachable"} 0"#,
    );
    assert_has(&page, r#"kubezonnet_agent_interfaces{class="uplink"} 0"#);
}

#[test]
fn hooks_are_told_with_their_priority() {
    let metrics = Metrics::new();

    metrics.attached(&[Attached {
        hook: Hook::Postrouting,
        family: AddressFamily::Ipv6,
        priority: 95,
    }]);

    assert_has(
        &metrics.render(Format::Classic),
        r#"kubezonnet_agent_hook_priority{hook="postrouting",family="ipv6"} 95"#,
    );
}

#[test]
fn open_metrics_ends_as_the_format_demands() {
    let page = Metrics::new().render(Format::OpenMetrics);

    assert!(page.ends_with("# EOF\n"));
    assert_has(&page, "# TYPE kubezonnet_agent_lost_bytes counter");
}

/// Name and kind of every family on a classic page.
fn families(page: &str) -> BTreeMap<String, String> {
    let types = page.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let pairs = types.filter_map(|rest| rest.split_once(' '));
    pairs
        .map(|(name, kind)| (name.to_owned(), kind.to_owned()))
        .collect()
}

#[test]
fn the_documentation_lists_every_family_and_no_other() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/metrics.md");
    let text = std::fs::read_to_string(path).unwrap();
    let sections = text.split("\n## ");
    let served_by_agents = sections
        .filter(|section| section.starts_with("Agent\n") || section.starts_with("Process\n"))
        .collect::<String>();
    let rows = served_by_agents
        .lines()
        .filter_map(|line| line.strip_prefix("| `"));
    let documented: BTreeMap<_, _> = rows
        .filter_map(|row| row.split_once("` | "))
        .map(|(name, rest)| (name.to_owned(), rest.split(' ').next().unwrap().to_owned()))
        .collect();
    let metrics = Metrics::new();
    metrics.closed(&drained());
    metrics.attached(&[Attached {
        hook: Hook::Postrouting,
        family: AddressFamily::Ipv6,
        priority: 95,
    }]);

    let served = families(&metrics.render(Format::Classic));

    assert_eq!(
        documented, served,
        "docs/metrics.md on the left, the page on the right"
    );
}

#[test]
fn the_documentation_lists_every_value_of_a_label() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/metrics.md");
    let text = std::fs::read_to_string(path).unwrap();
    let agent = text.split_once("\n## Agent\n").unwrap().1;
    let row = |name: &str| {
        let begin = format!("| `kubezonnet_agent_{name}` |");
        agent.lines().find(|line| line.starts_with(&begin)).unwrap()
    };
    let losses = LossReason::ALL.map(LossReason::as_str);
    let delivered = [Outcome::Acknowledged, Outcome::Duplicate].map(Outcome::as_str);
    let cases = [
        ("lost_bytes_total", losses.to_vec()),
        ("windows_total", [&losses[..2], &delivered].concat()),
        ("cgroups", View::ALL.map(View::as_str).to_vec()),
        (
            "socket_bytes_total",
            vec!["pod", "system", "kernel", "unseen", "unreadable"],
        ),
        ("sends_total", Outcome::ALL.map(Outcome::as_str).to_vec()),
        (
            "skipped_bytes_total",
            SkipReason::ALL.map(SkipReason::as_str).to_vec(),
        ),
        ("map_entries", vec!["flows", "pairs"]),
    ];

    for (name, values) in cases {
        for value in values {
            assert!(row(name).contains(&format!("`{value}`")), "{name}: {value}");
        }
    }
    for class in InterfaceClass::ALL {
        let intro = agent.split("| name |").next().unwrap();
        assert!(
            intro.contains(&format!("`{}`", class.as_str())),
            "{class:?}"
        );
    }
}

#[test]
fn promtool_finds_nothing_to_complain_about() {
    let promtool = std::env::var("PROMTOOL").unwrap_or_else(|_| {
        let tools = "/../../target/tools/prometheus/usr/bin/promtool";
        env!("CARGO_MANIFEST_DIR").to_owned() + tools
    });
    let metrics = Metrics::new();
    let mut child = Command::new(&promtool)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| {
            panic!("promtool is not at {promtool} ({error}): run scripts/tools.sh prometheus, or set PROMTOOL")
        });
    let page = metrics.render(Format::Classic);

    child
        .stdin
        .take()
        .unwrap()
        .write_all(page.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();

    let said = [output.stdout, output.stderr].concat();
    assert_eq!(String::from_utf8_lossy(&said), "", "promtool complains");
    assert!(output.status.success());
}
