//! Against the fake API server, over a year and more, with agents that verify by what was published.

use kubezonnet_testkit::kube::FakeKube;
use kubezonnet_topology::kubernetes::{KubernetesWatch, Options};
use rustls::client::{ClientConfig, ClientConnection};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::{RootCertStore, ServerConnection};

use super::*;
use crate::tls::Credential;

const DAY: Duration = Duration::from_hours(24);
const NOW: Timestamp = Timestamp(1_800_000_000_000);
const SECRET: &str = "secrets/default/kubezonnet-server-ca";
const MAP: &str = "configmaps/default/kubezonnet-ca";
const NAME: &str = "kubezonnet-server.default.svc";

async fn keeper(kube: &FakeKube) -> Keeper {
    let options = Options {
        kubeconfig: Some(kube.kubeconfig()),
        ..Options::default()
    };
    let client = KubernetesWatch::connect(&options).await.unwrap().client();
    Keeper::new(&client, "default", "kubezonnet-server-ca", "kubezonnet-ca")
}

async fn replica(kube: &FakeKube) -> (Own, Served) {
    let status = Arc::new(Status::default());
    let served = Served::new(Credential::Ingest, false, Arc::clone(&status));
    let names = vec![NAME.to_owned()];
    let own = Own::new(keeper(kube).await, names, served.clone(), status);
    (own, served)
}

fn published(kube: &FakeKube) -> String {
    let map = kube.single(MAP).unwrap();
    map["data"]["ca.crt"].as_str().unwrap().to_owned()
}

#[derive(Debug)]
struct At(Timestamp);

impl TimeProvider for At {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_millis(self.0.0)))
    }
}

/// A handshake in memory, of an agent that trusts a bundle and has that time.
async fn connect(shown: &Served, bundle: &str, at: Timestamp) -> Result<(), rustls::Error> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(bundle.as_bytes()) {
        roots.add(certificate.unwrap()).unwrap();
    }
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_details(provider, Arc::new(At(at)))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(NAME).unwrap();
    let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut server = ServerConnection::new(shown.ready().await.get_inner()).unwrap();
    while client.is_handshaking() || server.is_handshaking() {
        let mut sent = Vec::new();
        client.write_tls(&mut sent).unwrap();
        server.read_tls(&mut &sent[..]).unwrap();
        // What the server finds wrong is only what the client has told it.
        let _ = server.process_new_packets();
        let mut answer = Vec::new();
        server.write_tls(&mut answer).unwrap();
        client.read_tls(&mut &answer[..]).unwrap();
        client.process_new_packets()?;
    }
    Ok(())
}

#[tokio::test]
async fn agents_whose_bundle_is_days_old_connect_to_every_replica_over_years() {
    let kube = FakeKube::start().await.unwrap();
    let (mut first, first_served) = replica(&kube).await;
    let (mut second, second_served) = replica(&kube).await;
    first.tend(NOW).await;
    let mut bundles = vec![published(&kube)];
    let mut signers = std::collections::BTreeSet::new();

    for day in 0..800 {
        let now = NOW.plus(DAY * day);
        first.tend(now).await;
        // The other looks by turns before and after; both have the same.
        second.tend(now).await;
        bundles.push(published(&kube));
        let old = &bundles[bundles.len().saturating_sub(6)];
        for served in [&first_served, &second_served] {
            let connected = connect(served, old, now).await;
            assert_eq!(connected, Ok(()), "day {day}");
        }
        signers.insert(first.leaf.as_ref().unwrap().0.clone());
    }

    assert!(signers.len() >= 3, "it never changed: {}", signers.len());
    let elsewhere = FakeKube::start().await.unwrap();
    let (mut other, served) = replica(&elsewhere).await;
    other.tend(NOW).await;
    connect(&served, &bundles[0], NOW).await.unwrap_err();
}

