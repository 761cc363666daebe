//! Tokens of service accounts: asked of Kubernetes, and remembered for a short time.
//!
//! A verdict is kept by the token's digest, never the token. One on who somebody is lasts two minutes at
//! most and never longer than the token; a refusal some seconds, so that who comes again and again
//! costs Kubernetes little; that Kubernetes did not answer, a second. Reviews of one token at the
//! same time are one. How many are kept is bounded, and floods do not push out what is used: the
//! cache admits by how often a token was seen.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, TokenReviewStatus};
use kube::api::PostParams;
use kube::{Api, Client};
use kubezonnet_model::{NodeName, Timestamp};
use kubezonnet_topology::{Clock, Topology};
use moka::future::Cache;
use ring::digest::{SHA256, digest};
use tokio::sync::Semaphore;

use super::Denied;
use super::token::Claims;

/// How long a review that says who somebody is holds: after that long a token that was withdrawn,
/// as that of a deleted pod is, opens nothing any more.
const KEPT: Duration = Duration::from_mins(2);

/// How long a refusal holds.
const REFUSAL_KEPT: Duration = Duration::from_secs(10);

/// For how long it holds that Kubernetes did not answer.
const FAILURE_KEPT: Duration = Duration::from_secs(1);

/// How many verdicts are kept: more than there are places for nodes. With 400 bytes each, 13 MB.
const VERDICTS: u64 = 32_768;

/// How many reviews are under way at once, of tokens that were let in before and of all others: these
/// may be forged by the thousand, and do not hold up those. An API server answers hundreds a second.
const TURNS: usize = 16;

/// How long it is known that a token was let in: longer than it holds, so that the next review is told
/// from the first.
const REMEMBERED: Duration = Duration::from_mins(10);

/// How long a review may take, waiting for its turn included: less than an agent waits for its
/// answer.
const PATIENCE: Duration = Duration::from_secs(5);

const NODE_NAME: &str = "authentication.kubernetes.io/node-name";
const POD_NAME: &str = "authentication.kubernetes.io/pod-name";
const POD_UID: &str = "authentication.kubernetes.io/pod-uid";

/// Whose tokens open the door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// Whom they must be for.
    pub audience: String,
    /// Whose they must be, as Kubernetes calls users.
    pub user: String,
}

/// Reviews tokens and remembers the verdicts.
pub struct Reviews {
    api: Api<TokenReview>,
    rules: Rules,
    topology: Topology,
    clock: Clock,
    /// For tokens that nothing is known of, or that were refused.
    turns: Semaphore,
    /// For tokens that were let in at the last review.
    renewals: Semaphore,
    verdicts: Cache<[u8; 32], Verdict>,
    counts: Arc<ReviewCounts>,
}

impl std::fmt::Debug for Reviews {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reviews")
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}

/// What a review found, and for how long that holds.
#[derive(Debug, Clone)]
struct Verdict {
    bearer: Result<NodeName, Denied>,
    until: Timestamp,
}

/// What a token that is an agent's says of where the agent is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Node(NodeName),
    Pod { name: String, uid: String },
}

impl Reviews {
    /// Reviews by this client's right to create token reviews.
    pub fn new(client: Client, rules: Rules, topology: Topology, clock: Clock) -> Self {
        Self {
            api: Api::all(client),
            rules,
            topology,
            clock,
            turns: Semaphore::new(TURNS),
            renewals: Semaphore::new(TURNS),
            verdicts: Cache::builder()
                .max_capacity(VERDICTS)
                // Verdicts say themselves until when they hold; this lets go of those that nobody asks for.
                .time_to_live(REMEMBERED)
                .build(),
            counts: Arc::default(),
        }
    }

    /// Whose tokens open the door.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// How reviews ended.
    pub fn counts(&self) -> &ReviewCounts {
        &self.counts
    }

    /// The node whose agent has this token.
    pub(super) async fn identify(&self, token: &str) -> Result<NodeName, Denied> {
        let claims = Claims::read(token)?;
        if !claims.is_for(&self.rules.audience) {
            return Err(self.rules.wrong_audience());
        }
        let now = self.clock.now();
        if claims.expiry() <= now {
            return Err(Denied::ExpiredToken);
        }
        let key = digest(&SHA256, token.as_bytes());
        let key: [u8; 32] = key.as_ref().try_into().expect("SHA-256 has 32 bytes");
        let kept = self.verdicts.get(&key).await;
        let turns = match kept {
            Some(kept) if kept.bearer.is_ok() => &self.renewals,
            _ => &self.turns,
        };
        let review = self.review(token, &claims, turns);
        let verdict = self.verdicts.entry(key);
        let verdict = verdict.or_insert_with_if(review, |kept| kept.until <= now);
        verdict.await.into_value().bearer
    }

