//! An address as the index's key.

use std::net::IpAddr;

/// An IPv6 address, or an IPv4 one in its IPv4-mapped form, so that both ways to write one are one.
///
/// Two words instead of `IpAddr`, whose derived hash feeds the hasher byte by byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Address {
    high: u64,
    low: u64,
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
