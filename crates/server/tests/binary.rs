//! The program as it is started: what it says to wrong flags, and a life from start to signal.

#![expect(clippy::unwrap_used, reason = "what is not as expected fails the test")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use kubezonnet_model::{
    BatchHeader, Coverage, Epoch, FlowBatch, FlowCounters, FlowKey, FlowRecord, Hook,
    InterfaceClass, NodeName, ObservationPoint,
};
use kubezonnet_testkit::served::{self, Served};
use kubezonnet_testkit::wait_for;
use kubezonnet_wire::{AGE_HEADER, CONTENT_TYPE, INGEST_PATH, encode};
use nix::sys::signal::Signal;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// How long anything here may take.
const DEADLINE: Duration = Duration::from_secs(30);

const TOPOLOGY: &str = "\
nodes:
  - {name: n1, zone: a, region: r, addresses: [10.66.0.1]}
  - {name: n2, zone: b, region: r, addresses: [10.66.0.2]}
pods:
  - {namespace: shop, name: web, node: n1, addresses: [10.67.1.1]}
  - {namespace: shop, name: db, node: n2, addresses: [10.67.2.1]}
";

fn program() -> Command {
    served::command(env!("CARGO_BIN_EXE_kubezonnet-server"))
}

fn run(arguments: &[&str]) -> Output {
    program().args(arguments).output().unwrap()
}

/// Runs what must be refused, and returns the one line that says why.
fn refused(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(64), "{stderr}");
    assert_eq!(output.stdout, b"");
    assert_eq!(stderr.lines().count(), 1, "one line: {stderr}");
    stderr
}

