//! Follows one kind of object: lists it, watches it, tells the index.

use std::convert::Infallible;
use std::fmt::Debug;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::StreamExt;
use kube::Api;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event};
use kubezonnet_model::Timestamp;
use serde::de::DeserializeOwned;

use super::convert::{Malformed, node_state, pod_state};
use super::failure::{Complaints, is_expired_start, reason};
use super::object::{NodeObject, PodObject};
use crate::{Clock, FailureReason, KeptLabels, Source, Topology, TopologyIndex};

/// How long to wait before all is listed anew because a watch could not go on from its list.
const BEFORE_RESTART: Duration = Duration::from_secs(1);

/// A kind of object, and how the index is told of it.
pub(super) trait Followed:
    kube::Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static
{
    const SOURCE: Source;

    fn begin(index: &mut TopologyIndex, now: Timestamp);
    /// Ends the list; what that takes is left to do.
    fn end(index: &mut TopologyIndex);
    fn apply(
        self,
        index: &mut TopologyIndex,
        kept: &KeptLabels,
        now: Timestamp,
    ) -> Result<(), Malformed>;
    fn delete(self, index: &mut TopologyIndex, now: Timestamp) -> Result<(), Malformed>;
}

impl Followed for PodObject {
    const SOURCE: Source = Source::Pods;

    fn begin(index: &mut TopologyIndex, now: Timestamp) {
        index.begin_pods(now);
    }

    fn end(index: &mut TopologyIndex) {
        index.end_pods_later();
    }

    fn apply(
        self,
        index: &mut TopologyIndex,
        kept: &KeptLabels,
        now: Timestamp,
    ) -> Result<(), Malformed> {
        index.apply_pod(pod_state(self, kept)?, now);
        Ok(())
    }

    fn delete(self, index: &mut TopologyIndex, now: Timestamp) -> Result<(), Malformed> {
        let kept = KeptLabels::default();
        index.delete_pod(&pod_state(self, &kept)?.uid, now);
        Ok(())
    }
}

impl Followed for NodeObject {
    const SOURCE: Source = Source::Nodes;

    fn begin(index: &mut TopologyIndex, now: Timestamp) {
        index.begin_nodes(now);
    }

    fn end(index: &mut TopologyIndex) {
        index.end_nodes();
    }

    fn apply(
        self,
        index: &mut TopologyIndex,
        _: &KeptLabels,
        now: Timestamp,
    ) -> Result<(), Malformed> {
        index.apply_node(node_state(self)?, now);
        Ok(())
    }

    fn delete(self, index: &mut TopologyIndex, now: Timestamp) -> Result<(), Malformed> {
        let node = node_state(self)?;
        index.delete_node(&node.name, &node.uid, now);
        Ok(())
    }
}

/// Follows one kind of object for ever.
pub(super) struct Follower<'a> {
    topology: &'a Topology,
    clock: &'a Clock,
    /// How many kinds have not been listed yet; the topology is synced when none is left.
    unlisted: &'a AtomicUsize,
    config: watcher::Config,
    was_listed: bool,
    /// Objects in the list being told.
    listed: u64,
}

impl<'a> Follower<'a> {
    pub(super) fn new(
        topology: &'a Topology,
        clock: &'a Clock,
        unlisted: &'a AtomicUsize,
        config: watcher::Config,
    ) -> Self {
        Self {
            topology,
            clock,
            unlisted,
            config,
            was_listed: false,
            listed: 0,
        }
    }

    pub(super) async fn follow<K: Followed>(mut self, api: Api<K>) -> Infallible {
        let mut complaints = Complaints::about(K::SOURCE);
        loop {
            let events = watcher::watcher(api.clone(), self.config.clone()).default_backoff();
            let mut events = pin!(events);
            while let Some(event) = events.next().await {
                match event {
                    Ok(event) => self.take(event, &mut complaints),
                    Err(error) => {
                        let reason = reason(&error);
                        self.topology.count_failure(K::SOURCE, reason);
                        complaints.failed(reason, &error);
                        if is_expired_start(&error) {
                            break;
                        }
                    }
                }
            }
            tokio::time::sleep(BEFORE_RESTART).await;
        }
    }

    fn take<K: Followed>(&mut self, event: Event<K>, complaints: &mut Complaints) {
        let now = self.clock.now();
        let taken = match event {
            Event::Init => {
                // A list is only asked for: nothing was heard yet.
                K::begin(&mut self.topology.write(), now);
                self.listed = 0;
                return;
            }
            Event::InitApply(object) => {
                self.listed += 1;
                let kept = self.topology.labels();
                self.topology.tell(|index| object.apply(index, kept, now))
            }
            Event::InitDone => {
                self.topology.tell(K::end);
                self.topology.count_relist(K::SOURCE);
                complaints.listed(self.listed);
                if !std::mem::replace(&mut self.was_listed, true)
                    && self.unlisted.fetch_sub(1, Ordering::AcqRel) == 1
                {
                    self.topology.set_synced();
                }
                Ok(())
            }
            Event::Apply(object) => {
                self.topology.count_event(K::SOURCE);
                let kept = self.topology.labels();
                self.topology.tell(|index| object.apply(index, kept, now))
            }
            Event::Delete(object) => {
                self.topology.count_event(K::SOURCE);
                self.topology.tell(|index| object.delete(index, now))
            }
        };
        self.topology.heard(now);
        if let Err(error) = taken {
            let reason = FailureReason::Malformed;
            self.topology.count_failure(K::SOURCE, reason);
            complaints.failed(reason, &error);
        }
    }
}
