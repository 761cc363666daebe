//! How it is with the server that is asked, whatever it refuses.

use super::*;

const DAY: u64 = 86_400_000;

/// What a query of the watch is answered with: each has this, a minute ago.
fn sample() -> String {
    let seconds = NOW.0 / 1000;
    format!(
        r#"{{"metric":{{}},"values":[[{seconds},"{}"]]}}"#,
        seconds - 60
    )
}

/// For how many days a question asks, if it asks by day.
fn days(request: &str) -> Option<u64> {
    let form = request.rsplit("\r\n").next()?;
    let of = |name: &str| {
        let mut parts = form.split('&');
        let text = parts.find_map(|part| part.strip_prefix(name))?;
        text.split('.').next()?.parse::<u64>().ok()
    };
    let is_by_day = of("step=") == Some(86_400);
    is_by_day.then_some((of("end=")? - of("start=")?) / 86_400)
}

#[test]
fn a_server_that_refuses_to_look_back_so_far_is_asked_of_fewer_days() {
    let server = Server::saying(Said::Asked(|request| match days(request) {
        Some(31..) => Said::Status(422, "too long".to_owned()),
        _ => Said::Body(answer(&[&sample()])),
    }));
    let asking = asking(&server, cluster());

    asking.look();

    let status = asking.status();
    assert_eq!(status.failing, None);
    assert_eq!(status.since, Some(NOW));
    let asked: Vec<_> = server
        .asked()
        .iter()
        .filter_map(|request| days(request))
        .collect();
    assert_eq!(asked, [800, 400, 200, 100, 50, 25]);
}

#[test]
fn how_far_it_is_behind_grows_while_there_is_nothing() {
    let watch = Watch::default();
    let server = Server::saying(Said::Body(answer(&[])));
    let client = {
        let _in_runtime = server.runtime.enter();
        Client::new(server.options()).unwrap()
    };
    let behind = |now| {
        watch.look(&client, now);
        watch.status().behind
    };

    assert_eq!(behind(NOW), Duration::ZERO);
    assert_eq!(behind(NOW.plus(HOUR)), HOUR);
    server.say(Said::Body(answer(&[&sample()])));
    assert_eq!(behind(NOW), Duration::from_mins(1));
    server.say(Said::Body(answer(&[])));
    assert_eq!(behind(NOW.plus(HOUR)), HOUR + Duration::from_mins(1));
    assert!(watch.status().failing.unwrap().contains("has nothing"));
}

#[test]
fn an_answer_that_is_not_whole_is_told() {
    let whole = answer(&[&sample()]);
    let part = whole.replace("}}", r#"},"warnings":["store c is away"]}"#);
    let server = Server::saying(Said::Body(whole));
    let asking = asking(&server, cluster());
    asking.look();
    assert_eq!(asking.status().failing, None);

    server.say(Said::Body(part));
    asking.look();

    let failing = asking.status().failing.unwrap_or_default();
    assert!(failing.contains("(store c is away)"), "{failing}");
}

#[test]
fn a_server_that_never_looks_back_tells_all_else() {
    let server = Server::saying(Said::Asked(|request| match days(request) {
        Some(_) => Said::Status(422, "never".to_owned()),
        None => Said::Body(answer(&[&sample()])),
    }));
    let asking = asking(&server, cluster());

    asking.look();
    asking.look();

    let status = asking.status();
    assert_eq!((status.failing, status.since), (None, None));
    assert_eq!(status.behind, Duration::from_mins(1));
    assert!(asking.watch.series() > 0);
    let asked: Vec<_> = server
        .asked()
        .iter()
        .filter_map(|request| days(request))
        .collect();
    assert_eq!(asked, [800, 400, 200, 100, 50, 25, 12, 6, 3, 1, 2, 1]);
}

/// What a server has that has something at each point in time for so many days, and refuses to be asked of
/// more than a month at once.
fn having(request: &str, kept: u64) -> Said {
    if days(request).is_some_and(|days| days > 31) {
        return Said::Status(422, "too long".to_owned());
    }
    let (_, points) = stretches::points(request);
    let began = NOW.0 / 1000 - kept * 86_400;
    let has = points.into_iter().filter(|[_, meant]| *meant >= began);
    let values = has
        .map(|[at, _]| format!(r#"[{at},"1"]"#))
        .collect::<Vec<_>>();
    if values.is_empty() {
        return Said::Body(answer(&[]));
    }
    let values = values.join(",");
    Said::Body(answer(&[&format!(
        r#"{{"metric":{{}},"values":[{values}]}}"#
    )]))
}

#[test]
fn how_far_it_was_looked_back_is_not_when_history_began() {
    let server = Server::saying(Said::Asked(|request| having(request, 60)));
    let asking = asking(&server, cluster());
    let mut question = question();
    question.range.start = NOW.minus(30 * 24 * HOUR);

    asking.look();
    let answer = asking.ask(&question).unwrap();

    assert_eq!(asking.status().since, None);
    assert_eq!(answer.since, None);
    // Of what is looked at all is there: the time before another one can be compared with it.
    let today = NOW.0 / DAY * DAY;
    assert_eq!(answer.reaches[0], Some(Timestamp(today - 26 * DAY)));
}

#[test]
fn when_history_began_is_told_where_there_was_nothing_before() {
    let server = Server::saying(Said::Asked(|request| having(request, 20)));
    let asking = asking(&server, cluster());

    asking.look();

    let began = NOW.minus(20 * 24 * HOUR);
    assert_eq!(asking.status().since, Some(began));
    assert_eq!(asking.ask(&question()).unwrap().since, Some(began));
}