    async fn review(&self, token: &str, claims: &Claims, turns: &Semaphore) -> Verdict {
        let asked = tokio::time::timeout(PATIENCE, self.ask(token, turns)).await;
        let status = asked.unwrap_or_else(|_| {
            tracing::warn!("Kubernetes does not answer reviews of tokens, agents wait");
            Err(Denied::Unreviewed)
        });
        let bearer = status
            .and_then(|status| self.rules.judge(&status))
            .and_then(|place| self.node_of(place));
        let (outcome, kept) = match &bearer {
            Ok(_) => (Outcome::Accepted, KEPT),
            Err(Denied::Unreviewed) => (Outcome::Failed, FAILURE_KEPT),
            Err(_) => (Outcome::Refused, REFUSAL_KEPT),
        };
        self.counts.add(outcome);
        let until = self.clock.now().plus(kept).min(claims.expiry());
        Verdict { bearer, until }
    }

    async fn ask(&self, token: &str, turns: &Semaphore) -> Result<TokenReviewStatus, Denied> {
        let _turn = turns.acquire().await.expect("nobody closes it");
        let review = TokenReview {
            spec: TokenReviewSpec {
                audiences: Some(vec![self.rules.audience.clone()]),
                token: Some(token.to_owned()),
            },
            ..TokenReview::default()
        };
        match self.api.create(&PostParams::default(), &review).await {
            Ok(review) => Ok(review.status.unwrap_or_default()),
            Err(kube::Error::Api(status)) if status.code == 403 => {
                tracing::error!(
                    message_of_kubernetes = status.message,
                    "Kubernetes lets the server review no tokens: its ClusterRole must allow it to \
                     create tokenreviews"
                );
                Err(Denied::Unreviewed)
            }
            Err(error) => {
                tracing::warn!(%error, "Kubernetes cannot be asked about a token, agents wait");
                Err(Denied::Unreviewed)
            }
        }
    }

    /// The node itself, or that of the pod: older API servers do not put the node in a token.
    fn node_of(&self, place: Place) -> Result<NodeName, Denied> {
        match place {
            Place::Node(node) => Ok(node),
            Place::Pod { name, uid } => {
                let node = self.topology.read().node_of_pod(&name, &uid);
                node.ok_or(Denied::NoNode)
            }
        }
    }
}

impl Rules {
    fn wrong_audience(&self) -> Denied {
        Denied::WrongAudience {
            audience: self.audience.clone(),
        }
    }

    /// What an answer of Kubernetes says of a token.
    fn judge(&self, status: &TokenReviewStatus) -> Result<Place, Denied> {
        if status.authenticated != Some(true) {
            let error = status.error.as_deref().unwrap_or_default();
            return Err(if error.contains("audience") {
                self.wrong_audience()
            } else if error.contains("expired") {
                Denied::ExpiredToken
            } else {
                Denied::InvalidToken
            });
        }
        // An authenticator that knows no audiences says yes to tokens for anybody.
        if !status
            .audiences
            .iter()
            .flatten()
            .any(|each| *each == self.audience)
        {
            return Err(self.wrong_audience());
        }
        let user = status.user.as_ref();
        let name = user.and_then(|user| user.username.as_deref());
        let name = name.unwrap_or_default();
        if name != self.user {
            return Err(Denied::NotAnAgent {
                user: name.to_owned(),
            });
        }
        let extra = |key| {
            let values = user?.extra.as_ref()?.get(key)?;
            match &values[..] {
                [value] => Some(value.clone()),
                _ => None,
            }
        };
        if let Some(node) = extra(NODE_NAME) {
            return NodeName::new(&node)
                .map(Place::Node)
                .map_err(|_| Denied::NoNode);
        }
        match (extra(POD_NAME), extra(POD_UID)) {
            (Some(name), Some(uid)) => Ok(Place::Pod { name, uid }),
            _ => Err(Denied::NoNode),
        }
    }
}

/// How a review ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The token is an agent's.
    Accepted,
    /// It is not.
    Refused,
    /// Kubernetes did not say.
    Failed,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 3] = [Self::Accepted, Self::Refused, Self::Failed];

    /// The name in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

/// How reviews ended so far, those answered from memory left out.
#[derive(Debug, Default)]
pub struct ReviewCounts([AtomicU64; Outcome::ALL.len()]);

impl ReviewCounts {
    /// How many ended so.
    pub fn get(&self, outcome: Outcome) -> u64 {
        self.0[outcome as usize].load(Ordering::Relaxed)
    }

    fn add(&self, outcome: Outcome) {
        self.0[outcome as usize].fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
