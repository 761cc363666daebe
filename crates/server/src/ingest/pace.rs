//! How often a node may report.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use kubezonnet_model::NodeName;
use tokio::time::Instant;

/// The time in which batches are counted.
const SPAN: Duration = Duration::from_secs(10);

/// Nodes that are remembered: more than any cluster has.
const NODES: usize = 20_000;

/// Counts the batches of each node in the span that runs.
#[derive(Debug)]
pub(super) struct Pace {
    most: usize,
    spans: Mutex<HashMap<NodeName, Span>>,
}

#[derive(Debug)]
struct Span {
    begun: Instant,
    batches: usize,
}

impl Pace {
    /// At most so many batches of a node in ten seconds.
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            spans: Mutex::default(),
        }
    }

    /// Counts a batch, or says in how many seconds the next one is welcome.
    ///
    /// # Errors
    ///
    /// These seconds, at least one, if there were enough.
    pub(super) fn step(&self, node: &NodeName) -> Result<(), u64> {
        let now = Instant::now();
        // What is counted is whole after every line.
        let mut spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(span) = spans.get_mut(node) {
            let left = (span.begun + SPAN).saturating_duration_since(now);
            if !left.is_zero() {
                if span.batches >= self.most {
                    return Err(left.as_secs() + 1);
                }
                span.batches += 1;
                return Ok(());
            }
        }
        if spans.len() >= NODES {
            // Names of nodes that there are not: they are no reason to take more memory.
            spans.clear();
        }
        let span = Span {
            begun: now,
            batches: 1,
        };
        spans.insert(node.clone(), span);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::node_name;

    #[tokio::test(start_paused = true)]
    async fn a_node_that_reports_too_often_waits_and_no_other_does() {
        let pace = Pace::new(3);
        let (often, other) = (node_name("n1"), node_name("n2"));
        for _ in 0..3 {
            pace.step(&often).unwrap();
        }
        tokio::time::advance(Duration::from_millis(3500)).await;

        let early = pace.step(&often);
        let others = pace.step(&other);
        tokio::time::advance(Duration::from_secs(7)).await;
        let late = pace.step(&often);

        assert_eq!((early, others, late), (Err(7), Ok(()), Ok(())));
    }

    #[test]
    fn invented_names_take_no_memory_without_bound() {
        let pace = Pace::new(1);

        for number in 0..=NODES {
            pace.step(&node_name(&format!("n{number}"))).unwrap();
        }

        assert!(pace.spans.lock().unwrap().len() <= NODES);
    }
}
