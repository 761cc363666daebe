//! What is printed, word by word.

use kubezonnet_api::{AgentState, UnseenBudget};

use crate::answers;
use crate::fake::Fake;
use crate::program::{command, ended, run};

/// Runs it against the fake, and holds what it prints against the snapshot of that name.
fn check(name: &str, fake: &Fake, arguments: &[&str]) {
    let flag = fake.flag();
    let mut all = vec![&*flag];
    all.extend(arguments);

    let ended = run(&all);

    let place = fake.address().to_string();
    let printed = format!("{}\nstatus {}\n{}", ended.out, ended.status, ended.err);
    insta::assert_snapshot!(name, printed.replace(&place, "ADDRESS"));
}

fn of_namespaces() -> Fake {
    let fake = Fake::usual();
    fake.tell("top", &answers::namespaces());
    fake
}

#[test]
fn what_namespaces_cost_is_a_table_with_what_it_leaves_out() {
    check("cost", &of_namespaces(), &["cost"]);
}

#[test]
fn the_wide_table_is_exact() {
    check("cost_wide", &of_namespaces(), &["cost", "-o", "wide"]);
}

#[test]
fn csv_is_exact_and_quoted_and_says_elsewhere_what_it_leaves_out() {
    check("cost_csv", &of_namespaces(), &["cost", "-o", "csv"]);
}

#[test]
fn json_is_what_the_server_said() {
    let fake = of_namespaces();

    let ended = run(&[&fake.flag(), "cost", "-o", "json"]);

    let answer: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    let expected = serde_json::json!({
        "summary": answers::summary(),
        "top": answers::namespaces(),
    });
    assert_eq!(answer, expected);
    assert_eq!((ended.status, &*ended.err), (0, ""));
}

#[test]
fn pairs_cost_what_both_sides_pay() {
    check(
        "cost_pairs",
        &Fake::usual(),
        &["cost", "--by", "pair", "--since", "month"],
    );
}

#[test]
fn without_a_terminal_top_prints_once() {
    check("top", &Fake::usual(), &["top"]);
}

#[test]
fn a_matrix_has_bytes_and_money_from_zone_to_zone() {
    check("matrix", &Fake::usual(), &["matrix"]);
}

#[test]
fn a_wide_matrix_is_a_list() {
    check("matrix_wide", &Fake::usual(), &["matrix", "-o", "wide"]);
}

#[test]
fn a_matrix_for_programs_has_a_line_for_each_cell() {
    check("matrix_csv", &Fake::usual(), &["matrix", "-o", "csv"]);
}

#[test]
fn a_matrix_in_json_is_all_that_is_asked_for() {
    let fake = Fake::usual();

    let ended = run(&[&fake.flag(), "matrix", "-o", "json"]);

    let answer: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(answer, serde_json::json!(answers::matrix()));
    let asked = fake.asked();
    assert!(
        matches!(&*asked, [one] if one.starts_with("/api/v1/matrix?")),
        "{asked:?}"
    );
}

#[test]
fn colours_are_there_when_they_are_asked_for() {
    check(
        "matrix_colours",
        &Fake::usual(),
        &["matrix", "--show", "cost", "--color", "always"],
    );
}

#[test]
fn colours_are_not_there_without_a_terminal_or_when_they_are_not_wanted() {
    let fake = Fake::usual();
    for arguments in [
        &["matrix"][..],
        &["matrix", "--color", "never"],
        &["check", "--color", "never"],
    ] {
        let mut command = command(arguments);
        command.arg(fake.flag()).env("TERM", "xterm-256color");

        let ended = ended(&command.output().unwrap());

        assert!(!ended.out.contains('\x1b'), "{arguments:?}: {}", ended.out);
    }
}

#[test]
fn versions_of_both_sides_are_told() {
    check("version", &Fake::usual(), &["version"]);
    check("version_json", &Fake::usual(), &["version", "-o", "json"]);
}

