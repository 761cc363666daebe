//! Hooks that are pinned in another directory: beside them others would count every packet twice.

use std::fs;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::namespace;
use crate::pin::PinDir;

/// How deep below a BPF file system's root a pin directory is looked for: `kubezonnet`, or
/// `some-node/kubezonnet`.
const DEPTH: usize = 2;

/// A directory, in whatever BPF file system this process sees, whose pinned hooks count in the
/// network namespace of the calling thread; not `own`.
///
/// What cannot be read is passed over: who may not look there learns nothing from an error.
pub fn pinned_elsewhere(own: Option<&Path>) -> Option<PathBuf> {
    let cookie = namespace::cookie().ok()?;
    let mounts = fs::read("/proc/self/mounts").ok()?;
    let own = own.and_then(identity);
    let mut found = Vec::new();
    for root in bpf_file_systems(&mounts) {
        directories_below(&root, DEPTH, &mut found);
    }
    found.into_iter().find(|path| {
        // One file system can be mounted at several places.
        identity(path) != own
            && PinDir::existing(path).is_some_and(|dir| dir.has_links() && dir.counts_in(cookie))
    })
}

/// Which directory it is, by whatever path.
fn identity(path: &Path) -> Option<(u64, u64)> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

fn directories_below(path: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    let Some(depth) = depth.checked_sub(1) else {
        return;
    };
    let Ok(entries) = fs::read_dir(path) else {
        return;
    };
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            directories_below(&entry.path(), depth, found);
            found.push(entry.path());
        }
    }
}

/// Where BPF file systems are mounted, from what `/proc/self/mounts` says (fstab(5)).
fn bpf_file_systems(mounts: &[u8]) -> Vec<PathBuf> {
    mounts
        .split(|byte| *byte == b'\n')
        .filter_map(|line| {
            let mut fields = line.split(|byte| *byte == b' ').skip(1);
            let (path, kind) = (fields.next()?, fields.next()?);
            (kind == b"bpf").then(|| PathBuf::from(std::ffi::OsString::from_vec(unescaped(path))))
        })
        .collect()
}

/// A path as it is: a blank is written as `\040`.
fn unescaped(path: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(path.len());
    let mut rest = path;
    while let [first, after @ ..] = rest {
        let octal = after.get(..3).filter(|_| *first == b'\\');
        let byte = octal.and_then(|digits| {
            let digits = std::str::from_utf8(digits).ok()?;
            u8::from_str_radix(digits, 8).ok()
        });
        plain.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &after[3..] } else { after };
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bpf_file_systems_are_found_among_all_mounts() {
        let mounts = b"proc /proc proc rw 0 0\n\
            bpf /sys/fs/bpf bpf rw,nosuid 0 0\n\
            none /mnt/a\\040b\\134c bpf rw 0 0\n\
            bpf /tmp tmpfs rw 0 0\n\
            broken\n";

        let found = bpf_file_systems(mounts);

        assert_eq!(found, [Path::new("/sys/fs/bpf"), Path::new("/mnt/a b\\c")]);
    }
}
