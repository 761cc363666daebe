//! Reports of agents of the Go system, as they come in and what they are worth.

use std::net::Ipv4Addr;

use axum::body::Body;
use axum::http::{Request, header};
use http_body_util::BodyExt;
use kubezonnet_topology::Clock;
use tempfile::tempdir;
use tower::ServiceExt;

use super::*;
use crate::books::Disposition;
use crate::ledger::{SeenAt, SeenBy};
use crate::pipeline::Pipeline;
use crate::testing::{
    IN, NOW, OUT, Report, cluster, durable, ip, name_networks, pipeline, pipeline_expecting_reports,
};

const N1: &str = "10.66.0.1";

struct Edge {
    ingest: Arc<Ingest>,
    pipeline: Arc<Pipeline>,
}

impl Edge {
    fn new() -> Self {
        Self::of(pipeline(&cluster()))
    }

    fn of(pipeline: Pipeline) -> Self {
        let pipeline = Arc::new(pipeline);
        let clock = Clock::new(|| NOW);
        let limits = BodyLimits::default();
        let ingest = Arc::new(Ingest::new(Arc::clone(&pipeline), limits, clock));
        Self { ingest, pipeline }
    }

    /// A report of our own agent.
    fn reports(self, report: &Report) -> Self {
        let age = std::time::Duration::ZERO;
        self.pipeline.apply(&report.decoded(), age, NOW).unwrap();
        self
    }

    /// Posts a body from an address; says the status and the reason.
    async fn post(&self, peer: &str, body: Vec<u8>) -> (u16, String) {
        let request = Request::post(PATH)
            .header(header::CONTENT_LENGTH, body.len())
            .extension(ConnectInfo(SocketAddr::new(ip(peer), 40_000)))
            .body(Body::from(body))
            .unwrap();
        let response = router(Arc::clone(&self.ingest))
            .oneshot(request)
            .await
            .unwrap();
        let status = response.status().as_u16();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        let json: serde_json::Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let reason = json["reason"].as_str().unwrap_or_default();
        (status, reason.to_owned())
    }

    /// Posts what the agent of a node tells.
    async fn told(&self, peer: &str, flows: &[(&str, &str, u64)]) -> (u16, String) {
        self.post(peer, body(flows)).await
    }

    /// Posts a window of our own agent.
    async fn ours(&self, report: &Report) -> StatusCode {
        let request = Request::post(kubezonnet_wire::INGEST_PATH)
            .header(header::CONTENT_TYPE, kubezonnet_wire::CONTENT_TYPE)
            .header(kubezonnet_wire::AGE_HEADER, "0")
            .body(Body::from(report.body()))
            .unwrap();
        let router = super::super::router(Arc::clone(&self.ingest));
        router.oneshot(request).await.unwrap().status()
    }

    /// The columns of the books that hold something; they balance.
    fn books(&self) -> Vec<(&'static str, u64)> {
        let totals = self.pipeline.snapshot().totals;
        assert_eq!(totals.imbalance(), (0, 0), "{totals:?}");
        let all = Disposition::ALL.map(|each| (each.as_str(), totals.books.get(each).bytes));
        all.into_iter().filter(|(_, bytes)| *bytes > 0).collect()
    }

    fn seen_by_legacy(&self) -> u64 {
        let totals = self.pipeline.snapshot().totals;
        totals.seen.get(&SeenAt::LEGACY).map_or(0, |sum| sum.bytes)
    }
}

fn body(flows: &[(&str, &str, u64)]) -> Vec<u8> {
    let mut body = u32::try_from(flows.len()).unwrap().to_be_bytes().to_vec();
    for (from, to, bytes) in flows {
        for address in [from, to] {
            let address: Ipv4Addr = address.parse().unwrap();
            body.extend(address.octets().into_iter().rev());
        }
        body.extend([0x9c, 0x40, 0x15, 0x38]);
        body.extend(bytes.to_be_bytes());
    }
    body
}

const OK: (u16, String) = (200, String::new());

