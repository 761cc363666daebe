//! The way to a server in the cluster: through the API server, to a pod's port, as `kubectl
//! port-forward` goes, but without a port on this machine that others could connect to.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::Request;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{AUTHORIZATION, HOST, USER_AGENT};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Mutex;
use tokio_rustls::TlsConnector;

use super::cluster::{Cluster, SERVICE, Target};
use super::{Answer, MOST_BYTES, causes, tls};
use crate::failure::Failure;

/// How long it may take until it is told why a connection has ended.
const LAST_WORD: Duration = Duration::from_millis(500);

/// How long it may take until there is a connection to a pod: on a node that is gone there never is.
const CONNECT: Duration = Duration::from_secs(10);

/// A connection to the pod's port.
struct Connection {
    sender: SendRequest<Empty<Bytes>>,
    /// Says why there is no such connection, if the node says it.
    refused: BoxFuture<'static, Option<String>>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

#[derive(Debug)]
pub(super) struct Forward {
    cluster: Cluster,
    tls: Option<Arc<ClientConfig>>,
    /// The name in the server's certificate.
    certified: String,
    /// What there is to say of the pod that was found.
    note: Option<String>,
    /// The pod, until it is gone.
    target: Mutex<Option<Target>>,
    /// What is kept for the next question.
    idle: Mutex<Option<Connection>>,
}

impl Forward {
    pub(super) async fn open(cluster: &Cluster, ca_file: Option<&Path>) -> Result<Self, Failure> {
        let target = cluster.target().await?;
        Ok(Self {
            cluster: cluster.clone(),
            tls: ca_file.map(tls::config).transpose()?,
            note: (!target.is_ready).then(|| {
                let pod = &target.pod;
                format!(
                    "pod {pod} is not ready, and is asked as it runs: kubectl zonnet check says why"
                )
            }),
            certified: format!("{SERVICE}.{}.svc", cluster.namespace()),
            target: Mutex::new(Some(target)),
            idle: Mutex::default(),
        })
    }

    pub(super) fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    pub(super) fn place(&self) -> String {
        format!("{}/{SERVICE}", self.cluster.namespace())
    }

    pub(super) async fn get(&self, target: &str, token: Option<&str>) -> Result<Answer, Failure> {
        // One that was kept may have ended since: then a new one is asked.
        let kept = self.idle.lock().await.take();
        if let Some(kept) = kept
            && let Ok(answer) = self.exchange(kept, target, token).await
        {
            return Ok(answer);
        }
        let opened = self.connect().await?;
        self.exchange(opened, target, token).await
    }

    async fn exchange(
        &self,
        mut connection: Connection,
        target: &str,
        token: Option<&str>,
    ) -> Result<Answer, Failure> {
        match self.send(&mut connection.sender, target, token).await {
            Ok(answer) => {
                *self.idle.lock().await = Some(connection);
                Ok(answer)
            }
            Err(why) => {
                let told = tokio::time::timeout(LAST_WORD, connection.refused).await;
                let why = match told {
                    Ok(Some(said)) => crate::text::printable(said.trim()).into_owned(),
                    _ if self.tls.is_none() => format!(
                        "{why}; if the server has --listen-tls-cert, name its authority with --ca-file"
                    ),
                    _ => why,
                };
                let place = self.place();
                Err(Failure::Unavailable(format!(
                    "{place} does not answer: {why}"
                )))
            }
        }
    }

    async fn send(
        &self,
        sender: &mut SendRequest<Empty<Bytes>>,
        target: &str,
        token: Option<&str>,
    ) -> Result<Answer, String> {
        sender.ready().await.map_err(|error| causes(&error))?;
        let mut request = Request::get(target).header(HOST, "localhost").header(
            USER_AGENT,
            concat!("kubectl-zonnet/", env!("CARGO_PKG_VERSION")),
        );
        if let Some(token) = token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = request.body(Empty::new());
        let request = request.map_err(|error| causes(&error))?;
        let response = sender.send_request(request).await;
        let response = response.map_err(|error| causes(&error))?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), MOST_BYTES);
        let body = body.collect().await.map_err(|error| causes(&*error))?;
        Ok((status, body.to_bytes()))
    }

    async fn connect(&self) -> Result<Connection, Failure> {
        let mut known = self.target.lock().await;
        // A pod that was there before may be gone, and another be in its place.
        if let Some(target) = &*known {
            match self.connect_to(target).await {
                Err(Failure::Unavailable(_)) => {}
                done => return done,
            }
        }
        *known = None;
        let target = self.cluster.target().await?;
        let connected = self.connect_to(&target).await?;
        *known = Some(target);
        Ok(connected)
    }

    /// Looks for a pod anew at the next question: the one that was asked has not answered.
    pub(super) async fn forget(&self) {
        *self.target.lock().await = None;
    }

    async fn connect_to(&self, target: &Target) -> Result<Connection, Failure> {
        let connected = tokio::time::timeout(CONNECT, self.open_to(target)).await;
        connected.unwrap_or_else(|_| {
            let (place, pod, seconds) = (self.place(), &target.pod, CONNECT.as_secs());
            Err(Failure::Unavailable(format!(
                "{place}: no connection to pod {pod} in {seconds} seconds"
            )))
        })
    }

    async fn open_to(&self, target: &Target) -> Result<Connection, Failure> {
        let Target { pod, port, .. } = target;
        let what = "forward a port to pods";
        let forwarded = self.cluster.pods().portforward(pod, &[*port]).await;
        let mut forwarded = forwarded.map_err(|error| self.cluster.failure(what, &error))?;
        let stream = forwarded.take_stream(*port).expect("it was asked for");
        let refused = forwarded.take_error(*port).expect("it was asked for");
        let refused = refused.boxed();
        let sender = match &self.tls {
            None => self.shake_hands(stream).await?,
            Some(config) => {
                let name = ServerName::try_from(self.certified.clone())
                    .map_err(|error| Failure::Usage(format!("--server-namespace: {error}")))?;
                let connector = TlsConnector::from(Arc::clone(config));
                match connector.connect(name, stream).await {
                    Ok(stream) => self.shake_hands(stream).await?,
                    Err(error) => return Err(self.untrusted(&error, refused).await),
                }
            }
        };
        Ok(Connection { sender, refused })
    }

    /// Why there is no TLS: the certificate, the way to the port, or a server that has none.
    async fn untrusted(
        &self,
        error: &std::io::Error,
        refused: BoxFuture<'static, Option<String>>,
    ) -> Failure {
        let why = match tls::explain(error) {
            Some(why) => why,
            None => match tokio::time::timeout(LAST_WORD, refused).await {
                Ok(Some(said)) => crate::text::printable(said.trim()).into_owned(),
                _ => format!(
                    "{}; if the server has no --listen-tls-cert, ask it without --ca-file",
                    causes(error)
                ),
            },
        };
        Failure::Unavailable(format!("{}: {why}", self.place()))
    }

    async fn shake_hands<S>(&self, stream: S) -> Result<SendRequest<Empty<Bytes>>, Failure>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, connection) =
            http1::handshake(TokioIo::new(stream))
                .await
                .map_err(|error| {
                    let (place, why) = (self.place(), causes(&error));
                    Failure::Unavailable(format!("{place}: {why}"))
                })?;
        // It ends with the stream; who asks is told by the sender.
        tokio::spawn(connection);
        Ok(sender)
    }
}
