//! Who reports: found out before a byte of the body is read.
//!
//! ```text
//! head ─▶ Door ─▶ Identity ─▶ (body read, decoded) ─▶ Identity::check(node of the batch)
//!          │ Open          anybody, for any node (--insecure)
//!          │ Tokens        a service account's token, reviewed by Kubernetes
//!          └ Certificates  a certificate of the TLS connection
//! ```
//!
//! An agent speaks for its own node only. Whatever is not proven is refused with a reason; that
//! Kubernetes cannot be asked is no refusal: the agent comes again.

mod certificate;
mod review;
mod token;

use axum::http::HeaderMap;
use axum::http::request::Parts;
use kubezonnet_model::NodeName;

pub use self::certificate::{CertificateError, ClientAuthorities, Peer};
pub use self::review::{Outcome, ReviewCounts, Reviews, Rules};
pub use self::token::Claims;

/// Who reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The one node it may speak for; `None` where nobody is checked.
    node: Option<NodeName>,
}

impl Identity {
    /// Of somebody who was not checked and may speak for any node.
    pub const fn anybody() -> Self {
        Self { node: None }
    }

    /// Of the agent of a node.
    pub const fn of(node: NodeName) -> Self {
        Self { node: Some(node) }
    }

    /// The one node it may speak for; `None` where nobody is checked.
    pub fn node(&self) -> Option<&NodeName> {
        self.node.as_ref()
    }

    /// Looks whether it may speak for that node.
    ///
    /// # Errors
    ///
    /// [`Denied::WrongNode`].
    pub fn check(&self, named: &NodeName) -> Result<(), Denied> {
        match &self.node {
            Some(own) if own != named => Err(Denied::WrongNode {
                own: own.clone(),
                named: named.clone(),
            }),
            _ => Ok(()),
        }
    }
}

/// Why somebody is not let in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// No `Authorization: Bearer …`, or two.
    #[error(
        "no token came with the batch: give the agent --token-file, and look that no proxy takes \
         the header Authorization off"
    )]
    NoToken,
    /// Not a token of this cluster, or no longer.
    #[error("the token is not valid here")]
    InvalidToken,
    /// Its time is over.
    #[error("the token has expired: does the agent read it again when it is renewed?")]
    ExpiredToken,
    /// It is for somebody else.
    #[error("the token is for another audience: the server wants {audience}")]
    WrongAudience {
        /// What ours is.
        audience: String,
    },
    /// It is somebody else's.
    #[error("the token is that of {user}, which is no agent")]
    NotAnAgent {
        /// Whose it is.
        user: String,
    },
    /// It names no node, and no pod whose node is known.
    #[error("the token is bound to no pod whose node is known")]
    NoNode,
    /// The connection has no certificate of the agent.
    #[error(
        "no certificate came with the connection: give the agent --client-cert and --client-key"
    )]
    NoCertificate,
    /// It is not signed by an authority of ours, out of its time, or names no node.
    #[error("the certificate is refused: {why}")]
    InvalidCertificate {
        /// What is wrong with it.
        why: String,
    },
    /// The batch is another node's.
    #[error("the batch is of node {named}, and its sender is the agent of node {own}")]
    WrongNode {
        /// Whose agent sent it.
        own: NodeName,
        /// What the batch says.
        named: NodeName,
    },
    /// Kubernetes could not be asked.
    #[error("Kubernetes cannot be asked about the token now")]
    Unreviewed,
}

/// Where everybody who reports comes by.
#[derive(Debug)]
pub enum Door {
    /// Nobody is checked.
    Open,
    /// By tokens of service accounts.
    Tokens(Box<Reviews>),
    /// By certificates.
    Certificates(ClientAuthorities),
}

impl Door {
    /// Finds out who sends a request.
    ///
    /// # Errors
    ///
    /// [`Denied`], but never for the node of a batch, which is in the body.
    pub async fn identify(&self, head: &Parts) -> Result<Identity, Denied> {
        match self {
            Self::Open => Ok(Identity::anybody()),
            Self::Tokens(reviews) => {
                let token = token::bearer(&head.headers)?;
                reviews.identify(token).await.map(Identity::of)
            }
            Self::Certificates(authorities) => {
                let peer = head.extensions.get::<Option<Peer>>();
                let peer = peer.and_then(Option::as_ref).ok_or(Denied::NoCertificate)?;
                authorities.identify(peer).map(Identity::of)
            }
        }
    }

    /// How reviews of tokens ended, where there are any.
    pub fn reviews(&self) -> Option<&ReviewCounts> {
        match self {
            Self::Tokens(reviews) => Some(reviews.counts()),
            Self::Open | Self::Certificates(_) => None,
        }
    }
}

/// The bearer token of a request, if there is exactly one.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    token::bearer(headers).ok()
}
