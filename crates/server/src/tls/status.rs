//! What metrics tell of certificates and other credentials.

use std::sync::atomic::{AtomicU64, Ordering};

use kubezonnet_model::Timestamp;

/// What is kept secret with, or let in by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credential {
    /// The certificate that agents are shown.
    Ingest,
    /// The certificate of --listen.
    Listen,
    /// The authority that signs the server's own certificates.
    Authority,
    /// The authorities of the agents' certificates.
    ClientCa,
    /// The token that /metrics is shown for.
    BearerToken,
}

impl Credential {
    /// Every one.
    pub const ALL: [Self; 5] = [
        Self::Ingest,
        Self::Listen,
        Self::Authority,
        Self::ClientCa,
        Self::BearerToken,
    ];

    /// The name in metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Listen => "listen",
            Self::Authority => "authority",
            Self::ClientCa => "client_ca",
            Self::BearerToken => "bearer_token",
        }
    }
}

/// What metrics tell of credentials.
#[derive(Debug, Default)]
pub struct Status {
    /// In milliseconds; 0 where nothing ends.
    ends: [AtomicU64; Credential::ALL.len()],
    failures: [AtomicU64; Credential::ALL.len()],
}

impl Status {
    /// When what is used now ends, where that is known.
    pub fn end(&self, credential: Credential) -> Option<Timestamp> {
        let end = self.ends[credential as usize].load(Ordering::Relaxed);
        (end > 0).then_some(Timestamp(end))
    }

    /// How often a newer one could not be had.
    pub fn failures(&self, credential: Credential) -> u64 {
        self.failures[credential as usize].load(Ordering::Relaxed)
    }

    pub(crate) fn ends(&self, credential: Credential, at: Timestamp) {
        self.ends[credential as usize].store(at.0, Ordering::Relaxed);
    }

    pub(crate) fn failed(&self, credential: Credential) {
        self.failures[credential as usize].fetch_add(1, Ordering::Relaxed);
    }
}
