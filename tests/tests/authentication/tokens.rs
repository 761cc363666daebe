//! Tokens of service accounts, reviewed by Kubernetes.

use std::time::Duration;

use kubezonnet_agent::answer::Outcome;
use kubezonnet_agent::send::Credentials;
use kubezonnet_testkit::kube::Token;

use crate::desk::{
    BYTES, Cluster, OUT, TO_HOST, assert_applied, assert_denied, deliver, deliver_of,
};

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_not_the_nodes_agent_is_refused_and_counted_and_nothing_is_applied() {
    let cluster = Cluster::start().await;
    let server = cluster.server();
    let agent = || Token::of_agent("n1");
    let give = |token| cluster.kube.give(token);
    let unbound = agent()
        .without("node-name")
        .without("pod-name")
        .without("pod-uid");
    let cases = [
        (give(agent()) + "x", "invalid_token"),
        ("no-token-of-any-cluster".to_owned(), "invalid_token"),
        (give(agent().living(Duration::ZERO)), "expired_token"),
        (give(agent().for_audience("vault")), "wrong_audience"),
        (
            give(agent().of_user("system:serviceaccount:shop:web")),
            "not_an_agent",
        ),
        (give(unbound), "no_node"),
        (give(Token::of_agent("n2")), "wrong_node"),
    ];

    for (token, reason) in &cases {
        let before = server.refused(reason);
        let mut sender = server.sender(&cluster.credentials("token", token));
        let answer = deliver(&mut sender, "n1", 1).await;

        assert_denied(&answer, reason);
        assert_eq!(
            (server.refused(reason) - before).to_string(),
            "1",
            "{reason}"
        );
        server.assert_untouched();
    }
    let silent = Credentials {
        token_file: None,
        ..cluster.credentials("token", "")
    };
    let answer = deliver(&mut server.sender(&silent), "n1", 1).await;
    assert_denied(&answer, "no_token");
    server.assert_untouched();

    let good = cluster.credentials("token", &give(agent()));
    assert_applied(&deliver(&mut server.sender(&good), "n1", 1).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_another_node_replays_is_refused_and_changes_nothing() {
    let cluster = Cluster::start().await;
    let server = cluster.server();
    let [mut own, mut other] = ["n1", "n2"].map(|node| {
        let token = cluster.kube.give(Token::of_agent(node));
        server.sender(&cluster.credentials(node, &token))
    });
    assert_applied(&deliver(&mut own, "n1", 1).await);

    for sequence in [1, 2] {
        let answer = deliver(&mut other, "n1", sequence).await;
        assert_denied(&answer, "wrong_node");
    }

    let again = deliver(&mut own, "n1", 1).await;
    assert_eq!(again.outcome, Outcome::Duplicate);
    assert_applied(&deliver(&mut own, "n1", 2).await);
    assert_eq!(server.sum("kubezonnet_seen_bytes_total", &[]), 2 * BYTES);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_node_says_of_another_nodes_pods_is_charged_to_nobody() {
    let cluster = Cluster::start().await;
    let server = cluster.server();
    let token = cluster.kube.give(Token::of_agent("n2"));
    let mut sender = server.sender(&cluster.credentials("token", &token));

    let to_itself = ["10.67.2.1", "10.67.1.1"];
    assert_applied(&deliver_of(&mut sender, "n2", to_itself, TO_HOST, 1).await);
    let forwarded = ["10.67.1.1", "10.66.0.1"];
    assert_applied(&deliver_of(&mut sender, "n2", forwarded, OUT, 2).await);

    let lost = [("disposition", "foreign_address")];
    assert_eq!(server.sum("kubezonnet_books_bytes_total", &lost), BYTES);
    // What it says to have forwarded is its own: nobody else is charged for having sent.
    let name = "kubezonnet_pod_traffic_bytes_total";
    assert_eq!(server.sum(name, &[("direction", "egress")]), 0);
    let transit = [("direction", "transit"), ("pod", "n2")];
    assert_eq!(server.sum(name, &transit), BYTES);
    let bill = "pod_cross_zone_network_traffic_bytes_total";
    assert_eq!(server.sum(bill, &[("pod", "p1")]), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_was_renewed_is_sent_with_the_next_window() {
    let cluster = Cluster::start().await;
    let server = cluster.server();
    let first = cluster.kube.give(Token::of_agent("n1"));
    let mut sender = server.sender(&cluster.credentials("token", &first));
    assert_applied(&deliver(&mut sender, "n1", 1).await);

    let second = cluster.kube.give(Token::of_agent("n1"));
    cluster.kube.withdraw(&first);
    cluster.file("token", &(second + "\n"));
    let renewed = deliver(&mut sender, "n1", 2).await;
    std::fs::remove_file(cluster.files.path().join("token")).unwrap();
    let gone = deliver(&mut sender, "n1", 3).await;

    assert_applied(&renewed);
    assert_eq!(cluster.kube.reviews(), 2);
    assert_eq!(gone.outcome, Outcome::Unauthorized);
    assert!(gone.detail.contains("cannot read --token-file"), "{gone:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_kubernetes_is_away_agents_hold_on_and_come_again() {
    let mut cluster = Cluster::start().await;
    let server = cluster.server();
    let token = cluster.kube.give(Token::of_agent("n1"));
    let mut sender = server.sender(&cluster.credentials("token", &token));
    cluster.kube.down().await;

    let held = deliver(&mut sender, "n1", 1).await;
    cluster.kube.up().await.unwrap();
    let applied = loop {
        let answer = deliver(&mut sender, "n1", 1).await;
        // For a second it is remembered that Kubernetes did not answer.
        if answer.outcome != Outcome::Busy {
            break answer;
        }
    };

    assert_eq!(held.outcome, Outcome::Busy, "{held:?}");
    assert_eq!(held.retry_after, Some(Duration::from_secs(5)));
    assert!(server.refused("unreviewed") >= 1);
    assert_applied(&applied);
    let name = "kubezonnet_server_token_reviews_total";
    assert!(server.sum(name, &[("outcome", "failed")]) >= 1);
}
