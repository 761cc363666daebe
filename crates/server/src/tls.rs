//! The certificate and key that HTTPS is served with.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, ensure};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Reads a certificate chain and its key.
///
/// # Errors
///
/// Says which file cannot be read, holds nothing, or does not fit the other.
pub(crate) fn load(certificate: &Path, key: &Path) -> anyhow::Result<Arc<ServerConfig>> {
    let cannot_read = || format!("--tls-cert {}: cannot be read", certificate.display());
    let chain = CertificateDer::pem_file_iter(certificate)
        .with_context(cannot_read)?
        .collect::<Result<Vec<_>, _>>()
        .with_context(cannot_read)?;
    ensure!(
        !chain.is_empty(),
        "--tls-cert {}: holds no certificate",
        certificate.display()
    );
    let private = PrivateKeyDer::from_pem_file(key)
        .with_context(|| format!("--tls-key {}: cannot be read", key.display()))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .context("the TLS library lacks its own default versions")?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .with_context(|| {
            format!(
                "--tls-cert {} and --tls-key {} do not fit together",
                certificate.display(),
                key.display()
            )
        })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