fn file(directory: &Path, name: &str, text: &str) -> String {
    let path = directory.join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn wrong_flags_are_named_in_one_line() {
    let cases: [(&[&str], &str); 7] = [
        (&["--bogus"], "--bogus"),
        (&["--listen", "nowhere"], "'nowhere' for '--listen"),
        (&["--flow-log", "some"], "'some' for '--flow-log"),
        (&["--tls-cert", "a.pem"], "--tls-key"),
        (&["--insecure", "--client-ca", "a.pem"], "--insecure"),
        (&["--topology-file", "/gone.yaml"], "/gone.yaml"),
        (
            &["--team-label=team", "--metrics-labels=team,app"],
            "--metrics-labels: no label is kept as \"app\"",
        ),
    ];
    for (arguments, named) in cases {
        let line = refused(program().args(arguments));
        assert!(line.starts_with("kubezonnet-server: "), "{line}");
        assert!(line.contains(named), "{line}");
    }
}

#[test]
fn a_wrong_variable_is_named_as_what_it_is() {
    let line = refused(program().env("KUBEZONNET_MAX_RECORDS", "many"));

    assert!(
        line.contains("KUBEZONNET_MAX_RECORDS") && line.contains("many"),
        "{line}"
    );
}

#[test]
fn a_topology_file_with_a_zone_that_names_nothing_is_named_with_its_line() {
    let directory = tempfile::tempdir().unwrap();
    let text = "nodes:\n  - name: n1\n    zone: \"\"\n";
    let path = file(directory.path(), "topology.yaml", text);

    let line = refused(program().args(["--topology-file", &path]));

    assert!(
        line.contains(&path) && line.contains("line 3") && line.contains("zone"),
        "{line}"
    );
}

#[test]
fn a_networks_file_that_contradicts_itself_is_named_with_its_line() {
    let directory = tempfile::tempdir().unwrap();
    let topology = file(directory.path(), "topology.yaml", TOPOLOGY);
    let text = "networks:\n- {name: db, cidr: 10.9.0.0/24}\n- {name: db2, cidr: 10.9.0.0/24}\n";
    let networks = file(directory.path(), "networks.yaml", text);

    let line = refused(program().args(["--topology-file", &topology, "--networks", &networks]));

    assert!(
        line.contains(&networks) && line.contains("line 3") && line.contains("10.9.0.0/24"),
        "{line}"
    );
}

#[test]
fn without_kubernetes_it_says_what_to_give_instead() {
    let line = refused(&mut program());

    assert!(line.contains("--topology-file"), "{line}");
}

#[test]
fn help_and_version_are_no_errors() {
    let help = run(&["--help"]);
    let version = run(&["--version"]);

    assert!(help.status.success() && version.status.success());
    let help = String::from_utf8(help.stdout).unwrap();
    for part in [
        "--listen",
        "KUBEZONNET_LISTEN",
        "Examples:",
        "Signals:",
        "Exit status:",
    ] {
        assert!(help.contains(part), "{part} is missing in {help}");
    }
    let expected = format!("kubezonnet-server {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(String::from_utf8(version.stdout).unwrap(), expected);
}

/// A server that runs; it is killed when the test ends.
struct Server {
    served: Served,
    address: SocketAddr,
    _directory: tempfile::TempDir,
}

impl Server {
    fn start(more: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let topology = file(directory.path(), "topology.yaml", TOPOLOGY);
        let mut command = program();
        command
            .args(["--insecure", "--listen", "127.0.0.1:0"])
            .args(["--log-format", "json", "--topology-file", &topology])
            .arg("--data-dir")
            .arg(directory.path().join("data"))
            .args(more)
            .stdout(Stdio::piped());
        let served = Served::start(&mut command, &["--listen"]).unwrap();
        Self {
            address: served.address("--listen"),
            served,
            _directory: directory,
        }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream
    }

    fn ask(&self, request: &[u8]) -> String {
        ask(self.connect(), request)
    }

    /// Ends it by a signal; returns its exit code and what it wrote to standard output.
    fn stop(mut self, signal: Signal) -> (Option<i32>, String) {
        self.served.signal(signal).unwrap();
        let mut text = String::new();
        let mut output = self.served.output().unwrap();
        output.read_to_string(&mut text).unwrap();
        (self.served.wait(DEADLINE).unwrap().code(), text)
    }
}

/// Sends a request and reads until the server closes.
fn ask(mut stream: impl Read + Write, request: &[u8]) -> String {
    stream.write_all(request).unwrap();
    stream.flush().unwrap();
    let mut answer = Vec::new();
    // A TLS stream that ends without farewell is at its end all the same.
    if let Err(error) = stream.read_to_end(&mut answer) {
        assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
    }
    String::from_utf8(answer).unwrap()
}

fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: server\r\nConnection: close\r\n\r\n").into_bytes()
}

fn post(length: usize, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST {INGEST_PATH} HTTP/1.1\r\nHost: server\r\nConnection: close\r\n\
         Content-Type: {CONTENT_TYPE}\r\nContent-Length: {length}\r\n{AGE_HEADER}: 0\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

/// A window of `n1` in which the pod web sent to the pod db.
fn window(bytes: u64) -> Vec<u8> {
    encode(&FlowBatch {
        header: BatchHeader {
            node: NodeName::new("n1").unwrap(),
            epoch: Epoch([5; 16]),
            sequence: 1,
            window: Duration::from_secs(10),
            coverage: Coverage::full(),
        },
        records: vec![FlowRecord {
            key: FlowKey {
                source: "10.67.1.1".parse().unwrap(),
                destination: "10.67.2.1".parse().unwrap(),
                transport: None,
                point: ObservationPoint {
                    hook: Hook::Postrouting,
                    input: InterfaceClass::Pod,
                    output: InterfaceClass::Uplink,
                },
                socket: None,
            },
            counters: FlowCounters { bytes, packets: 1 },
        }],
        totals: Vec::new(),
        skipped: Vec::new(),
        node_addresses: Vec::new(),
    })
}

#[test]
fn a_life_from_start_over_a_window_to_a_signal() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let server = Server::start(&[]);
        let body = window(1234);

        let ready = server.ask(&get("/readyz"));
        let applied = server.ask(&post(body.len(), &body));
        let metrics = server.ask(&get("/metrics"));
        let (code, stdout) = server.stop(signal);

        assert!(ready.starts_with("HTTP/1.1 200"), "{ready}");
        assert!(applied.contains(r#""outcome":"applied""#), "{applied}");
        let sample =
            r#"pod_cross_zone_network_traffic_bytes_total{namespace="shop",pod="web"} 1234"#;
        assert!(metrics.contains(sample), "{metrics}");
        assert_eq!(code, Some(0));
        let line: serde_json::Value = serde_json::from_str(stdout.trim_end()).unwrap();
        assert_eq!(line["bytes"], 1234, "{stdout}");
        assert_eq!(line["source"]["pod"], "web");
        assert_eq!(line["destination"]["zone"], "b");
    }
}

#[test]
fn budgets_of_names_that_nobody_has_are_told_in_the_log() {
    let directory = tempfile::tempdir().unwrap();
    let text = "cluster: 5\nnamespaces: {shop: 1, shpo: 2, serach: 3}\n";
    let budgets = file(directory.path(), "budgets.yaml", text);
    let server = Server::start(&["--budgets", &budgets]);

    let told = || {
        let log = server.served.log();
        let told = log.lines().find(|line| line.contains("that nobody has"));
        told.map(str::to_owned)
    };
    let line = wait_for("a warning", DEADLINE, told).unwrap();

    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["level"], "WARN", "{line}");
    assert_eq!(line["of"], "namespace serach, namespace shpo");
    assert_eq!(line["number"], 2);
    assert_eq!(line["budgets"], budgets);
}

#[test]
fn reports_of_the_go_system_are_taken_from_nodes_only_and_only_if_asked_for() {
    let report = b"POST /write-network-statistics HTTP/1.1\r\nHost: server\r\n\
        Connection: close\r\nContent-Length: 4\r\n\r\n\0\0\0\0";

    let with = Server::start(&["--legacy-ingest"]).ask(report);
    let without = Server::start(&[]).ask(report);

    // It is known where it comes from, and this machine is no node.
    assert!(with.starts_with("HTTP/1.1 403"), "{with}");
    assert!(
        with.contains("legacy_peer") && with.contains("127.0.0.1"),
        "{with}"
    );
    assert!(without.starts_with("HTTP/1.1 404"), "{without}");
}

#[test]
fn what_is_begun_before_a_signal_is_answered_after_it() {
    let server = Server::start(&["--flow-log", "off"]);
    let body = window(10);
    let head = String::from_utf8(post(body.len(), b"")).unwrap();
    let head = head.replace("\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n");
    let (first, rest) = body.split_at(body.len() - 5);
    let mut stream = server.connect();
    stream.write_all(head.as_bytes()).unwrap();
    // The server asks for the body once it has begun with the request.
    let mut go_on = [0; 25];
    stream.read_exact(&mut go_on).unwrap();
    assert_eq!(go_on, *b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(first).unwrap();

    server.served.signal(Signal::SIGTERM).unwrap();
    // The listener is closed once the signal has been heard.
    let begun = Instant::now();
    while TcpStream::connect(server.address).is_ok() {
        assert!(begun.elapsed() < DEADLINE, "it goes on listening");
        std::thread::yield_now();
    }
    let answer = ask(stream, rest);

    assert!(answer.contains(r#""outcome":"applied""#), "{answer}");
    assert_eq!(server.stop(Signal::SIGTERM).0, Some(0));
}

#[test]
fn a_body_that_is_announced_too_large_is_answered_without_being_sent() {
    let server = Server::start(&["--max-body-bytes", "1000"]);

    let answer = server.ask(&post(usize::MAX / 2, b""));

    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert!(answer.contains(r#""reason":"too_large""#), "{answer}");
}

#[test]
fn with_a_certificate_it_speaks_https() {
    let directory = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["server".to_owned()]).unwrap();
    let certificate = file(directory.path(), "tls.crt", &made.cert.pem());
    let key = file(
        directory.path(),
        "tls.key",
        &made.signing_key.serialize_pem(),
    );
    let server = Server::start(&["--listen-tls-cert", &certificate, "--listen-tls-key", &key]);
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("server").unwrap();
    let client = ClientConnection::new(Arc::new(config), name).unwrap();

    let answer = ask(StreamOwned::new(client, server.connect()), &get("/readyz"));

    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[test]
fn certificates_that_cannot_be_used_are_named_with_their_flag() {
    let directory = tempfile::tempdir().unwrap();
    let make = || rcgen::generate_simple_self_signed(vec!["server".to_owned()]).unwrap();
    let file = |name: &str, text: &str| file(directory.path(), name, text);
    let topology = file("topology.yaml", TOPOLOGY);
    let certificate = file("tls.crt", &make().cert.pem());
    let other_key = file("tls.key", &make().signing_key.serialize_pem());
    let empty = file("empty", "");
    let cases: [(&[&str], &str); 5] = [
        (
            &[
                "--listen-tls-cert",
                &certificate,
                "--listen-tls-key",
                &other_key,
                "--insecure",
            ],
            "do not fit together",
        ),
        (
            &[
                "--tls-cert",
                "/gone.pem",
                "--tls-key",
                &other_key,
                "--client-ca",
                &certificate,
            ],
            "--tls-cert /gone.pem: cannot be read",
        ),
        (
            &[
                "--tls-cert",
                &certificate,
                "--tls-key",
                "/gone.key",
                "--client-ca",
                &certificate,
            ],
            "--tls-key /gone.key: cannot be read",
        ),
        (&["--client-ca", &empty], "--client-ca"),
        (
            &["--insecure", "--bearer-token-file", &empty],
            "--bearer-token-file",
        ),
    ];
    for (arguments, named) in cases {
        let line = refused(
            program()
                .args(["--topology-file", &topology])
                .args(arguments),
        );

        assert!(line.contains(named), "{line}");
    }
}

#[test]
fn without_a_way_to_know_agents_it_does_not_start_and_says_what_to_give() {
    let directory = tempfile::tempdir().unwrap();
    let topology = file(directory.path(), "topology.yaml", TOPOLOGY);
    let made = rcgen::generate_simple_self_signed(vec!["server".to_owned()]).unwrap();
    let authority = file(directory.path(), "ca.crt", &made.cert.pem());

    let unknown = refused(program().args(["--topology-file", &topology]));
    let unencrypted =
        refused(program().args(["--topology-file", &topology, "--client-ca", &authority]));

    assert!(
        unknown.contains("give --client-ca, --tls-cert and --tls-key, or --insecure"),
        "{unknown}"
    );
    assert!(
        unencrypted.contains("give --tls-cert and --tls-key, or --insecure"),
        "{unencrypted}"
    );
}

#[test]
fn metrics_are_for_who_has_the_token_and_probes_for_everybody() {
    let directory = tempfile::tempdir().unwrap();
    let token = file(directory.path(), "token", "open-sesame\n");
    let server = Server::start(&["--bearer-token-file", &token]);
    let with_token = String::from_utf8(get("/metrics")).unwrap();
    let with_token = with_token.replacen("\r\n", "\r\nAuthorization: Bearer open-sesame\r\n", 1);

    let without = server.ask(&get("/metrics"));
    let with = server.ask(with_token.as_bytes());
    let probe = server.ask(&get("/readyz"));

    assert!(without.starts_with("HTTP/1.1 401"), "{without}");
    assert!(with.starts_with("HTTP/1.1 200"), "{with}");
    assert!(probe.starts_with("HTTP/1.1 200"), "{probe}");
}

#[test]
fn a_port_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let directory = tempfile::tempdir().unwrap();
    let topology = file(directory.path(), "topology.yaml", TOPOLOGY);

    let output = run(&[
        "--insecure",
        "--topology-file",
        &topology,
        "--data-dir",
        "none",
        "--listen",
        &address,
    ]);

    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains(&address), "{stderr}");
}
