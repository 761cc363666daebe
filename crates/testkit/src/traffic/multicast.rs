//! Datagrams to a group or to everyone on a link: one sender, any number of receivers.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use kubezonnet_model::Family;
use nix::net::if_::{if_nameindex, if_nametoindex};
use socket2::{InterfaceIndexOrAddress, SockRef};

use super::datagrams::{Load, deliver};
use super::{Sent, any_port};
use crate::cluster::{BRIDGE, UPLINK};
use crate::{Error, Place};

/// Keeps what joins a group from reporting it, so that nothing is on a link but the datagrams.
const SILENCE: &str = "add table inet testkit-groups
delete table inet testkit-groups
table inet testkit-groups {
    chain output {
        type filter hook output priority -300;
        meta l4proto igmp drop
        icmpv6 type { mld-listener-report, mld-listener-done, mld2-listener-report } drop
    }
}
";

/// A multicast group that nothing else uses, of a scope wider than one link.
pub const fn group(family: Family) -> IpAddr {
    match family {
        Family::Ipv4 => IpAddr::V4(Ipv4Addr::new(239, 66, 0, 1)),
        Family::Ipv6 => IpAddr::V6(Ipv6Addr::new(0xff05, 0, 0, 0, 0, 0, 0x66, 1)),
    }
}

/// Sends `datagrams` datagrams of `size` bytes of payload each out of the place's own link to a
/// multicast group, or to a broadcast address, and waits until all members have received all.
///
/// Members join the group on all links of theirs, without reporting it. The sender may be one of
/// them, and there may be none. Nodes do not forward groups or broadcasts, so that members of
/// what a node sends are nodes, and of what a pod sends its node, or pods on the same bridge.
///
/// # Errors
///
/// If one of the datagrams does not arrive at a member, or the group is an ordinary address.
pub fn multicast(
    from: &impl Place,
    members: &[&dyn Place],
    group: IpAddr,
    datagrams: u64,
    size: u16,
) -> Result<Sent, Error> {
    let what = format!("send {datagrams} datagrams to group {group}");
    let origin = origin(from, Family::of(&group))?;
    // Members listen on the sender's port, which is free in their namespaces too.
    let source = origin.local_addr().map_err(Error::io(&what))?;
    let destination = SocketAddr::new(group, source.port());
    let sinks = members.iter().map(|member| sink(*member, destination));
    let sinks: Vec<UdpSocket> = sinks.collect::<Result<_, _>>()?;
    let load = Load {
        datagrams,
        size: size.into(),
    };
    let payload = vec![b'm'; size.into()];
    deliver(&origin, &sinks, load, |origin, sent_so_far| {
        origin.send_to(&payload, destination)?;
        Ok(sent_so_far + 1)
    })
    .map_err(Error::io(what))?;
    Ok(Sent {
        payload_bytes: datagrams * u64::from(size),
        answer_bytes: 0,
        messages: datagrams,
        source,
        destination,
    })
}

fn origin(from: &impl Place, family: Family) -> Result<UdpSocket, Error> {
    let source = any_port(from.address(family));
    let open = || {
        let socket = UdpSocket::bind(source)?;
        socket.set_broadcast(true)?;
        match source.ip() {
            IpAddr::V4(own) => SockRef::from(&socket).set_multicast_if_v4(&own)?,
            IpAddr::V6(_) => {
                let link = if_nametoindex(UPLINK).or_else(|_| if_nametoindex(BRIDGE))?;
                SockRef::from(&socket).set_multicast_if_v6(link)?;
            }
        }
        Ok::<_, io::Error>(socket)
    };
    let name = from.netns().name();
    from.netns()
        .run(open)?
        .map_err(Error::io(format!("bind {source} in {name}")))
}

/// A socket that receives what is sent to the group and nothing else.
fn sink(member: &dyn Place, group: SocketAddr) -> Result<UdpSocket, Error> {
    let netns = member.netns();
    if group.ip().is_multicast() {
        netns.tool(&["nft", "-f", "-"], SILENCE)?;
    }
    let open = || {
        let socket = UdpSocket::bind(group)?;
        let links = if_nameindex()?;
        let links = links.iter().filter(|link| link.name() != c"lo");
        for link in links.filter(|_| group.ip().is_multicast()) {
            match group.ip() {
                IpAddr::V4(group) => SockRef::from(&socket)
                    .join_multicast_v4_n(&group, &InterfaceIndexOrAddress::Index(link.index()))?,
                IpAddr::V6(group) => socket.join_multicast_v6(&group, link.index())?,
            }
        }
        Ok::<_, io::Error>(socket)
    };
    let what = format!("join {} in {}", group.ip(), netns.name());
    netns.run(open)?.map_err(Error::io(what))
}
