//! Everything a page is made of: the ledger as it was at one instant, and the rest a moment later.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use kubezonnet_exposition::Process;
use kubezonnet_model::{Node, NodeName, Timestamp};
use kubezonnet_pricing::{Account, Amount, Budgets, Currency};
use kubezonnet_topology::{Networks, Sizes, Source, SourceCounts, Topology};

use super::{Columns, Group, HistoryScrape};
use crate::agents::NodeUplinks;
use crate::authenticate::{Door, Outcome};
use crate::budgets::{Month, Spent};
use crate::costs::Costs;
use crate::export::ExportCounts;
use crate::ingest::IngestCounts;
use crate::ledger::{Snapshot, Workloads};
use crate::pending::TurnedAway;
use crate::pipeline::Pipeline;
use crate::prices::InForce;
use crate::store::{Failure, StoreSizes};
use crate::tls::{Credential, Status};

/// Everything a page is made of. The ledger is of one instant, so that its books balance; what
/// stands beside it is read a moment later.
#[derive(Debug, Default)]
pub struct Scrape {
    /// The groups that are left out.
    pub disabled: Vec<Group>,
    /// Labels for charge-back that the counters between workloads have.
    pub columns: Columns,
    /// The ledger.
    pub ledger: Snapshot,
    /// Its edges by workload; empty if they are left out.
    pub workloads: Workloads,
    /// How many records wait.
    pub pending_records: usize,
    /// How many records found no room to wait.
    pub turned_away_records: Vec<TurnedAway>,
    /// What came in.
    pub ingest: IngestScrape,
    /// How long ago each node's agent reported.
    pub agents: Vec<(NodeName, Duration)>,
    /// What left through the uplinks of each node.
    pub uplinks: Vec<NodeUplinks>,
    /// How far the wall clock of each node is ahead, in milliseconds.
    pub clock_skews: Vec<(NodeName, i64)>,
    /// How the store fares.
    pub store: StoreScrape,
    /// How the past is kept; `None` where none is.
    pub history: Option<HistoryScrape>,
    /// What it costs; `None` where no prices are in force.
    pub prices: Option<PriceScrape>,
    /// What may be spent, and what was; `None` where no prices are in force.
    pub budgets: Option<BudgetScrape>,
    /// The topology.
    pub topology: TopologyScrape,
    /// Credentials and reviews of tokens.
    pub security: SecurityScrape,
    /// What each exporter wrote and dropped.
    pub exports: Vec<(&'static str, ExportCounts)>,
    /// The version of the server.
    pub version: &'static str,
    /// The process; `None` where /proc does not tell.
    pub process: Option<Process>,
}

/// What came in.
#[derive(Debug, Default)]
pub struct IngestScrape {
    /// Batches by outcome: applied, duplicate.
    pub batches: Vec<(&'static str, u64)>,
    /// Batches refused, by reason.
    pub refused: Vec<(&'static str, u64)>,
    /// Connections there are.
    pub connections: u64,
    /// Connections the server closed, by reason.
    pub closed: Vec<(&'static str, u64)>,
    /// Records of the batches applied.
    pub records: u64,
    /// Bytes of bodies read whole.
    pub body_bytes: u64,
    /// Windows that never came.
    pub missed: u64,
    /// Agents of which nothing was known when a window came that was not their first.
    pub met_midway: u64,
    /// Agents that broke off and were followed by others.
    pub broken_off: u64,
    /// For how long nobody counted for their nodes.
    pub uncounted: Duration,
    /// Addresses declared beyond the limit.
    pub undeclared: u64,
    /// Reports of agents of the Go system.
    pub legacy_reports: u64,
    /// How many requests fell in each bucket of latency, by upper bound in seconds.
    pub latency: Vec<(f64, u64)>,
    /// Sum of all latencies in seconds.
    pub latency_sum: f64,
}

/// What it costs.
#[derive(Debug)]
pub struct PriceScrape {
    /// The prices.
    pub in_force: InForce,
    /// They are more than a year old.
    pub is_stale: bool,
    /// What it costs by them.
    pub costs: Costs,
}

/// What was spent in a month: of all, and of each budget.
#[derive(Debug)]
pub struct BudgetScrape {
    /// In what money.
    pub currency: Currency,
    /// This month.
    pub month: Month,
    /// The cluster's, and those of who else has a budget.
    pub all: Vec<Budget>,
}

/// What somebody spent, and may spend.
#[derive(Debug)]
pub struct Budget {
    /// Whose.
    pub account: Account,
    /// What may be spent; `None` without a budget.
    pub limit: Option<Amount>,
    /// What was.
    pub spent: Spent,
    /// Somebody has its name; `None` while nobody knows, and of the cluster.
    pub is_seen: Option<bool>,
}

/// How the store fares.
#[derive(Debug, Default)]
pub struct StoreScrape {
    /// What tells these counters from any others.
    pub id: String,
    /// When they began, in seconds since 1970.
    pub created: f64,
    /// What is acknowledged is on disk.
    pub durable: bool,
    /// It can be written now.
    pub up: bool,
    /// How often it failed, by reason.
    pub failures: Vec<(Failure, u64)>,
    /// How many commits fell in each bucket of duration, by upper bound in seconds.
    pub commits: Vec<(f64, u64)>,
    /// Sum of their durations in seconds.
    pub commits_sum: f64,
    /// How often the journal was brought into the tables.
    pub checkpoints: u64,
    /// How large things are.
    pub sizes: StoreSizes,
}

/// The topology.
#[derive(Debug, Default)]
pub struct TopologyScrape {
    /// It has been told all there was at start.
    pub synced: bool,
    /// How long ago its source told anything.
    pub age: Option<Duration>,
    /// The nodes there are, by name.
    pub nodes: Vec<Arc<Node>>,
    /// Those of them that no agent can run on.
    pub agentless: BTreeSet<NodeName>,
    /// The zones of nodes and of named networks: zone, id and region, empty where they are not known.
    pub zones: BTreeSet<[String; 3]>,
    /// How much it holds.
    pub sizes: Sizes,
    /// How many prefixes its named networks have.
    pub networks: usize,
    /// In how many of these the cluster had addresses, at the last look.
    pub overlapping: usize,
    /// What its sources did.
    pub sources: Vec<(Source, SourceCounts)>,
}

/// Credentials and reviews of tokens.
#[derive(Debug, Default)]
pub struct SecurityScrape {
    /// When certificates end, those that there are.
    pub ends: Vec<(Credential, Timestamp)>,
    /// How often a newer one could not be had.
    pub failures: Vec<(Credential, u64)>,
    /// How reviews of tokens ended; empty where tokens are not reviewed.
    pub reviews: Vec<(Outcome, u64)>,
}

impl SecurityScrape {
    /// What is known of credentials, and what happened at the door.
    pub fn of(status: &Status, door: &Door) -> Self {
        let all = Credential::ALL.into_iter();
        let reviews = door
            .reviews()
            .map(|counts| Outcome::ALL.map(|each| (each, counts.get(each))));
        Self {
            ends: all
                .clone()
                .filter_map(|each| Some((each, status.end(each)?)))
                .collect(),
            failures: all.map(|each| (each, status.failures(each))).collect(),
            reviews: reviews.into_iter().flatten().collect(),
        }
    }
}

impl Scrape {
    /// Copies all of it.
    pub fn of(pipeline: &Pipeline, ingest: &IngestCounts, now: Timestamp) -> Self {
        Self::chosen(&[], &Columns::default(), pipeline, ingest, now)
    }

    /// Copies all of it but what some groups need that are left out, with workloads told apart by those
    /// labels too.
    pub fn chosen(
        disabled: &[Group],
        columns: &Columns,
        pipeline: &Pipeline,
        ingest: &IngestCounts,
        now: Timestamp,
    ) -> Self {
        let ledger = pipeline.snapshot();
        let workloads = if disabled.contains(&Group::Workloads) {
            Workloads::default()
        } else {
            Workloads::of(&ledger, &columns.places())
        };
        Self {
            disabled: disabled.to_vec(),
            columns: columns.clone(),
            ledger,
            workloads,
            pending_records: pipeline.pending_records(),
            turned_away_records: pipeline.turned_away_records(),
            ingest: IngestScrape::of(ingest),
            agents: pipeline.report_ages(now),
            uplinks: pipeline.uplinks(),
            clock_skews: pipeline.clock_skews(),
            store: StoreScrape::of(pipeline),
            history: pipeline.past().map(|past| HistoryScrape::of(past.counts())),
            prices: PriceScrape::of(pipeline, now),
            budgets: BudgetScrape::of(pipeline, now),
            topology: TopologyScrape::of(pipeline.topology(), now),
            security: SecurityScrape::default(),
            exports: pipeline.exporters().counts(),
            version: env!("CARGO_PKG_VERSION"),
            process: Process::of_self(),
        }
    }
}

impl PriceScrape {
    fn of(pipeline: &Pipeline, now: Timestamp) -> Option<Self> {
        let (in_force, costs) = pipeline.priced()?;
        Some(Self {
            in_force: in_force.clone(),
            is_stale: in_force.stale(now).is_some(),
            costs,
        })
    }
}

impl BudgetScrape {
    fn of(pipeline: &Pipeline, now: Timestamp) -> Option<Self> {
        let currency = pipeline
            .prices()
            .in_force(pipeline.topology())?
            .book
            .currency();
        let budgets = pipeline.budgets().of(currency).ok();
        let limits = budgets.into_iter().flat_map(Budgets::limits);
        let limits = limits.map(|(account, limit)| (account, Some(limit)));
        // Of the cluster there may be a budget too, and it takes this place.
        let all = [(&Account::Cluster, None)].into_iter().chain(limits);
        let (accounts, limits): (Vec<_>, Vec<_>) =
            all.collect::<BTreeMap<_, _>>().into_iter().unzip();
        let month = Month::of(now);
        let spent = pipeline.spending().spent(month, &accounts);
        let unseen = pipeline.unseen_budgets();
        let unseen = unseen.map(BTreeSet::from_iter);
        let all = accounts.into_iter().zip(limits).zip(spent);
        let all = all.map(|((account, limit), spent)| Budget {
            account: account.clone(),
            limit,
            spent,
            is_seen: match (account, &unseen) {
                (Account::Cluster, _) | (_, None) => None,
                (_, Some(unseen)) => Some(!unseen.contains(account)),
            },
        });
        Some(Self {
            currency,
            month,
            all: all.collect(),
        })
    }
}

impl IngestScrape {
    fn of(counts: &IngestCounts) -> Self {
        Self {
            batches: vec![
                ("applied", counts.applied()),
                ("duplicate", counts.duplicates()),
            ],
            refused: counts.refusals().collect(),
            connections: counts.connections().open(),
            closed: counts.connections().closed().collect(),
            records: counts.records(),
            body_bytes: counts.body_bytes(),
            missed: counts.missed_windows(),
            met_midway: counts.met_midway_agents(),
            broken_off: counts.broken_off_agents(),
            uncounted: counts.uncounted(),
            undeclared: counts.undeclared_addresses(),
            legacy_reports: counts.legacy_reports(),
            latency: counts.latency().buckets(),
            latency_sum: counts.latency().sum(),
        }
    }
}

impl StoreScrape {
    fn of(pipeline: &Pipeline) -> Self {
        let counts = pipeline.store();
        Self {
            id: pipeline.id().to_string(),
            created: pipeline.created().as_seconds(),
            durable: counts.is_durable(),
            up: counts.down().is_none(),
            failures: counts.failures().collect(),
            commits: counts.commits().buckets(),
            commits_sum: counts.commits().sum(),
            checkpoints: counts.checkpoints(),
            sizes: counts.sizes(),
        }
    }
}

impl TopologyScrape {
    fn of(topology: &Topology, now: Timestamp) -> Self {
        let nodes = nodes(topology);
        Self {
            synced: topology.is_synced(),
            age: topology.age(now),
            zones: zones(&nodes, &topology.networks()),
            nodes,
            agentless: topology.read().nodes_without_agents().cloned().collect(),
            sizes: topology.read().sizes(),
            networks: topology.networks().len(),
            overlapping: topology.overlapping(),
            sources: Source::ALL
                .into_iter()
                .map(|source| (source, topology.counts(source)))
                .collect(),
        }
    }
}

/// Where nodes and named networks are.
fn zones(nodes: &[Arc<Node>], networks: &Networks) -> BTreeSet<[String; 3]> {
    fn text(name: Option<&impl ToString>) -> String {
        name.map(ToString::to_string).unwrap_or_default()
    }
    let nodes = nodes
        .iter()
        .map(|node| (&node.zone, &node.zone_id, &node.region));
    let networks = networks
        .all()
        .map(|network| (&network.zone, &network.zone_id, &network.region));
    let all = nodes.chain(networks);
    let known = all.filter_map(|(zone, id, region)| {
        let zone = zone.as_ref()?.to_string();
        Some([zone, text(id.as_ref()), text(region.as_ref())])
    });
    known.collect()
}

fn nodes(topology: &Topology) -> Vec<Arc<Node>> {
    let mut nodes: Vec<_> = topology.read().nodes().cloned().collect();
    nodes.sort_unstable_by(|one, other| one.name.cmp(&other.name));
    nodes
}
