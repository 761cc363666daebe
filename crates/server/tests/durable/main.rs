//! The program is killed, and its data are lost or restored: what is counted stays exact.

#![expect(clippy::unwrap_used, reason = "what is not as expected fails the test")]

#[expect(dead_code, reason = "shared with tests that need root")]
mod server;

use std::fs;

use crate::server::{Agents, Setup, Window, assert_exact, assert_none_fell, counters, total};

/// Ten kills, or as many as `TEST_KILLS` says: `make test-long` has a hundred.
fn kills() -> u64 {
    let asked = std::env::var("TEST_KILLS").ok();
    asked.map_or(10, |number| number.parse().expect("TEST_KILLS is a number"))
}

#[test]
fn a_server_that_is_killed_at_any_instant_counts_every_window_once_and_no_counter_falls() {
    let setup = Setup::new();
    let mut server = setup.start();
    let agents = Agents::start(server.address);
    let mut before = counters(&server.scrape());

    for round in 1..=kills() {
        // Never the same distance from the start, and seldom the same step of a commit.
        agents.wait_for(1 + round * 37 % 101);
        before = {
            let after = counters(&server.scrape());
            assert_none_fell(&before, &after);
            after
        };
        server.kill();
        server = setup.start();
        let after = counters(&server.scrape());
        assert_none_fell(&before, &after);
        agents.turn_to(server.address);
    }
    agents.wait_for(1);
    let sent = agents.end();

    let scrape = server.scrape();
    assert_exact(&scrape, &sent);
    assert_eq!(total(&scrape, "kubezonnet_server_missed_windows_total"), 0);
    assert_eq!(total(&scrape, "kubezonnet_agents_met_midway_total"), 0);
    server.end();
    assert_exact(&setup.start().scrape(), &sent);
}

#[test]
fn a_server_that_ends_in_order_leaves_one_file_and_is_gone_within_seconds() {
    let setup = Setup::new();
    let server = setup.start();
    let agents = Agents::start(server.address);
    agents.wait_for(100);
    let sent = agents.end();

    let took = server.end();

    assert!(took.as_secs() < 5, "{took:?}");
    let wal = setup.data().join("kubezonnet.db-wal");
    assert_eq!(fs::metadata(wal).map_or(0, |file| file.len()), 0);
    let server = setup.start();
    assert_exact(&server.scrape(), &sent);
    assert_eq!(total(&server.scrape(), "kubezonnet_store_journal_rows"), 0);
}

fn window(sequence: u64) -> Window {
    Window {
        node: 1,
        epoch: 1,
        sequence,
    }
}

fn apply(server: &server::Server, sequences: std::ops::RangeInclusive<u64>) {
    for sequence in sequences {
        let (status, answer) = server.send(&window(sequence)).unwrap();
        assert_eq!(status, 200, "{answer}");
    }
}

fn outcome(server: &server::Server, sequence: u64) -> String {
    let (_, answer) = server.send(&window(sequence)).unwrap();
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
    answer["outcome"].as_str().unwrap().to_owned()
}

fn name(server: &server::Server) -> String {
    let (_, answer) = server.send(&window(1)).unwrap();
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
    answer["server"].as_str().unwrap().to_owned()
}

#[test]
fn data_that_are_lost_are_told_of_and_agents_that_come_midway_are_counted() {
    let setup = Setup::new();
    let server = setup.start();
    apply(&server, 1..=5);
    let first = name(&server);
    server.kill();
    fs::remove_dir_all(setup.data()).unwrap();

    let server = setup.start();
    apply(&server, 6..=7);

    server.wait_for_log("there was no database: counters begin at zero");
    server.wait_for_log("this agent has reported elsewhere before");
    let scrape = server.scrape();
    assert_eq!(total(&scrape, "kubezonnet_agents_met_midway_total"), 1);
    let bytes = window(6).bytes() + window(7).bytes();
    assert_eq!(counters(&scrape).values().max(), Some(&bytes));
    assert_ne!(name(&server), first, "it is another store");
}

#[test]
fn data_restored_from_earlier_miss_windows_and_count_none_twice_that_they_know_of() {
    let setup = Setup::new();
    let server = setup.start();
    apply(&server, 1..=3);
    let first = name(&server);
    server.end();
    let database = setup.data().join("kubezonnet.db");
    let backup = fs::read(&database).unwrap();
    let server = setup.start();
    apply(&server, 4..=6);
    server.end();
    fs::write(&database, backup).unwrap();

    let server = setup.start();
    let again = [3, 2].map(|sequence| outcome(&server, sequence));
    apply(&server, 7..=7);

    assert_eq!(again, ["duplicate", "duplicate"]);
    let scrape = server.scrape();
    assert_eq!(total(&scrape, "kubezonnet_server_missed_windows_total"), 3);
    assert_eq!(total(&scrape, "kubezonnet_agents_met_midway_total"), 0);
    let known: u64 = [1, 2, 3, 7]
        .map(|sequence| window(sequence).bytes())
        .iter()
        .sum();
    assert_eq!(counters(&scrape).values().max(), Some(&known));
    server.wait_for_log("windows of this node never came");
    assert_eq!(name(&server), first, "it is the same store");
}

#[test]
fn an_agent_that_changes_to_another_server_is_noticed_there() {
    let (first, second) = (Setup::new(), Setup::new());
    let (one, other) = (first.start(), second.start());
    apply(&one, 1..=2);

    // Its acknowledgement was lost, and the agent is sent elsewhere.
    apply(&other, 2..=3);

    assert_eq!(
        total(&other.scrape(), "kubezonnet_agents_met_midway_total"),
        1
    );
    assert_eq!(
        total(&one.scrape(), "kubezonnet_agents_met_midway_total"),
        0
    );
    assert_ne!(name(&one), name(&other));
}

#[test]
fn two_servers_on_one_directory_are_one_too_many() {
    let setup = Setup::new();
    let server = setup.start();

    let line = setup.refused();

    assert!(line.contains("another kubezonnet-server uses"), "{line}");
    apply(&server, 1..=1);
}

#[test]
fn a_damaged_database_is_refused_by_name_and_never_begun_anew() {
    let setup = Setup::new();
    setup.start().end();
    let database = setup.data().join("kubezonnet.db");
    fs::write(&database, "damaged").unwrap();

    let line = setup.refused();

    assert!(line.contains(database.to_str().unwrap()), "{line}");
    assert!(
        line.contains("restore a backup of it, or move it away"),
        "{line}"
    );
    assert_eq!(fs::read(&database).unwrap(), b"damaged");
}

#[test]
fn a_clock_that_is_decades_off_changes_nothing_and_is_shown() {
    let server = Setup::new().start();

    apply(&server, 1..=1);

    let scrape = server.scrape();
    let skew = scrape.sum("kubezonnet_agent_clock_skew_seconds", &[("node", "n1")]);
    assert!(skew < -1e9, "{skew}");
    assert_eq!(counters(&scrape).values().max(), Some(&window(1).bytes()));
}
