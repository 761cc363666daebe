//! Whether what is acknowledged is on disk, and how the disk fares.

use super::{Family, Kind};

/// The families of this file.
pub(super) const FAMILIES: &[Family] = &[
    Family {
        name: "kubezonnet_store_durable",
        kind: Kind::Gauge,
        labels: &[],
        help: "1 if windows are on disk before they are acknowledged, 0 with --data-dir none",
        write: |scrape, samples| samples.gauge(&[], &u32::from(scrape.store.durable)),
    },
    Family {
        name: "kubezonnet_store_created_timestamp_seconds",
        kind: Kind::Gauge,
        labels: &["store"],
        help: "When the counters began that are kept in the data directory, which the label names",
        write: |scrape, samples| samples.gauge(&[&scrape.store.id], &scrape.store.created),
    },
    Family {
        name: "kubezonnet_store_up",
        kind: Kind::Gauge,
        labels: &[],
        help: "1 while windows can be kept, 0 while the disk fails and every agent is told to come \
               again",
        write: |scrape, samples| samples.gauge(&[], &u32::from(scrape.store.up)),
    },
    Family {
        name: "kubezonnet_store_failures_total",
        kind: Kind::Counter,
        labels: &["reason"],
        help: "Writes to the database, and tries to open it again, that failed",
        write: |scrape, samples| {
            for (failure, count) in &scrape.store.failures {
                samples.counter(&[failure.as_str()], *count)?;
            }
            Ok(())
        },
    },
    Family {
        name: "kubezonnet_store_commit_duration_seconds",
        kind: Kind::Histogram,
        labels: &[],
        help: "Time to write a group of changes to the database and sync it; the count is that of \
               commits",
        write: |scrape, samples| samples.histogram(scrape.store.commits_sum, &scrape.store.commits),
    },
    Family {
        name: "kubezonnet_store_checkpoints_total",
        kind: Kind::Counter,
        labels: &[],
        help: "Times the journal of changes was brought into the tables",
        write: |scrape, samples| samples.counter(&[], scrape.store.checkpoints),
    },
    Family {
        name: "kubezonnet_store_journal_rows",
        kind: Kind::Gauge,
        labels: &[],
        help: "Changes that are not all in the tables yet, and that the next start would make again",
        write: |scrape, samples| samples.gauge(&[], &scrape.store.sizes.journal_rows),
    },
    Family {
        name: "kubezonnet_store_log_failures_total",
        kind: Kind::Counter,
        labels: &[],
        help: "Times the write-ahead log of SQLite could not be brought into the database: nothing is \
               lost, and it grows until it can",
        write: |scrape, samples| samples.counter(&[], scrape.store.sizes.log_failures),
    },
    Family {
        name: "kubezonnet_store_database_bytes",
        kind: Kind::Gauge,
        labels: &[],
        help: "Size of the database, with the write-ahead log of SQLite",
        write: |scrape, samples| samples.gauge(&[], &scrape.store.sizes.database_bytes),
    },
    Family {
        name: "kubezonnet_store_disk_size_bytes",
        kind: Kind::Gauge,
        labels: &[],
        help: "Size of the file system that the database is on, at the last commit",
        write: |scrape, samples| match scrape.store.sizes.disk {
            Some(disk) => samples.gauge(&[], &disk.size_bytes),
            None => Ok(()),
        },
    },
    Family {
        name: "kubezonnet_store_disk_free_bytes",
        kind: Kind::Gauge,
        labels: &[],
        help: "What the server may still write to that file system, at the last commit",
        write: |scrape, samples| match scrape.store.sizes.disk {
            Some(disk) => samples.gauge(&[], &disk.free_bytes),
            None => Ok(()),
        },
    },
];
