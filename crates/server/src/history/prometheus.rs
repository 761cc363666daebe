//! The past as a Prometheus-compatible server has it: of as many kubezonnet-servers as it scrapes, and for
//! as long as it keeps them.
//!
//! ```text
//! Question ─▶ Plan: points in time ─▶ Client: query_range ─▶ Gathered: counters by store
//!                                                                   │ rises, endings
//!                                                       Known::ends ▼
//!                                                  Series + bytes ─▶ Fold ─▶ Answer
//! ```
//!
//! Asked are the counters between workloads as they are at points in time, and what they had in between is
//! worked out here: `increase()` would guess what was before the first sample and after the last.

mod client;
mod differences;
mod ends;
mod gathered;
mod plan;
mod reply;
#[cfg(test)]
mod tests;
mod watch;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use foldhash::HashMap;
use kubezonnet_history::Resolution;
use kubezonnet_model::{FlowCounters, Locality};
use kubezonnet_pricing::PriceBook;
use kubezonnet_topology::{Clock, Topology};

use self::client::Client;
pub use self::client::{Options, QueryError};
use self::differences::{endings, rises};
pub use self::ends::Column;
use self::ends::{Ends, Known};
use self::gathered::{BYTES, CREATED, FOLDED, Gathered, Identity, PACKETS, Shown, What, ZONES};
use self::plan::{Grid, Plan};
use self::reply::Labels;
use self::watch::Watch;
use super::question::{By, EdgePart, PartyPart, SidePart};
use super::{Answer, AskError, Books, Fold, Past, Question, Series, Status};
use crate::books::Disposition;
use crate::ledger::{Side, Who};

/// The longest ranges that are answered by minute and by hour, as the embedded source has them.
const BY_MINUTE: Duration = Duration::from_hours(48);
const BY_HOUR: Duration = Duration::from_hours(100 * 24);

/// What this server knows that no counter tells.
pub struct Here {
    /// Zones, networks, and which labels are kept.
    pub topology: Topology,
    /// The labels for charge-back that counters have.
    pub columns: Vec<Column>,
    /// The prices in force, if there are any.
    pub book: Box<dyn Fn() -> Option<PriceBook> + Send + Sync>,
    /// The time.
    pub clock: Clock,
}

impl fmt::Debug for Here {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Here")
            .field("columns", &self.columns)
            .finish_non_exhaustive()
    }
}

/// The past as a Prometheus-compatible server has it.
#[derive(Debug)]
pub struct Prometheus {
    client: Client,
    here: Here,
    watch: Watch,
}

impl Prometheus {
    /// Asks the server of these options; to be made within the runtime. It is not asked yet.
    ///
    /// # Errors
    ///
    /// [`QueryError::File`] if one of its files cannot be used.
    pub fn new(options: Options, here: Here) -> Result<Self, QueryError> {
        Ok(Self {
            client: Client::new(options)?,
            here,
            watch: Watch::default(),
        })
    }

    /// Looks how it is now and then, for ever.
    pub async fn follow(self: Arc<Self>) -> ! {
        loop {
            let this = Arc::clone(&self);
            let look = tokio::task::spawn_blocking(move || this.look());
            if let Err(error) = look.await {
                tracing::error!(%error, "a look at the server of --prometheus-url failed");
            }
            tokio::time::sleep(watch::LOOK_EVERY).await;
        }
    }

    /// Looks how it is. Blocks.
    pub fn look(&self) {
        self.watch.look(&self.client, self.here.clock.now());
    }

    /// Why it cannot answer a question, whatever the time.
    fn check(&self, question: &Question) -> Result<(), AskError> {
        let has = |place: usize| self.here.columns.iter().any(|each| each.place == place);
        let mut places: Vec<usize> = Vec::new();
        let part = |part: &SidePart| match part {
            SidePart::Label(place) => Some(*place),
            _ => None,
        };
        let mut by_service = !question.filter.services.is_empty();
        match &question.by {
            By::Edges(parts) => {
                by_service |= parts.contains(&EdgePart::Service);
                places.extend(parts.iter().filter_map(|each| match each {
                    EdgePart::Source(each) | EdgePart::Destination(each) => part(each),
                    EdgePart::Locality | EdgePart::Service => None,
                }));
            }
            By::Parties(parts) => places.extend(parts.iter().filter_map(|each| match each {
                PartyPart::Side(each) => part(each),
                PartyPart::Locality => None,
            })),
        }
        let filter = &question.filter;
        for ends in [&filter.ends, &filter.source, &filter.destination] {
            places.extend(ends.labels.iter().map(|(place, _)| *place));
        }
        if by_service {
            let message = "the server of --prometheus-url does not have by which Service something was \
                           reached; a kubezonnet-server without that flag does";
            return Err(AskError::Unsupported(message.to_owned()));
        }
        if let Some(place) = places.into_iter().find(|place| !has(*place)) {
            let names = self.here.topology.labels();
            let name = names.names().nth(place).map(ToString::to_string);
            let name = name.unwrap_or_default();
            return Err(AskError::Unsupported(format!(
                "the server of --prometheus-url does not have the label {name}: give this \
                 kubezonnet-server, and each that is scraped, --metrics-labels {name}"
            )));
        }
        Ok(())
    }

