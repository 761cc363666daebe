//! What an address says of itself, without any topology.

use std::net::{IpAddr, Ipv6Addr};

/// What kind of address it is, where nobody is known to hold it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Could be anybody's on the internet.
    Public,
    /// Private, shared, unique local, for documentation, …: somebody's inside.
    Private,
    /// Valid on one link, or on one machine, only.
    Link,
    /// Never a single endpoint: unspecified, multicast, broadcast.
    Nobody,
}

/// Tells what kind an address is (IANA's special-purpose address registries).
pub(crate) fn kind(address: IpAddr) -> Kind {
    match unmapped(address) {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            if v4.is_unspecified() || v4.is_multicast() || v4.is_broadcast() {
                Kind::Nobody
            } else if v4.is_loopback() || v4.is_link_local() {
                Kind::Link
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
                Kind::Private
            } else {
                Kind::Public
            }
        }
        IpAddr::V6(v6) => {
            if v6.is_unspecified() || v6.is_multicast() {
                Kind::Nobody
            } else if v6.is_loopback() || v6.is_unicast_link_local() {
                Kind::Link
            } else if v6.segments()[0] & 0xe000 == 0x2000 && !is_documentation(v6) {
                // Global unicast is 2000::/3; all else is reserved, local or translated.
                Kind::Public
            } else {
                Kind::Private
            }
        }
    }
}

/// Whether an agent may call the address its node's own.
pub(crate) fn can_be_declared(address: IpAddr) -> bool {
    matches!(kind(address), Kind::Public | Kind::Private)
}

fn is_documentation(v6: Ipv6Addr) -> bool {
    let segments = v6.segments();
    segments[..2] == [0x2001, 0x0db8] || (segments[0] == 0x3fff && segments[1] & 0xf000 == 0)
}

/// An IPv4 address written as IPv6 is the IPv4 address.
fn unmapped(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_addresses() {
        let cases = [
            ("8.8.8.8", Kind::Public),
            ("2a00:1450::1", Kind::Public),
            ("::ffff:8.8.8.8", Kind::Public),
            ("10.0.0.1", Kind::Private),
            ("100.64.0.1", Kind::Private),
            ("100.128.0.1", Kind::Public),
            ("192.168.1.1", Kind::Private),
            ("203.0.113.7", Kind::Private),
            ("198.19.255.1", Kind::Private),
            ("fd66::1", Kind::Private),
            ("2001:db8::1", Kind::Private),
            ("64:ff9b::1", Kind::Private),
            ("169.254.20.10", Kind::Link),
            ("127.0.0.53", Kind::Link),
            ("fe80::1", Kind::Link),
            ("::1", Kind::Link),
            ("0.0.0.0", Kind::Nobody),
            ("255.255.255.255", Kind::Nobody),
            ("224.0.0.1", Kind::Nobody),
            ("ff02::1", Kind::Nobody),
            ("::", Kind::Nobody),
        ];
        for (text, expected) in cases {
            assert_eq!(kind(text.parse().unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn what_exists_on_every_machine_cannot_be_declared() {
        for text in [
            "127.0.0.1",
            "::1",
            "169.254.20.10",
            "fe80::1",
            "0.0.0.0",
            "ff02::1",
        ] {
            assert!(!can_be_declared(text.parse().unwrap()), "{text}");
        }
        assert!(can_be_declared("172.17.0.1".parse().unwrap()));
        assert!(can_be_declared("8.8.8.8".parse().unwrap()));
    }
}
