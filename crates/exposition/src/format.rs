//! In which text format a page is answered, by the `Accept` headers of the request.

use crate::classic;

/// A text format of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// Prometheus' classic text format 0.0.4.
    Classic,
}

impl Format {
    /// Chooses by the values of all `Accept` headers: OpenMetrics if it is asked for by name, and
    /// at least as much as plain text is.
    pub fn accepted<'a>(headers: impl IntoIterator<Item = &'a str>) -> Self {
        let (mut open_metrics, mut plain) = (0.0, 0.0);
        for range in headers.into_iter().flat_map(|value| value.split(',')) {
            let (media_type, quality) = parse(range);
            if media_type.eq_ignore_ascii_case("application/openmetrics-text") {
                open_metrics = quality.max(open_metrics);
            } else if media_type.eq_ignore_ascii_case("text/plain") {
                plain = quality.max(plain);
            }
        }
        if open_metrics > 0.0 && open_metrics >= plain {
            Self::OpenMetrics
        } else {
            Self::Classic
        }
    }

    /// The value of `Content-Type`.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Classic => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    /// Makes text of this format from OpenMetrics text as prometheus-client writes it.
    pub fn from_open_metrics(self, text: String) -> String {
        match self {
            Self::OpenMetrics => text,
            Self::Classic => classic::of(&text),
        }
    }
}

/// The media type of a range and how much it is wanted: as much as can be if it does not say, and
/// not at all if what it says is no number.
fn parse(range: &str) -> (&str, f64) {
    let mut parts = range.split(';').map(str::trim);
    let media_type = parts.next().unwrap_or_default();
    let quality = parts.find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.eq_ignore_ascii_case("q").then_some(value)
    });
    let quality = quality.map_or(1.0, |value| value.parse().unwrap_or(0.0));
    (media_type, quality)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_for_openmetrics_gets_it_and_all_others_the_classic_text() {
        let cases: [(&[&str], Format); 13] = [
            (&[], Format::Classic),
            (&[""], Format::Classic),
            (&["*/*"], Format::Classic),
            (&["text/plain"], Format::Classic),
            (&["text/plain;version=0.0.4;q=1,*/*;q=0.1"], Format::Classic),
            (&["application/openmetrics-text"], Format::OpenMetrics),
            (
                &["Application/OpenMetrics-Text; Q=0.5"],
                Format::OpenMetrics,
            ),
            (
                &["application/openmetrics-text; q=0, text/plain"],
                Format::Classic,
            ),
            (&["application/openmetrics-text;q=0"], Format::Classic),
            (&["application/openmetrics-text;q=much"], Format::Classic),
            (
                &["application/openmetrics-text;q=0.2,text/plain;q=0.8"],
                Format::Classic,
            ),
            (
                &["text/plain;q=0.5", "application/openmetrics-text;q=0.5"],
                Format::OpenMetrics,
            ),
            // What Prometheus 2.42 sends.
            (
                &["application/openmetrics-text;version=1.0.0,\
                   application/openmetrics-text;version=0.0.1;q=0.75,\
                   text/plain;version=0.0.4;q=0.5,*/*;q=0.1"],
                Format::OpenMetrics,
            ),
        ];

        for (headers, expected) in cases {
            let format = Format::accepted(headers.iter().copied());

            assert_eq!(format, expected, "{headers:?}");
        }
    }

    #[test]
    fn openmetrics_text_stays_as_it_is() {
        let text = "# TYPE a gauge\na 1\n# EOF\n";

        let page = Format::OpenMetrics.from_open_metrics(text.to_owned());

        assert_eq!(page, text);
    }
}
