//! Every path of the API: what it is for, what it takes, and who answers.

use std::sync::LazyLock;

use axum::body::Bytes;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use kubezonnet_api::{
    Asked, CostsAsked, Flows, FlowsAsked, FormatAsked, Health, Matrix, MatrixAsked, Series,
    SeriesAsked, Summary, Top, TopAsked, Version,
};
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;
use utoipa::openapi::path::Parameter;

use super::csv::{self, Table};
use super::document::{self, Answer};
use super::query::{Query, parameters};
use super::refusal::Refusal;
use super::{Api, flows, focus, health, matrix, series, summary, top};

/// A path of the API.
pub(super) struct Endpoint {
    pub(super) path: &'static str,
    /// What it is for, in a line.
    pub(super) summary: &'static str,
    /// What it takes: anything else is refused.
    pub(super) parameters: fn() -> Vec<Vec<Parameter>>,
    /// What its JSON is; none of what is no such type.
    pub(super) schema: Option<fn() -> Answer>,
    /// As what it comes.
    pub(super) comes_as: ComesAs,
    /// Whether it goes through what went, which takes time and memory.
    pub(super) takes_turn: bool,
    /// Works the answer out, as a table or as JSON.
    pub(super) answer: fn(&Api, &Query, As) -> Result<Answered, Refusal>,
}

/// As what answers of a path come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ComesAs {
    Json,
    /// As who asks would have it.
    Either,
    Csv,
}

/// As what an answer is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum As {
    Json,
    Csv,
}

impl Endpoint {
    pub(super) fn is_csv(&self) -> bool {
        self.comes_as != ComesAs::Json
    }
}

/// Every path of the API.
pub(super) fn endpoints() -> &'static [Endpoint] {
    ENDPOINTS
}

const ENDPOINTS: &[Endpoint] = &[
    Endpoint {
        path: "/api/v1/summary",
        summary: "What went, what it costs, and how that changed",
        parameters: || vec![parameters::<Asked>(), parameters::<FormatAsked>()],
        schema: Some(Answer::of::<Summary>),
        comes_as: ComesAs::Either,
        takes_turn: true,
        answer: |api, query, wanted| Ok(wanted.of(&summary::answer(api, query)?)),
    },
    Endpoint {
        path: "/api/v1/matrix",
        summary: "What went between zones, or regions",
        parameters: || {
            vec![
                parameters::<Asked>(),
                parameters::<MatrixAsked>(),
                parameters::<FormatAsked>(),
            ]
        },
        schema: Some(Answer::of::<Matrix>),
        comes_as: ComesAs::Either,
        takes_turn: true,
        answer: |api, query, wanted| Ok(wanted.of(&matrix::answer(api, query)?)),
    },
    Endpoint {
        path: "/api/v1/top",
        summary: "Who has the most",
        parameters: || {
            vec![
                parameters::<Asked>(),
                parameters::<TopAsked>(),
                parameters::<FormatAsked>(),
            ]
        },
        schema: Some(Answer::of::<Top>),
        comes_as: ComesAs::Either,
        takes_turn: true,
        answer: |api, query, wanted| Ok(wanted.of(&top::answer(api, query)?)),
    },
    Endpoint {
        path: "/api/v1/series",
        summary: "The same over time",
        parameters: || {
            vec![
                parameters::<Asked>(),
                parameters::<SeriesAsked>(),
                parameters::<FormatAsked>(),
            ]
        },
        schema: Some(Answer::of::<Series>),
        comes_as: ComesAs::Either,
        takes_turn: true,
        answer: |api, query, wanted| Ok(wanted.of(&series::answer(api, query)?)),
    },
    Endpoint {
        path: "/api/v1/flows",
        summary: "The last windows, flow by flow",
        parameters: || {
            vec![
                parameters::<Asked>(),
                parameters::<FlowsAsked>(),
                parameters::<FormatAsked>(),
            ]
        },
        schema: Some(Answer::of::<Flows>),
        comes_as: ComesAs::Either,
        takes_turn: true,
        answer: |api, query, wanted| Ok(wanted.of(&flows::answer(api, query)?)),
    },
    Endpoint {
        path: "/api/v1/costs.csv",
        summary: "What it costs by workload and day or hour, in the shape of FOCUS, for charge-back",
        parameters: || vec![parameters::<Asked>(), parameters::<CostsAsked>()],
        schema: None,
        comes_as: ComesAs::Csv,
        takes_turn: true,
        answer: |api, query, _| Ok(Answered::csv(&focus::answer(api, query)?)),
    },
    Endpoint {
        path: "/api/v1/health",
        summary: "Whether to believe what is shown: the server, its agents, and what it keeps",
        parameters: Vec::new,
        schema: Some(Answer::of::<Health>),
        comes_as: ComesAs::Json,
        takes_turn: false,
        answer: |api, _, _| Ok(Answered::json(&health::answer(api))),
    },
    Endpoint {
        path: "/api/v1/version",
        summary: "Which server answers",
        parameters: Vec::new,
        schema: Some(Answer::of::<Version>),
        comes_as: ComesAs::Json,
        takes_turn: false,
        answer: |api, _, _| Ok(Answered::json(&version(api))),
    },
    Endpoint {
        path: document::PATH,
        summary: "This document",
        parameters: Vec::new,
        schema: None,
        comes_as: ComesAs::Json,
        takes_turn: false,
        answer: |_, _, _| Ok(Answered::json(&*DOCUMENT)),
    },
];

/// The same as long as the server lives.
static DOCUMENT: LazyLock<serde_json::Value> = LazyLock::new(document::document);

/// An answer on its way out.
pub(super) struct Answered {
    content_type: &'static str,
    body: Body,
}

/// What is sent. It keeps its turn until it is sent or given up: who takes none of it holds memory too.
struct Body {
    bytes: Vec<u8>,
    turn: Option<OwnedSemaphorePermit>,
}

impl AsRef<[u8]> for Body {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl As {
    fn of<T: Serialize + Table>(self, answer: &T) -> Answered {
        match self {
            Self::Json => Answered::json(answer),
            Self::Csv => Answered::csv(answer),
        }
    }
}

impl Answered {
    fn json(answer: &impl Serialize) -> Self {
        let json = serde_json::to_vec(answer);
        let json = json.expect("names, numbers and texts are JSON, and memory takes them");
        Self::of("application/json", json)
    }

    fn csv(table: &impl Table) -> Self {
        Self::of("text/csv; charset=utf-8; header=present", csv::write(table))
    }

    fn of(content_type: &'static str, bytes: Vec<u8>) -> Self {
        let body = Body { bytes, turn: None };
        Self { content_type, body }
    }

    /// The same, with the turn that it took.
    pub(super) fn keeping(mut self, turn: Option<OwnedSemaphorePermit>) -> Self {
        self.body.turn = turn;
        self
    }
}

impl IntoResponse for Answered {
    fn into_response(self) -> Response {
        let content_type = HeaderValue::from_static(self.content_type);
        let body = Bytes::from_owner(self.body);
        let mut response = ([(header::CONTENT_TYPE, content_type)], body).into_response();
        let vary = HeaderValue::from_static("Accept");
        response.headers_mut().insert(header::VARY, vary);
        response
    }
}

fn version(api: &Api) -> Version {
    let labels = api.pipeline.topology().labels().names();
    Version {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        labels: labels.map(ToString::to_string).collect(),
    }
}
