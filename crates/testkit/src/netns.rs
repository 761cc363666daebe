//! One network namespace: running code and programs in it, its settings, its counters.
//!
//! The namespace of a thread is what counts for a new socket, so code runs in one by moving a
//! thread there. A socket keeps the namespace it was made in and may be used from any thread.

mod fragments;
mod large_packets;
mod statistics;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use nix::sched::{CloneFlags, setns};

pub use self::fragments::FragmentCounters;
pub use self::large_packets::LargePackets;
pub use self::statistics::Statistics;
use crate::{Error, tool};

/// Where `ip netns` keeps its namespaces.
pub(crate) const NETNS_DIR: &str = "/run/netns";

/// Bytes of an Ethernet header, which the counters of a link include and wire bytes do not.
pub const ETHERNET_HEADER_BYTES: u64 = 14;

/// A network namespace by its name. Holding one keeps nothing alive.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Netns {
    name: String,
}

impl Netns {
    /// The namespace that `ip netns` knows by this name.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into() }
    }

    /// Its name, as in `ip netns list`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file that stands for it.
    pub fn path(&self) -> PathBuf {
        Path::new(NETNS_DIR).join(&self.name)
    }

    /// Runs `work` on a thread of its own inside the namespace, and returns what it returns.
    /// A panic in it goes on in the caller.
    ///
    /// # Errors
    ///
    /// If the namespace cannot be entered: it is gone, or this process is not root.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, Error> {
        let path = self.path();
        let file = File::open(&path).map_err(Error::io(format!("open {}", path.display())))?;
        let ran = thread::scope(|scope| {
            let inside = scope.spawn(|| {
                setns(file, CloneFlags::CLONE_NEWNET)
                    .map_err(Error::io(format!("enter {}", path.display())))?;
                Ok(work())
            });
            inside.join()
        });
        ran.unwrap_or_else(|panic| resume_unwind(panic))
    }

    /// A command that runs `program` inside the namespace, with the mounts of this process: it
    /// sees the same `/sys/fs/bpf`. The child is the program itself, with no process between.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(self.nsenter_flag()).arg("--").arg(program);
        command
    }

    /// Writes settings under `/proc/sys/net` of the namespace, in this order.
    ///
    /// # Errors
    ///
    /// If one of them is not there or cannot be written.
    pub fn set(&self, settings: &[(&str, &str)]) -> Result<(), Error> {
        self.run(|| {
            for (name, value) in settings {
                let path = Path::new("/proc/sys/net").join(name);
                fs::write(&path, value)
                    .map_err(Error::io(format!("write {value} to {}", path.display())))?;
            }
            Ok(())
        })?
    }

    /// The counters of one of its links.
    ///
    /// # Errors
    ///
    /// If the namespace is gone or has no such link.
    pub fn counters(&self, interface: &str) -> Result<LinkCounters, Error> {
        // Not /proc/net/dev: that is the namespace of the process's first thread.
        let text = self
            .run(|| fs::read_to_string("/proc/thread-self/net/dev"))?
            .map_err(Error::io(format!("read the counters of {}", self.name)))?;
        text.lines()
            .find_map(|line| LinkCounters::parse(line, interface))
            .ok_or_else(|| Error::Invalid(format!("{} has no interface {interface}", self.name)))
    }

    /// Runs a batch of `ip` commands in the namespace, one a line.
    ///
    /// # Errors
    ///
    /// [`Error::Command`] with the line that failed and what `ip` said.
    pub fn ip(&self, lines: &[String]) -> Result<(), Error> {
        tool::batch(&["ip", "-n", &self.name, "-batch", "-"], lines)
    }

    /// Runs a batch of `bridge` commands in the namespace, one a line.
    pub(crate) fn bridge(&self, lines: &[String]) -> Result<(), Error> {
        tool::batch(&["bridge", "-n", &self.name, "-batch", "-"], lines)
    }

    /// Runs a program of the system in the namespace and waits for its end.
    ///
    /// # Errors
    ///
    /// [`Error::Command`] with what it wrote to its standard error, if it failed.
    pub fn tool(&self, words: &[&str], input: &str) -> Result<(), Error> {
        let flag = self.nsenter_flag();
        let mut all = vec!["nsenter", flag.as_str(), "--"];
        all.extend(words);
        tool::run(&all, input)
    }

    fn nsenter_flag(&self) -> String {
        format!("--net={}", self.path().display())
    }
}

/// What a link has received and sent since it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LinkCounters {
    /// Bytes received, each packet with its Ethernet header.
    pub rx_bytes: u64,
    /// Packets received.
    pub rx_packets: u64,
    /// Bytes sent, each packet with its Ethernet header.
    pub tx_bytes: u64,
    /// Packets sent.
    pub tx_packets: u64,
    /// Packets that the link dropped on the way in or out.
    pub dropped: u64,
}

impl LinkCounters {
    /// IP bytes received: wire bytes, if segmentation is off at the other end.
    pub const fn rx_ip_bytes(&self) -> u64 {
        self.rx_bytes - ETHERNET_HEADER_BYTES * self.rx_packets
    }

    /// IP bytes sent: wire bytes, if segmentation is off at this link.
    pub const fn tx_ip_bytes(&self) -> u64 {
        self.tx_bytes - ETHERNET_HEADER_BYTES * self.tx_packets
    }

    /// What was added since an earlier reading of the same link.
    pub const fn since(&self, earlier: &Self) -> Self {
        Self {
            rx_bytes: self.rx_bytes - earlier.rx_bytes,
            rx_packets: self.rx_packets - earlier.rx_packets,
            tx_bytes: self.tx_bytes - earlier.tx_bytes,
            tx_packets: self.tx_packets - earlier.tx_packets,
            dropped: self.dropped - earlier.dropped,
        }
    }

    /// Reads one line of `/proc/net/dev`, if it is about `interface`. The columns are in
    /// `net/core/net-procfs.c`: eight for received, eight for sent.
    fn parse(line: &str, interface: &str) -> Option<Self> {
        let (name, columns) = line.split_once(':')?;
        if name.trim() != interface {
            return None;
        }
        let columns: Vec<u64> = columns
            .split_whitespace()
            .map(str::parse)
            .collect::<Result<_, _>>()
            .ok()?;
        let &[
            rx_bytes,
            rx_packets,
            _,
            rx_dropped,
            _,
            _,
            _,
            _,
            tx_bytes,
            tx_packets,
            _,
            tx_dropped,
            ..,
        ] = columns.as_slice()
        else {
            return None;
        };
        Some(Self {
            rx_bytes,
            rx_packets,
            tx_bytes,
            tx_packets,
            dropped: rx_dropped + tx_dropped,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_read_from_the_line_of_their_interface_only() {
        let line = "  eth0:    1400      10    0    1    0     0          0         7     2114      11    0    2    0     0       0          0";

        let counters = LinkCounters::parse(line, "eth0").unwrap();

        assert_eq!(
            (counters.rx_packets, counters.tx_packets, counters.dropped),
            (10, 11, 3)
        );
        assert_eq!(
            (counters.rx_ip_bytes(), counters.tx_ip_bytes()),
            (1260, 1960)
        );
        assert_eq!(LinkCounters::parse(line, "eth"), None);
    }

    #[test]
    fn a_namespace_that_is_not_there_is_named_in_the_error() {
        let error = Netns::named("kz-no-such").run(|| ()).unwrap_err();

        assert!(
            error.to_string().contains("/run/netns/kz-no-such"),
            "{error}"
        );
    }
}
