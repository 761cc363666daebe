use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use kubezonnet_exposition::Process;
use kubezonnet_model::{Name, Namespace, SkipReason, Timestamp, TotalKind, Workload};
use kubezonnet_topology::{KeptLabel, KeptLabels, PodState};

use super::*;
use crate::authenticate::Outcome;
use crate::budgets::BudgetFile;
use crate::config::{CloudChoice, PriceFlags};
use crate::export::ExportCounts;
use crate::history::embedded::Lost;
use crate::ingest::{IngestCounts, LATENCY_BOUNDS, Refusal};
use crate::prices::Prices;
use crate::store::{Disk, Failure, StoreSizes};
use crate::testing::{
    IN, NOW, OUT, POD_TO_HOST, Report, TO_HOST, cluster, ip, name_networks, node_name, pipeline,
};
use crate::tls::Credential;
use kubezonnet_history::Resolution;

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A scrape in which every family has samples and nothing depends on the machine.
fn scrape() -> Scrape {
    let topology = cluster();
    name_networks(
        &topology,
        "networks: [{name: orders-db, kind: managed-database, cidr: 10.9.0.0/24, zone: b, region: r1}]",
    );
    let prices = prices();
    let budgets = budgets(&prices);
    let pipeline = pipeline(&topology)
        .with_prices(prices)
        .with_budgets(budgets);
    let reports = [
        Report::of("n2", 1).uplinks(900_000, 2_000_000),
        Report::of("n1", 1)
            .uplinks(1_990_000, 2_000_000)
            .record("10.67.1.1", "10.67.2.1", OUT, 100_000)
            .record("10.67.1.1", "10.67.3.1", OUT, 20_000)
            .record("10.67.1.2", "10.67.1.1", OUT, 3_000)
            .record("10.67.1.2", "8.8.8.8", OUT, 400)
            .record("10.67.1.1", "10.66.0.1", POD_TO_HOST, 50)
            .record("10.67.3.1", "10.67.2.1", IN, 6)
            .record("10.67.4.1", "10.67.1.1", IN, 70)
            .record("8.8.8.8", "10.66.0.2", TO_HOST, 800)
            .record("10.67.1.1", "10.9.9.9", OUT, 9_000)
            .record("10.67.1.1", "10.9.0.7", OUT, 500)
            .record("10.9.0.7", "10.67.1.1", IN, 6_000)
            .total(TotalKind::Coarsened, 11)
            .total(TotalKind::Loopback, 12)
            .total(TotalKind::Multicast, 13)
            .skipped(SkipReason::Looped, 14)
            .skipped(SkipReason::Malformed, 15),
        Report::of("n2", 2).record("10.67.1.1", "10.67.2.1", IN, 100_000),
    ];
    for report in reports {
        pipeline
            .apply(&report.decoded(), Duration::ZERO, NOW)
            .unwrap();
    }
    let now = NOW.plus(Duration::from_millis(2500));
    let mut scrape = Scrape::of(&pipeline, &IngestCounts::default(), now);
    scrape.ingest.batches = vec![("applied", 3), ("duplicate", 1)];
    scrape.ingest.records = 15;
    scrape.ingest.body_bytes = 1234;
    scrape.ingest.missed = 2;
    scrape.ingest.met_midway = 1;
    scrape.ingest.broken_off = 1;
    scrape.ingest.uncounted = Duration::from_millis(70_500);
    scrape.ingest.undeclared = 1;
    let bounds = LATENCY_BOUNDS.into_iter().chain([f64::INFINITY]);
    scrape.ingest.latency = bounds.zip(1..).collect();
    scrape.ingest.latency_sum = 1.5;
    scrape.ingest.refused = Refusal::reasons().zip(0..).collect();
    scrape
        .agents
        .push((node_name("n3"), Duration::from_millis(12_345)));
    scrape.clock_skews = vec![(node_name("n1"), -3_600_000), (node_name("n2"), 250)];
    scrape.history = Some(history());
    scrape.store.durable = true;
    scrape.store.id = "0123456789abcdef0123456789abcdef".to_owned();
    scrape.store.created = 1_799_000_000.25;
    scrape.store.failures = Failure::ALL.into_iter().zip(0..).collect();
    let bounds = LATENCY_BOUNDS.into_iter().chain([f64::INFINITY]);
    scrape.store.commits = bounds.zip(1..).collect();
    scrape.store.commits_sum = 0.5;
    scrape.store.checkpoints = 2;
    scrape.store.sizes = StoreSizes {
        journal_rows: 17,
        journal_bytes: 40_000,
        database_bytes: 8_192,
        log_failures: 3,
        disk: Some(Disk {
            size_bytes: 2_000_000_000,
            free_bytes: 1_500_000_000,
        }),
    };
    scrape.topology.age = Some(Duration::from_millis(1500));
    scrape.topology.overlapping = 2;
    scrape.security = SecurityScrape {
        ends: vec![(Credential::Ingest, Timestamp(1_800_172_800_999))],
        failures: Credential::ALL.into_iter().zip(0..).collect(),
        reviews: Outcome::ALL.into_iter().zip(7..).collect(),
    };
    let counts = ExportCounts {
        written: 40,
        dropped: 2,
    };
    scrape.exports = vec![("flow_log", counts)];
    scrape.version = "1.2.3";
    scrape.process = Some(Process {
        cpu_seconds: 1.25,
        resident_bytes: 40_000_000,
        virtual_bytes: 90_000_000,
        open_fds: 17,
        max_fds: 1024,
        start_seconds: 1_800_000_000.5,
    });
    scrape
}

