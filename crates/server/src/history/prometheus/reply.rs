//! What a Prometheus-compatible server answers, as JSON.

use std::fmt;

use kubezonnet_model::Timestamp;
use serde::de::{self, DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::labels::{Labels, Texts};

/// An answer to a query over a range.
#[derive(Debug, Deserialize)]
pub(super) struct Reply {
    status: String,
    error: Option<String>,
    data: Option<Data>,
    /// What it could not do, of those that it asks.
    #[serde(default)]
    warnings: Option<Vec<String>>,
    /// Some of those that it asks did not answer (`VictoriaMetrics`).
    #[serde(default, rename = "isPartial")]
    is_partial: Option<bool>,
}

#[derive(Debug, Deserialize)]
struct Data {
    #[serde(deserialize_with = "series")]
    result: Vec<Sampled>,
}

/// A series, and its samples where it has any.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sampled {
    /// Its labels; the name is one of them.
    pub(super) metric: Labels,
    /// In the order of time.
    pub(super) values: Vec<Sample>,
}

/// A value at a point in time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sample {
    pub(super) at: Timestamp,
    pub(super) value: f64,
}

impl Reply {
    /// What the answer lacks, as the server says it.
    pub(super) fn lack(&self) -> Option<String> {
        // What is said of the query itself begins so: nothing is lacking for that.
        let is_of_query = |warning: &&String| warning.starts_with("PromQL ");
        let warnings = self.warnings.iter().flatten();
        let warnings = warnings.filter(|warning| !is_of_query(warning));
        let warnings: Vec<_> = warnings.map(String::as_str).collect();
        match self.is_partial {
            _ if !warnings.is_empty() => Some(warnings.join("; ")),
            Some(true) => Some("the answer is partial".to_owned()),
            _ => None,
        }
    }

    /// The series, or what the server says is wrong.
    pub(super) fn series(self) -> Result<Vec<Sampled>, String> {
        match self {
            Self {
                data: Some(data), ..
            } if self.status == "success" => Ok(data.result),
            Self { error, .. } => {
                Err(error.unwrap_or_else(|| "it does not say what is wrong".to_owned()))
            }
        }
    }
}

fn series<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Sampled>, D::Error> {
    deserializer.deserialize_seq(OfSeries)
}

/// All series, with the texts that they have in common.
struct OfSeries;

impl<'de> Visitor<'de> for OfSeries {
    type Value = Vec<Sampled>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of series")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Vec<Sampled>, A::Error> {
        let mut texts = Texts::default();
        let mut all = Vec::new();
        while let Some(series) = parts.next_element_seed(OfSampled(&mut texts))? {
            all.push(series);
        }
        Ok(all)
    }
}

struct OfSampled<'a>(&'a mut Texts);

impl<'de> DeserializeSeed<'de> for OfSampled<'_> {
    type Value = Sampled;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Sampled, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for OfSampled<'_> {
    type Value = Sampled;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a series with its labels and samples")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Sampled, A::Error> {
        let (mut metric, mut values) = (None, None::<Vec<Sample>>);
        while let Some(name) = map.next_key::<String>()? {
            match name.as_str() {
                "metric" => metric = Some(map.next_value_seed(&mut *self.0)?),
                "values" => values = Some(map.next_value()?),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        let missing = de::Error::missing_field;
        let mut values = values.ok_or_else(|| missing("values"))?;
        values.shrink_to_fit();
        Ok(Sampled {
            metric: metric.ok_or_else(|| missing("metric"))?,
            values,
        })
    }
}

impl<'de> Deserialize<'de> for Sample {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(OfSample)
    }
}

struct OfSample;

impl<'de> Visitor<'de> for OfSample {
    type Value = Sample;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time in seconds and a number in quotes")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Sample, A::Error> {
        let missing = |position| de::Error::invalid_length(position, &self);
        let seconds: f64 = parts.next_element()?.ok_or_else(|| missing(0))?;
        let Quoted(value) = parts.next_element()?.ok_or_else(|| missing(1))?;
        if parts.next_element::<IgnoredAny>()?.is_some() {
            return Err(missing(3));
        }
        Ok(Sample {
            at: timestamp(seconds).ok_or_else(|| de::Error::custom("a time before 1970"))?,
            value,
        })
    }
}

