//! HTTPS: the certificate that is served, and how it is replaced while connections come.
//!
//! ```text
//! files ──┐ Leaf                       ┌─▶ new connections
//!         ├──────▶ Served (the newest) ┤
//! own ────┘                            └─▶ Status ─▶ metrics
//! ```
//!
//! `files` reads certificate and key from files, and again when these change. [`own`] makes them, by an
//! authority that all replicas share in a Secret.

pub(crate) mod files;
mod handshake;
pub mod own;
mod status;

use std::sync::Arc;

use anyhow::Context as _;
use axum_server::tls_rustls::RustlsConfig;
use kubezonnet_model::Timestamp;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::sync::watch;
use x509_parser::prelude::{FromDer as _, X509Certificate};

pub(crate) use self::handshake::PeerAcceptor;
pub use self::status::{Credential, Status};

/// A certificate with its key, to be served.
#[derive(Debug)]
pub struct Leaf {
    /// The certificate and those between it and its authority.
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    /// When it ends.
    end: Timestamp,
}

impl Leaf {
    /// A chain and its key.
    ///
    /// # Errors
    ///
    /// If the first certificate cannot be parsed. Whether the key fits is seen when it is served.
    pub fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> anyhow::Result<Self> {
        let first = chain.first().context("there is no certificate")?;
        let (_, end) = validity(first)?;
        Ok(Self { chain, key, end })
    }

    /// When it ends.
    pub const fn end(&self) -> Timestamp {
        self.end
    }

    fn server_config(&self, asks_clients: bool) -> anyhow::Result<ServerConfig> {
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .context("the TLS library lacks its own default versions")?;
        let builder = if asks_clients {
            builder.with_client_cert_verifier(Arc::new(handshake::Shown::new(&provider)))
        } else {
            builder.with_no_client_auth()
        };
        let mut config = builder.with_single_cert(self.chain.clone(), self.key.clone_key())?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }
}

/// What a listener serves with: the newest certificate that could be had.
#[derive(Debug, Clone)]
pub struct Served {
    credential: Credential,
    asks_clients: bool,
    config: watch::Sender<Option<RustlsConfig>>,
    status: Arc<Status>,
}

impl Served {
    /// Nothing yet. With `asks_clients` those who connect may show a certificate too.
    pub fn new(credential: Credential, asks_clients: bool, status: Arc<Status>) -> Self {
        Self {
            credential,
            asks_clients,
            config: watch::Sender::new(None),
            status,
        }
    }

    /// Serves that certificate from now on.
    ///
    /// # Errors
    ///
    /// If its key does not fit; what was served before is served on then.
    pub fn show(&self, leaf: &Leaf) -> anyhow::Result<()> {
        let config = Arc::new(leaf.server_config(self.asks_clients)?);
        self.config.send_modify(|served| match served {
            Some(served) => served.reload_from_config(config),
            None => *served = Some(RustlsConfig::from_config(config)),
        });
        self.status.ends(self.credential, leaf.end());
        Ok(())
    }

    /// Whether there is one.
    pub fn is_ready(&self) -> bool {
        self.config.borrow().is_some()
    }

    /// What to serve with, once there is one; it follows what comes later.
    ///
    /// # Panics
    ///
    /// Never: the sender of what is waited for is in `self`.
    pub async fn ready(&self) -> RustlsConfig {
        let mut listener = self.config.subscribe();
        let config = listener.wait_for(Option::is_some).await;
        let config = config.expect("the sender is in self");
        config.clone().expect("that was waited for")
    }
}

/// From when until when a certificate is valid.
pub(crate) fn validity(certificate: &CertificateDer<'_>) -> anyhow::Result<(Timestamp, Timestamp)> {
    let (_, parsed) = X509Certificate::from_der(certificate).context("it cannot be parsed")?;
    let time = |time: x509_parser::time::ASN1Time| {
        Timestamp(
            u64::try_from(time.timestamp())
                .unwrap_or(0)
                .saturating_mul(1000),
        )
    };
    let validity = parsed.validity();
    Ok((time(validity.not_before), time(validity.not_after)))
}
