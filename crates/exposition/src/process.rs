//! What the kernel says of this process, under the names that every Prometheus client uses.

use std::fmt;
use std::sync::OnceLock;

use procfs::process::LimitValue;
use procfs::{CurrentSI, WithCurrentSystemInfo};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

/// One reading of /proc/self.
#[derive(Debug, Clone, Copy, Default)]
pub struct Process {
    /// Processor time used, user and system, in seconds.
    pub cpu_seconds: f64,
    /// Memory resident, in bytes.
    pub resident_bytes: u64,
    /// Memory mapped, in bytes.
    pub virtual_bytes: u64,
    /// Files open.
    pub open_fds: u64,
    /// Most files that may be open; `u64::MAX` if there is no limit.
    pub max_fds: u64,
    /// When it began, in seconds since 1970; the same in every reading.
    pub start_seconds: f64,
}

/// A family of the process: one sample, no labels.
#[derive(Debug)]
pub struct ProcessFamily {
    /// The name as the sample has it.
    pub name: &'static str,
    /// What it means: one line without full stop.
    pub help: &'static str,
    /// Where a reading has it, which also says what kind of metric it is.
    value: Value,
}

/// Takes a value from a reading.
#[derive(Debug, Clone, Copy)]
enum Value {
    /// Only rises, in seconds.
    Counter(fn(&Process) -> f64),
    /// A point in time.
    Instant(fn(&Process) -> f64),
    /// A whole number that rises and falls.
    Gauge(fn(&Process) -> u64),
}

/// Every family of the process, in the order of the page.
pub const FAMILIES: &[ProcessFamily] = &[
    ProcessFamily {
        name: "process_cpu_seconds_total",
        help: "Total user and system CPU time spent in seconds",
        value: Value::Counter(|process| process.cpu_seconds),
    },
    ProcessFamily {
        name: "process_resident_memory_bytes",
        help: "Resident memory size in bytes",
        value: Value::Gauge(|process| process.resident_bytes),
    },
    ProcessFamily {
        name: "process_virtual_memory_bytes",
        help: "Virtual memory size in bytes",
        value: Value::Gauge(|process| process.virtual_bytes),
    },
    ProcessFamily {
        name: "process_open_fds",
        help: "Number of open file descriptors",
        value: Value::Gauge(|process| process.open_fds),
    },
    ProcessFamily {
        name: "process_max_fds",
        help: "Maximum number of open file descriptors",
        value: Value::Gauge(|process| process.max_fds),
    },
    ProcessFamily {
        name: "process_start_time_seconds",
        help: "Start time of the process since unix epoch in seconds",
        value: Value::Instant(|process| process.start_seconds),
    },
];

/// When the machine booted, in seconds since 1970: read once, for the kernel recomputes it from a
/// clock that is adjusted, and a start time must not move.
static BOOT_SECONDS: OnceLock<u64> = OnceLock::new();

impl Process {
    /// Reads /proc/self; `None` where it does not tell.
    pub fn of_self() -> Option<Self> {
        let process = procfs::process::Process::myself().ok()?;
        let stat = process.stat().ok()?;
        let ticks = as_float(procfs::ticks_per_second());
        let max_fds = match process.limits().ok()?.max_open_files.soft_limit {
            LimitValue::Value(limit) => limit,
            LimitValue::Unlimited => u64::MAX,
        };
        Some(Self {
            cpu_seconds: as_float(stat.utime + stat.stime) / ticks,
            resident_bytes: stat.rss_bytes().get(),
            virtual_bytes: stat.vsize,
            open_fds: u64::try_from(process.fd_count().ok()?).unwrap_or(u64::MAX),
            max_fds,
            start_seconds: as_float(boot_seconds()?) + as_float(stat.starttime) / ticks,
        })
    }

    /// Writes all [`FAMILIES`].
    ///
    /// # Errors
    ///
    /// Those of the writer behind.
    pub fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        for family in FAMILIES {
            let (stem, unit) = family.stem_and_unit();
            let mut metric =
                encoder.encode_descriptor(stem, family.help, unit.as_ref(), family.kind())?;
            match family.value {
                Value::Counter(of) => {
                    metric.encode_counter::<NoLabelSet, _, f64>(&of(self), None)?;
                }
                Value::Instant(of) => metric.encode_gauge(&of(self))?,
                Value::Gauge(of) => metric.encode_gauge(&of(self))?,
            }
        }
        Ok(())
    }
}

impl ProcessFamily {
    /// What kind of metric it is.
    pub const fn kind(&self) -> MetricType {
        match self.value {
            Value::Counter(_) => MetricType::Counter,
            Value::Instant(_) | Value::Gauge(_) => MetricType::Gauge,
        }
    }

