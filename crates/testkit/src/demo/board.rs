//! Who sends how much across zones: from scrapes to a table. No clock and no output in here.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::CROSS_ZONE_BYTES;
use super::stage::Comparison;
use crate::Scrape;

/// The counter of bytes by zone and zone.
const ZONE_BYTES: &str = "kubezonnet_zone_traffic_bytes_total";

/// The counter of bytes by workload and workload.
const WORKLOAD_BYTES: &str = "kubezonnet_workload_traffic_bytes_total";

/// Rates are over this long: several windows, so that they do not flicker.
const RATE_WINDOW: Duration = Duration::from_secs(10);

/// Pods that are shown.
const TOP: usize = 8;

/// The last scrapes.
#[derive(Debug, Default)]
pub(super) struct Board {
    history: VecDeque<Snapshot>,
}

#[derive(Debug)]
struct Snapshot {
    at: Instant,
    /// Bytes sent across zones, by namespace and pod.
    pods: BTreeMap<(String, String), f64>,
    /// Bytes by source and destination zone.
    zones: BTreeMap<(String, String), f64>,
    /// Bytes that left their zone, by source and destination workload.
    workloads: BTreeMap<(String, String), f64>,
}

/// One pod of the table.
#[derive(Debug, PartialEq)]
pub(super) struct Row {
    pub(super) namespace: String,
    pub(super) pod: String,
    pub(super) bytes_per_second: f64,
    pub(super) bytes: f64,
}

/// The end of it.
#[derive(Debug)]
pub(super) struct Report {
    rows: Vec<Row>,
    zones: BTreeMap<(String, String), f64>,
    workloads: BTreeMap<(String, String), f64>,
    elapsed: Duration,
    pub(super) comparisons: Vec<Comparison>,
}

impl Board {
    /// Adds what a scrape said just now.
    pub(super) fn add(&mut self, scrape: &Scrape) {
        self.add_at(scrape, Instant::now());
    }

    fn add_at(&mut self, scrape: &Scrape, at: Instant) {
        let by = |name, labels: [&str; 2]| {
            let mut sums = BTreeMap::new();
            for sample in scrape.samples(name, &[]) {
                let [first, second] = labels.map(|label| sample.label(label).to_owned());
                *sums.entry((first, second)).or_insert(0.0) += sample.value;
            }
            sums
        };
        let pods = by(CROSS_ZONE_BYTES, ["namespace", "pod"]);
        let zones = by(ZONE_BYTES, ["src_zone", "dst_zone"]);
        let workloads = workloads(scrape);
        self.history.push_back(Snapshot {
            at,
            pods,
            zones,
            workloads,
        });
        while self.history.len() > 2 && at - self.history[1].at >= RATE_WINDOW {
            self.history.pop_front();
        }
    }

    /// All pods that have sent across zones, those that send most now on top.
    pub(super) fn rows(&self) -> Vec<Row> {
        let (Some(first), Some(last)) = (self.history.front(), self.history.back()) else {
            return Vec::new();
        };
        let seconds = (last.at - first.at).as_secs_f64();
        let row = |((namespace, pod), bytes): (&(String, String), &f64)| {
            let before = first.pods.get(&(namespace.clone(), pod.clone())).copied();
            let grown = bytes - before.unwrap_or(0.0);
            let bytes_per_second = if seconds > 0.0 { grown / seconds } else { 0.0 };
            Row {
                namespace: namespace.clone(),
                pod: pod.clone(),
                bytes_per_second,
                bytes: *bytes,
            }
        };
        let senders = last.pods.iter().filter(|(_, bytes)| **bytes > 0.0);
        let mut rows: Vec<Row> = senders.map(row).collect();
        rows.sort_by(|a, b| {
            let now = b.bytes_per_second.total_cmp(&a.bytes_per_second);
            now.then(b.bytes.total_cmp(&a.bytes))
        });
        rows
    }

    /// The table, 72 columns wide at most.
    pub(super) fn table(&self, elapsed: Duration) -> String {
        Report::new(self, elapsed).table()
    }
}

impl Report {
    /// What the board shows at the end.
    pub(super) fn new(board: &Board, elapsed: Duration) -> Self {
        let last = board.history.back();
        let (zones, workloads) = last
            .map(|last| (last.zones.clone(), last.workloads.clone()))
            .unwrap_or_default();
        Self {
            rows: board.rows(),
            zones,
            workloads,
            elapsed,
            comparisons: Vec::new(),
        }
    }

