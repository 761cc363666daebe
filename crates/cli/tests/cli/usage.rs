//! What is asked of the server, and what is wrong with flags.

use kubezonnet_api::ResolutionName;

use crate::answers;
use crate::fake::Fake;
use crate::program::run;

/// What the fake was asked on these arguments, of a path.
fn asked(path: &str, arguments: &[&str]) -> Vec<String> {
    let fake = Fake::usual();
    let flag = fake.flag();
    let mut all = vec![&*flag];
    all.extend(arguments);

    let ended = run(&all);

    assert_eq!(ended.status, 0, "{}", ended.err);
    let of_path = format!("/api/v1/{path}");
    let asked = fake.asked().into_iter();
    asked
        .filter(|target| target.starts_with(&of_path))
        .collect()
}

#[test]
fn flags_become_the_question() {
    assert_eq!(
        asked(
            "top",
            &[
                "cost",
                "--by",
                "team",
                "-n",
                "shop",
                "-n",
                "search",
                "--locality",
                "cross-zone",
                "--limit",
                "7"
            ]
        ),
        [
            "/api/v1/top?since=7d&namespace=shop&namespace=search&locality=cross_zone&of=teams&by=cost&limit=7"
        ]
    );
    assert_eq!(
        asked(
            "matrix",
            &[
                "matrix",
                "--by",
                "region",
                "--from",
                "2026-11-01",
                "--to",
                "2026-11-08T06:00:00Z"
            ]
        ),
        ["/api/v1/matrix?from=2026-11-01T00%3A00%3A00Z&to=2026-11-08T06%3A00%3A00Z&by=region"]
    );
    assert_eq!(
        asked("top", &["top", "pods", "--sort", "growth", "--since", "7d"]),
        ["/api/v1/top?since=1h&of=pods&by=growth&limit=20"]
    );
    assert_eq!(
        asked(
            "flows",
            &[
                "flows",
                "--no-follow",
                "-w",
                "shop/orders",
                "--pod",
                "orders-6d5f7",
                "--limit",
                "5"
            ]
        ),
        ["/api/v1/flows?workload=shop%2Forders&pod=orders-6d5f7&limit=5"]
    );
}

#[test]
fn a_long_list_is_asked_for_page_by_page() {
    let fake = Fake::usual();
    let mut first = answers::namespaces();
    let last = first.items.split_off(1);
    first.next = Some("more".to_owned());
    let mut second = answers::namespaces();
    second.items = last;
    fake.tell_in_turn("top", &[first, second]);

    let ended = run(&[&fake.flag(), "cost", "--limit", "0", "-o", "csv"]);

    assert_eq!(ended.out.lines().count(), 4, "{}", ended.out);
    let asked = fake.asked();
    assert!(asked[1].ends_with("&limit=10000&cursor=more"), "{asked:?}");
}

#[test]
fn pages_of_a_list_that_grew_meanwhile_are_asked_for_anew_of_a_time_that_ended_earlier() {
    for (resolution, end) in [
        (ResolutionName::Minute, "2026-11-21T11%3A59%3A00Z"),
        (ResolutionName::Hour, "2026-11-21T11%3A00%3A00Z"),
        (ResolutionName::Day, "2026-11-20T12%3A00%3A00Z"),
    ] {
        let fake = Fake::usual();
        let mut first = answers::namespaces();
        first.range.resolution = resolution;
        let last = first.items.split_off(1);
        first.next = Some("more".to_owned());
        let mut second = answers::namespaces();
        second.items = last;
        let mut grown = second.clone();
        grown.total.bytes += 1;
        fake.tell_in_turn("top", &[first.clone(), grown, first, second]);

        let ended = run(&[&fake.flag(), "cost", "--limit", "0", "-o", "csv"]);

        assert_eq!(ended.out.lines().count(), 4, "{}", ended.out);
        assert!(ended.err.contains("it ends at"), "{}", ended.err);
        let asked = fake.asked();
        assert!(asked[1].ends_with("&cursor=more") && asked[3].ends_with("&cursor=more"));
        assert!(asked[2].contains(&format!("to={end}")), "{asked:?}");
    }
}

#[test]
fn a_list_that_never_stands_still_is_given_up_in_words() {
    let fake = Fake::usual();
    let mut first = answers::namespaces();
    let last = first.items.split_off(1);
    first.next = Some("more".to_owned());
    let mut grown = answers::namespaces();
    grown.items = last;
    grown.total.bytes += 1;
    fake.tell_in_turn("top", &[&first, &grown, &first, &grown, &first, &grown]);

    let ended = run(&[&fake.flag(), "cost", "--limit", "0", "-o", "csv"]);

    assert_eq!(ended.out, "");
    assert!(ended.err.contains("--to"), "{}", ended.err);
}

