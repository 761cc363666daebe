//! The flags that say which counters are shown, and how many.

use clap::Args;

use super::positive;
use crate::ledger::SeriesLimits;
use crate::metrics::Group;

/// What is shown at /metrics.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Metrics")]
pub struct MetricsFlags {
    /// Counters to leave out of /metrics; several with commas between them.
    ///
    /// They are counted all the same.
    #[arg(
        long,
        env = "KUBEZONNET_METRICS_DISABLE",
        value_enum,
        value_delimiter = ',',
        value_name = "GROUP"
    )]
    pub metrics_disable: Vec<Group>,

    /// Most pods and nodes with counters of their own; past it the smallest are counted together.
    #[arg(long, env = "KUBEZONNET_MAX_POD_SERIES", default_value_t = SeriesLimits::default().subjects, value_parser = positive, value_name = "COUNT")]
    pub max_pod_series: usize,

    /// Most pairs of workloads with counters of their own; past it the smallest are counted together,
    /// by their zones and regions.
    ///
    /// A pair counts several times where its traffic differs in zone, locality, direction, Service or
    /// labels.
    #[arg(long, env = "KUBEZONNET_MAX_WORKLOAD_SERIES", default_value_t = SeriesLimits::default().edges, value_parser = positive, value_name = "COUNT")]
    pub max_workload_series: usize,
}

impl MetricsFlags {
    /// How many series and edges there may be.
    pub fn series(&self) -> SeriesLimits {
        SeriesLimits {
            subjects: self.max_pod_series,
            edges: self.max_workload_series,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;
    use crate::config::Config;

    #[test]
    fn what_is_left_out_and_how_many_there_may_be_is_said_by_flags() {
        let arguments = [
            "kubezonnet-server",
            "--metrics-disable=workloads,hosts",
            "--max-pod-series=7",
        ];
        let config = Config::read(arguments.map(OsString::from)).unwrap();

        let limits = SeriesLimits {
            subjects: 7,
            ..SeriesLimits::default()
        };
        assert_eq!(config.metrics.series(), limits);
        assert_eq!(
            config.metrics.metrics_disable,
            [Group::Workloads, Group::Hosts]
        );
    }
}
