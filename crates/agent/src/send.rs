//! Brings windows to the server over HTTP(S).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kubezonnet_wire::{AGE_HEADER, CONTENT_TYPE, INGEST_PATH, TIME_HEADER};
use reqwest::header::{
    AUTHORIZATION, CONTENT_TYPE as CONTENT_TYPE_HEADER, HeaderValue, RETRY_AFTER,
};
use reqwest::{Client, Response, Url, redirect};

mod cause;
mod credentials;

use self::cause::causes;
use self::credentials::Trust;
pub use self::credentials::{Credentials, CredentialsError};

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
#[derive(Debug)]
pub struct Sender {
    client: Client,
    url: Url,
    credentials: Credentials,
    /// What the client was made of; other contents of the files make another client.
    trust: Trust,
    /// The last complaint about the files, so that it is said once.
    complaint: Option<String>,
}

/// The sender cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum SenderError {
    /// A file cannot be used.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// No certificate of an authority is known, so no server could be trusted.
    #[error("cannot set up TLS: {0}; give the server's authority with --ca-file")]
    Tls(String),
}

impl Sender {
    /// Makes a sender to the server at `server`, which trusts the system's certificate authorities
    /// besides those that are given.
    ///
    /// # Errors
    ///
    /// [`SenderError`] if a file cannot be used, or no authority is known for an https server.
    pub fn new(server: &Url, credentials: Credentials) -> Result<Self, SenderError> {
        // A second installation changes nothing, and fails only because there was a first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let trust = Trust::read(&credentials)?;
        credentials.token()?;
        if server.scheme() == "http" {
            tracing::warn!(
                "windows go to the server in clear, and it cannot know who sends them: an https:// \
                 --server is better"
            );
        }
        Ok(Self {
            client: client(server, &credentials, &trust)?,
            url: ingest_url(server),
            credentials,
            trust,
            complaint: None,
        })
    }

    /// Takes what the files say now. What cannot be used is said, and changes nothing.
    fn refresh(&mut self) {
        let refreshed = Trust::read(&self.credentials)
            .map_err(SenderError::from)
            .and_then(|trust| {
                if trust == self.trust {
                    return Ok(());
                }
                self.client = client(&self.url, &self.credentials, &trust)?;
                self.trust = trust;
                tracing::info!("read certificates again from files that changed");
                Ok(())
            });
        let complaint = refreshed.err().map(|error| error.to_string());
        if let Some(error) = &complaint
            && self.complaint != complaint
        {
            tracing::warn!(error, "not reloaded: the certificates in use stay");
        }
        self.complaint = complaint;
    }

    async fn attempt(
        &self,
        outgoing: Outgoing,
        token: Option<HeaderValue>,
    ) -> Result<Answer, reqwest::Error> {
        let mut request = self.client.post(self.url.clone());
        if let Some(token) = token {
            request = request.header(AUTHORIZATION, token);
        }
        let response = request
            .header(CONTENT_TYPE_HEADER, CONTENT_TYPE)
            .header(AGE_HEADER, outgoing.age.as_millis().to_string())
            .header(TIME_HEADER, wall_clock().as_millis().to_string())
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
        self.refresh();
        let token = match self.credentials.token() {
            Ok(token) => token,
            Err(error) => return Answer::none(Outcome::Unauthorized, error.to_string()),
        };
        match self.attempt(outgoing, token).await {
            Ok(answer) => answer,
            Err(error) if error.is_timeout() => Answer::none(Outcome::TimedOut, causes(&error)),
            Err(error) => {
                let arrived = !error.is_connect();
                Answer::none(Outcome::Unreachable, cause::explain(&error)).doubtful(arrived)
            }
        }
    }
}

/// The wall clock, which only tells the server how far it is off.
fn wall_clock() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

/// The server's address with the path for windows behind its own.
fn ingest_url(server: &Url) -> Url {
    let mut url = server.clone();
    let path = format!("{}{INGEST_PATH}", server.path().trim_end_matches('/'));
    url.set_path(&path);
    url
}

fn client(server: &Url, credentials: &Credentials, trust: &Trust) -> Result<Client, SenderError> {
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
        let builder = builder.tls_certs_merge(trust.authorities(credentials)?);
        match trust.identity(credentials)? {
            Some(identity) => builder.identity(identity),
            None => builder,
        }
    } else {
        // Plain http needs no authorities: do not read hundreds of them into memory.
        builder.tls_certs_only([])
    };
    builder.build().map_err(|error| match &credentials.client {
        Some((certificate, key)) if cause::is_key_mismatch(&error) => {
            let (certificate, key) = (certificate.clone(), key.clone());
            CredentialsError::KeyMismatch { certificate, key }.into()
        }
        _ => SenderError::Tls(causes(&error)),
    })
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

#[cfg(test)]
mod tests;
