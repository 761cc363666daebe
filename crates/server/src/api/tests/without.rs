//! No answer: it is said why, and what to do.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

use super::csv::table;
use super::seeded::{api, api_of, ask, get, plain, right};
use super::*;
use crate::history::plain::Plain;
use crate::history::{Answer, AskError, Question, Status};
use crate::testing::NOW;

/// What is asked of the past.
const OF_THE_PAST: [&str; 5] = ["summary", "matrix", "top", "series", "costs.csv"];

/// A past of which no answer comes.
#[derive(Debug)]
struct Failing(AskError);

impl Past for Failing {
    fn ask(&self, _question: &Question) -> Result<Answer, AskError> {
        Err(self.0.clone())
    }

    fn status(&self) -> Status {
        Plain::default().status()
    }
}

/// A past that can be told by long steps only.
#[derive(Debug)]
struct Coarse(Plain, Duration);

impl Past for Coarse {
    fn ask(&self, question: &Question) -> Result<Answer, AskError> {
        match question.step {
            Some(step) if step < self.1 => Err(AskError::Unsupported("too much".to_owned())),
            _ => self.0.ask(question),
        }
    }

    fn shortest_step(&self, length: Duration) -> Option<Duration> {
        assert!(length >= Duration::from_hours(24), "{length:?}");
        Some(self.1)
    }

    fn status(&self) -> Status {
        self.0.status()
    }
}

#[tokio::test]
async fn steps_that_the_question_leaves_open_are_as_long_as_the_past_needs() {
    for (minutes, series, parts) in [(1, 144, 60), (7, 144, 60), (100, 12, 15), (2_000, 1, 1)] {
        let past = Coarse(plain(), Duration::from_mins(minutes));
        let api = api_of(&cluster(), Some(Arc::new(past)));

        let told = right(&api, "/api/v1/series?since=24h").await;
        let top = right(&api, "/api/v1/top?since=24h&of=workloads").await;

        assert_eq!(told["times"].as_array().unwrap().len(), series, "{minutes}");
        let trend = top["items"][0]["trend"].as_array().unwrap();
        assert_eq!(trend.len(), parts, "{minutes}");
    }
    let past = Coarse(plain(), Duration::from_hours(2));
    let api = api_of(&cluster(), Some(Arc::new(past)));

    let (status, _) = get(&api, "/api/v1/series?since=24h&step=1h").await;

    assert_eq!(status, StatusCode::BAD_REQUEST);
}

/// A past that can tell so much at once.
#[derive(Debug)]
struct Short(Plain, Duration);

impl Past for Short {
    fn ask(&self, question: &Question) -> Result<Answer, AskError> {
        let length = question.range.end.since(question.range.start);
        if length > self.1 {
            return Err(AskError::Unsupported("too much".to_owned()));
        }
        self.0.ask(question)
    }

    fn shortest_step(&self, length: Duration) -> Option<Duration> {
        (length <= self.1).then_some(Duration::from_mins(1))
    }

    fn status(&self) -> Status {
        self.0.status()
    }
}

#[tokio::test]
async fn costs_are_asked_for_in_parts_that_the_past_can_tell() {
    let path = "/api/v1/costs.csv?since=5h&granularity=hour";
    let (_, expected) = table(&api(plain()), path, None).await;
    assert!(expected.len() > 1);
    for hours in [1, 2, 4] {
        let past = Short(plain(), Duration::from_hours(hours));
        let api = api_of(&cluster(), Some(Arc::new(past)));

        let (_, rows) = table(&api, path, None).await;

        assert_eq!(rows, expected, "{hours}");
    }
}

/// A past that nobody knows the begin of, and all of which there is for a year.
#[derive(Debug)]
struct Endless(Plain);

impl Past for Endless {
    fn ask(&self, question: &Question) -> Result<Answer, AskError> {
        Ok(Answer {
            since: None,
            reaches: [Some(NOW.minus(Duration::from_hours(365 * 24))); 3],
            ..self.0.ask(question)?
        })
    }

