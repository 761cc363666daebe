//! Where control groups are to be seen: the hierarchy of version 2, whose groups sockets carry.

use std::fs;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use nix::sys::statfs::{CGROUP2_SUPER_MAGIC, statfs};

/// Where systems mount it.
const USUAL: &str = "/sys/fs/cgroup";

/// Where it is below that where the hierarchies of version 1 have the place (systemd's "hybrid").
const UNIFIED: &str = "unified";

/// The number of the hierarchy's root.
pub(crate) const ROOT: u32 = 1;

/// The root of the hierarchy, as far as this process sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Root {
    /// Its directory.
    pub(crate) path: PathBuf,
    /// The hierarchies of version 1 are there too, and pods may be in those only.
    pub(crate) is_hybrid: bool,
    /// It is the real root, and no control group that this process takes for one.
    pub(crate) is_whole: bool,
}

impl Root {
    /// The one at `given`; looked for where it usually is, and among the mounts, if none is given.
    pub(crate) fn find(given: Option<&Path>) -> Option<Self> {
        let Some(given) = given else {
            return Self::at(Path::new(USUAL)).or_else(|| {
                let mounts = fs::read("/proc/self/mounts").ok()?;
                mounts_of(&mounts).iter().find_map(|path| Self::at(path))
            });
        };
        Self::at(given)
    }

    fn at(path: &Path) -> Option<Self> {
        let unified = path.join(UNIFIED);
        let (path, is_hybrid) = if is_version_2(path) {
            // Seen from within, `unified` is named so by convention only.
            (path.to_owned(), path.ends_with(UNIFIED))
        } else if is_version_2(&unified) {
            (unified, true)
        } else {
            return None;
        };
        Some(Self {
            is_hybrid,
            is_whole: number(&path) == Some(ROOT),
            path,
        })
    }
}

/// The number of a control group: the lower half of its directory's inode, as the programs have it.
pub(crate) fn number(path: &Path) -> Option<u32> {
    let inode = fs::metadata(path).ok()?.ino();
    u32::try_from(inode & u64::from(u32::MAX)).ok()
}

fn is_version_2(path: &Path) -> bool {
    statfs(path).is_ok_and(|about| about.filesystem_type() == CGROUP2_SUPER_MAGIC)
}

/// Where version 2 is mounted, from what `/proc/self/mounts` says (fstab(5)).
fn mounts_of(mounts: &[u8]) -> Vec<PathBuf> {
    let lines = mounts.split(|byte| *byte == b'\n');
    let of_version_2 = lines.filter_map(|line| {
        let mut fields = line.split(|byte| *byte == b' ').skip(1);
        let (path, kind) = (fields.next()?, fields.next()?);
        (kind == b"cgroup2").then(|| PathBuf::from(std::ffi::OsString::from_vec(path.to_vec())))
    });
    of_version_2.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hierarchy_of_version_2_is_found_among_the_mounts() {
        let mounts = b"tmpfs /sys/fs/cgroup tmpfs rw 0 0\n\
            cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n\
            cgroup2 /somewhere/unified cgroup2 rw 0 0\n";

        assert_eq!(mounts_of(mounts), [PathBuf::from("/somewhere/unified")]);
    }

    #[test]
    fn what_is_no_hierarchy_of_version_2_is_none() {
        assert_eq!(Root::find(Some(Path::new("/proc"))), None);
        assert_eq!(Root::find(Some(Path::new("/not/there"))), None);
    }
}
