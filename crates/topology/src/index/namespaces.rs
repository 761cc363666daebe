//! The namespaces: what is told of them, and the workloads whose pods they have.

use std::sync::Arc;

use foldhash::HashMap;
use kubezonnet_model::{Name, Namespace, Pod, Workload};

/// Every namespace that a pod is in, or that was told of.
#[derive(Debug, Default)]
pub(super) struct Namespaces(HashMap<Namespace, NamespaceEntry>);

#[derive(Debug, Default)]
struct NamespaceEntry {
    /// The values of the labels that are kept.
    labels: Box<[Option<Name>]>,
    /// Told of, and not gone.
    live: bool,
    /// The list that last had it.
    seen: u32,
    /// How many pods are remembered that are in it.
    pods: u32,
    workloads: HashMap<Arc<Workload>, Members>,
}

/// How many pods a workload has.
#[derive(Debug, Default)]
struct Members {
    /// Those that are remembered.
    all: u32,
    /// Of these, those that have not ended.
    running: u32,
}

impl Namespaces {
    /// One more pod is in the namespace and belongs to the workload; returns both as they are shared.
    pub(super) fn join(
        &mut self,
        namespace: Namespace,
        workload: Arc<Workload>,
        is_running: bool,
    ) -> (Namespace, Arc<Workload>) {
        let shared = self.0.get_key_value(&namespace);
        let namespace = shared.map_or(namespace, |(shared, _)| shared.clone());
        let entry = self.0.entry(namespace.clone()).or_default();
        entry.pods += 1;
        let shared = entry.workloads.get_key_value(&workload);
        let workload = shared.map_or(workload, |(shared, _)| Arc::clone(shared));
        let members = entry.workloads.entry(Arc::clone(&workload)).or_default();
        members.all += 1;
        members.running += u32::from(is_running);
        (namespace, workload)
    }

    /// The reverse of [`Self::join`].
    pub(super) fn leave(&mut self, pod: &Pod, is_running: bool) {
        let Some(entry) = self.0.get_mut(&pod.namespace) else {
            return;
        };
        entry.pods -= 1;
        if let Some(members) = entry.workloads.get_mut(&pod.workload) {
            members.all -= 1;
            members.running -= u32::from(is_running);
            if members.all == 0 {
                entry.workloads.remove(&pod.workload);
            }
        }
        if entry.pods == 0 && !entry.live {
            self.0.remove(&pod.namespace);
        }
    }

    /// A pod that joined has ended, or runs again.
    pub(super) fn set_running(&mut self, pod: &Pod, is_running: bool) {
        let entry = self.0.get_mut(&pod.namespace);
        let members = entry.and_then(|entry| entry.workloads.get_mut(&pod.workload));
        if let Some(members) = members {
            members.running = if is_running {
                members.running + 1
            } else {
                members.running - 1
            };
        }
    }

    /// Whether a pod of the workload runs in the namespace.
    pub(super) fn runs(&self, namespace: &str, workload: &Workload) -> bool {
        let entry = self.0.get(namespace);
        let members = entry.and_then(|entry| entry.workloads.get(workload));
        members.is_some_and(|members| members.running > 0)
    }

    /// The values of the namespace's labels that are kept.
    pub(super) fn labels(&self, namespace: &Namespace) -> &[Option<Name>] {
        self.0.get(namespace).map_or(&[], |entry| &entry.labels)
    }

    /// Whether a pod is remembered that is in it, or it was told of and is not gone.
    pub(super) fn has(&self, namespace: &Namespace) -> bool {
        self.0.contains_key(namespace)
    }

    /// The values of one of the labels that are kept, of each namespace that has it.
    pub(super) fn values(&self, place: usize) -> impl Iterator<Item = &Name> {
        let values = self.0.values().map(move |entry| entry.labels.get(place));
        values.filter_map(|value| value?.as_ref())
    }

    /// Takes over what is told; true if it makes a difference to pods.
    pub(super) fn told(
        &mut self,
        namespace: Namespace,
        labels: Box<[Option<Name>]>,
        list: u32,
    ) -> bool {
        let entry = self.0.entry(namespace).or_default();
        entry.live = true;
        entry.seen = list;
        let before = std::mem::replace(&mut entry.labels, labels);
        before.iter().ne(&*entry.labels) && entry.pods > 0
    }

    /// The namespace is gone; its pods keep its labels until they go too.
    pub(super) fn gone(&mut self, namespace: &Namespace) {
        if let Some(entry) = self.0.get_mut(namespace) {
            entry.live = false;
            if entry.pods == 0 {
                self.0.remove(namespace);
            }
        }
    }

    /// Those there are by what was told and that the list did not have.
    pub(super) fn unseen(&self, list: u32) -> Vec<Namespace> {
        let entries = self.0.iter();
        entries
            .filter(|(_, entry)| entry.live && entry.seen != list)
            .map(|(namespace, _)| namespace.clone())
            .collect()
    }
}
