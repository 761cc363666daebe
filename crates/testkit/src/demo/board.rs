//! Who sends how much across zones, and who pays for it: from scrapes to a report. No clock and no
//! output in here.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::CROSS_ZONE_BYTES;
use super::stage::Comparison;
use crate::Scrape;

/// The counter of bytes by zone and zone.
const ZONE_BYTES: &str = "kubezonnet_zone_traffic_bytes_total";

/// The counter of what both sides pay, by zone and zone.
const ZONE_COST: &str = "kubezonnet_zone_cost_total";

/// The counter of bytes by workload and workload.
const WORKLOAD_BYTES: &str = "kubezonnet_workload_traffic_bytes_total";

/// The counter of what a workload pays for its own side.
const COST: &str = "kubezonnet_cost_total";

/// The prices in force.
const PRICES: &str = "kubezonnet_prices_info";

/// The localities of what has left its zone.
const FAR: [&str; 2] = ["cross_zone", "cross_region"];

/// Rates are over this long: several windows, so that they do not flicker.
const RATE_WINDOW: Duration = Duration::from_secs(10);

/// The last scrapes.
#[derive(Debug, Default)]
pub(super) struct Board {
    history: VecDeque<Snapshot>,
}

/// Sums by two names.
type Sums = BTreeMap<(String, String), f64>;

#[derive(Debug)]
struct Snapshot {
    at: Instant,
    /// Bytes sent across zones, by namespace and pod.
    pods: Sums,
    /// Money paid, by namespace, and kind and name of the workload.
    costs: Sums,
    /// Bytes by source and destination zone.
    zones: Sums,
    /// Money of both sides, by source and destination zone.
    zone_costs: Sums,
    /// Source and destination zones in two regions, as the books have them.
    regional: Sums,
    /// Bytes that left their zone, by source and destination workload.
    workloads: Sums,
    /// Whose prices hold, and in what.
    prices: Option<(String, String)>,
}

/// What somebody has had in all, and now in every second.
#[derive(Debug, PartialEq)]
pub(super) struct Row {
    pub(super) namespace: String,
    /// The pod, or kind and name of the workload.
    pub(super) name: String,
    pub(super) per_second: f64,
    pub(super) total: f64,
}

/// What went from one zone to another, or within one.
#[derive(Debug, PartialEq)]
pub(super) struct ZonePair {
    pub(super) source: String,
    pub(super) destination: String,
    pub(super) boundary: Boundary,
    pub(super) bytes: f64,
    /// What both sides have paid.
    pub(super) cost: f64,
}

/// What lies between two zones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Boundary {
    None,
    Zone,
    Region,
}

/// What is known at one moment.
#[derive(Debug)]
pub(super) struct Report {
    /// Pods that have sent across zones or regions, in bytes; those that send most now first.
    pub(super) pods: Vec<Row>,
    /// Workloads that have paid; those that pay most now first.
    pub(super) payers: Vec<Row>,
    /// Zones; those with most bytes between them first, then those within.
    pub(super) zones: Vec<ZonePair>,
    /// Bytes between two workloads, the most first.
    pub(super) workloads: Vec<((String, String), f64)>,
    /// Whose prices hold, and in what.
    pub(super) prices: Option<(String, String)>,
    pub(super) elapsed: Duration,
    pub(super) comparisons: Vec<Comparison>,
}

impl Board {
    /// Adds what a scrape said just now.
    pub(super) fn add(&mut self, scrape: &Scrape) {
        self.add_at(scrape, Instant::now());
    }

    pub(super) fn add_at(&mut self, scrape: &Scrape, at: Instant) {
        self.history.push_back(Snapshot::new(scrape, at));
        while self.history.len() > 2 && at - self.history[1].at >= RATE_WINDOW {
            self.history.pop_front();
        }
    }

    /// What is known after this long.
    pub(super) fn report(&self, elapsed: Duration) -> Report {
        let mut report = Report {
            pods: Vec::new(),
            payers: Vec::new(),
            zones: Vec::new(),
            workloads: Vec::new(),
            prices: None,
            elapsed,
            comparisons: Vec::new(),
        };
        let (Some(first), Some(last)) = (self.history.front(), self.history.back()) else {
            return report;
        };
        let time = last.at - first.at;
        report.pods = rows(&first.pods, &last.pods, time);
        report.payers = rows(&first.costs, &last.costs, time);
        report.zones = last.zone_pairs();
        report.workloads = last.workloads.clone().into_iter().collect();
        report.workloads.sort_by(|a, b| b.1.total_cmp(&a.1));
        report.prices.clone_from(&last.prices);
        report
    }
}