/// A thousand for a GB on each side between zones, and ten for the sender between regions.
fn prices() -> Prices {
    let text = "
currency: EUR
unit: GB
retrieved: 2020-01
betweenZones: { price: 1000, paidBy: both }
betweenRegions: [{ price: 10 }]
";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("prices.yaml");
    std::fs::write(&path, text).unwrap();
    let flags = PriceFlags {
        cloud: CloudChoice::None,
        pricing: Some(path),
        internet_cost: false,
        budgets: None,
    };
    Prices::open(&flags).unwrap()
}

/// A budget of the whole cluster, one of a namespace, and one of a name that nobody has.
fn budgets(prices: &Prices) -> BudgetFile {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("budgets.yaml");
    std::fs::write(
        &path,
        "cluster: 1000\nnamespaces: { shop: 99.95, shpo: 1 }\n",
    )
    .unwrap();
    BudgetFile::open(Some(&path), &KeptLabels::default(), prices).unwrap()
}

fn promtool() -> PathBuf {
    let path = std::env::var_os("PROMTOOL").map_or_else(
        || workspace().join("target/tools/prometheus/usr/bin/promtool"),
        PathBuf::from,
    );
    assert!(
        path.exists(),
        "promtool is not at {}: run scripts/tools.sh, or set PROMTOOL to its path",
        path.display()
    );
    path
}

fn history() -> HistoryScrape {
    HistoryScrape {
        up: true,
        start: Some(1_800_000_000.5),
        behind: 12.5,
        kept: Some(KeptScrape {
            short: false,
            damaged: 1,
            unreadable: 3,
            bytes: 5 << 20,
            series: 700,
            failures: 1,
            lost: 2,
            deleted: vec![
                (Resolution::Minute, Lost::Age, 3),
                (Resolution::Hour, Lost::Size, 4),
            ],
        }),
    }
}

#[test]
fn the_whole_page_is_as_it_was() {
    insta::assert_snapshot!("classic", render(scrape(), Format::Classic));
}

