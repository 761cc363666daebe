//! What the server process answers over TLS to whoever posts a batch: the status, the reason, the
//! counter of the reason, and that nothing else on its page of metrics moves.

use std::collections::BTreeMap;
use std::time::Duration;

use kubezonnet_testkit::kube::Token;
use kubezonnet_testkit::{Sample, Scrape};
use kubezonnet_wire::{AGE_HEADER, CONTENT_TYPE, INGEST_PATH};
use reqwest::header;

use crate::desk::{BYTES, Cluster, OUT, Server, TO_HOST, batch};

/// Posts batches to a server as anybody can who has its certificate authority.
struct Poster {
    client: reqwest::Client,
    url: String,
}

/// What came back.
struct Answered {
    status: u16,
    body: serde_json::Value,
}

impl Poster {
    fn to(server: &Server, cluster: &Cluster) -> Self {
        // A second installation changes nothing.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let authority = reqwest::Certificate::from_pem(cluster.published().as_bytes()).unwrap();
        let client = reqwest::Client::builder()
            .tls_certs_only([authority])
            .https_only(true)
            .build()
            .unwrap();
        Self {
            client,
            url: format!("https://localhost:{}{INGEST_PATH}", server.ingest.port()),
        }
    }

    async fn post(&self, authorization: Option<&str>, body: &[u8]) -> Answered {
        let mut request = self
            .client
            .post(&self.url)
            .header(header::CONTENT_TYPE, CONTENT_TYPE)
            .header(AGE_HEADER, "0")
            .body(body.to_vec());
        if let Some(authorization) = authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let response = request.send().await.unwrap();
        Answered {
            status: response.status().as_u16(),
            body: serde_json::from_slice(&response.bytes().await.unwrap()).unwrap(),
        }
    }
}

/// Every sample of a page but those that a request moves which changes nothing: of requests,
/// connections, reviews of tokens and the process, and what time alone moves.
fn counted(page: &Scrape) -> BTreeMap<String, String> {
    let moves = |sample: &&Sample| {
        let prefixes = [
            "process_",
            "kubezonnet_certificate_expiry",
            // It is written when it is time to, by a thread of its own.
            "kubezonnet_history_behind",
            "kubezonnet_history_bytes",
            "kubezonnet_history_series",
            "kubezonnet_history_start",
            "kubezonnet_server_agent_report_age",
            "kubezonnet_server_body_bytes",
            "kubezonnet_server_closed_connections",
            "kubezonnet_server_connections",
            "kubezonnet_server_ingest_duration",
            "kubezonnet_server_rejected_batches",
            "kubezonnet_server_token_reviews",
            "kubezonnet_server_topology",
        ];
        prefixes
            .iter()
            .any(|prefix| sample.name.starts_with(prefix))
    };
    let counted = page.all().filter(|sample| !moves(sample));
    let counted = counted.map(|each| {
        let name = format!("{} {:?}", each.name, each.labels);
        (name, each.value.to_string())
    });
    counted.collect()
}

fn refusals(page: &Scrape) -> f64 {
    page.sum("kubezonnet_server_rejected_batches_total", &[])
}

