//! What a pod is: its workload, its labels, its node. Told of anew, it is replaced wherever it is.

use std::sync::Arc;

use kubezonnet_model::{Labels, Name, Namespace, NodeName, Pod, Timestamp, Workload};

use super::TopologyIndex;
use super::list::List;
use super::nodes::Slot;
use super::pods::{Phase, PodEntry, PodSlot};
use super::uid::Uid;
use crate::PodState;

/// What a pod is to be, before it is shared.
struct Wanted {
    namespace: Namespace,
    name: Name,
    workload: Arc<Workload>,
    node: Option<NodeName>,
    labels: Labels,
}

impl Wanted {
    fn is(&self, pod: &Pod) -> bool {
        pod.namespace == self.namespace
            && pod.name == self.name
            && pod.workload == self.workload
            && pod.node == self.node
            && pod.labels == self.labels
    }
}

impl TopologyIndex {
    /// Takes up a pod that is not known.
    pub(super) fn add_pod(
        &mut self,
        uid: Uid,
        state: PodState,
        phase: Phase,
        ended: Timestamp,
    ) -> PodSlot {
        let node = self.node_slot(state.node.as_ref());
        let own = self.kept(&state.labels);
        let controller = state.controller.as_deref().map(Uid::of);
        let owner = controller
            .as_ref()
            .and_then(|uid| self.owners.workload(uid));
        let is_owner_known = owner.is_some();
        let workload = owner.map_or_else(|| told(state.workload, &state.name), Arc::clone);
        let wanted = Wanted {
            labels: self.merged(&own, &state.namespace),
            namespace: state.namespace,
            name: state.name,
            workload,
            node: state.node,
        };
        let is_running = phase == Phase::Running;
        let pod = self.share(wanted, state.uid.into(), node, is_running);
        let waits_for = controller.clone().filter(|_| !is_owner_known);
        let entry = PodEntry {
            pod,
            addresses: Box::default(),
            own,
            controller,
            digest: state.digest.map(Box::new),
            created: state.created,
            ended,
            slot: node,
            seen: List::number(self.pod_list),
            phase,
            leaving: state.leaving,
        };
        let slot = self.pods.insert(uid, entry);
        if let Some(owner) = waits_for {
            self.owners.wait(&owner, slot);
        }
        slot
    }

    /// The pod in the slot is as told.
    pub(super) fn renew_pod(&mut self, slot: PodSlot, state: PodState) {
        let own = self.kept(&state.labels);
        let seen = List::number(self.pod_list);
        let Some(entry) = self.pods.get_mut(slot) else {
            return;
        };
        let controller = state.controller.as_deref().map(Uid::of);
        let former = std::mem::replace(&mut entry.controller, controller.clone());
        let own_before = std::mem::replace(&mut entry.own, own.clone());
        (entry.created, entry.leaving, entry.seen) = (state.created, state.leaving, seen);
        let known = Arc::clone(&entry.pod);
        self.give_back(&own_before);

        let workload = match &controller {
            // What its owner said while it was known stays true.
            Some(uid) => match self.owners.workload(uid) {
                Some(workload) => Arc::clone(workload),
                None if former == controller => Arc::clone(&known.workload),
                None => {
                    self.owners.wait(uid, slot);
                    told(state.workload, &state.name)
                }
            },
            None => told(state.workload, &state.name),
        };
        if let Some(former) = former.filter(|former| Some(former) != controller.as_ref()) {
            self.owners.wait_no_more(&former, slot);
        }
        let wanted = Wanted {
            labels: self.merged(&own, &state.namespace),
            namespace: state.namespace,
            name: state.name,
            workload,
            node: state.node,
        };
        self.replace(slot, &known, wanted);
    }

    /// The pod's owner or namespace is another than it was.
    pub(super) fn refresh_pod(&mut self, slot: PodSlot) {
        let Some(entry) = self.pods.get(slot) else {
            return;
        };
        let known = Arc::clone(&entry.pod);
        let owner = entry.controller.as_ref();
        let owner = owner.and_then(|uid| self.owners.workload(uid));
        let wanted = Wanted {
            labels: self.merged(&entry.own, &known.namespace),
            namespace: known.namespace.clone(),
            name: known.name.clone(),
            workload: Arc::clone(owner.unwrap_or(&known.workload)),
            node: known.node.clone(),
        };
        self.replace(slot, &known, wanted);
    }