    /// For people.
    pub(super) fn table(&self) -> String {
        table(&self.rows, &self.zones, self.elapsed) + &between(&self.workloads)
    }

    /// For programs.
    pub(super) fn json(&self) -> Value {
        let pod = |row: &Row| {
            json!({
                "namespace": row.namespace,
                "pod": row.pod,
                "cross_zone_bytes_per_second": row.bytes_per_second,
                "cross_zone_bytes": whole(row.bytes),
            })
        };
        let zone = |((source, destination), bytes): (&(String, String), &f64)| json!({ "source": source, "destination": destination, "bytes": whole(*bytes) });
        let workload = |((source, destination), bytes): (&(String, String), &f64)| json!({ "source": source, "destination": destination, "bytes": whole(*bytes) });
        json!({
            "seconds": self.elapsed.as_secs_f64(),
            "pods": self.rows.iter().map(pod).collect::<Vec<_>>(),
            "zones": self.zones.iter().map(zone).collect::<Vec<_>>(),
            "workloads": self.workloads.iter().map(workload).collect::<Vec<_>>(),
            "comparisons": self.comparisons.iter().map(|comparison| json!({
                "what": comparison.what,
                "link_bytes": comparison.link_bytes,
                "counted_bytes": whole(comparison.counted_bytes),
            })).collect::<Vec<_>>(),
        })
    }
}

fn table(rows: &[Row], zones: &BTreeMap<(String, String), f64>, elapsed: Duration) -> String {
    let mut text = String::new();
    let mut line = |arguments: std::fmt::Arguments<'_>| {
        writeln!(text, "{arguments}").expect("writing to a string never fails");
    };
    line(format_args!(
        "  sent across zones, after {} s",
        elapsed.as_secs()
    ));
    line(format_args!(
        "  {:<12} {:<22} {:>14} {:>14}",
        "namespace", "pod", "now", "total"
    ));
    for row in rows.iter().take(TOP) {
        let (now, total) = (rate(row.bytes_per_second), amount(row.bytes));
        line(format_args!(
            "  {:<12} {:<22} {now:>14} {total:>14}",
            row.namespace, row.pod
        ));
    }
    if rows.len() > TOP {
        line(format_args!("  and {} more", rows.len() - TOP));
    }
    let now = rate(rows.iter().map(|row| row.bytes_per_second).sum());
    let total = amount(rows.iter().map(|row| row.bytes).sum());
    line(format_args!(
        "  {:<12} {:<22} {now:>14} {total:>14}",
        "all", ""
    ));
    line(format_args!(""));
    for ((source, destination), bytes) in zones {
        let (source, destination) = (or_none(source), or_none(destination));
        let kind = if source == destination {
            "in the zone"
        } else {
            "across zones"
        };
        let total = amount(*bytes);
        line(format_args!(
            "  {source:<12} -> {destination:<19} {kind:>14} {total:>14}"
        ));
    }
    text
}

/// Bytes that left their zone, by the workloads at both ends.
fn workloads(scrape: &Scrape) -> BTreeMap<(String, String), f64> {
    let mut sums = BTreeMap::new();
    for sample in scrape.samples(WORKLOAD_BYTES, &[]) {
        if !["cross_zone", "cross_region"].contains(&sample.label("locality")) {
            continue;
        }
        let end = |[kind, workload]: [&str; 2]| {
            format!("{}/{}", sample.label(kind), sample.label(workload))
        };
        let ends = (
            end(["src_kind", "src_workload"]),
            end(["dst_kind", "dst_workload"]),
        );
        *sums.entry(ends).or_insert(0.0) += sample.value;
    }
    sums
}

/// The workloads between which most left its zone.
fn between(workloads: &BTreeMap<(String, String), f64>) -> String {
    let mut pairs: Vec<_> = workloads.iter().collect();
    pairs.sort_by(|one, other| other.1.total_cmp(one.1));
    let mut text = String::new();
    for ((source, destination), bytes) in pairs.into_iter().take(TOP) {
        let total = amount(*bytes);
        writeln!(text, "  {source:<26} -> {destination:<26} {total:>12}")
            .expect("writing to a string never fails");
    }
    if text.is_empty() {
        return text;
    }
    format!("\n{text}")
}

