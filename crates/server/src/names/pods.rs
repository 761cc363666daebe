//! The ids of pods by the pods themselves: a window has thousands of pods, and to look at the names
//! of each would take longer than all else.

use std::sync::Arc;

use foldhash::HashMap;
use kubezonnet_model::{Pod, Site};

use super::Id;
use crate::ledger::Place;

/// The ids of a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PodIds {
    /// As who is charged.
    pub subject: Id,
    /// As a side of edges.
    pub side: Id,
}

/// Pods by where they are in memory.
#[derive(Debug, Default)]
pub(super) struct Pods(HashMap<usize, Known>);

#[derive(Debug)]
struct Known {
    /// Only held: nothing else can be where it is.
    _pod: Arc<Pod>,
    /// Where it was then: a node's labels change while its pods stay.
    place: Place,
    ids: PodIds,
}

fn address(pod: &Arc<Pod>) -> usize {
    Arc::as_ptr(pod).addr()
}

impl Pods {
    pub(super) fn find(&self, pod: &Arc<Pod>, site: &Site) -> Option<PodIds> {
        let known = self.0.get(&address(pod))?;
        known.place.is_of(site).then_some(known.ids)
    }

    pub(super) fn remember(&mut self, pod: &Arc<Pod>, site: &Site, ids: PodIds) {
        let known = Known {
            _pod: Arc::clone(pod),
            place: Place::of(site),
            ids,
        };
        self.0.insert(address(pod), known);
    }

    pub(super) fn forget_all(&mut self) {
        self.0 = HashMap::default();
    }
}
