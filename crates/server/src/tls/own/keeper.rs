//! Keeps the authorities in a Secret, and their certificates published in a `ConfigMap`.
//!
//! Replicas may do this at the same time: each write names the version it was made from, and who
//! comes second reads again. The `ConfigMap` is read before the Secret, so that nobody writes an old
//! bundle over a newer one.

use std::time::Duration;

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::PostParams;
use kube::{Api, Client};
use kubezonnet_model::Timestamp;

use super::kept::{Kept, Step};

/// The key of the `ConfigMap`.
const BUNDLE: &str = "ca.crt";

/// How often it is begun anew before others get the time to finish: steps, and lost races.
const ROUNDS: usize = 20;

/// How long an answer of Kubernetes may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why the authorities could not be looked after.
#[derive(Debug, thiserror::Error)]
pub enum KeeperError {
    /// Kubernetes does not let us.
    #[error(
        "Kubernetes forbids to {verb} {what} {namespace}/{name}: make it, and give the server's \
         Role get and update on it, as deploy/kubezonnet.yaml does"
    )]
    Forbidden {
        /// What was tried.
        verb: &'static str,
        /// `Secret` or `ConfigMap`.
        what: &'static str,
        /// Where.
        namespace: String,
        /// Which.
        name: String,
    },
    /// Kubernetes is away, or refuses for another reason.
    #[error("cannot {verb} {what} {namespace}/{name}: {source}")]
    Kubernetes {
        /// What was tried.
        verb: &'static str,
        /// `Secret` or `ConfigMap`.
        what: &'static str,
        /// Where.
        namespace: String,
        /// Which.
        name: String,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The Secret holds what we cannot use; it is never written over.
    #[error(
        "Secret {namespace}/{name} cannot be used: {why}; mend it, or take all its data out to have \
         a new authority made, which agents trust once they have the new ConfigMap"
    )]
    Broken {
        /// Where.
        namespace: String,
        /// Which.
        name: String,
        /// What is wrong.
        why: String,
    },
    /// An authority cannot be made.
    #[error("cannot make a certificate authority: {0}")]
    Make(String),
    /// Others write all the time.
    #[error("others changed Secret or ConfigMap {ROUNDS} times meanwhile")]
    Contended,
}

/// Keeps them.
#[derive(Clone)]
pub struct Keeper {
    secrets: Api<Secret>,
    maps: Api<ConfigMap>,
    namespace: String,
    secret: String,
    map: String,
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keeper")
            .field("namespace", &self.namespace)
            .field("secret", &self.secret)
            .field("map", &self.map)
            .finish_non_exhaustive()
    }
}

/// How a write ended.
enum Written {
    Done,
    /// Somebody was faster.
    Outrun,
}

impl Keeper {
    /// Keeps them in that Secret and `ConfigMap`.
    pub fn new(client: &Client, namespace: &str, secret: &str, map: &str) -> Self {
        Self {
            secrets: Api::namespaced(client.clone(), namespace),
            maps: Api::namespaced(client.clone(), namespace),
            namespace: namespace.to_owned(),
            secret: secret.to_owned(),
            map: map.to_owned(),
        }
    }

    /// Reads them, does what is to be done now, publishes, and tells how they are then.
    ///
    /// # Errors
    ///
    /// [`KeeperError`]; what was done until then is done.
    pub async fn look(&self, now: Timestamp) -> Result<Kept, KeeperError> {
        for _ in 0..ROUNDS {
            let map = self.read(&self.maps, "ConfigMap", &self.map).await?;
            let secret = self.read(&self.secrets, "Secret", &self.secret).await?;
            let published = map.as_ref().and_then(|map| map.data.as_ref()?.get(BUNDLE));
            let published = published.cloned().unwrap_or_default();
            let data = secret.as_ref().and_then(|secret| secret.data.as_ref());
            let kept = data.map(Kept::read).transpose();
            let kept = kept.map_err(|error| self.broken(&error))?.flatten();
            let changed = match kept {
                None => Kept::begin(now),
                Some(kept) => match kept.step(&published, now) {
                    Some(step) => {
                        say(step);
                        kept.after(step, now)
                    }
                    None if published == kept.bundle() => return Ok(kept),
                    None => {
                        self.publish(map, &kept).await?;
                        // Read again: what was just published may be the cause of another step.
                        continue;
                    }
                },
            };
            let changed = changed.map_err(|error| KeeperError::Make(format!("{error:#}")))?;
            if let Written::Done = self.keep(secret, &changed).await? {
                // Before anything is signed by it: an authority that signs at once is known as soon
                // as can be.
                self.publish(map, &changed).await?;
            }
        }
        Err(KeeperError::Contended)
    }

