//! Longest prefix first: a sorted list and a binary search.
//!
//! Two prefixes lie apart or one within the other. So, in the order of their first addresses, the last
//! prefix that begins at or before an address, or one of those around it, is the longest that has the
//! address. That is a few steps in one piece of memory, and it is made once and only read. (The tries to
//! be had insert and delete as well, for which they need memory of their own and unsafe code.)

use std::net::IpAddr;

use ipnet::IpNet;

/// Values by prefix, of both families.
#[derive(Debug)]
pub(super) struct Table<V> {
    v4: Vec<Row<V>>,
    v6: Vec<Row<V>>,
}

#[derive(Debug)]
struct Row<V> {
    first: u128,
    last: u128,
    /// The position of the shortest-but-longer prefix around this one.
    around: Option<u32>,
    value: V,
}

impl<V> Default for Table<V> {
    fn default() -> Self {
        Self {
            v4: Vec::new(),
            v6: Vec::new(),
        }
    }
}

impl<V> Table<V> {
    /// A table of prefixes, each once and without bits beyond its length.
    pub(super) fn of(entries: impl IntoIterator<Item = (IpNet, V)>) -> Self {
        let mut table = Self::default();
        for (prefix, value) in entries {
            let row = Row {
                first: number(prefix.network()),
                last: number(prefix.broadcast()),
                around: None,
                value,
            };
            match prefix {
                IpNet::V4(_) => table.v4.push(row),
                IpNet::V6(_) => table.v6.push(row),
            }
        }
        nest(&mut table.v4);
        nest(&mut table.v6);
        table
    }

    /// What all prefixes have.
    pub(super) fn values(&self) -> impl Iterator<Item = &V> {
        self.v4.iter().chain(&self.v6).map(|row| &row.value)
    }

    /// What the longest prefix has that the address is in.
    pub(super) fn find(&self, address: IpAddr) -> Option<&V> {
        let address = address.to_canonical();
        let rows = match address {
            IpAddr::V4(_) => &self.v4,
            IpAddr::V6(_) => &self.v6,
        };
        let address = number(address);
        let mut position = rows
            .partition_point(|row| row.first <= address)
            .checked_sub(1)?;
        while rows[position].last < address {
            position = rows[position].around? as usize;
        }
        Some(&rows[position].value)
    }

    /// How many prefixes there are.
    pub(super) fn len(&self) -> usize {
        self.v4.len() + self.v6.len()
    }
}

/// Sorts the rows, those around others first, and links each to the one around it.
fn nest<V>(rows: &mut [Row<V>]) {
    rows.sort_unstable_by_key(|row| (row.first, u128::MAX - row.last));
    // The prefixes that the one at hand may lie in, the longest last.
    let mut around: Vec<usize> = Vec::new();
    for position in 0..rows.len() {
        while let Some(outer) = around.last()
            && rows[*outer].last < rows[position].first
        {
            around.pop();
        }
        rows[position].around = around
            .last()
            .map(|outer| u32::try_from(*outer).expect("a file has fewer prefixes than bytes"));
        around.push(position);
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::net::{Ipv4Addr, Ipv6Addr};

    use ipnet::{Ipv4Net, Ipv6Net};
    use proptest::prelude::*;

    use super::*;

    /// Addresses and prefixes that often lie in each other: few bits differ.
    fn address() -> impl Strategy<Value = IpAddr> {
        let bits = (0u32..8, 0u32..8, 0u32..4);
        (bits, any::<bool>()).prop_map(|((high, middle, low), is_v4)| {
            let bits = high << 29 | middle << 13 | low;
            if is_v4 {
                Ipv4Addr::from_bits(bits).into()
            } else {
                Ipv6Addr::from_bits(u128::from(bits) << 96 | u128::from(low)).into()
            }
        })
    }

    fn prefix() -> impl Strategy<Value = IpNet> {
        (address(), 0u8..=128).prop_map(|(address, length)| match address {
            IpAddr::V4(v4) => IpNet::V4(Ipv4Net::new(v4, length % 33).unwrap().trunc()),
            IpAddr::V6(v6) => IpNet::V6(Ipv6Net::new(v6, length).unwrap().trunc()),
        })
    }

    proptest! {
        #[test]
        fn the_longest_of_all_prefixes_is_found(
            prefixes in prop::collection::vec(prefix(), 0..40),
            addresses in prop::collection::vec(address(), 1..40),
        ) {
            let prefixes: HashMap<IpNet, usize> =
                prefixes.into_iter().zip(0..).collect();
            let table = Table::of(prefixes.clone());

            for address in addresses {
                let expected = prefixes
                    .iter()
                    .filter(|(prefix, _)| prefix.contains(&address))
                    .max_by_key(|(prefix, _)| prefix.prefix_len())
                    .map(|(_, value)| value);
                prop_assert_eq!(table.find(address), expected, "{} in {:?}", address, &prefixes);
            }
        }
    }

    #[test]
    fn the_first_and_the_last_address_of_a_prefix_are_in_it_and_their_neighbours_are_not() {
        let table = Table::of([("10.9.0.0/24".parse().unwrap(), ())]);

        for (address, is_in) in [
            ("10.8.255.255", false),
            ("10.9.0.0", true),
            ("10.9.0.255", true),
            ("10.9.1.0", false),
            ("::ffff:10.9.0.1", true),
            ("::10.9.0.1", false),
        ] {
            let found = table.find(address.parse().unwrap()).is_some();
            assert_eq!(found, is_in, "{address}");
        }
    }
}
