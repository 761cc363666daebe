//! Where each field of a body lies: one walk over the tags, nothing copied.
//!
//! <https://protobuf.dev/programming-guides/encoding/> has the wire types.

use super::column::varint;
use crate::DecodeError;
use crate::field::{self, Field, KEY_PARTS_TO_COME};

/// One more than the highest field number that means anything to this reader.
const NUMBERS: usize = field::LAST as usize + 1;

/// The fields of a body. Those with a number this reader never asks for are skipped.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    by_number: [Option<Found<'a>>; NUMBERS],
}

#[derive(Debug, Clone, Copy)]
struct Found<'a> {
    /// Where its value begins in the body: behind the length, where it has one.
    offset: usize,
    value: Value<'a>,
    /// A field that is asked for must come once: two would be one too many for a scalar, and a
    /// column in pieces would have to be put together.
    again: bool,
}

#[derive(Debug, Clone, Copy)]
enum Value<'a> {
    Varint(u64),
    Bytes(&'a [u8]),
    /// 32 or 64 bits: no field of the schema is.
    Fixed,
}

impl<'a> Fields<'a> {
    pub(super) fn scan(body: &'a [u8]) -> Result<Self, DecodeError> {
        let mut by_number = [None; NUMBERS];
        let mut offset = 0;
        while offset < body.len() {
            let tag_offset = offset;
            let tag = take_varint(body, &mut offset, "tag")?;
            let number = tag >> 3;
            if number == 0 || number > 0x1fff_ffff {
                return Err(malformed("tag", tag_offset, "no field has this number"));
            }
            let start = offset;
            let value = take_value(body, &mut offset, tag)?;
            let start = match value {
                Value::Bytes(bytes) => offset - bytes.len(),
                Value::Varint(_) | Value::Fixed => start,
            };
            let slot = usize::try_from(number).ok();
            let Some(slot) = slot.and_then(|number| by_number.get_mut(number)) else {
                continue;
            };
            *slot = Some(Found {
                offset: start,
                value,
                again: slot.is_some(),
            });
        }
        Ok(Self { by_number })
    }

    /// A whole number; 0 where it is left out, as protobuf has it.
    pub(super) fn uint(&self, field: Field) -> Result<u64, DecodeError> {
        match self.value(field)? {
            None => Ok(0),
            Some((_, Value::Varint(value))) => Ok(value),
            Some((offset, _)) => Err(malformed(field.name, offset, "is not a varint")),
        }
    }

    /// Bytes; none where it is left out.
    pub(super) fn bytes(&self, field: Field) -> Result<&'a [u8], DecodeError> {
        self.located_bytes(field).map(|(_, bytes)| bytes)
    }

    /// Bytes with their place in the body.
    pub(super) fn located_bytes(&self, field: Field) -> Result<(usize, &'a [u8]), DecodeError> {
        match self.value(field)? {
            None => Ok((0, &[])),
            Some((offset, Value::Bytes(bytes))) => Ok((offset, bytes)),
            Some((offset, _)) => Err(malformed(field.name, offset, "is not length-delimited")),
        }
    }

    /// Text; empty where it is left out.
    pub(super) fn text(&self, field: Field) -> Result<&'a str, DecodeError> {
        let (offset, bytes) = self.located_bytes(field)?;
        std::str::from_utf8(bytes).map_err(|_| malformed(field.name, offset, "is not UTF-8"))
    }

    /// Whether the body has parts of the key that this reader does not know.
    pub(super) fn has_unknown_key_parts(&self) -> bool {
        let (first, last) = (*KEY_PARTS_TO_COME.start(), *KEY_PARTS_TO_COME.end());
        self.by_number[first as usize..=last as usize]
            .iter()
            .any(Option::is_some)
    }

    fn value(&self, field: Field) -> Result<Option<(usize, Value<'a>)>, DecodeError> {
        match self.by_number[field.number as usize] {
            None => Ok(None),
            Some(found) if found.again => {
                Err(malformed(field.name, found.offset, "comes a second time"))
            }
            Some(found) => Ok(Some((found.offset, found.value))),
        }
    }
}

fn take_value<'a>(body: &'a [u8], offset: &mut usize, tag: u64) -> Result<Value<'a>, DecodeError> {
    match tag & 7 {
        0 => take_varint(body, offset, "value").map(Value::Varint),
        1 => take_bytes(body, offset, 8).map(|_| Value::Fixed),
        2 => {
            let length = take_varint(body, offset, "length")?;
            take_bytes(body, offset, length).map(Value::Bytes)
        }
        5 => take_bytes(body, offset, 4).map(|_| Value::Fixed),
        _ => Err(malformed("tag", *offset, "the wire type is none in use")),
    }
}

fn take_varint(body: &[u8], offset: &mut usize, what: &'static str) -> Result<u64, DecodeError> {
    let (value, rest) =
        varint(&body[*offset..]).map_err(|problem| malformed(what, *offset, problem))?;
    *offset = body.len() - rest.len();
    Ok(value)
}

fn take_bytes<'a>(
    body: &'a [u8],
    offset: &mut usize,
    length: u64,
) -> Result<&'a [u8], DecodeError> {
    let start = *offset;
    let taken = usize::try_from(length)
        .ok()
        .and_then(|length| body[start..].get(..length))
        .ok_or_else(|| malformed("value", start, "it is longer than what is left of the body"))?;
    *offset = start + taken.len();
    Ok(taken)
}

pub(super) fn malformed(field: &'static str, offset: usize, problem: &'static str) -> DecodeError {
    DecodeError::Malformed {
        field,
        offset,
        problem,
    }
}
