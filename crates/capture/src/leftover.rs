//! What an agent before this one has counted into maps that this one does not count into.

use std::collections::VecDeque;
use std::path::Path;
use std::time::Instant;

use kubezonnet_model::Coverage;

use crate::pin::{self, PinDir};
use crate::set::Set;
use crate::window::{Drained, Progress};
use crate::{CaptureError, fault, namespace};

/// A set of maps into which nothing is counted any more: up to two windows, to be delivered in the
/// order of their sequence.
///
/// The agent that made it may be older or newer than this one: the maps themselves say how large
/// their keys are.
#[derive(Debug)]
pub struct Leftover {
    set: Set,
    /// Since when nothing is counted into it.
    ended: Instant,
}

impl Leftover {
    /// Sets by their age; each ends where the next one begins, and the last one at `ended`.
    pub(crate) fn all(sets: Vec<Set>, ended: Instant) -> VecDeque<Self> {
        let begins: Vec<_> = sets.iter().map(|set| set.progress().opened).collect();
        let ends = begins.into_iter().skip(1).chain([ended]);
        let leftovers = sets.into_iter().zip(ends);
        leftovers.map(|(set, ended)| Self { set, ended }).collect()
    }

    pub(crate) fn wait_for_programs(&self) -> Result<(), CaptureError> {
        self.set.wait_for_programs()
    }

    /// Where its windows stand.
    pub fn progress(&self) -> Progress {
        self.set.progress()
    }

    /// What was attached while it was counted into: all hooks, as an agent does not run with less.
    pub fn coverage(&self) -> Coverage {
        Coverage::full()
    }

    /// As [`crate::Capture::close_window`]; the window ends where counting into it did, however long
    /// ago that is.
    ///
    /// # Errors
    ///
    /// [`CaptureError`]; the call can be repeated.
    pub fn close_window(&mut self) -> Result<Drained, CaptureError> {
        self.set.close(self.ended.max(self.set.progress().opened))
    }

    /// As [`crate::Capture::keep`].
    ///
    /// # Errors
    ///
    /// [`CaptureError`]; the call can be repeated.
    pub fn keep(&mut self, note: &[u8]) -> Result<(), CaptureError> {
        self.set.keep(note)
    }

    /// As [`crate::Capture::clear_closed`].
    ///
    /// # Errors
    ///
    /// [`CaptureError`]; the call can be repeated.
    pub fn clear_closed(&mut self, server: Option<[u8; 16]>) -> Result<(), CaptureError> {
        self.set.settle(server)?;
        self.set.clear()
    }

    /// Removes it, once all of it is delivered.
    ///
    /// # Errors
    ///
    /// [`CaptureError::Pinned`] if a pin cannot be removed.
    pub fn remove(self) -> Result<(), CaptureError> {
        self.set.remove()
    }
}

/// Takes everything off that agents left pinned.
#[derive(Debug)]
pub struct Detachment {
    dir: PinDir,
    leftovers: VecDeque<Leftover>,
}

impl Detachment {
    /// Takes the hooks off that are pinned below `path`; what they counted is left to be delivered.
    /// `None` if nothing is pinned there.
    ///
    /// # Errors
    ///
    /// [`CaptureError`] if what is there belongs to another network namespace, or cannot be read.
    pub fn begin(path: &Path) -> Result<Option<Self>, CaptureError> {
        let Some(dir) = PinDir::existing(path) else {
            return Ok(None);
        };
        let cookie = namespace::cookie().map_err(CaptureError::Namespace)?;
        let sets = dir.sets_of(cookie)?;
        dir.remove_links()?;
        fault::point("links-removed");
        let leftovers = Leftover::all(sets, Instant::now());
        for leftover in &leftovers {
            leftover.wait_for_programs()?;
        }
        Ok(Some(Self { dir, leftovers }))
    }

    /// What was counted, oldest first, and whether it is the last of it.
    pub fn take_leftover(&mut self) -> Option<(Leftover, bool)> {
        let leftover = self.leftovers.pop_front()?;
        Some((leftover, self.leftovers.is_empty()))
    }

    /// Removes programs, maps and the directory, and with them what was not delivered.
    ///
    /// # Errors
    ///
    /// [`CaptureError::Pinned`] if a pin cannot be removed.
    pub fn finish(self) -> Result<(), CaptureError> {
        pin::remove_file(&self.dir.programs())?;
        fault::point("programs-removed");
        for set in self.dir.sets()? {
            set.remove()?;
        }
        self.dir.remove()
    }
}
