//! When a node's sending was counted by its own agent.

use std::collections::VecDeque;

use kubezonnet_model::{BatchHeader, Family, Hook, Timestamp, Window};

/// How many stretches are kept a node and family: each is one life of an agent, and windows later
/// than sixteen restarts do not come.
const MAX_STRETCHES: usize = 16;

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
    /// Takes over what a window's header says of one family.
    pub(crate) fn note(&mut self, header: &BatchHeader, family: Family, window: Window) {
        if !header.coverage.has(Hook::Postrouting, family) {
            self.close(window.start);
            return;
        }
        match self.0.back_mut() {
            Some(open) if open.end.is_none() => open.start = open.start.min(window.start),
            _ => {
                if self.0.len() == MAX_STRETCHES {
                    self.0.pop_front();
                }
                self.0.push_back(Stretch {
                    start: window.start,
                    end: None,
                });
            }
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

    /// Whether any of it lies in the window; a window without length lies where it begins.
    pub(crate) fn overlaps(&self, window: Window) -> bool {
        self.0.iter().any(|stretch| {
            stretch.start
                < window
                    .end
                    .max(window.start.plus(std::time::Duration::from_millis(1)))
                && stretch.end.is_none_or(|end| end > window.start)
        })
    }
}
