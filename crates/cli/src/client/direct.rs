//! The way to a server whose URL is known.

use std::path::Path;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::{Client, Url, redirect};

use super::{Answer, MOST_BYTES, causes, tls};
use crate::failure::Failure;

/// How long it may take until there is a connection.
const CONNECT: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct Direct {
    http: Client,
    base: Url,
}

impl Direct {
    pub(super) fn new(server: &Url, ca_file: Option<&Path>) -> Result<Self, Failure> {
        if !matches!(server.scheme(), "http" | "https") || !server.has_host() {
            let message = "expected a URL like http://127.0.0.1:8080";
            return Err(Failure::Usage(format!("--server {server}: {message}")));
        }
        let mut builder = Client::builder()
            .connect_timeout(CONNECT)
            .redirect(redirect::Policy::none())
            .user_agent(concat!("kubectl-zonnet/", env!("CARGO_PKG_VERSION")));
        if let Some(path) = ca_file {
            builder = builder.tls_certs_merge(tls::certificates(path)?);
        }
        let http = builder.build().map_err(|error| {
            let why = causes(&error);
            Failure::Usage(format!("cannot make a client for {server}: {why}"))
        })?;
        let mut base = server.clone();
        base.set_query(None);
        base.set_fragment(None);
        Ok(Self { http, base })
    }

    pub(super) fn place(&self) -> String {
        let mut shown = self.base.clone();
        // Neither can fail for a URL that has a host.
        let _ = (shown.set_password(None), shown.set_username(""));
        shown.to_string().trim_end_matches('/').to_owned()
    }

    pub(super) async fn get(&self, target: &str, token: Option<&str>) -> Result<Answer, Failure> {
        let url = format!("{}{target}", self.base.as_str().trim_end_matches('/'));
        let mut request = self.http.get(url);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let mut response = request.send().await.map_err(|error| self.failure(&error))?;
        let status = response.status().as_u16();
        let mut body = BytesMut::new();
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|error| self.failure(&error))?
        {
            body.extend_from_slice(&chunk);
            if body.len() > MOST_BYTES {
                let most = MOST_BYTES >> 20;
                let message = format!("{}: the answer has over {most} MiB", self.place());
                return Err(Failure::Answer(message));
            }
        }
        Ok((status, Bytes::from(body)))
    }

    fn failure(&self, error: &reqwest::Error) -> Failure {
        let why = tls::explain(error).unwrap_or_else(|| causes(error));
        Failure::Unavailable(format!("cannot reach {}: {why}", self.place()))
    }
}
