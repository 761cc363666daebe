//! Changes and states as bytes: a version, and what postcard makes of the type.
//!
//! The bytes follow the types: another field, or another order of variants, is another version, for
//! which the old types have to be kept so that the old bytes can be read. A test holds the bytes
//! against golden ones.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The version of everything that is written. Nothing that was released wrote version 1.
pub(super) const VERSION: u8 = 2;

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
