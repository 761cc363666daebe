//! How many fragments a network namespace has made and put together.

use std::fs;

use kubezonnet_model::Family;

use super::Netns;
use crate::Error;

/// What the IP layer of a namespace has done with fragments since it was made (RFC 4293).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FragmentCounters {
    /// Fragments made, of packets too large for where they went (`FragCreates`).
    pub made: u64,
    /// Packets put together out of fragments (`ReasmOKs`). What connection tracking puts together
    /// is among them for IPv4 only.
    pub put_together: u64,
}

impl Netns {
    /// What it has done with fragments.
    ///
    /// # Errors
    ///
    /// If the namespace is gone.
    pub fn fragments(&self, family: Family) -> Result<FragmentCounters, Error> {
        let path = match family {
            Family::Ipv4 => "/proc/thread-self/net/snmp",
            Family::Ipv6 => "/proc/thread-self/net/snmp6",
        };
        let text = self
            .run(|| fs::read_to_string(path))?
            .map_err(Error::io(format!("read {path} in {}", self.name())))?;
        let value = |name| {
            let value = match family {
                Family::Ipv4 => column(&text, "Ip:", name),
                Family::Ipv6 => row(&text, &format!("Ip6{name}")),
            };
            value.ok_or_else(|| Error::Invalid(format!("{path} does not tell {name}")))
        };
        Ok(FragmentCounters {
            made: value("FragCreates")?,
            put_together: value("ReasmOKs")?,
        })
    }
}

/// The value under a name, in a file that has a line of names and one of values for each protocol.
fn column(text: &str, protocol: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines().filter(|line| line.starts_with(protocol));
    let names = lines.next()?.split_whitespace();
    let values = lines.next()?.split_whitespace();
    let (_, value) = names.zip(values).find(|(found, _)| *found == name)?;
    value.parse().ok()
}

/// The value beside a name, in a file that has one of each on a line.
fn row(text: &str, name: &str) -> Option<u64> {
    let mut pairs = text
        .lines()
        .filter_map(|line| line.split_once(char::is_whitespace));
    let (_, value) = pairs.find(|(found, _)| *found == name)?;
    value.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_under_their_names_and_beside_them() {
        let columns = "Ip: Forwarding FragCreates\nIp: 1 7\nTcp: FragCreates\nTcp: 9\n";
        let rows = "Ip6FragOKs \t3\nIp6FragCreates \t12\n";

        assert_eq!(column(columns, "Ip:", "FragCreates"), Some(7));
        assert_eq!(row(rows, "Ip6FragCreates"), Some(12));
        assert_eq!(row(rows, "Ip6Frag"), None);
    }
}
