use std::time::Duration;

use kubezonnet_model::{Name, Namespace, Timestamp, Workload};
use kubezonnet_topology::{NamespaceState, PodState, Topology};

use super::*;
use crate::pipeline::Pipeline;
use crate::testing::{
    OUT, Report, cluster, cluster_keeping, crashed, durable, ip, node_name, pipeline,
};

/// Noon of the last day of November 2026.
const NOON: Timestamp = Timestamp(1_796_040_000_000);
/// Ten seconds before its end, and ten after.
const BEFORE: Timestamp = Timestamp(1_796_083_190_000);
const AFTER: Timestamp = Timestamp(1_796_083_210_000);

/// A thousand for a GB on each side between zones.
fn prices() -> Prices {
    let text = "currency: EUR\nunit: GB\nbetweenZones: { price: 1000, paidBy: both }\n";
    Prices::of_text(text, false).unwrap()
}

fn open(text: &str, labels: &KeptLabels, prices: &Prices) -> anyhow::Result<BudgetFile> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("budgets.yaml");
    std::fs::write(&path, text).unwrap();
    BudgetFile::open(Some(&path), labels, prices)
}

fn priced(pipeline: Pipeline) -> Pipeline {
    let labels = pipeline.topology().labels().clone();
    let text = if labels.is_empty() {
        "cluster: 5"
    } else {
        "teams: { idle: 5 }"
    };
    let budgets = open(text, &labels, &prices()).unwrap();
    pipeline.with_prices(prices()).with_budgets(budgets)
}

/// Sends so many bytes from a pod of zone a to one of zone b.
fn send(pipeline: &Pipeline, sequence: u64, bytes: u64, now: Timestamp) {
    let report = Report::of("n1", sequence).record("10.67.1.1", "10.67.2.1", OUT, bytes);
    let applied = pipeline.apply(&report.decoded(), Duration::ZERO, now);
    applied.unwrap();
}

/// What the cluster spent in a month, in millionths, and since when.
fn spent(pipeline: &Pipeline, now: Timestamp) -> (u128, Option<Timestamp>) {
    let spent = of(pipeline, now, &Account::Cluster);
    (spent.amount.floor(6), spent.since)
}

fn of(pipeline: &Pipeline, now: Timestamp, account: &Account) -> Spent {
    pipeline.spending().spent(Month::of(now), &[account])[0]
}

#[test]
fn each_month_begins_with_nothing_spent_and_the_one_before_stays_as_it_was() {
    let pipeline = priced(pipeline(&cluster()));

    assert_eq!(spent(&pipeline, NOON), (0, None));
    send(&pipeline, 1, 1000, NOON);
    send(&pipeline, 2, 500, BEFORE);
    let november = spent(&pipeline, BEFORE);
    let begin = Month::of(AFTER).begin();
    assert_eq!(spent(&pipeline, AFTER), (0, Some(begin)));
    send(&pipeline, 3, 70, AFTER);

    assert_eq!(november, (3000, Some(NOON)));
    assert_eq!(spent(&pipeline, AFTER), (140, Some(begin)));
    assert_eq!(spent(&pipeline, NOON), november);
}

#[test]
fn what_came_on_both_sides_of_midnight_and_is_charged_together_is_in_two_months() {
    let pipeline = priced(pipeline(&cluster()));

    send(&pipeline, 1, 500, BEFORE);
    send(&pipeline, 2, 70, AFTER);

    assert_eq!(spent(&pipeline, AFTER).0, 140);
    assert_eq!(spent(&pipeline, BEFORE).0, 1000);
}

#[test]
fn what_was_spent_outlasts_a_kill_and_a_restart_though_counters_begin_anew() {
    let directory = tempfile::tempdir().unwrap();
    let first = priced(durable(&cluster(), directory.path()));
    for sequence in 1..=17 {
        send(&first, sequence, 1000, NOON);
    }
    let expected = (34_000, Some(NOON));
    assert_eq!(spent(&first, NOON), expected);

    let left = crashed(directory.path());
    let killed = priced(durable(&cluster(), left.path()));
    assert_eq!(spent(&killed, NOON), expected);
    assert_eq!(killed.costs().parties, []);
    send(&killed, 18, 1000, NOON);
    assert_eq!(spent(&killed, NOON), (36_000, Some(NOON)));
    killed.close();
    let ended = priced(durable(&cluster(), left.path()));

    assert_eq!(spent(&ended, NOON), (36_000, Some(NOON)));
}

