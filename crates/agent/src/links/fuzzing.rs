//! The decoder of netlink messages, for the fuzz target.

use super::message::Messages;

/// Reads a datagram; says of how many messages.
pub fn messages(datagram: &[u8]) -> usize {
    Messages(datagram).count()
}
