//! The directory in the BPF file system in which links and maps outlive the agent.
//!
//! ```text
//! <pin-dir>/                0700
//!   set-1/                  maps that were made together, `state` among them
//!   programs                the slots of the stubs
//!   postrouting_ipv4 …      the links
//! ```
//!
//! A set is whole once `state` is there, which is pinned last. Everything else is made in this order
//! and can be made again from where it stopped. While an upgrade has to deliver what an older layout
//! has counted there are two sets.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use libbpf_rs::{ErrorKind, Link, MapHandle};
use nix::sys::statfs::{BPF_FS_MAGIC, statfs};

use crate::CaptureError;
use crate::error::Unpinnable;
use crate::hook::{HOOKS, HookPoint};
use crate::load::PROGRAMS;
use crate::set::{STATE, Set};

/// What the directories of sets begin with.
const SET: &str = "set-";

/// A directory in a BPF file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PinDir {
    path: PathBuf,
}

impl PinDir {
    /// The directory, which is made if it is not there.
    ///
    /// # Errors
    ///
    /// [`CaptureError::Unpinnable`] if there is no BPF file system, or it cannot be written.
    pub(crate) fn make(path: &Path) -> Result<Self, CaptureError> {
        let exists = path.is_dir();
        let place = if exists {
            path
        } else {
            path.parent().unwrap_or(path)
        };
        if !is_bpf_fs(place) {
            return Err(CaptureError::Unpinnable(Unpinnable::NoBpfFs {
                path: place.to_owned(),
            }));
        }
        if !exists {
            make_dir(path)?;
        }
        Ok(Self {
            path: path.to_owned(),
        })
    }

    /// The directory, if it is there.
    pub(crate) fn existing(path: &Path) -> Option<Self> {
        let path = path.to_owned();
        (path.is_dir() && is_bpf_fs(&path)).then_some(Self { path })
    }

    /// Every set that is whole, oldest first; what is half made is removed.
    pub(crate) fn sets(&self) -> Result<Vec<Set>, CaptureError> {
        let mut sets = Vec::new();
        for number in self.numbers()? {
            let dir = self.set_dir(number);
            if dir.join(STATE).exists() {
                sets.push(Set::open(&dir)?);
            } else {
                remove_dir(&dir)?;
            }
        }
        Ok(sets)
    }

    /// Whether what is counted into here is of that network namespace. Nothing is changed; what is
    /// half made, or cannot be read, counts for nobody.
    pub(crate) fn counts_in(&self, cookie: u64) -> bool {
        let numbers = self.numbers().unwrap_or_default();
        let mut sets = numbers.into_iter().filter_map(|number| {
            let dir = self.set_dir(number);
            dir.join(STATE).exists().then(|| Set::open(&dir).ok())?
        });
        sets.any(|set| set.namespace_cookie() == cookie)
    }

    /// Every whole set, recovered; all are to be of this network namespace.
    ///
    /// # Errors
    ///
    /// [`CaptureError::ForeignNamespace`] if one is not.
    pub(crate) fn sets_of(&self, cookie: u64) -> Result<Vec<Set>, CaptureError> {
        let mut sets = self.sets()?;
        if sets.iter().any(|set| set.namespace_cookie() != cookie) {
            return Err(CaptureError::ForeignNamespace {
                path: self.path.clone(),
            });
        }
        for set in &mut sets {
            set.recover()?;
        }
        Ok(sets)
    }

    /// Where the next set is to be.
    pub(crate) fn next_set(&self) -> Result<PathBuf, CaptureError> {
        let last = self.numbers()?.last().copied().unwrap_or(0);
        Ok(self.set_dir(last + 1))
    }

    fn set_dir(&self, number: u32) -> PathBuf {
        self.path.join(format!("{SET}{number}"))
    }

