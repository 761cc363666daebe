//! How it is with the server that is asked: looked at now and then, so that who wants to know does not
//! have to wait.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use kubezonnet_model::Timestamp;

use super::client::{Client, QueryError};
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

/// How it is with the server that is asked.
#[derive(Debug, Default)]
pub(super) struct Watch(Mutex<Seen>);

/// What was seen at the last look.
#[derive(Debug, Default)]
struct Seen {
    /// Since when there is anything, and when that was looked at.
    since: Option<(Timestamp, Timestamp)>,
    /// When the oldest of the last samples was taken.
    latest: Option<Timestamp>,
    /// How many series there are.
    series: u64,
    failing: Option<String>,
    looked: Timestamp,
    /// That there are counters that belong to nobody was told.
    told_strays: bool,
}

impl Watch {
    /// Looks. Blocks.
    pub(super) fn look(&self, client: &Client, now: Timestamp) {
        let looked = self.ask(client, now);
        let mut seen = self.seen();
        seen.looked = now;
        let url = client.url();
        let failing = match looked {
            Ok(()) if seen.latest.is_none() => Some(format!(
                "{url} has nothing of kubezonnet-server: does it scrape the servers, of this version?"
            )),
            Ok(()) => None,
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
        let behind = seen.latest.map(|latest| seen.looked.since(latest));
        Status {
            source: "prometheus",
            since: seen.since.map(|(since, _)| since),
            behind: behind.unwrap_or_default(),
            bytes: 0,
            failing: seen.failing.clone(),
        }
    }

    /// How many series there were.
    pub(super) fn series(&self) -> u64 {
        self.seen().series
    }

    fn ask(&self, client: &Client, now: Timestamp) -> Result<(), QueryError> {
        let at = |query: &str| client.ask(query, Grid::at(now));
        let latest = at(&format!("min(timestamp({CREATED}))"))?;
        let series = at(&format!("count({{__name__=~\"{BYTES}|{PACKETS}\"}})"))?;
        let strays = format!("count({BYTES} unless on (job, instance) {CREATED})");
        let strays = number(&at(&strays)?);
        let since = {
            let seen = self.seen();
            let is_fresh = |(_, looked): &(_, Timestamp)| now.since(*looked) < LOOK_BACK_EVERY;
            seen.since.filter(is_fresh)
        };
        let since = match since {
            Some(since) => Some(since),
            None => look_back(client, now)?.map(|since| (since, now)),
        };
        let mut seen = self.seen();
        seen.latest = first(&latest).and_then(|(_, value)| timestamp(value));
        seen.series = number(&series);
        seen.since = since;
        if strays > 0 && !seen.told_strays {
            seen.told_strays = true;
            tracing::warn!(
                series = strays,
                "there are counters of kubezonnet-servers of earlier versions, which are left out: \
                 nobody can tell whose they are"
            );
        }
        Ok(())
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Since when there is anything: to the day, and then to the minute.
fn look_back(client: &Client, now: Timestamp) -> Result<Option<Timestamp>, QueryError> {
    let begin = now.0.saturating_sub(FARTHEST_DAYS * DAY);
    let days = (now.0 - begin) / DAY;
    let query = format!("count({CREATED})");
    let by_day = Grid {
        first: Timestamp(now.0 - days * DAY),
        last: now,
        step: DAY,
    };
    let Some((day, _)) = first(&client.ask(&query, by_day)?) else {
        return Ok(None);
    };
    let by_minute = Grid {
        first: Timestamp(day.0.saturating_sub(DAY)),
        last: day,
        step: MINUTE,
    };
    let minute = first(&client.ask(&query, by_minute)?).map(|(minute, _)| minute);
    Ok(Some(minute.unwrap_or(day)))
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
