//! Where a list goes on: whoever gets it need not know what is in it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kubezonnet_model::Window;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::refusal::Refusal;

/// Where a list of the largest goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Page {
    /// What tells the question from others.
    pub(super) question: u64,
    /// The time of the first page, as it was asked for: `1h` would be another by now.
    pub(super) range: Window,
    /// How many were listed before.
    pub(super) offset: u64,
}

/// Where the flows of the last windows go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    /// Which life of the server it is of.
    pub(super) life: u64,
    /// How many flows came before.
    pub(super) number: u64,
}

/// As text.
pub(super) fn write(place: &impl Serialize) -> String {
    let bytes = postcard::to_stdvec(place).expect("numbers are written to memory");
    URL_SAFE_NO_PAD.encode(bytes)
}

/// From text.
///
/// # Errors
///
/// [`Refusal`] if it is none of ours.
pub(super) fn read<T: DeserializeOwned>(text: &str) -> Result<T, Refusal> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok();
    let read = bytes.and_then(|bytes| postcard::from_bytes(&bytes).ok());
    read.ok_or_else(|| Refusal::of("cursor", "it is none: give `next` of the answer before"))
}
