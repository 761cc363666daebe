//! Why sending failed, in words that say what to do.

use std::error::Error;

use rustls::CertificateError;

/// An error with all its causes on one line: the outermost alone says only that sending failed. A
/// cause that repeats what is there already is left out.
pub(super) fn causes(error: &(dyn Error + 'static)) -> String {
    let mut line = String::new();
    for cause in chain(error).map(ToString::to_string) {
        if line.is_empty() {
            line = cause;
        } else if !line.contains(&cause) {
            line.push_str(": ");
            line.push_str(&cause);
        }
    }
    line
}

/// Whether it is a private key that is not that of its certificate.
pub(super) fn is_key_mismatch(error: &reqwest::Error) -> bool {
    let tls = chain(error).find_map(of_tls);
    matches!(tls, Some(rustls::Error::InconsistentKeys(_)))
}

/// The same as [`causes`], but for what is wrong with a certificate: that, and what to look at.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Outer(&'static str, #[source] Option<Box<Outer>>);

    #[test]
    fn a_cause_is_told_once() {
        let refused = || Some(Box::new(Outer("connection refused", None)));
        let inner = Box::new(Outer("tcp connect error: connection refused", refused()));
        let outer = Outer("error sending request", Some(inner));

        let line = causes(&outer);

        assert_eq!(
            line,
            "error sending request: tcp connect error: connection refused"
        );
    }
}
