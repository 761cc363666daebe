//! Ctrl-C and SIGTERM as messages, so that whatever they interrupt is cleaned up in order.

use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal};

use crate::Error;

/// More signals than this that nobody has looked at say nothing new.
const PENDING: usize = 4;

/// The signals that have come.
#[derive(Debug)]
pub struct Signals {
    receiver: Receiver<()>,
}

impl Signals {
    /// Takes SIGINT, SIGTERM and SIGHUP from now on. Must be called before there is any other
    /// thread: threads inherit that these signals wait.
    ///
    /// # Errors
    ///
    /// If the system refuses.
    pub fn take() -> Result<Self, Error> {
        let set: SigSet = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP]
            .into_iter()
            .collect();
        set.thread_block().map_err(Error::io("take signals"))?;
        let (sender, receiver) = sync_channel(PENDING);
        thread::spawn(move || {
            while set.wait().is_ok() {
                // Full means that the others say the same.
                let _ = sender.try_send(());
            }
        });
        Ok(Self { receiver })
    }

    /// Whether one has come since it was last asked.
    pub(super) fn came(&self) -> bool {
        self.receiver.try_recv().is_ok()
    }

    /// Waits for one, at most this long.
    pub(super) fn came_within(&self, time: Duration) -> bool {
        self.receiver.recv_timeout(time).is_ok()
    }
}
