//! Reads and empties whole maps by the kernel's batch calls, many entries a system call.
//!
//! Only for maps that nobody writes meanwhile: a batch walk over a map that changes can miss or
//! repeat entries.

#![expect(
    unsafe_code,
    reason = "libbpf-rs has no batch call that reads into one buffer"
)]

use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::ptr;

use libbpf_rs::{MapCore, MapHandle};

/// Entries asked for at a time. A hash bucket must fit whole, and holds a few at most.
const ENTRIES_PER_CALL: u32 = 4096;

/// The content of a map, keys and values side by side.
#[derive(Debug, Default)]
pub(crate) struct Entries {
    keys: Vec<u8>,
    values: Vec<u8>,
    key_bytes: usize,
    value_bytes: usize,
}

impl Entries {
    /// Each key with its value.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let values = self.values.chunks_exact(self.value_bytes);
        self.keys.chunks_exact(self.key_bytes).zip(values)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.keys.len() / self.key_bytes
    }
}

/// Reads every entry of a hash or array map; of a map with a value a CPU, all of them one after the
/// other (`include/uapi/linux/bpf.h`: each rounded up to 8 bytes).
///
/// # Errors
///
/// What the kernel says to the batch call.
pub(crate) fn read(map: &MapHandle) -> io::Result<Entries> {
    walk(map, libbpf_sys::bpf_map_lookup_batch)
}

/// Deletes every entry of a hash map.
///
/// # Errors
///
/// What the kernel says to the batch call.
pub(crate) fn empty(map: &MapHandle) -> io::Result<()> {
    walk(map, libbpf_sys::bpf_map_lookup_and_delete_batch).map(drop)
}

/// `bpf_map_lookup_batch` and its deleting sister.
type BatchCall = unsafe extern "C" fn(
    RawFd,
    *mut std::ffi::c_void,
    *mut std::ffi::c_void,
    *mut std::ffi::c_void,
    *mut std::ffi::c_void,
    *mut u32,
    *const libbpf_sys::bpf_map_batch_opts,
) -> i32;

fn walk(map: &MapHandle, call: BatchCall) -> io::Result<Entries> {
    let (key_bytes, mut value_bytes) = (map.key_size() as usize, map.value_size() as usize);
    if map.map_type().is_percpu() {
        let cpus = libbpf_rs::num_possible_cpus().map_err(io::Error::other)?;
        value_bytes = value_bytes.next_multiple_of(8) * cpus;
    }
    let mut entries = Entries {
        key_bytes,
        value_bytes,
        ..Entries::default()
    };
    let mut asked = ENTRIES_PER_CALL;
    // Where the next call goes on: a bucket number for hashes, an index for arrays.
    let mut position = [0_u8; 8];
    let mut first = true;
    loop {
        let filled = entries.len();
        entries
            .keys
            .resize((filled + asked as usize) * key_bytes, 0);
        entries
            .values
            .resize((filled + asked as usize) * value_bytes, 0);
        let mut count = asked;
        let from = if first {
            ptr::null_mut()
        } else {
            position.as_mut_ptr().cast()
        };
        // SAFETY: keys and values have room for `asked` entries from `filled` on, `position` for
        // the 4 bytes the kernel writes for hashes and arrays alike; all outlive the call.
        let result = unsafe {
            call(
                map.as_fd().as_raw_fd(),
                from,
                position.as_mut_ptr().cast(),
                entries.keys[filled * key_bytes..].as_mut_ptr().cast(),
                entries.values[filled * value_bytes..].as_mut_ptr().cast(),
                &raw mut count,
                ptr::null(),
            )
        };
        let got = if result == 0 || -result == libc::ENOENT {
            count as usize
        } else {
            0
        };
        entries.keys.truncate((filled + got) * key_bytes);
        entries.values.truncate((filled + got) * value_bytes);
        match -result {
            0 => first = false,
            libc::ENOENT => return Ok(entries),
            libc::EINTR => {}
            // A bucket is larger than what was asked for.
            libc::ENOSPC => asked = asked.saturating_mul(2),
            error => return Err(io::Error::from_raw_os_error(error)),
        }
    }
}
