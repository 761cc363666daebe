//! The ports that `WireGuard` devices listen on, which rtnetlink does not tell.
//!
//! Blocking, over generic netlink, in the network namespace of the calling thread. The kernel tells
//! a device's private key in the same answer; it is neither read nor kept.
//!
//! Protocol: <https://docs.kernel.org/userspace-api/netlink/intro.html>; numbers:
//! `linux/genetlink.h`, `linux/wireguard.h`.

use std::io;

use kubezonnet_capture::Tunnel;
use netlink_sys::protocols::NETLINK_GENERIC;
use nix::libc;
use tracing::debug;

use super::Links;
use super::message::{attribute, find, message, raw_messages, u16_at, u32_at};
use super::netlink::{NetlinkError, ask, open, refused};

/// What the driver calls itself, as a kind of link and as a family of generic netlink.
const NAME: &str = "wireguard";

/// `struct genlmsghdr`: command, version, two bytes that say nothing.
const HEADER_BYTES: usize = 4;

/// `GENL_ID_CTRL`, `CTRL_CMD_GETFAMILY`, `CTRL_ATTR_FAMILY_ID`, `CTRL_ATTR_FAMILY_NAME`.
const CONTROL: u16 = 16;
const GET_FAMILY: u8 = 3;
const FAMILY_ID: u16 = 1;
const FAMILY_NAME: u16 = 2;

/// `WG_CMD_GET_DEVICE`, `WGDEVICE_A_IFINDEX`, `WGDEVICE_A_LISTEN_PORT`.
const GET_DEVICE: u8 = 0;
const INTERFACE: u16 = 1;
const LISTEN_PORT: u16 = 6;

/// The version of both families.
const VERSION: u8 = 1;

/// Sets the port of each `WireGuard` device. One whose port the kernel does not tell has the one it had
/// `before`: without a port its datagrams would count as the node's own, beside what is in them.
pub(super) fn add_ports(links: &mut Links, before: &Links) {
    set_ports(links, before, port);
}

fn set_ports(
    links: &mut Links,
    before: &Links,
    port: impl Fn(u32) -> Result<Option<u16>, NetlinkError>,
) {
    let is_wireguard = |kind: &Option<String>| kind.as_deref() == Some(NAME);
    for (&index, link) in &mut links.links {
        if !is_wireguard(&link.kind) {
            continue;
        }
        match port(index) {
            Ok(port) => {
                link.tunnel_port = port.map(|port| (port, Tunnel::WireGuard { interface: index }));
            }
            Err(error) => {
                debug!(
                    interface = link.name,
                    error = &error as &dyn std::error::Error,
                    "the port of a WireGuard device is not told"
                );
                let known = before.links.get(&index);
                let known = known.filter(|known| is_wireguard(&known.kind));
                link.tunnel_port = known.and_then(|known| known.tunnel_port);
            }
        }
    }
}

/// The port a device listens on; `None` while it listens on none.
fn port(interface: u32) -> Result<Option<u16>, NetlinkError> {
    let socket = open(NETLINK_GENERIC)?;
    let answer = ask(&socket, &family_request(NAME))?;
    let family = read(&answer, FAMILY_ID)?;
    let Some(family) = family else {
        return Ok(None);
    };
    // A device with many peers is told in several datagrams, the port in the first.
    let answer = ask(&socket, &device_request(family, interface))?;
    Ok(read(&answer, LISTEN_PORT)?.filter(|port| *port != 0))
}

fn family_request(name: &str) -> Vec<u8> {
    let name = [name.as_bytes(), &[0]].concat();
    request(
        CONTROL,
        libc::NLM_F_REQUEST,
        GET_FAMILY,
        &attribute(FAMILY_NAME, &name),
    )
}

fn device_request(family: u16, interface: u32) -> Vec<u8> {
    let interface = attribute(INTERFACE, &interface.to_ne_bytes());
    let flags = libc::NLM_F_REQUEST | libc::NLM_F_DUMP;
    request(family, flags, GET_DEVICE, &interface)
}

fn request(family: u16, flags: i32, command: u8, attributes: &[u8]) -> Vec<u8> {
    let body = [&[command, VERSION, 0, 0], attributes].concat();
    message(family, flags, &body)
}

