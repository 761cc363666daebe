//! OpenMetrics text to Prometheus' classic text format (0.0.4).
//!
//! Samples are the same in both. In the classic format a counter's descriptor has its samples'
//! name, `_total` included, and there is neither `# UNIT` nor `# EOF`.
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>

/// Rewrites a page of counters, gauges and histograms.
pub(super) fn of(open_metrics: &str) -> String {
    let mut classic = String::with_capacity(open_metrics.len() + open_metrics.len() / 64);
    let mut lines = open_metrics.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(descriptor) = line.strip_prefix("# ") else {
            push(&mut classic, &[line]);
            continue;
        };
        match descriptor.split_once(' ') {
            Some(("HELP", rest)) => {
                // The kind is on the line that follows.
                let counter = lines.peek().is_some_and(|next| is_counter(next));
                let (name, help) = rest.split_once(' ').unwrap_or((rest, ""));
                push(&mut classic, &["# HELP ", name, suffix(counter), " ", help]);
            }
            Some(("TYPE", rest)) => {
                let (name, kind) = rest.split_once(' ').unwrap_or((rest, "untyped"));
                push(
                    &mut classic,
                    &["# TYPE ", name, suffix(is_counter(line)), " ", kind],
                );
            }
            // `# UNIT …` and `# EOF`.
            _ => {}
        }
    }
    classic
}

fn is_counter(line: &str) -> bool {
    line.starts_with("# TYPE ") && line.ends_with(" counter")
}

fn suffix(counter: bool) -> &'static str {
    if counter { "_total" } else { "" }
}

fn push(text: &mut String, parts: &[&str]) {
    text.extend(parts.iter().copied());
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_get_their_full_name_and_openmetrics_own_lines_go() {
        let open_metrics = "\
# HELP sent_bytes What was sent
# TYPE sent_bytes counter
# UNIT sent_bytes bytes
sent_bytes_total{to=\"# TYPE x counter\"} 5
# HELP size How large
# TYPE size gauge
size 3
# EOF
";
        let expected = "\
# HELP sent_bytes_total What was sent
# TYPE sent_bytes_total counter
sent_bytes_total{to=\"# TYPE x counter\"} 5
# HELP size How large
# TYPE size gauge
size 3
";
        assert_eq!(of(open_metrics), expected);
    }
}
