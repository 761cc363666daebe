//! The body of a legacy report: a number of entries, then the entries.
//!
//! The number is 32 bits, big-endian. An entry has 20 bytes: source and destination address, each of
//! four bytes in reverse order (10.1.2.3 is 3, 2, 1, 10); source and destination port, 16 bits each;
//! and bytes, 64 bits; numbers big-endian. The number has to be that of the entries that are there:
//! nothing is multiplied, and no memory is taken on its word.

use std::net::Ipv4Addr;

/// The bytes of an entry.
const ENTRY: usize = 20;

/// The most entries: sixteen times what the agents' map has room for.
pub const MAX_ENTRIES: usize = 16 * 1024;

/// The longest body.
pub const MAX_BYTES: usize = 4 + ENTRY * MAX_ENTRIES;

/// Who sent how much to whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LegacyFlow {
    /// A pod of the node that reports.
    pub source: Ipv4Addr,
    /// Whom it sent to.
    pub destination: Ipv4Addr,
    /// How much: less than the wire carried, as segments share a header.
    pub bytes: u64,
}

/// Why a body is no legacy report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// It has no number of entries.
    #[error("a report begins with four bytes that say how many entries it has, this one has {0}")]
    NoNumber(usize),
    /// It does not have the entries that it says.
    #[error("a report of {said} entries of {ENTRY} bytes has {bytes} bytes after their number")]
    Entries {
        /// The entries it says.
        said: u32,
        /// The bytes after the number.
        bytes: usize,
    },
}

/// Reads a body.
///
/// # Errors
///
/// [`Malformed`] if its length is not what it says.
pub fn decode(body: &[u8]) -> Result<Vec<LegacyFlow>, Malformed> {
    let Some((number, rest)) = body.split_first_chunk() else {
        return Err(Malformed::NoNumber(body.len()));
    };
    let said = u32::from_be_bytes(*number);
    let (entries, left) = rest.as_chunks::<ENTRY>();
    if !left.is_empty() || u32::try_from(entries.len()) != Ok(said) {
        let bytes = rest.len();
        return Err(Malformed::Entries { said, bytes });
    }
    Ok(entries.iter().map(flow).collect())
}

fn flow(entry: &[u8; ENTRY]) -> LegacyFlow {
    // The ports, from the ninth byte on, tell nothing: of which protocol they are is not said.
    let [source @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = *entry;
    let [
        _,
        _,
        _,
        _,
        destination @ ..,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
    ] = *entry;
    let [_, _, _, _, _, _, _, _, _, _, _, _, bytes @ ..] = *entry;
    LegacyFlow {
        source: address(source),
        destination: address(destination),
        bytes: u64::from_be_bytes(bytes),
    }
}

fn address(mut reversed: [u8; 4]) -> Ipv4Addr {
    reversed.reverse();
    reversed.into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 1000 bytes from 10.1.2.3, port 5432, to 10.1.9.8, port 40000.
    const ONE: [u8; 24] = [
        0, 0, 0, 1, 3, 2, 1, 10, 8, 9, 1, 10, 0x15, 0x38, 0x9c, 0x40, 0, 0, 0, 0, 0, 0, 3, 0xe8,
    ];

    #[test]
    fn an_entry_has_its_addresses_in_reverse_and_its_bytes_last() {
        let flow = LegacyFlow {
            source: Ipv4Addr::new(10, 1, 2, 3),
            destination: Ipv4Addr::new(10, 1, 9, 8),
            bytes: 1000,
        };

        assert_eq!(decode(&ONE), Ok(vec![flow]));
        assert_eq!(decode(&[0, 0, 0, 0]), Ok(vec![]));
    }

    #[test]
    fn a_number_that_is_not_that_of_the_entries_is_refused_whatever_it_wraps_to() {
        // 20 times this is 2^32, and nothing in 32 bits.
        let wraps = 0x3333_3334_u32.to_be_bytes();
        for said in [[0, 0, 0, 0], [0, 0, 0, 2], [0xff; 4], wraps] {
            let mut body = ONE;
            body[..4].copy_from_slice(&said);
            let said = u32::from_be_bytes(said);

            let expected = Malformed::Entries { said, bytes: 20 };
            assert_eq!(decode(&body), Err(expected));
        }
        for length in 0..4 {
            assert_eq!(decode(&ONE[..length]), Err(Malformed::NoNumber(length)));
        }
        for length in 4..24 {
            assert!(decode(&ONE[..length]).is_err(), "{length} bytes were taken");
        }
    }

    proptest! {
        #[test]
        fn no_body_makes_more_entries_than_it_has_bytes_for(body: Vec<u8>) {
            if let Ok(flows) = decode(&body) {
                prop_assert_eq!(body.len(), 4 + ENTRY * flows.len());
            }
        }
    }
}
