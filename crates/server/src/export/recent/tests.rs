//! The last windows.

use super::*;
use crate::export::Exporters;
use crate::pipeline::{Pipeline, Settings};
use crate::testing::{IN, NOW, OUT, Report, cluster};

fn pipeline(recent: &Arc<Recent>) -> Pipeline {
    let settings = Settings {
        pending_timeout: Duration::from_mins(1),
        reports_due: kubezonnet_model::Timestamp(0),
        series_retention: Duration::from_mins(15),
        limits: crate::ledger::SeriesLimits::default(),
    };
    let exporters = Exporters::of(vec![Box::new(Arc::clone(recent))]);
    Pipeline::new(cluster(), exporters, settings)
}

fn bytes(excerpt: &Excerpt) -> Vec<(u64, u64)> {
    let flows = excerpt.flows();
    flows
        .map(|(number, _, flow)| (number, flow.counters.bytes))
        .collect()
}

#[test]
fn flows_are_numbered_in_the_order_in_which_they_come_and_counted_ones_only() {
    let recent = Arc::new(Recent::new(7));
    let pipeline = pipeline(&recent);
    let windows = [
        Report::of("n1", 1)
            .record("10.67.1.1", "10.67.2.1", OUT, 1000)
            .record("10.67.1.1", "10.67.1.2", OUT, 2000),
        // Counted by its sender.
        Report::of("n2", 1).record("10.67.1.1", "10.67.2.1", IN, 1000),
        Report::of("n2", 2).record("10.67.2.1", "10.67.1.1", OUT, 3000),
    ];

    for window in windows {
        pipeline
            .apply(&window.decoded(), Duration::ZERO, NOW)
            .unwrap();
    }

    let mut first = bytes(&recent.after(0));
    first[..2].sort_unstable_by_key(|(_, bytes)| *bytes);
    assert_eq!(
        first.iter().map(|(_, bytes)| *bytes).collect::<Vec<_>>(),
        [1000, 2000, 3000]
    );
    assert_eq!(bytes(&recent.after(2)), [(2, 3000)]);
    assert_eq!(bytes(&recent.after(3)), []);
    assert_eq!((recent.after(3).count, recent.after(3).first), (3, 0));
    assert_eq!(
        recent.counts(),
        ExportCounts {
            written: 3,
            dropped: 0
        }
    );
}