#[test]
fn what_the_journal_has_waits_until_prices_are_known() {
    let directory = tempfile::tempdir().unwrap();
    let first = priced(durable(&cluster(), directory.path()));
    send(&first, 1, 1000, NOON);
    let left = crashed(directory.path());

    // As long as no node is known, nobody can say whose prices hold.
    let starting = durable(&Topology::new(), left.path()).with_prices(Prices::default());
    starting.close();
    let after = priced(durable(&cluster(), left.path()));

    assert_eq!(spent(&after, NOON), (2000, Some(NOON)));
}

#[test]
fn prices_that_change_do_not_change_what_was_spent_and_another_currency_begins_anew() {
    let directory = tempfile::tempdir().unwrap();
    let first = priced(durable(&cluster(), directory.path()));
    send(&first, 1, 1000, NOON);
    first.close();
    let at = |text: &str| {
        let prices = Prices::of_text(text, false).unwrap();
        durable(&cluster(), directory.path()).with_prices(prices)
    };

    let cheaper = at("currency: EUR\nunit: GB\nbetweenZones: { price: 1, paidBy: both }\n");
    send(&cheaper, 2, 1_000_000, NOON);
    assert_eq!(spent(&cheaper, NOON).0, 4000);
    cheaper.close();
    let dollars = at("currency: USD\nunit: GB\nbetweenZones: { price: 1, paidBy: both }\n");
    send(&dollars, 3, 5_000_000, NOON);
    assert_eq!(spent(&dollars, NOON).0, 10_000);
    dollars.close();
    let euros = at("currency: EUR\nunit: GB\nbetweenZones: { price: 1, paidBy: both }\n");

    assert_eq!(spent(&euros, NOON).0, 4000);
}

#[test]
fn a_namespace_and_a_team_spend_their_own_side_and_the_cluster_both() {
    let labels = KeptLabels::new([KeptLabel::team("team").unwrap()]).unwrap();
    let topology = cluster_keeping(labels);
    for (node, namespace, team) in [(1, "shop", Some("payments")), (2, "search", None)] {
        let name = |text: &str| Name::new(text).unwrap();
        let state = PodState {
            node: Some(node_name(&format!("n{node}"))),
            workload: Some(Workload {
                kind: name("Deployment"),
                name: name("w"),
            }),
            labels: [team.map(name)].into(),
            addresses: vec![ip(&format!("10.67.{node}.9"))],
            created: Some(Timestamp(1)),
            ..PodState::new(
                Namespace::new(namespace).unwrap(),
                name("w-1"),
                format!("w-{node}"),
            )
        };
        topology.write().apply_pod(state, Timestamp(1));
    }
    let pipeline = priced(pipeline(&topology));

    let report = Report::of("n1", 1).record("10.67.1.9", "10.67.2.9", OUT, 1000);
    let applied = pipeline.apply(&report.decoded(), Duration::ZERO, NOON);
    applied.unwrap();

    let namespace = |name: &str| Account::Namespace(Namespace::new(name).unwrap());
    let team = |name: &str| Account::Team(Name::new(name).unwrap());
    for (account, expected) in [
        (Account::Cluster, 2000),
        (namespace("shop"), 1000),
        (namespace("search"), 1000),
        (namespace("other"), 0),
        (team("payments"), 1000),
        (team("idle"), 0),
    ] {
        let spent = of(&pipeline, NOON, &account);

        assert_eq!(spent.amount.floor(6), expected, "{account:?}");
        assert_eq!(spent.since, Some(NOON), "{account:?}");
    }
}

/// Who has a budget and is not seen, as words.
fn unseen(pipeline: &Pipeline) -> Option<Vec<String>> {
    let unseen = pipeline.unseen_budgets()?;
    let words = unseen.into_iter().map(|account| {
        let (kind, name) = (account.kind(), account.name());
        format!("{kind} {name}")
    });
    Some(words.collect())
}

