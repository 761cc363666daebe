//! How it is with the server that is asked: looked at now and then, so that who wants to know does not
//! have to wait.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use kubezonnet_model::Timestamp;

use super::client::{Client, QueryError};
use super::dialect::Reading;
use super::gathered::{BYTES, CREATED, PACKETS};
use super::plan::Grid;
use super::reply::{Sampled, timestamp};
use crate::history::Status;

/// How often it is looked.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(30);

/// How often it is looked since when there is any.
const LOOK_BACK_EVERY: Duration = Duration::from_hours(1);

const MINUTE: u64 = 60_000;
const DAY: u64 = 24 * 60 * MINUTE;

/// How far back it is looked: longer than the server's own history reaches by default.
const FARTHEST_DAYS: u64 = 800;

/// What is meant by nothing: what says whose counters there are.
const NOTHING: &str =
    "has nothing of kubezonnet-server: does it scrape the servers, of this version?";

/// How it is with the server that is asked.
#[derive(Debug, Default)]
pub(super) struct Watch(Mutex<Seen>);

/// Since when there is anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Since {
    /// Since then at least.
    at_least: Timestamp,
    /// It began then: what was before could be looked at, and there was nothing.
    is_begin: bool,
}

/// What was seen at the last look.
#[derive(Debug, Default)]
struct Seen {
    /// Since when there is anything, and when that was looked at.
    since: Option<(Since, Timestamp)>,
    /// That it cannot be asked was told.
    told_since: bool,
    /// How many days it can be asked of, if that is not all.
    reach: Option<u64>,
    /// When the oldest of the last samples was taken.
    latest: Option<Timestamp>,
    /// How many series there are.
    series: u64,
    failing: Option<String>,
    looked: Timestamp,
    /// When it was looked first.
    began: Option<Timestamp>,
    /// That there are counters that belong to nobody was told.
    told_strays: bool,
}

impl Watch {
    /// Looks. Blocks.
    pub(super) fn look(&self, client: &Client, now: Timestamp) {
        let looked = self.ask(client, now);
        let mut seen = self.seen();
        seen.looked = now;
        seen.began.get_or_insert(now);
        let url = client.url();
        let failing = match looked {
            Ok(has_any) if !has_any => Some(format!("{url} {NOTHING}")),
            Ok(_) => None,
            Err(error) => Some(error.to_string()),
        };
        match (&seen.failing, &failing) {
            (None, Some(error)) => {
                tracing::warn!(error, "the server of --prometheus-url cannot tell the past");
            }
            (Some(_), None) => tracing::info!(url, "the server of --prometheus-url tells the past"),
            _ => {}
        }
        seen.failing = failing;
    }

    /// How it was at the last look.
    pub(super) fn status(&self) -> Status {
        let seen = self.seen();
        // Where there was nothing yet, as far as it was looked.
        let latest = seen.latest.or(seen.began);
        let behind = latest.map(|latest| seen.looked.since(latest));
        Status {
            source: "prometheus",
            since: seen
                .since
                .filter(|(since, _)| since.is_begin)
                .map(|(since, _)| since.at_least),
            behind: behind.unwrap_or_default(),
            bytes: 0,
            failing: seen.failing.clone(),
            // An answer that lacks something is refused.
            lacking: None,
            lost_changes: 0,
            damaged: 0,
        }
    }

    /// Since when there is anything at least; when it began may not be known.
    pub(super) fn reaches(&self) -> Option<Timestamp> {
        self.seen().since.map(|(since, _)| since.at_least)
    }

    /// How many series there were.
    pub(super) fn series(&self) -> u64 {
        self.seen().series
    }

    /// Whether there is anything.
    fn ask(&self, client: &Client, now: Timestamp) -> Result<bool, QueryError> {
        let now_is = Grid::at(now);
        let latest = client.ask(
            |reading| format!("min({})", reading.sampled(CREATED)),
            now_is,
        )?;
        let counters = format!("{{__name__=~\"{BYTES}|{PACKETS}\"}}");
        let series = client.ask(
            |reading| format!("count({})", reading.shown(&counters)),
            now_is,
        )?;
        let latest = first(&latest).and_then(|(_, value)| timestamp(value));
        {
            let mut seen = self.seen();
            seen.latest = latest.or(seen.latest);
            seen.series = number(&series);
        }
        let strays = |reading: Reading| {
            let [bytes, created] = [BYTES, CREATED].map(|name| reading.shown(name));
            format!("count({bytes} unless on (job, instance) {created})")
        };
        let strays = number(&client.ask(strays, now_is)?);
        let mut seen = self.seen();
        if strays > 0 && !seen.told_strays {
            seen.told_strays = true;
            tracing::warn!(
                series = strays,
                "there are counters of kubezonnet-servers of earlier versions, which are left out: \
                 nobody can tell whose they are"
            );
        }
        let is_fresh = |(_, looked): (_, Timestamp)| now.since(looked) < LOOK_BACK_EVERY;
        if latest.is_some() && !seen.since.is_some_and(is_fresh) {
            // It may let itself be asked of more by now.
            let twice = seen.reach.map(|reach| (reach * 2).min(FARTHEST_DAYS));
            let mut reach = twice.unwrap_or(FARTHEST_DAYS);
            // Others ask how it is meanwhile.
            drop(seen);
            let since = look_back(client, now, &mut reach);
            let mut seen = self.seen();
            seen.reach = Some(reach);
            match since {
                Ok(since) => seen.since = since.map(|since| (since, now)),
                // It answers all else.
                Err(error) if !seen.told_since => {
                    seen.told_since = true;
                    tracing::warn!(%error, "since when there is any history cannot be told");
                }
                Err(_) => {}
            }
        }
        Ok(latest.is_some())
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Since when there is anything, in so many days: to the day, and then to the minute. A server that refuses
/// to be asked of so many is asked of half of them, down to one. Where there is something at the first minute
/// that is looked at, nobody knows what was before.
fn look_back(
    client: &Client,
    now: Timestamp,
    reach: &mut u64,
) -> Result<Option<Since>, QueryError> {
    let query = |reading: Reading| format!("count({})", reading.shown(CREATED));
    let today = now.0 / DAY * DAY;
    let days = loop {
        let by_day = Grid {
            first: Timestamp(today.saturating_sub(*reach * DAY)),
            last: Timestamp(today),
            step: DAY,
        };
        match client.ask(query, by_day) {
            Err(QueryError::Refused {
                status: 400 | 413 | 422,
                ..
            }) if *reach > 1 => *reach /= 2,
            answer => break answer?,
        }
    };
    let day = first(&days).map(|(day, _)| day.0);
    let by_minute = Grid {
        first: Timestamp(day.map_or(today, |day| day.saturating_sub(DAY))),
        last: Timestamp(day.unwrap_or(now.0 / MINUTE * MINUTE)),
        step: MINUTE,
    };
    let minute = first(&client.ask(query, by_minute)?).map(|(minute, _)| minute);
    let at_least = minute.or(day.map(Timestamp));
    Ok(at_least.map(|at_least| Since {
        at_least,
        is_begin: at_least > by_minute.first,
    }))
}

fn first(series: &[Sampled]) -> Option<(Timestamp, f64)> {
    let samples = series.iter().flat_map(|each| &each.values);
    let first = samples.min_by_key(|sample| sample.at)?;
    Some((first.at, first.value))
}

/// A count; zero where nothing is to be counted.
fn number(series: &[Sampled]) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a count is whole and not negative, and what is none becomes one"
    )]
    first(series).map_or(0, |(_, value)| value as u64)
}
