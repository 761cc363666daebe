//! Whom the agent trusts and who it is: files that others renew while it runs.

use std::io;
use std::path::{Path, PathBuf};

use reqwest::header::HeaderValue;
use reqwest::{Certificate, Identity};

/// Where certificates and the token are. All of them are read again: a mounted `ConfigMap`, Secret or
/// token changes while the agent runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    /// Certificate authorities to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// The token to send.
    pub token_file: Option<PathBuf>,
    /// The certificate to show, and its key.
    pub client: Option<(PathBuf, PathBuf)>,
}

/// A file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// It cannot be read.
    #[error("cannot read {flag} {}: {source}", path.display())]
    Unreadable {
        /// What names it.
        flag: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It holds no certificate, or one that is broken.
    #[error("--ca-file {} holds no PEM certificate that can be read", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// Certificate and key cannot be used.
    #[error(
        "--client-cert {} and --client-key {} hold no PEM certificate with its key",
        certificate.display(),
        key.display()
    )]
    NoIdentity {
        /// The file with the certificate.
        certificate: PathBuf,
        /// That with the key.
        key: PathBuf,
    },
    /// They are not of one pair.
    #[error(
        "--client-key {} is not the private key of the certificate in --client-cert {}",
        key.display(),
        certificate.display()
    )]
    KeyMismatch {
        /// The file with the certificate.
        certificate: PathBuf,
        /// That with the key.
        key: PathBuf,
    },
    /// It holds no token.
    #[error("--token-file {} holds no token", path.display())]
    NoToken {
        /// The file.
        path: PathBuf,
    },
}

impl Credentials {
    /// Looks whether they may be used with a server that is spoken to in clear.
    ///
    /// # Errors
    ///
    /// Says which may not.
    pub fn check_clear(&self) -> Result<(), String> {
        let flag = match (&self.token_file, &self.client) {
            (Some(_), _) => "--token-file",
            (_, Some(_)) => "--client-cert",
            (None, None) => return Ok(()),
        };
        Err(format!(
            "{flag} needs an https:// --server: nothing secret is sent in clear"
        ))
    }

    /// The header with the token as it is now; `None` if there is to be none.
    ///
    /// # Errors
    ///
    /// [`CredentialsError`] if it cannot be read, or is none.
    pub(super) fn token(&self) -> Result<Option<HeaderValue>, CredentialsError> {
        let Some(path) = &self.token_file else {
            return Ok(None);
        };
        let bytes = read("--token-file", path)?;
        let token = bytes.trim_ascii();
        let value = HeaderValue::from_bytes(&[b"Bearer ", token].concat());
        match value {
            Ok(mut value) if !token.is_empty() => {
                value.set_sensitive(true);
                Ok(Some(value))
            }
            _ => Err(CredentialsError::NoToken { path: path.clone() }),
        }
    }
}

/// What the files of certificates say: what a client is made of.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Trust {
    authorities: Option<Vec<u8>>,
    /// Certificate and key, one after the other.
    identity: Option<Vec<u8>>,
}

impl std::fmt::Debug for Trust {
    /// Without the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trust").finish_non_exhaustive()
    }
}

impl Trust {
    pub(super) fn read(credentials: &Credentials) -> Result<Self, CredentialsError> {
        let authorities = match &credentials.ca_file {
            Some(path) => Some(read("--ca-file", path)?),
            None => None,
        };
        let identity = match &credentials.client {
            Some((certificate, key)) => {
                let mut pem = read("--client-cert", certificate)?;
                pem.push(b'\n');
                pem.extend(read("--client-key", key)?);
                Some(pem)
            }
            None => None,
        };
        Ok(Self {
            authorities,
            identity,
        })
    }

    pub(super) fn authorities(
        &self,
        credentials: &Credentials,
    ) -> Result<Vec<Certificate>, CredentialsError> {
        let (Some(pem), Some(path)) = (&self.authorities, &credentials.ca_file) else {
            return Ok(Vec::new());
        };
        match Certificate::from_pem_bundle(pem) {
            Ok(certificates) if !certificates.is_empty() => Ok(certificates),
            Ok(_) | Err(_) => Err(CredentialsError::NoCertificate { path: path.clone() }),
        }
    }

    pub(super) fn identity(
        &self,
        credentials: &Credentials,
    ) -> Result<Option<Identity>, CredentialsError> {
        let (Some(pem), Some((certificate, key))) = (&self.identity, &credentials.client) else {
            return Ok(None);
        };
        let identity = Identity::from_pem(pem).map_err(|_| CredentialsError::NoIdentity {
            certificate: certificate.clone(),
            key: key.clone(),
        })?;
        Ok(Some(identity))
    }
}

fn read(flag: &'static str, path: &Path) -> Result<Vec<u8>, CredentialsError> {
    std::fs::read(path).map_err(|source| CredentialsError::Unreadable {
        flag,
        path: path.to_owned(),
        source,
    })
}
