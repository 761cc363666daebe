//! One column: varints that lie one after another in the body.

use super::fields::{Fields, malformed};
use crate::DecodeError;
use crate::field::Field;

/// A column that is not read yet. Its length is known, so that it can be compared with others, and
/// a vector of exactly that length be made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column<'a> {
    field: Field,
    offset: usize,
    bytes: &'a [u8],
    length: usize,
}

impl<'a> Column<'a> {
    /// The column of a field; an empty one where the field is left out.
    pub(super) fn of(fields: &Fields<'a>, field: Field) -> Result<Self, DecodeError> {
        let (offset, bytes) = fields.located_bytes(field)?;
        if bytes.last().is_some_and(|last| *last >= 0x80) {
            return Err(malformed(
                field.name,
                offset,
                "its last varint is cut short",
            ));
        }
        // Each varint has exactly one byte without the high bit: its last.
        let length = bytes.iter().filter(|byte| **byte < 0x80).count();
        Ok(Self {
            field,
            offset,
            bytes,
            length,
        })
    }

    /// How many values it has.
    pub(super) fn len(&self) -> usize {
        self.length
    }

    /// Holds it to the length of another.
    pub(super) fn same_length_as(self, other: &Column<'_>) -> Result<Self, DecodeError> {
        if self.length != other.length {
            return Err(DecodeError::UnequalColumns {
                field: self.field.name,
                found: self.length,
                other: other.field.name,
                expected: other.length,
            });
        }
        Ok(self)
    }

    /// Reads all of it into a vector; `make` takes each value, and refuses by saying what is wrong.
    #[inline]
    pub(super) fn read<T>(
        self,
        mut make: impl FnMut(u64) -> Result<T, &'static str>,
    ) -> Result<Vec<T>, DecodeError> {
        let mut values = Vec::with_capacity(self.length);
        let mut cursor = self.cursor();
        while !cursor.is_at_end() {
            let value = cursor.next()?;
            match make(value) {
                Ok(value) => values.push(value),
                Err(problem) => return Err(self.row_error(values.len(), problem)),
            }
        }
        Ok(values)
    }

    /// Walks it value by value.
    pub(super) fn cursor(self) -> Cursor<'a> {
        Cursor {
            column: self,
            left: self.bytes,
        }
    }

    #[cold]
    pub(super) fn row_error(&self, row: usize, problem: &'static str) -> DecodeError {
        DecodeError::Row {
            field: self.field.name,
            row,
            problem,
        }
    }

    #[cold]
    pub(super) fn code_error(&self, row: usize, code: u64) -> DecodeError {
        DecodeError::UnknownCode {
            field: self.field.name,
            row,
            code,
        }
    }
}

/// A place in a column.
#[derive(Debug)]
pub(super) struct Cursor<'a> {
    column: Column<'a>,
    left: &'a [u8],
}

impl Cursor<'_> {
    pub(super) fn is_at_end(&self) -> bool {
        self.left.is_empty()
    }

    /// The next value.
    #[inline]
    pub(super) fn next(&mut self) -> Result<u64, DecodeError> {
        match varint(self.left) {
            Ok((value, rest)) => {
                self.left = rest;
                Ok(value)
            }
            Err(problem) => {
                let into = self.column.bytes.len() - self.left.len();
                let offset = self.column.offset + into;
                Err(malformed(self.column.field.name, offset, problem))
            }
        }
    }
}

/// The varint at the beginning of `bytes`, and what follows it.
#[inline]
pub(super) fn varint(bytes: &[u8]) -> Result<(u64, &[u8]), &'static str> {
    match bytes.split_first() {
        Some((first, rest)) if *first < 0x80 => Ok((u64::from(*first), rest)),
        _ => long_varint(bytes),
    }
}

#[inline]
fn long_varint(bytes: &[u8]) -> Result<(u64, &[u8]), &'static str> {
    let mut value = 0_u64;
    // 64 bits are nine groups of seven and one bit in the tenth byte.
    for (position, byte) in bytes.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * position);
        if *byte < 0x80 {
            if position == 9 && *byte > 1 {
                return Err("a varint does not fit in 64 bits");
            }
            return Ok((value, &bytes[position + 1..]));
        }
    }
    if bytes.len() < 10 {
        Err("a varint is cut short")
    } else {
        Err("a varint does not fit in 64 bits")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_of_every_length_are_read() {
        for bits in 0..=64 {
            let value = u64::MAX.checked_shr(64 - bits).unwrap_or(0);
            let mut bytes = Vec::new();
            prost::encoding::encode_varint(value, &mut bytes);
            bytes.push(0xaa);

            assert_eq!(varint(&bytes), Ok((value, &[0xaa][..])));
        }
    }

    #[test]
    fn a_varint_that_ends_too_soon_or_too_late_is_refused() {
        assert_eq!(varint(&[]), Err("a varint is cut short"));
        assert_eq!(varint(&[0x80; 9]), Err("a varint is cut short"));
        for too_large in [[0x80; 11], [0xff; 11]] {
            assert_eq!(varint(&too_large), Err("a varint does not fit in 64 bits"));
        }
        let mut past_64_bits = [0xff; 10];
        past_64_bits[9] = 2;
        assert_eq!(
            varint(&past_64_bits),
            Err("a varint does not fit in 64 bits")
        );
    }
}
