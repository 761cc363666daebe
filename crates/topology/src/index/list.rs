//! Lists: told that these are all there are, the index ends what it has beside them.

use std::sync::Arc;

use kubezonnet_model::Timestamp;

use super::TopologyIndex;
use crate::{NodeState, PodState};

/// A list being told.
#[derive(Debug, Clone, Copy)]
pub(super) struct List {
    pub(super) number: u32,
    /// When it began: everything it tells counts from here.
    pub(super) at: Timestamp,
}

impl List {
    /// The number that an entry keeps of the list that told of it; 0 is none.
    pub(super) fn number(list: Option<Self>) -> u32 {
        list.map_or(0, |list| list.number)
    }
}

impl TopologyIndex {
    /// Begins to tell of all the pods there are: [`Self::apply_pod`] for each, then
    /// [`Self::end_pods`]. One that was begun and not ended is begun anew.
    pub fn begin_pods(&mut self, now: Timestamp) {
        self.pod_list = Some(self.next_list(now));
    }

    /// Ends what [`Self::begin_pods`] began: pods not told of since are gone.
    pub fn end_pods(&mut self) {
        let Some(list) = self.pod_list.take() else {
            return;
        };
        let pods = self.pods.by_uid.iter();
        let unseen: Vec<_> = pods
            .filter(|(_, entry)| entry.seen != list.number)
            .map(|(uid, _)| Arc::clone(uid))
            .collect();
        for uid in unseen {
            self.delete_pod(&uid, list.at);
        }
        let completed = &mut self.pods.completed;
        completed.retain(|_, seen| *seen == list.number);
    }

    /// Begins to tell of all the nodes there are, as [`Self::begin_pods`] does for pods.
    pub fn begin_nodes(&mut self, now: Timestamp) {
        self.node_list = Some(self.next_list(now));
    }

    /// Ends what [`Self::begin_nodes`] began: nodes not told of since are gone.
    pub fn end_nodes(&mut self) {
        let Some(list) = self.node_list.take() else {
            return;
        };
        let nodes = self.nodes.live();
        let unseen: Vec<_> = nodes
            .filter(|entry| entry.seen != list.number)
            .map(|entry| (entry.name.clone(), entry.uid.clone()))
            .collect();
        for (name, uid) in unseen {
            self.delete_node(&name, &uid, list.at);
        }
    }

    /// These are all the pods there are.
    pub fn reset_pods(&mut self, pods: impl IntoIterator<Item = PodState>, now: Timestamp) {
        self.begin_pods(now);
        for pod in pods {
            self.apply_pod(pod, now);
        }
        self.end_pods();
    }

    /// These are all the nodes there are.
    pub fn reset_nodes(&mut self, nodes: impl IntoIterator<Item = NodeState>, now: Timestamp) {
        self.begin_nodes(now);
        for node in nodes {
            self.apply_node(node, now);
        }
        self.end_nodes();
    }

    fn next_list(&mut self, at: Timestamp) -> List {
        self.last_list = self.last_list.checked_add(1).unwrap_or(1);
        List {
            number: self.last_list,
            at,
        }
    }
}
