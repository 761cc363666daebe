//! What was told of a window's sockets, kept with the window: an agent that sends it again tells the
//! same, though groups and sockets are gone by then.
//!
//! It goes behind the batch that is kept, as a field of its own, which readers of batches skip. The
//! end of the field says how long it is, so that it is found from there.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};

use kubezonnet_model::{PodUid, Protocol, SocketOwner};

/// Field 100, bytes: far from those of batches.
const TAG: [u8; 2] = [0xa2, 0x06];

/// The last bytes of it, behind its length in four.
const MARK: [u8; 4] = *b"kzso";

/// Room in what is kept of a window, beside the most addresses that a node tells.
const MAX_BYTES: usize = 12 * 1024;

/// The most that a group takes of it, and a port.
const GROUP_BYTES: usize = 22;
const PORT_BYTES: usize = 37;

/// Protocol, local address and port.
pub(super) type Port = (Protocol, IpAddr, u16);

/// What was told of a window's sockets.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Owners {
    /// By control group.
    pub(super) groups: BTreeMap<u32, SocketOwner>,
    /// Of what came without a socket.
    pub(super) ports: BTreeMap<Port, SocketOwner>,
}

impl Owners {
    /// Whether one more fits, whichever it is. What does not fit may not be told, for the next agent
    /// would tell it in another way.
    pub(super) fn has_room(&self) -> bool {
        let taken = self.groups.len() * GROUP_BYTES + self.ports.len() * PORT_BYTES;
        taken + PORT_BYTES <= MAX_BYTES
    }

    /// What goes behind a batch; nothing if there is nothing to tell.
    ///
    /// # Panics
    ///
    /// Never: what it writes has a bound.
    pub fn encode(&self) -> Vec<u8> {
        let mut content = Vec::new();
        for (number, owner) in &self.groups {
            let number = number.to_le_bytes();
            push(&mut content, &[&[0], &number[..]].concat(), *owner);
        }
        for ((protocol, address, port), owner) in &self.ports {
            let address = match address {
                IpAddr::V4(address) => address.to_ipv6_mapped(),
                IpAddr::V6(address) => *address,
            };
            let key = [&[1, protocol.0], &address.octets()[..], &port.to_le_bytes()];
            push(&mut content, &key.concat(), *owner);
        }
        if content.is_empty() {
            return content;
        }
        let length = u32::try_from(content.len()).expect("it has a bound");
        content.extend(length.to_le_bytes());
        content.extend(MARK);
        let mut field = TAG.to_vec();
        // A varint of two bytes, if need be of more than it takes.
        let length = u16::try_from(content.len()).expect("it has a bound below 2^14");
        field.extend([0x80 | u8::try_from(length & 0x7f).expect("it is masked")]);
        field.extend([u8::try_from(length >> 7).expect("it is below 2^14")]);
        field.extend(content);
        field
    }

    /// What was kept; nothing where there is none, or none that can be read.
    pub fn decode(note: &[u8]) -> Self {
        let mut told = Self::default();
        let mut left = content(note).unwrap_or_default();
        while !left.is_empty() {
            if told.take(&mut left).is_none() {
                return Self::default();
            }
        }
        told
    }

    fn take(&mut self, left: &mut &[u8]) -> Option<()> {
        match bytes::<1>(left)? {
            [0] => {
                let number = u32::from_le_bytes(bytes(left)?);
                self.groups.insert(number, owner(left)?);
            }
            [1] => {
                let [protocol] = bytes(left)?;
                let address = Ipv6Addr::from(bytes::<16>(left)?).to_canonical();
                let port = u16::from_le_bytes(bytes(left)?);
                let port = (Protocol(protocol), address, port);
                self.ports.insert(port, owner(left)?);
            }
            _ => return None,
        }
        Some(())
    }
}

/// What is between the tag and the length at the end.
fn content(note: &[u8]) -> Option<&[u8]> {
    let rest = note.strip_suffix(&MARK)?;
    let (rest, length) = rest.split_last_chunk::<4>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    rest.get(rest.len().checked_sub(length)?..)
}

