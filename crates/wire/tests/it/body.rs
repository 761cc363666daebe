//! A body taken apart into its fields, to be changed and put together again.

use kubezonnet_model::FlowBatch;
use kubezonnet_wire::{DecodeError, DecodedBatch, Limits, decode, encode};
use prost::encoding::{WireType, decode_key, decode_varint, encode_key, encode_varint};

/// The fields of a body by number.
#[derive(Debug, Clone)]
pub(crate) struct Body(Vec<(u32, Value)>);

#[derive(Debug, Clone)]
enum Value {
    Varint(u64),
    Bytes(Vec<u8>),
}

impl Body {
    pub(crate) fn of(batch: &FlowBatch) -> Self {
        Self::parse(&encode(batch))
    }

    /// Takes apart what [`encode`] wrote.
    pub(crate) fn parse(body: &[u8]) -> Self {
        let mut left = body;
        let mut fields = Vec::new();
        while !left.is_empty() {
            let (number, wire_type) = decode_key(&mut left).expect("encode writes tags");
            let value = decode_varint(&mut left).expect("encode writes a varint behind each tag");
            let value = if wire_type == WireType::LengthDelimited {
                let (bytes, rest) =
                    left.split_at(usize::try_from(value).expect("it lies in memory"));
                left = rest;
                Value::Bytes(bytes.to_vec())
            } else {
                Value::Varint(value)
            };
            fields.push((number, value));
        }
        Self(fields)
    }

    pub(crate) fn uint(mut self, number: u32, value: u64) -> Self {
        self.set(number, Value::Varint(value));
        self
    }

    pub(crate) fn bytes(mut self, number: u32, value: &[u8]) -> Self {
        self.set(number, Value::Bytes(value.to_vec()));
        self
    }

    pub(crate) fn column(self, number: u32, values: &[u64]) -> Self {
        let mut bytes = Vec::new();
        for value in values {
            encode_varint(*value, &mut bytes);
        }
        self.bytes(number, &bytes)
    }

    pub(crate) fn without(mut self, number: u32) -> Self {
        self.0.retain(|(each, _)| *each != number);
        self
    }

    /// Puts the fields in the reverse order.
    pub(crate) fn reversed(mut self) -> Self {
        self.0.reverse();
        self
    }

    pub(crate) fn write(&self) -> Vec<u8> {
        let mut body = Vec::new();
        for (number, value) in &self.0 {
            match value {
                Value::Varint(value) => {
                    encode_key(*number, WireType::Varint, &mut body);
                    encode_varint(*value, &mut body);
                }
                Value::Bytes(bytes) => {
                    encode_key(*number, WireType::LengthDelimited, &mut body);
                    encode_varint(bytes.len() as u64, &mut body);
                    body.extend(bytes);
                }
            }
        }
        body
    }

    pub(crate) fn decode(&self) -> Result<DecodedBatch, DecodeError> {
        decode(&self.write(), &Limits::default())
    }

    fn set(&mut self, number: u32, value: Value) {
        match self.0.iter_mut().find(|(each, _)| *each == number) {
            Some((_, old)) => *old = value,
            None => self.0.push((number, value)),
        }
    }
}