fn from_pod_1(sequence: u64) -> Vec<u8> {
    batch("n1", ["10.67.1.1", "10.67.2.1"], OUT, sequence)
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_posts_without_the_right_is_answered_so_and_no_counter_moves() {
    let cluster = Cluster::start().await;
    let server = cluster.server();
    let poster = Poster::to(&server, &cluster);
    let agent = || Token::of_agent("n1");
    let bearer = |token: Token| format!("Bearer {}", cluster.kube.give(token));
    let unbound = agent()
        .without("node-name")
        .without("pod-name")
        .without("pod-uid");
    let withdrawn = cluster.kube.give(agent());
    cluster.kube.withdraw(&withdrawn);
    let web = agent().of_user("system:serviceaccount:shop:web");
    let own = bearer(agent());
    let refused = [
        (None, 401, "no_token"),
        (Some("Basic bjE6bjE=".to_owned()), 401, "no_token"),
        (Some(bearer(agent()) + "x"), 401, "invalid_token"),
        (Some("Bearer forged".to_owned()), 401, "invalid_token"),
        (Some(format!("Bearer {withdrawn}")), 401, "invalid_token"),
        (
            Some(bearer(agent().living(Duration::ZERO))),
            401,
            "expired_token",
        ),
        (
            Some(bearer(agent().for_audience("vault"))),
            401,
            "wrong_audience",
        ),
        (Some(bearer(web)), 403, "not_an_agent"),
        (Some(bearer(unbound)), 403, "no_node"),
        (Some(bearer(Token::of_agent("n2"))), 403, "wrong_node"),
    ];
    // So that there is something which could move.
    let first = poster.post(Some(&own), &from_pod_1(1)).await;
    assert_eq!(first.body["outcome"], "applied");
    let before = server.scrape();
    assert!(counted(&before).len() > 100);
    assert!(server.sum("kubezonnet_pod_traffic_bytes_total", &[]) > 0);

    for (authorization, status, reason) in &refused {
        let counter = server.refused(reason);
        let all = refusals(&server.scrape());
        // A window that would be taken from its agent, and one that it has sent already.
        for sequence in [2, 1] {
            let answer = poster
                .post(authorization.as_deref(), &from_pod_1(sequence))
                .await;

            assert_eq!(answer.status, *status, "{reason}: {}", answer.body);
            assert_eq!(answer.body["reason"], *reason);
        }
        assert_eq!(server.refused(reason), counter + 2, "{reason}");
        let refused_now = refusals(&server.scrape()) - all;
        assert!((refused_now - 2.0).abs() < 0.5, "{reason}: {refused_now}");
        assert_eq!(counted(&server.scrape()), counted(&before), "{reason}");
    }

    // The agent itself goes on where it was.
    let next = poster.post(Some(&own), &from_pod_1(2)).await;
    assert_eq!(
        (next.status, &next.body["outcome"]),
        (200, &"applied".into())
    );
    assert_eq!(server.sum("kubezonnet_seen_bytes_total", &[]), 2 * BYTES);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_is_posted_again_is_acknowledged_and_counted_once() {
    let cluster = Cluster::start().await;
    let server = cluster.server();
    let poster = Poster::to(&server, &cluster);
    let own = format!("Bearer {}", cluster.kube.give(Token::of_agent("n1")));
    let body = from_pod_1(1);
    let first = poster.post(Some(&own), &body).await;
    let before = counted(&server.scrape());

    let again = poster.post(Some(&own), &body).await;

    assert_eq!((first.status, again.status), (200, 200));
    assert_eq!(first.body["outcome"], "applied");
    assert_eq!(again.body["outcome"], "duplicate");
    let mut after = counted(&server.scrape());
    let duplicates = "kubezonnet_server_batches_total {\"outcome\": \"duplicate\"}";
    assert_eq!(
        after
            .insert(duplicates.to_owned(), "0".to_owned())
            .as_deref(),
        Some("1")
    );
    assert_eq!(after, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_a_node_puts_to_another_nodes_pod_are_refused_as_such_and_in_no_pods_counter() {
    let cluster = Cluster::start().await;
    let server = cluster.server();
    let poster = Poster::to(&server, &cluster);
    let tokens = ["n1", "n2"].map(|node| cluster.kube.give(Token::of_agent(node)));
    let [own, other] = tokens.map(|token| format!("Bearer {token}"));
    poster.post(Some(&own), &from_pod_1(1)).await;
    let of_pods = |page: &Scrape| {
        let mut all = counted(page);
        all.retain(|name, _| {
            !["kubezonnet_books", "kubezonnet_seen", "kubezonnet_server"]
                .iter()
                .any(|prefix| name.starts_with(prefix))
        });
        all
    };
    let before = of_pods(&server.scrape());

    // What n2 would have seen if n1's pod were its own.
    let stolen = batch("n2", ["10.67.2.1", "10.67.1.1"], TO_HOST, 1);
    let answer = poster.post(Some(&other), &stolen).await;

    assert_eq!(
        (answer.status, &answer.body["outcome"]),
        (200, &"applied".into())
    );
    let refused = [("disposition", "foreign_address")];
    assert_eq!(server.sum("kubezonnet_books_bytes_total", &refused), BYTES);
    assert_eq!(of_pods(&server.scrape()), before);
}
