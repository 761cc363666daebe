//! Numbers in as few bytes as they need: LEB128, as everywhere in what is kept.

/// Appends a number.
#[expect(clippy::cast_possible_truncation, reason = "seven bits at a time")]
pub(crate) fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// Takes a number off the beginning; `None` if there is none whole.
pub(crate) fn take(bytes: &mut &[u8]) -> Option<u64> {
    // Most are small.
    let first = *bytes.split_off_first()?;
    if first < 0x80 {
        return Some(u64::from(first));
    }
    let mut number = u64::from(first & 0x7f);
    for shift in (7..64).step_by(7) {
        let byte = *bytes.split_off_first()?;
        let bits = u64::from(byte & 0x7f);
        if (bits << shift) >> shift != bits {
            return None;
        }
        number |= bits << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_take_as_few_bytes_as_they_need_and_no_more_than_they_have() {
        for (number, length) in [(0, 1), (127, 1), (128, 2), (1 << 35, 6), (u64::MAX, 10)] {
            let mut bytes = Vec::new();
            put(&mut bytes, number);

            assert_eq!(bytes.len(), length);
            assert_eq!(take(&mut &bytes[..]), Some(number));
        }
        let too_large = [0xff; 9].iter().chain(&[2]).copied().collect::<Vec<u8>>();
        assert_eq!(take(&mut &too_large[..]), None);
        assert_eq!(take(&mut &[0x80][..]), None);
    }
}
