//! Says in the log that packets bypass the hooks of nodes, and does not say it all the time.

use std::time::Duration;

use kubezonnet_model::Timestamp;

use crate::agents::NodeUplinks;

/// How long after a warning the next one is due.
const AGAIN: Duration = Duration::from_mins(10);

/// The warning, and when it was given last.
#[derive(Debug, Default)]
pub(crate) struct Warning {
    given: Option<Timestamp>,
}

impl Warning {
    /// Warns if packets bypass the hooks of a node, unless it did so not long ago.
    pub(crate) fn give(&mut self, nodes: &[NodeUplinks], now: Timestamp) {
        let bypassed = nodes.iter().filter(|of_node| of_node.bypassed);
        let Some(worst) = bypassed.clone().min_by_key(|of_node| percent(of_node)) else {
            return;
        };
        if !self.is_due(now) {
            return;
        }
        tracing::warn!(
            nodes = bypassed.count(),
            node = %worst.node,
            seen_percent = percent(worst),
            "packets leave nodes by ways that the hooks do not see, and are counted by their \
             receivers only; likely reasons are eBPF host routing (Cilium), flow tables of \
             netfilter, Open vSwitch, SR-IOV and further networks of Multus; \
             kubezonnet_server_bypassed has the nodes"
        );
    }

    fn is_due(&mut self, now: Timestamp) -> bool {
        let is_due = self.given.is_none_or(|given| now.since(given) >= AGAIN);
        if is_due {
            self.given = Some(now);
        }
        is_due
    }
}

/// How much of what a node sent the hooks saw, over all its windows.
fn percent(of_node: &NodeUplinks) -> u64 {
    let (seen, sent) = (of_node.uplinks.seen.bytes, of_node.uplinks.sent.bytes);
    let percent = u128::from(seen) * 100 / u128::from(sent.max(1));
    u64::try_from(percent).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NOW, node_name, uplinks};

    fn node(name: &str, bypassed: bool) -> NodeUplinks {
        NodeUplinks {
            node: node_name(name),
            uplinks: uplinks(1, 10),
            bypassed,
        }
    }

    #[test]
    fn it_is_given_once_in_ten_minutes_and_only_with_a_reason() {
        let mut warning = Warning::default();
        let minutes = |minutes| NOW.plus(Duration::from_mins(minutes));

        warning.give(&[node("n1", false)], minutes(0));
        assert_eq!(warning.given, None);
        warning.give(&[node("n1", false), node("n2", true)], minutes(1));
        assert_eq!(warning.given, Some(minutes(1)));
        warning.give(&[node("n1", true), node("n2", true)], minutes(10));
        assert_eq!(warning.given, Some(minutes(1)));
        warning.give(&[node("n2", true)], minutes(11));
        assert_eq!(warning.given, Some(minutes(11)));
    }

    #[test]
    fn the_percentage_of_nothing_or_of_very_much_is_a_number() {
        let of = |seen, sent| {
            percent(&NodeUplinks {
                uplinks: uplinks(seen, sent),
                ..node("n1", true)
            })
        };

        assert_eq!([of(1, 10), of(0, 0), of(u64::MAX, 1)], [10, 0, u64::MAX]);
    }
}