    fn gather<'a>(&self, plan: &'a Plan, query: &str) -> Result<Gathered<'a>, AskError> {
        let mut gathered = Gathered::new(&plan.times);
        let add = |gathered: &mut Gathered<'a>, grid: Grid| {
            let series = self.client.ask(query, grid);
            let series = series.map_err(|error| AskError::Unanswered(error.to_string()))?;
            gathered.add(series).map_err(|strange| {
                let url = self.client.url();
                AskError::Unanswered(format!(
                    "{url} does not answer as Prometheus does: {strange}"
                ))
            })
        };
        add(&mut gathered, plan.within)?;
        if let Some(end) = plan.end {
            add(&mut gathered, end)?;
        }
        if !gathered.has_all(plan.begin) {
            add(&mut gathered, plan.before)?;
        }
        Ok(gathered)
    }
}

impl Past for Prometheus {
    fn ask(&self, question: &Question) -> Result<Answer, AskError> {
        self.check(question)?;
        let book = (self.here.book)();
        let prices = book.as_ref().map(PriceBook::version);
        let books = Books {
            currency: book.as_ref().map(PriceBook::currency),
            books: book
                .into_iter()
                .map(|book| (book.version(), book))
                .collect(),
        };
        let length = question.range.end.since(question.range.start);
        let resolution = match length {
            _ if question.resolution.is_some() => question.resolution.unwrap_or(Resolution::Day),
            _ if length <= BY_MINUTE => Resolution::Minute,
            _ if length <= BY_HOUR => Resolution::Hour,
            _ => Resolution::Day,
        };
        let mut fold = Fold::new(question, &books, resolution);
        let range = fold.range();
        let cell = question.step.is_some().then(|| fold.cell());
        let now = self.here.clock.now();
        let plan = Plan::of(range, cell, now, self.watch.series());
        let plan = plan.map_err(|error| AskError::Unsupported(error.to_string()))?;
        let gathered = self.gather(&plan, &query(question))?;
        let networks = self.here.topology.networks();
        let known = Known {
            networks: networks
                .all()
                .map(|each| (each.name.as_str(), each))
                .collect(),
            zones: zones(&self.here.topology),
            columns: &self.here.columns,
            kept: self.here.topology.labels().names().len(),
        };
        let mut nobodys = gathered.strays;
        for (ends, counters) in counters(&gathered, &known, &mut nobodys) {
            let row = fold.row(&Series {
                source: &ends.source,
                destination: &ends.destination,
                class: ends.class,
                service: None,
                prices,
            });
            let Some(row) = row else { continue };
            for (position, counters) in counters {
                // What came up to a point is of the time before it.
                let from = plan.times[position - 1];
                if position > plan.begin
                    && let Some(position) = fold.position(from)
                {
                    fold.add(row, position, counters);
                }
            }
        }
        if nobodys > 0 {
            tracing::debug!(series = nobodys, "series that are nobody's are left out");
        }
        Ok(fold.answer([self.status().since; Resolution::ALL.len()]))
    }

    fn status(&self) -> Status {
        self.watch.status()
    }
}

/// What a series had, by the positions of the points up to which.
type Had = BTreeMap<usize, FlowCounters>;

