//! Whatever a server answers, it is refused in words, or left out.

use super::*;

/// When the store was made: within the range, so that nobody looks for it before.
const MADE: &str = "\"1799999940\"";

/// A counter between two workloads, beside the store that it is in, at the end of the range.
fn page(labels: &str, value: &str) -> String {
    let at = NOW.0 / 1000;
    let created = format!(
        r#"{{"metric":{{"__name__":"{CREATED}","instance":"a","store":"s"}},"values":[[{at},{MADE}]]}}"#
    );
    let counter = format!(
        r#"{{"metric":{{"__name__":"{BYTES}","instance":"a",{labels}}},"values":[[{at},"{value}"]]}}"#
    );
    answer(&[&created, &counter])
}

const LABELS: &str =
    r#""src_kind":"Internet","dst_kind":"other","dst_workload":"other","locality":"internet""#;

fn ask(said: Said) -> Result<Answer, String> {
    let server = Server::saying(said);
    let asking = asking(&server, cluster());
    let mut question = question();
    question.range.end = NOW;
    asking.ask(&question).map_err(|error| error.to_string())
}

#[test]
fn what_is_no_answer_is_refused_with_what_to_do() {
    let error = r#"{"status":"error","errorType":"execution","error":"query processing would load too many samples"}"#;
    let good = page(LABELS, "5");
    for (said, expected) in [
        (
            Said::Body("<html>".to_owned()),
            "is --prometheus-url right?",
        ),
        (Said::Body(String::new()), "is --prometheus-url right?"),
        (Said::Body(good[..good.len() - 5].to_owned()), "EOF"),
        (Said::Half(good.clone()), "cannot be asked"),
        (Said::Status(302, String::new()), "redirects"),
        (Said::Status(401, String::new()), "--prometheus-token-file"),
        (Said::Status(403, "no".repeat(100_000)), "not allowed"),
        (
            Said::Status(404, "<html>".to_owned()),
            "below --prometheus-url",
        ),
        (
            Said::Status(422, error.to_owned()),
            "would load too many samples",
        ),
        (Said::Status(500, "{".to_owned()), "answers 500"),
        (
            Said::Body(good.replace("}}", r#"},"warnings":["store c is away"]}"#)),
            "with all that there is (store c is away)",
        ),
        (
            Said::Body(good.replace("}}", r#"},"isPartial":true}"#)),
            "(the answer is partial)",
        ),
        (Said::Body(error.to_owned()), "would load too many samples"),
        (Said::Body(page(LABELS, "NaN")), "no counter shows"),
        (Said::Body(page(LABELS, "+Inf")), "no counter shows"),
        (Said::Body(page(LABELS, "-1")), "no counter shows"),
        (Said::Body(page(LABELS, "1e300")), "no counter shows"),
        (
            Said::Body(good.replace(&(NOW.0 / 1000).to_string(), "5")),
            "another time",
        ),
        (
            Said::Body(page(LABELS, "5").replace(MADE, "\"-1\"")),
            "which is no time",
        ),
    ] {
        let told = format!("{said:?}").chars().take(200).collect::<String>();

        let error = ask(said).expect_err(&told);

        assert!(error.contains(expected), "{told}: {error}");
        assert!(error.chars().count() < 700, "{told}: {error}");
    }
}

#[test]
fn what_nobody_asked_for_or_nobody_has_is_left_out() {
    for page in [
        page(r#""locality":"nowhere""#, "5"),
        page(LABELS, "5").replace(r#""instance":"a","store""#, r#""instance":"b","store""#),
        page(LABELS, "5").replace(BYTES, "up"),
    ] {
        let answer = ask(Said::Body(page.clone())).expect(&page);

        assert_eq!(answer.groups, [], "{page}");
    }
}

#[test]
fn counters_beyond_what_a_float_tells_apart_are_taken_as_they_were_rounded() {
    let many = 18_000_000_000_000_000_000_u64;

    let answer = ask(Said::Body(page(LABELS, &many.to_string())));

    assert!(answer.is_ok(), "{answer:?}");
}

#[test]
fn who_does_not_answer_is_not_waited_for() {
    let server = Server::of(Dialect::MetricsQl, Said::Nothing);
    let client = {
        let _in_runtime = server.runtime.enter();
        Client::patient(server.options(), Duration::from_millis(100)).unwrap()
    };

    let error = client.ask(|_| "up".to_owned(), Grid::at(NOW)).unwrap_err();

    assert!(
        error.to_string().contains("did not answer in time"),
        "{error}"
    );
}

#[test]
fn an_answer_without_end_is_read_no_further_than_there_is_room() {
    let server = Server::saying(Said::Endless(" ".to_owned()));
    let client = {
        let _in_runtime = server.runtime.enter();
        // However long a busy machine takes for it.
        Client::patient(server.options(), Duration::from_mins(10)).unwrap()
    };

    let error = client.ask(|_| "up".to_owned(), Grid::at(NOW)).unwrap_err();

    let told = error.to_string();
    assert!(told.contains("more than 128 MiB"), "{told}");
}

#[test]
fn what_is_refused_for_a_while_tells_nothing_of_the_dialect() {
    let away = r#"{"status":"error","errorType":"422","error":"a store is away"}"#;
    let server = Server::of(Dialect::MetricsQl, Said::Status(422, away.to_owned()));
    let client = {
        let _in_runtime = server.runtime.enter();
        Client::new(server.options()).unwrap()
    };
    let ask = || client.ask(|reading| reading.shown("up"), Grid::at(NOW));
    let error = ask().unwrap_err().to_string();
    assert!(error.contains("a store is away"), "{error}");

    server.say(Said::Body(answer(&[])));

    assert_eq!(ask().unwrap(), []);
    let asked = server.asked();
    let last = asked.last().unwrap();
    assert!(last.contains("default_rollup"), "{last}");
}

#[test]
fn one_answer_is_read_at_a_time() {
    let server = Server::saying(Said::Body(answer(&[])));
    let client = {
        let _in_runtime = server.runtime.enter();
        Client::new(server.options()).unwrap()
    };
    let ask = || {
        let patience = Duration::from_mins(1);
        client.ask_for(patience, |_| "up".to_owned(), Grid::at(NOW))
    };
    let (told, answers) = std::sync::mpsc::channel();
    let first = ask().unwrap();

    std::thread::scope(|scope| {
        scope.spawn(|| told.send(ask().is_ok()).unwrap());
        let while_first = answers.recv_timeout(Duration::from_millis(300));
        drop(first);
        let after = answers.recv_timeout(Duration::from_mins(1));

        assert!(while_first.is_err());
        assert_eq!(after, Ok(true));
    });
}

#[test]
fn who_is_not_there_is_told_with_the_address_and_no_more() {
    let server = Server::saying(Said::Nothing);
    let mut options = server.options();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = nobody.local_addr().unwrap().port();
    drop(nobody);
    options.url.set_port(Some(port)).unwrap();
    let client = {
        let _in_runtime = server.runtime.enter();
        Client::new(options).unwrap()
    };

    let error = client
        .ask(|_| "up".to_owned(), Grid::at(NOW))
        .unwrap_err()
        .to_string();

    assert!(
        error.starts_with(&format!("http://127.0.0.1:{port} cannot be asked")),
        "{error}"
    );
    assert!(error.contains("refused"), "{error}");
}

#[test]
fn files_that_cannot_be_used_are_named_at_the_start() {
    let server = Server::saying(Said::Nothing);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "\n").unwrap();
    let mut token = server.options();
    token.token_file = Some(file.clone());
    let mut authorities = server.options();
    authorities.ca_file = Some(file.clone());
    let mut missing = server.options();
    missing.ca_file = Some(directory.path().join("missing"));
    let _in_runtime = server.runtime.enter();

    for (options, expected) in [
        (token, "--prometheus-token-file"),
        (authorities, "holds no PEM certificate"),
        (missing, "cannot be read"),
    ] {
        let error = Client::new(options).unwrap_err().to_string();

        assert!(error.contains(expected), "{error}");
        assert!(
            error.contains(directory.path().to_str().unwrap()),
            "{error}"
        );
    }
}
