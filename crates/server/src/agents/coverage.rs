//! When a node's sending was counted by its own agent.

use std::collections::VecDeque;
use std::time::Duration;

use kubezonnet_model::{BatchHeader, Family, Hook, Timestamp, Window};
use serde::{Deserialize, Serialize};

/// How many stretches are kept a node and family: each is one life of an agent, or the time in which
/// packets bypassed its hooks or did not. Windows later than sixteen of them do not come.
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
    /// Not at all, as packets bypassed its hooks, though they were attached.
    Bypassed,
    /// Not at all.
    None,
}

/// What a window says of coverage.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Noted {
    /// The window.
    pub(crate) window: Window,
    /// Where a stretch begins that begins with it.
    pub(crate) begin: Timestamp,
    /// Packets bypass the hooks.
    pub(crate) bypassed: bool,
    /// When it came.
    pub(crate) now: Timestamp,
}

/// The stretches of time in which a node's hooks were attached, for one family; the newest last.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Coverage(VecDeque<Stretch>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Stretch {
    start: Timestamp,
    /// `None` while it goes on: it ends when the agent says so, not because a window is late.
    end: Option<Timestamp>,
    /// Packets bypassed the hooks: the node was not covered.
    bypassed: bool,
}

impl Coverage {
    /// Takes over what a window's header says of one family.
    pub(crate) fn note(&mut self, header: &BatchHeader, family: Family, noted: Noted) {
        let Noted {
            window,
            begin,
            bypassed,
            now,
        } = noted;
        if !header.coverage.has(Hook::Postrouting, family) {
            self.close(window.start);
            return;
        }
        if header.coverage.ends && self.has_ended_with(window) {
            // It is admitted again, as it was not on disk yet.
            return;
        }
        match self.0.back_mut() {
            Some(open) if open.end.is_none() && open.bypassed == bypassed => {
                open.start = open.start.min(window.start);
            }
            Some(open) if open.end.is_none() => {
                // From now on, not from the window on: receivers' windows until now are counted.
                let turn = open.start.max(now);
                self.close(turn);
                self.open(turn, bypassed);
            }
            _ => self.open(begin, bypassed),
        }
        if header.coverage.ends {
            self.close(window.end);
        }
    }

    /// Whether the last stretch ended with that window, which is placed anew whenever it comes.
    fn has_ended_with(&self, window: Window) -> bool {
        self.0.back().is_some_and(|last| {
            last.start <= window.start.plus(TOLERANCE)
                && last
                    .end
                    .is_some_and(|end| end.max(window.end).since(end.min(window.end)) <= TOLERANCE)
        })
    }

    /// Whether the node is held for covered until its agent says otherwise.
    pub(crate) fn goes_on(&self) -> bool {
        let last = self.0.back();
        last.is_some_and(|last| last.end.is_none() && !last.bypassed)
    }

    /// Whether a stretch goes on, covered or bypassed.
    pub(super) fn is_open(&self) -> bool {
        self.0.back().is_some_and(|last| last.end.is_none())
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
        let (mut covered, mut bypassed) = (Duration::ZERO, Duration::ZERO);
        for stretch in &self.0 {
            let from = stretch.start.max(reached);
            let to = stretch.end.map_or(end, |stretch_end| stretch_end.min(end));
            if to > from {
                let sum = if stretch.bypassed {
                    &mut bypassed
                } else {
                    &mut covered
                };
                *sum += to.since(from);
                reached = to;
            }
        }
        let length = end.since(start);
        if length <= covered.max(bypassed) + TOLERANCE && reached > start {
            // Nearly all of it is of one kind.
            if covered >= bypassed {
                Extent::Whole
            } else {
                Extent::Bypassed
            }
        } else if !covered.is_zero() {
            Extent::Part
        } else if !bypassed.is_zero() {
            Extent::Bypassed
        } else {
            Extent::None
        }
    }

    fn open(&mut self, start: Timestamp, bypassed: bool) {
        if self.0.len() == MAX_STRETCHES {
            self.0.pop_front();
        }
        self.0.push_back(Stretch {
            start,
            end: None,
            bypassed,
        });
    }
}
