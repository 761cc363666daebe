//! How it is with the past.

use kubezonnet_history::Resolution;
use kubezonnet_model::Timestamp;

use super::{Family, Kind, Scrape};
use crate::history::Status;
use crate::history::embedded::{HistoryCounts, Lost};

/// How it is with the past.
#[derive(Debug, Default)]
pub struct HistoryScrape {
    /// It can be written and read now; or who is asked of it answers.
    pub up: bool,
    /// When it begins, in seconds since 1970; `None` before there is any.
    pub start: Option<f64>,
    /// How far it is behind what is counted, in seconds.
    pub behind: f64,
    /// What of it is kept here; `None` where another server is asked.
    pub kept: Option<KeptScrape>,
}

/// What of the past is kept.
#[derive(Debug, Default)]
pub struct KeptScrape {
    /// The volume has too little free for it to grow.
    pub short: bool,
    /// How often its file was damaged.
    pub damaged: u64,
    /// What of it cannot be read.
    pub unreadable: u64,
    /// What it takes on disk.
    pub bytes: u64,
    /// How many series it has.
    pub series: u64,
    /// How often it could not be written.
    pub failures: u64,
    /// Changes that the counters have and the past has not.
    pub lost: u64,
    /// What was deleted.
    pub deleted: Vec<(Resolution, Lost, u64)>,
}

impl HistoryScrape {
    /// Copies it where it is kept.
    pub fn of(counts: &HistoryCounts) -> Self {
        let deleted = Resolution::ALL.into_iter().flat_map(|resolution| {
            Lost::ALL.map(|why| (resolution, why, counts.deleted(resolution, why)))
        });
        Self {
            up: counts.is_up(),
            start: counts.since().map(Timestamp::as_seconds),
            behind: counts.behind().as_secs_f64(),
            kept: Some(KeptScrape {
                short: counts.is_short(),
                damaged: counts.damaged(),
                unreadable: counts.unreadable(),
                bytes: counts.bytes(),
                series: counts.series(),
                failures: counts.failures(),
                lost: counts.lost_rows(),
                deleted: deleted.collect(),
            }),
        }
    }

    /// What is known of it where another server is asked.
    pub fn asked(status: &Status) -> Self {
        Self {
            up: status.failing.is_none(),
            start: status.since.map(Timestamp::as_seconds),
            behind: status.behind.as_secs_f64(),
            kept: None,
        }
    }
}

/// The families of this file.
pub(super) const FAMILIES: &[Family] = &[
    Family {
        name: "kubezonnet_history_up",
        kind: Kind::Gauge,
        labels: &[],
        help: "1 while the history can be written and read, or who is asked of it answers, 0 while not; counting goes \
               on either way",
        write: |scrape, samples| match &scrape.history {
            Some(history) => samples.gauge(&[], &u32::from(history.up)),
            None => Ok(()),
        },
    },
    Family {
        name: "kubezonnet_history_volume_short",
        kind: Kind::Gauge,
        labels: &[],
        help: "1 while the volume has so little free that the history does not grow and its oldest makes room",
        write: |scrape, samples| match kept(scrape) {
            Some(kept) => samples.gauge(&[], &u32::from(kept.short)),
            None => Ok(()),
        },
    },
    Family {
        name: "kubezonnet_history_damaged_total",
        kind: Kind::Counter,
        labels: &[],
        help: "Times the file of the history was found damaged, put aside and begun anew",
        write: |scrape, samples| match kept(scrape) {
            Some(kept) => samples.counter(&[], kept.damaged),
            None => Ok(()),
        },
    },
    Family {
        name: "kubezonnet_history_unreadable_parts",
        kind: Kind::Gauge,
        labels: &[],
        help: "Chunks, names, series and price books of the history that cannot be understood and are left \
               out of answers; the log says which",
        write: |scrape, samples| match kept(scrape) {
            Some(kept) => samples.gauge(&[], &kept.unreadable),
            None => Ok(()),
        },
    },
    Family {
        name: "kubezonnet_history_bytes",
        kind: Kind::Gauge,
        labels: &[],
        help: "What the history takes in pages that are used; past --history-bytes the oldest of it is deleted",
        write: |scrape, samples| match kept(scrape) {
            Some(kept) => samples.gauge(&[], &kept.bytes),
            None => Ok(()),
        },
    },
    Family {
        name: "kubezonnet_history_series",
        kind: Kind::Gauge,
        labels: &[],
        help: "Series that the history has of edges between workloads",
        write: |scrape, samples| match kept(scrape) {
            Some(kept) => samples.gauge(&[], &kept.series),
            None => Ok(()),
        },
    },
    Family {
        name: "kubezonnet_history_start_timestamp_seconds",
        kind: Kind::Gauge,
        labels: &[],
        help: "When the history begins, by the resolution that goes back furthest",
        write: |scrape, samples| match scrape.history.as_ref().and_then(|history| history.start) {
            Some(start) => samples.gauge(&[], &start),
            None => Ok(()),
        },
    },
    Family {
        name: "kubezonnet_history_behind_seconds",
        kind: Kind::Gauge,
        labels: &[],
        help: "How long the oldest of what is counted waits to be written to the history, or how old the last \
               samples are where another server is asked",
        write: |scrape, samples| match &scrape.history {
            Some(history) => samples.gauge(&[], &history.behind),
            None => Ok(()),
        },
    },
    Family {
        name: "kubezonnet_history_failures_total",
        kind: Kind::Counter,
        labels: &[],
        help: "Times the history could not be written",
        write: |scrape, samples| match kept(scrape) {
            Some(kept) => samples.counter(&[], kept.failures),
            None => Ok(()),
        },
    },
    Family {
        name: "kubezonnet_history_lost_changes_total",
        kind: Kind::Counter,
        labels: &[],
        help: "Windows, and other changes, that are counted and that the history does not have, as it \
               could not be written for long, could not keep up, was damaged, or was taken away",
        write: |scrape, samples| match kept(scrape) {
            Some(kept) => samples.counter(&[], kept.lost),
            None => Ok(()),
        },
    },
    Family {
        name: "kubezonnet_history_deleted_chunks_total",
        kind: Kind::Counter,
        labels: &["resolution", "reason"],
        help: "Hours of minutes, days of hours and months of days that were deleted from the history",
        write: |scrape, samples| {
            for (resolution, why, count) in kept(scrape).iter().flat_map(|kept| &kept.deleted) {
                samples.counter(&[resolution.as_str(), why.reason()], *count)?;
            }
            Ok(())
        },
    },
];

fn kept(scrape: &Scrape) -> Option<&KeptScrape> {
    scrape.history.as_ref()?.kept.as_ref()
}