#[test]
fn a_namespace_or_team_that_nobody_has_is_unseen_until_a_pod_has_it() {
    let labels = KeptLabels::new(["app=app".parse().unwrap(), KeptLabel::team("team").unwrap()]);
    let topology = Topology::keeping(labels.unwrap());
    let text =
        "cluster: 1\nnamespaces: { shop: 1, shpo: 1 }\nteams: { infra: 1, pay: 1, app: 1 }\n";
    let budgets = open(text, topology.labels(), &prices()).unwrap();
    let pipeline = pipeline(&topology)
        .with_prices(prices())
        .with_budgets(budgets);
    let name = |text: &str| Name::new(text).unwrap();
    let pod = |namespace: &str, team: Option<&str>| PodState {
        labels: [Some(name("app")), team.map(name)].into(),
        ..PodState::new(
            Namespace::new(namespace).unwrap(),
            name("w"),
            format!("{namespace}-w"),
        )
    };

    let unsynced = unseen(&pipeline);
    topology.set_synced();
    let nobody = unseen(&pipeline);
    topology
        .write()
        .apply_pod(pod("shop", Some("pay")), Timestamp(1));
    let some = unseen(&pipeline);
    topology.write().apply_namespace(NamespaceState {
        name: Namespace::new("shpo").unwrap(),
        labels: [None, Some(name("infra"))].into(),
    });
    let more = unseen(&pipeline);

    let words = |words: &[&str]| Some(words.iter().map(ToString::to_string).collect());
    assert_eq!(unsynced, None);
    let all = [
        "namespace shop",
        "namespace shpo",
        "team app",
        "team infra",
        "team pay",
    ];
    assert_eq!(nobody, words(&all));
    assert_eq!(some, words(&["namespace shpo", "team app", "team infra"]));
    assert_eq!(more, words(&["team app"]));
}

#[test]
fn a_namespace_that_spent_something_is_seen_though_its_pods_are_gone_and_forgotten() {
    let topology = cluster();
    let budgets = open(
        "namespaces: { shop: 1, shpo: 1 }",
        topology.labels(),
        &prices(),
    );
    let pipeline = pipeline(&topology)
        .with_prices(prices())
        .with_budgets(budgets.unwrap());
    send(&pipeline, 1, 1000, NOON);

    for pod in [(1, "p1"), (1, "q1"), (2, "p2"), (3, "p3"), (4, "p4")] {
        let uid = format!("pod-{}", pod.1);
        topology.write().delete_pod(&uid, NOON);
    }
    topology.prune(AFTER);

    let shop = Namespace::new("shop").unwrap();
    assert!(!topology.read().has_namespace(&shop));
    let only = Some(vec!["namespace shpo".to_owned()]);
    assert_eq!(unseen(&pipeline), only);
    send(&pipeline, 2, 1000, AFTER);
    assert_eq!(unseen(&pipeline), only);
}

#[test]
fn a_file_that_cannot_be_used_is_refused_with_its_name_and_what_to_do() {
    let team = KeptLabels::new([KeptLabel::team("team").unwrap()]).unwrap();
    let none = KeptLabels::default();
    let cases = [
        (
            "clusters: 5\n",
            &none,
            "budgets.yaml, line 1: unknown field `clusters`",
        ),
        ("teams: { a: 1 }\n", &none, "`teams` needs --team-label"),
        (
            "currency: USD\ncluster: 1\n",
            &none,
            "amounts are in USD, and prices in EUR",
        ),
        (
            "currency: USD\nteams: { a: 1 }\n",
            &team,
            "amounts are in USD, and prices in EUR",
        ),
    ];
    for (text, labels, expected) in cases {
        let error = open(text, labels, &prices()).unwrap_err();

        let said = format!("{error:#}");
        assert!(said.contains(expected), "{said}");
        assert!(said.starts_with("--budgets "), "{said}");
    }
    let missing = Path::new("/nowhere/budgets.yaml");
    let error = BudgetFile::open(Some(missing), &none, &prices()).unwrap_err();
    let said = format!("{error:#}");
    assert!(
        said.contains("cannot read --budgets /nowhere/budgets.yaml: No such file"),
        "{said}"
    );
    open("teams: { a: 1 }\n", &team, &prices()).unwrap();
}
