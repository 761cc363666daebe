//! What each query of the dashboard has to answer.

use kubezonnet_tests::prometheus::Sample;

/// How far two rates may be apart: what a page says of bytes and of money is not of the same instant, and
/// a window is a tenth of the time that is looked at.
const TOLERANCE: f64 = 0.3;

/// What holds for an answer.
pub(crate) enum Expected {
    /// The largest value has these labels, and is not zero.
    Largest(&'static [(&'static str, &'static str)]),
    /// So many series.
    Count(usize),
    /// Every value is that.
    Each(f64),
    /// Every value is between these.
    Between(f64, f64),
    /// The values sum to that of another query, times this. `$month` in it is when the month began.
    SumIs(&'static str, f64),
}

use Expected::{Between, Count, Each, Largest, SumIs};

impl Expected {
    pub(crate) fn hold(&self, samples: &[Sample], ask: impl Fn(&str) -> Vec<Sample>, title: &str) {
        assert!(!samples.is_empty(), "{title}: there is no answer");
        match self {
            Largest(labels) => {
                let largest = samples
                    .iter()
                    .max_by(|a, b| a.value.total_cmp(&b.value))
                    .unwrap();
                assert!(largest.value > 0.0, "{title}: {largest:?}");
                for (name, value) in *labels {
                    assert_eq!(largest.label(name), *value, "{title}: {samples:?}");
                }
            }
            Count(count) => assert_eq!(samples.len(), *count, "{title}: {samples:?}"),
            Each(value) => {
                let is_it = |sample: &Sample| (sample.value - value).abs() < f64::EPSILON;
                assert!(samples.iter().all(is_it), "{title}: {samples:?}");
            }
            Between(least, most) => {
                let is_there = |sample: &Sample| (*least..=*most).contains(&sample.value);
                assert!(samples.iter().all(is_there), "{title}: {samples:?}");
            }
            SumIs(query, factor) => {
                let sum: f64 = samples.iter().map(|sample| sample.value).sum();
                let other: f64 = ask(query).iter().map(|sample| sample.value).sum();
                let other = other * factor;
                assert!(other > 0.0, "{title}: {query} is nothing");
                let apart = (sum - other).abs() / other;
                assert!(
                    apart < TOLERANCE,
                    "{title}: {sum} is not {other}, {query}: {samples:?}"
                );
            }
        }
    }
}

/// The shares of bytes by what they crossed.
const ALL_BYTES: &str = "sum(rate(kubezonnet_books_bytes_total{disposition=~\"same_.*|cross_.*|internet|unknown\"}[10s]))";

/// From the zone of the database to that of who asks it: almost all there is.
const PAIR: &[(&str, &str)] = &[("src_zone", "zone-b"), ("dst_zone", "zone-a")];

/// Title of the panel, letter of the query, and what holds for the answer.
pub(crate) const EXPECTED: &[(&str, &str, &[Expected])] = &[
    (
        "Cost per day, now",
        "A",
        &[
            Largest(&[("currency", "USD")]),
            SumIs("sum(rate(kubezonnet_zone_cost_total[10s]))", 86_400.0),
        ],
    ),
    // Costs since the server began, less those that it had when the month did.
    (
        "Spent this month",
        "A",
        &[
            Count(1),
            SumIs(
                "sum(kubezonnet_cost_total) - (sum(kubezonnet_cost_total @ $month) or vector(0))",
                1.0,
            ),
        ],
    ),
    (
        "At the end of the month",
        "A",
        &[
            Count(1),
            SumIs(
                "sum(kubezonnet_budget_spent_total{kind=\"cluster\"}) + sum(rate(kubezonnet_budget_spent_total{kind=\"cluster\"}[1d])) \
                 * (sum(kubezonnet_budget_month_end_timestamp_seconds) - time())",
                1.0,
            ),
        ],
    ),
    ("Prices are old", "A", &[Count(1), Each(1.0)]),
    (
        "Cost per day, by what was crossed",
        "A",
        &[
            Count(2),
            Largest(&[("locality", "cross_zone")]),
            SumIs("sum(rate(kubezonnet_zone_cost_total[10s]))", 86_400.0),
        ],
    ),
    ("Budgets", "A", &[Count(2), Between(1e-6, 1e6)]),
    (
        "Budgets",
        "B",
        &[
            Count(2),
            Largest(&[("kind", "cluster")]),
            SumIs("sum(kubezonnet_budget_limit)", 1.0),
        ],
    ),
    (
        "Budgets",
        "C",
        &[
            Count(2),
            Largest(&[("kind", "namespace"), ("name", "shop")]),
        ],
    ),
    (
        "Who pays most",
        "A",
        &[
            Largest(&[
                ("namespace", "shop"),
                ("kind", "StatefulSet"),
                ("workload", "database"),
                ("zone", "zone-b"),
            ]),
            SumIs("sum(increase(kubezonnet_zone_cost_total[10s]))", 1.0),
        ],
    ),
    // A thousand for a GB.
    (
        "Cost from zone to zone",
        "A",
        &[
            Largest(PAIR),
            SumIs(
                "sum(increase(kubezonnet_books_bytes_total{disposition=\"cross_zone\"}[10s])) * 1e-6 + \
                 sum(increase(kubezonnet_books_bytes_total{disposition=\"cross_region\"}[10s])) * 2e-6",
                1.0,
            ),
        ],
    ),
    (
        "Bytes per second, by what they crossed",
        "A",
        &[
            Count(5),
            Largest(&[("locality", "cross_zone")]),
            SumIs(ALL_BYTES, 1.0),
        ],
    ),
    (
        "Bytes from zone to zone",
        "A",
        &[
            Largest(PAIR),
            SumIs(
                "sum(increase(kubezonnet_region_traffic_bytes_total[10s]))",
                1.0,
            ),
        ],
    ),
    (
        "Pairs that send most out of their zone",
        "A",
        &[
            Count(4),
            Largest(&[
                ("src_workload", "database"),
                ("dst_workload", "client"),
                ("src_zone", "zone-b"),
            ]),
            SumIs(
                "sum(increase(kubezonnet_books_bytes_total{disposition=~\"cross_zone|cross_region\"}[10s]))",
                1.0,
            ),
        ],
    ),
    (
        "Sent out of the zone, by workload",
        "A",
        &[
            Count(3),
            Largest(&[("src_namespace", "shop"), ("src_workload", "database")]),
            SumIs(
                "sum(rate(pod_cross_zone_network_traffic_bytes_total[10s]))",
                1.0,
            ),
        ],
    ),
    (
        "Received from other zones, by workload",
        "A",
        &[
            Count(3),
            Largest(&[("dst_namespace", "shop"), ("dst_workload", "client")]),
            SumIs(
                "sum(rate(pod_cross_zone_network_traffic_bytes_total[10s]))",
                1.0,
            ),
        ],
    ),
    (
        "Share of unknown bytes",
        "A",
        &[
            Count(1),
            SumIs(
                "sum(rate(kubezonnet_unknown_bytes_total[10s])) / sum(rate(kubezonnet_workload_traffic_bytes_total[10s]))",
                1.0,
            ),
        ],
    ),
    (
        "Unknown bytes per second, by reason",
        "A",
        &[
            Largest(&[("reason", "missing_zone")]),
            SumIs(
                "sum(rate(kubezonnet_books_bytes_total{disposition=\"unknown\"}[10s]))",
                1.0,
            ),
        ],
    ),
    (
        "Bytes per second without a price, by reason",
        "A",
        &[
            Largest(&[("reason", "unknown_place")]),
            SumIs("sum(rate(kubezonnet_unknown_bytes_total[10s]))", 1.0),
        ],
    ),
    ("Nodes that report", "A", &[Count(1), Each(5.0)]),
    ("Nodes that report", "B", &[Count(1), Each(5.0)]),
    ("Nodes", "A", &[Count(5), Each(1.0)]),
    ("Nodes", "B", &[Count(5), Between(0.0, 60.0)]),
    ("Nodes", "C", &[Count(5), Each(0.0)]),
    ("Nodes", "D", &[Count(5), Between(-60.0, 60.0)]),
    ("Coarsened bytes per second", "A", &[Count(10), Each(0.0)]),
    ("Lost bytes per second", "A", &[Each(0.0)]),
    (
        "Oldest byte that waits",
        "A",
        &[Count(5), Between(0.0, 60.0)],
    ),
    (
        "How full the flow maps were",
        "A",
        &[Count(10), Between(0.0, 1.0)],
    ),
    ("What broke off or never came", "A", &[Count(1), Each(0.0)]),
    ("What broke off or never came", "B", &[Count(1), Each(0.0)]),
    ("Refused per second, by reason", "A", &[Each(0.0)]),
    (
        "Batches per second",
        "A",
        &[
            Largest(&[("outcome", "applied")]),
            SumIs(
                "sum(rate(kubezonnet_agent_windows_total{result=\"acknowledged\"}[10s]))",
                1.0,
            ),
        ],
    ),
    (
        "Time to write to disk (99th of a hundred)",
        "A",
        &[Count(1), Between(1e-6, 60.0)],
    ),
    ("Disk", "A", &[Count(1), Between(1.0, f64::MAX)]),
    ("Disk", "B", &[Count(1), Between(1.0, f64::MAX)]),
    ("Disk", "C", &[Count(1), Between(1.0, f64::MAX)]),
    ("History", "A", &[Count(1), Each(1.0)]),
    (
        "Oldest that waits for the history",
        "A",
        &[Count(1), Between(0.0, 60.0)],
    ),
    ("What the history lacks", "A", &[Count(1), Each(0.0)]),
    ("What the history lacks", "B", &[Count(1), Each(0.0)]),
];