/// What each series had, without what only moved from one to another.
fn counters(gathered: &Gathered<'_>, known: &Known<'_>, nobodys: &mut usize) -> Vec<(Ends, Had)> {
    let mut all: Vec<(&Identity, &Shown, Ends)> = Vec::new();
    for (identity, shown) in gathered.counters() {
        let zones = &gathered.stores[identity.store].zones;
        match known.ends(&identity.labels, zones) {
            Some(ends) => all.push((identity, shown, ends)),
            None => *nobodys += 1,
        }
    }
    let mut moved = moved(gathered, &all);
    let mut series: HashMap<(usize, &Labels), (Ends, Had)> = HashMap::default();
    for (identity, shown, ends) in all {
        let store = &gathered.stores[identity.store].store;
        let mut moved = moved.remove(&Folded::of(identity, &ends));
        let key = (identity.store, &identity.labels);
        let (_, had) = series.entry(key).or_insert_with(|| (ends, Had::new()));
        for (position, mut rise) in rises(shown, store, gathered.times()) {
            if let Some(moved) = moved.as_mut().and_then(|moved| moved.get_mut(&position)) {
                let taken = rise.min(*moved);
                *moved -= taken;
                rise -= taken;
            }
            let had = had.entry(position).or_default();
            match identity.what {
                What::Bytes => had.bytes += rise,
                What::Packets => had.packets += rise,
            }
        }
    }
    series.into_values().collect()
}

/// A counter of those that are folded together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Folded {
    store: usize,
    what: What,
    source: Side,
    destination: Side,
    locality: Disposition,
}

impl Folded {
    fn of(identity: &Identity, ends: &Ends) -> Self {
        Self {
            store: identity.store,
            what: identity.what,
            source: ends.source.clone(),
            destination: ends.destination.clone(),
            locality: Disposition::from(ends.class.locality()),
        }
    }

    /// Where its bytes go when there are too many series.
    fn others(self) -> Self {
        Self {
            source: self.source.folded(Who::Other),
            destination: self.destination.folded(Who::Other),
            ..self
        }
    }
}

/// What counters have that went and were folded: their bytes are among those of others from then on, and
/// were counted before.
fn moved(
    gathered: &Gathered<'_>,
    all: &[(&Identity, &Shown, Ends)],
) -> HashMap<Folded, BTreeMap<usize, u64>> {
    let folds: Vec<Vec<usize>> = gathered
        .stores
        .iter()
        .map(|known| {
            let folds = rises(&known.folded, &known.store, gathered.times());
            folds.map(|(position, _)| position).collect()
        })
        .collect();
    let mut moved: HashMap<Folded, BTreeMap<usize, u64>> = HashMap::default();
    for (identity, shown, ends) in all {
        let folds = &folds[identity.store];
        if folds.is_empty() {
            continue;
        }
        let ended = endings(shown, &gathered.stores[identity.store].store);
        for (position, had) in ended.filter(|(position, _)| folds.contains(position)) {
            let others = Folded::of(identity, ends).others();
            *moved
                .entry(others)
                .or_default()
                .entry(position)
                .or_default() += had;
        }
    }
    moved
}

/// The ids and regions of the zones of this server's nodes.
fn zones(topology: &Topology) -> HashMap<String, [String; 2]> {
    let index = topology.read();
    let mut zones: HashMap<String, [String; 2]> = HashMap::default();
    for node in index.nodes() {
        let Some(zone) = &node.zone else { continue };
        let id = node.zone_id.as_ref().map(ToString::to_string);
        let region = node.region.as_ref().map(ToString::to_string);
        let told = [id, region].map(Option::unwrap_or_default);
        let known = zones.entry(zone.to_string()).or_default();
        *known = std::mem::take(known).max(told);
    }
    zones
}

/// What is asked: all counters that can have part in an answer, and what says whose they are. Of a label
/// that a metric does not have, the empty value is asked for too.
fn query(question: &Question) -> String {
    let filter = &question.filter;
    let localities = filter.localities.iter().map(|each: &Locality| {
        let disposition = Disposition::from(*each);
        disposition.as_str().to_owned()
    });
    let mut matchers = format!("__name__=~\"{BYTES}|{PACKETS}|{CREATED}|{FOLDED}|{ZONES}\"");
    for (name, values) in [
        ("locality", localities.collect::<Vec<_>>()),
        ("src_zone", filter.source.zones.clone()),
        ("dst_zone", filter.destination.zones.clone()),
    ] {
        if !values.is_empty() {
            let values: Vec<_> = values.iter().map(|value| literal(value)).collect();
            matchers = format!("{matchers},{name}=~\"|{}\"", values.join("|"));
        }
    }
    format!("{{{matchers}}}")
}

/// A text as a regular expression within quotes that has nothing but it.
fn literal(text: &str) -> String {
    let mut literal = String::new();
    for letter in text.chars() {
        match letter {
            // Each byte that a regular expression or the quotes could take for something else.
            letter if letter.is_alphanumeric() || letter == '_' || letter == '-' => {
                literal.push(letter);
            }
            letter => literal.extend(["\\\\x{", &format!("{:x}", u32::from(letter)), "}"]),
        }
    }
    literal
}
