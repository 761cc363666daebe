//! What the server tells of itself, and how much it could not tell apart.

use std::time::Duration;

use kubezonnet_api::{Gap, Health, LocalityName, Summary, Version};

use super::kubernetes::Seen;
use super::{Finding, names};
use crate::command::version::OWN;
use crate::text;

/// Heard nothing for this long, what the server knows of the cluster is old: watches bring bookmarks
/// every minute or so.
const STALE_SECONDS: f64 = 600.0;

/// History is written minute by minute; this much behind is more than a slow disk.
const BEHIND_SECONDS: f64 = 300.0;

/// A thousandth part: less unknown than this is the usual coming and going of pods.
const UNKNOWN_PER_MILLE: u128 = 10;

pub(super) fn version(version: &Version, place: &str) -> Finding {
    let found = format!("answers, version {} ({place})", version.version);
    let minor = |version: &str| version.rsplit_once('.').map(|(minor, _)| minor.to_owned());
    if minor(&version.version) == minor(OWN) {
        return Finding::good("server", found);
    }
    Finding::look("server", format!("{found}; this program is {OWN}"))
        .advise("use a kubectl-zonnet of the server's version")
}

pub(super) fn look(health: &Health, seen: &Seen) -> Vec<Finding> {
    let mut findings = vec![match &health.not_ready {
        _ if health.ready => Finding::good("windows", "are taken"),
        why => {
            let why = why.as_deref().unwrap_or("it does not say why");
            Finding::problem("windows", format!("are not taken: {why}"))
                .advise("the agents keep what they count and wait; the server's log says more")
        }
    }];
    findings.push(topology(health));
    findings.extend(zones(health, seen));
    findings.push(store(health));
    findings.push(history(health));
    findings.extend(lacking(health));
    findings.extend(lost(health));
    findings.push(prices(health));
    findings.extend(budgets(health));
    findings
}

fn topology(health: &Health) -> Finding {
    let topology = &health.topology;
    let known = format!(
        "{} and {} are known, from {}",
        many(topology.nodes, "node"),
        many(topology.pods, "pod"),
        topology.source
    );
    match topology.age_seconds {
        None => Finding::problem("cluster", "the server has heard nothing of the cluster yet")
            .advise("look at the server's log: it may not be allowed to list nodes and pods"),
        Some(age) if age > STALE_SECONDS && topology.source == "kubernetes" => {
            let age = text::span(whole(age));
            Finding::look("cluster", format!("{known}; last heard of {age} ago")).advise(
                "new pods are unknown until the server reaches Kubernetes again: see its log",
            )
        }
        Some(_) if topology.nodes == 0 => Finding::problem("cluster", "the server knows no node")
            .advise("check the server's rights to list nodes, or its --topology-file"),
        Some(_) => Finding::good("cluster", known),
    }
}

fn many(number: u64, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}

fn zones(health: &Health, seen: &Seen) -> Option<Finding> {
    let topology = &health.topology;
    if topology.nodes == 0 {
        return None;
    }
    Some(match topology.nodes_without_zone {
        0 => Finding::good("zones", "every node has one"),
        without => {
            let which = match names(&seen.without_zone) {
                none if none.is_empty() => none,
                some => format!(": {some}"),
            };
            let found = format!("{without} of {} nodes have none{which}", topology.nodes);
            Finding::look("zones", found).advise(
                "give nodes the label topology.kubernetes.io/zone: without it their traffic is unknown",
            )
        }
    })
}

fn store(health: &Health) -> Finding {
    let store = &health.store;
    match &store.failing {
        Some(why) => Finding::problem("disk", format!("cannot be written: {why}"))
            .advise("no window is acknowledged until it can; agents keep what they count"),
        None if !store.durable => Finding::look("disk", "nothing is kept: --data-dir none")
            .advise("give the server a --data-dir, or all begins at zero when it starts again"),
        None => {
            let bytes = text::bytes(store.bytes);
            Finding::good("disk", format!("what is counted is kept, in {bytes}"))
        }
    }
}

fn history(health: &Health) -> Finding {
    let history = &health.history;
    let source = &history.source;
    let is_asked = source == "prometheus";
    match (&history.failing, &history.since) {
        (Some(why), _) => {
            let advice = if is_asked {
                "counting goes on; where the history comes from says what to do: see \
                 \"the server of --prometheus-url\" in docs/troubleshooting.md"
            } else {
                "counting goes on, and what waits is written once it works: see \"the history\" in \
                 docs/troubleshooting.md"
            };
            Finding::problem("history", format!("fails ({source}): {why}")).advise(advice)
        }
        (None, None) if is_asked && history.behind_seconds <= BEHIND_SECONDS => Finding::good(
            "history",
            format!("there is some; since when, nobody can tell ({source})"),
        ),
        (None, None) => Finding::look("history", format!("there is none yet ({source})"))
            .advise("it begins with the first minute that is counted"),
        (None, Some(since)) if history.behind_seconds > BEHIND_SECONDS => {
            let behind = text::span(whole(history.behind_seconds));
            let advice = if is_asked {
                "the server of --prometheus-url has not scraped every kubezonnet-server since: see its targets"
            } else {
                "its disk may be full or too slow: see \"the history\" in docs/troubleshooting.md"
            };
            Finding::look(
                "history",
                format!("since {since}, {behind} behind ({source})"),
            )
            .advise(advice)
        }
        (None, Some(since)) => Finding::good("history", format!("since {since} ({source})")),
    }
}