#[tokio::test]
async fn an_agent_whose_clock_is_a_day_off_connects() {
    let kube = FakeKube::start().await.unwrap();
    let (mut own, served) = replica(&kube).await;
    own.tend(NOW).await;
    let bundle = published(&kube);
    let almost_a_day = Duration::from_mins(24 * 60 - 1);

    for at in [NOW.minus(almost_a_day), NOW.plus(almost_a_day)] {
        assert_eq!(connect(&served, &bundle, at).await, Ok(()));
    }
}

#[tokio::test]
async fn a_leaf_is_renewed_at_half_of_its_life_also_while_kubernetes_is_away() {
    let mut kube = FakeKube::start().await.unwrap();
    let (mut own, served) = replica(&kube).await;
    own.tend(NOW).await;
    let bundle = published(&kube);
    let first = own.leaf.clone().unwrap().1;
    kube.down().await;

    own.tend(NOW.plus(Duration::from_hours(23))).await;
    assert_eq!(own.leaf.clone().unwrap().1, first, "it is not time yet");
    let later = NOW.plus(DAY + Duration::from_hours(1));
    own.tend(later).await;

    assert!(own.leaf.clone().unwrap().1 > first);
    assert_eq!(connect(&served, &bundle, later.plus(DAY)).await, Ok(()));
    assert_eq!(own.status.failures(Credential::Authority), 2);
}

#[tokio::test]
async fn replicas_that_begin_at_the_same_time_share_one_authority() {
    let kube = FakeKube::start().await.unwrap();
    let mut keepers = Vec::new();
    for _ in 0..8 {
        keepers.push(keeper(&kube).await);
    }

    let all = futures::future::join_all(keepers.iter().map(|keeper| keeper.look(NOW))).await;

    let all: Vec<_> = all.into_iter().map(Result::unwrap).collect();
    for kept in &all {
        assert_eq!(kept.current.certificate(), all[0].current.certificate());
    }
    assert_eq!(published(&kube), all[0].bundle());
}

#[tokio::test]
async fn with_rights_on_names_only_what_the_manifest_made_is_filled() {
    let kube = FakeKube::start().await.unwrap();
    kube.forbid_create();
    let refused = keeper(&kube).await.look(NOW).await.unwrap_err();
    let empty = |name: &str| serde_json::json!({ "metadata": { "name": name } });
    kube.put_single(SECRET, empty("kubezonnet-server-ca"));
    kube.put_single(MAP, empty("kubezonnet-ca"));

    let kept = keeper(&kube).await.look(NOW).await.unwrap();

    assert_eq!(published(&kube), kept.bundle());
    assert_eq!(
        refused.to_string(),
        "Kubernetes forbids to create Secret default/kubezonnet-server-ca: make it, and give the \
         server's Role get and update on it, as deploy/kubezonnet.yaml does"
    );
}

#[tokio::test]
async fn a_secret_that_cannot_be_read_is_never_written_over() {
    let kube = FakeKube::start().await.unwrap();
    keeper(&kube).await.look(NOW).await.unwrap();
    let mut secret = kube.single(SECRET).unwrap();
    secret["data"]["ca.key"] = serde_json::json!("bm9uZQ==");
    kube.put_single(SECRET, secret.clone());
    let before = kube.single(SECRET);

    let error = keeper(&kube).await.look(NOW).await.unwrap_err();

    assert!(
        error
            .to_string()
            .contains("Secret default/kubezonnet-server-ca cannot be used"),
        "{error}"
    );
    assert_eq!(kube.single(SECRET), before);
}

#[tokio::test]
async fn nothing_new_signs_while_it_cannot_be_published() {
    let kube = FakeKube::start().await.unwrap();
    let (mut own, served) = replica(&kube).await;
    own.tend(NOW).await;
    let bundle = published(&kube);
    kube.forbid(MAP, true);

    for day in 0..360 {
        own.tend(NOW.plus(DAY * day)).await;
    }

    let late = NOW.plus(DAY * 359);
    assert_eq!(connect(&served, &bundle, late).await, Ok(()));
    assert!(own.status.failures(Credential::Authority) > 0);
}