    fn status(&self) -> Status {
        Status {
            since: None,
            ..self.0.status()
        }
    }
}

#[tokio::test]
async fn where_nobody_knows_when_history_began_a_month_is_compared_and_projected_all_the_same() {
    let api = api_of(&cluster(), Some(Arc::new(Endless(plain()))));

    let month = right(&api, "/api/v1/summary").await["month"].take();

    assert!(month["before"].is_object(), "{month}");
    assert!(month["projected"].is_object(), "{month}");
    let begin = month["from"].as_str().unwrap();
    assert!(begin.ends_with("-01T00:00:00Z"), "{begin}");
}

/// A past that cannot tell of more than two hours.
#[derive(Debug)]
struct Hasty(Plain, AskError);

impl Past for Hasty {
    fn ask(&self, question: &Question) -> Result<Answer, AskError> {
        let range = question.range;
        if range.end.since(range.start) > Duration::from_hours(2) {
            return Err(self.1.clone());
        }
        self.0.ask(question)
    }

    fn status(&self) -> Status {
        self.0.status()
    }
}

#[tokio::test]
async fn whoever_asks_of_an_hour_does_not_wait_for_a_month_that_cannot_be_told() {
    let of_an_hour = async |error| {
        let past = Hasty(plain(), error);
        let api = api_of(&cluster(), Some(Arc::new(past)));
        get(&api, "/api/v1/summary?since=1h").await
    };

    for error in [
        AskError::TooLong,
        AskError::Unsupported("too much".to_owned()),
        AskError::Unanswered("timed out".to_owned()),
    ] {
        let (status, summary) = of_an_hour(error).await;

        assert_eq!(status, StatusCode::OK, "{summary}");
        assert!(summary["total"]["bytes"].as_u64() > Some(0), "{summary}");
        assert!(summary.get("month").is_none(), "{summary}");
    }
    let (status, _) = of_an_hour(AskError::Unreadable("disk".to_owned())).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
}

/// A past whose answers wait until they may come.
#[derive(Debug, Default)]
struct Slow {
    may_answer: Mutex<bool>,
    told: Condvar,
    asked: AtomicUsize,
    plain: Plain,
}

impl Past for Slow {
    fn ask(&self, question: &Question) -> Result<Answer, AskError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let may_answer = self.may_answer.lock().unwrap();
        drop(
            self.told
                .wait_while(may_answer, |may_answer| !*may_answer)
                .unwrap(),
        );
        self.plain.ask(question)
    }

    fn status(&self) -> Status {
        self.plain.status()
    }
}

#[tokio::test]
async fn without_a_past_all_else_is_answered() {
    let api = api_of(&cluster(), None);

    for path in OF_THE_PAST {
        let (status, problem) = get(&api, &format!("/api/v1/{path}")).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert!(
            problem["error"].as_str().unwrap().contains("history"),
            "{problem}"
        );
    }
    for path in ["flows", "top?of=pods", "health", "version", "openapi.json"] {
        assert_eq!(
            get(&api, &format!("/api/v1/{path}")).await.0,
            StatusCode::OK,
            "{path}"
        );
    }
    let (_, health) = get(&api, "/api/v1/health").await;
    assert_eq!(health["history"]["failing"], "this server keeps no history");
}

