//! The writer that a family writes its samples to.

use std::fmt;

use prometheus_client::encoding::{
    EncodeGaugeValue, EncodeLabel, EncodeLabelSet, LabelSetEncoder, MetricEncoder, NoLabelSet,
};

/// Writes samples of one family.
pub struct Samples<'a> {
    encoder: MetricEncoder<'a>,
    names: &'static [&'static str],
}

impl<'a> Samples<'a> {
    pub(super) fn new(encoder: MetricEncoder<'a>, names: &'static [&'static str]) -> Self {
        Self { encoder, names }
    }

    /// A counter's sample.
    ///
    /// # Errors
    ///
    /// Those of the writer behind.
    pub fn counter(&mut self, labels: &[&str], value: u64) -> fmt::Result {
        self.counter_with(&[], labels, value)
    }

    /// A counter's sample with more labels than the family has.
    ///
    /// # Errors
    ///
    /// Those of the writer behind.
    pub fn counter_with(
        &mut self,
        more: &[(&str, &str)],
        labels: &[&str],
        value: u64,
    ) -> fmt::Result {
        self.sample(more, labels, |encoder| {
            encoder.encode_counter::<NoLabelSet, _, f64>(&value, None)
        })
    }

    /// A counter's sample that is not whole.
    ///
    /// # Errors
    ///
    /// Those of the writer behind.
    pub fn fraction(&mut self, labels: &[&str], value: f64) -> fmt::Result {
        self.sample(&[], labels, |encoder| {
            encoder.encode_counter::<NoLabelSet, _, f64>(&value, None)
        })
    }

    /// A gauge's sample.
    ///
    /// # Errors
    ///
    /// Those of the writer behind.
    pub fn gauge(&mut self, labels: &[&str], value: &impl EncodeGaugeValue) -> fmt::Result {
        self.sample(&[], labels, |encoder| encoder.encode_gauge(value))
    }

    /// A histogram's samples: how many fell in each bucket, by upper bound.
    ///
    /// # Errors
    ///
    /// Those of the writer behind.
    pub fn histogram(&mut self, sum: f64, buckets: &[(f64, u64)]) -> fmt::Result {
        let count = buckets.iter().map(|(_, count)| count).sum();
        self.encoder
            .encode_histogram::<NoLabelSet>(sum, count, buckets, None)
    }

    fn sample(
        &mut self,
        more: &[(&str, &str)],
        values: &[&str],
        write: impl FnOnce(&mut MetricEncoder<'_>) -> fmt::Result,
    ) -> fmt::Result {
        debug_assert_eq!(self.names.len(), values.len(), "a value for each label");
        if values.is_empty() && more.is_empty() {
            return write(&mut self.encoder);
        }
        let labels = Labels {
            names: self.names,
            values,
            more,
        };
        write(&mut self.encoder.encode_family(&labels)?)
    }
}

struct Labels<'a> {
    names: &'static [&'static str],
    values: &'a [&'a str],
    more: &'a [(&'a str, &'a str)],
}

impl EncodeLabelSet for Labels<'_> {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        for (name, value) in self.names.iter().zip(self.values) {
            (*name, *value).encode(encoder.encode_label())?;
        }
        for label in self.more {
            label.encode(encoder.encode_label())?;
        }
        Ok(())
    }
}
