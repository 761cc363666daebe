//! What is on the screen.

use std::time::Duration;

use kubezonnet_api::{Asked, Summary};

use crate::args::{RankChoice, TopArgs, View};
use crate::entry::{Entry, money};
use crate::failure::Failure;
use crate::listing::Listing;
use crate::text::Micros;

/// How far back it is looked, by the keys + and -.
const RANGES: [&str; 7] = ["5m", "15m", "1h", "6h", "24h", "7d", "month"];

/// How many lines can be scrolled through if nothing is said.
const SCROLLED: u32 = 500;

/// How far back pods are known.
const PODS: &str = "1h";

/// What a time is called that flags have fixed.
const FIXED: &str = "the chosen time";

/// Of when it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Times {
    /// From a moment on, or to another: it cannot be changed.
    Fixed,
    /// So far back: one of the list.
    Back(Vec<String>, usize),
}

/// What is to be asked of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Of what.
    pub view: View,
    /// By what.
    pub rank: RankChoice,
    /// Of when and of whom.
    pub asked: Asked,
    /// At most so many.
    pub limit: u32,
}

impl Wanted {
    /// Of when it is, for people.
    pub fn range(&self) -> &str {
        self.asked.since.as_deref().unwrap_or(FIXED)
    }
}

/// What the server has answered, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// To what.
    pub wanted: Wanted,
    /// All there is.
    pub summary: Summary,
    /// What it costs, if there are prices.
    pub cost: Option<Micros>,
    /// The largest.
    pub entries: Vec<Entry>,
    /// How many there are.
    pub count: u64,
    /// What shares are parts of.
    pub whole: u128,
}

impl Answered {
    /// Understands an answer.
    ///
    /// # Errors
    ///
    /// If an amount is none.
    pub fn read(wanted: Wanted, listing: Listing) -> Result<Self, Failure> {
        let entries: Result<_, _> = listing.top.items.iter().map(Entry::read).collect();
        Ok(Self {
            wanted,
            whole: listing.whole()?,
            cost: money(listing.summary.total.cost.as_ref())?,
            summary: listing.summary,
            entries: entries?,
            count: listing.top.count,
        })
    }

    /// Whether there are prices.
    pub fn has_prices(&self) -> bool {
        self.summary.currency.is_some()
    }
}

/// What is in front of all else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overlay {
    /// The keys.
    Help,
    /// All of the line that is chosen.
    Detail,
}

/// What is on the screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// Of what.
    pub view: View,
    /// By what.
    pub rank: RankChoice,
    /// Of when.
    pub times: Times,
    /// Without its time.
    asked: Asked,
    limit: u32,
    /// How often it is asked anew.
    pub interval: Duration,
    /// What names must have.
    pub filter: String,
    /// Whether that is being typed.
    pub is_typing: bool,
    /// Whether it stays as it is.
    pub is_paused: bool,
    /// What is in front.
    pub overlay: Option<Overlay>,
    /// Which of the lines that are shown is chosen.
    pub chosen: usize,
    /// The last answer.
    pub answered: Option<Answered>,
    /// Why there is no newer one.
    pub failure: Option<String>,
}

impl State {
    /// As the flags say.
    pub fn new(args: &TopArgs) -> Self {
        let mut asked = Asked::default();
        let scope = &args.scope;
        scope.filter.ask(&mut asked);
        let times = if scope.when.from.is_some() {
            scope.when.ask(PODS, &mut asked);
            Times::Fixed
        } else {
            let first = scope.when.since.as_deref().unwrap_or("1h");
            let mut ranges: Vec<String> = RANGES.map(str::to_owned).to_vec();
            let at = ranges
                .iter()
                .position(|range| length(range) >= length(first));
            let at = at.unwrap_or(ranges.len());
            if ranges.get(at).is_none_or(|range| range != first) {
                ranges.insert(at, first.to_owned());
            }
            Times::Back(ranges, at)
        };
        Self {
            view: args.view,
            rank: args.sort,
            times,
            asked,
            limit: args.limit.unwrap_or(SCROLLED),
            interval: args.interval,
            filter: String::new(),
            is_typing: false,
            is_paused: false,
            overlay: None,
            chosen: 0,
            answered: None,
            failure: None,
        }
    }

    /// What is to be asked.
    pub fn wanted(&self) -> Wanted {
        let mut asked = self.asked.clone();
        if let Times::Back(..) = self.times {
            asked.since = Some(self.range().to_owned());
        }
        Wanted {
            view: self.view,
            rank: self.rank,
            asked,
            limit: self.limit,
        }
    }

    /// How far back it is to be looked, as far as that is known of what is to be shown. What is shown
    /// already is [`Wanted::range`] of its answer.
    pub fn range(&self) -> &str {
        match &self.times {
            Times::Fixed => FIXED,
            Times::Back(ranges, at) => {
                let range = ranges.get(*at).map_or(PODS, String::as_str);
                if self.view == View::Pods && length(range) > length(PODS) {
                    PODS
                } else {
                    range
                }
            }
        }
    }

    /// The lines that are shown: those that have the filter.
    pub fn shown(&self) -> Vec<&Entry> {
        let entries = self.current().map(|answered| &*answered.entries);
        let entries = entries.unwrap_or_default().iter();
        entries
            .filter(|entry| self.filter.is_empty() || entry.has(&self.filter))
            .collect()
    }

    /// The line that is chosen.
    pub fn chosen_entry(&self) -> Option<&Entry> {
        self.shown().get(self.chosen).copied()
    }

    /// The last answer, if it is of what is shown: lines of another view would have other columns.
    pub fn current(&self) -> Option<&Answered> {
        self.answered
            .as_ref()
            .filter(|answered| answered.wanted.view == self.view)
    }

    /// Takes an answer, and keeps the line that was chosen if it is still there. The first one is that of
    /// whoever comes first, unless all of it is looked at; where that is gone, nothing takes its place.
    pub fn take(&mut self, answered: Answered) {
        let is_detailed = self.overlay == Some(Overlay::Detail);
        let is_kept = self.chosen > 0 || is_detailed;
        let chosen = self.chosen_entry().filter(|_| is_kept);
        let chosen = chosen.map(|entry| entry.key.clone());
        self.answered = Some(answered);
        self.failure = None;
        let shown = self.shown();
        let same = chosen.and_then(|key| shown.iter().position(|entry| entry.key == key));
        let last = shown.len().saturating_sub(1);
        self.chosen = same.unwrap_or(self.chosen).min(last);
        if is_detailed && same.is_none() {
            self.overlay = None;
        }
    }
}

/// How long a time is, in minutes; nothing, where the server will say that it is none. A month is as long as
/// the longest.
fn length(range: &str) -> u64 {
    const DAY: u64 = 24 * 60;
    if range == "month" {
        return 31 * DAY;
    }
    let mut digits = range.chars();
    let unit = match digits.next_back() {
        Some('m') => 1,
        Some('h') => 60,
        Some('d') => DAY,
        Some('w') => 7 * DAY,
        _ => 0,
    };
    let number: u64 = digits.as_str().parse().unwrap_or(0);
    number.saturating_mul(unit)
}
