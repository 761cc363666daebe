//! A server that only keeps what it gets.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use kubezonnet_model::{FlowBatch, FlowCounters, Hook, InterfaceClass, Uplinks};
use kubezonnet_testkit::wait_for;
use kubezonnet_wire::{AGE_HEADER, INGEST_PATH, Limits, TIME_HEADER, decode};

use super::DEADLINE;

/// Keeps every window it gets, once.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ledger {
    kept: Arc<Mutex<Vec<FlowBatch>>>,
    /// The bodies of those, as they came first.
    bodies: Arc<Mutex<Vec<Bytes>>>,
    /// How many came again.
    duplicates: Arc<Mutex<usize>>,
    /// What it calls itself, if it does.
    name: Arc<Mutex<Option<String>>>,
    /// Keeps what it gets and does not say so.
    is_mute: Arc<AtomicBool>,
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

    pub(crate) fn call_yourself(&self, name: &str) {
        *self.name.lock().unwrap() = Some(name.to_owned());
    }

    /// From now on windows are kept, and the answer says that something went wrong.
    pub(crate) fn lose_answers(&self, are_lost: bool) {
        self.is_mute.store(are_lost, Ordering::SeqCst);
    }

    pub(crate) fn duplicates(&self) -> usize {
        *self.duplicates.lock().unwrap()
    }

    /// Asserts that the windows of each epoch came in their order and without a gap.
    pub(crate) fn assert_is_gapless(&self) {
        let mut epochs = Vec::new();
        let mut last = 0;
        for window in self.windows() {
            let header = &window.header;
            if epochs.last() != Some(&header.epoch) {
                assert!(!epochs.contains(&header.epoch), "an epoch comes back");
                epochs.push(header.epoch);
                last = 0;
            }
            assert_eq!(header.sequence, last + 1, "a window is missing");
            last = header.sequence;
        }
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
    assert!(headers.contains_key(AGE_HEADER) && headers.contains_key(TIME_HEADER));
    let batch = decode(&body, &Limits::default()).unwrap().into_batch();
    let mut kept = ledger.kept.lock().unwrap();
    let known = kept.iter().position(|known| {
        (known.header.epoch, known.header.sequence) == (batch.header.epoch, batch.header.sequence)
    });
    let answer = serde_json::json!({
        "epoch": batch.header.epoch.to_string(),
        "sequence": batch.header.sequence,
        "outcome": if known.is_some() { "duplicate" } else { "applied" },
        "server": *ledger.name.lock().unwrap(),
    })
    .to_string();
    let mut bodies = ledger.bodies.lock().unwrap();
    if let Some(position) = known {
        assert_eq!(bodies[position], body, "a window changed");
        *ledger.duplicates.lock().unwrap() += 1;
    } else {
        kept.push(batch);
        bodies.push(body);
    }
    if ledger.is_mute.load(Ordering::SeqCst) {
        return StatusCode::BAD_GATEWAY.into_response();
    }
    answer.into_response()
}
