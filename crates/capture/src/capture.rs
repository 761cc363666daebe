//! The front door: attach, close a window, keep it, clear it.

use std::collections::{BTreeMap, VecDeque};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::time::Instant;

use kubezonnet_model::{Coverage, InterfaceClass};
use libbpf_rs::{Link, MapCore as _, MapFlags, MapHandle};

use crate::error::Unpinnable;
use crate::hook::{Attached, HOOKS, attached};
use crate::leftover::Leftover;
use crate::load::{Loaded, Opened, PROGRAMS};
use crate::pin::{self, PinDir};
use crate::set::Set;
use crate::told::Told;
use crate::window::{Drained, Progress};
use crate::{CaptureError, Config, Tunnel, fault, namespace};

/// Programs that count, and the maps they count into.
///
/// Dropping it detaches them, unless they are pinned: then they go on counting, and the next
/// [`Self::attach`] finds them.
#[derive(Debug)]
pub struct Capture {
    set: Set,
    told: Told,
    attached: Vec<Attached>,
    links: Vec<Link>,
    /// Only held: without a holder the kernel empties its slots.
    _programs: MapHandle,
    leftovers: VecDeque<Leftover>,
    dir: Option<PinDir>,
    unpinnable: Option<Unpinnable>,
}

impl Capture {
    /// Loads the programs and attaches them in the network namespace of the calling thread; or, if
    /// an agent before this one left them pinned, takes its place behind them without a gap.
    ///
    /// `interfaces` tells the class of each interface by its index; see
    /// [`Self::set_interfaces`].
    ///
    /// # Errors
    ///
    /// [`CaptureError`] where the kernel refuses; [`crate::preflight`] says the common reasons
    /// beforehand, with what to do. That nothing can be pinned is none: see [`Self::unpinnable`].
    pub fn attach(
        config: &Config,
        interfaces: &BTreeMap<u32, InterfaceClass>,
    ) -> Result<Self, CaptureError> {
        let Some(path) = &config.pin_dir else {
            return Self::attach_alone(config, interfaces);
        };
        let pinned =
            PinDir::make(path).and_then(|dir| Self::attach_pinned(config, interfaces, &dir));
        match pinned {
            Err(CaptureError::Unpinnable(reason)) => {
                // Beside hooks that are attached and pinned, others would count a second time.
                if PinDir::existing(path).is_some_and(|dir| dir.has_links()) {
                    return Err(CaptureError::Unpinnable(reason));
                }
                let mut capture = Self::attach_alone(config, interfaces)?;
                capture.unpinnable = Some(reason);
                Ok(capture)
            }
            other => other,
        }
    }

    /// Attaches what ends with this process.
    fn attach_alone(
        config: &Config,
        interfaces: &BTreeMap<u32, InterfaceClass>,
    ) -> Result<Self, CaptureError> {
        let loaded = Opened::new(config)?.load()?;
        let set = Set::new(&loaded, 0)?;
        Self::attach_to(config, interfaces, &loaded, set, VecDeque::new(), None)
    }

    /// Attaches what stays, or finds it.
    fn attach_pinned(
        config: &Config,
        interfaces: &BTreeMap<u32, InterfaceClass>,
        dir: &PinDir,
    ) -> Result<Self, CaptureError> {
        let cookie = namespace::cookie().map_err(CaptureError::Namespace)?;
        let mut sets = dir.sets_of(cookie)?;
        let mut opened = Opened::new(config)?;
        if sets.is_empty() || !dir.programs().exists() {
            // Nobody can read what they count any more, so they count for nothing.
            dir.remove_links()?;
            pin::remove_file(&dir.programs())?;
        } else {
            opened.reuse(PROGRAMS, &pin::open_map(&dir.programs())?)?;
        }
        let shapes = opened.maps();
        // An agent that came as far as its maps, and not to the hooks, leaves those to the next one:
        // who fails at every start makes them once. A set that counted, and has no hooks any more, is
        // delivered: its next window would tell of a time in which nothing was counted.
        let newest = sets.pop_if(|newest| {
            (dir.has_links() || newest.is_in_first_window()) && newest.fits(&shapes)
        });
        let (set, loaded) = if let Some(mut set) = newest {
            if set.is_in_first_window() && !dir.has_all_links() {
                set.reopen()?;
            }
            let at = set.dir().expect("it was opened from there").to_owned();
            for (name, _) in &shapes {
                opened.reuse(name, &pin::open_map(&at.join(name))?)?;
            }
            (set, opened.load()?)
        } else {
            let loaded = opened.load()?;
            let mut set = Set::new(&loaded, cookie)?;
            let at = dir.next_set()?;
            if let Err(error) = set.pin(&loaded, &at) {
                pin::remove_dir(&at)?;
                return Err(error);
            }
            (set, loaded)
        };
        let leftovers = Leftover::all(sets, set.progress().opened);
        Self::attach_to(config, interfaces, &loaded, set, leftovers, Some(dir))
    }

