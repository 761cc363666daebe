//! A fake API server of Kubernetes, over real HTTPS, as far as we need one: watches of pods, nodes
//! and what surrounds them, reviews of tokens, single Secrets and `ConfigMap`s, and port-forwards to pods.
//!
//! It answers in the shapes that a real one was recorded in (`recorded/`): lists in pages, watches
//! with bookmarks, streaming lists, 410 where its history ends, 409 where a version is old, 401
//! without the token. A test
//! changes what there is, and breaks what can break, by [`FakeKube`].

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum_server::Handle;
use axum_server::accept::NoDelayAcceptor;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use serde_json::Value;
use tempfile::TempDir;
use tokio::task::JoinHandle;

use self::store::Shared;

mod answer;
mod certificate;
mod forward;
mod namespaced;
pub mod object;
pub mod recorded;
mod single;
mod store;
mod tokens;

pub use self::store::{Change, Kind};
pub use self::tokens::Token;

/// The token that every request must carry.
const TOKEN: &str = "the-token-of-the-fake";

/// How long to try to get the port back after being down.
const REBIND: Duration = Duration::from_secs(10);

/// The fake: a server that runs until it is dropped, and the handle to change what it answers.
#[derive(Debug)]
pub struct FakeKube {
    shared: Arc<Shared>,
    tls: RustlsConfig,
    address: SocketAddr,
    /// Holds the kubeconfig and what it refers to.
    files: TempDir,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    handle: Handle<SocketAddr>,
    task: JoinHandle<io::Result<()>>,
}

impl FakeKube {
    /// Starts one on a free port of 127.0.0.1, with nothing in it.
    ///
    /// # Errors
    ///
    /// What the system says if there is no port, or no place for the files.
    pub async fn start() -> io::Result<Self> {
        let mut fake = Self::start_down()?;
        fake.up().await?;
        Ok(fake)
    }

    /// Makes one that is down: its port refuses connections until [`Self::up`].
    ///
    /// # Errors
    ///
    /// As [`Self::start`].
    pub fn start_down() -> io::Result<Self> {
        // Fails if the process has one already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let certificate = certificate::Certificate::new().map_err(io::Error::other)?;
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let files = TempDir::new()?;
        let ca = files.path().join("ca.crt");
        std::fs::write(&ca, &certificate.ca_pem)?;
        std::fs::write(
            files.path().join("kubeconfig"),
            kubeconfig(address, &ca, TOKEN),
        )?;
        Ok(Self {
            shared: Arc::default(),
            tls: RustlsConfig::from_config(Arc::new(certificate.server)),
            address,
            files,
            running: None,
        })
    }

    /// The kubeconfig of a client that may see everything.
    pub fn kubeconfig(&self) -> PathBuf {
        self.files.path().join("kubeconfig")
    }

    /// The kubeconfig of a client with a wrong token.
    ///
    /// # Errors
    ///
    /// What the system says if it cannot be written.
    pub fn kubeconfig_of_a_stranger(&self) -> io::Result<PathBuf> {
        let path = self.files.path().join("kubeconfig-of-a-stranger");
        let ca = self.files.path().join("ca.crt");
        std::fs::write(&path, kubeconfig(self.address, &ca, "another-token"))?;
        Ok(path)
    }

    /// Adds an object or replaces the one of the same name, at a new version.
    pub fn upsert(&self, kind: Kind, object: Value) {
        self.shared.change(|store| store.upsert(kind, object));
    }

    /// Deletes the object of that key: `namespace/name`, or the name where there is no namespace.
    pub fn delete(&self, kind: Kind, key: &str) {
        self.shared.change(|store| store.delete(kind, key));
    }

    /// Takes over a change as it was recorded, at the version that it carries.
    pub fn replay(&self, kind: Kind, change: Change, object: Value) {
        self.shared
            .change(|store| store.replay(kind, change, object));
    }

    /// Sends a bookmark to every watch that wants them.
    pub fn bookmark(&self) {
        self.shared.change(store::Store::bookmark);
    }

    /// Forgets all history: open watches end with 410, and so do those from before and lists that
    /// are half told.
    pub fn expire_history(&self) {
        self.shared.change(store::Store::expire);
    }

    /// Forgets all history while nobody looks: open watches end without a word, as they do every
    /// few minutes, and cannot go on where they were.
    pub fn expire_history_quietly(&self) {
        self.shared.change(store::Store::expire_quietly);
    }

    /// Ends every watch without a word, as a server does every few minutes.
    pub fn end_watches(&self) {
        self.shared.change(store::Store::end_watches);
    }

    /// From now on refuses to start a watch, with that status; `None`: no longer.
    pub fn refuse_watches(&self, status: Option<u16>) {
        self.shared.change(|store| store.refuse_watches = status);
    }

