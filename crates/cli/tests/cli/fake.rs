//! A server that answers as it is told, over real HTTP.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use tokio::sync::oneshot;

use crate::answers;

/// What it answers, by path below `/api/v1/`, and what it was asked.
#[derive(Debug, Default)]
struct Told {
    answers: BTreeMap<String, Vec<(u16, String)>>,
    token: Option<String>,
    asked: Vec<String>,
}

/// The fake; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Fake {
    told: Arc<Mutex<Told>>,
    address: SocketAddr,
    _end: oneshot::Sender<()>,
}

impl Fake {
    /// One that answers nothing but 404.
    pub(crate) fn empty() -> Self {
        let told: Arc<Mutex<Told>> = Arc::default();
        let (end, ended) = oneshot::channel::<()>();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().fallback(answer).with_state(Arc::clone(&told));
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = { runtime }.enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                tokio::select! {
                    served = axum::serve(listener, router) => served.unwrap(),
                    _ = ended => {}
                }
            });
        });
        Self {
            told,
            address,
            _end: end,
        }
    }

    /// One of a cluster with something to tell.
    pub(crate) fn usual() -> Self {
        let fake = Self::empty();
        fake.tell("summary", &answers::summary());
        fake.tell("matrix", &answers::matrix());
        fake.tell("top", &answers::pairs());
        fake.tell("flows", &answers::flows());
        fake.tell("health", &answers::health());
        fake.tell("version", &answers::version());
        fake
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// `--server` and where it is.
    pub(crate) fn flag(&self) -> String {
        format!("--server=http://{}", self.address)
    }

    /// From now on it answers that.
    pub(crate) fn tell(&self, path: &str, answer: &impl Serialize) {
        let text = serde_json::to_string(answer).unwrap();
        self.say(path, 200, &text);
    }

    /// From now on it answers that, word by word.
    pub(crate) fn say(&self, path: &str, status: u16, text: &str) {
        let answers = vec![(status, text.to_owned())];
        self.told
            .lock()
            .unwrap()
            .answers
            .insert(path.to_owned(), answers);
    }

    /// It answers one after the other, and stays with the last.
    pub(crate) fn tell_in_turn(&self, path: &str, turns: &[impl Serialize]) {
        let texts = turns
            .iter()
            .map(|turn| (200, serde_json::to_string(turn).unwrap()));
        let answers = texts.collect();
        self.told
            .lock()
            .unwrap()
            .answers
            .insert(path.to_owned(), answers);
    }

    /// It wants that token.
    pub(crate) fn lock(&self, token: &str) {
        self.told.lock().unwrap().token = Some(token.to_owned());
    }

    /// What it was asked: paths and queries.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.told.lock().unwrap().asked.clone()
    }
}

async fn answer(State(told): State<Arc<Mutex<Told>>>, uri: Uri, headers: HeaderMap) -> Response {
    let mut told = told.lock().unwrap();
    told.asked.push(uri.to_string());
    let wanted = told.token.as_ref().map(|token| format!("Bearer {token}"));
    let given = headers.get(header::AUTHORIZATION);
    let given = given.and_then(|value| value.to_str().ok());
    if wanted.is_some() && wanted.as_deref() != given {
        return (StatusCode::UNAUTHORIZED, "a bearer token is wanted\n").into_response();
    }
    let path = uri.path().trim_start_matches("/api/v1/").to_owned();
    let Some(turns) = told.answers.get_mut(&path) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let turn = if turns.len() > 1 {
        turns.remove(0)
    } else {
        turns[0].clone()
    };
    (StatusCode::from_u16(turn.0).unwrap(), turn.1).into_response()
}
