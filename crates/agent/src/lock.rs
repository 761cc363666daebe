//! One agent a network namespace: two would count every packet twice.
//!
//! The lock is a Unix socket with an abstract name. Such names belong to a network namespace, as the
//! hooks do, need no directory that could be read-only or shared, and go with their process, however
//! it ends.

use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::time::{Duration, Instant};

use tokio::time::sleep;
use tracing::info;

/// The name of the socket.
const NAME: &str = "kubezonnet-agent";

/// How long to wait for another agent to end: an update may start the new one before the old one has
/// delivered its last window, for which the manifest gives it 30 seconds.
pub(crate) const PATIENCE: Duration = Duration::from_secs(45);

/// How often to look whether it has.
const LOOK: Duration = Duration::from_millis(100);

/// Held as long as this lives.
#[derive(Debug)]
pub(crate) struct Lock {
    _socket: UnixListener,
}

/// Why there is no lock.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LockError {
    /// Another agent has it.
    #[error(
        "another agent runs in this network namespace, and did not end within {} s: two would count \
         every packet twice; end the other one, or run this one with --dry-run",
        .0.as_secs()
    )]
    Taken(Duration),
    /// The system refuses.
    #[error("cannot make the socket that keeps other agents out")]
    Socket(#[from] io::Error),
}

impl Lock {
    /// Takes the lock, and waits for another agent to give it up.
    ///
    /// # Errors
    ///
    /// [`LockError::Taken`] if it does not in that time.
    pub(crate) async fn take(patience: Duration) -> Result<Self, LockError> {
        Self::take_named(NAME, patience).await
    }

    async fn take_named(name: &str, patience: Duration) -> Result<Self, LockError> {
        let address = SocketAddr::from_abstract_name(name)?;
        let end = Instant::now() + patience;
        let mut told = false;
        loop {
            match UnixListener::bind_addr(&address) {
                Ok(socket) => return Ok(Self { _socket: socket }),
                Err(error) if error.kind() != io::ErrorKind::AddrInUse => return Err(error.into()),
                Err(_) if Instant::now() >= end => return Err(LockError::Taken(patience)),
                Err(_) => {}
            }
            if !std::mem::replace(&mut told, true) {
                info!("another agent runs in this network namespace, waiting for its end");
            }
            sleep(LOOK).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A name of this test alone, whatever else runs in the namespace.
    fn name(test: &str) -> String {
        format!("kubezonnet-lock-test-{test}-{}", std::process::id())
    }

    #[tokio::test]
    async fn a_second_one_waits_for_the_first_to_end() {
        let name = name("waits");
        let first = Lock::take_named(&name, Duration::ZERO).await.unwrap();

        let second = Lock::take_named(&name, PATIENCE);
        let (second, ()) = tokio::join!(second, async { drop(first) });

        assert!(second.is_ok(), "{second:?}");
    }

    #[tokio::test]
    async fn who_waits_in_vain_is_told_what_to_do() {
        let name = name("in-vain");
        let _first = Lock::take_named(&name, Duration::ZERO).await.unwrap();

        let second = Lock::take_named(&name, Duration::ZERO).await.unwrap_err();

        let message = second.to_string();
        assert!(
            message.starts_with("another agent runs in this network namespace"),
            "{message}"
        );
    }
}