    /// The name without what the encoder adds: the unit, and a counter's `_total`.
    fn stem_and_unit(&self) -> (&'static str, Option<Unit>) {
        let name = self.name.strip_suffix("_total").unwrap_or(self.name);
        if let Some(stem) = name.strip_suffix("_seconds") {
            (stem, Some(Unit::Seconds))
        } else if let Some(stem) = name.strip_suffix("_bytes") {
            (stem, Some(Unit::Bytes))
        } else {
            (name, None)
        }
    }
}

/// Reads /proc/self at each scrape.
#[derive(Debug)]
pub struct ProcessCollector;

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        // Without /proc there is nothing to tell: the rest of the page is still worth having.
        Process::of_self().map_or(Ok(()), |process| process.encode(&mut encoder))
    }
}

fn boot_seconds() -> Option<u64> {
    if let Some(seconds) = BOOT_SECONDS.get() {
        return Some(*seconds);
    }
    let seconds = procfs::KernelStats::current().ok()?.btime;
    Some(*BOOT_SECONDS.get_or_init(|| seconds))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "clock ticks and the time of boot stay far below 2^53"
)]
fn as_float(value: u64) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;

    use super::*;
    use crate::Format;

    #[derive(Debug)]
    struct Known(Process);

    impl Collector for Known {
        fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
            self.0.encode(&mut encoder)
        }
    }

    fn page(collector: impl Collector + 'static) -> String {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(collector));
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        text
    }

    #[test]
    fn a_reading_is_shown_in_base_units_and_whole_numbers_as_such() {
        let process = Process {
            cpu_seconds: 1.25,
            resident_bytes: 40_000_000,
            virtual_bytes: 90_000_000,
            open_fds: 17,
            max_fds: 1024,
            start_seconds: 1_800_000_000.5,
        };

        let open_metrics = page(Known(process));

        let expected = "\
# HELP process_cpu_seconds Total user and system CPU time spent in seconds
# TYPE process_cpu_seconds counter
# UNIT process_cpu_seconds seconds
process_cpu_seconds_total 1.25
# HELP process_resident_memory_bytes Resident memory size in bytes
# TYPE process_resident_memory_bytes gauge
# UNIT process_resident_memory_bytes bytes
process_resident_memory_bytes 40000000
# HELP process_virtual_memory_bytes Virtual memory size in bytes
# TYPE process_virtual_memory_bytes gauge
# UNIT process_virtual_memory_bytes bytes
process_virtual_memory_bytes 90000000
# HELP process_open_fds Number of open file descriptors
# TYPE process_open_fds gauge
process_open_fds 17
# HELP process_max_fds Maximum number of open file descriptors
# TYPE process_max_fds gauge
process_max_fds 1024
# HELP process_start_time_seconds Start time of the process since unix epoch in seconds
# TYPE process_start_time_seconds gauge
# UNIT process_start_time_seconds seconds
process_start_time_seconds 1800000000.5
# EOF
";
        assert_eq!(open_metrics, expected);
    }

    #[test]
    fn the_collector_shows_every_family_of_this_process() {
        let classic = Format::Classic.from_open_metrics(page(ProcessCollector));

        for family in FAMILIES {
            let has_value = classic.lines().any(|line| {
                line.strip_prefix(family.name)
                    .and_then(|rest| rest.trim().parse::<f64>().ok())
                    .is_some_and(|value| value >= 0.0)
            });
            assert!(has_value, "no value of {}\n{classic}", family.name);
        }
    }

    #[test]
    fn what_proc_says_of_this_process_is_plausible() {
        let process = Process::of_self().unwrap();

        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap();
        let start = Duration::from_secs_f64(process.start_seconds);
        // Boot times are whole seconds, and a test process lives for minutes at most.
        assert!(start < now + Duration::from_secs(2), "{start:?} {now:?}");
        assert!(start + Duration::from_hours(1) > now, "{start:?} {now:?}");
        assert!(process.resident_bytes > 0);
        assert!(process.virtual_bytes > process.resident_bytes);
        assert!(process.open_fds > 0);
        assert!(process.max_fds >= process.open_fds);
    }

    #[test]
    fn the_time_of_boot_is_read_only_once() {
        let first = boot_seconds().unwrap();

        assert_eq!(BOOT_SECONDS.get(), Some(&first));
        assert_eq!(boot_seconds(), Some(first));
    }

    #[test]
    fn names_and_help_keep_to_the_conventions() {
        for family in FAMILIES {
            let counter = matches!(family.kind(), MetricType::Counter);
            assert_eq!(family.name.ends_with("_total"), counter, "{}", family.name);
            assert!(family.name.starts_with("process_"), "{}", family.name);
            assert!(!family.help.contains(['\n', '"', '\\']), "{}", family.help);
            assert!(!family.help.ends_with('.'), "{}", family.help);
        }
    }
}