    /// Forgets the pod; what it held is forgotten by itself.
    pub(super) fn forget_pod(&mut self, slot: PodSlot) -> Option<(Uid, PodEntry)> {
        let (uid, entry) = self.pods.remove(slot)?;
        self.unshare(&entry.pod, entry.slot, entry.is_running());
        self.give_back(&entry.own);
        if let Some(owner) = &entry.controller {
            self.owners.wait_no_more(owner, slot);
        }
        Some((uid, entry))
    }

    /// The pod ends, or runs again.
    pub(super) fn set_phase(&mut self, slot: PodSlot, phase: Phase, ended: Timestamp) {
        let Some(entry) = self.pods.get(slot) else {
            return;
        };
        let is_running = phase == Phase::Running;
        if entry.is_running() != is_running {
            self.namespaces.set_running(&entry.pod, is_running);
        }
        self.pods.set_phase(slot, phase, ended);
    }

    /// Puts the pod as it is wanted in the place of the one that is known, with all that it holds
    /// and held.
    fn replace(&mut self, slot: PodSlot, known: &Arc<Pod>, wanted: Wanted) {
        if wanted.is(known) {
            return;
        }
        let Some(entry) = self.pods.get(slot) else {
            return;
        };
        let (node_before, is_running) = (entry.slot, entry.is_running());
        let node = self.node_slot(wanted.node.as_ref());
        let pod = self.share(wanted, Arc::clone(&known.uid), node, is_running);
        self.unshare(known, node_before, is_running);
        self.pods.replace(slot, &pod, node);
        let addresses = self.pods.get(slot).map(|entry| &*entry.addresses);
        for address in addresses.unwrap_or_default() {
            if let Some(holdings) = self.addresses.get_mut(address) {
                holdings.renew(&pod, node, &mut self.nodes);
            }
        }
    }

    /// Makes the pod, with all that it shares with others.
    fn share(&mut self, wanted: Wanted, uid: Arc<str>, node: Slot, is_running: bool) -> Arc<Pod> {
        let Wanted {
            namespace,
            name,
            workload,
            labels,
            ..
        } = wanted;
        let (namespace, workload) = self.namespaces.join(namespace, workload, is_running);
        self.nodes.take(node);
        Arc::new(Pod {
            namespace,
            name,
            uid,
            workload,
            node: self.nodes.get(node).map(|entry| entry.name.clone()),
            labels: Labels(labels.0.map(|values| self.labels.take(values))),
        })
    }

    /// The reverse of [`Self::share`].
    fn unshare(&mut self, pod: &Pod, node: Slot, is_running: bool) {
        self.namespaces.leave(pod, is_running);
        self.nodes.give_back(node);
        self.give_back(&pod.labels);
    }

    fn node_slot(&mut self, name: Option<&NodeName>) -> Slot {
        name.map_or(Slot::NONE, |name| self.nodes.slot(name))
    }

    /// The values as one shares them; nothing where there is none.
    fn kept(&mut self, values: &[Option<Name>]) -> Labels {
        let is_any = values.iter().any(Option::is_some);
        Labels(is_any.then(|| self.labels.take(values.into())))
    }

    fn give_back(&mut self, labels: &Labels) {
        if let Some(values) = &labels.0 {
            self.labels.give_back(values);
        }
    }

    /// A pod's own values, and its namespace's where it has none; not shared yet.
    fn merged(&self, own: &Labels, namespace: &Namespace) -> Labels {
        let inherited = self.namespaces.labels(namespace);
        let Some(values) = &own.0 else {
            let is_any = inherited.iter().any(Option::is_some);
            return Labels(is_any.then(|| inherited.into()));
        };
        let is_filled = |(place, value): (usize, &Option<Name>)| {
            value.is_some() || inherited.get(place).is_none_or(Option::is_none)
        };
        if values.iter().enumerate().all(is_filled) {
            return own.clone();
        }
        let value = |(place, value): (usize, &Option<Name>)| {
            let inherited = || inherited.get(place).cloned().flatten();
            value.clone().or_else(inherited)
        };
        Labels(Some(values.iter().enumerate().map(value).collect()))
    }
}

/// What the pod tells of its owner; a bare pod is its own.
fn told(workload: Option<Workload>, name: &Name) -> Arc<Workload> {
    Arc::new(workload.unwrap_or_else(|| Workload {
        kind: Name::new(Workload::POD).expect("a kind of three letters is a name"),
        name: name.clone(),
    }))
}
