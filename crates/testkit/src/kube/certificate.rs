//! A certificate authority that is trusted by the fake's clients only, and the fake's certificate.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// What the fake serves with, and what its clients trust.
pub(super) struct Certificate {
    pub(super) server: ServerConfig,
    pub(super) ca_pem: String,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub(super) enum CertificateError {
    #[error("cannot make a certificate: {0}")]
    Make(#[from] rcgen::Error),
    #[error("cannot serve with the certificate: {0}")]
    Serve(#[from] rustls::Error),
}

impl Certificate {
    pub(super) fn new() -> Result<Self, CertificateError> {
        let mut ca_params = CertificateParams::new(Vec::new())?;
        ca_params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca_key = KeyPair::generate()?;
        let ca = ca_params.self_signed(&ca_key)?;
        let issuer = Issuer::new(ca_params, ca_key);

        let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
        let key = KeyPair::generate()?;
        let certificate = CertificateParams::new(names)?.signed_by(&key, &issuer)?;
        let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));

        let mut server = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], private)?;
        server.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            server,
            ca_pem: ca.pem(),
        })
    }
}
