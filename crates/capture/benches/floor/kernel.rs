//! What the kernel tells of programs and links, and of the time programs ran.

use std::fs;
use std::os::fd::{FromRawFd as _, OwnedFd};

use libbpf_rs::query::{ProgInfoIter, ProgInfoQueryOptions, ProgramInfo};

use crate::Outcome;

/// While this lives the kernel keeps the time of every run of every program.
pub(crate) struct Statistics(#[expect(dead_code, reason = "only held")] OwnedFd);

impl Statistics {
    pub(crate) fn keep() -> Outcome<Self> {
        // Not the sysctl, which would stay on if the bench were killed.
        #[expect(unsafe_code, reason = "libbpf-rs has no call for it")]
        // SAFETY: the call takes a number and returns a new descriptor that nobody else owns, or
        // a negative number.
        let fd = unsafe {
            let fd = libbpf_sys::bpf_enable_stats(libbpf_sys::BPF_STATS_RUN_TIME);
            (fd >= 0).then(|| OwnedFd::from_raw_fd(fd))
        };
        let fd = fd.ok_or("the kernel keeps no statistics of BPF programs (BPF_ENABLE_STATS)")?;
        Ok(Self(fd))
    }
}

/// The ids of the programs that this process has attached to a netfilter hook.
///
/// By its own descriptors: programs of the same name may be attached elsewhere on the machine.
pub(crate) fn attached_programs() -> Outcome<Vec<u32>> {
    let mut ids = of_descriptors("link_type:\tnetfilter", "prog_id:")?;
    ids.dedup();
    Ok(ids)
}

/// The ids of the programs that this process holds.
pub(crate) fn held_programs() -> Outcome<Vec<u32>> {
    of_descriptors("prog_type:\t", "prog_id:")
}

/// A number of each of this process' descriptors that begin a line so.
fn of_descriptors(which: &str, number: &str) -> Outcome<Vec<u32>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir("/proc/self/fdinfo")? {
        // The directory's own descriptor is gone when it is looked at.
        let text = fs::read_to_string(entry?.path()).unwrap_or_default();
        if text.lines().any(|line| line.starts_with(which)) {
            let line = text.lines().find_map(|line| line.strip_prefix(number));
            numbers.extend(line.and_then(|value| value.trim().parse::<u32>().ok()));
        }
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// What the kernel knows of these programs.
pub(crate) fn programs(ids: &[u32]) -> Vec<ProgramInfo> {
    let options = ProgInfoQueryOptions::default()
        .include_xlated_prog_insns(true)
        .include_jited_prog_insns(true);
    ProgInfoIter::with_query_opts(options)
        .filter(|program| ids.contains(&program.id))
        .collect()
}

/// Nanoseconds and number of all runs of a program so far.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Runs {
    nanos: u64,
    number: u64,
}

impl Runs {
    /// All runs of those of the programs whose name begins so. (The kernel keeps 15 characters of
    /// a name: those of both families can be the same, of which only one runs here.)
    pub(crate) fn of(ids: &[u32], name: &str) -> Outcome<Self> {
        let named = |program: &ProgramInfo| program.name.to_string_lossy().starts_with(name);
        let programs: Vec<_> = programs(ids).into_iter().filter(named).collect();
        if programs.is_empty() {
            return Err(format!("no program {name} is attached").into());
        }
        Ok(Self {
            nanos: programs.iter().map(|program| program.run_time_ns).sum(),
            number: programs.iter().map(|program| program.run_cnt).sum(),
        })
    }

    /// Nanoseconds a run since then, and how many there were.
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    pub(crate) fn since(self, before: Self) -> (f64, f64) {
        let number = (self.number - before.number) as f64;
        ((self.nanos - before.nanos) as f64 / number, number)
    }
}
