//! How many connections there are, and why others were closed.

use std::sync::atomic::{AtomicU64, Ordering};

/// Why the server closed a connection, or let none begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// There were too many, and of all that kept the server waiting it had done so for longest, of the
    /// address with the most.
    Crowded,
    /// Its address had too many.
    CrowdedPeer,
    /// The TLS handshake failed, or took too long.
    Handshake,
    /// The head of a request took too long.
    SlowHead,
    /// The head of a request was too long, or no HTTP.
    BadHead,
    /// No request came any more.
    Idle,
    /// The answer was not taken in time.
    SlowAnswer,
}

impl Closed {
    /// Every reason, in the order in which they are counted.
    pub const ALL: [Self; 7] = [
        Self::Crowded,
        Self::CrowdedPeer,
        Self::Handshake,
        Self::SlowHead,
        Self::BadHead,
        Self::Idle,
        Self::SlowAnswer,
    ];

    /// The name in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Crowded => "crowded",
            Self::CrowdedPeer => "crowded_peer",
            Self::Handshake => "handshake",
            Self::SlowHead => "slow_head",
            Self::BadHead => "bad_head",
            Self::Idle => "idle",
            Self::SlowAnswer => "slow_answer",
        }
    }
}

/// Connections, counted over all listeners.
#[derive(Debug, Default)]
pub struct ConnectionCounts {
    open: AtomicU64,
    /// In the order of [`Closed::ALL`].
    closed: [AtomicU64; Closed::ALL.len()],
}

impl ConnectionCounts {
    /// Connections there are.
    pub fn open(&self) -> u64 {
        self.open.load(Ordering::Relaxed)
    }

    /// Connections the server closed, by reason.
    pub fn closed(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = self
            .closed
            .iter()
            .map(|count| count.load(Ordering::Relaxed));
        Closed::ALL.into_iter().map(Closed::as_str).zip(counts)
    }

    pub(super) fn opened(&self) {
        self.open.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn gone(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn close(&self, reason: Closed) {
        self.closed[reason as usize].fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_counter_of_its_own_and_is_documented() {
        let page = include_str!("../../../../docs/metrics.md");
        let counts = ConnectionCounts::default();

        for reason in Closed::ALL {
            counts.close(reason);
            assert!(
                page.contains(&format!("`{}`", reason.as_str())),
                "{reason:?}"
            );
        }

        assert!(counts.closed().all(|(_, count)| count == 1));
    }
}