    /// Forbids to list and to watch that kind; with `false` no longer. Open watches go on.
    pub fn forbid_kind(&self, kind: Kind, forbidden: bool) {
        self.shared.change(|store| {
            if forbidden {
                store.forbidden_kinds.insert(kind);
            } else {
                store.forbidden_kinds.remove(&kind);
            }
        });
    }

    /// Gives out a token and returns its text, each time another one.
    pub fn give(&self, token: Token) -> String {
        self.shared.change(|store| {
            let text = token.text(store.given);
            store.given += 1;
            store.tokens.insert(text.clone(), token);
            text
        })
    }

    /// Takes a token back, as when its pod is deleted: reviews say no from now on.
    pub fn withdraw(&self, token: &str) {
        self.shared.change(|store| store.tokens.remove(token));
    }

    /// How many reviews of tokens were answered.
    pub fn reviews(&self) -> usize {
        self.shared.read(|store| store.reviews)
    }

    /// From now on refuses reviews of tokens, with that status; `None`: no longer.
    pub fn refuse_reviews(&self, status: Option<u16>) {
        self.shared.change(|store| store.refuse_reviews = status);
    }

    /// A Secret or `ConfigMap`, by `secrets/namespace/name` or `configmaps/namespace/name`.
    pub fn single(&self, key: &str) -> Option<Value> {
        self.shared.read(|store| store.singles.get(key).cloned())
    }

    /// Writes one over, as somebody who does not care for versions.
    pub fn put_single(&self, key: &str, object: Value) {
        self.shared.change(|store| {
            store.write_single(key.to_owned(), object);
        });
    }

    /// Forbids to touch that one, or `pods/portforward`; with `false` no longer.
    pub fn forbid(&self, key: &str, forbidden: bool) {
        self.shared.change(|store| {
            if forbidden {
                store.forbidden.insert(key.to_owned());
            } else {
                store.forbidden.remove(key);
            }
        });
    }

    /// From now on a port of a pod, by `namespace/name`, leads to that address.
    pub fn forward(&self, pod: &str, port: u16, to: SocketAddr) {
        self.shared
            .change(|store| store.forwards.insert((pod.to_owned(), port), to));
    }

    /// Forbids to make Secrets and `ConfigMap`s, as rights that are bound to names do.
    pub fn forbid_create(&self) {
        self.shared.change(|store| store.forbid_create = true);
    }

    /// The path and query of every request so far, refused ones included.
    pub fn requests(&self) -> Vec<String> {
        self.shared.read(|store| store.requests.clone())
    }

    /// Whether anybody asked for whole objects of that kind, and not for their metadata only.
    pub fn asked_whole(&self, kind: Kind) -> bool {
        self.shared.read(|store| store.asked_whole.contains(&kind))
    }

    /// How many watches are open.
    pub fn open_watches(&self) -> usize {
        self.shared.open_watches()
    }

    /// Goes down: every connection is cut, new ones are refused.
    pub async fn down(&mut self) {
        if let Some(running) = self.running.take() {
            running.handle.shutdown();
            // It was told to end; how it did says nothing.
            let _ = running.task.await;
        }
    }

    /// Comes up on its port.
    ///
    /// # Errors
    ///
    /// What the system says if another took the port meanwhile and keeps it.
    pub async fn up(&mut self) -> io::Result<()> {
        let listener = bind(self.address).await?;
        listener.set_nonblocking(true)?;
        let handle = Handle::new();
        let router = answer::router(Arc::clone(&self.shared));
        // Without delay: small answers would wait for acknowledgements, 40 ms each.
        let acceptor = RustlsAcceptor::new(self.tls.clone()).acceptor(NoDelayAcceptor::new());
        let server = axum_server::from_tcp(listener)?
            .acceptor(acceptor)
            .handle(handle.clone())
            .serve(router.into_make_service());
        let task = tokio::spawn(server);
        handle.listening().await;
        self.running = Some(Running { handle, task });
        Ok(())
    }

    /// Cuts every connection.
    ///
    /// # Errors
    ///
    /// As [`Self::up`].
    pub async fn drop_connections(&mut self) -> io::Result<()> {
        self.down().await;
        self.up().await
    }
}

impl Drop for FakeKube {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.handle.shutdown();
            running.task.abort();
        }
    }
}

/// Takes the port; an outgoing connection may have it for a moment.
async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let deadline = Instant::now() + REBIND;
    loop {
        match TcpListener::bind(address) {
            Err(_) if Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            done => return done,
        }
    }
}

fn kubeconfig(address: SocketAddr, ca: &Path, token: &str) -> String {
    format!(
        "apiVersion: v1\n\
         kind: Config\n\
         current-context: fake\n\
         contexts: [{{name: fake, context: {{cluster: fake, user: fake}}}}]\n\
         clusters:\n\
         - name: fake\n  \
           cluster: {{server: 'https://{address}', certificate-authority: '{ca}'}}\n\
         users: [{{name: fake, user: {{token: {token}}}}}]\n",
        ca = ca.display(),
    )
}
