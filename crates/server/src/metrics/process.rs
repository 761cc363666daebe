//! The process, under the names that every Prometheus client uses.

use std::sync::OnceLock;

use procfs::process::Process;
use procfs::{CurrentSI, WithCurrentSystemInfo};

use super::{Family, Kind, ProcessScrape};

/// The families of this file.
pub(super) const FAMILIES: &[Family] = &[
    Family {
        name: "process_cpu_seconds_total",
        kind: Kind::Counter,
        labels: &[],
        help: "Total user and system CPU time spent in seconds",
        write: |scrape, samples| match scrape.process {
            Some(process) => samples.seconds_counter(&[], process.cpu_seconds),
            None => Ok(()),
        },
    },
    Family {
        name: "process_resident_memory_bytes",
        kind: Kind::Gauge,
        labels: &[],
        help: "Resident memory size in bytes",
        write: |scrape, samples| match scrape.process {
            Some(process) => samples.gauge(&[], &process.resident_bytes),
            None => Ok(()),
        },
    },
    Family {
        name: "process_open_fds",
        kind: Kind::Gauge,
        labels: &[],
        help: "Number of open file descriptors",
        write: |scrape, samples| match scrape.process {
            Some(process) => samples.gauge(&[], &process.open_fds),
            None => Ok(()),
        },
    },
    Family {
        name: "process_start_time_seconds",
        kind: Kind::Gauge,
        labels: &[],
        help: "Start time of the process since unix epoch in seconds",
        write: |scrape, samples| match scrape.process {
            Some(process) => samples.gauge(&[], &process.start_seconds),
            None => Ok(()),
        },
    },
];

/// When the machine booted, in seconds since 1970: read once, for the kernel recomputes it from a
/// clock that is adjusted, and a start time must not move.
static BOOT_SECONDS: OnceLock<Option<u64>> = OnceLock::new();

/// What /proc says of this process; `None` where it does not tell.
#[expect(
    clippy::cast_precision_loss,
    reason = "clock ticks stay far below 2^52"
)]
pub(super) fn of_self() -> Option<ProcessScrape> {
    let process = Process::myself().ok()?;
    let stat = process.stat().ok()?;
    let ticks = procfs::ticks_per_second() as f64;
    let boot = (*BOOT_SECONDS.get_or_init(|| Some(procfs::KernelStats::current().ok()?.btime)))?;
    Some(ProcessScrape {
        cpu_seconds: (stat.utime + stat.stime) as f64 / ticks,
        resident_bytes: stat.rss_bytes().get(),
        open_fds: process.fd_count().ok()?,
        start_seconds: boot as f64 + stat.starttime as f64 / ticks,
    })
}