/// A number in quotes; all that Prometheus writes, what is none included.
struct Quoted(f64);

impl<'de> Deserialize<'de> for Quoted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(OfQuoted).map(Self)
    }
}

struct OfQuoted;

impl Visitor<'_> for OfQuoted {
    type Value = f64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number in quotes")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<f64, E> {
        text.parse()
            .map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
    }
}

/// A point in time of seconds since 1970, to the millisecond.
pub(super) fn timestamp(seconds: f64) -> Option<Timestamp> {
    /// 2^53: up to there each millisecond is a number of its own.
    const MOST: f64 = 9_007_199_254_740_992.0;
    let millis = (seconds * 1000.0).round();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is whole, not negative and below 2^53"
    )]
    let whole = || Timestamp(millis as u64);
    (0.0..MOST).contains(&millis).then(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Result<Vec<Sampled>, String>, serde_json::Error> {
        serde_json::from_str::<Reply>(text).map(Reply::series)
    }

    fn one(sample: &str) -> String {
        format!(
            r#"{{"status":"success","data":{{"resultType":"matrix","result":[{{"metric":{{"a":"b"}},"values":[{sample}]}}]}}}}"#
        )
    }

    #[test]
    fn series_are_read_with_their_labels_and_samples() {
        let series = read(&one(r#"[1700000000.25,"12"],[1700000060,"1.5e3"]"#));

        let series = series.unwrap().unwrap();
        assert_eq!(series[0].metric.get("a"), Some("b"));
        let samples = [(1_700_000_000_250, 12.0), (1_700_000_060_000, 1500.0)];
        let samples = samples.map(|(at, value)| Sample {
            at: Timestamp(at),
            value,
        });
        assert_eq!(series[0].values, samples);
    }

    #[test]
    fn what_the_server_says_is_wrong_is_told() {
        let text = r#"{"status":"error","errorType":"bad_data","error":"parse error"}"#;

        assert_eq!(read(text).unwrap(), Err("parse error".to_owned()));
        let nothing = read(r#"{"status":"success"}"#).unwrap();
        assert!(nothing.unwrap_err().contains("does not say"));
    }

    #[test]
    fn what_an_answer_lacks_is_told() {
        for (more, expected) in [
            ("", None),
            (r#","warnings":[],"isPartial":false"#, None),
            (r#","warnings":null,"infos":["x"]"#, None),
            (r#","warnings":["PromQL warning: x"]"#, None),
            (r#","warnings":["a","PromQL info: x","b"]"#, Some("a; b")),
            (r#","isPartial":true"#, Some("the answer is partial")),
        ] {
            let text = format!(r#"{{"status":"success","data":{{"result":[]}}{more}}}"#);

            let reply: Reply = serde_json::from_str(&text).unwrap();

            assert_eq!(reply.lack().as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        for text in [
            "",
            "<html>",
            "[]",
            "{}",
            r#"{"status":1}"#,
            r#"{"status":"success","data":{"result":{}}}"#,
            r#"{"status":"success","data":{"result":[{"metric":{}}]}}"#,
            &one("[1]"),
            &one(r#"[1,"2",3]"#),
            &one("[1,2]"),
            &one(r#"["1","2"]"#),
            &one(r#"[-1,"2"]"#),
            &one(r#"[1e300,"2"]"#),
            &one(r#"[1,"two"]"#),
            &one(r#"[1,"2"]"#)[..100],
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_no_number_is_one_that_says_so() {
        for text in ["NaN", "+Inf", "-Inf"] {
            let series = read(&one(&format!(r#"[1,"{text}"]"#))).unwrap().unwrap();

            assert!(!series[0].values[0].value.is_finite(), "{text}");
        }
    }
}
