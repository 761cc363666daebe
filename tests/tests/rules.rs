//! The rules for Prometheus: promtool runs their unit tests, and nobody has left one out.
//!
//! Where promtool is, is told by the variable `PROMTOOL`; `make test` fetches it and sets it.

#![expect(clippy::unwrap_used, reason = "what is not as expected fails the test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

const RULES: &str = "deploy/prometheus/kubezonnet-rules.yaml";
const OPERATORS: &str = "deploy/prometheus/kubezonnet-prometheusrule.yaml";
const TESTS: [&str; 2] = [
    "deploy/prometheus/kubezonnet-rules-test.yaml",
    "deploy/prometheus/kubezonnet-rules-days-test.yaml",
];

/// Where `runbook_url` leads to.
const RUNBOOK: &str = "https://github.com/kubezonnet/kubezonnet/blob/main/docs/troubleshooting.md#";

/// What stands before the rules in the form that the Prometheus Operator takes.
const HEAD: &str = "\
# The rules of kubezonnet-rules.yaml for clusters with the Prometheus Operator.
# Many installations select rules by a label of their own: add it here.
# Made of that file: `INSTA_UPDATE=always cargo nextest run -p kubezonnet-tests rules` makes it anew.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: kubezonnet
  namespace: kubezonnet
  labels:
    app.kubernetes.io/name: kubezonnet-server
    app.kubernetes.io/part-of: kubezonnet
spec:
";

#[derive(Debug, Deserialize)]
struct File {
    groups: Vec<Group>,
}

#[derive(Debug, Deserialize)]
struct Group {
    rules: Vec<Rule>,
}

