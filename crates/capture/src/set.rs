//! One set of maps with its state: the steps from an open window to the next, each of which survives
//! a kill.
//!
//! ```text
//! COLLECTING ─▶ CLOSING ─▶ (switch) ─▶ CLOSED ─▶ sent … acknowledged ─▶ SETTLED ─▶ (empty) ─▶ COLLECTING
//!  sequence n    intent                 + note                                               sequence n+1
//! ```
//!
//! Each word in capitals is one write of the map `state`, which the kernel does whole or not at all;
//! so is the switch. Who finds a set does what the last word says: see [`Set::recover`].

use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use kubezonnet_model::Epoch;
use libbpf_rs::{MapCore, MapFlags, MapHandle};

use crate::clock::Clock;
use crate::load::{Loaded, Shape, layout};
use crate::maps::Generations;
use crate::state::{NOTE_BYTES, Stage, State};
use crate::window::{ClosedWindow, Drained, Progress};
use crate::{CaptureError, fault, pin};

/// The map with the state. It is pinned last and removed first: a set without it is half made.
pub(crate) const STATE: &str = "state";

/// Maps that were made together, and where their windows stand.
#[derive(Debug)]
pub(crate) struct Set {
    generations: Generations,
    state_map: MapHandle,
    state: State,
    clock: Clock,
    /// Where it is pinned, if it is.
    dir: Option<PathBuf>,
}

impl Set {
    /// A set of maps that were made just now. Its first window begins here.
    pub(crate) fn new(loaded: &Loaded, namespace_cookie: u64) -> Result<Self, CaptureError> {
        let clock = Clock::new();
        let mut epoch = [0; 16];
        getrandom::fill(&mut epoch)
            .map_err(|error| CaptureError::Random(io::Error::other(error)))?;
        let state = State::first(
            layout(),
            epoch,
            clock.nanos(Instant::now()),
            namespace_cookie,
        );
        let generations = Generations::of(&|name| loaded.map(name), state.dimensions)?;
        generations.number()?;
        let mut set = Self {
            generations,
            state_map: loaded.map(STATE)?,
            state,
            clock,
            dir: None,
        };
        set.write()?;
        Ok(set)
    }

    /// Pins all maps of a set under `dir`.
    pub(crate) fn pin(&mut self, loaded: &Loaded, dir: &Path) -> Result<(), CaptureError> {
        pin::make_dir(dir)?;
        for name in loaded.map_names().iter().filter(|name| *name != STATE) {
            pin::pin_map(&mut loaded.map(name)?, &dir.join(name))?;
            fault::point("set-half-pinned");
        }
        pin::pin_map(&mut self.state_map, &dir.join(STATE))?;
        self.dir = Some(dir.to_owned());
        fault::point("set-pinned");
        Ok(())
    }

    /// Opens a set that is pinned under `dir`. What was being done with it stays to be done: see
    /// [`Self::recover`].
    pub(crate) fn open(dir: &Path) -> Result<Self, CaptureError> {
        let get = |name: &str| pin::open_map(&dir.join(name));
        let state_map = get(STATE)?;
        let raw = state_map
            .lookup(&0_u32.to_ne_bytes(), MapFlags::ANY)
            .map_err(|source| CaptureError::Write { map: STATE, source })?;
        let state = raw.as_deref().and_then(State::decode);
        let state = state.ok_or_else(|| CaptureError::NoState {
            path: dir.join(STATE),
        })?;
        Ok(Self {
            generations: Generations::of(&get, state.dimensions)?,
            state_map,
            state,
            clock: Clock::new(),
            dir: Some(dir.to_owned()),
        })
    }

    /// Goes on where an agent that ended has left the set.
    pub(crate) fn recover(&mut self) -> Result<(), CaptureError> {
        let is_switched = self.state.generation as usize == self.generations.current();
        match self.state.stage {
            Stage::Closing if !is_switched => {
                self.state.stage = Stage::Collecting;
                self.state.generation = 1 - self.state.generation;
                self.state.closed_ns = 0;
                self.write()
            }
            Stage::Settled => self.clear(),
            Stage::Collecting | Stage::Closing | Stage::Closed => Ok(()),
        }
    }

    /// The number of its network namespace.
    pub(crate) fn namespace_cookie(&self) -> u64 {
        self.state.namespace_cookie
    }

