//! What an address says of itself, without any topology.

use std::net::{IpAddr, Ipv6Addr};

/// What kind of address it is, where nobody is known to hold it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressKind {
    /// Could be anybody's on the internet.
    Public,
    /// Private, shared, unique local, for documentation, …: somebody's inside.
    Private,
    /// Valid on one link, or on one machine, only.
    Link,
    /// Never a single endpoint: unspecified, multicast, broadcast.
    Nobody,
}

impl AddressKind {
    /// Tells what kind an address is (IANA's
    /// [special-purpose address registries](https://www.iana.org/assignments/iana-ipv4-special-registry/)).
    /// An IPv4 address written as IPv6 is the IPv4 address.
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => {
                let [a, b, c, _] = v4.octets();
                if v4.is_unspecified() || v4.is_multicast() || v4.is_broadcast() {
                    Self::Nobody
                } else if v4.is_loopback() || v4.is_link_local() {
                    Self::Link
                } else if v4.is_private()
                || v4.is_documentation()
                || a == 0
                // Shared by carriers and clouds (RFC 6598), also used for pods.
                || (a == 100 && b & 0xc0 == 64)
                // Benchmarks (RFC 2544), protocol assignments, and the former class E.
                || (a == 198 && b & 0xfe == 18)
                || (a == 192 && b == 0 && c == 0)
                || a >= 240
                {
                    Self::Private
                } else {
                    Self::Public
                }
            }
            IpAddr::V6(v6) => {
                if v6.is_unspecified() || v6.is_multicast() {
                    Self::Nobody
                } else if v6.is_loopback() || v6.is_unicast_link_local() {
                    Self::Link
                } else if v6.segments()[0] & 0xe000 == 0x2000 && !is_documentation(v6) {
                    // Global unicast is 2000::/3; all else is reserved, local or translated.
                    Self::Public
                } else {
                    Self::Private
                }
            }
        }
    }
}

fn is_documentation(v6: Ipv6Addr) -> bool {
    let segments = v6.segments();
    segments[..2] == [0x2001, 0x0db8] || (segments[0] == 0x3fff && segments[1] & 0xf000 == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_addresses() {
        let cases = [
            ("8.8.8.8", AddressKind::Public),
            ("2a00:1450::1", AddressKind::Public),
            ("::ffff:8.8.8.8", AddressKind::Public),
            ("10.0.0.1", AddressKind::Private),
            ("100.64.0.1", AddressKind::Private),
            ("100.128.0.1", AddressKind::Public),
            ("192.168.1.1", AddressKind::Private),
            ("203.0.113.7", AddressKind::Private),
            ("198.19.255.1", AddressKind::Private),
            ("fd66::1", AddressKind::Private),
            ("2001:db8::1", AddressKind::Private),
            ("64:ff9b::1", AddressKind::Private),
            ("169.254.20.10", AddressKind::Link),
            ("127.0.0.53", AddressKind::Link),
            ("fe80::1", AddressKind::Link),
            ("::1", AddressKind::Link),
            ("0.0.0.0", AddressKind::Nobody),
            ("255.255.255.255", AddressKind::Nobody),
            ("224.0.0.1", AddressKind::Nobody),
            ("ff02::1", AddressKind::Nobody),
            ("::", AddressKind::Nobody),
        ];
        for (text, expected) in cases {
            assert_eq!(AddressKind::of(text.parse().unwrap()), expected, "{text}");
        }
    }
}