/// What answers go without though the history works.
fn lacking(health: &Health) -> Option<Finding> {
    let lacking = health.history.lacking.as_ref()?;
    Some(
        Finding::look("history", lacking)
            .advise("for what to do, see \"the history\" in docs/troubleshooting.md"),
    )
}

/// What the history does not have, and will not.
fn lost(health: &Health) -> Option<Finding> {
    let history = &health.history;
    let damaged = match history.damaged_files {
        0 => None,
        1 => Some("its file was damaged, put aside and begun anew".to_owned()),
        times => Some(format!(
            "its file was damaged, put aside and begun anew {times} times"
        )),
    };
    let lost = (history.lost_changes > 0).then(|| {
        let changes = many(history.lost_changes, "change");
        format!("it lacks {changes} that the counters have")
    });
    let found: Vec<_> = [damaged, lost].into_iter().flatten().collect();
    if found.is_empty() {
        return None;
    }
    let found = format!("since the server started: {}", found.join("; "));
    Some(Finding::look("history", found).advise(
        "Prometheus has what it lacks; for why, see \"the history\" in docs/troubleshooting.md",
    ))
}

fn prices(health: &Health) -> Finding {
    let Some(prices) = &health.prices else {
        return Finding::look("prices", "there are none")
            .advise("--cloud of the server chooses a list, --pricing has your own");
    };
    let whose = prices.cloud.as_deref().unwrap_or("your own");
    let of = prices.retrieved.as_ref().map(|day| format!(", of {day}"));
    let found = format!("{whose}{}, in {}", of.unwrap_or_default(), prices.currency);
    if prices.stale {
        return Finding::look("prices", format!("{found}: more than a year old"))
            .advise("upgrade the server, or say with --pricing what you pay");
    }
    Finding::good("prices", found)
}

fn budgets(health: &Health) -> Option<Finding> {
    let unseen = health.unseen_budgets.iter();
    let unseen: Vec<_> = unseen
        .map(|budget| format!("{} {}", budget.kind, budget.name))
        .collect();
    if unseen.is_empty() {
        return None;
    }
    let found = format!("nobody has the names of {}", names(&unseen));
    Some(Finding::look("budgets", found).advise(
        "they compare nothing until somebody has: see that the file of --budgets has the names right",
    ))
}

/// How much of the last time is unknown, and without a price.
pub(super) fn shares(summary: &Summary, back: &str) -> Vec<Finding> {
    let total = u128::from(summary.total.bytes);
    if total == 0 {
        let found = format!("nothing was counted in the last {back}");
        return vec![Finding::look("traffic", found).advise("see the agents above")];
    }
    let mut findings = Vec::new();
    let unknown = summary
        .localities
        .iter()
        .filter(|share| share.locality == LocalityName::Unknown);
    let unknown: u128 = unknown.map(|share| u128::from(share.measure.bytes)).sum();
    let share = text::share(unknown, total);
    let found = format!("{share} of the bytes of the last {back}");
    if unknown * 1000 <= total * UNKNOWN_PER_MILLE {
        findings.push(Finding::good("unknown", found));
    } else {
        findings.push(Finding::look("unknown", found));
    }
    for why in summary.unknown.iter().filter(|why| why.measure.bytes > 0) {
        let bytes = u128::from(why.measure.bytes);
        let found = format!("{} of the bytes", text::share(bytes, total));
        let subject = format!("unknown: {}", why.reason.replace('_', " "));
        let finding = if bytes * 1000 <= total * UNKNOWN_PER_MILLE {
            Finding::good(subject, found).detail()
        } else {
            Finding::look(subject, found)
        };
        findings.push(match advice(&why.reason) {
            Some(advice) => finding.advise(advice),
            None => finding,
        });
    }
    for unpriced in summary
        .unpriced
        .iter()
        .filter(|unpriced| unpriced.bytes > 0)
    {
        let share = text::share(unpriced.bytes.into(), total);
        let found = format!("{share} of the bytes have none");
        match unpriced.reason {
            Gap::UnlistedRate => findings.push(
                Finding::look("prices: not listed", found)
                    .advise("say with --pricing of the server what you pay for them"),
            ),
            Gap::InternetOff => findings.push(
                Finding::good("prices: internet", found)
                    .advise("--internet-cost of the server charges them")
                    .detail(),
            ),
            // Of these the unknown and the prices above tell.
            Gap::UnknownPlace | Gap::NoPrices => {}
        }
    }
    findings
}

/// What helps against a reason for unknown bytes.
fn advice(reason: &str) -> Option<&'static str> {
    Some(match reason {
        "unlisted_address" => {
            "name networks outside of the cluster with --networks of the server: see docs/named-networks.md"
        }
        "reused_in_window" => {
            "pods come and go fast: a shorter --interval of the agents tells them apart"
        }
        "missing_zone" => {
            "give nodes the label topology.kubernetes.io/zone, and named networks a zone"
        }
        "coarsened" => "give the agents more room: --max-flows",
        "service_address" => {
            "packets to a Service's own address that no pod took: look at its endpoints"
        }
        _ => return None,
    })
}

/// Without parts of a second.
pub(super) fn whole(seconds: f64) -> u64 {
    Duration::try_from_secs_f64(seconds).map_or(0, |span| span.as_secs())
}
