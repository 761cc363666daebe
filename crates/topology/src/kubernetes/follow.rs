//! Follows one kind of object: lists it, watches it, tells the index.

use std::convert::Infallible;
use std::pin::pin;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client};
use tokio::sync::watch;

use super::failure::{Complaints, is_expired_start, reason};
use super::followed::Followed;
use crate::{Clock, FailureReason, Topology};

/// How long to wait before all is listed anew because a watch could not go on from its list.
const BEFORE_RESTART: Duration = Duration::from_secs(1);

/// After so many failures in a row nobody waits any more for what can be done without.
const PATIENCE: u32 = 3;

/// Follows one kind of object for ever.
pub(super) struct Follower<'a> {
    topology: &'a Topology,
    clock: &'a Clock,
    /// What waits until this kind has been told of.
    awaited: &'a [&'a Awaited],
    config: watcher::Config,
    is_settled: bool,
    /// Failures since the last that was none.
    failures: u32,
    /// Objects in the list being told.
    listed: u64,
}

/// Kinds of objects that something waits for.
#[derive(Debug)]
pub(super) struct Awaited(watch::Sender<usize>);

impl Awaited {
    /// So many kinds.
    pub(super) fn new(kinds: usize) -> Self {
        Self(watch::Sender::new(kinds))
    }

    /// One of them has been listed, or is done without.
    fn settle(&self) {
        self.0.send_modify(|kinds| *kinds -= 1);
    }

    /// Waits until all of them are.
    pub(super) async fn all(&self) {
        let mut kinds = self.0.subscribe();
        // Whoever tells of them is not dropped before.
        let _ = kinds.wait_for(|kinds| *kinds == 0).await;
    }
}

impl<'a> Follower<'a> {
    pub(super) fn new(
        topology: &'a Topology,
        clock: &'a Clock,
        awaited: &'a [&'a Awaited],
        config: watcher::Config,
    ) -> Self {
        Self {
            topology,
            clock,
            awaited,
            config,
            is_settled: false,
            failures: 0,
            listed: 0,
        }
    }

    /// Follows for ever; in a box, as many are followed at a time.
    pub(super) fn follow<K: Followed>(self, client: Client) -> BoxFuture<'a, Infallible> {
        self.follow_on::<K>(client).boxed()
    }

    async fn follow_on<K: Followed>(mut self, client: Client) -> Infallible {
        let api = Api::<K>::all(client);
        let mut complaints = Complaints::about::<K>();
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
                        self.failures += 1;
                        let is_hopeless =
                            reason == FailureReason::Forbidden || self.failures >= PATIENCE;
                        if K::WITHOUT.is_some() && is_hopeless {
                            self.settle();
                        }
                        if is_expired_start(&error) {
                            break;
                        }
                    }
                }
            }
            tokio::time::sleep(BEFORE_RESTART).await;
        }
    }

    /// Nobody waits for this kind any more.
    fn settle(&mut self) {
        if !std::mem::replace(&mut self.is_settled, true) {
            for awaited in self.awaited {
                awaited.settle();
            }
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
                self.failures = 0;
                self.settle();
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
