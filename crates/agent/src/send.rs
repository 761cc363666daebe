//! Brings windows to the server over HTTP(S).

use std::error::Error as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kubezonnet_wire::{AGE_HEADER, CONTENT_TYPE, INGEST_PATH};
use reqwest::header::{CONTENT_TYPE as CONTENT_TYPE_HEADER, RETRY_AFTER};
use reqwest::{Certificate, Client, Response, Url, redirect};

use crate::answer::{Answer, Outcome};
use crate::tick::Deliver;
use crate::window::Outgoing;

/// How long a connection may take to stand.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long one attempt may take. A window of 65,536 flows is about a megabyte; a server that needs
/// longer than this for it gets the same window again, and says that it has it.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);

/// How long an idle connection is kept: over several intervals of the default length, and less
/// than the time after which middleboxes commonly forget it.
const IDLE_TIMEOUT: Duration = Duration::from_secs(90);

/// The most that is read of an answer: acknowledgements have about a hundred bytes.
const ANSWER_LIMIT: usize = 16 * 1024;

/// Posts windows to one server.
#[derive(Debug, Clone)]
pub struct Sender {
    client: Client,
    url: Url,
}

/// The sender cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum SenderError {
    /// The file with certificates cannot be read.
    #[error("cannot read --ca-file {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file holds no certificate, or one that is broken.
    #[error("--ca-file {} holds no PEM certificate that can be read", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// No certificate of an authority is known, so no server could be trusted.
    #[error("cannot set up TLS: {0}; give the server's authority with --ca-file")]
    Tls(String),
}

impl Sender {
    /// Makes a sender to the server at `server`, which trusts the system's certificate authorities
    /// and those in `ca_file`.
    ///
    /// # Errors
    ///
    /// [`SenderError`] if the file is unreadable, or no authority is known for an https server.
    pub fn new(server: &Url, ca_file: Option<&Path>) -> Result<Self, SenderError> {
        // A second installation changes nothing, and fails only because there was a first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let authorities = match ca_file {
            Some(path) => read_certificates(path)?,
            None => Vec::new(),
        };
        let builder = Client::builder()
            .user_agent(concat!("kubezonnet-agent/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(REQUEST_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(1)
            .tcp_nodelay(true)
            // A redirected POST would arrive without its body.
            .redirect(redirect::Policy::none())
            // The server is where --server says, whatever the environment has for other programs.
            .no_proxy();
        let builder = if server.scheme() == "https" {
            builder.tls_certs_merge(authorities)
        } else {
            // Plain http needs no authorities: do not read hundreds of them into memory.
            builder.tls_certs_only([])
        };
        let client = builder
            .build()
            .map_err(|error| SenderError::Tls(causes(&error)))?;
        Ok(Self {
            client,
            url: ingest_url(server),
        })
    }

    async fn attempt(&self, outgoing: Outgoing) -> Result<Answer, reqwest::Error> {
        let response = self
            .client
            .post(self.url.clone())
            .header(CONTENT_TYPE_HEADER, CONTENT_TYPE)
            .header(AGE_HEADER, outgoing.age.as_millis().to_string())
            .body(outgoing.body)
            .send()
            .await?;
        let status = response.status().as_u16();
        let retry_after = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned);
        let body = read_answer(response).await?;
        Ok(Answer::read(
            outgoing.epoch,
            outgoing.sequence,
            status,
            retry_after.as_deref(),
            &body,
        ))
    }
}

impl Deliver for Sender {
    async fn deliver(&mut self, outgoing: Outgoing) -> Answer {
        match self.attempt(outgoing).await {
            Ok(answer) => answer,
            Err(error) if error.is_timeout() => Answer::none(Outcome::TimedOut, causes(&error)),
            Err(error) => Answer::none(Outcome::Unreachable, causes(&error)),
        }
    }
}

/// The server's address with the path for windows behind its own.
fn ingest_url(server: &Url) -> Url {
    let mut url = server.clone();
    let path = format!("{}{INGEST_PATH}", server.path().trim_end_matches('/'));
    url.set_path(&path);
    url
}

fn read_certificates(path: &Path) -> Result<Vec<Certificate>, SenderError> {
    let pem = std::fs::read(path).map_err(|source| SenderError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    match Certificate::from_pem_bundle(&pem) {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) | Err(_) => Err(SenderError::NoCertificate {
            path: path.to_owned(),
        }),
    }
}

/// Reads an answer up to the limit; what is longer is cut, and so no acknowledgement.
async fn read_answer(mut response: Response) -> Result<Vec<u8>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        let room = ANSWER_LIMIT - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if body.len() == ANSWER_LIMIT {
            break;
        }
    }
    Ok(body)
}

/// An error with all its causes on one line: the outermost alone says only that sending failed.
fn causes(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests;
