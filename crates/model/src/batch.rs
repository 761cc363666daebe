//! What an agent reports: one window of one node.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Family, FlowCounters, FlowRecord, Hook, NodeName, ObservationPoint};

/// Everything one agent's hooks counted in one window.
///
/// Invariant of the books: the bytes the hooks saw are those of `records`, of `totals` and of
/// `skipped` together; no byte is in two of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowBatch {
    /// Who reports, and which window it is.
    pub header: BatchHeader,
    /// One record a key; no key twice.
    pub records: Vec<FlowRecord>,
    /// What has no addresses, by where it was seen.
    pub totals: Vec<Total>,
    /// What the hooks saw and left out of records and totals, by reason.
    pub skipped: Vec<Skipped>,
    /// Every address the node itself holds (uplinks, bridges, node-local services), so that the
    /// server knows which are the node's own. Loopback and link-local addresses are left out.
    pub node_addresses: Vec<IpAddr>,
}

impl FlowBatch {
    /// Sum over records, totals and skipped: all that the hooks saw in this window.
    pub fn seen(&self) -> FlowCounters {
        let records = self.records.iter().map(|record| record.counters);
        let totals = self.totals.iter().map(|total| total.counters);
        let skipped = self.skipped.iter().map(|skipped| skipped.counters);
        records.chain(totals).chain(skipped).sum()
    }
}

/// Who reports, and which window it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchHeader {
    /// The node the agent runs on.
    pub node: NodeName,
    /// Made together with the kernel's maps; sequences count within it.
    pub epoch: Epoch,
    /// 1, 2, 3, … within the epoch, without gaps on the agent's side.
    pub sequence: u64,
    /// How long the window was, by the agent's monotonic clock.
    pub window: Duration,
    /// What was attached during the window.
    pub coverage: Coverage,
}

/// What of its node's traffic an agent saw in a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Coverage {
    hooks: u8,
    /// The agent takes its hooks off with the end of this window: what follows is not covered.
    pub ends: bool,
    /// What left through the node's uplinks.
    pub uplinks: Uplinks,
}

/// What left a node through its uplinks in a window, counted twice: where the hooks saw less than
/// was sent, packets bypass them.
///
/// Both are sums over all uplinks. Where both are zero nothing is told: nothing was sent, or the
/// agent does not read the interfaces' counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Uplinks {
    /// What the hooks saw leave through them: wire bytes, whether they were counted as traffic or
    /// left out.
    pub seen: FlowCounters,
    /// What the interfaces' own counters say they sent, less the link layer. Some interfaces count
    /// a packet that is segmented later as one, and so tell less than was seen.
    pub sent: FlowCounters,
}

impl Uplinks {
    /// Of what the uplinks sent the hooks must have seen so many percent. What is missing up to
    /// there can be frames that are not IP, and counters that are not read at one instant.
    pub const LEAST_SEEN_PERCENT: u64 = 95;

    /// A window in which less was sent says nothing: a few packets more or less would decide.
    pub const LEAST_SENT_BYTES: u64 = 1_000_000;

    /// What some drivers count of each packet besides IP bytes and the usual header: padding,
    /// checksum, a tag.
    const SLACK_BYTES_A_PACKET: u64 = 18;

    /// Whether packets bypassed the hooks; `None` if too little was sent to tell.
    pub fn bypassed(&self) -> Option<bool> {
        let Self { seen, sent } = self;
        if sent.bytes < Self::LEAST_SENT_BYTES {
            return None;
        }
        let slack = sent.packets.saturating_mul(Self::SLACK_BYTES_A_PACKET);
        let sent_at_least = u128::from(sent.bytes.saturating_sub(slack));
        let enough = sent_at_least * u128::from(Self::LEAST_SEEN_PERCENT);
        Some(u128::from(seen.bytes) * 100 < enough)
    }
}

/// Judges whether packets bypass a node's hooks, over as many windows as it takes: a node that
/// sends little is judged later, not never.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct BypassJudge {
    undecided: Uplinks,
}

impl BypassJudge {
    /// Takes one more window; `None` while too little was sent to tell.
    pub fn judge(&mut self, window: Uplinks) -> Option<bool> {
        self.undecided.seen += window.seen;
        self.undecided.sent += window.sent;
        let verdict = self.undecided.bypassed();
        if verdict.is_some() {
            self.undecided = Uplinks::default();
        }
        verdict
    }
}

impl Coverage {
    /// Every hook, both families, and no end in sight.
    pub fn full() -> Self {
        let mut coverage = Self::default();
        for hook in Hook::ALL {
            for family in Family::ALL {
                coverage.add(hook, family);
            }
        }
        coverage
    }

    /// Adds a hook that is attached for a family.
    pub fn add(&mut self, hook: Hook, family: Family) {
        self.hooks |= Self::bit(hook, family);
    }

    /// Whether the hook is attached for the family.
    pub fn has(self, hook: Hook, family: Family) -> bool {
        self.hooks & Self::bit(hook, family) != 0
    }

