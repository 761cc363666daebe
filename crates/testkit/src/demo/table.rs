//! A report as text: sections with the most important first, 80 columns wide at most. Pure.

use super::board::{Boundary, Report, Row, ZonePair};
use super::layout::{Section, fit};
use super::{TOP_PODS_QUERY, TOTAL_QUERY};

/// Pods and pairs of workloads that are shown where there is room.
const TOP: usize = 8;

/// Where to ask for more.
#[derive(Debug, Clone)]
pub(super) struct Places {
    /// The server itself, which shows a dashboard there.
    pub(super) server: String,
    pub(super) metrics: String,
    pub(super) flow_log: String,
}

impl Report {
    /// All of it, for where it can be scrolled.
    pub(super) fn text(&self) -> String {
        let lines = fit(self.sections(), usize::MAX - 1, usize::MAX);
        lines.join("\n") + "\n"
    }

    /// What a terminal of this size has room for. How to end the demo is always in it.
    pub(super) fn fitted(
        &self,
        places: Option<&Places>,
        height: usize,
        width: usize,
    ) -> Vec<String> {
        let mut sections = self.sections();
        let ask = places.map(|places| format!("  dashboard  {}/", places.server));
        let end = "  Ctrl-C ends the demo and removes all of it.".to_owned();
        sections.extend(places.map(Places::section));
        sections.push(Section::whole(ask.into_iter().chain([end]).collect(), 0));
        fit(sections, height, width)
    }

    fn sections(&self) -> Vec<Section> {
        let mut sections = vec![self.headline(), self.pods()];
        if let Some((cloud, currency)) = &self.prices {
            sections.push(self.payers(cloud, currency));
        }
        sections.push(self.zones());
        if !self.workloads.is_empty() {
            sections.push(self.workloads());
        }
        sections
    }

    /// How much, for how much, and by whom.
    fn headline(&self) -> Section {
        let seconds = self.elapsed.as_secs();
        let sends = self.pods.first().filter(|row| row.per_second > 0.0);
        // It takes two scrapes to know a rate.
        let Some(most) = sends else {
            let line = format!("  after {seconds} s: the first counts come in ...");
            return Section::whole(vec![line], 0);
        };
        let cost = self.prices.as_ref().map(|(_, currency)| {
            let cost = money(self.payers.iter().map(|row| row.per_second).sum::<f64>() * 3600.0);
            format!(", for {cost} {currency} an hour")
        });
        let all = rate(self.pods.iter().map(|row| row.per_second).sum());
        let (pod, now) = (
            format!("{}/{}", most.namespace, most.name),
            rate(most.per_second),
        );
        let lines = vec![
            format!(
                "  after {seconds} s: {all} leave their zone or region{}",
                cost.unwrap_or_default()
            ),
            format!("  {pod} sends most: {now}"),
        ];
        Section::whole(lines, 0)
    }

    fn pods(&self) -> Section {
        let line = |namespace: &str, pod: &str, now: &str, total: &str| {
            format!("  {namespace:<12} {pod:<30} {now:>14} {total:>14}")
        };
        let row = |row: &Row| {
            let (now, total) = (rate(row.per_second), amount(row.total));
            line(&row.namespace, &row.name, &now, &total)
        };
        let now = rate(self.pods.iter().map(|row| row.per_second).sum());
        let total = amount(self.pods.iter().map(|row| row.total).sum());
        Section {
            head: vec![line("namespace", "pod that sends", "now", "total")],
            rows: top(&self.pods, row),
            foot: vec![line("all", "", &now, &total)],
            rank: 1,
        }
    }

