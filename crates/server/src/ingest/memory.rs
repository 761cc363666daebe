//! The memory that bodies share: a bound in bytes, and nobody who is slow keeps others out.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

/// How long a body may take without having to give its share to others: a megabyte needs 80 ms at 100
/// Mbit/s.
const HONEST: Duration = Duration::from_secs(1);

/// How long a body waits for a share that others give up.
const PATIENCE: Duration = Duration::from_secs(1);

/// The memory that bodies share.
#[derive(Debug)]
pub(super) struct BodyMemory {
    state: Mutex<State>,
    /// Told whenever memory is given back.
    freed: Notify,
}

#[derive(Debug)]
struct State {
    free: usize,
    next: u64,
    /// Bodies that are being read: those that are read whole do not keep their memory for long.
    reading: HashMap<u64, Reading>,
}

#[derive(Debug)]
struct Reading {
    begun: Instant,
    held: usize,
    /// Dropped when the share has to be given up; absent then.
    give_up: Option<oneshot::Sender<()>>,
}

/// One body's share; dropping it gives it back.
#[derive(Debug)]
pub(super) struct Share {
    memory: Arc<BodyMemory>,
    id: u64,
    held: usize,
    /// Resolves when others need the share.
    pub(super) lost: oneshot::Receiver<()>,
}

/// There is no memory, and nobody who should give up theirs.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Exhausted;

impl BodyMemory {
    pub(super) fn new(bytes: usize) -> Arc<Self> {
        let state = State {
            free: bytes,
            next: 0,
            reading: HashMap::new(),
        };
        Arc::new(Self {
            state: Mutex::new(state),
            freed: Notify::new(),
        })
    }

    /// A share of nothing so far.
    pub(super) fn share(self: &Arc<Self>) -> Share {
        let mut state = self.state();
        let (give_up, lost) = oneshot::channel();
        let id = state.next;
        state.next += 1;
        let reading = Reading {
            begun: Instant::now(),
            held: 0,
            give_up: Some(give_up),
        };
        state.reading.insert(id, reading);
        Share {
            memory: Arc::clone(self),
            id,
            held: 0,
            lost,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it is held")
    }

    #[cfg(test)]
    pub(super) fn free(&self) -> usize {
        self.state().free
    }
}

impl State {
    fn take(&mut self, id: u64, more: usize) -> bool {
        let has_room = self.free >= more;
        if has_room {
            self.free -= more;
            if let Some(reading) = self.reading.get_mut(&id) {
                reading.held += more;
            }
        }
        has_room
    }

    /// Has the slowest of those that are no longer quick give up until there will be enough; says if
    /// there will.
    fn make_room(&mut self, newcomer: u64, more: usize) -> bool {
        let now = Instant::now();
        let given_up = |reading: &&Reading| reading.give_up.is_none();
        let coming: usize = self.reading.values().filter(given_up).map(|r| r.held).sum();
        let mut expected = self.free + coming;
        while expected < more {
            let others = self.reading.iter_mut().filter(|(id, reading)| {
                let is_slow = now.saturating_duration_since(reading.begun) >= HONEST;
                **id != newcomer && reading.held > 0 && reading.give_up.is_some() && is_slow
            });
            let slowest = others.min_by_key(|(_, reading)| {
                let millis = now.saturating_duration_since(reading.begun).as_millis();
                // Bytes a second.
                reading.held as u128 * 1000 / millis.max(1)
            });
            let Some((_, slowest)) = slowest else {
                return false;
            };
            slowest.give_up = None;
            expected += slowest.held;
        }
        true
    }
}

impl Share {
    /// Takes more, from those who are slow if there is nothing else.
    ///
    /// # Errors
    ///
    /// [`Exhausted`] if nobody is slow enough.
    pub(super) async fn grow(&mut self, more: usize) -> Result<(), Exhausted> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            // Before the state is looked at, so that nothing given back in between is missed.
            let freed = self.memory.freed.notified();
            {
                let mut state = self.memory.state();
                if state.take(self.id, more) {
                    self.held += more;
                    return Ok(());
                }
                if !state.make_room(self.id, more) {
                    return Err(Exhausted);
                }
            }
            let waited = tokio::time::timeout_at(deadline, freed).await;
            waited.map_err(|_| Exhausted)?;
        }
    }

    /// Notes that the body is read whole: nobody takes the share any more.
    pub(super) fn keep(&mut self) {
        self.memory.state().reading.remove(&self.id);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        {
            let mut state = self.memory.state();
            state.reading.remove(&self.id);
            state.free += self.held;
        }
        self.memory.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn hold(memory: &Arc<BodyMemory>, bytes: usize) -> Share {
        let mut share = memory.share();
        share.grow(bytes).await.unwrap();
        share
    }

    /// Drops the share when it has to be given up; says whether it had to.
    async fn yield_up(mut share: Share) -> bool {
        (&mut share.lost).await.is_err()
    }

    #[tokio::test(start_paused = true)]
    async fn the_slowest_gives_its_share_to_the_new_one() {
        let memory = BodyMemory::new(100);
        let quick = hold(&memory, 80).await;
        let slow = tokio::spawn(yield_up(hold(&memory, 20).await));
        tokio::time::advance(HONEST).await;

        let mut new = memory.share();
        let taken = new.grow(10).await;

        assert_eq!(taken, Ok(()));
        assert!(slow.await.unwrap());
        assert_eq!(memory.free(), 10);
        drop(quick);
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_just_begun_or_is_read_whole_keeps_its_share() {
        let memory = BodyMemory::new(100);
        let mut whole = hold(&memory, 50).await;
        whole.keep();
        tokio::time::advance(2 * HONEST).await;
        let _begun = hold(&memory, 50).await;

        let taken = memory.share().grow(1).await;

        assert_eq!(taken, Err(Exhausted));
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_give_up_in_time_is_not_waited_for() {
        let memory = BodyMemory::new(100);
        let _stuck = hold(&memory, 100).await;
        tokio::time::advance(HONEST).await;

        let taken = memory.share().grow(1).await;

        assert_eq!(taken, Err(Exhausted));
        assert_eq!(memory.free(), 0, "it is never more than the bound");
    }

    #[tokio::test(start_paused = true)]
    async fn all_is_given_back() {
        let memory = BodyMemory::new(100);
        for _ in 0..10 {
            let mut share = hold(&memory, 60).await;
            share.grow(40).await.unwrap();
            assert_eq!(share.grow(1).await, Err(Exhausted));
        }

        assert_eq!(memory.free(), 100);
        assert!(memory.state().reading.is_empty());
    }
}
