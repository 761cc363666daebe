//! What packets weigh on a wire.

use kubezonnet_model::Family;
use kubezonnet_testkit::{Cluster, LinkCounters};

/// Packets, and their bytes with IP headers.
pub(crate) type Wire = (u64, u64);

pub(crate) const fn ip_header(family: Family) -> u64 {
    match family {
        Family::Ipv4 => 20,
        Family::Ipv6 => 40,
    }
}

/// So many packets with `payload` bytes after the IP header each: as fragments, if one does not
/// fit into the MTU. All but the last have a multiple of 8 bytes; the fragment header of IPv6 has 8.
pub(crate) fn packets(count: u64, family: Family, mtu: u64, payload: u64) -> Wire {
    let header = ip_header(family);
    if payload + header <= mtu {
        return (count, count * (payload + header));
    }
    let header = match family {
        Family::Ipv4 => header,
        Family::Ipv6 => header + 8,
    };
    let fragments = payload.div_ceil((mtu - header) / 8 * 8);
    (count * fragments, count * (payload + fragments * header))
}

pub(crate) fn sent_by(link: &LinkCounters) -> Wire {
    (link.tx_packets, link.tx_ip_bytes())
}

pub(crate) fn received_by(link: &LinkCounters) -> Wire {
    (link.rx_packets, link.rx_ip_bytes())
}

/// What the uplinks of node-a and node-b carried while `send` ran.
pub(crate) fn carried(cluster: &Cluster, send: impl FnOnce()) -> [LinkCounters; 2] {
    let settled = |node| {
        cluster
            .settled_uplink(node)
            .expect("the cluster falls silent")
    };
    let before = ["node-a", "node-b"].map(settled);
    send();
    let after = ["node-a", "node-b"].map(settled);
    [0, 1].map(|node| after[node].since(&before[node]))
}
