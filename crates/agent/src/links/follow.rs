//! The thread that follows links as they come and go.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tracing::warn;

use super::netlink::{Heard, Listener, NetlinkError, dump};
use super::{Given, Links, View};

/// A pod that starts changes several things within milliseconds: they are read together once
/// nothing came for this long.
const QUIET: Duration = Duration::from_millis(20);

/// Changes that never pause are read at least this often.
const BURST: Duration = Duration::from_millis(200);

/// How often the thread looks whether anybody still listens to it.
const LOOK_UP: Duration = Duration::from_secs(1);

/// How often everything is read without a change, in case one was missed.
const REREAD: Duration = Duration::from_mins(1);

/// Why the node's links cannot be followed.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// The kernel cannot be asked.
    #[error(transparent)]
    Netlink(#[from] NetlinkError),
    /// There is no thread for it.
    #[error("cannot start a thread to follow links: {0}")]
    Thread(#[from] io::Error),
}

/// Follows the links of the calling thread's network namespace. The receiver always holds the latest
/// view; the thread ends when all receivers are gone.
///
/// # Errors
///
/// [`FollowError`] if the kernel cannot be asked, or no thread can be started.
pub fn follow(given: Given) -> Result<watch::Receiver<Arc<View>>, FollowError> {
    // First the subscription, then the first look: no change falls between the two.
    let listener = Listener::open()?;
    let links = dump(&Links::default())?;
    let (sender, receiver) = watch::channel(Arc::new(links.view(&given)));
    std::thread::Builder::new()
        .name("links".to_owned())
        .spawn(move || run(listener, links, &given, &sender))?;
    Ok(receiver)
}

fn run(mut listener: Listener, mut links: Links, given: &Given, sender: &watch::Sender<Arc<View>>) {
    while !sender.is_closed() {
        let outcome = wait_for_change(&listener, sender).and_then(|()| dump(&links));
        match outcome {
            Ok(read) => {
                links = read;
                publish(links.view(given), sender);
            }
            Err(error) => {
                warn!(
                    error = &error as &dyn std::error::Error,
                    "links cannot be read, trying again"
                );
                std::thread::sleep(LOOK_UP);
                if let Ok(fresh) = Listener::open() {
                    listener = fresh;
                }
            }
        }
    }
}

fn publish(view: View, sender: &watch::Sender<Arc<View>>) {
    sender.send_if_modified(|known| {
        let changed = **known != view;
        if changed {
            *known = Arc::new(view);
        }
        changed
    });
}

/// Returns once a burst of changes is over, it is time to look anyway, or nobody listens.
fn wait_for_change(
    listener: &Listener,
    sender: &watch::Sender<Arc<View>>,
) -> Result<(), NetlinkError> {
    let look_anyway = Instant::now() + REREAD;
    while listener.wait(LOOK_UP)? != Heard::Change {
        if sender.is_closed() || Instant::now() >= look_anyway {
            return Ok(());
        }
    }
    let enough = Instant::now() + BURST;
    while listener.wait(QUIET)? != Heard::Silence && Instant::now() < enough {}
    Ok(())
}
