//! Whether to believe what is shown, as it happens.

use std::time::Duration;

use kubezonnet_model::{SkipReason, TotalKind};
use kubezonnet_topology::Topology;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::list;
use super::running::Running;
use super::seeded::{api_of, right};
use crate::api::*;
use crate::budgets::BudgetFile;
use crate::prices::Prices;
use crate::testing::{NOW, OUT, Report, TO_HOST, cluster, node_name, pipeline, with_past};

async fn health(running: &Running) -> Value {
    right(&running.api, "/api/v1/health").await
}

/// What is told of the agent of a node.
async fn agent(running: &Running, node: &str) -> Value {
    let health = health(running).await;
    let agents = list(&health, "agents").iter();
    let mut agents = agents.filter(|agent| agent["node"] == node);
    let agent = agents.next().expect("every node is told").clone();
    assert_eq!(agents.next(), None, "and once");
    agent
}

async fn state(running: &Running, node: &str) -> Value {
    agent(running, node).await["state"].clone()
}

#[tokio::test]
async fn a_node_has_no_agent_until_one_reports_and_then_it_is_late_missing_and_back() {
    let running = Running::new(&cluster());
    let nobody = health(&running).await;

    let states = list(&nobody, "agents").iter().map(|agent| &agent["state"]);
    assert_eq!(states.collect::<Vec<_>>(), ["none"; 4]);
    assert_eq!(agent(&running, "n4").await.get("zone"), None);
    running.hear(&Report::of("n1", 1));
    let reporting = agent(&running, "n1").await;
    assert_eq!(
        (&reporting["state"], &reporting["zone"]),
        (&json!("reporting"), &json!("a"))
    );
    assert_eq!(reporting["last_window_seconds"], 0.0);
    for (seconds, expected) in [
        (30, "reporting"),
        (1, "late"),
        (269, "late"),
        (1, "missing"),
    ] {
        running.pass(Duration::from_secs(seconds));
        assert_eq!(
            state(&running, "n1").await,
            expected,
            "after {seconds} s more"
        );
    }
    assert_eq!(agent(&running, "n1").await["last_window_seconds"], 301.0);
    running.hear(&Report::of("n1", 2));
    assert_eq!(state(&running, "n1").await, "reporting");
    assert_eq!(state(&running, "n2").await, "none");
}

#[tokio::test]
async fn an_agent_is_late_by_the_length_of_its_own_windows() {
    let running = Running::new(&cluster());
    let mut report = Report::of("n1", 1);
    report.0.header.window = Duration::from_mins(3);
    running.hear(&report);

    for (minutes, expected) in [(9, "reporting"), (1, "missing")] {
        running.pass(Duration::from_mins(minutes));

        assert_eq!(state(&running, "n1").await, expected);
    }
}

#[tokio::test]
async fn an_agent_that_ends_has_ended_until_another_begins() {
    let running = Running::new(&cluster());
    running.hear(&Report::of("n1", 1).ends());
    running.pass(Duration::from_hours(1));

    assert_eq!(state(&running, "n1").await, "ended");
    running.hear(&Report::of("n1", 1).epoch(2));
    assert_eq!(state(&running, "n1").await, "reporting");
}

#[tokio::test]
async fn what_is_coarsened_is_told_of_the_last_window_and_what_is_lost_of_all() {
    let running = Running::new(&cluster());
    let plain = || Report::of("n1", 1).record("10.67.1.1", "10.67.2.1", OUT, 1000);
    let told = async || {
        let agent = agent(&running, "n1").await;
        (
            agent["coarsened"].as_bool().unwrap(),
            agent["lost_bytes"].as_u64().unwrap(),
        )
    };
    let next = |mut report: Report, sequence| {
        running.pass(Duration::from_secs(10));
        report.0.header.sequence = sequence;
        running.hear(&report);
    };

    next(plain(), 1);
    assert_eq!(told().await, (false, 0));
    next(plain().key("10.67.1.1", "10.67.1.2", OUT, None, 50), 2);
    assert_eq!(told().await, (true, 0));
    next(plain().skipped(SkipReason::Malformed, 70), 3);
    assert_eq!(told().await, (false, 70));
    // The same window again is the same loss.
    next(plain().skipped(SkipReason::Malformed, 70), 3);
    assert_eq!(told().await, (false, 70));
    next(plain().total(TotalKind::Coarsened, 5), 4);
    assert_eq!(told().await, (true, 70));
    // Of what another node received it may not speak.
    next(plain().record("10.67.1.1", "10.66.0.2", TO_HOST, 8), 5);
    assert_eq!(told().await, (false, 78));
    next(plain().skipped(SkipReason::Looped, 1000), 6);
    assert_eq!(told().await, (false, 78));
}