    fn numbers(&self) -> Result<Vec<u32>, CaptureError> {
        let failed = |source| CaptureError::pinned(&self.path, source);
        let mut numbers = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            let number = name.to_str().and_then(|name| name.strip_prefix(SET));
            numbers.extend(number.and_then(|number| number.parse::<u32>().ok()));
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Where the array of programs is.
    pub(crate) fn programs(&self) -> PathBuf {
        self.path.join(PROGRAMS)
    }

    /// Where the link of a hook is.
    pub(crate) fn link(&self, point: &HookPoint) -> PathBuf {
        let (hook, family) = (point.hook.as_str(), point.family.as_str());
        self.path.join(format!("{hook}_{family}"))
    }

    /// Whether any hook is attached and pinned.
    pub(crate) fn has_links(&self) -> bool {
        HOOKS.iter().any(|point| self.link(point).exists())
    }

    /// Whether every hook is attached and pinned.
    pub(crate) fn has_all_links(&self) -> bool {
        HOOKS.iter().all(|point| self.link(point).exists())
    }

    /// Takes the hooks off, also those that a newer agent has and this one does not know. On return
    /// none of them sees a packet any more.
    pub(crate) fn remove_links(&self) -> Result<(), CaptureError> {
        let failed = |source| CaptureError::pinned(&self.path, source);
        let entries = fs::read_dir(&self.path).map_err(failed)?;
        // All of them before the first goes.
        let entries: Vec<_> = entries.collect::<io::Result<_>>().map_err(failed)?;
        for entry in entries {
            let path = entry.path();
            if entry.file_type().map_err(failed)?.is_dir() || path == self.programs() {
                continue;
            }
            let link = open_link(&path);
            // Pin first: a link that is pinned and does not count would pass for one that does.
            remove_file(&path)?;
            // The kernel takes a link off that nobody has any more too, but at some later time.
            if let Ok(link) = link
                && let Err(error) = link.detach()
            {
                tracing::debug!(%error, path = %path.display(), "the kernel takes this hook off later");
            }
        }
        Ok(())
    }

    /// Removes the directory, which is to be empty.
    pub(crate) fn remove(&self) -> Result<(), CaptureError> {
        gone(fs::remove_dir(&self.path)).map_err(|source| CaptureError::pinned(&self.path, source))
    }
}

/// Makes a directory for root alone.
pub(crate) fn make_dir(path: &Path) -> Result<(), CaptureError> {
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => Ok(()),
        Err(source) if is_denial(&source) => Err(CaptureError::Unpinnable(Unpinnable::Denied {
            path: path.to_owned(),
            source,
        })),
        Err(source) => Err(CaptureError::pinned(path, source)),
    }
}

/// Pins a map.
pub(crate) fn pin_map(map: &mut MapHandle, path: &Path) -> Result<(), CaptureError> {
    map.pin(path).map_err(|source| not_pinned(path, source))
}

/// Pins a link.
pub(crate) fn pin_link(link: &mut Link, path: &Path) -> Result<(), CaptureError> {
    link.pin(path).map_err(|source| not_pinned(path, source))
}

fn not_pinned(path: &Path, source: libbpf_rs::Error) -> CaptureError {
    if source.kind() == ErrorKind::PermissionDenied {
        return CaptureError::Unpinnable(Unpinnable::Denied {
            path: path.to_owned(),
            source: io::Error::other(source),
        });
    }
    CaptureError::pinned(path, io::Error::other(source))
}

/// Opens a map that is pinned.
pub(crate) fn open_map(path: &Path) -> Result<MapHandle, CaptureError> {
    MapHandle::from_pinned_path(path)
        .map_err(|source| CaptureError::pinned(path, io::Error::other(source)))
}

/// Opens a link that is pinned.
pub(crate) fn open_link(path: &Path) -> Result<Link, CaptureError> {
    Link::open(path).map_err(|source| CaptureError::pinned(path, io::Error::other(source)))
}

/// Removes a pin; one that is gone already is as good.
pub(crate) fn remove_file(path: &Path) -> Result<(), CaptureError> {
    gone(fs::remove_file(path)).map_err(|source| CaptureError::pinned(path, source))
}

/// Removes a directory and the pins in it.
pub(crate) fn remove_dir(path: &Path) -> Result<(), CaptureError> {
    gone(fs::remove_dir_all(path)).map_err(|source| CaptureError::pinned(path, source))
}

fn gone(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Whether a container's profile or a mount forbids it, as opposed to something being broken.
fn is_denial(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EPERM | libc::EACCES | libc::EROFS)
    )
}

fn is_bpf_fs(path: &Path) -> bool {
    statfs(path).is_ok_and(|about| about.filesystem_type() == BPF_FS_MAGIC)
}
