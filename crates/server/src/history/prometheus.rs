//! The past as a Prometheus-compatible server has it: of as many kubezonnet-servers as it scrapes, and for
//! as long as it keeps them.
//!
//! ```text
//! Question ─▶ Plan: points in time ─▶ Client: query_range ─▶ Gathered: counters by store
//!                 ▲                                                 │ rises, endings
//!                 │                                     Known::ends ▼
//!                 └─ the next stretch ◀──────────── Series + bytes ─▶ Fold ─▶ Answer
//! ```
//!
//! Asked are the counters between workloads as they are at points in time, and what they had in between is
//! worked out here: `increase()` would guess what was before the first sample and after the last.

mod client;
mod counted;
mod dialect;
mod differences;
mod ends;
mod gathered;
mod labels;
mod plan;
mod query;
mod reply;
#[cfg(test)]
mod tests;
mod watch;

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use foldhash::HashMap;
use kubezonnet_history::Resolution;
use kubezonnet_model::Timestamp;
use kubezonnet_pricing::PriceBook;
use kubezonnet_topology::{Clock, Topology};

use self::client::Client;
pub use self::client::{Options, QueryError};
use self::counted::settle;
pub use self::ends::Column;
use self::ends::Known;
use self::gathered::{Gathered, Strange};
use self::plan::{Grid, Plan};
use self::query::selector;
use self::watch::Watch;
use super::question::{By, EdgePart, PartyPart, SidePart};
use super::{Answer, AskError, Books, Fold, Past, Question, Status, Until};

/// The longest ranges that are answered by minute and by hour, as the embedded source has them.
const BY_MINUTE: Duration = Duration::from_hours(48);
const BY_HOUR: Duration = Duration::from_hours(100 * 24);

/// How long all that a question asks for may take, where nobody says how long he waits.
const PATIENCE: Duration = Duration::from_mins(1);

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
    /// It was told that there are series which are nobody's.
    told: OnceLock<()>,
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
            told: OnceLock::new(),
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
            // Beside who it is a label is told if it is known.
            By::Parties(parts) if parts.contains(&PartyPart::Side(SidePart::Who)) => {}
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

    /// Asks for all points of a plan, stretch by stretch, and adds what pairs had in each.
    fn gather(
        &self,
        plan: &Plan,
        selector: &str,
        until: &dyn Until,
        mut settle: impl FnMut(&mut Gathered),
    ) -> Result<(), AskError> {
        let mut gathered = Gathered::default();
        let mut at_once = plan.at_once;
        let mut has_before = false;
        let grids = [Some(plan.within), plan.end].into_iter().flatten();
        let mut left: VecDeque<_> = grids.collect();
        while let Some(grid) = left.pop_front() {
            let (stretch, rest) = grid.split(at_once);
            let is_before = stretch.last < plan.within.first;
            if is_before {
                gathered.look_back(stretch);
            } else {
                gathered.begin(stretch);
            }
            match self.stretch(&mut gathered, selector, stretch, until.left()?) {
                Ok(()) => {}
                // There were more series then than there are now, or it lets nobody ask for so much.
                Err(failed) if failed.is_of_length() && stretch.count() > 1 => {
                    at_once = stretch.count() / 2;
                    left.push_front(grid);
                    continue;
                }
                Err(failed) => return Err(self.unanswered(failed)),
            }
            if !is_before && !has_before && gathered.lacks_one_of(plan.within.first) {
                has_before = true;
                left.push_front(grid);
                left.push_front(plan.before);
                continue;
            }
            settle(&mut gathered);
            if let Some(rest) = rest {
                left.push_front(rest);
            }
        }
        if gathered.strays > 0 {
            self.tell_of(gathered.strays);
        }
        Ok(())
    }

    fn stretch(
        &self,
        gathered: &mut Gathered,
        selector: &str,
        grid: Grid,
        patience: Duration,
    ) -> Result<(), Failed> {
        let answered = self
            .client
            .ask_for(patience, |reading| reading.shown(selector), grid)?;
        Ok(gathered.add(answered.series)?)
    }

    fn unanswered(&self, failed: Failed) -> AskError {
        match failed {
            Failed::Query(error) => AskError::Unanswered(error.to_string()),
            Failed::Strange(Strange::TooMuch) => {
                AskError::Unsupported(Strange::TooMuch.to_string())
            }
            Failed::Strange(strange) => {
                let url = self.client.url();
                AskError::Unanswered(format!(
                    "{url} does not answer as Prometheus does: {strange}"
                ))
            }
        }
    }

    /// Tells once that there are series which are nobody's.
    fn tell_of(&self, nobodys: usize) {
        self.told.get_or_init(|| {
            tracing::warn!(
                series = nobodys,
                "answers leave out counters that no kubezonnet-server of this version has"
            );
        });
    }
}

/// Why a stretch cannot be had.
enum Failed {
    Query(QueryError),
    Strange(Strange),
}

impl Failed {
    /// Whether a shorter one may be had.
    const fn is_of_length(&self) -> bool {
        match self {
            Self::Query(error) => error.is_of_length(),
            Self::Strange(strange) => matches!(strange, Strange::TooMuch),
        }
    }
}

impl From<QueryError> for Failed {
    fn from(error: QueryError) -> Self {
        Self::Query(error)
    }
}

impl From<Strange> for Failed {
    fn from(strange: Strange) -> Self {
        Self::Strange(strange)
    }
}

impl Past for Prometheus {
    fn ask(&self, question: &Question) -> Result<Answer, AskError> {
        self.ask_while(question, &(Instant::now() + PATIENCE))
    }

    fn ask_while(&self, question: &Question, until: &dyn Until) -> Result<Answer, AskError> {
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
        let mut nobodys = 0;
        self.gather(&plan, &selector(question), until, |gathered| {
            nobodys += settle(gathered, &known, prices, &mut fold);
        })?;
        if nobodys > 0 {
            self.tell_of(nobodys);
        }
        let reaches = self.watch.reaches();
        let mut answer = fold.answer([reaches; Resolution::ALL.len()]);
        // How far back it was looked is not when it began.
        let is_begin = |since: &Timestamp| self.status().since == Some(*since);
        answer.since = answer.since.filter(is_begin);
        Ok(answer)
    }

    fn shortest_step(&self, length: Duration) -> Option<Duration> {
        plan::shortest_step(length, self.watch.series())
    }

    fn status(&self) -> Status {
        self.watch.status()
    }
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
