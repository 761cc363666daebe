//! One run of a test or demo, and what it owns: so that nothing stays behind, even after a kill.
//!
//! Everything a run makes carries its id, and the id says who owns it: the process and the moment
//! it started. What a dead owner left is found by that and removed by the next [`Run::sweep`].
//!
//! ```text
//! /run/netns/kz<pid>-<started>-<n>-…            its network namespaces
//! /run/kubezonnet-testkit/kz<pid>-<started>-<n>/
//!     processes/<pid>-<started>                 programs it started
//!     bpf/                                      its BPF file system
//!     …                                         its temporary files
//! <control groups>/kz<pid>-<started>-<n>/…      its control groups
//! ```

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::netns::NETNS_DIR;
use crate::privilege::check_root;
use crate::{Error, cgroup, tool};

/// Where runs keep their files. `/run` is empty after a reboot, as the namespaces are.
const RUNS_DIR: &str = "/run/kubezonnet-testkit";

/// What every id begins with.
const ID_PREFIX: &str = "kz";

/// Tells the runs of one process apart.
static RUNS: AtomicU32 = AtomicU32::new(0);

/// A run. Dropping it ends the programs it started, and removes its namespaces and its files.
#[derive(Debug)]
pub struct Run {
    id: String,
}

impl Run {
    /// Begins a run of this process.
    ///
    /// # Errors
    ///
    /// [`Error::NotRoot`], or if its directory cannot be made.
    pub fn begin() -> Result<Self, Error> {
        check_root()?;
        let owner = Owner::this_process()?;
        let id = format!(
            "{}-{}",
            owner.prefix(),
            RUNS.fetch_add(1, Ordering::Relaxed)
        );
        let run = Self { id };
        let processes = run.dir().join("processes");
        fs::create_dir_all(&processes)
            .map_err(Error::io(format!("make {}", processes.display())))?;
        Ok(run)
    }

    /// What the names of all its namespaces begin with.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// A directory for its files, removed at its end.
    pub fn dir(&self) -> PathBuf {
        Path::new(RUNS_DIR).join(&self.id)
    }

    /// A BPF file system of this run alone. What is pinned in it goes with the run.
    ///
    /// # Errors
    ///
    /// If it cannot be mounted.
    pub fn bpf_fs(&self) -> Result<PathBuf, Error> {
        let dir = bpf_fs(&self.dir());
        if dir.is_dir() {
            return Ok(dir);
        }
        fs::create_dir(&dir).map_err(Error::io(format!("make {}", dir.display())))?;
        let nothing = None::<&str>;
        mount(Some("bpf"), &dir, Some("bpf"), MsFlags::empty(), nothing)
            .map_err(Error::io(format!("mount {}", dir.display())))?;
        Ok(dir)
    }

    /// Notes a program that this run started, so that it is ended with the run.
    ///
    /// # Errors
    ///
    /// If the note cannot be written.
    pub fn note_process(&self, pid: u32) -> Result<(), Error> {
        let Some(owner) = Owner::of_process(pid) else {
            return Ok(());
        };
        let note = self.dir().join("processes").join(owner.suffix());
        fs::write(&note, "").map_err(Error::io(format!("write {}", note.display())))
    }

    /// Removes what earlier runs left whose process is dead, and returns their ids. Runs of
    /// processes that live are not touched.
    ///
    /// # Errors
    ///
    /// [`Error::NotRoot`], or if something cannot be removed.
    pub fn sweep() -> Result<Vec<String>, Error> {
        check_root()?;
        let names = names_in(NETNS_DIR).into_iter().chain(names_in(RUNS_DIR));
        let mut ids: Vec<String> = names
            .filter_map(|name| {
                let (id, owner) = split_id(&name)?;
                (!owner.lives()).then(|| id.to_owned())
            })
            .collect();
        ids.sort();
        ids.dedup();
        for id in &ids {
            remove(id)?;
        }
        Ok(ids)
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.id) {
            tracing::warn!(run = self.id, %error, "failed to clean up after a run");
        }
    }
}