    async fn keep(&self, old: Option<Secret>, kept: &Kept) -> Result<Written, KeeperError> {
        let is_new = old.is_none();
        let mut secret = old.unwrap_or_else(|| Secret {
            metadata: named(&self.secret),
            type_: Some("Opaque".to_owned()),
            ..Secret::default()
        });
        secret.data = Some(kept.write());
        self.write(&self.secrets, "Secret", &self.secret, &secret, is_new)
            .await
    }

    async fn publish(&self, old: Option<ConfigMap>, kept: &Kept) -> Result<(), KeeperError> {
        let is_new = old.is_none();
        let mut map = old.unwrap_or_else(|| ConfigMap {
            metadata: named(&self.map),
            ..ConfigMap::default()
        });
        map.data
            .get_or_insert_default()
            .insert(BUNDLE.to_owned(), kept.bundle());
        // Who was faster has published; that is seen when it is read again.
        self.write(&self.maps, "ConfigMap", &self.map, &map, is_new)
            .await
            .map(drop)
    }

    async fn read<K>(
        &self,
        api: &Api<K>,
        what: &'static str,
        name: &str,
    ) -> Result<Option<K>, KeeperError>
    where
        K: Clone + serde::de::DeserializeOwned + std::fmt::Debug,
    {
        let read = tokio::time::timeout(PATIENCE, api.get_opt(name)).await;
        let failed = |source| self.failed("get", what, name, source);
        read.map_err(|error| failed(error.into()))?
            .map_err(|error| self.refused("get", what, name, error))
    }

    async fn write<K>(
        &self,
        api: &Api<K>,
        what: &'static str,
        name: &str,
        object: &K,
        is_new: bool,
    ) -> Result<Written, KeeperError>
    where
        K: Clone + serde::Serialize + serde::de::DeserializeOwned + std::fmt::Debug,
    {
        let verb = if is_new { "create" } else { "update" };
        let options = PostParams::default();
        let written = tokio::time::timeout(PATIENCE, async {
            if is_new {
                api.create(&options, object).await
            } else {
                api.replace(name, &options, object).await
            }
        });
        match written.await {
            Ok(Ok(_)) => Ok(Written::Done),
            Ok(Err(kube::Error::Api(status))) if status.code == 409 => Ok(Written::Outrun),
            Ok(Err(error)) => Err(self.refused(verb, what, name, error)),
            Err(error) => Err(self.failed(verb, what, name, error.into())),
        }
    }

    fn refused(
        &self,
        verb: &'static str,
        what: &'static str,
        name: &str,
        error: kube::Error,
    ) -> KeeperError {
        match &error {
            kube::Error::Api(status) if status.code == 403 => KeeperError::Forbidden {
                verb,
                what,
                namespace: self.namespace.clone(),
                name: name.to_owned(),
            },
            _ => self.failed(verb, what, name, error.into()),
        }
    }

    fn failed(
        &self,
        verb: &'static str,
        what: &'static str,
        name: &str,
        source: Box<dyn std::error::Error + Send + Sync>,
    ) -> KeeperError {
        KeeperError::Kubernetes {
            verb,
            what,
            namespace: self.namespace.clone(),
            name: name.to_owned(),
            source,
        }
    }

    fn broken(&self, error: &anyhow::Error) -> KeeperError {
        KeeperError::Broken {
            namespace: self.namespace.clone(),
            name: self.secret.clone(),
            why: format!("{error:#}"),
        }
    }
}

fn named(name: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        ..ObjectMeta::default()
    }
}

fn say(step: Step) {
    match step {
        Step::Replace => tracing::warn!("made a new certificate authority, as the old one is over"),
        Step::Introduce => tracing::info!("made the next certificate authority, to be published"),
        Step::Note => tracing::info!("the next certificate authority is published"),
        Step::Promote => tracing::info!("the next certificate authority signs from now on"),
        Step::Retire => tracing::info!("an old certificate authority has ended"),
    }
}
