//! Certificates of agents, and of the server, in files: without Kubernetes.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use kubezonnet_agent::answer::Outcome;
use kubezonnet_agent::send::Credentials;
use kubezonnet_testkit::pki::{Authority, Issued};
use kubezonnet_testkit::wait_for;

use crate::desk::{DEADLINE, Server, assert_applied, assert_denied, deliver, write};

const TOPOLOGY: &str = "\
nodes:
  - {name: n1, zone: a, region: r, addresses: [10.66.0.1]}
  - {name: n2, zone: b, region: r, addresses: [10.66.0.2]}
pods:
  - {namespace: shop, name: p1, node: n1, addresses: [10.67.1.1]}
  - {namespace: shop, name: p2, node: n2, addresses: [10.67.2.1]}
";

struct Site {
    files: tempfile::TempDir,
    authority: Authority,
}

impl Site {
    fn new() -> Self {
        let files = tempfile::tempdir().unwrap();
        let authority = Authority::make("ours").unwrap();
        let site = Self { files, authority };
        site.file("topology.yaml", TOPOLOGY);
        site.file("ca.crt", site.authority.certificate());
        site.file("clients.crt", site.authority.certificate());
        site.serve(&site.authority);
        site
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        write(self.files.path(), name, text)
    }

    /// Puts a server's certificate of that authority where the server finds it.
    fn serve(&self, authority: &Authority) {
        let issued = authority.server(&["localhost"]).unwrap();
        issued.write(self.files.path(), "server").unwrap();
    }

    fn server(&self) -> Server {
        let file =
            |flag: &str, name: &str| format!("--{flag}={}", self.files.path().join(name).display());
        let arguments = [
            "--ingest-listen=127.0.0.1:0".to_owned(),
            file("topology-file", "topology.yaml"),
            file("tls-cert", "server.crt"),
            file("tls-key", "server.key"),
            file("client-ca", "clients.crt"),
        ];
        Server::start(&arguments).ready()
    }

    fn credentials(&self, client: Option<(&str, &Issued)>) -> Credentials {
        let client = client.map(|(name, issued)| issued.write(self.files.path(), name).unwrap());
        Credentials {
            ca_file: Some(self.files.path().join("ca.crt")),
            token_file: None,
            client,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_reports_with_its_own_certificate_and_nobody_else_does() {
    let site = Site::new();
    let server = site.server();
    let stranger = Authority::make("ours").unwrap().client("n1").unwrap();
    let hour = Duration::from_hours(1);
    let expired = site.authority.expired_client("n1", hour).unwrap();
    let other = site.authority.client("n2").unwrap();
    let cases = [
        (site.credentials(None), "no_certificate"),
        (
            site.credentials(Some(("stranger", &stranger))),
            "invalid_certificate",
        ),
        (
            site.credentials(Some(("expired", &expired))),
            "invalid_certificate",
        ),
        (site.credentials(Some(("other", &other))), "wrong_node"),
    ];

    for (credentials, reason) in cases {
        let before = server.refused(reason);
        let answer = deliver(&mut server.sender(&credentials), "n1", 1).await;

        assert_denied(&answer, reason);
        assert_eq!(
            (server.refused(reason) - before).to_string(),
            "1",
            "{reason}"
        );
        server.assert_untouched();
    }
    let own = site.authority.client("n1").unwrap();
    let own = site.credentials(Some(("own", &own)));
    assert_applied(&deliver(&mut server.sender(&own), "n1", 1).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_of_agents_and_their_authority_are_exchanged_while_all_run() {
    let site = Site::new();
    let server = site.server();
    let own = site.authority.client("n1").unwrap();
    let mut sender = server.sender(&site.credentials(Some(("own", &own))));
    assert_applied(&deliver(&mut sender, "n1", 1).await);
    let next = Authority::make("next").unwrap();

    site.file("clients.crt", next.certificate());
    let begun = Instant::now();
    let refused = loop {
        // What a node says of another costs it none of what it may send.
        let answer = deliver(&mut sender, "n2", 1).await;
        if !answer.detail.contains("wrong_node") {
            break answer;
        }
        assert!(
            begun.elapsed() < DEADLINE,
            "the old authority is trusted on"
        );
    };
    let renewed = next.client("n1").unwrap();
    renewed.write(site.files.path(), "own").unwrap();
    let applied = deliver(&mut sender, "n1", 2).await;

    assert_denied(&refused, "invalid_certificate");
    assert_applied(&applied);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_servers_certificate_is_exchanged_while_it_runs_and_a_bad_one_is_not_taken() {
    let site = Site::new();
    let server = site.server();
    let own = site.authority.client("n1").unwrap();
    let credentials = site.credentials(Some(("own", &own)));
    let failures = || {
        let name = "kubezonnet_credential_reload_failures_total";
        let labels = [("credential", "ingest")];
        server.sum(name, &labels)
    };

    site.file("server.crt", "no certificate\n");
    let failed = || (failures() > 0).then_some(());
    wait_for("a reload that fails", DEADLINE, failed).unwrap();
    assert_applied(&deliver(&mut server.sender(&credentials), "n1", 1).await);

    let next = Authority::make("next").unwrap();
    site.serve(&next);
    let begun = Instant::now();
    let refused = loop {
        // Each is a connection of its own.
        let answer = deliver(&mut server.sender(&credentials), "n2", 1).await;
        if answer.outcome != Outcome::Unauthorized {
            break answer;
        }
        assert!(begun.elapsed() < DEADLINE, "the old one is served on");
    };
    assert_eq!(refused.outcome, Outcome::Unreachable);
    let words = "is --ca-file that of this server?";
    assert!(refused.detail.contains(words), "{refused:?}");
    site.file("ca.crt", next.certificate());
    let trusted = deliver(&mut server.sender(&credentials), "n1", 2).await;

    assert_applied(&trusted);
}