#[tokio::test]
async fn what_a_nodes_pods_sent_is_egress_by_where_it_went() {
    let edge = Edge::new();

    let answer = edge
        .told(
            N1,
            &[
                ("10.67.1.1", "10.67.2.1", 1000),
                ("10.67.1.1", "10.67.1.2", 200),
                ("10.67.1.2", "10.67.3.1", 30),
                ("10.67.1.2", "10.67.4.1", 4),
            ],
        )
        .await;

    assert_eq!(answer, OK);
    let expected = [
        ("same_node", 200),
        ("cross_zone", 1000),
        ("cross_region", 30),
        ("unknown", 4),
    ];
    assert_eq!(edge.books(), expected);
    assert_eq!(edge.seen_by_legacy(), 1234);
    assert_eq!(edge.ingest.counts().legacy_reports(), 1);
}

#[tokio::test]
async fn what_goes_to_many_at_once_is_multicast() {
    let edge = Edge::new();

    let flows = [
        ("10.67.1.1", "224.0.0.1", 1000),
        ("10.67.1.1", "255.255.255.255", 200),
        ("10.67.1.1", "10.67.2.1", 30),
    ];
    let answer = edge.told(N1, &flows).await;

    assert_eq!(answer, OK);
    assert_eq!(edge.books(), [("cross_zone", 30), ("multicast", 1200)]);
    assert_eq!(edge.seen_by_legacy(), 1230);
}

#[tokio::test]
async fn what_an_agent_of_ours_counts_is_not_counted_again() {
    let sender = Edge::new().reports(&Report::of("n1", 1));
    let receiver =
        Edge::new().reports(&Report::of("n2", 1).record("10.67.1.1", "10.67.2.1", IN, 1000));

    sender.told(N1, &[("10.67.1.1", "10.67.2.1", 1000)]).await;
    receiver
        .told(
            N1,
            &[
                ("10.67.1.1", "10.67.2.1", 1000),
                ("10.67.1.1", "10.67.3.1", 7),
            ],
        )
        .await;

    assert_eq!(sender.books(), [("counted_by_sender", 1000)]);
    let expected = [
        ("cross_zone", 1000),
        ("cross_region", 7),
        ("counted_by_receiver", 1000),
    ];
    assert_eq!(receiver.books(), expected);
}

#[tokio::test]
async fn until_all_agents_of_ours_have_reported_nobody_knows_who_counts() {
    let later = NOW.plus(std::time::Duration::from_secs(30));
    let edge = Edge::of(pipeline_expecting_reports(&cluster(), later));

    edge.told(
        N1,
        &[
            ("10.67.1.1", "10.67.2.1", 1000),
            ("10.67.1.1", "10.67.1.2", 2),
        ],
    )
    .await;

    assert_eq!(edge.books(), [("same_node", 2), ("partly_covered", 1000)]);
}

#[tokio::test]
async fn a_node_speaks_for_its_own_pods_only() {
    let edge = Edge::new();

    edge.told(N1, &[("10.67.2.1", "10.67.1.1", 1000)]).await;

    assert_eq!(edge.books(), [("foreign_address", 1000)]);
}

#[tokio::test]
async fn a_source_that_no_node_is_known_to_have_counts_by_no_report() {
    let topology = cluster();
    name_networks(&topology, "networks: [{name: db, cidr: 10.9.0.0/24}]");
    let edge = Edge::of(pipeline(&topology));

    // Each node that the bytes pass can tell of them.
    for (number, peer) in [(1, "10.66.0.3"), (2, "10.66.0.4")] {
        for source in ["8.8.8.8", "192.168.9.9", "10.67.3.9", "10.9.0.7"] {
            let answer = edge.told(peer, &[(source, "10.67.2.1", 1000)]).await;
            assert_eq!(answer, OK, "{source}");
        }
        assert_eq!(edge.books(), [("foreign_address", number * 4000)]);
    }
    assert!(edge.pipeline.snapshot().series.is_empty());
}

#[tokio::test]
async fn who_is_no_node_is_refused_and_an_agent_pod_speaks_for_its_node() {
    let edge = Edge::new();
    let flows = [("10.67.1.1", "10.67.2.1", 1000)];

    for stranger in ["10.66.0.99", "8.8.8.8", "127.0.0.1", "fe80::1"] {
        let answer = edge.told(stranger, &flows).await;
        assert_eq!(answer, (403, "legacy_peer".to_owned()), "{stranger}");
    }
    assert_eq!(edge.books(), []);
    let answer = edge.told("10.67.1.2", &flows).await;

    assert_eq!(answer, OK);
    assert_eq!(edge.books(), [("cross_zone", 1000)]);
}

