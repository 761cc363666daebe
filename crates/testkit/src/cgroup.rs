//! Control groups of version 2, made as a kubelet and its container runtime make them, and sockets in
//! them.
//!
//! They are below one of the run's own, and go with the run, also after a kill. A socket is in the
//! group in which its process was when it was made, and stays there; so this process goes into a
//! group, makes its sockets, and comes back.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use kubezonnet_model::PodUid;
use nix::sys::statfs::{CGROUP2_SUPER_MAGIC, statfs};

use crate::{Error, Run};

/// Where the hierarchy is: by itself, or beside those of version 1.
const PLACES: [&str; 2] = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];

/// The processes of a group; who writes 0 there goes in.
const PROCESSES: &str = "cgroup.procs";

/// The name of a container, as runtimes give it.
const CONTAINER: &str = "5f1c3a9be0d24c6f8a7b0d1e2f3a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c";

/// This process can be in one group at a time.
static MOVES: Mutex<()> = Mutex::new(());

/// Who names the directories of pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CgroupDriver {
    /// A directory for each part of the name.
    Cgroupfs,
    /// Slices, whose names hold all parts.
    Systemd,
}

/// A control group.
#[derive(Debug)]
pub struct ControlGroup {
    path: PathBuf,
}

impl ControlGroup {
    /// That of a pod's container, in the class of service `burstable`.
    ///
    /// # Errors
    ///
    /// If there is no version 2 here, or it cannot be written.
    pub fn of_pod(run: &Run, driver: CgroupDriver, uid: PodUid) -> Result<Self, Error> {
        let path = match driver {
            CgroupDriver::Cgroupfs => format!("kubepods/burstable/pod{uid}/{CONTAINER}"),
            CgroupDriver::Systemd => {
                let uid = uid.to_string().replace('-', "_");
                format!(
                    "kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{uid}.slice/cri-containerd-{CONTAINER}.scope"
                )
            }
        };
        Self::make(run, &path)
    }

    /// One of that name, below the run's own.
    ///
    /// # Errors
    ///
    /// If there is no version 2 here, or it cannot be written.
    pub fn make(run: &Run, name: &str) -> Result<Self, Error> {
        let path = Self::root_of(run)?.join(name);
        fs::create_dir_all(&path).map_err(Error::io(format!("make {}", path.display())))?;
        Ok(Self { path })
    }

    /// The run's own group, below which all of its groups are.
    ///
    /// # Errors
    ///
    /// If there is no version 2 here.
    pub fn root_of(run: &Run) -> Result<PathBuf, Error> {
        Ok(hierarchy()?.join(run.id()))
    }

    /// Its number.
    ///
    /// # Errors
    ///
    /// If it is gone.
    pub fn number(&self) -> Result<u64, Error> {
        let about = fs::metadata(&self.path);
        let about = about.map_err(Error::io(format!("look at {}", self.path.display())))?;
        Ok(about.ino())
    }

    /// Does `work` as a process of this group, and comes back.
    ///
    /// # Errors
    ///
    /// If this process cannot go in, or back.
    pub fn inside<T>(&self, work: impl FnOnce() -> T) -> Result<T, Error> {
        let _one = MOVES.lock().unwrap_or_else(PoisonError::into_inner);
        let home = home()?;
        enter(&self.path)?;
        let done = work();
        enter(&home)?;
        Ok(done)
    }

    /// Removes it, and those above it that are empty then, as when a pod ends.
    ///
    /// # Errors
    ///
    /// If a process is in it.
    pub fn remove(self) -> Result<(), Error> {
        let failed = || Error::io(format!("remove {}", self.path.display()));
        fs::remove_dir(&self.path).map_err(failed())?;
        let top = hierarchy()?;
        for above in self.path.ancestors().skip(1) {
            if above.parent() == Some(&top) || fs::remove_dir(above).is_err() {
                break;
            }
        }
        Ok(())
    }
}

/// Removes all groups of a run.
pub(crate) fn remove_all(id: &str) -> Result<(), Error> {
    let Ok(hierarchy) = hierarchy() else {
        return Ok(());
    };
    remove_below(&hierarchy.join(id))
}

fn remove_below(path: &Path) -> Result<(), Error> {
    let Ok(entries) = fs::read_dir(path) else {
        return Ok(());
    };
    for entry in entries.flatten() {
        // Its files go with it.
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_below(&entry.path())?;
        }
    }
    match fs::remove_dir(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(Error::io(format!("remove {}", path.display()))(error))
        }
        _ => Ok(()),
    }
}

fn hierarchy() -> Result<PathBuf, Error> {
    let is_version_2 = |path: &&Path| {
        statfs(*path).is_ok_and(|about| about.filesystem_type() == CGROUP2_SUPER_MAGIC)
    };
    let found = PLACES.map(Path::new).into_iter().find(is_version_2);
    found.map(Path::to_owned).ok_or_else(|| {
        Error::Invalid(format!(
            "no control groups of version 2 at any of {PLACES:?}"
        ))
    })
}

/// The group this process is in.
fn home() -> Result<PathBuf, Error> {
    let about = "/proc/self/cgroup";
    let text = fs::read_to_string(about).map_err(Error::io(format!("read {about}")))?;
    let path = text.lines().find_map(|line| line.strip_prefix("0::/"));
    let path = path.ok_or_else(|| Error::Invalid(format!("{about} has no version 2: {text}")))?;
    Ok(hierarchy()?.join(path))
}

fn enter(group: &Path) -> Result<(), Error> {
    let file = group.join(PROCESSES);
    fs::write(&file, "0").map_err(Error::io(format!("write {}", file.display())))
}
