//! Whom to trust, and why not.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use reqwest::Certificate;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{CertificateError, ClientConfig, RootCertStore};

use crate::failure::Failure;

/// The authorities in a PEM file.
fn authorities(path: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let wrong = |why: &dyn std::fmt::Display| {
        Failure::Usage(format!("--ca-file {}: {why}", path.display()))
    };
    let text = std::fs::read(path).map_err(|error| wrong(&error))?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let found = found.map_err(|error| wrong(&error))?;
    if found.is_empty() {
        return Err(wrong(&"holds no certificate in PEM form"));
    }
    Ok(found)
}

/// The authorities in a PEM file, for [`reqwest`].
pub(super) fn certificates(path: &Path) -> Result<Vec<Certificate>, Failure> {
    let read = |der: CertificateDer<'_>| {
        Certificate::from_der(&der)
            .map_err(|error| Failure::Usage(format!("--ca-file {}: {error}", path.display())))
    };
    authorities(path)?.into_iter().map(read).collect()
}

/// What speaks TLS with who was certified by the authorities in a PEM file.
pub(super) fn config(path: &Path) -> Result<Arc<ClientConfig>, Failure> {
    let mut roots = RootCertStore::empty();
    for authority in authorities(path)? {
        roots
            .add(authority)
            .map_err(|error| Failure::Usage(format!("--ca-file {}: {error}", path.display())))?;
    }
    let config = ClientConfig::builder().with_root_certificates(roots);
    Ok(Arc::new(config.with_no_client_auth()))
}

/// What to do about a certificate that is refused, if that is what is wrong.
pub(super) fn explain(error: &(dyn Error + 'static)) -> Option<String> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(rustls::Error::InvalidCertificate(reason)) = of_tls(error) {
            return Some(words(reason));
        }
        next = error.source();
    }
    None
}

/// The error of TLS, which may be inside of one of the system's, and that in another.
fn of_tls<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let mut error = error;
    while let Some(inner) = error
        .downcast_ref::<std::io::Error>()
        .and_then(std::io::Error::get_ref)
    {
        error = inner;
    }
    error.downcast_ref()
}

fn words(reason: &CertificateError) -> String {
    let hint = match reason {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "no authority that is known has signed it; --ca-file names more"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "it has expired",
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "it is for another name"
        }
        _ => "it cannot be trusted",
    };
    format!("the server's certificate is refused: {hint} ({reason})")
}
