//! An address as the index's key.

use std::net::IpAddr;

use ipnet::IpNet;

/// An IPv6 address, or an IPv4 one in its IPv4-mapped form, so that both ways to write one are one.
///
/// Two words instead of `IpAddr`, whose derived hash feeds the hasher byte by byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Address {
    high: u64,
    low: u64,
}

/// A block of addresses, from its first one on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Block {
    first: Address,
    /// How many bits all of its addresses have in common, the 96 of IPv4's included.
    pub(super) length: u8,
}

/// Bits that an IPv4 address has in its IPv6 form before its own.
const BEFORE_V4: u8 = 96;

/// The widest that a node's block of pods can be: whoever has a wider one has it by mistake.
const WIDEST: [u8; 2] = [BEFORE_V4 + 8, 16];

impl Block {
    /// The blocks of a node's pods, each once.
    pub(super) fn of_pods(prefixes: &[IpNet]) -> Box<[Self]> {
        let blocks = prefixes.iter().filter_map(|prefix| {
            let (before, widest) = match prefix {
                IpNet::V4(_) => (BEFORE_V4, WIDEST[0]),
                IpNet::V6(_) => (0, WIDEST[1]),
            };
            let length = before + prefix.prefix_len();
            (length >= widest).then(|| Address::from(prefix.addr()).within(length))
        });
        let mut blocks: Vec<_> = blocks.collect();
        blocks.dedup();
        blocks.into()
    }
}

impl From<IpAddr> for Address {
    fn from(address: IpAddr) -> Self {
        let bits = match address {
            IpAddr::V4(address) => address.to_ipv6_mapped(),
            IpAddr::V6(address) => address,
        }
        .to_bits();
        let word = |shift| u64::try_from(bits >> shift & u128::from(u64::MAX));
        Self {
            high: word(64).expect("cut to 64 bits"),
            low: word(0).expect("cut to 64 bits"),
        }
    }
}

impl From<Address> for IpAddr {
    fn from(address: Address) -> Self {
        let bits = u128::from(address.high) << 64 | u128::from(address.low);
        IpAddr::V6(bits.into()).to_canonical()
    }
}

impl Address {
    /// The first address of the /24 that an IPv4 address is in, of the /64 of another.
    pub(super) fn block(self) -> Self {
        let is_v4 = self.high == 0 && self.low >> 32 == 0xffff;
        let within = if is_v4 { 0xff } else { u64::MAX };
        Self {
            low: self.low & !within,
            ..self
        }
    }

    /// The block of that length that it is in.
    pub(super) fn within(self, length: u8) -> Block {
        let mask = |bits: u32| u64::MAX.checked_shl(64 - bits).unwrap_or(0);
        let length_high = u32::from(length).min(64);
        let first = Self {
            high: self.high & mask(length_high),
            low: self.low & mask(u32::from(length).saturating_sub(64)),
        };
        Block { first, length }
    }

    /// The addresses that can be held, sorted, each once: one that every node has (loopback), or
    /// that no one can have (unspecified, multicast), tells no one apart.
    pub(super) fn holdable(addresses: &[IpAddr]) -> Box<[Self]> {
        let mut addresses: Vec<_> = addresses
            .iter()
            .map(IpAddr::to_canonical)
            .filter(|address| {
                !address.is_loopback() && !address.is_unspecified() && !address.is_multicast()
            })
            .map(Self::from)
            .collect();
        addresses.sort_unstable();
        addresses.dedup();
        addresses.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(prefixes: &[&str]) -> Vec<Block> {
        let prefixes: Vec<IpNet> = prefixes.iter().map(|text| text.parse().unwrap()).collect();
        Block::of_pods(&prefixes).into()
    }

    #[test]
    fn an_address_is_in_the_block_that_has_its_first_bits() {
        for (prefix, inside, outside) in [
            ("10.244.7.0/24", "10.244.7.255", "10.244.8.0"),
            ("10.244.6.0/23", "10.244.7.1", "10.244.8.1"),
            ("10.244.7.9/32", "10.244.7.9", "10.244.7.8"),
            ("fd67:1::/48", "fd67:1:0:ffff::1", "fd67:2::1"),
            ("fd67:1::/64", "fd67:1::1", "fd67:1:0:1::1"),
            ("fd67:1::/80", "fd67:1::ffff:1", "fd67:1::1:0:0:1"),
            ("fd67:1::1/128", "fd67:1::1", "fd67:1::2"),
        ] {
            let block = blocks(&[prefix])[0];

            let of =
                |text: &str| Address::from(text.parse::<IpAddr>().unwrap()).within(block.length);
            assert_eq!(of(inside), block, "{inside} in {prefix}");
            assert_ne!(of(outside), block, "{outside} in {prefix}");
        }
    }

    #[test]
    fn half_of_all_addresses_are_no_block_of_pods() {
        assert_eq!(
            blocks(&["0.0.0.0/0", "128.0.0.0/1", "::/0", "fd00::/8"]),
            []
        );
    }
}
