//! Certificates that the server makes itself, by an authority that all replicas share.
//!
//! ```text
//! Secret (authorities, with keys) ◀─ Keeper ─▶ ConfigMap (their certificates) ─▶ agents
//!                                       │ Kept
//!                                       ▼
//!                                  Leaf, made anew at half of its life ─▶ Served
//! ```
//!
//! What is to be done at a time is decided purely ([`Kept::step`]); [`keeper`] does it, and
//! [`Own`] makes the leaf of it. A replica that is away for a while, or finds Kubernetes away, goes on with
//! what it knows.

pub mod authority;
pub mod keeper;
pub mod kept;

use std::sync::Arc;
use std::time::Duration;

use kubezonnet_model::Timestamp;
use kubezonnet_topology::Clock;

use self::keeper::Keeper;
use self::kept::Kept;
use super::{Credential, Leaf, Served, Status};

/// How often the Secret and the `ConfigMap` are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// How soon it is tried again while there is nothing to serve with.
const TRY_EVERY: Duration = Duration::from_secs(2);

/// For how long a leaf is valid from when it is made, if its authority is. It is short because
/// nobody can withdraw it.
const LEAF_LIFE: Duration = Duration::from_hours(48);

/// How much before its end a leaf is replaced: at half of its life.
const LEAF_RENEWED_BEFORE: Duration = Duration::from_hours(24);

/// How long before they are made certificates are valid: so much may an agent's clock be behind.
pub(crate) const BACKDATED: Duration = Duration::from_hours(24);

/// Serves with certificates of its own.
#[derive(Debug)]
pub struct Own {
    keeper: Keeper,
    /// The names that leaves are for.
    names: Vec<String>,
    served: Served,
    status: Arc<Status>,
    /// What was found at the last look that succeeded.
    known: Option<Kept>,
    /// The certificate of the authority that signed the leaf served, and the leaf's end.
    leaf: Option<(String, Timestamp)>,
    /// The last complaint, so that it is said once.
    complaint: Option<String>,
}

impl Own {
    /// Serves nothing yet.
    pub fn new(keeper: Keeper, names: Vec<String>, served: Served, status: Arc<Status>) -> Self {
        Self {
            keeper,
            names,
            served,
            status,
            known: None,
            leaf: None,
            complaint: None,
        }
    }

    /// Goes on for ever.
    pub async fn run(mut self, clock: Clock) {
        loop {
            self.tend(clock.now()).await;
            let pause = if self.served.is_ready() {
                LOOK_EVERY
            } else {
                TRY_EVERY
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// Does what is to be done now.
    pub async fn tend(&mut self, now: Timestamp) {
        match self.keeper.look(now).await {
            Ok(kept) => {
                self.known = Some(kept);
                self.complaint = None;
            }
            Err(error) => self.complain(&error.to_string()),
        }
        if let Some(kept) = self.known.take() {
            if let Err(error) = self.renew(&kept, now) {
                self.complain(&format!("{error:#}"));
            }
            self.known = Some(kept);
        }
    }

    /// Makes and serves a new leaf, if it is time to.
    fn renew(&mut self, kept: &Kept, now: Timestamp) -> anyhow::Result<()> {
        let authority = &kept.current;
        self.status.ends(Credential::Authority, authority.end());
        let holds = self.leaf.as_ref().is_some_and(|(signer, end)| {
            signer == authority.certificate()
                && (now.plus(LEAF_RENEWED_BEFORE) < *end || *end == authority.end())
        });
        if holds {
            return Ok(());
        }
        let leaf: Leaf = authority.issue(&self.names, now.plus(LEAF_LIFE), now)?;
        self.served.show(&leaf)?;
        tracing::info!(names = self.names.join(", "), "made a certificate");
        self.leaf = Some((authority.certificate().to_owned(), leaf.end()));
        Ok(())
    }

    fn complain(&mut self, error: &str) {
        self.status.failed(Credential::Authority);
        if self.complaint.as_deref() != Some(error) {
            tracing::warn!(error, "cannot tend the certificate authority, trying again");
            self.complaint = Some(error.to_owned());
        }
    }
}

#[cfg(test)]
mod tests;