/// Removes all that carries this id: programs first, for they keep namespaces alive.
fn remove(id: &str) -> Result<(), Error> {
    let dir = Path::new(RUNS_DIR).join(id);
    for name in names_in(dir.join("processes")) {
        let Some(owner) = Owner::parse(&name) else {
            continue;
        };
        // The moment of its start tells it from another program that got the same number.
        if owner.lives() {
            let pid = Pid::from_raw(owner.pid.cast_signed());
            match kill(pid, Signal::SIGKILL) {
                Ok(()) | Err(nix::Error::ESRCH) => {}
                Err(error) => return Err(Error::io(format!("end process {pid}"))(error)),
            }
        }
    }
    cgroup::remove_all(id)?;
    // Links that are pinned keep their namespace alive. All pins of a mount go with it; where nothing
    // is mounted there is nothing to do.
    let _ = umount2(&bpf_fs(&dir), MntFlags::MNT_DETACH);
    let prefix = format!("{id}-");
    let lines: Vec<String> = names_in(NETNS_DIR)
        .into_iter()
        .filter(|name| name.starts_with(&prefix))
        .map(|name| format!("netns del {name}"))
        .collect();
    if let Err(error) = tool::batch(&["ip", "-force", "-batch", "-"], &lines) {
        // Another sweep may have been faster; what counts is that they are gone.
        if names_in(NETNS_DIR)
            .iter()
            .any(|name| name.starts_with(&prefix))
        {
            return Err(error);
        }
    }
    match fs::remove_dir_all(&dir) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(Error::io(format!("remove {}", dir.display()))(error))
        }
        _ => Ok(()),
    }
}

/// Where a run has its BPF file system.
fn bpf_fs(dir: &Path) -> PathBuf {
    dir.join("bpf")
}

/// A process, told from others that had or will have its number by when it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Owner {
    pid: u32,
    /// Clock ticks after boot: field 22 of `/proc/<pid>/stat`, see `proc_pid_stat(5)`.
    started: u64,
}

impl Owner {
    fn this_process() -> Result<Self, Error> {
        let pid = std::process::id();
        Self::of_process(pid)
            .ok_or_else(|| Error::Invalid(format!("/proc/{pid}/stat is not readable")))
    }

    /// The process with this number, unless there is none or it has ended already.
    fn of_process(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The second field is the name in brackets, which may hold anything.
        let (_, fields) = stat.rsplit_once(") ")?;
        let mut fields = fields.split(' ');
        let state = fields.next()?;
        // State is field 3, so what is left begins with field 4.
        let started = fields.nth(22 - 4)?.parse().ok()?;
        (state != "Z" && state != "X").then_some(Self { pid, started })
    }

    fn lives(self) -> bool {
        Self::of_process(self.pid) == Some(self)
    }

    fn suffix(self) -> String {
        format!("{}-{}", self.pid, self.started)
    }

    fn prefix(self) -> String {
        format!("{ID_PREFIX}{}", self.suffix())
    }

    fn parse(text: &str) -> Option<Self> {
        let (pid, started) = text.split_once('-')?;
        Some(Self {
            pid: pid.parse().ok()?,
            started: started.parse().ok()?,
        })
    }
}

/// Splits the id off a name that begins with one: `kz<pid>-<started>-<n>`.
fn split_id(name: &str) -> Option<(&str, Owner)> {
    let mut dashes = name.match_indices('-').map(|(at, _)| at);
    let second = dashes.nth(1)?;
    let end = dashes.next().unwrap_or(name.len());
    let owner = Owner::parse(name[..second].strip_prefix(ID_PREFIX)?)?;
    name[second + 1..end].parse::<u32>().ok()?;
    Some((&name[..end], owner))
}

fn names_in(dir: impl AsRef<Path>) -> Vec<String> {
    let Ok(entries) = fs::read_dir(dir) else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_back_from_the_names_that_carry_it() {
        let owner = Owner {
            pid: 4711,
            started: 8_123_456,
        };

        assert_eq!(
            split_id("kz4711-8123456-0-zone-a"),
            Some(("kz4711-8123456-0", owner))
        );
        assert_eq!(
            split_id("kz4711-8123456-0"),
            Some(("kz4711-8123456-0", owner))
        );
        for foreign in [
            "kzprobe1",
            "kz4711",
            "kz4711-8123456",
            "kz4711-x-0",
            "cni-1-2-3",
            "",
        ] {
            assert_eq!(
                split_id(foreign),
                None,
                "{foreign} was taken for one of ours"
            );
        }
    }

    #[test]
    fn this_process_lives_and_one_that_started_at_another_time_does_not() {
        let here = Owner::this_process().unwrap();

        assert!(here.lives());
        assert!(
            !Owner {
                started: here.started + 1,
                ..here
            }
            .lives()
        );
    }
}