    /// Whether an object with maps of these shapes can count into it.
    pub(crate) fn fits(&self, shapes: &[(String, Shape)]) -> bool {
        let Some(dir) = &self.dir else {
            return false;
        };
        let is_like = |(name, shape): &(String, Shape)| {
            pin::open_map(&dir.join(name)).is_ok_and(|map| Shape::of(&map) == *shape)
        };
        self.state.layout == layout() && shapes.iter().all(is_like)
    }

    /// Whether its first window is still open.
    pub(crate) fn is_in_first_window(&self) -> bool {
        self.state.stage == Stage::Collecting && self.state.sequence == 1
    }

    /// Lets the open window begin now: before, hooks were missing.
    pub(crate) fn reopen(&mut self) -> Result<(), CaptureError> {
        self.state.opened_ns = self.clock.nanos(Instant::now());
        self.write()
    }

    /// Where it is pinned.
    pub(crate) fn dir(&self) -> Option<&Path> {
        self.dir.as_deref()
    }

    /// Where its windows stand.
    pub(crate) fn progress(&self) -> Progress {
        let is_closed = self.is_closed();
        Progress {
            epoch: Epoch(self.state.epoch),
            sequence: self.state.sequence,
            opened: self.clock.instant(self.state.opened_ns),
            server: (self.state.server != [0; 16]).then_some(self.state.server),
            closed: is_closed.then(|| ClosedWindow {
                ended: self.clock.instant(self.state.closed_ns),
                note: (self.state.stage == Stage::Closed).then(|| self.state.note.clone()),
            }),
        }
    }

    /// Whether the generation that is not active holds a window.
    fn is_closed(&self) -> bool {
        let is_switched = self.state.generation as usize == self.generations.current();
        match self.state.stage {
            Stage::Collecting => false,
            Stage::Closing => is_switched,
            Stage::Closed | Stage::Settled => true,
        }
    }

    /// Ends the window at `now`, unless it has ended before, and reads it.
    pub(crate) fn close(&mut self, now: Instant) -> Result<Drained, CaptureError> {
        if !self.is_closed() {
            self.state.stage = Stage::Closing;
            self.state.generation = u32::from(self.generations.current() == 0);
            self.state.closed_ns = self.clock.nanos(now);
            self.write()?;
            fault::point("closing-written");
            self.generations.switch()?;
            fault::point("switched");
        }
        let drained = self.generations.read_other()?;
        fault::point("read");
        Ok(drained)
    }

    /// Keeps what of the closed window is in no map.
    pub(crate) fn keep(&mut self, note: &[u8]) -> Result<(), CaptureError> {
        if note.len() > NOTE_BYTES {
            return Err(CaptureError::NoteTooLong(note.len()));
        }
        self.state.stage = Stage::Closed;
        self.state.note = note.to_vec();
        self.write()?;
        fault::point("closed-written");
        Ok(())
    }

    /// The closed window is where it should be.
    pub(crate) fn settle(&mut self, server: Option<[u8; 16]>) -> Result<(), CaptureError> {
        if let Some(server) = server {
            self.state.server = server;
        }
        if self.is_closed() && self.state.stage != Stage::Settled {
            self.state.stage = Stage::Settled;
            self.write()?;
            fault::point("settled-written");
        }
        Ok(())
    }

    /// Empties the generation of the window that is settled; the next one is open since the end of
    /// that one.
    pub(crate) fn clear(&mut self) -> Result<(), CaptureError> {
        if !self.is_closed() {
            return Ok(());
        }
        self.generations.clear_other()?;
        fault::point("cleared");
        self.state.stage = Stage::Collecting;
        self.state.sequence += 1;
        self.state.opened_ns = self.state.closed_ns;
        self.state.closed_ns = 0;
        self.state.note.clear();
        self.write()?;
        fault::point("collecting-written");
        Ok(())
    }

    /// Returns when no program that was replaced before adds to these maps any more.
    pub(crate) fn wait_for_programs(&self) -> Result<(), CaptureError> {
        self.generations.wait_for_programs()
    }

    /// Removes what is pinned of it.
    pub(crate) fn remove(&self) -> Result<(), CaptureError> {
        let Some(dir) = &self.dir else {
            return Ok(());
        };
        pin::remove_file(&dir.join(STATE))?;
        fault::point("state-removed");
        pin::remove_dir(dir)
    }

    fn write(&mut self) -> Result<(), CaptureError> {
        let value = self.state.encode();
        self.state_map
            .update(&0_u32.to_ne_bytes(), value, MapFlags::ANY)
            .map_err(|source| CaptureError::Write { map: STATE, source })
    }
}
