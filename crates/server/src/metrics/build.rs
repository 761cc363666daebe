//! Which build this is.

use super::{Family, Kind};

/// The families of this file.
pub(super) const FAMILIES: &[Family] = &[Family {
    name: "kubezonnet_server_build_info",
    kind: Kind::Gauge,
    labels: &["version"],
    help: "Always 1, with the version of the server",
    write: |scrape, samples| samples.gauge(&[scrape.version], &1_u32),
}];
