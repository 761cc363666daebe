//! Servers that speak HTTPS: through a port-forward, and directly.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use kubezonnet_testkit::pki::{Authority, Issued};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

use crate::fake::Fake;
use crate::kubernetes::Cluster;
use crate::program::run;

/// The name of the server within its cluster, by which it is asked through a port-forward.
const NAME: &str = "kubezonnet-server.kubezonnet.svc";

/// An authority, and its certificate in a file.
struct Known {
    authority: Authority,
    file: PathBuf,
    _directory: TempDir,
}

impl Known {
    fn make() -> Self {
        let authority = Authority::make("an authority").unwrap();
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("ca.crt");
        std::fs::write(&file, authority.certificate()).unwrap();
        Self {
            authority,
            file,
            _directory: directory,
        }
    }

    fn flag(&self) -> String {
        format!("--ca-file={}", self.file.display())
    }
}

/// Serves by HTTPS what a fake answers, for as long as the runtime is there.
fn secured(runtime: &Runtime, fake: &Fake, issued: &Issued) -> SocketAddr {
    let chain = CertificateDer::pem_slice_iter(issued.certificate.as_bytes());
    let chain = chain.collect::<Result<Vec<_>, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider);
    let config = config.with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(chain, key);
    let acceptor = TlsAcceptor::from(Arc::new(config.unwrap()));
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let (address, behind) = (listener.local_addr().unwrap(), fake.address());
    runtime.spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // Who does not trust it goes away.
                if let Ok(mut stream) = acceptor.accept(stream).await {
                    let mut to = TcpStream::connect(behind).await.unwrap();
                    tokio::io::copy_bidirectional(&mut stream, &mut to)
                        .await
                        .ok();
                }
            });
        }
    });
    address
}

/// A cluster whose server has that certificate.
fn cluster(issued: &Issued) -> Cluster {
    let cluster = Cluster::installed();
    let address = secured(&cluster.runtime, &cluster.server, issued);
    let pod = "kubezonnet/kubezonnet-server-0";
    cluster.kube.forward(pod, 8080, address);
    cluster
}

#[test]
fn a_server_with_https_is_asked_through_one_port_forward() {
    let known = Known::make();
    let cluster = cluster(&known.authority.server(&[NAME]).unwrap());
    cluster.server.lock("secret");
    let token = known.file.with_file_name("token");
    std::fs::write(&token, "secret\n").unwrap();
    let token = format!("--token-file={}", token.display());

    let ended = cluster.run(&[&known.flag(), &token, "cost"]);

    assert_eq!((ended.status, &*ended.err), (0, ""));
    assert!(ended.out.contains("71.25 USD for 10.0 TB"), "{}", ended.out);
    assert_eq!(cluster.server.asked().len(), 2);
    assert_eq!(cluster.forwards(), 1);
}

#[test]
fn a_large_answer_comes_through_https_and_the_port_forward_whole() {
    let known = Known::make();
    let cluster = cluster(&known.authority.server(&[NAME]).unwrap());
    let mut top = crate::answers::namespaces();
    let item = top.items[0].clone();
    top.items = vec![item; 9_000];
    cluster.server.tell("top", &top);

    let ended = cluster.run(&[&known.flag(), "cost", "-o", "csv", "--limit", "0"]);

    let lines = ended.out.lines().count();
    assert_eq!((ended.status, lines), (0, 9_001), "{}", ended.err);
}

#[test]
fn a_certificate_that_does_not_hold_is_refused_with_the_reason_and_nothing_is_asked() {
    let (known, other) = (Known::make(), Known::make());
    let right = known.authority.server(&[NAME]).unwrap();
    let elsewhere = known.authority.server(&["kubezonnet-server.elsewhere.svc"]);
    let elsewhere = elsewhere.unwrap();

    for (issued, flag, expected) in [
        (&right, Some(other.flag()), "--ca-file names more"),
        (&elsewhere, Some(known.flag()), "it is for another name"),
        // It is asked as one without HTTPS.
        (&right, None, "name its authority with --ca-file"),
    ] {
        let cluster = cluster(issued);
        let mut arguments: Vec<&str> = flag.iter().map(String::as_str).collect();
        arguments.push("cost");

        let ended = cluster.run(&arguments);

        assert_eq!(ended.status, 69, "{expected}: {}", ended.err);
        assert!(ended.err.contains(expected), "{expected}: {}", ended.err);
        assert_eq!(ended.err.lines().count(), 1, "{}", ended.err);
        assert_eq!(cluster.server.asked(), [""; 0]);
    }
}

#[test]
fn a_server_without_https_is_not_asked_by_who_names_an_authority() {
    let known = Known::make();
    let cluster = Cluster::installed();

    let ended = cluster.run(&[&known.flag(), "cost"]);

    assert_eq!(ended.status, 69, "{}", ended.out);
    assert!(ended.err.contains("without --ca-file"), "{}", ended.err);
    assert_eq!(cluster.server.asked(), [""; 0]);
}

#[test]
fn a_port_that_nobody_listens_at_is_told_with_https_too() {
    let known = Known::make();
    let cluster = Cluster::installed();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    let pod = "kubezonnet/kubezonnet-server-0";
    cluster.kube.forward(pod, 8080, address);

    let ended = cluster.run(&[&known.flag(), "cost"]);

    assert_eq!(ended.status, 69, "{}", ended.out);
    assert!(ended.err.contains("connection refused"), "{}", ended.err);
}

#[test]
fn a_server_that_is_named_is_trusted_by_the_authority_that_is_named() {
    let (known, other) = (Known::make(), Known::make());
    let runtime = Runtime::new().unwrap();
    let fake = Fake::usual();
    let issued = known.authority.server(&["localhost"]).unwrap();
    let port = secured(&runtime, &fake, &issued).port();
    let server = format!("--server=https://localhost:{port}");

    let trusted = run(&[&server, &known.flag(), "cost"]);
    let untrusted = run(&[&server, &other.flag(), "cost"]);
    let unknown = run(&[&server, "cost"]);

    assert_eq!((trusted.status, &*trusted.err), (0, ""));
    assert_eq!(fake.asked().len(), 2);
    for ended in [untrusted, unknown] {
        assert_eq!(ended.status, 69, "{}", ended.out);
        assert!(ended.err.contains("--ca-file names more"), "{}", ended.err);
    }
}

#[test]
fn a_file_without_an_authority_is_told_before_anything_is_asked() {
    let known = Known::make();
    std::fs::write(&known.file, "no certificate\n").unwrap();
    let cluster = Cluster::installed();

    for way in [None, Some("--server=https://localhost:1")] {
        let flag = known.flag();
        let mut arguments: Vec<&str> = way.into_iter().collect();
        arguments.extend([&*flag, "cost"]);

        let ended = cluster.run(&arguments);

        assert_eq!(ended.status, 64, "{}", ended.err);
        assert!(ended.err.contains("holds no certificate"), "{}", ended.err);
        assert_eq!(cluster.server.asked(), [""; 0]);
    }
}
