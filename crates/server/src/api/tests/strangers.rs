//! Who is answered, and how much at once.

use std::net::SocketAddr;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, StatusCode, header};
use tower::ServiceExt as _;

use super::super::{Api, QUESTIONS, endpoints, routes};
use super::seeded::{api, ask, plain};
use crate::http::Gate;

fn asked_from(path: &str, from: &str) -> Request<Body> {
    let from: SocketAddr = from.parse().unwrap();
    Request::get(path)
        .extension(ConnectInfo(from))
        .body(Body::empty())
        .unwrap()
}

fn behind(gate: &Gate) -> Api {
    Api {
        gate: gate.clone(),
        ..api(plain())
    }
}

#[tokio::test]
async fn no_path_answers_a_stranger_without_a_token() {
    let api = behind(&Gate::local());

    for endpoint in endpoints() {
        let (stranger, _, said) = ask(&api, asked_from(endpoint.path, "10.1.2.3:50000")).await;
        let (here, ..) = ask(&api, asked_from(endpoint.path, "127.0.0.1:50000")).await;

        assert_eq!(stranger, StatusCode::FORBIDDEN, "{}", endpoint.path);
        let said = String::from_utf8(said).unwrap();
        assert!(said.contains("--bearer-token-file"), "{said}");
        assert_eq!(here, StatusCode::OK, "{}", endpoint.path);
    }
}

#[tokio::test]
async fn a_token_opens_every_path_to_a_stranger_and_is_wanted_of_all() {
    let gate = Gate::local();
    gate.lock("secret");
    let api = behind(&gate);

    for endpoint in endpoints() {
        for from in ["10.1.2.3:50000", "127.0.0.1:50000"] {
            let (without, ..) = ask(&api, asked_from(endpoint.path, from)).await;
            let mut request = asked_from(endpoint.path, from);
            let token = "Bearer secret".parse().unwrap();
            request.headers_mut().insert(header::AUTHORIZATION, token);
            let (with, ..) = ask(&api, request).await;

            assert_eq!(without, StatusCode::UNAUTHORIZED, "{}", endpoint.path);
            assert_eq!(with, StatusCode::OK, "{}", endpoint.path);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_takes_none_of_an_answer_keeps_its_turn_and_holds_up_no_other_kind() {
    let router = routes(api(plain()));
    let answer = async |path: &str| {
        let request = Request::get(path).body(Body::empty()).unwrap();
        router.clone().oneshot(request).await.unwrap()
    };
    let mut untaken = Vec::new();
    for _ in 0..QUESTIONS {
        untaken.push(answer("/api/v1/summary?since=2h").await);
    }

    let more = answer("/api/v1/summary?since=2h").await;
    let health = answer("/api/v1/health").await;
    untaken.pop();
    let after = answer("/api/v1/summary?since=2h").await;

    assert_eq!(more.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(health.status(), StatusCode::OK);
    assert_eq!(after.status(), StatusCode::OK);
}
