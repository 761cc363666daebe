use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use kubezonnet_topology::Topology;
use tower::ServiceExt;

use super::*;
use crate::ingest::BodyLimits;
use crate::testing::{NOW, OUT, Report, cluster, pipeline};

async fn get_from(
    topology: &Topology,
    path: &str,
    accept: Option<&str>,
) -> (StatusCode, String, String) {
    let pipeline = Arc::new(pipeline(topology));
    if topology.is_synced() {
        let batch = Report::of("n1", 1)
            .record("10.67.1.1", "10.67.2.1", OUT, 1000)
            .decoded();
        pipeline
            .apply(&batch, std::time::Duration::ZERO, NOW)
            .unwrap();
    }
    let clock = Clock::new(|| NOW);
    let limits = BodyLimits {
        bytes: 1,
        ..BodyLimits::default()
    };
    let ingest = Arc::new(Ingest::new(Arc::clone(&pipeline), limits, clock.clone()));
    let mut request = Request::get(path);
    if let Some(accept) = accept {
        request = request.header(header::ACCEPT, accept);
    }
    let request = request.body(Body::empty()).unwrap();

    let response = router(pipeline, ingest, clock)
        .oneshot(request)
        .await
        .unwrap();

    let content_type = response.headers()[header::CONTENT_TYPE]
        .to_str()
        .unwrap()
        .to_owned();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (
        status,
        content_type,
        String::from_utf8(body.to_vec()).unwrap(),
    )
}

#[tokio::test]
async fn who_asks_for_openmetrics_gets_it_and_all_others_the_classic_text() {
    let sample = "pod_cross_zone_network_traffic_bytes_total{namespace=\"shop\",pod=\"p1\"} 1000\n";
    let cases = [
        (None, false),
        (Some("*/*"), false),
        (Some("text/plain"), false),
        (Some("text/plain;version=0.0.4;q=1,*/*;q=0.1"), false),
        (Some("application/openmetrics-text; q=0, text/plain"), false),
        (
            Some("application/openmetrics-text;q=0.2,text/plain;q=0.8"),
            false,
        ),
        (Some("application/openmetrics-text"), true),
        // What Prometheus 2.42 sends.
        (
            Some(
                "application/openmetrics-text;version=1.0.0,\
                 application/openmetrics-text;version=0.0.1;q=0.75,\
                 text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            ),
            true,
        ),
    ];
    for (accept, open_metrics) in cases {
        let (status, content_type, page) = get_from(&cluster(), "/metrics", accept).await;

        assert_eq!(status, StatusCode::OK);
        assert_eq!(
            content_type.starts_with("application/openmetrics-text"),
            open_metrics,
            "{accept:?}"
        );
        assert_eq!(page.ends_with("# EOF\n"), open_metrics, "{accept:?}");
        assert!(page.contains(sample), "{page}");
    }
}

#[tokio::test]
async fn it_is_ready_once_the_topology_is_known_and_healthy_before() {
    let unknown = Topology::new();

    let healthy = get_from(&unknown, "/healthz", None).await;
    let early = get_from(&unknown, "/readyz", None).await;
    let ready = get_from(&cluster(), "/readyz", None).await;

    assert_eq!(healthy.0, StatusCode::OK);
    assert_eq!(early.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(ready.0, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn a_scrape_too_many_waits_and_is_told_to_come_again() {
    let pipeline = Arc::new(pipeline(&cluster()));
    let clock = Clock::new(|| NOW);
    let limits = BodyLimits {
        bytes: 1,
        ..BodyLimits::default()
    };
    let ingest = Arc::new(Ingest::new(Arc::clone(&pipeline), limits, clock.clone()));
    let shown = Shown::new(pipeline, ingest, clock);
    let scrapes = Arc::clone(&shown.scrapes);
    let router = routes(shown);
    let scrape = || {
        let request = Request::get("/metrics").body(Body::empty()).unwrap();
        router.clone().oneshot(request)
    };
    let others = scrapes
        .acquire_many(u32::try_from(SCRAPES).unwrap())
        .await
        .unwrap();

    let refused = scrape().await.unwrap();
    let mut waiting = std::pin::pin!(scrape());
    let early = futures::poll!(&mut waiting);
    drop(others);
    let taken = waiting.await.unwrap();

    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(early.is_pending());
    assert_eq!(taken.status(), StatusCode::OK);
    assert_eq!(
        scrapes.available_permits(),
        SCRAPES - 1,
        "a page that is not sent yet keeps its turn"
    );
    drop(taken);
    assert_eq!(scrapes.available_permits(), SCRAPES, "turns are given on");
}