fn push(content: &mut Vec<u8>, key: &[u8], owner: SocketOwner) {
    let (code, uid) = match owner {
        SocketOwner::System => (1, None),
        SocketOwner::Kernel => (2, None),
        SocketOwner::Unseen => (3, None),
        SocketOwner::Unreadable => (4, None),
        SocketOwner::Pod(uid) => (5, Some(uid.0)),
    };
    let uid = uid.as_ref().map_or(&[][..], |uid| &uid[..]);
    if content.len() + key.len() + 1 + uid.len() > MAX_BYTES {
        return;
    }
    content.extend(key);
    content.push(code);
    content.extend(uid);
}

fn owner(left: &mut &[u8]) -> Option<SocketOwner> {
    Some(match bytes::<1>(left)? {
        [1] => SocketOwner::System,
        [2] => SocketOwner::Kernel,
        [3] => SocketOwner::Unseen,
        [4] => SocketOwner::Unreadable,
        [5] => SocketOwner::Pod(PodUid(bytes(left)?)),
        _ => return None,
    })
}

fn bytes<const N: usize>(left: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = left.split_first_chunk()?;
    *left = rest;
    Some(*taken)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use kubezonnet_model::{BatchHeader, Coverage, Epoch, FlowBatch, NodeName};
    use kubezonnet_wire::Limits;

    use super::*;

    fn told(groups: u32) -> Owners {
        let pod = |number: u32| SocketOwner::Pod(PodUid([number.to_le_bytes()[0]; 16]));
        let port = |address: &str, port| (Protocol::UDP, address.parse().unwrap(), port);
        Owners {
            groups: (1..=groups).map(|number| (number, pod(number))).collect(),
            ports: BTreeMap::from([
                (port("10.66.0.1", 53), SocketOwner::System),
                (port("fd66::1", 8100), SocketOwner::Unseen),
                (port("fd66::1", 8101), SocketOwner::Kernel),
                (port("fd66::1", 8102), SocketOwner::Unreadable),
            ]),
        }
    }

    #[test]
    fn what_was_told_is_read_from_behind_a_batch_and_the_batch_is_as_it_was() {
        let mut batch = FlowBatch {
            header: BatchHeader {
                node: NodeName::new("n1").unwrap(),
                epoch: Epoch([7; 16]),
                sequence: 3,
                window: Duration::from_secs(10),
                coverage: Coverage::full(),
            },
            records: Vec::new(),
            totals: Vec::new(),
            skipped: Vec::new(),
            node_addresses: Vec::new(),
        };
        for groups in [0, 1, 3, 100, 500] {
            let told = told(groups);
            batch.header.sequence += 1;

            let note = [kubezonnet_wire::encode(&batch), told.encode()].concat();

            let read = kubezonnet_wire::decode(&note, &Limits::default()).unwrap();
            assert_eq!(read.into_batch(), batch);
            assert_eq!(Owners::decode(&note), told, "{groups}");
        }
    }

    #[test]
    fn what_has_no_room_is_left_out_and_what_is_kept_has_a_bound() {
        let many = told(10_000);

        let kept = many.encode();

        assert!(kept.len() <= MAX_BYTES + 12, "{}", kept.len());
        let read = Owners::decode(&kept);
        assert!(read.groups.len() > 500);
        let is_told = |(number, owner): (&u32, &SocketOwner)| many.groups[number] == *owner;
        assert!(read.groups.iter().all(is_told));
    }

    #[test]
    fn all_that_there_is_room_for_is_kept() {
        let pod = SocketOwner::Pod(PodUid([7; 16]));
        for by_ports in [false, true] {
            let mut told = Owners::default();
            for number in 0..u16::MAX {
                if !told.has_room() {
                    break;
                }
                if by_ports {
                    let port = (Protocol::UDP, "fd66::1".parse().unwrap(), number);
                    told.ports.insert(port, pod);
                } else {
                    told.groups.insert(number.into(), pod);
                }
            }

            assert!(told.groups.len() + told.ports.len() > 300);
            assert_eq!(Owners::decode(&told.encode()), told);
        }
    }

    #[test]
    fn what_cannot_be_read_is_as_if_nothing_was_kept() {
        let good = told(3).encode();
        let nothing = Owners::default();

        assert!(nothing.encode().is_empty());
        for end in 0..good.len() {
            assert_eq!(Owners::decode(&good[..end]), nothing, "{end}");
        }
        let mut wrong = good.clone();
        wrong[4] = 9;
        assert_eq!(Owners::decode(&wrong), nothing);
        assert_eq!(Owners::decode(&[&[0xff; 4][..], &MARK].concat()), nothing);
    }
}