/// A 16-bit attribute of the answer's first message.
fn read(answer: &[u8], wanted: u16) -> Result<Option<u16>, NetlinkError> {
    let Some(first) = raw_messages(answer).next() else {
        return Err(NetlinkError::Unreadable(
            io::ErrorKind::UnexpectedEof.into(),
        ));
    };
    let (kind, body) = first.map_err(NetlinkError::Unreadable)?;
    if i32::from(kind) == libc::NLMSG_ERROR {
        let error = u32_at(body, 0).map_or(libc::EPROTO, |error| -error.cast_signed());
        return Err(refused("the ports of WireGuard devices", error));
    }
    let attributes = body.get(HEADER_BYTES..).unwrap_or_default();
    Ok(find(attributes, wanted).and_then(|value| u16_at(value, 0)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::links::Link;

    /// An answer as the kernel sends it for a device: its index, name, keys and port.
    fn device(port: u16) -> Vec<u8> {
        let attributes = [
            attribute(INTERFACE, &7_u32.to_ne_bytes()),
            attribute(2, b"wg0\0"),
            attribute(3, &[9; 32]),
            attribute(4, &[8; 32]),
            attribute(LISTEN_PORT, &port.to_ne_bytes()),
            attribute(7, &0_u32.to_ne_bytes()),
        ];
        let body = [&[GET_DEVICE, VERSION, 0, 0][..], &attributes.concat()].concat();
        message(33, libc::NLM_F_MULTI, &body)
    }

    #[test]
    fn the_port_of_a_device_is_read_among_all_that_is_told() {
        let answer = [device(51_820), message(3, 0, &[0; 4])].concat();

        assert_eq!(read(&answer, LISTEN_PORT).unwrap(), Some(51_820));
    }

    #[test]
    fn a_device_keeps_its_port_while_the_kernel_does_not_tell_it() {
        let wireguard = || Link {
            kind: Some(NAME.to_owned()),
            ..Link::default()
        };
        let links = || Links {
            links: BTreeMap::from([(7, wireguard()), (8, wireguard()), (9, Link::default())]),
            ..Links::default()
        };
        let ports = |links: &Links| {
            let ports = links.links.values().map(|link| link.tunnel_port);
            ports
                .map(|port| port.map(|(port, _)| port))
                .collect::<Vec<_>>()
        };
        let mut before = links();
        set_ports(&mut before, &Links::default(), |index| {
            Ok((index == 7).then_some(51_820))
        });

        let mut failing = links();
        set_ports(&mut failing, &before, |_| {
            Err(refused("ports", libc::EBUSY))
        });
        let mut closed = links();
        set_ports(&mut closed, &before, |_| Ok(None));

        assert_eq!(ports(&before), [Some(51_820), None, None]);
        assert_eq!(ports(&failing), ports(&before));
        assert_eq!(ports(&closed), [None; 3]);
    }

    #[test]
    fn what_the_kernel_refuses_is_an_error_with_its_number() {
        let answer = message(2, 0, &(-libc::EPERM).to_ne_bytes());

        let error = read(&answer, LISTEN_PORT).unwrap_err();

        let NetlinkError::Refused { source, .. } = error else {
            panic!("not a refusal: {error}")
        };
        assert_eq!(source.raw_os_error(), Some(libc::EPERM));
    }

    #[test]
    fn a_device_is_asked_for_by_its_index() {
        let request = device_request(33, 7);

        let length = u32::try_from(request.len()).unwrap();
        assert_eq!(request[..4], length.to_ne_bytes());
        assert_eq!(request[4..8], [33, 0, 1, 3]);
        assert_eq!(request[16..], [0, 1, 0, 0, 8, 0, 1, 0, 7, 0, 0, 0]);
    }

    #[test]
    fn the_kernel_tells_the_number_of_a_family_that_it_has() {
        let socket = open(NETLINK_GENERIC).unwrap();

        let answer = ask(&socket, &family_request("nlctrl")).unwrap();

        assert_eq!(read(&answer, FAMILY_ID).unwrap(), Some(CONTROL));
    }

    #[test]
    fn a_family_that_the_kernel_does_not_have_is_refused() {
        let socket = open(NETLINK_GENERIC).unwrap();

        let answer = ask(&socket, &family_request("no such family")).unwrap();

        let error = read(&answer, FAMILY_ID).unwrap_err();
        assert!(matches!(error, NetlinkError::Refused { .. }), "{error}");
    }
}
