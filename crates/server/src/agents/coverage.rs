//! When a node's sending was counted by its own agent.

use std::collections::VecDeque;
use std::time::Duration;

use kubezonnet_model::{BatchHeader, Family, Hook, Timestamp, Window};

/// How many stretches are kept a node and family: each is one life of an agent, and windows later
/// than sixteen restarts do not come.
const MAX_STRETCHES: usize = 16;

/// How much of a window may be without coverage, and the window still count as covered whole.
/// Windows are placed by when requests arrive, which is uncertain by the time they take.
pub const TOLERANCE: Duration = Duration::from_secs(1);

/// How much of a window a node was covered for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// For all of it but [`TOLERANCE`] at most.
    Whole,
    /// For a part of it: the agent began or ended within it.
    Part,
    /// Not at all.
    None,
}

/// The stretches of time in which a node was covered, for one family; the newest last.
#[derive(Debug, Default)]
pub(crate) struct Coverage(VecDeque<Stretch>);

#[derive(Debug, Clone, Copy)]
struct Stretch {
    start: Timestamp,
    /// `None` while it goes on: it ends when the agent says so, not because a window is late.
    end: Option<Timestamp>,
}

impl Coverage {
    /// Takes over what a window's header says of one family; where a stretch begins with it, it
    /// begins at `begin`.
    pub(crate) fn note(
        &mut self,
        header: &BatchHeader,
        family: Family,
        window: Window,
        begin: Timestamp,
    ) {
        if !header.coverage.has(Hook::Postrouting, family) {
            self.close(window.start);
            return;
        }
        match self.0.back_mut() {
            Some(open) if open.end.is_none() => open.start = open.start.min(window.start),
            _ => self.open(begin),
        }
        if header.coverage.ends {
            self.close(window.end);
        }
    }

    /// Ends the stretch that goes on, if one does.
    pub(crate) fn close(&mut self, end: Timestamp) {
        if let Some(open) = self.0.back_mut()
            && open.end.is_none()
        {
            open.end = Some(end.max(open.start));
        }
    }

    /// How much of it lies in the window; a window without length lies where it begins.
    pub(crate) fn of(&self, window: Window) -> Extent {
        let start = window.start;
        let end = window.end.max(start.plus(Duration::from_millis(1)));
        let mut reached = start;
        let mut covered = Duration::ZERO;
        for stretch in &self.0 {
            let from = stretch.start.max(reached);
            let to = stretch.end.map_or(end, |stretch_end| stretch_end.min(end));
            if to > from {
                covered += to.since(from);
                reached = to;
            }
        }
        if covered.is_zero() {
            Extent::None
        } else if end.since(start) <= covered + TOLERANCE {
            Extent::Whole
        } else {
            Extent::Part
        }
    }

    fn open(&mut self, start: Timestamp) {
        if self.0.len() == MAX_STRETCHES {
            self.0.pop_front();
        }
        self.0.push_back(Stretch { start, end: None });
    }
}
