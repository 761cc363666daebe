//! OpenMetrics text to Prometheus' classic text format (0.0.4).
//!
//! Samples without exemplars are the same in both. In the classic format the descriptors of a
//! counter and of an info have their samples' name, `_total` or `_info` included; an info is a
//! gauge, an unknown is untyped; and there is neither `# UNIT` nor `# EOF`.
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>

/// Rewrites a page.
pub(crate) fn of(open_metrics: &str) -> String {
    let mut classic = String::with_capacity(open_metrics.len() + open_metrics.len() / 64);
    let mut lines = open_metrics.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(descriptor) = line.strip_prefix("# ") else {
            push(&mut classic, &[line]);
            continue;
        };
        match descriptor.split_once(' ') {
            Some(("HELP", rest)) => {
                // The kind is on the line that follows, and decides the name on both.
                let kind = lines.peek().and_then(|next| kind_of(next));
                let (name, help) = rest.split_once(' ').unwrap_or((rest, ""));
                let suffix = suffix(kind.unwrap_or_default());
                push(&mut classic, &["# HELP ", name, suffix, " ", help]);
            }
            Some(("TYPE", rest)) => {
                let (name, kind) = rest.split_once(' ').unwrap_or((rest, "unknown"));
                let classic_kind = match kind {
                    "info" => "gauge",
                    "unknown" => "untyped",
                    same => same,
                };
                push(
                    &mut classic,
                    &["# TYPE ", name, suffix(kind), " ", classic_kind],
                );
            }
            // `# UNIT …` and `# EOF`.
            _ => {}
        }
    }
    classic
}

/// What kind of metric the line says that its family is.
fn kind_of(line: &str) -> Option<&str> {
    let (_, kind) = line.strip_prefix("# TYPE ")?.split_once(' ')?;
    Some(kind)
}

/// What samples have behind the name of their family.
fn suffix(kind: &str) -> &'static str {
    match kind {
        "counter" => "_total",
        "info" => "_info",
        _ => "",
    }
}

fn push(text: &mut String, parts: &[&str]) {
    text.extend(parts.iter().copied());
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;
    use prometheus_client::metrics::counter::Counter;
    use prometheus_client::metrics::family::Family;
    use prometheus_client::metrics::gauge::Gauge;
    use prometheus_client::metrics::histogram::Histogram;
    use prometheus_client::metrics::info::Info;
    use prometheus_client::registry::{Registry, Unit};

    use super::*;

    #[test]
    fn counters_and_infos_get_their_full_name_and_openmetrics_own_lines_go() {
        let open_metrics = "\
# HELP sent_bytes What was sent
# TYPE sent_bytes counter
# UNIT sent_bytes bytes
sent_bytes_total{to=\"# TYPE x counter\"} 5
sent_bytes_total{to=\"# EOF\"} 6
# HELP build Which build
# TYPE build info
build_info{version=\"1\"} 1
# HELP size How large; no counter
# TYPE size gauge
size 3
# HELP odd
# TYPE odd unknown
odd 4
# EOF
";
        let expected = "\
# HELP sent_bytes_total What was sent
# TYPE sent_bytes_total counter
sent_bytes_total{to=\"# TYPE x counter\"} 5
sent_bytes_total{to=\"# EOF\"} 6
# HELP build_info Which build
# TYPE build_info gauge
build_info{version=\"1\"} 1
# HELP size How large; no counter
# TYPE size gauge
size 3
# HELP odd \n# TYPE odd untyped
odd 4
";
        assert_eq!(of(open_metrics), expected);
    }

    #[test]
    fn every_kind_that_prometheus_client_writes_is_rewritten() {
        let mut registry = Registry::default();
        let counter = Family::<[(&str, &str); 1], Counter>::default();
        counter.get_or_create(&[("to", "a")]).inc_by(5);
        registry.register_with_unit("sent", "Sent", Unit::Bytes, counter);
        registry.register("size", "Size", Gauge::<i64>::default());
        registry.register("took", "Took", Histogram::new([0.5]));
        registry.register("build", "Build", Info::new([("version", "1")]));
        let mut open_metrics = String::new();
        encode(&mut open_metrics, &registry).unwrap();

        let classic = of(&open_metrics);

        let expected = "\
# HELP sent_bytes_total Sent.
# TYPE sent_bytes_total counter
sent_bytes_total{to=\"a\"} 5
# HELP size Size.
# TYPE size gauge
size 0
# HELP took Took.
# TYPE took histogram
took_sum 0.0
took_count 0
took_bucket{le=\"0.5\"} 0
took_bucket{le=\"+Inf\"} 0
# HELP build_info Build.
# TYPE build_info gauge
build_info{version=\"1\"} 1
";
        assert_eq!(classic, expected);
    }
}
