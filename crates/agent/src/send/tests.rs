//! Against a real server on a real socket: what is on the wire is the point.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::routing::post;
use kubezonnet_model::Epoch;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tempfile::NamedTempFile;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::*;

const EPOCH: Epoch = Epoch([7; 16]);

/// What arrived, and what is answered.
#[derive(Clone)]
struct Desk {
    arrivals: mpsc::Sender<(HeaderMap, Bytes)>,
    answer: Arc<dyn Fn() -> axum::response::Response + Send + Sync>,
}

async fn take(State(desk): State<Desk>, headers: HeaderMap, body: Bytes) -> impl IntoResponse {
    desk.arrivals.send((headers, body)).await.unwrap();
    (desk.answer)()
}

fn router<R: IntoResponse>(
    path: &str,
    answer: impl Fn() -> R + Send + Sync + 'static,
) -> (Router, mpsc::Receiver<(HeaderMap, Bytes)>) {
    let (arrivals, receiver) = mpsc::channel(8);
    let answer = Arc::new(move || answer().into_response());
    let router = Router::new()
        .route(path, post(take))
        .with_state(Desk { arrivals, answer });
    (router, receiver)
}

async fn serve(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

fn sender(url: &str) -> Sender {
    Sender::new(&Url::parse(url).unwrap(), Credentials::default()).unwrap()
}

fn outgoing(body: &[u8]) -> Outgoing {
    Outgoing {
        epoch: EPOCH,
        sequence: 7,
        age: Duration::from_millis(1_234),
        body: Bytes::copy_from_slice(body),
    }
}

fn acknowledgement() -> String {
    format!(r#"{{"epoch":"{EPOCH}","sequence":7,"outcome":"applied"}}"#)
}

#[tokio::test]
async fn a_window_is_posted_with_its_age_and_acknowledged() {
    let (router, mut arrivals) = router(INGEST_PATH, acknowledgement);
    let address = serve(router).await;

    let answer = sender(&format!("http://{address}"))
        .deliver(outgoing(b"window"))
        .await;

    assert_eq!(answer.outcome, Outcome::Acknowledged, "{}", answer.detail);
    let (headers, body) = arrivals.recv().await.unwrap();
    assert_eq!(body.as_ref(), b"window");
    assert_eq!(headers[AGE_HEADER], "1234");
    assert_eq!(headers["content-type"], CONTENT_TYPE);
}

#[tokio::test]
async fn a_server_behind_a_path_is_reached() {
    let (router, _arrivals) = router(&format!("/zonnet{INGEST_PATH}"), acknowledgement);
    let address = serve(router).await;

    for url in [
        format!("http://{address}/zonnet"),
        format!("http://{address}/zonnet/"),
    ] {
        let answer = sender(&url).deliver(outgoing(b"window")).await;
        assert_eq!(answer.outcome, Outcome::Acknowledged, "{url}");
    }
}

#[tokio::test]
async fn a_server_that_is_busy_says_for_how_long() {
    let (router, _arrivals) = router(INGEST_PATH, || {
        (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "9")])
    });
    let address = serve(router).await;

    let answer = sender(&format!("http://{address}"))
        .deliver(outgoing(b"window"))
        .await;

    assert_eq!(answer.outcome, Outcome::Busy);
    assert_eq!(answer.retry_after, Some(Duration::from_secs(9)));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (router, mut arrivals) = router(INGEST_PATH, || {
        (StatusCode::TEMPORARY_REDIRECT, [("location", INGEST_PATH)])
    });
    let address = serve(router).await;

    let answer = sender(&format!("http://{address}"))
        .deliver(outgoing(b"window"))
        .await;

    assert_eq!(answer.outcome, Outcome::Unexpected);
    assert!(arrivals.recv().await.is_some());
    assert!(arrivals.try_recv().is_err());
}

#[tokio::test]
async fn an_answer_without_end_is_cut() {
    let (router, _arrivals) = router(INGEST_PATH, || {
        let padding = " ".repeat(ANSWER_LIMIT);
        format!("{padding}{}", acknowledgement())
    });
    let address = serve(router).await;

    let answer = sender(&format!("http://{address}"))
        .deliver(outgoing(b"window"))
        .await;

    assert_eq!(answer.outcome, Outcome::Unexpected);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unreachable_and_the_cause_is_told() {
    // Bound and dropped: nobody listens there now.
    let address = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };

    let answer = sender(&format!("http://{address}"))
        .deliver(outgoing(b"window"))
        .await;

    assert_eq!(answer.outcome, Outcome::Unreachable);
    assert!(answer.detail.contains("refused"), "{}", answer.detail);
}

fn trusting_in(authority: &Path) -> Credentials {
    Credentials {
        ca_file: Some(authority.to_owned()),
        ..Credentials::default()
    }
}

fn pem_file(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

#[tokio::test]
async fn an_https_server_is_trusted_by_the_given_authority_only() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let tls = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let (router, _arrivals) = router(INGEST_PATH, acknowledgement);
    let config = axum_server::tls_rustls::RustlsConfig::from_config(Arc::new(tls));
    let server = axum_server::from_tcp_rustls(listener, config).unwrap();
    tokio::spawn(server.serve(router.into_make_service()));
    let url = Url::parse(&format!("https://localhost:{port}")).unwrap();
    let authority = pem_file(&cert.pem());
    let stranger = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let stranger = pem_file(&stranger.cert.pem());

    let mut trusting = Sender::new(&url, trusting_in(authority.path())).unwrap();
    let mut doubting = Sender::new(&url, trusting_in(stranger.path())).unwrap();

    let answer = trusting.deliver(outgoing(b"window")).await;
    assert_eq!(answer.outcome, Outcome::Acknowledged, "{}", answer.detail);
    let answer = doubting.deliver(outgoing(b"window")).await;
    assert_eq!(answer.outcome, Outcome::Unreachable);
    assert!(
        answer.detail.contains("is --ca-file that of this server?"),
        "{}",
        answer.detail
    );
}

#[test]
fn a_file_without_certificates_is_named() {
    let url = Url::parse("https://localhost").unwrap();
    let empty = pem_file("no certificate\n");

    let missing = Sender::new(&url, trusting_in(Path::new("/nonexistent.pem"))).unwrap_err();
    let useless = Sender::new(&url, trusting_in(empty.path())).unwrap_err();

    assert_eq!(
        missing.to_string(),
        "cannot read --ca-file /nonexistent.pem: No such file or directory (os error 2)"
    );
    assert!(
        useless
            .to_string()
            .contains(&empty.path().display().to_string())
    );
}

#[test]
fn a_key_of_another_certificate_is_told_by_both_files() {
    let pairs = [(); 2].map(|()| generate_simple_self_signed(["node-a".to_owned()]).unwrap());
    let [certificate, key] =
        [pairs[0].cert.pem(), pairs[1].signing_key.serialize_pem()].map(|text| file(&text));
    let authority = file(&pairs[0].cert.pem());
    let credentials = Credentials {
        ca_file: Some(authority.path().to_owned()),
        token_file: None,
        client: Some((certificate.path().to_owned(), key.path().to_owned())),
    };

    let refused = Sender::new(&Url::parse("https://127.0.0.1:1").unwrap(), credentials);

    let expected = format!(
        "--client-key {} is not the private key of the certificate in --client-cert {}",
        key.path().display(),
        certificate.path().display()
    );
    assert_eq!(refused.unwrap_err().to_string(), expected);
}

fn file(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}