#[derive(Debug, Deserialize)]
struct Rule {
    record: Option<String>,
    alert: Option<String>,
    expr: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
struct Tests {
    tests: Vec<Case>,
}

#[derive(Debug, Deserialize)]
struct Case {
    #[serde(default)]
    alert_rule_test: Vec<AlertCase>,
    #[serde(default)]
    promql_expr_test: Vec<ExprCase>,
}

#[derive(Debug, Deserialize)]
struct AlertCase {
    alertname: String,
    exp_alerts: Vec<serde_json::Value>,
}

#[derive(Debug, Deserialize)]
struct ExprCase {
    expr: String,
    exp_samples: Vec<serde_json::Value>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn rules() -> Vec<Rule> {
    let file: File = serde_saphyr::from_str(&read(RULES)).unwrap();
    file.groups
        .into_iter()
        .flat_map(|group| group.rules)
        .collect()
}

fn cases() -> Vec<Case> {
    let files = TESTS.map(|path| serde_saphyr::from_str::<Tests>(&read(path)).unwrap());
    files.into_iter().flat_map(|file| file.tests).collect()
}

fn promtool(arguments: &[&str]) {
    let program = std::env::var_os("PROMTOOL").expect(
        "PROMTOOL names no program: run the tests by `make test`, or set it to where promtool is",
    );
    let output = Command::new(program)
        .args(arguments)
        .current_dir(root())
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    assert!(output.status.success(), "{}", said.concat());
}

/// The words of an expression that are names of our metrics.
fn metrics(expr: &str) -> impl Iterator<Item = &str> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let words = expr.split(move |c| !is_word(c));
    words.filter(|word| word.starts_with("kubezonnet_"))
}

#[test]
fn promtool_takes_the_rules_and_their_tests_pass() {
    promtool(&["check", "rules", RULES]);
    for tests in TESTS {
        promtool(&["test", "rules", tests]);
    }
}

#[test]
fn every_alert_is_seen_to_fire_and_not_to_fire_and_every_recorded_series_has_been_looked_at() {
    let cases = cases();
    let alerts = || cases.iter().flat_map(|case| &case.alert_rule_test);
    let exprs = || cases.iter().flat_map(|case| &case.promql_expr_test);

    for rule in rules() {
        if let Some(alert) = &rule.alert {
            let mut fires = alerts().filter(|case| case.alertname == *alert);
            assert!(
                fires.any(|case| !case.exp_alerts.is_empty()),
                "{alert} never fires"
            );
            let mut rests = alerts().filter(|case| case.alertname == *alert);
            assert!(
                rests.any(|case| case.exp_alerts.is_empty()),
                "{alert} always fires"
            );
        } else {
            let record = rule.record.as_deref().unwrap();
            let is_of =
                |case: &&ExprCase| case.expr.contains(record) && !case.exp_samples.is_empty();
            assert!(exprs().any(|case| is_of(&case)), "{record} is not tested");
        }
    }
}

#[test]
fn rules_ask_for_metrics_that_there_are() {
    let pages = read("docs/metrics.md");

    for rule in rules() {
        let asked: Vec<_> = metrics(&rule.expr).collect();
        for metric in asked {
            let row = format!("| `{metric}` |");
            assert!(pages.contains(&row), "{metric} is not in docs/metrics.md");
        }
    }
    let expr = "sum(rate(kubezonnet_a_total{b=\"kubezonnet_c\"}[5m])) > x:kubezonnet_d:y";
    assert_eq!(
        metrics(expr).collect::<Vec<_>>(),
        ["kubezonnet_a_total", "kubezonnet_c"]
    );
}

#[test]
fn every_alert_says_what_it_is_and_leads_to_what_to_do() {
    let page = read("docs/troubleshooting.md");
    let (_, section) = page.split_once("\n## Alerts\n").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let headings: BTreeSet<_> = section
        .lines()
        .filter_map(|line| line.strip_prefix("### "))
        .collect();
    let rules = rules();
    let alerts: BTreeMap<_, _> = rules
        .iter()
        .filter_map(|rule| Some((rule.alert.as_deref()?, rule)))
        .collect();

    assert_eq!(headings, alerts.keys().copied().collect());
    let table = read("docs/alerts.md");
    for (name, rule) in alerts {
        let keys: Vec<_> = rule.annotations.keys().map(String::as_str).collect();
        assert_eq!(keys, ["description", "runbook_url", "summary"], "{name}");
        let anchor = rule.annotations["runbook_url"].strip_prefix(RUNBOOK);
        assert_eq!(anchor, Some(name.to_lowercase().as_str()));
        let severity = &rule.labels["severity"];
        assert!(
            ["critical", "warning", "info"].contains(&severity.as_str()),
            "{name}"
        );
        assert!(
            table.contains(&format!("| `{name}` | {severity} | ")),
            "{name}"
        );
    }
}

#[test]
fn the_page_lists_every_series_that_is_recorded() {
    let page = read("docs/alerts.md");

    for record in rules().iter().filter_map(|rule| rule.record.as_deref()) {
        // Of two that differ in their range alone the second is told by its range.
        let (start, range) = record.rsplit_once(':').unwrap();
        let is_told = page.contains(&format!("`{record}`"))
            || page.contains(&format!("| `{start}:")) && page.contains(&format!("`…:{range}`"));
        assert!(is_told, "{record} is not in docs/alerts.md");
    }
}

#[test]
fn the_form_for_the_operator_has_the_same_rules() {
    let rules = read(RULES);
    let (_, groups) = rules.split_once("\ngroups:\n").unwrap();
    let indented = groups.lines().map(|line| match line {
        "" => "\n".to_owned(),
        line => format!("  {line}\n"),
    });
    let expected = format!("{HEAD}  groups:\n{}", indented.collect::<String>());

    if std::env::var_os("INSTA_UPDATE").is_some_and(|update| update == "always") {
        fs::write(root().join(OPERATORS), &expected).unwrap();
    }

    assert_eq!(read(OPERATORS), expected, "{OPERATORS} is to be made anew");
    let resource: serde_json::Value = serde_saphyr::from_str(&expected).unwrap();
    let alone: serde_json::Value = serde_saphyr::from_str(&rules).unwrap();
    assert_eq!(resource["spec"], alone);
}
