//! How much time the windows of a node claim to have lasted, all together.
//!
//! A window may be as long as a server can be away, and hold what links carry in that time. Windows of
//! one node do not overlap, so all of them together last no longer than the time in which they came,
//! and the one that was long when this server first heard of the node. Who claims more makes it up, to
//! bring the counters to their end.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use kubezonnet_model::{BatchHeader, Epoch, NodeName, Timestamp};

use super::plausible::{Implausible, MAX_TIME, SLACK};

/// The claims of all nodes that are known, since this server runs.
#[derive(Debug, Default)]
pub(super) struct Claims(Mutex<HashMap<NodeName, Claim>>);

#[derive(Debug)]
struct Claim {
    since: Timestamp,
    claimed: Duration,
    /// The window that was added last: one that comes again is not added again.
    last: (Epoch, u64),
}

impl Claims {
    /// Adds a window that is new.
    ///
    /// # Errors
    ///
    /// [`Implausible::Claimed`]; it is not added then.
    pub(super) fn add(&self, header: &BatchHeader, now: Timestamp) -> Result<(), Implausible> {
        let this = (header.epoch, header.sequence);
        let mut claims = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let claim = claims.entry(header.node.clone()).or_insert(Claim {
            since: now,
            claimed: Duration::ZERO,
            last: (header.epoch, 0),
        });
        if claim.last == this {
            return Ok(());
        }
        let claimed = claim.claimed + header.window;
        let most = now.since(claim.since) + MAX_TIME + SLACK;
        if claimed > most {
            return Err(Implausible::Claimed { claimed, most });
        }
        claim.claimed = claimed;
        claim.last = this;
        Ok(())
    }

    /// Whether the node has claimed anything.
    #[cfg(test)]
    pub(super) fn knows(&self, node: &NodeName) -> bool {
        let claims = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        claims.contains_key(node)
    }

    /// Forgets nodes that nobody knows any more.
    pub(super) fn forget(&self, is_known: impl Fn(&NodeName) -> bool) {
        let mut claims = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        claims.retain(|node, _| is_known(node));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Report;

    const BEGIN: Timestamp = Timestamp(1_800_000_000_000);

    fn window(sequence: u64, length: Duration) -> BatchHeader {
        let mut header = Report::of("n1", sequence).decoded().header;
        header.window = length;
        header
    }

    #[test]
    fn windows_that_follow_each_other_are_believed_after_one_of_any_length() {
        let claims = Claims::default();
        claims.add(&window(1, MAX_TIME), BEGIN).unwrap();

        let ten = Duration::from_secs(10);
        for sequence in 2..1000 {
            let now = BEGIN.plus(ten * u32::try_from(sequence - 1).unwrap());
            assert_eq!(
                claims.add(&window(sequence, ten), now),
                Ok(()),
                "{sequence}"
            );
        }
    }

    #[test]
    fn a_second_month_in_the_same_minute_is_not_believed() {
        let claims = Claims::default();
        claims.add(&window(1, MAX_TIME), BEGIN).unwrap();

        let second = claims.add(&window(2, MAX_TIME), BEGIN.plus(Duration::from_mins(1)));

        assert!(
            matches!(second, Err(Implausible::Claimed { .. })),
            "{second:?}"
        );
    }

    #[test]
    fn a_window_that_comes_again_claims_its_time_once() {
        let claims = Claims::default();
        for _ in 0..3 {
            assert_eq!(claims.add(&window(1, MAX_TIME), BEGIN), Ok(()));
        }
    }
}
