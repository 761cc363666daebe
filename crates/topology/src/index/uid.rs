//! What tells one object from every other, as a key of the index.

use std::sync::Arc;

use kubezonnet_model::PodUid;

/// An object's uid. Kubernetes' are UUIDs, and 16 bytes; a topology file may have any text.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Uid {
    /// A UUID, or a digest of as many digits.
    Bits(PodUid),
    /// Any other text.
    Text(Arc<str>),
}

impl Uid {
    pub(super) fn of(text: &str) -> Self {
        PodUid::parse(text).map_or_else(|| Self::Text(text.into()), Self::Bits)
    }
}
