//! Ctrl-C and SIGTERM as messages, so that whatever they interrupt is cleaned up in order.

use std::io;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::Duration;

use tokio::runtime;
use tokio::signal::unix::{SignalKind, signal};

use crate::Error;

/// More signals than this that nobody has looked at say nothing new.
const PENDING: usize = 4;

/// The signals that have come.
#[derive(Debug)]
pub struct Signals {
    receiver: Receiver<()>,
}

impl Signals {
    /// Takes SIGINT, SIGTERM and SIGHUP from now on. By handlers and not by blocking them, for a
    /// child would inherit that they are blocked.
    ///
    /// # Errors
    ///
    /// If the system refuses.
    pub fn take() -> Result<Self, Error> {
        let (sender, receiver) = sync_channel(PENDING);
        let taken = (|| {
            let runtime = runtime::Builder::new_current_thread().enable_io().build()?;
            let context = runtime.enter();
            let mut interrupt = signal(SignalKind::interrupt())?;
            let mut terminate = signal(SignalKind::terminate())?;
            let mut hangup = signal(SignalKind::hangup())?;
            drop(context);
            thread::spawn(move || {
                runtime.block_on(async {
                    loop {
                        tokio::select! {
                            _ = interrupt.recv() => {}
                            _ = terminate.recv() => {}
                            _ = hangup.recv() => {}
                        }
                        // Full means that the others say the same.
                        let _ = sender.try_send(());
                    }
                });
            });
            Ok::<_, io::Error>(())
        })();
        taken.map_err(Error::io("take signals"))?;
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