    fn payers(&self, cloud: &str, currency: &str) -> Section {
        let line = |namespace: &str, workload: &str, now: &str, total: &str| {
            format!("  {namespace:<12} {workload:<30} {now:>14} {total:>14}")
        };
        let row = |row: &Row| {
            let now = money(row.per_second * 3600.0);
            line(&row.namespace, &row.name, &now, &money(row.total))
        };
        let [an_hour, total] = ["an hour", "total"].map(|word| format!("{currency} {word}"));
        let who = format!("who pays (prices: {cloud})");
        Section {
            head: vec![line("namespace", &who, &an_hour, &total)],
            rows: top(&self.payers, row),
            foot: Vec::new(),
            rank: 2,
        }
    }

    fn zones(&self) -> Section {
        let line = |source: &str, destination: &str, boundary: &str, price: &str, total: &str| {
            format!("  {source:<12} {destination:<14} {boundary:<15} {price:>14} {total:>14}")
        };
        let row = |pair: &ZonePair| {
            let boundary = match pair.boundary {
                Boundary::None => "in the zone",
                Boundary::Zone => "across zones",
                Boundary::Region => "across regions",
            };
            let price = self
                .prices
                .as_ref()
                .map(|_| price(pair))
                .unwrap_or_default();
            let total = amount(pair.bytes);
            line(&pair.source, &pair.destination, boundary, &price, &total)
        };
        let price = self.prices.as_ref().map(|(_, currency)| currency);
        let price = price.map(|currency| format!("{currency} a GB"));
        let price = price.unwrap_or_default();
        Section {
            head: vec![line("from zone", "to zone", "", &price, "total")],
            rows: self.zones.iter().map(row).collect(),
            foot: Vec::new(),
            rank: 3,
        }
    }

    fn workloads(&self) -> Section {
        let row = |((source, destination), bytes): &((String, String), f64)| {
            let total = amount(*bytes);
            format!("  {source:<27} {destination:<30} {total:>14}")
        };
        Section {
            head: vec![format!(
                "  {:<27} {:<30} {:>14}",
                "from workload", "to workload", "total"
            )],
            rows: top(&self.workloads, row),
            foot: Vec::new(),
            rank: 5,
        }
    }
}

impl Places {
    /// What is not needed to see the table.
    fn section(&self) -> Section {
        let lines = [
            format!("  metrics  {}", self.metrics),
            format!("  flow log {}", self.flow_log),
            format!("  queries  {TOP_PODS_QUERY}"),
            format!("           {TOTAL_QUERY}"),
        ];
        Section::whole(lines.into(), 4)
    }
}

/// Rows for the first few, and how many there are beside them.
fn top<T>(all: &[T], row: impl Fn(&T) -> String) -> Vec<String> {
    let mut rows: Vec<String> = all.iter().take(TOP).map(row).collect();
    if all.len() > TOP {
        rows.push(format!("  and {} more", all.len() - TOP));
    }
    rows
}

/// What both sides pay for 10⁹ bytes, as their costs so far say.
fn price(pair: &ZonePair) -> String {
    match pair.boundary {
        Boundary::None => "free".to_owned(),
        // Nothing is paid across zones because nobody gave a price.
        Boundary::Zone | Boundary::Region if pair.cost <= 0.0 => "not listed".to_owned(),
        Boundary::Zone | Boundary::Region => format!("{:.3}", pair.cost / pair.bytes * 1e9),
    }
}

