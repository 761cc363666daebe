//! Why sending failed, in words that say what to do.

use std::error::Error;

use rustls::CertificateError;

/// An error with all its causes on one line: the outermost alone says only that sending failed.
pub(super) fn causes(error: &reqwest::Error) -> String {
    let all = chain(error).map(ToString::to_string);
    all.collect::<Vec<_>>().join(": ")
}

/// The same, but for what is wrong with a certificate: that, and what to look at.
pub(super) fn explain(error: &reqwest::Error) -> String {
    match chain(error).find_map(of_tls) {
        Some(error) => words(error),
        None => causes(error),
    }
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let error = next?;
        next = error.source();
        Some(error)
    })
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

fn words(error: &rustls::Error) -> String {
    let rustls::Error::InvalidCertificate(reason) = error else {
        return format!("TLS with the server failed: {error}");
    };
    let hint = match reason {
        // A signature that is wrong is another authority's of the same name.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "no authority that the agent knows has signed it; is --ca-file that of this server?"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "it has expired; renew it, and look at this node's clock"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "it is not valid yet; look at this node's clock"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "it is not for the host in --server"
        }
        _ => "it cannot be trusted",
    };
    format!("the server's certificate is refused: {hint} ({error})")
}