impl Snapshot {
    fn new(scrape: &Scrape, at: Instant) -> Self {
        let by = |name, labels: [&str; 2]| {
            let mut sums = Sums::new();
            for sample in scrape.samples(name, &[]) {
                let [first, second] = labels.map(|label| sample.label(label).to_owned());
                *sums.entry((first, second)).or_insert(0.0) += sample.value;
            }
            sums
        };
        let (mut regional, mut workloads, mut costs) = (Sums::new(), Sums::new(), Sums::new());
        for sample in scrape.samples(WORKLOAD_BYTES, &[]) {
            let names = |labels: [&str; 2]| labels.map(|label| sample.label(label)).join("/");
            let locality = sample.label("locality");
            if FAR.contains(&locality) {
                let source = names(["src_kind", "src_workload"]);
                let destination = names(["dst_kind", "dst_workload"]);
                *workloads.entry((source, destination)).or_insert(0.0) += sample.value;
            }
            if locality == "cross_region" {
                let zones = ["src_zone", "dst_zone"].map(|label| sample.label(label).to_owned());
                *regional.entry(zones.into()).or_insert(0.0) += sample.value;
            }
        }
        for sample in scrape.samples(COST, &[]) {
            let [namespace, kind, workload] =
                ["namespace", "kind", "workload"].map(|label| sample.label(label));
            let payer = (namespace.to_owned(), format!("{kind}/{workload}"));
            *costs.entry(payer).or_insert(0.0) += sample.value;
        }
        let mut prices = scrape.samples(PRICES, &[]);
        let prices = prices.next().map(|sample| {
            let label = |name| sample.label(name).to_owned();
            (label("cloud"), label("currency"))
        });
        Self {
            at,
            pods: by(CROSS_ZONE_BYTES, ["namespace", "pod"]),
            costs,
            zones: by(ZONE_BYTES, ["src_zone", "dst_zone"]),
            zone_costs: by(ZONE_COST, ["src_zone", "dst_zone"]),
            regional,
            workloads,
            prices,
        }
    }

    fn zone_pairs(&self) -> Vec<ZonePair> {
        let pair = |(zones, bytes): (&(String, String), &f64)| ZonePair {
            source: zones.0.clone(),
            destination: zones.1.clone(),
            boundary: match zones {
                (source, destination) if source == destination => Boundary::None,
                zones if self.regional.contains_key(zones) => Boundary::Region,
                _ => Boundary::Zone,
            },
            bytes: *bytes,
            cost: self.zone_costs.get(zones).copied().unwrap_or(0.0),
        };
        let mut pairs: Vec<_> = self.zones.iter().map(pair).collect();
        pairs.sort_by(|a, b| {
            let is_near = |pair: &ZonePair| pair.boundary == Boundary::None;
            let far_first = is_near(a).cmp(&is_near(b));
            far_first.then(b.bytes.total_cmp(&a.bytes))
        });
        pairs
    }
}

/// All that have something, those that have most now on top.
fn rows(first: &Sums, last: &Sums, time: Duration) -> Vec<Row> {
    let seconds = time.as_secs_f64();
    let row = |(key, total): (&(String, String), &f64)| {
        let grown = total - first.get(key).copied().unwrap_or(0.0);
        Row {
            namespace: key.0.clone(),
            name: key.1.clone(),
            per_second: if seconds > 0.0 { grown / seconds } else { 0.0 },
            total: *total,
        }
    };
    let present = last.iter().filter(|(_, total)| **total > 0.0);
    let mut rows: Vec<Row> = present.map(row).collect();
    rows.sort_by(|a, b| {
        let now = b.per_second.total_cmp(&a.per_second);
        now.then(b.total.total_cmp(&a.total))
    });
    rows
}

impl Boundary {
    /// For programs: as the books have it.
    fn as_str(self) -> &'static str {
        match self {
            Self::None => "same_zone",
            Self::Zone => "cross_zone",
            Self::Region => "cross_region",
        }
    }
}

impl Report {
    /// For programs.
    pub(super) fn json(&self) -> Value {
        let pod = |row: &Row| {
            json!({
                "namespace": row.namespace,
                "pod": row.name,
                "cross_zone_bytes_per_second": row.per_second,
                "cross_zone_bytes": whole(row.total),
            })
        };
        let payer = |row: &Row| {
            json!({
                "namespace": row.namespace,
                "workload": row.name,
                "cost_per_hour": row.per_second * 3600.0,
                "cost": row.total,
            })
        };
        let zone = |pair: &ZonePair| {
            json!({
                "source": pair.source,
                "destination": pair.destination,
                "locality": pair.boundary.as_str(),
                "bytes": whole(pair.bytes),
                "cost": pair.cost,
            })
        };
        let workload = |((source, destination), bytes): &((String, String), f64)| json!({ "source": source, "destination": destination, "bytes": whole(*bytes) });
        json!({
            "seconds": self.elapsed.as_secs_f64(),
            "currency": self.prices.as_ref().map(|(_, currency)| currency),
            "pods": self.pods.iter().map(pod).collect::<Vec<_>>(),
            "payers": self.payers.iter().map(payer).collect::<Vec<_>>(),
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

/// Bytes as the whole number they are; metrics have them as floating point.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counted from zero by a demo of minutes, far below 2^53"
)]
fn whole(bytes: f64) -> u64 {
    bytes as u64
}

#[cfg(test)]
mod tests;