fn money(amount: f64) -> String {
    format!("{amount:.4}")
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
    use std::time::Duration;

    use super::*;

    fn row(name: &str, per_second: f64, total: f64) -> Row {
        Row {
            namespace: "shop".to_owned(),
            name: name.to_owned(),
            per_second,
            total,
        }
    }

    fn pair(source: &str, destination: &str, boundary: Boundary, cost: f64) -> ZonePair {
        ZonePair {
            source: source.to_owned(),
            destination: destination.to_owned(),
            boundary,
            bytes: 16e6,
            cost,
        }
    }

    fn report() -> Report {
        Report {
            pods: vec![row("postgres-0", 8e6, 16e6), row("orders", 2e3, 4e3)],
            payers: vec![row("StatefulSet/postgres", 0.000_08, 0.000_16)],
            zones: vec![
                pair("us-east-1b", "us-east-1a", Boundary::Zone, 0.000_32),
                pair("us-east-1b", "eu-west-1a", Boundary::Region, 0.0),
                pair("us-east-1a", "us-east-1a", Boundary::None, 0.0),
            ],
            workloads: vec![(
                (
                    "StatefulSet/postgres".to_owned(),
                    "Deployment/orders".to_owned(),
                ),
                16e6,
            )],
            prices: Some(("aws".to_owned(), "USD".to_owned())),
            elapsed: Duration::from_secs(2),
            comparisons: Vec::new(),
        }
    }

    fn places() -> Places {
        Places {
            server: "http://127.0.0.1:9779".to_owned(),
            metrics: "http://127.0.0.1:9779/metrics".to_owned(),
            flow_log: "/run/flows.jsonl".to_owned(),
        }
    }

    #[test]
    fn the_table_shows_pods_who_pays_what_zones_and_workloads() {
        let text = report().text();

        let expected = "  \
  after 2 s: 8.0 MB/s leave their zone or region, for 0.2880 USD an hour
  shop/postgres-0 sends most: 8.0 MB/s

  namespace    pod that sends                            now          total
  shop         postgres-0                           8.0 MB/s        16.0 MB
  shop         orders                               2.0 kB/s         4.0 kB
  all                                               8.0 MB/s        16.0 MB

  namespace    who pays (prices: aws)            USD an hour      USD total
  shop         StatefulSet/postgres                   0.2880         0.0002

  from zone    to zone                              USD a GB          total
  us-east-1b   us-east-1a     across zones             0.020        16.0 MB
  us-east-1b   eu-west-1a     across regions      not listed        16.0 MB
  us-east-1a   us-east-1a     in the zone               free        16.0 MB

  from workload               to workload                             total
  StatefulSet/postgres        Deployment/orders                     16.0 MB
";
        assert_eq!(text, expected);
    }

    #[test]
    fn without_prices_no_money_is_spoken_of() {
        let mut report = report();
        report.prices = None;

        let text = report.text();

        for word in ["USD", "pays", "free", "listed"] {
            assert!(!text.contains(word), "{word}: {text}");
        }
    }

    #[test]
    fn nobody_is_blamed_before_there_is_a_rate() {
        let mut report = report();
        report.pods = vec![row("orders", 0.0, 4e3)];

        let text = report.text();

        assert!(
            text.starts_with("  after 2 s: the first counts come in"),
            "{text}"
        );
        assert!(!text.contains("sends most"), "{text}");
    }

    #[test]
    fn a_small_terminal_still_has_who_sends_most_where_to_ask_and_how_to_end_it() {
        let mut report = report();
        let more = (0..40).map(|pod| row(&format!("web-{pod}"), 10.0, 100.0));
        report.pods.extend(more);

        for (height, width) in [(24, 80), (12, 80), (6, 72)] {
            let lines = report.fitted(Some(&places()), height, width);

            assert!(lines.len() <= height, "{lines:#?}");
            for word in [
                "for 0.",
                "postgres-0 sends most",
                "127.0.0.1",
                "Ctrl-C ends",
            ] {
                assert!(lines.iter().any(|line| line.contains(word)), "{lines:#?}");
            }
        }
    }

    #[test]
    fn the_usual_terminal_has_pods_payers_and_zones_and_a_large_one_all() {
        let text = |height, width| report().fitted(Some(&places()), height, width).join("\n");
        let (usual, large) = (text(24, 80), text(50, 160));

        for section in ["pod that sends", "who pays", "from zone"] {
            assert!(usual.contains(section), "{usual}");
        }
        for section in ["from workload", "queries", "flow log"] {
            assert!(large.contains(section), "{large}");
        }
        assert!(!large.contains("more"), "{large}");
    }
}
