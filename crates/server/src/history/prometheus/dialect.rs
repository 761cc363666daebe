//! How the series of a selector are asked for, by what the server that is asked understands. Pure.
//!
//! A counter holds from one sample to the next, but for five minutes at most, and ends where a scrape does not
//! have it any more: that is what a selector means to Prometheus. To `VictoriaMetrics` (`MetricsQL`) it holds
//! for a time that is guessed for each series, and that of a store can be another than that of its counters.
//! So there the same is asked for by name.

/// What a server understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// As Prometheus, Thanos and Mimir do.
    PromQl,
    /// As `VictoriaMetrics` does.
    MetricsQl,
}

/// How selectors are written for points in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) dialect: Dialect,
    /// By how many milliseconds the points that are asked for are later than those that are meant.
    pub(super) later: u64,
}

impl Reading {
    /// What the series of a selector show.
    pub(super) fn shown(self, selector: &str) -> String {
        let offset = self.offset();
        match self.dialect {
            Dialect::PromQl => format!("{selector}{offset}"),
            Dialect::MetricsQl => format!("default_rollup({selector}[5m]{offset})"),
        }
    }

    /// When what they show was sampled.
    pub(super) fn sampled(self, selector: &str) -> String {
        let offset = self.offset();
        match self.dialect {
            Dialect::PromQl => format!("timestamp({selector}{offset})"),
            Dialect::MetricsQl => {
                let shown = self.shown(selector);
                format!("timestamp({selector}[5m]{offset}) and {shown}")
            }
        }
    }

    fn offset(self) -> String {
        match self.later {
            0 => String::new(),
            later => format!(" offset {later}ms"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_is_asked_for_in_either_dialect() {
        let reading = |dialect, later| Reading { dialect, later };
        let prometheus = reading(Dialect::PromQl, 0);
        let later = reading(Dialect::PromQl, 1_500);
        let victoria = reading(Dialect::MetricsQl, 1_500);

        assert_eq!(prometheus.shown("{a=\"b\"}"), "{a=\"b\"}");
        assert_eq!(prometheus.sampled("up"), "timestamp(up)");
        assert_eq!(later.shown("up"), "up offset 1500ms");
        assert_eq!(later.sampled("up"), "timestamp(up offset 1500ms)");
        assert_eq!(victoria.shown("up"), "default_rollup(up[5m] offset 1500ms)");
        assert_eq!(
            victoria.sampled("up"),
            "timestamp(up[5m] offset 1500ms) and default_rollup(up[5m] offset 1500ms)"
        );
    }
}