#[tokio::test]
async fn reports_of_the_go_system_that_come_too_often_take_nothing_of_our_agents_pace() {
    let edge = Edge::new();
    let limit = BodyLimits::default().batches;
    for _ in 0..limit {
        let answer = edge.post("10.67.1.1", b"garbage".to_vec()).await;
        assert_eq!(answer, (400, "legacy_malformed".to_owned()));
    }

    let beyond = edge.post("10.67.1.1", b"garbage".to_vec()).await;
    let other_node = edge.told("10.66.0.2", &[]).await;
    let ours = edge.ours(&Report::of("n1", 1)).await;

    assert_eq!(beyond, (429, "legacy_too_often".to_owned()));
    assert_eq!(other_node, OK);
    assert_eq!(ours, StatusCode::OK);
}

#[tokio::test]
async fn what_is_no_report_is_refused_and_changes_nothing() {
    let edge = Edge::new();
    let mut wraps = 0x3333_3334_u32.to_be_bytes().to_vec();
    wraps.extend([0; 20]);
    let beyond = vec![0; MAX_BYTES + 1];
    let impossible = body(&[("10.67.1.1", "10.67.2.1", u64::MAX); 2]);

    for (body, status, reason) in [
        (vec![0, 0, 0], 400, "legacy_malformed"),
        (vec![0xff; 4], 400, "legacy_malformed"),
        (wraps, 400, "legacy_malformed"),
        (beyond, 413, "too_large"),
        (impossible, 422, "implausible"),
    ] {
        let length = body.len();
        let answer = edge.post(N1, body).await;
        assert_eq!(answer, (status, reason.to_owned()), "{length} bytes");
    }
    assert_eq!(edge.books(), []);
    assert_eq!(edge.ingest.counts().legacy_reports(), 0);
}

#[tokio::test]
async fn a_report_waits_for_its_turn_and_nobody_else_waits_with_it() {
    let edge = Edge::new();
    let turns = u32::try_from(edge.ingest.resolving.available_permits()).unwrap();
    let all_taken = Arc::clone(&edge.ingest.resolving);
    let all_taken = all_taken.acquire_many_owned(turns).await.unwrap();
    let told = edge.told(N1, &[("10.67.1.1", "10.67.2.1", 700)]);
    tokio::pin!(told);

    // More turns of the one worker than any answer without waiting takes.
    for _ in 0..1000 {
        tokio::select! {
            biased;
            answer = &mut told => panic!("{answer:?} out of turn"),
            () = tokio::task::yield_now() => {}
        }
    }
    assert_eq!(edge.books(), []);
    drop(all_taken);

    assert_eq!(told.await.0, 200);
    assert_eq!(edge.books(), [("cross_zone", 700)]);
}

#[tokio::test]
async fn without_the_flag_there_is_no_such_path() {
    let edge = Edge::new();
    let request = Request::post(PATH).body(Body::empty()).unwrap();

    let response = super::super::router(Arc::clone(&edge.ingest))
        .oneshot(request)
        .await
        .unwrap();

    assert_eq!(response.status(), StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_taken_is_there_after_a_restart() {
    let (topology, directory) = (cluster(), tempdir().unwrap());
    let before = Edge::of(durable(&topology, directory.path()));
    for _ in 0..20 {
        before.told(N1, &[("10.67.1.1", "10.67.2.1", 1000)]).await;
    }
    let ours = Report::of("n2", 1).record("10.67.2.1", "10.67.1.1", OUT, 5);
    let before = tokio::task::block_in_place(|| before.reports(&ours));
    let books = before.books();
    tokio::task::block_in_place(|| before.pipeline.close());
    drop(before);

    let after = Edge::of(durable(&topology, directory.path()));

    assert_eq!(books, [("cross_zone", 20_005)]);
    assert_eq!(after.books(), books);
    assert_eq!(after.seen_by_legacy(), 20_000);
    assert_eq!(SeenBy::Legacy.as_str(), "legacy");
}
