//! Credentials in files, and what is done when the files change.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use ring::digest::{Context, SHA256};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::{Credential, Leaf, Served, Status};

/// How often files are looked at. They are looked at, and no event waited for, because that sees every
/// way to change them, mounted Secrets included.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A certificate and its key, and the flags that name them.
#[derive(Debug, Clone)]
pub(crate) struct Pair {
    pub(crate) flags: [&'static str; 2],
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Pair {
    /// Reads both and serves with them.
    ///
    /// # Errors
    ///
    /// Says which file cannot be read, holds nothing, or does not fit the other.
    pub(crate) fn show(&self, served: &Served) -> anyhow::Result<()> {
        let [certificate_flag, key_flag] = self.flags;
        let certificate = format!("{certificate_flag} {}", self.certificate.display());
        let key = format!("{key_flag} {}", self.key.display());
        let cannot_read = || format!("{certificate}: cannot be read");
        let chain = CertificateDer::pem_file_iter(&self.certificate)
            .with_context(cannot_read)?
            .collect::<Result<Vec<_>, _>>()
            .with_context(cannot_read)?;
        ensure!(!chain.is_empty(), "{certificate}: holds no certificate");
        let private = PrivateKeyDer::from_pem_file(&self.key)
            .with_context(|| format!("{key}: cannot be read"))?;
        let leaf = Leaf::new(chain, private).with_context(cannot_read)?;
        served
            .show(&leaf)
            .with_context(|| format!("{certificate} and {key} do not fit together"))
    }

    pub(crate) fn paths(&self) -> Vec<PathBuf> {
        vec![self.certificate.clone(), self.key.clone()]
    }
}

/// Files that are followed.
#[derive(Debug)]
pub(crate) struct Followed {
    credential: Credential,
    paths: Vec<PathBuf>,
    /// As they were when they were last used, or tried to be.
    used: Option<Digest>,
    /// As they were at the last look.
    looked: Option<Digest>,
}

type Digest = [u8; 32];

impl Followed {
    /// Files as they are now; to be made before they are read, so that no change is missed.
    pub(crate) fn now(credential: Credential, paths: Vec<PathBuf>) -> Self {
        let digest = digest(&paths);
        Self {
            credential,
            paths,
            used: digest,
            looked: digest,
        }
    }

    /// Calls `reload` whenever they say something else, for ever. What it refuses is logged and
    /// counted once.
    pub(crate) async fn follow(
        mut self,
        status: Arc<Status>,
        reload: impl Fn() -> anyhow::Result<()>,
    ) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let paths = self.paths.clone();
            let now = tokio::task::spawn_blocking(move || digest(&paths)).await;
            let Ok(now) = now else { continue };
            // Files that are being written are read when they rest: as they were at two looks.
            let rests = now == self.looked;
            self.looked = now;
            if !rests || now == self.used {
                continue;
            }
            self.used = now;
            let credential = self.credential.as_str();
            match reload() {
                Ok(()) => tracing::info!(credential, "read again from files that changed"),
                Err(error) => {
                    status.failed(self.credential);
                    let error = format!("{error:#}");
                    tracing::warn!(credential, error, "not reloaded: what was in use stays");
                }
            }
        }
    }
}

/// What the files say together; `None` if one cannot be read.
fn digest(paths: &[PathBuf]) -> Option<Digest> {
    let mut context = Context::new(&SHA256);
    for path in paths {
        let text = std::fs::read(path).ok()?;
        context.update(&text.len().to_be_bytes());
        context.update(&text);
    }
    context.finish().as_ref().try_into().ok()
}
