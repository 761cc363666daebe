//! What there is, by name: whose series stay.

use kubezonnet_topology::TopologyIndex;

use crate::ledger::{Subject, Who};
use crate::names::Key;

/// Whether what has that name is there, or is nothing that could go.
pub(super) fn exists(key: &Key, topology: &TopologyIndex) -> bool {
    match key {
        Key::Subject(Subject::Pod(namespace, name)) => {
            topology.has_pod(namespace.as_str(), name.as_str())
        }
        Key::Subject(Subject::Node(name)) => topology.has_node(name),
        Key::Side(side) => match &side.who {
            Who::Workload(namespace, kind, name) => {
                topology.has_workload(namespace.as_str(), kind.as_str(), name.as_str())
            }
            Who::Node(name) => topology.has_node(name),
            // Whether a Service is there nobody tells: its edges go as they are too many.
            Who::Service(_)
            | Who::Network { .. }
            | Who::Internet
            | Who::Unknown(_)
            | Who::Other
            | Who::Gone => true,
        },
        Key::Subject(Subject::Other) | Key::Service(_) => true,
    }
}