#[test]
fn what_the_history_lacks_is_told_with_how_often_it_was_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let history = folder.path().join("history.db");
    let told = || {
        let pipeline = with_past(&cluster(), folder.path());
        let report = Report::of("n1", 1);
        let applied = pipeline.apply(&report.decoded(), Duration::ZERO, NOW);
        applied.unwrap();
        let past: Arc<dyn Past> = pipeline.past().unwrap().clone();
        let api = Api {
            pipeline: Arc::new(pipeline),
            past: Some(past),
            ..api_of(&cluster(), None)
        };
        // Then the history has heard all that it was told.
        api.pipeline.close();
        let asked = right(&api, "/api/v1/health");
        let health = Runtime::new().unwrap().block_on(asked);
        let history = &health["history"];
        [&history["lost_changes"], &history["damaged_files"]].map(|number| number.as_u64().unwrap())
    };

    let first = told();
    std::fs::remove_file(&history).unwrap();
    let taken_away = told();
    std::fs::write(&history, vec![7; 10_000]).unwrap();
    let damaged = told();

    assert_eq!(first, [0, 0]);
    assert_eq!(taken_away, [1, 0]);
    assert_eq!(damaged, [0, 1]);
}

#[tokio::test]
async fn budgets_of_names_that_nobody_has_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("budgets.yaml");
    std::fs::write(&path, "namespaces: { shop: 1, shpo: 1 }").unwrap();
    let topology = cluster();
    let prices = Prices::none();
    let budgets = BudgetFile::open(Some(&path), topology.labels(), &prices).unwrap();
    let pipeline = pipeline(&topology).with_budgets(budgets);
    let api = Api {
        pipeline: Arc::new(pipeline),
        ..api_of(&topology, None)
    };

    let health = right(&api, "/api/v1/health").await;

    let expected = json!([{ "kind": "namespace", "name": "shpo" }]);
    assert_eq!(health["unseen_budgets"], expected);
}

#[tokio::test]
async fn an_agent_that_is_bypassed_is_said_to_be() {
    let running = Running::new(&cluster());

    for sequence in 1..=20 {
        running.pass(Duration::from_secs(10));
        running.hear(&Report::of("n1", sequence).bypassed());
    }
    let bypassed = agent(&running, "n1").await["bypassed"].clone();
    for sequence in 21..=120 {
        running.pass(Duration::from_secs(10));
        running.hear(&Report::of("n1", sequence).uplinks(10_000_000, 10_000_000));
    }

    assert_eq!(bypassed, true);
    assert_eq!(agent(&running, "n1").await["bypassed"], false);
}

#[tokio::test]
async fn an_agent_whose_node_is_gone_is_told_without_a_place() {
    let running = Running::new(&cluster());
    running.hear(&Report::of("n3", 1));

    let topology = running.api.pipeline.topology();
    let mut index = topology.write();
    index.delete_node(&node_name("n3"), "node-3", running.now());
    drop(index);

    let agent = agent(&running, "n3").await;
    assert_eq!(
        (&agent["state"], agent.get("zone")),
        (&json!("reporting"), None)
    );
    let health = health(&running).await;
    assert_eq!(
        (&health["topology"]["nodes"], list(&health, "agents").len()),
        (&json!(3), 4)
    );
    assert!(
        running
            .api
            .pipeline
            .topology()
            .read()
            .nodes()
            .all(|node| node.name != node_name("n3"))
    );
}

#[tokio::test]
async fn a_server_that_takes_nothing_says_why() {
    let unsynced = api_of(&Topology::default(), None);
    let uncertified = Api {
        can_serve: Arc::new(|| false),
        ..api_of(&cluster(), None)
    };
    let ready = Running::new(&cluster());

    let why = [
        (right(&unsynced, "/api/v1/health").await, "not synced"),
        (right(&uncertified, "/api/v1/health").await, "certificate"),
    ];

    for (health, words) in why {
        assert_eq!(health["ready"], false);
        let told = health["not_ready"].as_str().unwrap();
        assert!(told.contains(words), "{told}");
    }
    let health = health(&ready).await;
    assert_eq!(
        (&health["ready"], health.get("not_ready")),
        (&json!(true), None)
    );
    assert_eq!(health["history"]["source"], "embedded");
    assert_eq!(health["history"].get("failing"), None);
}