#[test]
fn a_cluster_in_order_is_told_so() {
    let fake = Fake::usual();
    let mut summary = answers::summary();
    summary.unknown.clear();
    summary
        .localities
        .retain(|share| share.locality != kubezonnet_api::LocalityName::Unknown);
    fake.tell("summary", &summary);

    check("check_good", &fake, &["check", "--all"]);
}

#[test]
fn each_problem_is_told_with_what_to_do() {
    let fake = Fake::usual();
    let mut health = answers::health();
    health.ready = false;
    health.not_ready = Some("the disk is full".to_owned());
    health.topology.nodes_without_zone = 1;
    health.topology.age_seconds = Some(1234.0);
    health.store.failing = Some("no space left on device".to_owned());
    health.history.behind_seconds = 4000.0;
    health.history.lacking = Some("3 parts of it cannot be read".to_owned());
    health.history.lost_changes = 1234;
    health.history.damaged_files = 1;
    health.prices = None;
    health.unseen_budgets = ["shpo", "serach", "a", "b"]
        .map(|name| UnseenBudget {
            kind: "namespace".to_owned(),
            name: name.to_owned(),
        })
        .to_vec();
    let mut bypassed = answers::agent("node-e", AgentState::Reporting);
    bypassed.bypassed = true;
    let mut losing = answers::agent("node-f", AgentState::Late);
    losing.lost_bytes = 12_345;
    let mut coarse = answers::agent("node-g", AgentState::Reporting);
    coarse.coarsened = true;
    health.agents.extend([
        answers::agent("node-c", AgentState::None),
        answers::agent("node-d", AgentState::Missing),
        bypassed,
        losing,
        coarse,
        answers::agent("node-h", AgentState::Ended),
        answers::agent("node-i", AgentState::Late),
        answers::agent("fargate-j", AgentState::Impossible),
    ]);
    fake.tell("health", &health);

    check("check_bad", &fake, &["check"]);
}

#[test]
fn advice_on_the_history_is_of_where_it_comes_from() {
    let fake = Fake::usual();
    let told = |source: &str, failing: Option<&str>, behind_seconds| {
        let mut health = answers::health();
        health.history.source = source.to_owned();
        health.history.failing = failing.map(str::to_owned);
        health.history.behind_seconds = behind_seconds;
        fake.tell("health", &health);
        let ended = run(&["check", &fake.flag()]);
        (ended.status, ended.out)
    };
    let failing = Some("http://prometheus:9090 answers 503");

    let (status, asked) = told("prometheus", failing, 0.0);
    assert_eq!(status, 1, "{asked}");
    assert!(
        asked.contains("fails (prometheus): http://prometheus:9090 answers 503"),
        "{asked}"
    );
    assert!(!asked.contains("what waits is written"), "{asked}");
    assert!(asked.contains("--prometheus-url"), "{asked}");
    let (status, kept) = told(
        "embedded",
        Some("it cannot be written: disk I/O error"),
        0.0,
    );
    assert_eq!(status, 1, "{kept}");
    assert!(kept.contains("what waits is written"), "{kept}");
    let (status, behind) = told("prometheus", None, 4000.0);
    assert_eq!(status, 0, "{behind}");
    assert!(behind.contains("see its targets"), "{behind}");
    assert!(!behind.contains("its disk may be"), "{behind}");
}

#[test]
fn an_empty_cluster_is_no_error() {
    let fake = Fake::usual();
    let mut summary = answers::summary();
    summary.total = kubezonnet_api::Measure::default();
    summary.localities.clear();
    summary.unknown.clear();
    summary.unpriced.clear();
    summary.before = None;
    summary.currency = None;
    fake.tell("summary", &summary);
    let mut top = answers::namespaces();
    top.items.clear();
    top.count = 0;
    top.currency = None;
    fake.tell("top", &top);
    let mut matrix = answers::matrix();
    matrix.cells.clear();
    fake.tell("matrix", &matrix);

    check("cost_empty", &fake, &["cost"]);
    check("matrix_empty", &fake, &["matrix"]);
}

