//! How large packets may become before they are cut, and how many are: BIG TCP.
//!
//! The first by netlink, for the `ip` of Debian 12 does not know the limits for IPv4 yet. The message is a
//! `nlmsghdr`, an `ifinfomsg` and an attribute for each limit, see
//! <https://docs.kernel.org/userspace-api/netlink/intro.html> and `linux/if_link.h`.

use std::io;

use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};
use nix::net::if_::if_nametoindex;

use super::Netns;
use crate::Error;

/// `RTM_NEWLINK`, which changes a link that exists.
const NEW_LINK: u16 = 16;

/// `NLM_F_REQUEST` and `NLM_F_ACK`.
const REQUEST_WITH_ANSWER: u16 = 1 | 4;

/// `NLMSG_ERROR`, which is the answer even if all went well: with the number 0.
const ERROR: u16 = 2;

/// `IFLA_GSO_MAX_SIZE`, `IFLA_GRO_MAX_SIZE`, `IFLA_GSO_IPV4_MAX_SIZE`, `IFLA_GRO_IPV4_MAX_SIZE`:
/// what is sent, and what is put together of what is received; the first two stand for IPv6 alone
/// once they are above 65,536.
const LIMITS: [u16; 4] = [41, 58, 63, 64];

/// Counts what is forwarded and has more bytes than an IP header can say.
const COUNTER: &str = "table inet large {
    counter above { }
    chain forward {
        type filter hook forward priority 0;
        meta length > 65535 counter name above
    }
}
";

/// Counts the packets that a namespace forwards and that are above 64 KiB, from now on.
#[derive(Debug)]
pub struct LargePackets<'a> {
    netns: &'a Netns,
}

impl<'a> LargePackets<'a> {
    /// Begins to count in that namespace, which lasts as long as the namespace does.
    ///
    /// # Errors
    ///
    /// [`Error::Command`] if `nft` refuses, as it does if they are counted there already.
    pub fn count_at(netns: &'a Netns) -> Result<Self, Error> {
        netns.tool(&["nft", "-f", "-"], COUNTER)?;
        Ok(Self { netns })
    }

    /// How many there were so far.
    ///
    /// # Errors
    ///
    /// If `nft` fails, or does not tell a number.
    pub fn so_far(&self) -> Result<u64, Error> {
        let failed = Error::io(format!(
            "count packets above 64 KiB in {}",
            self.netns.name()
        ));
        let mut command = self.netns.command("nft");
        let output = command
            .args(["list", "counter", "inet", "large", "above"])
            .output();
        let counted = output.and_then(|output| {
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            packets_of(&text).ok_or_else(|| io::Error::other(text))
        });
        counted.map_err(failed)
    }
}

/// The number in what nft lists of a counter.
fn packets_of(text: &str) -> Option<u64> {
    let (_, rest) = text.split_once("packets ")?;
    rest.split(' ').next()?.parse().ok()
}

impl Netns {
    /// Lets packets of both families be so large on one of its links before they are cut into
    /// segments, which may be more than the 65,536 bytes that IP knows.
    ///
    /// # Errors
    ///
    /// If there is no such link, or the kernel does not go so far.
    pub(crate) fn allow_large_packets(&self, interface: &str, bytes: u32) -> Result<(), Error> {
        let outcome = self.run(|| {
            let index = if_nametoindex(interface)?;
            let socket = Socket::new(NETLINK_ROUTE)?;
            socket.send_to(&message(index, bytes), &SocketAddr::new(0, 0), 0)?;
            let (answer, _) = socket.recv_from_full()?;
            answered(&answer)
        })?;
        outcome.map_err(Error::io(format!(
            "allow packets of {bytes} bytes on {interface} in {}",
            self.name()
        )))
    }
}

fn message(interface: u32, bytes: u32) -> Vec<u8> {
    let mut body = vec![0; 4];
    body.extend(interface.to_ne_bytes());
    body.extend([0; 8]);
    for limit in LIMITS {
        body.extend(8_u16.to_ne_bytes());
        body.extend(limit.to_ne_bytes());
        body.extend(bytes.to_ne_bytes());
    }
    let length = u32::try_from(16 + body.len()).expect("the message has 64 bytes");
    let mut message = Vec::new();
    message.extend(length.to_ne_bytes());
    message.extend(NEW_LINK.to_ne_bytes());
    message.extend(REQUEST_WITH_ANSWER.to_ne_bytes());
    message.extend([0; 8]);
    message.extend(body);
    message
}

/// Reads the error number out of the answer, which follows its header of 16 bytes.
fn answered(answer: &[u8]) -> io::Result<()> {
    let kind = answer.get(4..6) == Some(&ERROR.to_ne_bytes()[..]);
    let number = answer.get(16..20).and_then(|bytes| bytes.try_into().ok());
    match number.map(i32::from_ne_bytes) {
        Some(0) if kind => Ok(()),
        Some(number) if kind => Err(io::Error::from_raw_os_error(-number)),
        _ => Err(io::Error::other("the kernel's answer is none to this")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_is_read_out_of_what_nft_lists() {
        let listed =
            "table inet large {\n\tcounter above {\n\t\tpackets 41 bytes 3700000\n\t}\n}\n";

        assert_eq!(packets_of(listed), Some(41));
        assert_eq!(packets_of("Error: No such file or directory"), None);
    }

    #[test]
    fn an_answer_is_an_error_number_where_there_is_one() {
        let answer = |kind: u16, number: i32| {
            let mut answer = vec![36, 0, 0, 0];
            answer.extend(kind.to_ne_bytes());
            answer.extend([0; 10]);
            answer.extend(number.to_ne_bytes());
            answer
        };

        assert!(answered(&answer(ERROR, 0)).is_ok());
        let refused = answered(&answer(ERROR, -22)).unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(22));
        assert!(answered(&answer(NEW_LINK, 0)).is_err());
        assert!(answered(&[]).is_err());
    }
}
