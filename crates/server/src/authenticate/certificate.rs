//! Certificates of agents, where there is no Kubernetes to ask.
//!
//! The TLS handshake proves that who connects has the key of the certificate shown, and no more.
//! Whether the certificate counts is decided with every request, by the authorities as they are
//! then: so one that has expired, or whose authority is withdrawn, opens nothing any more on
//! connections that are open already, and a refusal has a reason and a counter.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use kubezonnet_model::{NodeName, Timestamp};
use kubezonnet_topology::Clock;
use rustls::RootCertStore;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::Denied;

/// The certificates that the other end of a connection has shown, its own first, with proof that it
/// has the key of that one.
#[derive(Debug, Clone)]
pub struct Peer(Arc<[CertificateDer<'static>]>);

impl Peer {
    /// That of a TLS connection; `None` if it has shown none.
    pub fn of(shown: Option<&[CertificateDer<'static>]>) -> Option<Self> {
        shown
            .filter(|shown| !shown.is_empty())
            .map(|shown| Self(shown.into()))
    }
}

/// Why a file of authorities cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// It cannot be read, or is no PEM.
    #[error("cannot be read: {0}")]
    Unreadable(#[from] rustls::pki_types::pem::Error),
    /// It has none.
    #[error("holds no certificate")]
    Empty,
    /// One of its certificates is broken.
    #[error("holds a certificate that cannot be used: {0}")]
    Broken(#[from] rustls::Error),
    /// They verify nothing.
    #[error("cannot be used: {0}")]
    Useless(#[from] rustls::server::VerifierBuilderError),
}

/// The authorities that sign agents' certificates. They can be replaced while requests come.
pub struct ClientAuthorities {
    verifier: RwLock<Arc<dyn ClientCertVerifier>>,
    clock: Clock,
}

impl fmt::Debug for ClientAuthorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientAuthorities").finish_non_exhaustive()
    }
}

impl ClientAuthorities {
    /// Those in a PEM file.
    ///
    /// # Errors
    ///
    /// [`CertificateError`], which does not name the file.
    pub fn load(path: &Path, clock: Clock) -> Result<Self, CertificateError> {
        Ok(Self {
            verifier: RwLock::new(read(path)?),
            clock,
        })
    }

    /// Takes those that are in a PEM file now.
    ///
    /// # Errors
    ///
    /// As [`Self::load`]; the old ones stay then.
    pub fn reload(&self, path: &Path) -> Result<(), CertificateError> {
        let verifier = read(path)?;
        *self
            .verifier
            .write()
            .unwrap_or_else(PoisonError::into_inner) = verifier;
        Ok(())
    }

    /// The node that a connection's certificate is for: its subject's only common name.
    pub(super) fn identify(&self, peer: &Peer) -> Result<NodeName, Denied> {
        let refuse = |why: String| Denied::InvalidCertificate { why };
        let Some((own, others)) = peer.0.split_first() else {
            return Err(Denied::NoCertificate);
        };
        let verifier = Arc::clone(&self.verifier.read().unwrap_or_else(PoisonError::into_inner));
        verifier
            .verify_client_cert(own, others, unix_time(self.clock.now()))
            .map_err(|error| refuse(error.to_string()))?;
        let (_, parsed) =
            X509Certificate::from_der(own).map_err(|_| refuse("it cannot be parsed".to_owned()))?;
        let mut names = parsed.subject().iter_common_name();
        let (Some(name), None) = (names.next(), names.next()) else {
            return Err(refuse("its subject has no single common name".to_owned()));
        };
        let name = name.as_str().ok().and_then(|name| NodeName::new(name).ok());
        name.ok_or_else(|| refuse("its common name is no name of a node".to_owned()))
    }
}

fn read(path: &Path) -> Result<Arc<dyn ClientCertVerifier>, CertificateError> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path)? {
        roots.add(certificate?)?;
    }
    if roots.is_empty() {
        return Err(CertificateError::Empty);
    }
    let provider = Arc::new(ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    Ok(verifier.build()?)
}

fn unix_time(now: Timestamp) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_millis(now.0))
}

#[cfg(test)]
mod tests;
