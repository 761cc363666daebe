//! The pods there are.

use std::sync::Arc;

use foldhash::HashMap;
use kubezonnet_model::{Labels, Name, Namespace, Pod, Timestamp, Workload};

use super::address::Address;
use super::names::Names;
use super::nodes::{Nodes, Slot};
use crate::PodState;

/// A pod that has not completed.
#[derive(Debug)]
pub(super) struct PodEntry {
    pub(super) pod: Arc<Pod>,
    pub(super) slot: Slot,
    /// What it names; another may have taken one of them from it since.
    pub(super) addresses: Box<[Address]>,
    pub(super) created: Option<Timestamp>,
    pub(super) leaving: bool,
    /// The list that last had it.
    pub(super) seen: u32,
}

/// Every pod there is.
#[derive(Debug, Default)]
pub(super) struct Pods {
    /// Those that have not completed, by uid.
    pub(super) by_uid: HashMap<Arc<str>, PodEntry>,
    /// Uids of pods that have completed and still exist, with the list that last had them: they
    /// hold nothing, and what is told of them changes nothing.
    pub(super) completed: HashMap<Arc<str>, u32>,
    /// What the list being told claims, settled at its end.
    pub(super) claims: Vec<(Address, Arc<str>)>,
    namespaces: Names<Namespace>,
    workloads: Names<Arc<Workload>>,
}

impl Pods {
    /// The pod as the model has it: the one we have, if nothing of it changed.
    pub(super) fn shared(&mut self, state: PodState, nodes: &mut Nodes) -> (Arc<Pod>, Slot) {
        let slot = match &state.node {
            Some(name) => nodes.slot(name),
            None => Slot::NONE,
        };
        let workload = self.workload(&state);
        let known = self.by_uid.get(state.uid.as_str()).map(|entry| &entry.pod);
        if let Some(known) = known
            && known.namespace == state.namespace
            && known.name == state.name
            && known.workload == workload
            && known.node == state.node
        {
            return (Arc::clone(known), slot);
        }
        let uid = known.map_or_else(|| state.uid.as_str().into(), |known| Arc::clone(&known.uid));
        let pod = Pod {
            namespace: self.namespaces.shared(state.namespace),
            name: state.name,
            uid,
            workload,
            node: nodes.get(slot).map(|entry| entry.name.clone()),
            labels: Labels::default(),
        };
        (Arc::new(pod), slot)
    }

    /// Its top owner; a bare pod is its own.
    fn workload(&mut self, state: &PodState) -> Arc<Workload> {
        let workload = state.workload.clone().unwrap_or_else(|| Workload {
            kind: Name::new(Workload::POD).expect("a kind of three letters is a name"),
            name: state.name.clone(),
        });
        self.workloads.shared(Arc::new(workload))
    }

    /// Lets go of the names that no pod has any more.
    pub(super) fn prune(&mut self) {
        let pods = || self.by_uid.values().map(|entry| &entry.pod);
        if self.namespaces.is_due() {
            self.namespaces.rebuild(pods().map(|pod| &pod.namespace));
        }
        if self.workloads.is_due() {
            self.workloads.rebuild(pods().map(|pod| &pod.workload));
        }
    }
}