#[test]
fn where_a_list_goes_on_stays_in_the_answer_for_programs() {
    let fake = Fake::usual();
    let mut top = answers::namespaces();
    top.next = Some("more".to_owned());
    fake.tell("top", &top);

    let ended = run(&[&fake.flag(), "cost", "--limit", "3", "-o", "json"]);

    let answer: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(answer["top"]["next"], "more", "{}", ended.out);
    let asked = fake.asked();
    let pages = asked.iter().filter(|target| target.contains("/top?"));
    assert_eq!(pages.count(), 1, "{asked:?}");
}

#[test]
fn what_stands_above_is_of_the_same_time_as_the_list() {
    let range = "from=2026-11-14T12%3A00%3A00Z&to=2026-11-21T12%3A00%3A00Z";
    for command in ["cost", "matrix", "top"] {
        let asked = asked("summary", &[command, "-n", "shop"]);

        assert_eq!(
            asked,
            [format!("/api/v1/summary?{range}&namespace=shop")],
            "{command}"
        );
    }
}

#[test]
fn pairs_are_told_apart_by_zones_where_that_is_wanted() {
    let fake = Fake::usual();
    let mut top = answers::pairs();
    for item in &mut top.items {
        if let kubezonnet_api::Key::Pair {
            source,
            destination,
            ..
        } = &mut item.key
        {
            source.zone = Some("us-east-1a".to_owned());
            destination.zone = Some("us-east-1b".to_owned());
        }
    }
    fake.tell("top", &top);
    let arguments = ["cost", "--by", "pair", "--zones"];

    for (form, expected) in [
        ("table", "us-east-1a > us-east-1b"),
        ("wide", "SOURCE ZONE"),
        ("csv", ",us-east-1a,workload,"),
        ("json", "\"zone\": \"us-east-1a\""),
    ] {
        let flag = fake.flag();
        let ended = run(&[&arguments[..], &[&*flag, "-o", form]].concat());

        assert!(ended.out.contains(expected), "{form}: {}", ended.out);
    }
    let asked = fake.asked();
    assert!(
        asked[0].contains("of=pairs&by=cost&zones=true&"),
        "{asked:?}"
    );
    assert_eq!(run(&[&fake.flag(), "cost", "--zones"]).status, 64);
}

#[test]
fn what_is_wrong_with_flags_ends_with_64_and_names_them() {
    for (arguments, expected) in [
        (&["top", "--interval", "0s"][..], "from 1s to 1h"),
        (&["top", "elsewhere"], "possible values"),
        (&["cost", "--since", "7d", "--from", "2026-11-01"], "--from"),
        (&["cost", "--to", "2026-11-01"], "--from"),
        (&["flows", "--limit", "0"], "1..=10000"),
        (&["cost", "--server", "nowhere"], "--server"),
        (&["cost", "--server", "ftp://a"], "--server ftp://a"),
        (
            &[
                "cost",
                "--server",
                "http://127.0.0.1:1",
                "--token-file",
                "/nonexistent",
            ],
            "--token-file /nonexistent",
        ),
        (
            &[
                "cost",
                "--server",
                "http://127.0.0.1:1",
                "--ca-file",
                "/nonexistent",
            ],
            "--ca-file /nonexistent",
        ),
        (
            &["cost", "--kubeconfig", "/nonexistent"],
            "--kubeconfig /nonexistent",
        ),
        (&["cost", "--context", "nowhere"], "--context nowhere"),
        (&["cost"], "--server"),
        (&["frobnicate"], "frobnicate"),
        (&[], "Usage"),
    ] {
        let ended = run(arguments);

        assert_eq!(ended.status, 64, "{arguments:?}: {}", ended.err);
        assert!(ended.err.contains(expected), "{arguments:?}: {}", ended.err);
        assert_eq!(ended.out, "", "{arguments:?}");
    }
}

#[test]
fn what_the_server_finds_wrong_with_a_question_is_told_by_the_flag() {
    let fake = Fake::usual();
    let problem = r#"{"error":"`soon` is no duration","field":"since"}"#;
    fake.say("top", 400, problem);

    let ended = run(&[&fake.flag(), "cost", "--since", "soon"]);

    assert_eq!(ended.status, 64);
    assert_eq!(
        ended.err,
        "kubectl-zonnet: --since: `soon` is no duration\n"
    );
    let problem = r#"{"error":"it is of another question","field":"cursor"}"#;
    fake.say("top", 400, problem);
    assert_eq!(
        run(&[&fake.flag(), "cost"]).err,
        "kubectl-zonnet: the parameter cursor: it is of another question\n",
        "there is no such flag"
    );
}

#[test]
fn completions_are_there_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let ended = run(&["completion", shell]);

        assert_eq!(ended.status, 0);
        for word in ["kubectl-zonnet", "matrix", "server-namespace"] {
            assert!(ended.out.contains(word), "{shell}: {word}");
        }
    }
}

#[test]
fn the_client_tells_its_version_without_a_server() {
    let ended = run(&["version", "--client"]);

    let expected = format!("client: {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!((ended.status, ended.out), (0, expected));
}
