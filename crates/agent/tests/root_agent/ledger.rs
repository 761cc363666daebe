//! A server that only keeps what it gets.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use kubezonnet_model::{FlowBatch, FlowCounters, Hook, InterfaceClass, Uplinks};
use kubezonnet_testkit::wait_for;
use kubezonnet_wire::{AGE_HEADER, INGEST_PATH, Limits, decode};

use super::DEADLINE;

/// Keeps every window it gets, once.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ledger {
    kept: Arc<Mutex<Vec<FlowBatch>>>,
    /// Answered instead of keeping, if there is one.
    refusal: Arc<Mutex<Option<StatusCode>>>,
}

impl Ledger {
    /// Serves in a thread of its own until the test's process ends.
    pub(crate) fn serve(&self) -> SocketAddr {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new()
            .route(INGEST_PATH, post(keep))
            .with_state(self.clone());
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                axum::serve(listener, router).await.unwrap();
            });
        });
        address
    }

    pub(crate) fn refuse(&self, status: Option<StatusCode>) {
        *self.refusal.lock().unwrap() = status;
    }

    pub(crate) fn windows(&self) -> Vec<FlowBatch> {
        self.kept.lock().unwrap().clone()
    }

    pub(crate) fn wait_for_window(
        &self,
        what: &str,
        wanted: impl Fn(&FlowBatch) -> bool,
    ) -> FlowBatch {
        wait_for(what, DEADLINE, || {
            self.windows().into_iter().find(|batch| wanted(batch))
        })
        .unwrap()
    }

    /// What left by uplinks, over all windows.
    pub(crate) fn sent_by_uplinks(&self) -> FlowCounters {
        let windows = self.windows();
        let records = windows.iter().flat_map(|batch| &batch.records);
        let points = records.map(|record| (record.key.point, record.counters));
        let totals = windows.iter().flat_map(|batch| &batch.totals);
        points
            .chain(totals.map(|total| (total.point, total.counters)))
            .filter(|(point, _)| {
                point.hook == Hook::Postrouting && point.output == InterfaceClass::Uplink
            })
            .map(|(_, counters)| counters)
            .sum()
    }

    /// What the windows say left through the uplinks, over all of them.
    pub(crate) fn uplinks(&self) -> Uplinks {
        let mut all = Uplinks::default();
        for window in self.windows() {
            all.seen += window.header.coverage.uplinks.seen;
            all.sent += window.header.coverage.uplinks.sent;
        }
        all
    }
}

async fn keep(State(ledger): State<Ledger>, headers: HeaderMap, body: Bytes) -> Response {
    if let Some(status) = *ledger.refusal.lock().unwrap() {
        let words = serde_json::json!({ "reason": "test", "message": "the test says so" });
        return (status, words.to_string()).into_response();
    }
    assert!(headers.contains_key(AGE_HEADER));
    let batch = decode(&body, &Limits::default()).unwrap().into_batch();
    let mut kept = ledger.kept.lock().unwrap();
    let is_known = kept.iter().any(|known| {
        (known.header.epoch, known.header.sequence) == (batch.header.epoch, batch.header.sequence)
    });
    let answer = serde_json::json!({
        "epoch": batch.header.epoch.to_string(),
        "sequence": batch.header.sequence,
        "outcome": if is_known { "duplicate" } else { "applied" },
    })
    .to_string();
    if !is_known {
        kept.push(batch);
    }
    answer.into_response()
}