    /// The attached hooks as one bit each, as they go over the wire: bit 0 is POSTROUTING for IPv4,
    /// bit 1 for IPv6, bits 2 and 3 are LOCAL_IN.
    pub fn bits(self) -> u64 {
        u64::from(self.hooks)
    }

    /// The reverse of [`bits`](Self::bits). Bits that stand for no hook known here are left out.
    pub fn from_bits(bits: u64, ends: bool) -> Self {
        let mut coverage = Self::default();
        for hook in Hook::ALL {
            for family in Family::ALL {
                if bits & u64::from(Self::bit(hook, family)) != 0 {
                    coverage.add(hook, family);
                }
            }
        }
        coverage.ends = ends;
        coverage
    }

    fn bit(hook: Hook, family: Family) -> u8 {
        let hook = match hook {
            Hook::Postrouting => 0,
            Hook::LocalIn => 2,
        };
        let family = match family {
            Family::Ipv4 => 0,
            Family::Ipv6 => 1,
        };
        1 << (hook + family)
    }
}

/// 128 random bits made together with the kernel's maps: a new count begins with a new epoch.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Epoch(pub [u8; 16]);

impl fmt::Display for Epoch {
    /// 32 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Epoch({self})")
    }
}

/// Bytes without addresses, by where they were seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Total {
    /// Why they have no addresses.
    pub kind: TotalKind,
    /// Where they were seen.
    pub point: ObservationPoint,
    /// How many.
    pub counters: FlowCounters,
}

/// Why bytes are in a [`Total`] and not in a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TotalKind {
    /// Both the flow map and the map of address pairs were full: the detail is lost, not the bytes.
    Coarsened,
    /// Left by the loopback interface: from the node to itself.
    Loopback,
    /// Multicast or broadcast destination.
    Multicast,
}

impl TotalKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Coarsened, Self::Loopback, Self::Multicast];

    /// The name in metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Coarsened => "coarsened",
            Self::Loopback => "loopback",
            Self::Multicast => "multicast",
        }
    }
}

/// Packets that a hook saw and did not count as traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Skipped {
    /// Why.
    pub reason: SkipReason,
    /// The hook that saw them.
    pub hook: Hook,
    /// How many.
    pub counters: FlowCounters,
}

/// Why a hook left packets out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SkipReason {
    /// Seen a second time: it came back by the loopback interface, or is the host's own copy of a
    /// multicast it sent. Counted where it was seen first.
    Looped,
    /// Neither address is in a network given with `--cidr`.
    OutsideCidr,
    /// The IP header could not be read: cut short, or of another version than its hook's.
    Malformed,
    /// On its way into or out of a tunnel: counted as the outer packet, which is what the wire
    /// carries.
    Encapsulated,
}

impl SkipReason {
    /// Every reason.
    pub const ALL: [Self; 4] = [
        Self::Looped,
        Self::OutsideCidr,
        Self::Malformed,
        Self::Encapsulated,
    ];

    /// The name in metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Looped => "looped",
            Self::OutsideCidr => "outside_cidr",
            Self::Malformed => "malformed",
            Self::Encapsulated => "encapsulated",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_bypass_the_hooks_if_less_than_95_percent_of_a_megabyte_was_seen() {
        let cases = [
            // Seen; sent, in so many packets.
            (0, 0, 0, None),
            (0, 999_999, 700, None),
            (0, 1_000_000, 0, Some(true)),
            (949_999, 1_000_000, 0, Some(true)),
            (950_000, 1_000_000, 0, Some(false)),
            (2_000_000, 1_000_000, 0, Some(false)),
            // Bare acknowledgements of 52 bytes, counted with padding and checksum.
            (5_200_000, 7_000_000, 100_000, Some(false)),
            (0, 7_000_000, 100_000, Some(true)),
            (u64::MAX / 2, u64::MAX, 0, Some(true)),
            (u64::MAX, u64::MAX, u64::MAX, Some(false)),
        ];
        for (seen, sent, packets, expected) in cases {
            let uplinks = Uplinks {
                seen: FlowCounters {
                    bytes: seen,
                    packets: 0,
                },
                sent: FlowCounters {
                    bytes: sent,
                    packets,
                },
            };
            assert_eq!(uplinks.bypassed(), expected, "{uplinks:?}");
        }
    }

    #[test]
    fn a_node_that_sends_little_is_judged_over_several_windows() {
        let mut judge = BypassJudge::default();
        let window = |seen| Uplinks {
            seen: FlowCounters {
                bytes: seen,
                packets: 0,
            },
            sent: FlowCounters {
                bytes: 400_000,
                packets: 0,
            },
        };

        let verdicts =
            [0, 0, 0, 400_000, 400_000, 400_000, 0].map(|seen| judge.judge(window(seen)));

        let (bypassed, not) = (Some(true), Some(false));
        assert_eq!(verdicts, [None, None, bypassed, None, None, not, None]);
    }
}
