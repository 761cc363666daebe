//! Whose the sockets of a control group are: a pod's, by the directory that the kubelet made for it.
//!
//! ```text
//! /sys/fs/cgroup ─▶ scan, inotify ─▶ Known: number ─▶ owner ─▶ the agent's loop
//! ```
//!
//! A group is known from when it is made until long after it is gone. `path` has the rules, `root`
//! finds the hierarchy, `watch` has the thread.

mod known;
mod path;
mod root;
mod watch;

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use kubezonnet_model::SocketOwner;

use self::known::Known;
use self::root::Root;
use self::watch::lock;

pub use self::known::View;

/// The control groups of the node, as they come and go.
#[derive(Debug, Clone)]
pub struct Cgroups {
    known: Arc<Mutex<Known>>,
}

impl Cgroups {
    /// Follows those at `root`, or where the system has them.
    ///
    /// # Errors
    ///
    /// If no thread can be started. That there is nothing to follow is none: see [`Self::view`].
    pub fn follow(root: Option<&Path>) -> io::Result<Self> {
        let root = Root::find(root);
        let is_there = root.is_some();
        let known = Arc::new(Mutex::new(Known::new(root)));
        if is_there {
            watch::follow(&known)?;
        }
        Ok(Self { known })
    }

    /// Knows of none.
    pub fn none() -> Self {
        Self {
            known: Arc::new(Mutex::new(Known::new(None))),
        }
    }

    /// Those below a directory that nobody follows.
    #[cfg(test)]
    pub(crate) fn unfollowed(path: &Path) -> Self {
        let root = Root {
            path: path.to_owned(),
            is_hybrid: false,
            is_whole: true,
        };
        Self {
            known: Arc::new(Mutex::new(Known::new(Some(root)))),
        }
    }

    /// What is to be seen of them.
    pub fn view(&self) -> View {
        lock(&self.known).view()
    }

    /// How many are known, those that are gone and remembered included.
    pub fn count(&self) -> usize {
        lock(&self.known).len()
    }

    /// Where they are looked at.
    pub fn root(&self) -> Option<std::path::PathBuf> {
        lock(&self.known).root().map(|root| root.path.clone())
    }

    /// Whose the sockets of a group are, by the lower 32 bits of its number; `None` if it was never
    /// seen.
    pub fn owner(&self, number: u32) -> Option<SocketOwner> {
        lock(&self.known).owner(number)
    }

    /// Reads all directories again: for a group that is not known.
    pub fn rescan(&self) {
        watch::rescan(&self.known);
    }
}
