//! Flows, followed.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

use kubezonnet_api::Flows;

use crate::answers::{flow, flows};
use crate::fake::Fake;
use crate::program::{command, run};

#[test]
fn flows_are_lines_of_what_is_best_known() {
    let fake = Fake::usual();

    let ended = run(&[&fake.flag(), "flows", "--no-follow"]);

    assert_eq!(
        ended.out,
        "12:00:11  cross zone    81.2 kB  shop/orders-6d5f7 (us-east-1a) > shop/postgres-0:5432 (us-east-1b) tcp\n\
         12:00:21  cross zone    1.23 MB  shop/orders-6d5f7 (us-east-1a) > shop/postgres-0:5432 (us-east-1b) tcp\n"
    );
}

#[test]
fn flows_for_programs_are_an_object_a_line() {
    let fake = Fake::usual();

    let ended = run(&[&fake.flag(), "flows", "--no-follow", "-o", "json"]);

    let lines = ended
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    assert_eq!(lines.collect::<Vec<kubezonnet_api::Flow>>(), flows().flows);
}

#[test]
fn flows_are_followed_by_the_cursor_and_what_was_missed_is_said() {
    let fake = Fake::usual();
    let more = Flows {
        flows: vec![flow(21, 5)],
        next: "two".to_owned(),
        missed: 1234,
        wait_seconds: 0.0,
    };
    let last = Flows {
        flows: vec![],
        next: "two".to_owned(),
        missed: 0,
        wait_seconds: 60.0,
    };
    let first = Flows {
        wait_seconds: 0.0,
        ..flows()
    };
    fake.tell_in_turn("flows", &[first, more, last]);
    let mut child = command(&[&fake.flag(), "flows"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();

    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let lines: Vec<_> = lines.take(3).map(Result::unwrap).collect();
    let mut note = String::new();
    BufReader::new(child.stderr.take().unwrap())
        .read_line(&mut note)
        .unwrap();
    child.kill().unwrap();
    child.wait().unwrap();

    assert!(lines[2].contains("5 B"), "{lines:?}");
    assert!(note.contains("1,234 flows"), "{note}");
    let asked = fake.asked();
    assert_eq!(asked[1], "/api/v1/flows?limit=10000&cursor=one");
}

#[test]
fn flows_are_asked_for_again_when_there_can_be_more_and_no_sooner() {
    let fake = Fake::usual();
    let answers = [(2.5, 1), (0.0, 2), (60.0, 3)].map(|(wait_seconds, bytes)| Flows {
        flows: vec![flow(21, bytes)],
        wait_seconds,
        ..flows()
    });
    fake.tell_in_turn("flows", &answers);
    let begun = Instant::now();
    let mut child = command(&[&fake.flag(), "flows"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();

    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let lines: Vec<_> = lines.take(3).map(Result::unwrap).collect();
    let took = begun.elapsed();
    child.kill().unwrap();
    child.wait().unwrap();

    assert!(lines[2].contains("3 B"), "{lines:?}");
    assert!(took >= Duration::from_millis(2500), "{took:?}");
    // It is told to wait for a minute now.
    assert_eq!(fake.asked().len(), 3);
}
