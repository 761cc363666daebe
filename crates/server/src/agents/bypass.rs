//! Whether packets leave a node by ways that its hooks do not see.

use kubezonnet_model::{NodeName, Uplinks};

/// Of what the uplinks sent the hooks must have seen so many percent. What is missing up to there can
/// be frames that are not IP, padding, and counters that are not read at one instant.
pub const LEAST_SEEN_PERCENT: u64 = 95;

/// A window in which less was sent says nothing.
pub const LEAST_SENT_BYTES: u64 = 1_000_000;

/// What left through a node's uplinks since its first window here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeUplinks {
    /// The node.
    pub node: NodeName,
    /// The sums.
    pub uplinks: Uplinks,
    /// Packets bypass the hooks, by the last window in which enough was sent to tell.
    pub bypassed: bool,
}

/// Whether packets bypassed the hooks; `None` if too little was sent to tell.
pub(super) fn verdict(uplinks: Uplinks) -> Option<bool> {
    let (seen, sent) = (uplinks.seen.bytes, uplinks.sent.bytes);
    if sent < LEAST_SENT_BYTES {
        return None;
    }
    Some(u128::from(seen) * 100 < u128::from(sent) * u128::from(LEAST_SEEN_PERCENT))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::uplinks;

    #[test]
    fn packets_bypass_the_hooks_if_less_than_95_percent_of_a_megabyte_was_seen() {
        let cases = [
            (0, 0, None),
            (0, 999_999, None),
            (0, 1_000_000, Some(true)),
            (949_999, 1_000_000, Some(true)),
            (950_000, 1_000_000, Some(false)),
            (2_000_000, 1_000_000, Some(false)),
            (u64::MAX / 2, u64::MAX, Some(true)),
            (u64::MAX, u64::MAX, Some(false)),
        ];
        for (seen, sent, expected) in cases {
            assert_eq!(verdict(uplinks(seen, sent)), expected, "{seen} of {sent}");
        }
    }
}
