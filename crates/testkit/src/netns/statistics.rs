//! Everything that the kernel counts of a network namespace, for messages that are to tell why a
//! number is not what it should be: fragments that were not put together, segments sent again,
//! packets that a full queue dropped.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;

use super::Netns;
use crate::Error;

/// Files with a line of names and one of values for each protocol.
const PAIRED: [&str; 2] = [
    "/proc/thread-self/net/snmp",
    "/proc/thread-self/net/netstat",
];

/// A file with a name and a value on each line.
const LISTED: &str = "/proc/thread-self/net/snmp6";

/// A file with a line for each link.
const LINKS: &str = "/proc/thread-self/net/dev";

/// Its columns, as `net/core/net-procfs.c` writes them.
const LINK_COLUMNS: [&str; 16] = [
    "rx_bytes",
    "rx_packets",
    "rx_errors",
    "rx_dropped",
    "rx_fifo",
    "rx_frame",
    "rx_compressed",
    "rx_multicast",
    "tx_bytes",
    "tx_packets",
    "tx_errors",
    "tx_dropped",
    "tx_fifo",
    "tx_collisions",
    "tx_carrier",
    "tx_compressed",
];

/// The receive queues of the processors, which all namespaces share.
const QUEUES: &str = "/proc/net/softnet_stat";

/// Its first columns: packets taken, packets dropped since the queue was full, and how often work
/// was left for later.
const QUEUE_COLUMNS: [&str; 3] = ["processed", "dropped", "time_squeeze"];

/// What the kernel has counted, each under its name: `Ip.ReasmFails`, `eth0.tx_dropped`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Statistics(BTreeMap<String, u64>);

impl Statistics {
    /// What has risen since an earlier reading.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let rise = |(name, now): (&String, &u64)| {
            let before = earlier.0.get(name).copied().unwrap_or(0);
            let rise = now.checked_sub(before).filter(|rise| *rise > 0)?;
            Some((name.clone(), rise))
        };
        Self(self.0.iter().filter_map(rise).collect())
    }

    /// What the receive queues of this machine's processors have taken and dropped, for whomever.
    pub(crate) fn of_queues() -> Result<Self, Error> {
        let text = fs::read_to_string(QUEUES).map_err(Error::io(format!("read {QUEUES}")))?;
        let mut all = Self::default();
        for (number, line) in text.lines().enumerate() {
            let columns = line.split_whitespace();
            for (name, value) in QUEUE_COLUMNS.iter().zip(columns) {
                if let Ok(value) = u64::from_str_radix(value, 16) {
                    all.0.insert(format!("queue{number}.{name}"), value);
                }
            }
        }
        Ok(all)
    }

    fn add(&mut self, group: &str, name: &str, value: &str) {
        // Some are settings and may be -1.
        if let Ok(value) = value.parse() {
            self.0.insert(format!("{group}.{name}"), value);
        }
    }

    fn add_paired(&mut self, text: &str) {
        let lines: Vec<&str> = text.lines().collect();
        for pair in lines.chunks_exact(2) {
            let halves = pair[0].split_once(':').zip(pair[1].split_once(':'));
            let Some(((group, names), (_, values))) = halves else {
                continue;
            };
            for (name, value) in names.split_whitespace().zip(values.split_whitespace()) {
                self.add(group, name, value);
            }
        }
    }

    fn add_listed(&mut self, text: &str) {
        for (name, value) in text
            .lines()
            .filter_map(|line| line.split_once(char::is_whitespace))
        {
            self.add("v6", name, value.trim());
        }
    }

    fn add_links(&mut self, text: &str) {
        for (link, values) in text.lines().filter_map(|line| line.split_once(':')) {
            for (name, value) in LINK_COLUMNS.iter().zip(values.split_whitespace()) {
                self.add(link.trim(), name, value);
            }
        }
    }
}

/// In one line.
impl fmt::Display for Statistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, value)) in self.0.iter().enumerate() {
            let comma = if index > 0 { ", " } else { "" };
            write!(f, "{comma}{name} {value}")?;
        }
        Ok(())
    }
}

impl Netns {
    /// What the kernel has counted in it so far.
    ///
    /// # Errors
    ///
    /// If the namespace is gone.
    pub fn statistics(&self) -> Result<Statistics, Error> {
        let read = |path: &str| {
            fs::read_to_string(path).map_err(Error::io(format!("read {path} in {}", self.name())))
        };
        self.run(|| {
            let mut all = Statistics::default();
            for path in PAIRED {
                all.add_paired(&read(path)?);
            }
            all.add_listed(&read(LISTED)?);
            all.add_links(&read(LINKS)?);
            Ok(all)
        })?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_file_is_read_and_told_by_name() {
        let mut all = Statistics::default();

        all.add_paired("Ip: ReasmFails Forwarding\nIp: 2 1\nTcp: MaxConn InErrs\nTcp: -1 3\n");
        all.add_listed("Ip6ReasmFails \t4\n");
        all.add_links("Inter-| Receive\n face |bytes\n  eth0: 1 2 0 5 0 0 0 0 8 9 0 6 0 0 0 0\n");

        let told = all.to_string();
        for part in [
            "Ip.ReasmFails 2",
            "Tcp.InErrs 3",
            "v6.Ip6ReasmFails 4",
            "eth0.rx_dropped 5",
            "eth0.tx_dropped 6",
        ] {
            assert!(told.contains(part), "{part} is not in {told}");
        }
        assert!(!told.contains("MaxConn"), "{told}");
    }

    #[test]
    fn only_what_has_risen_is_told() {
        let of = |pairs: &[(&str, u64)]| {
            Statistics(pairs.iter().map(|(n, v)| ((*n).to_owned(), *v)).collect())
        };
        let before = of(&[("a", 1), ("b", 2), ("c", 3)]);

        let risen = of(&[("a", 1), ("b", 5), ("c", 2), ("d", 7)]).since(&before);

        assert_eq!(risen.to_string(), "b 3, d 7");
    }
}