#[tokio::test]
async fn a_past_that_cannot_be_read_says_why_and_what_to_do() {
    let failing = |error: AskError| api_of(&cluster(), Some(Arc::new(Failing(error))));
    let unreadable = failing(AskError::Unreadable("disk I/O error".to_owned()));
    let unsupported = failing(AskError::Unsupported("it has no services".to_owned()));

    for path in OF_THE_PAST {
        let (status, problem) = get(&unreadable, &format!("/api/v1/{path}")).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
        let told = problem["error"].as_str().unwrap();
        assert!(
            told.contains("disk I/O error") && told.contains("look at"),
            "{told}"
        );
        let (status, problem) = get(&unsupported, &format!("/api/v1/{path}")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{path}");
        assert_eq!(problem["error"], "it has no services");
    }
}

#[tokio::test(start_paused = true)]
async fn a_question_that_does_not_get_its_turn_is_told_to_come_again() {
    let slow = Arc::<Slow>::default();
    let api = api_of(&cluster(), Some(Arc::clone(&slow) as Arc<dyn Past>));
    let router = routes(api);
    let ask = || {
        let request = Request::get("/api/v1/matrix").body(Body::empty()).unwrap();
        tokio::spawn(router.clone().oneshot(request))
    };
    let first: Vec<_> = (0..QUESTIONS).map(|_| ask()).collect();
    while slow.asked.load(Ordering::SeqCst) < QUESTIONS {
        tokio::task::yield_now().await;
    }

    let late = ask();
    tokio::task::yield_now().await;
    tokio::time::advance(TURN + Duration::from_millis(1)).await;
    let late = late.await.unwrap().unwrap();

    assert_eq!(late.status(), StatusCode::SERVICE_UNAVAILABLE);
    let body = late.into_body().collect().await.unwrap().to_bytes();
    assert!(
        String::from_utf8_lossy(&body).contains("come again"),
        "{body:?}"
    );
    *slow.may_answer.lock().unwrap() = true;
    slow.told.notify_all();
    for answer in first {
        assert_eq!(answer.await.unwrap().unwrap().status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn for_who_leaves_the_past_is_asked_no_further() {
    let slow = Arc::<Slow>::default();
    let router = routes(api_of(&cluster(), Some(Arc::clone(&slow) as Arc<dyn Past>)));
    let ask = || {
        let request = Request::get("/api/v1/summary").body(Body::empty());
        tokio::spawn(router.clone().oneshot(request.unwrap()))
    };
    let asked = |least| {
        kubezonnet_testkit::wait_for("a question", Duration::from_secs(20), || {
            Some(slow.asked.load(Ordering::SeqCst)).filter(|asked| *asked >= least)
        })
        .unwrap()
    };
    let users = Arc::strong_count(&slow);
    let leaves = ask();
    tokio::task::yield_now().await;
    asked(1);

    leaves.abort();
    assert!(leaves.await.unwrap_err().is_cancelled());
    *slow.may_answer.lock().unwrap() = true;
    slow.told.notify_all();
    while Arc::strong_count(&slow) > users {
        tokio::task::yield_now().await;
    }

    assert_eq!(asked(1), 1);
    assert_eq!(ask().await.unwrap().unwrap().status(), StatusCode::OK);
    assert!(asked(2) > 2, "a summary is made of several");
}

#[tokio::test]
async fn what_is_not_kept_in_memory_is_said_not_to_be() {
    let bare = Api {
        recent: None,
        pods: None,
        ..api(plain())
    };

    for path in ["flows", "top?of=pods"] {
        let (status, _) = get(&bare, &format!("/api/v1/{path}")).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
    }
}

#[tokio::test]
async fn a_question_at_which_the_server_fails_is_not_its_end() {
    #[derive(Debug)]
    struct Panicking;
    impl Past for Panicking {
        fn ask(&self, _question: &Question) -> Result<Answer, AskError> {
            panic!("of a test")
        }

        fn status(&self) -> Status {
            Plain::default().status()
        }
    }
    let api = api_of(&cluster(), Some(Arc::new(Panicking)));

    for _ in 0..=QUESTIONS {
        let request = Request::get("/api/v1/summary").body(Body::empty()).unwrap();
        let (status, ..) = ask(&api, request).await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    }
    assert_eq!(get(&api, "/api/v1/flows").await.0, StatusCode::OK);
}
