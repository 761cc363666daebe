//! Whether to believe what is shown.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How the server and its agents are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// The server's time.
    #[schema(format = DateTime)]
    pub now: String,
    /// Whether windows are taken; why not, if not.
    pub ready: bool,
    /// Why windows are not taken, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_ready: Option<String>,
    /// What the server knows of the cluster.
    pub topology: Topology,
    /// Every agent, and every node without one, by name.
    pub agents: Vec<Agent>,
    /// What is kept on disk.
    pub store: Store,
    /// What is kept of the past.
    pub history: History,
    /// The prices in force; none without any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prices: Option<Prices>,
    /// Budgets that compare nothing, as nobody is known by their names: these are to come yet, or mistyped.
    #[serde(default)]
    pub unseen_budgets: Vec<UnseenBudget>,
}

/// Whose budget compares nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UnseenBudget {
    /// `namespace` or `team`.
    pub kind: String,
    /// Its name in the file of `--budgets`.
    pub name: String,
}

/// What the server knows of the cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Topology {
    /// `kubernetes` or `file`.
    pub source: String,
    /// Nodes it knows.
    pub nodes: u64,
    /// Of them, those without a zone.
    pub nodes_without_zone: u64,
    /// Pods it knows.
    pub pods: u64,
    /// How long ago it last heard something, in seconds; none before it ever did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age_seconds: Option<f64>,
}

/// How an agent is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum AgentState {
    /// It reports in time.
    Reporting,
    /// Its next window is overdue.
    Late,
    /// It has ended, and said so.
    Ended,
    /// It broke off without a word, or has been late for long.
    Missing,
    /// The node has never had one that reported.
    None,
    /// None can run there, and none has reported: the node has another system than Linux, or is no machine of
    /// the cluster's own, such as a Fargate node. Others count what they receive from it.
    Impossible,
}

/// An agent, or a node without one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Agent {
    /// The node.
    pub node: String,
    /// Its zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// How it is.
    pub state: AgentState,
    /// How long ago its last window came, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_window_seconds: Option<f64>,
    /// Whether its last window had flows that were added up more coarsely, as they were too many.
    pub coarsened: bool,
    /// Bytes that it lost, since the server knows it.
    pub lost_bytes: u64,
    /// Whether its hooks see less than its uplinks send.
    pub bypassed: bool,
}

/// What is kept on disk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Store {
    /// Whether anything is: otherwise all is gone with the server.
    pub durable: bool,
    /// Why it cannot be written now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing: Option<String>,
    /// Bytes of its files.
    pub bytes: u64,
}

/// What is kept of the past.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct History {
    /// `embedded` or `prometheus`.
    pub source: String,
    /// Since when there is any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub since: Option<String>,
    /// How many seconds it is behind.
    pub behind_seconds: f64,
    /// Bytes on disk.
    pub bytes: u64,
    /// Why it fails: it cannot be written, or not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing: Option<String>,
    /// What answers lack, or will, though it is written and read: parts of it cannot be understood, or it may
    /// not grow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lacking: Option<String>,
    /// Windows and other changes that are counted and that it does not have, found out since the server
    /// started or when it did: it could not be written for long, could not keep up, or was taken away.
    #[serde(default)]
    pub lost_changes: u64,
    /// How often its file was found damaged, put aside and begun anew, since the server started.
    #[serde(default)]
    pub damaged_files: u64,
}

/// The prices in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Prices {
    /// Whose list prices; none with all of one's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloud: Option<String>,
    /// Three letters (ISO 4217).
    pub currency: String,
    /// When the list was retrieved: `2026-10-01`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retrieved: Option<String>,
    /// Whether that is more than a year ago.
    pub stale: bool,
}