#[test]
fn no_name_is_a_formula_for_a_spreadsheet() {
    let fake = Fake::usual();
    let mut top = answers::namespaces();
    for (item, name) in top
        .items
        .iter_mut()
        .zip(["=cmd|' /C calc'!A0", "@SUM(A1:A9)", "-2+3"])
    {
        item.key = kubezonnet_api::Key::Namespace {
            name: name.to_owned(),
        };
    }
    fake.tell("top", &top);
    let mut matrix = answers::matrix();
    matrix.cells[0].source = "+zone".to_owned();
    fake.tell("matrix", &matrix);

    let cost = run(&[&fake.flag(), "cost", "-o", "csv"]);
    let matrix = run(&[&fake.flag(), "matrix", "-o", "csv"]);

    let names: Vec<_> = cost
        .out
        .lines()
        .skip(1)
        .filter_map(|line| line.split(',').nth(1))
        .collect();
    assert_eq!(names, ["'=cmd|' /C calc'!A0", "'@SUM(A1:A9)", "'-2+3"]);
    assert!(
        matrix.out.contains("\n'+zone,us-east-1a,"),
        "{}",
        matrix.out
    );
}

#[test]
fn shares_without_prices_are_of_all_and_not_of_what_is_listed() {
    let fake = Fake::usual();
    let mut top = answers::namespaces();
    top.currency = None;
    top.total.cost = None;
    for item in &mut top.items {
        if let kubezonnet_api::Amount::Party(party) = &mut item.amount {
            party.cost = None;
        }
    }
    top.items.truncate(1);
    fake.tell("top", &top);

    let ended = run(&[&fake.flag(), "cost"]);

    // 13 TB sent and received of twice 10 TB.
    let line = |name| {
        ended
            .out
            .lines()
            .find(|line| line.starts_with(name))
            .unwrap_or_default()
    };
    assert!(line("shop").contains("65.0%"), "{}", ended.out);
    assert!(line("(2 more)").contains("35.0%"), "{}", ended.out);
}

#[test]
fn nothing_that_the_server_says_is_an_order_to_the_terminal() {
    let fake = Fake::usual();
    let order = "\x1b[2J\u{202e}";
    let mut summary = answers::summary();
    summary.currency = Some(format!("U{order}"));
    summary.left_out = vec![order.to_owned()];
    summary.range.history_since = Some(format!("2027{order}"));
    fake.tell("summary", &summary);
    let mut top = answers::pairs();
    top.currency.clone_from(&summary.currency);
    fake.tell("top", &top);
    let mut flows = answers::flows();
    flows.flows[0].service = Some(kubezonnet_api::Service {
        namespace: order.to_owned(),
        name: order.to_owned(),
    });
    flows.flows[0].direction = "transit".to_owned();
    flows.flows[0].reporter = order.to_owned();
    flows.flows[0].unknown_reason = Some(order.to_owned());
    fake.tell("flows", &flows);
    let odd = Fake::usual();
    let answer = format!("{{\"range\":1,\"{order}\":2}}").replace('\x1b', "\\u001b");
    odd.say("top", 200, &answer);
    odd.say("version", 200, "{\"version\":{\"\u{202e}\":1}}");

    for ended in [
        run(&[&fake.flag(), "cost"]),
        run(&[&fake.flag(), "cost", "-o", "wide"]),
        run(&[&fake.flag(), "flows", "--no-follow"]),
        run(&[&odd.flag(), "cost"]),
        run(&[&odd.flag(), "version"]),
    ] {
        let all = format!("{}{}", ended.out, ended.err);
        assert!(all.contains('\u{fffd}') || ended.status == 1, "{all}");
        assert!(!all.contains(['\x1b', '\u{202e}']), "{all:?}");
    }
}
