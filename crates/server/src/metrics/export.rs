//! What left besides metrics.

use super::{Family, Kind};

/// The families of this file.
pub(super) const FAMILIES: &[Family] = &[Family {
    name: "kubezonnet_server_export_records_total",
    kind: Kind::Counter,
    labels: &["exporter", "outcome"],
    help: "Records given to an exporter (flow_log: lines): written, or dropped because the reader \
           was too slow or went away",
    write: |scrape, samples| {
        for (exporter, counts) in &scrape.exports {
            samples.counter(&[exporter, "written"], counts.written)?;
            samples.counter(&[exporter, "dropped"], counts.dropped)?;
        }
        Ok(())
    },
}];
