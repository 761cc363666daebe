//! Changes and states as bytes: a version, and what postcard makes of the type.
//!
//! The bytes follow the types: another field, or another order of variants, is another version. It
//! comes with a step in `schema.rs` that rewrites what the versions before wrote, so all bytes of an
//! open database are of one version. A test holds the bytes against golden ones.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The version of everything that is written. No release wrote versions 1 and 2.
pub(super) const VERSION: u8 = 3;

/// Why bytes cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    /// Of a version that is not known.
    #[error("it is of version {0}, and this server knows version {VERSION}")]
    Version(u8),
    /// Not what was written.
    #[error("it is damaged: {0}")]
    Damaged(#[from] postcard::Error),
    /// Nothing.
    #[error("it is empty")]
    Empty,
}

/// The bytes of a value.
pub(super) fn write(value: &impl Serialize) -> Vec<u8> {
    postcard::to_stdvec(&(VERSION, value)).expect("lengths are known, and memory takes all")
}

/// The value of bytes.
pub(super) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Unreadable> {
    match bytes {
        [VERSION, value @ ..] => Ok(postcard::from_bytes(value)?),
        [version, ..] => Err(Unreadable::Version(*version)),
        [] => Err(Unreadable::Empty),
    }
}

/// Bytes that mean the same in two versions, as those of the later one.
pub(super) fn renumber(mut bytes: Vec<u8>, from: u8, to: u8) -> Result<Vec<u8>, Unreadable> {
    match bytes.first_mut() {
        Some(version) if *version == from => {
            *version = to;
            Ok(bytes)
        }
        Some(version) => Err(Unreadable::Version(*version)),
        None => Err(Unreadable::Empty),
    }
}
