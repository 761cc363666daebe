//! In which of its two text formats `/metrics` is answered.
//!
//! prometheus-client writes OpenMetrics; the classic format is made from it. They differ in what
//! agents report only in the comments: a counter's comments carry the name with `_total`, an
//! info metric is a gauge, and units and the end are not marked.

/// A text format for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// The classic Prometheus text format 0.0.4.
    Classic,
}

impl Format {
    /// The format a client asks for with its `Accept` header: OpenMetrics if it names it.
    pub fn wanted(accept: Option<&str>) -> Self {
        match accept {
            Some(accept) if accept.contains("application/openmetrics-text") => Self::OpenMetrics,
            Some(_) | None => Self::Classic,
        }
    }

    /// The `Content-Type` of the answer.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Classic => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    /// Makes text of this format from OpenMetrics text.
    pub fn from_open_metrics(self, text: String) -> String {
        match self {
            Self::OpenMetrics => text,
            Self::Classic => classic(&text),
        }
    }
}

fn classic(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if line == "# EOF" || line.starts_with("# UNIT ") {
            continue;
        }
        if let Some(help) = line.strip_prefix("# HELP ") {
            // The type is on the next line, and decides the name on both.
            let kind = lines
                .peek()
                .and_then(|next| next.strip_prefix("# TYPE "))
                .and_then(|next| next.rsplit(' ').next());
            let suffix = suffix(kind.unwrap_or_default());
            let (name, words) = help.split_once(' ').unwrap_or((help, ""));
            push_line(&mut out, &["# HELP ", name, suffix, " ", words]);
        } else if let Some((name, kind)) = line
            .strip_prefix("# TYPE ")
            .and_then(|rest| rest.split_once(' '))
        {
            let classic_kind = if kind == "info" { "gauge" } else { kind };
            push_line(
                &mut out,
                &["# TYPE ", name, suffix(kind), " ", classic_kind],
            );
        } else {
            push_line(&mut out, &[line]);
        }
    }
    out
}

fn suffix(kind: &str) -> &'static str {
    match kind {
        "counter" => "_total",
        "info" => "_info",
        _ => "",
    }
}

fn push_line(out: &mut String, parts: &[&str]) {
    out.extend(parts.iter().copied());
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prometheus_gets_open_metrics_and_curl_gets_classic_text() {
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.3";

        assert_eq!(Format::wanted(Some(prometheus)), Format::OpenMetrics);
        assert_eq!(Format::wanted(Some("*/*")), Format::Classic);
        assert_eq!(Format::wanted(None), Format::Classic);
    }

    #[test]
    fn classic_text_names_counters_and_infos_as_their_samples() {
        let open = "# HELP a_bytes Bytes.\n# TYPE a_bytes counter\n# UNIT a_bytes bytes\n\
                    a_bytes_total{x=\"# EOF\"} 1\n\
                    # HELP build Build.\n# TYPE build info\nbuild_info{version=\"1\"} 1\n\
                    # HELP g G.\n# TYPE g gauge\ng 2\n# EOF\n";

        let classic = Format::Classic.from_open_metrics(open.to_owned());

        assert_eq!(
            classic,
            "# HELP a_bytes_total Bytes.\n# TYPE a_bytes_total counter\n\
             a_bytes_total{x=\"# EOF\"} 1\n\
             # HELP build_info Build.\n# TYPE build_info gauge\nbuild_info{version=\"1\"} 1\n\
             # HELP g G.\n# TYPE g gauge\ng 2\n"
        );
    }
}