fn or_none(zone: &str) -> &str {
    if zone.is_empty() { "(none)" } else { zone }
}

/// Bytes as the whole number they are; metrics have them as floating point.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counted from zero by a demo of minutes, far below 2^53"
)]
fn whole(bytes: f64) -> u64 {
    bytes as u64
}

fn rate(bytes_per_second: f64) -> String {
    format!("{}/s", amount(bytes_per_second))
}

/// Bytes in powers of ten, as the README's queries have them.
fn amount(bytes: f64) -> String {
    let units = [(1e9, "GB"), (1e6, "MB"), (1e3, "kB")];
    match units.into_iter().find(|(size, _)| bytes >= *size) {
        Some((size, unit)) => format!("{:.1} {unit}", bytes / size),
        None => format!("{bytes:.0} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(postgres: u64, orders: u64) -> Scrape {
        let page = format!(
            "{CROSS_ZONE_BYTES}{{namespace=\"shop\",pod=\"orders\"}} {orders}\n\
             {CROSS_ZONE_BYTES}{{namespace=\"shop\",pod=\"postgres-0\"}} {postgres}\n\
             {ZONE_BYTES}{{src_zone=\"zone-b\",dst_zone=\"zone-a\"}} {postgres}\n\
             {ZONE_BYTES}{{src_zone=\"zone-a\",dst_zone=\"zone-a\"}} 77\n"
        );
        Scrape::parse(&page).unwrap()
    }

    #[test]
    fn the_pod_that_sends_most_now_is_on_top_even_if_another_has_sent_more() {
        let (mut board, begun) = (Board::default(), Instant::now());
        board.add_at(&page(0, 50_000_000), begun);
        board.add_at(
            &page(16_000_000, 50_004_000),
            begun + Duration::from_secs(2),
        );

        let rows = board.rows();

        assert_eq!(rows[0].pod, "postgres-0");
        assert_eq!(
            (rate(rows[0].bytes_per_second), amount(rows[0].bytes)),
            ("8.0 MB/s".into(), "16.0 MB".into())
        );
        assert_eq!(
            (rate(rows[1].bytes_per_second), amount(rows[1].bytes)),
            ("2.0 kB/s".into(), "50.0 MB".into())
        );
    }

    #[test]
    fn rates_forget_what_is_longer_ago_than_their_window() {
        let (mut board, begun) = (Board::default(), Instant::now());
        for second in 0..60 {
            let bytes = if second < 30 { second * 1_000 } else { 30_000 };
            board.add_at(&page(bytes, 0), begun + Duration::from_secs(second));
        }

        assert_eq!(rate(board.rows()[0].bytes_per_second), "0 B/s");
        assert!(
            board.history.len() <= 12,
            "{} scrapes are kept",
            board.history.len()
        );
    }

    #[test]
    fn programs_are_told_bytes_as_whole_numbers() {
        let (mut board, begun) = (Board::default(), Instant::now());
        board.add_at(&page(16_000_000, 0), begun);
        let mut report = Report::new(&board, Duration::from_secs(2));
        report.comparisons = vec![Comparison {
            what: "sent",
            link_bytes: 7,
            counted_bytes: 7.0,
        }];

        let json = report.json();

        assert_eq!(json["pods"][0]["cross_zone_bytes"], json!(16_000_000));
        assert_eq!(json["zones"][0]["bytes"], json!(77));
        assert_eq!(json["comparisons"][0]["counted_bytes"], json!(7));
    }

    #[test]
    fn the_table_shows_pods_sums_and_zones() {
        let (mut board, begun) = (Board::default(), Instant::now());
        board.add_at(&page(0, 0), begun);
        assert_eq!(board.rows(), [], "a pod that has sent nothing is shown");
        board.add_at(&page(16_000_000, 4_000), begun + Duration::from_secs(2));

        let table = board.table(Duration::from_secs(2));

        let expected = "  \
  sent across zones, after 2 s
  namespace    pod                               now          total
  shop         postgres-0                   8.0 MB/s        16.0 MB
  shop         orders                       2.0 kB/s         4.0 kB
  all                                       8.0 MB/s        16.0 MB

  zone-a       -> zone-a                 in the zone           77 B
  zone-b       -> zone-a                across zones        16.0 MB
";
        assert_eq!(table, expected);
    }
}
