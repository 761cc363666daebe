//! What the kernel says of this process, under the names every Prometheus client uses.

use std::fmt;

use procfs::process::{LimitValue, Process};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

/// Reads /proc/self at each scrape.
#[derive(Debug)]
pub(super) struct ProcessCollector;

/// One reading of /proc/self.
struct Reading {
    cpu_seconds: f64,
    resident_bytes: u64,
    virtual_bytes: u64,
    start_seconds: f64,
    open_files: u64,
    max_files: u64,
}

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        // Without /proc there is nothing to tell: the rest of the page is still worth having.
        let Ok(reading) = Reading::take() else {
            return Ok(());
        };
        let cpu = ConstCounter::new(reading.cpu_seconds);
        cpu.encode(encoder.encode_descriptor(
            "process_cpu",
            "User and system CPU time spent.",
            Some(&Unit::Seconds),
            cpu.metric_type(),
        )?)?;
        let gauges = [
            (
                "process_resident_memory",
                "Resident memory.",
                Unit::Bytes,
                as_float(reading.resident_bytes),
            ),
            (
                "process_virtual_memory",
                "Virtual memory.",
                Unit::Bytes,
                as_float(reading.virtual_bytes),
            ),
            (
                "process_start_time",
                "Start of the process since the Unix epoch.",
                Unit::Seconds,
                reading.start_seconds,
            ),
        ];
        for (name, help, unit, value) in gauges {
            let gauge = ConstGauge::new(value);
            gauge.encode(encoder.encode_descriptor(
                name,
                help,
                Some(&unit),
                gauge.metric_type(),
            )?)?;
        }
        let counts = [
            (
                "process_open_fds",
                "Open file descriptors.",
                reading.open_files,
            ),
            (
                "process_max_fds",
                "Most file descriptors that may be open.",
                reading.max_files,
            ),
        ];
        for (name, help, value) in counts {
            let gauge = ConstGauge::new(as_float(value));
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        Ok(())
    }
}

impl Reading {
    fn take() -> procfs::ProcResult<Self> {
        let process = Process::myself()?;
        let stat = process.stat()?;
        let ticks = as_float(procfs::ticks_per_second());
        let booted = as_float(procfs::boot_time_secs()?);
        let max_files = match process.limits()?.max_open_files.soft_limit {
            LimitValue::Value(limit) => limit,
            LimitValue::Unlimited => u64::MAX,
        };
        Ok(Self {
            cpu_seconds: as_float(stat.utime + stat.stime) / ticks,
            resident_bytes: stat.rss * procfs::page_size(),
            virtual_bytes: stat.vsize,
            start_seconds: booted + as_float(stat.starttime) / ticks,
            open_files: u64::try_from(process.fd_count()?).unwrap_or(u64::MAX),
            max_files,
        })
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "exact up to 2^53, and a reading beyond that needs no last digit"
)]
fn as_float(value: u64) -> f64 {
    value as f64
}
