//! The memory that changes take while they wait for the disk: from when they are worked out until they
//! are made.
//!
//! Whoever brings a change waits for room, with a turn of resolving in hand. So while the disk is slow
//! no more is resolved, and batches wait as bodies, whose memory is bounded too.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// What changes take together: about those of a second of a thousand busy nodes, flow log included.
pub(super) const BYTES: usize = 32 << 20;

/// Room for changes.
#[derive(Debug)]
pub(super) struct Room {
    bytes: usize,
    taken: Mutex<Taken>,
    /// Told whenever room is given back.
    freed: Condvar,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) bytes: usize,
    /// How many wait for room.
    pub(super) waiting: usize,
}

/// Room that a change has; dropping it gives it back.
#[derive(Debug)]
pub(super) struct Place {
    room: Arc<Room>,
    bytes: usize,
}

impl Room {
    pub(super) fn new(bytes: usize) -> Arc<Self> {
        Arc::new(Self {
            bytes,
            taken: Mutex::default(),
            freed: Condvar::new(),
        })
    }

    /// Waits until there is room for so much. What is larger than all of it has it for itself.
    pub(super) fn take(self: &Arc<Self>, bytes: usize) -> Place {
        let mut taken = self.taken();
        taken.waiting += 1;
        while taken.bytes > 0 && taken.bytes.saturating_add(bytes) > self.bytes {
            taken = self
                .freed
                .wait(taken)
                .unwrap_or_else(PoisonError::into_inner);
        }
        taken.waiting -= 1;
        taken.bytes += bytes;
        Place {
            room: Arc::clone(self),
            bytes,
        }
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How much is taken now.
    #[cfg(test)]
    pub(super) fn now(&self) -> Taken {
        *self.taken()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.room.taken().bytes -= self.bytes;
        // Of those who wait each needs another size.
        self.room.freed.notify_all();
    }
}
