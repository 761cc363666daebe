//! The server's own authority changes while agents go on sending.

use kubezonnet_agent::answer::Outcome;
use kubezonnet_server::tls::own::kept::Kept;
use kubezonnet_testkit::kube::Token;
use kubezonnet_testkit::wait_for;
use kubezonnet_topology::Clock;
use serde_json::{Value, json};

use crate::desk::{Cluster, DEADLINE, assert_applied, deliver};

const SECRET: &str = "secrets/default/kubezonnet-server-ca";

const DAY: std::time::Duration = std::time::Duration::from_hours(24);

/// Puts into the Secret what is kept, but with a next authority that was published that long ago.
fn keep(cluster: &Cluster, kept: &Kept) {
    let data = serde_json::to_value(kept.write()).unwrap();
    let metadata = json!({ "name": "kubezonnet-server-ca", "namespace": "default" });
    cluster
        .kube
        .put_single(SECRET, json!({ "metadata": metadata, "data": data }));
}

fn kept(cluster: &Cluster) -> Kept {
    let secret: Value = cluster.kube.single(SECRET).unwrap();
    let data = serde_json::from_value(secret["data"].clone()).unwrap();
    Kept::read(&data).unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_go_on_sending_while_the_authority_changes() {
    let cluster = Cluster::start().await;
    let now = Clock::system().now();
    keep(&cluster, &Kept::begin(now.minus(DAY * 300)).unwrap());
    let server = cluster.server();
    let token = cluster.kube.give(Token::of_agent("n1"));
    let credentials = cluster.credentials("token", &token);
    let old_bundle = cluster.file("old.crt", kept(&cluster).current.certificate());
    let mut sender = server.sender(&credentials);

    // The next one is there, and published beside the old one, which still signs.
    assert_applied(&deliver(&mut sender, "n1", 1).await);
    let published = || {
        let next = kept(&cluster).next?;
        let is_noted = next.published.is_some();
        let certificate = next.authority.certificate().to_owned();
        (is_noted && cluster.published().contains(&certificate)).then_some(certificate)
    };
    let next = wait_for("the next authority", DEADLINE, published).unwrap();
    cluster.file("ca.crt", &cluster.published());
    assert_applied(&deliver(&mut sender, "n1", 2).await);

    // A week later it signs.
    let mut later = kept(&cluster);
    later.next.as_mut().unwrap().published = Some(now.minus(DAY * 8));
    keep(&cluster, &later);
    let address = server.ingest;
    drop(server);
    let server = cluster.server_at(address);
    let sent = deliver(&mut sender, "n1", 3).await;
    let mut late = server.sender(&kubezonnet_agent::send::Credentials {
        ca_file: Some(old_bundle),
        ..credentials
    });
    let stranger = deliver(&mut late, "n1", 4).await;

    assert_applied(&sent);
    assert_eq!(kept(&cluster).current.certificate(), next);
    assert_eq!(stranger.outcome, Outcome::Unreachable, "the new one signs");
    assert_eq!(cluster.published().matches("BEGIN").count(), 2);
}
