//! The thread that notes control groups as they are made: a pod that lives for less than a window is
//! gone when the window is read.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent, WatchDescriptor};
use tracing::{debug, warn};

use super::known::Known;
use super::path::Place;
use super::root::number;

/// How often directories are read where the kernel does not tell of new ones.
const REREAD: Duration = Duration::from_secs(1);

/// What [`scan`] does with each directory: its path and place.
type Visit<'a> = &'a mut dyn FnMut(&Path, Place);

/// Follows the hierarchy in a thread that ends when nobody else holds `known`.
///
/// # Errors
///
/// If no thread can be started.
pub(super) fn follow(known: &Arc<Mutex<Known>>) -> io::Result<()> {
    rescan(known);
    let known = Arc::downgrade(known);
    std::thread::Builder::new()
        .name("cgroups".to_owned())
        .spawn(move || run(&known))?;
    Ok(())
}

fn run(known: &Weak<Mutex<Known>>) {
    match Watches::open(known) {
        Ok(watches) => watches.run(known),
        Err(error) => warn!(
            %error,
            "new control groups are not told by the kernel (inotify): they are looked for each \
             second, and the sockets of pods that live for less count as unreadable"
        ),
    }
    while let Some(known) = known.upgrade() {
        rescan(&known);
        drop(known);
        std::thread::sleep(REREAD);
    }
}

/// Reads the whole hierarchy.
pub(super) fn rescan(known: &Mutex<Known>) {
    let (root, before) = {
        let known = lock(known);
        (known.root().cloned(), known.numbers())
    };
    let Some(root) = root else {
        return;
    };
    let mut found = Vec::new();
    scan(&root.path, Place::ROOT, &mut |path, place| {
        found.extend(number(path).map(|number| (number, place)));
    });
    let mut known = lock(known);
    for (number, place) in &found {
        known.add(*number, place.owner);
    }
    let there: HashSet<u32> = found.into_iter().map(|(number, _)| number).collect();
    known.keep_only(&before, &there);
}

/// Visits a directory and all below. Those that go meanwhile are passed over.
fn scan(path: &Path, place: Place, visit: Visit<'_>) {
    visit(path, place);
    let Ok(entries) = fs::read_dir(path) else {
        return;
    };
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            let below = place.below(&entry.file_name().to_string_lossy());
            scan(&entry.path(), below, visit);
        }
    }
}

struct Directory {
    path: PathBuf,
    place: Place,
    number: u32,
}

/// A watch on every directory of the hierarchy.
struct Watches {
    inotify: Inotify,
    directories: HashMap<WatchDescriptor, Directory>,
}

impl Watches {
    fn open(known: &Weak<Mutex<Known>>) -> nix::Result<Self> {
        let mut watches = Self {
            inotify: Inotify::init(InitFlags::IN_CLOEXEC)?,
            directories: HashMap::new(),
        };
        watches.restart(known)?;
        Ok(watches)
    }

    fn run(mut self, known: &Weak<Mutex<Known>>) {
        loop {
            let events = match self.inotify.read_events() {
                Ok(events) => events,
                Err(Errno::EINTR) => continue,
                Err(error) => return warn!(%error, "control groups are no longer followed"),
            };
            if known.strong_count() == 0 {
                return;
            }
            if let Err(error) = self.take(&events, known) {
                return warn!(%error, "control groups are no longer followed");
            }
        }
    }

    fn take(&mut self, events: &[InotifyEvent], known: &Weak<Mutex<Known>>) -> nix::Result<()> {
        for event in events {
            if event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
                debug!("too many control groups at once: all are read again");
                self.restart(known)?;
            } else if event.mask.contains(AddWatchFlags::IN_IGNORED) {
                if let Some(gone) = self.directories.remove(&event.wd)
                    && let Some(known) = known.upgrade()
                {
                    lock(&known).went(gone.number);
                }
            } else if let Some(name) = &event.name
                && event.mask.contains(AddWatchFlags::IN_ISDIR)
                && let Some(above) = self.directories.get(&event.wd)
            {
                let place = above.place.below(&name.to_string_lossy());
                self.follow(&above.path.join(name), place, known)?;
            }
        }
        Ok(())
    }

    /// Reads everything, and begins to watch what is not watched.
    fn restart(&mut self, known: &Weak<Mutex<Known>>) -> nix::Result<()> {
        let Some(known_now) = known.upgrade() else {
            return Ok(());
        };
        rescan(&known_now);
        let root = lock(&known_now).root().cloned();
        drop(known_now);
        match root {
            Some(root) => self.follow(&root.path, Place::ROOT, known),
            None => Ok(()),
        }
    }

    /// Notes a directory and all below, and watches them.
    fn follow(&mut self, path: &Path, place: Place, known: &Weak<Mutex<Known>>) -> nix::Result<()> {
        let mut outcome = Ok(());
        scan(path, place, &mut |path, place| {
            // Its number first, for it may be gone in a moment. The watch comes before its entries
            // are read, so that none is made unseen in between.
            let (Some(number), Some(known)) = (number(path), known.upgrade()) else {
                return;
            };
            lock(&known).add(number, place.owner);
            let flags = AddWatchFlags::IN_CREATE | AddWatchFlags::IN_ONLYDIR;
            match self.inotify.add_watch(path, flags) {
                Ok(watch) => {
                    let path = path.to_owned();
                    self.directories.insert(
                        watch,
                        Directory {
                            path,
                            place,
                            number,
                        },
                    );
                }
                Err(Errno::ENOENT) => lock(&known).went(number),
                Err(error) => outcome = Err(error),
            }
        });
        outcome
    }
}

pub(super) fn lock(known: &Mutex<Known>) -> std::sync::MutexGuard<'_, Known> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}
