//! When windows end, and what becomes of the last one.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::{Duration, Instant};

use kubezonnet_model::NodeName;

/// What becomes of the last window, and of what is not delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// The hooks are taken off at the end: nothing is covered after the last window.
    pub ends: bool,
    /// What is not delivered in time stays in the kernel, for the next agent.
    pub stays: bool,
    /// Nothing is counted any more: the next window is closed at once and is the last one.
    pub hurries: bool,
}

impl Plan {
    /// Hooks and maps end with the agent.
    pub const ALONE: Self = Self {
        ends: true,
        stays: false,
        hurries: false,
    };

    /// Hooks and maps outlive the agent.
    pub const PINNED: Self = Self {
        ends: false,
        stays: true,
        hurries: false,
    };

    /// Maps that another layout counted into, while the hooks go on with new ones.
    pub const LEFTOVER: Self = Self {
        ends: false,
        stays: true,
        hurries: true,
    };

    /// Maps that are removed whether they are delivered or not; the last of them end the coverage.
    pub const fn removal(ends: bool) -> Self {
        Self {
            ends,
            stays: false,
            hurries: true,
        }
    }
}

/// How often windows end, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// From the end of one window to that of the next.
    pub interval: Duration,
    /// How long after the first window's begin a window ends, besides whole intervals.
    pub phase: Duration,
}

impl Pace {
    /// Each node has a phase of its own, so that agents that begin together (an upgrade, a server that
    /// is there again) do not send together for ever.
    pub fn of(node: &NodeName, interval: Duration) -> Self {
        let mut hasher = DefaultHasher::new();
        node.as_str().hash(&mut hasher);
        let share = u128::from(hasher.finish() >> 32);
        let nanos = (interval.as_nanos() * share) >> 32;
        let phase = Duration::from_nanos(u64::try_from(nanos).unwrap_or(0));
        Self { interval, phase }
    }

    /// When a window that begins at `opened` is to end: after about an interval, a whole number of
    /// intervals away from `beat`.
    pub(super) fn due(&self, beat: Instant, opened: Instant) -> Instant {
        let half = self.interval / 2;
        let Some(since) = (opened + self.interval + half).checked_duration_since(beat) else {
            return beat;
        };
        let beyond = since.as_nanos() % self.interval.as_nanos().max(1);
        let beyond = Duration::from_nanos(u64::try_from(beyond).unwrap_or(0));
        beat + since.saturating_sub(beyond)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(10);

    #[test]
    fn windows_end_in_the_phase_of_their_node_after_half_to_one_and_a_half_intervals() {
        let began = Instant::now();
        for name in ["n1", "worker-17", "ip-10-0-0-1.ec2.internal"] {
            let pace = Pace::of(&NodeName::new(name).unwrap(), INTERVAL);
            let beat = began + pace.phase;

            let first = pace.due(beat, began);
            let late = first + Duration::from_millis(7);

            assert!(first - began >= INTERVAL / 2 && first - began <= INTERVAL * 3 / 2);
            assert_eq!(pace.due(beat, late), first + INTERVAL);
        }
    }

    #[test]
    fn the_windows_of_many_nodes_end_all_over_the_interval() {
        let phases = (0..1000).map(|number| {
            let name = NodeName::new(format!("node-{number}")).unwrap();
            Pace::of(&name, INTERVAL).phase
        });

        let mut tenths = [0; 10];
        for phase in phases {
            tenths[usize::try_from(phase.as_millis() / 1000).unwrap()] += 1;
        }

        assert!(tenths.iter().all(|&count| count > 50), "{tenths:?}");
    }
}