#[test]
fn the_openmetrics_page_has_the_same_samples_and_its_own_frame() {
    let classic = render(scrape(), Format::Classic);
    let open_metrics = render(scrape(), Format::OpenMetrics);

    let samples = |page: &str| -> Vec<String> {
        let samples = page.lines().filter(|line| !line.starts_with('#'));
        samples.map(str::to_owned).collect()
    };
    assert_eq!(samples(&classic), samples(&open_metrics));
    assert!(open_metrics.ends_with("\n# EOF\n"));
    assert!(open_metrics.contains("# TYPE kubezonnet_zone_traffic_bytes counter\n"));
    assert!(classic.contains("# TYPE kubezonnet_zone_traffic_bytes_total counter\n"));
}

#[test]
fn what_is_left_out_is_not_on_the_page_and_everything_else_is() {
    let whole = render(scrape(), Format::Classic);
    let mut scrape = scrape();
    scrape.disabled = vec![Group::Workloads, Group::Hosts];

    let page = render(scrape, Format::Classic);

    let left_out = |line: &&str| {
        line.contains("kubezonnet_workload_traffic") || line.contains("kubezonnet_host_traffic")
    };
    let expected: Vec<_> = whole.lines().filter(|line| !left_out(line)).collect();
    assert!(expected.len() < whole.lines().count());
    assert_eq!(page.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn workloads_are_told_apart_by_the_labels_that_are_asked_for_and_by_no_others() {
    let topology = cluster();
    for (number, team, app) in [
        (1, "payments", "web"),
        (2, "search", "web"),
        (3, "payments", "api"),
    ] {
        let name = |text: &str| Name::new(text).unwrap();
        let state = PodState {
            node: Some(node_name("n1")),
            workload: Some(Workload {
                kind: name("Deployment"),
                name: name("shared"),
            }),
            labels: [Some(name(team)), Some(name(app))].into(),
            addresses: vec![ip(&format!("10.67.1.10{number}"))],
            ..PodState::new(
                Namespace::new("shop").unwrap(),
                name(&format!("shared-{number}")),
                format!("shared-{number}"),
            )
        };
        topology.write().apply_pod(state, Timestamp(1));
    }
    let pipeline = pipeline(&topology);
    let report = Report::of("n1", 1)
        .record("10.67.1.101", "10.67.2.1", OUT, 100)
        .record("10.67.1.102", "10.67.2.1", OUT, 20)
        .record("10.67.1.103", "10.67.2.1", OUT, 3);
    pipeline
        .apply(&report.decoded(), Duration::ZERO, NOW)
        .unwrap();
    let kept = [KeptLabel::team("team"), KeptLabel::new("app", "app")];
    let kept = KeptLabels::new(kept.map(Result::unwrap)).unwrap();
    let series = |names: &[&str]| -> Vec<String> {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let columns = Columns::new(&names, &kept).unwrap();
        let scrape = Scrape::chosen(&[], &columns, &pipeline, &IngestCounts::default(), NOW);
        let page = render(scrape, Format::Classic);
        let lines = page.lines().filter_map(|line| {
            line.strip_prefix("kubezonnet_workload_traffic_bytes_total{")?
                .split_once("locality=\"cross_zone\"")
        });
        let mut series: Vec<String> = lines.map(|(_, rest)| rest.to_owned()).collect();
        series.sort_unstable();
        series
    };

    assert_eq!(series(&[]), ["} 123"]);
    assert_eq!(
        series(&["team"]),
        [
            ",src_team=\"payments\",dst_team=\"\"} 103",
            ",src_team=\"search\",dst_team=\"\"} 20",
        ]
    );
    assert_eq!(
        series(&["app", "team"]),
        [
            ",src_label_app=\"api\",dst_label_app=\"\",src_team=\"payments\",dst_team=\"\"} 3",
            ",src_label_app=\"web\",dst_label_app=\"\",src_team=\"payments\",dst_team=\"\"} 100",
            ",src_label_app=\"web\",dst_label_app=\"\",src_team=\"search\",dst_team=\"\"} 20",
        ]
    );
}

#[test]
fn promtool_finds_nothing_to_complain_about() {
    let mut child = Command::new(promtool())
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let page = render(scrape(), Format::Classic);
    child
        .stdin
        .take()
        .unwrap()
        .write_all(page.as_bytes())
        .unwrap();

    let output = child.wait_with_output().unwrap();

    let said = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    assert!(output.status.success(), "{said:?}");
    assert_eq!(said.concat(), "", "promtool complains");
}

#[test]
fn every_family_of_the_page_has_samples_in_this_test() {
    let page = render(scrape(), Format::Classic);

    for name in families().keys() {
        let sample = |line: &&str| {
            line.strip_prefix(name)
                .is_some_and(|rest| rest.starts_with([' ', '{', '_']))
        };
        assert!(
            page.lines().any(|line| sample(&line)),
            "{name} has no sample"
        );
    }
}

#[test]
fn names_and_help_keep_to_the_conventions() {
    for family in FAMILIES.iter().copied().flatten() {
        let counter = family.kind == Kind::Counter;
        assert_eq!(family.name.ends_with("_total"), counter, "{}", family.name);
        assert!(!family.help.contains(['\n', '"', '\\']), "{}", family.help);
        assert!(!family.help.contains("  "), "{}", family.help);
        assert!(!family.help.ends_with('.'), "{}", family.help);
    }
}

/// Every family of the page: name to kind and labels.
fn families() -> BTreeMap<String, [String; 2]> {
    let own = FAMILIES.iter().copied().flatten().map(|family| {
        let kind = family.kind.as_str().to_owned();
        (family.name.to_owned(), [kind, family.labels.join(", ")])
    });
    let process = kubezonnet_exposition::FAMILIES.iter().map(|family| {
        let kind = family.kind().as_str().to_owned();
        (family.name.to_owned(), [kind, String::new()])
    });
    own.chain(process).collect()
}

/// What docs/metrics.md lists: name to kind, labels, meaning.
fn documented() -> BTreeMap<String, [String; 3]> {
    let path = workspace().join("docs/metrics.md");
    let text = std::fs::read_to_string(&path).unwrap();
    // The first table of a section lists the families.
    let table = |heading: &str| {
        text.split("\n## ")
            .find(|section| section.starts_with(heading))
            .and_then(|section| section.split("\n### ").next())
            .unwrap_or_else(|| panic!("docs/metrics.md has no section {heading}"))
    };
    let tables = [table("Server\n"), table("Process\n")];
    let lines = tables.iter().flat_map(|table| table.lines());
    let rows = lines.filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [name, kind, labels, meaning] = cells[..] else {
            panic!("a row has four cells: {row}");
        };
        let plain = |cell: &str| cell.replace('`', "");
        (
            plain(name),
            [plain(kind), plain(labels), meaning.to_owned()],
        )
    })
    .collect()
}

#[test]
fn the_documentation_lists_every_family_and_no_other() {
    let documented = documented();

    let expected = families();
    let found: BTreeMap<_, _> = documented
        .iter()
        .map(|(name, [kind, labels, _])| (name.clone(), [kind.clone(), labels.clone()]))
        .collect();
    assert_eq!(
        found, expected,
        "docs/metrics.md on the left, the code on the right"
    );
    for (name, [.., meaning]) in documented {
        assert!(
            meaning.len() > 10,
            "{name} has no meaning in docs/metrics.md"
        );
    }
}

#[test]
fn the_page_says_that_the_books_balance() {
    let page = render(scrape(), Format::Classic);

    let sum = |family: &str| -> u64 {
        page.lines()
            .filter(|line| line.split(['{', ' ']).next() == Some(family))
            .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
            .sum()
    };
    for unit in ["bytes", "packets"] {
        let seen = sum(&format!("kubezonnet_seen_{unit}_total"));
        let booked = sum(&format!("kubezonnet_books_{unit}_total"));
        let pending = sum(&format!("kubezonnet_books_pending_{unit}"));
        assert!(pending > 0 && booked > pending);
        assert_eq!(seen, booked + pending, "{unit}");
    }
}