    fn attach_to(
        config: &Config,
        interfaces: &BTreeMap<u32, InterfaceClass>,
        loaded: &Loaded,
        set: Set,
        leftovers: VecDeque<Leftover>,
        dir: Option<&PinDir>,
    ) -> Result<Self, CaptureError> {
        let mut programs = loaded.map(PROGRAMS)?;
        if let Some(path) = dir.map(PinDir::programs).filter(|path| !path.exists()) {
            pin::pin_map(&mut programs, &path)?;
            fault::point("programs-pinned");
        }
        let mut told = Told::of(&|name| loaded.map(name))?;
        told.add_networks(&config.networks)?;
        told.set_tunnel_ports(&config.tunnel_ports)?;
        told.set_interfaces(interfaces)?;
        fill_slots(loaded, &programs)?;
        for leftover in &leftovers {
            leftover.wait_for_programs()?;
        }
        told.keep_only_networks(&config.networks)?;
        let mut capture = Self {
            set,
            told,
            attached: Vec::new(),
            links: Vec::new(),
            _programs: programs,
            leftovers,
            dir: dir.cloned(),
            unpinnable: None,
        };
        capture.attach_hooks(loaded)?;
        Ok(capture)
    }

    /// Attaches each stub that is not attached yet.
    fn attach_hooks(&mut self, loaded: &Loaded) -> Result<(), CaptureError> {
        for point in &HOOKS {
            let path = self.dir.as_ref().map(|dir| dir.link(point));
            if let Some(path) = path.as_ref().filter(|path| path.exists()) {
                let link = pin::open_link(path)?;
                self.attached.push(attached(point, &link, path)?);
                self.links.push(link);
                continue;
            }
            let (mut link, at) = point.attach(&loaded.program(point.stub()))?;
            if let Some(path) = path {
                pin::pin_link(&mut link, &path)?;
                fault::point("first-link-pinned");
            }
            self.links.push(link);
            self.attached.push(at);
        }
        fault::point("links-pinned");
        Ok(())
    }

    /// What is attached, and at which priority.
    pub fn attached(&self) -> &[Attached] {
        &self.attached
    }

    /// The same as what goes into a batch.
    pub fn coverage(&self) -> Coverage {
        let mut coverage = Coverage::default();
        for attached in &self.attached {
            coverage.add(attached.hook, attached.family);
        }
        coverage
    }

    /// Whether hooks and counts outlive this process.
    pub fn is_pinned(&self) -> bool {
        self.dir.is_some()
    }

    /// Why nothing could be pinned, though it was asked for.
    pub fn unpinnable(&self) -> Option<&Unpinnable> {
        self.unpinnable.as_ref()
    }

    /// What an agent with another layout or another size of maps has counted, oldest first. All of
    /// it is to be delivered before the first window from here.
    pub fn take_leftover(&mut self) -> Option<Leftover> {
        self.leftovers.pop_front()
    }

    /// Where the windows stand.
    pub fn progress(&self) -> Progress {
        self.set.progress()
    }

    /// Tells the programs the class of each interface; what is not named is
    /// [`InterfaceClass::Other`].
    ///
    /// # Errors
    ///
    /// [`CaptureError::Write`].
    pub fn set_interfaces(
        &mut self,
        interfaces: &BTreeMap<u32, InterfaceClass>,
    ) -> Result<(), CaptureError> {
        self.told.set_interfaces(interfaces)
    }

    /// Tells the programs which UDP ports of the node hold packets of an overlay; others do not.
    ///
    /// # Errors
    ///
    /// [`CaptureError::Write`].
    pub fn set_tunnel_ports(&mut self, ports: &BTreeMap<u16, Tunnel>) -> Result<(), CaptureError> {
        self.told.set_tunnel_ports(ports)
    }

    /// Ends the window: switches the programs to the other generation, waits until none adds to the
    /// old one any more, and reads it.
    ///
    /// Until [`Self::clear_closed`] it returns the same window again, and the programs stay where
    /// they are.
    ///
    /// # Errors
    ///
    /// [`CaptureError`]; nothing is lost by one, and the call can be repeated.
    pub fn close_window(&mut self) -> Result<Drained, CaptureError> {
        self.set.close(Instant::now())
    }

    /// Keeps with the closed window what of it is in no map, for an agent after this one: until this
    /// is done the window may not be sent.
    ///
    /// # Errors
    ///
    /// [`CaptureError`]; the call can be repeated.
    pub fn keep(&mut self, note: &[u8]) -> Result<(), CaptureError> {
        self.set.keep(note)
    }

    /// Empties the generation that was closed, once its content is safe elsewhere, and remembers who
    /// has it.
    ///
    /// # Errors
    ///
    /// [`CaptureError`]; the call can be repeated.
    pub fn clear_closed(&mut self, server: Option<[u8; 16]>) -> Result<(), CaptureError> {
        self.set.settle(server)?;
        self.set.clear()
    }

    /// Takes the hooks off for good. What they counted stays to be read.
    ///
    /// # Errors
    ///
    /// [`CaptureError::Pinned`] if a pin cannot be removed.
    pub fn take_hooks_off(&mut self) -> Result<(), CaptureError> {
        if let Some(dir) = &self.dir {
            dir.remove_links()?;
        }
        self.links.clear();
        self.set.wait_for_programs()
    }
}

/// Puts each hook's program into its slot, in the place of what an agent before this one put there.
pub(crate) fn fill_slots(loaded: &Loaded, programs: &MapHandle) -> Result<(), CaptureError> {
    for (slot, point) in (0_u32..).zip(&HOOKS) {
        let program = loaded.program(point.program());
        let fd = program.as_fd().as_raw_fd();
        programs
            .update(&slot.to_ne_bytes(), &fd.to_ne_bytes(), MapFlags::ANY)
            .map_err(|source| CaptureError::Write {
                map: PROGRAMS,
                source,
            })?;
        fault::point("slots-half-filled");
    }
    fault::point("slots-filled");
    Ok(())
}
