//! What the stage does not have: two currencies, and somebody who only receives. promtool answers the
//! queries of the dashboard from series that are written down here.
//!
//! Where promtool is, is told by the variable `PROMTOOL`; `make test` fetches it and sets it.

use std::process::Command;

use kubezonnet_testkit::Run;

use crate::dashboard::Dashboard;

/// Asks promtool whether `query` has these answers at the tenth minute of these series.
fn holds(query: &str, series: &[(&str, &str)], answers: &[(&str, f64)]) {
    let run = Run::begin().unwrap();
    let path = run.dir().join("queries.yaml");
    let input = series
        .iter()
        .map(|(series, values)| serde_json::json!({ "series": series, "values": values }));
    let samples = answers
        .iter()
        .map(|(labels, value)| serde_json::json!({ "labels": labels, "value": value }));
    let text = serde_json::json!({
        "evaluation_interval": "1m",
        "tests": [{
            "interval": "1m",
            "input_series": input.collect::<Vec<_>>(),
            "promql_expr_test": [{
                "expr": query,
                "eval_time": "10m",
                "exp_samples": samples.collect::<Vec<_>>(),
            }],
        }],
    });
    std::fs::write(&path, text.to_string()).unwrap();
    let program = std::env::var_os("PROMTOOL").expect(
        "PROMTOOL names no program: run the tests by `make test`, or set it to where promtool is",
    );

    let output = Command::new(program)
        .args(["test", "rules"])
        .arg(&path)
        .output()
        .unwrap();

    let said = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    assert!(output.status.success(), "{query}: {}", said.concat());
}

#[test]
fn money_of_two_currencies_is_not_added_up() {
    let dashboard = Dashboard::read();
    let queries = dashboard.queries(&[]);
    let key = ("Cost from zone to zone".to_owned(), "A".to_owned());
    let query = queries[&key].replace("[10s]", "[10m]");

    holds(
        &query,
        &[
            (
                r#"kubezonnet_zone_cost_total{cluster="1",currency="USD",src_zone="a",dst_zone="b"}"#,
                "0+1x20",
            ),
            (
                r#"kubezonnet_zone_cost_total{cluster="2",currency="EUR",src_zone="a",dst_zone="b"}"#,
                "0+2x20",
            ),
        ],
        &[
            (
                r#"{currency="USD",src_zone="a",dst_zone="b",from="a USD"}"#,
                10.0,
            ),
            (
                r#"{currency="EUR",src_zone="a",dst_zone="b",from="a EUR"}"#,
                20.0,
            ),
        ],
    );
}

#[test]
fn who_only_receives_can_be_chosen() {
    let dashboard = Dashboard::read();
    let variables = dashboard.variables();
    let series = [(
        r#"kubezonnet_workload_traffic_bytes_total{src_namespace="shop",src_workload="web",dst_namespace="logs",dst_workload="sink"}"#,
        "1x20",
    )];
    let query = |name: &str| variables[name].0.replace("[10s]", "[10m]");

    holds(
        &query("namespace"),
        &series,
        &[
            (r#"{namespace="shop"}"#, 1.0),
            (r#"{namespace="logs"}"#, 1.0),
        ],
    );
    holds(
        &query("workload"),
        &series,
        &[(r#"{workload="web"}"#, 1.0), (r#"{workload="sink"}"#, 1.0)],
    );
}
