//! Servers that are not as they should be.

use std::io::Read as _;
use std::net::TcpListener;
use std::process::Stdio;

use crate::fake::Fake;
use crate::program::{command, run};

#[test]
fn a_server_that_is_not_there_is_named() {
    // Nobody else takes a port that was just given back.
    let address = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let flag = format!("--server=http://user:secret@{address}");

    let ended = run(&[&flag, "cost"]);

    assert_eq!(ended.status, 69);
    let expected = format!("cannot reach http://{address}");
    assert!(
        ended.err.contains(&expected) && ended.err.contains("refused"),
        "{}",
        ended.err
    );
    assert!(!ended.err.contains("secret"), "{}", ended.err);
}

#[test]
fn what_a_server_answers_other_than_asked_is_told() {
    for (status, text, exit, expected) in [
        (404, "", 69, "older than this one"),
        (404, "<html>not found</html>", 69, "another program"),
        (500, "\x1b[31mboom", 1, "answers 500: \"\u{fffd}[31mboom\""),
        (
            503,
            r#"{"error":"history is behind"}"#,
            69,
            "answers 503: history is behind",
        ),
        (429, "slow down", 1, "answers 429"),
        (200, "<html>", 1, "is not that of a kubezonnet-server"),
        (200, "", 1, "is not that of a kubezonnet-server"),
        (200, r#"{"range":{}}"#, 1, "missing field"),
        (
            302,
            "",
            64,
            "leads elsewhere (it answers 302): give the URL",
        ),
    ] {
        let fake = Fake::empty();
        fake.say("top", status, text);

        let ended = run(&[&fake.flag(), "cost"]);

        assert_eq!(ended.status, exit, "{status} {text:?}: {}", ended.err);
        assert!(
            ended.err.contains(expected),
            "{status} {text:?}: {}",
            ended.err
        );
        assert_eq!(ended.err.lines().count(), 1, "{}", ended.err);
        assert_eq!(ended.out, "");
    }
}

#[test]
fn money_that_is_none_is_an_error_and_no_number() {
    let fake = Fake::usual();
    let mut top = crate::answers::namespaces();
    top.total.cost = Some(crate::answers::money("NaN"));
    fake.tell("top", &top);

    let ended = run(&[&fake.flag(), "cost"]);

    assert_eq!(ended.status, 1);
    assert!(
        ended.err.contains("\"NaN\" is no amount of money"),
        "{}",
        ended.err
    );
}

#[test]
fn a_server_with_a_token_wants_that_one() {
    let fake = Fake::usual();
    fake.lock("the right one");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    let flag = format!("--token-file={}", path.display());

    let without = run(&[&fake.flag(), "cost"]);
    std::fs::write(&path, "wrong\n").unwrap();
    let wrong = run(&[&fake.flag(), &flag, "cost"]);
    std::fs::write(&path, "the-right-one\n").unwrap();
    fake.lock("the-right-one");
    let right = run(&[&fake.flag(), &flag, "cost"]);
    std::fs::write(&path, "\n").unwrap();
    let none = run(&[&fake.flag(), &flag, "cost"]);

    assert_eq!(
        (without.status, wrong.status, right.status, none.status),
        (77, 77, 0, 64)
    );
    assert!(without.err.contains("with --token-file"), "{}", without.err);
    assert!(
        wrong.err.contains("does not take the token"),
        "{}",
        wrong.err
    );
    assert!(none.err.contains("holds no token"), "{}", none.err);
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let fake = Fake::usual();
    let mut child = command(&[&fake.flag(), "cost"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());

    let status = child.wait().unwrap();

    let mut err = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut err)
        .unwrap();
    assert_eq!((status.code(), &*err), (Some(0), ""));
}

#[test]
fn an_older_server_is_to_be_looked_at_and_no_problem() {
    let fake = Fake::usual();
    let version = serde_json::json!({ "version": "0.0.9", "labels": [], "of a later one": 1 });
    fake.tell("version", &version);

    let ended = run(&[&fake.flag(), "check"]);
    let strict = run(&[&fake.flag(), "check", "--strict"]);

    assert_eq!((ended.status, strict.status), (0, 1));
    assert!(ended.out.contains("version 0.0.9"), "{}", ended.out);
}
