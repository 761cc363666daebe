//! A stand-in for `WireGuard`, for kernels without it: it puts packets into datagrams as `WireGuard`
//! does (<https://www.wireguard.com/papers/wireguard.pdf>, 5.4.6), without the encryption.
//!
//! On each node it has a TUN device and a UDP socket. What the device sends goes to the other node
//! as a data message: 16 bytes of header, the packet, padding to 16 bytes, 16 bytes where the
//! authentication tag would be. To the programs this is the same: they see a device's packets, and
//! datagrams of a port.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use kubezonnet_model::Family;
use kubezonnet_testkit::{Cluster, Netns, Place};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{setsockopt, sockopt};

use crate::bench::NODES;
use crate::system::device;

/// The port that `WireGuard` is known by.
pub(crate) const PORT: u16 = 51_820;

/// The MTU of its devices, as `wg-quick` and the CNIs have it: 1,500 less 80.
pub(crate) const MTU: u16 = 1_420;

/// The name of its devices.
const DEVICE: &str = "wg0";

/// A device that carries IP packets with nothing in front.
const TUN: libc::c_int = libc::IFF_TUN | libc::IFF_NO_PI;

/// `struct message_data`: type, receiver, counter.
const HEADER: [u8; 16] = [4, 0, 0, 0, 9, 9, 9, 9, 0, 0, 0, 0, 0, 0, 0, 0];
const TAG: [u8; 16] = [0xaa; 16];

/// How often its threads look whether they may end.
const PAUSE: u16 = 50;

/// Room for all that can be under way, so that no datagram is dropped that the wire has carried.
const BUFFER_BYTES: usize = 64 << 20;

/// A tunnel between two nodes, gone when it is dropped.
pub(crate) struct StandIn {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl StandIn {
    /// Sends what the pods of the two nodes send each other through it.
    pub(crate) fn start(cluster: &Cluster, underlay: Family) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut threads = Vec::new();
        let ends = NODES.map(|node| cluster.node(node));
        let addresses = ends.map(|end| SocketAddr::new(end.address(underlay), PORT));
        for (me, peer) in [(0, 1), (1, 0)] {
            let netns = ends[me].netns();
            let (device, socket) = netns
                .run(|| Ok::<_, io::Error>((device(DEVICE, TUN)?, UdpSocket::bind(addresses[me])?)))
                .unwrap()
                .unwrap();
            setsockopt(&socket, sockopt::RcvBufForce, &BUFFER_BYTES).unwrap();
            let pause = Duration::from_millis(PAUSE.into());
            socket.set_read_timeout(Some(pause)).unwrap();
            route(netns, cluster, NODES[peer]);
            let (device, socket) = (Arc::new(device), Arc::new(socket));
            let (to, ended) = (addresses[peer], Arc::clone(&stop));
            let ends = (Arc::clone(&device), Arc::clone(&socket));
            threads.push(thread::spawn(move || send(&ends.0, &ends.1, to, &ended)));
            let ended = Arc::clone(&stop);
            threads.push(thread::spawn(move || receive(&device, &socket, &ended)));
        }
        Self { stop, threads }
    }

    /// The index of a node's device.
    pub(crate) fn interface(cluster: &Cluster, node: &str) -> u32 {
        let netns = cluster.node(node).netns();
        netns
            .run(|| nix::net::if_::if_nametoindex(DEVICE))
            .unwrap()
            .unwrap()
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().expect("the tunnel's threads end");
        }
    }
}

fn route(netns: &Netns, cluster: &Cluster, peer: &str) {
    let mut lines = vec![
        format!("link set {DEVICE} mtu {MTU} txqueuelen 100000 addrgenmode none"),
        format!("link set {DEVICE} up"),
    ];
    for pod in cluster.pods().iter().filter(|pod| pod.node() == peer) {
        lines.extend(
            Family::ALL.map(|family| format!("route add {} dev {DEVICE}", pod.address(family))),
        );
    }
    netns.ip(&lines).unwrap();
}

fn send(mut device: &File, socket: &UdpSocket, to: SocketAddr, stop: &AtomicBool) {
    let mut packet = vec![0; 1 << 16];
    while !stop.load(Ordering::Relaxed) {
        let mut wanted = [PollFd::new(device.as_fd(), PollFlags::POLLIN)];
        if poll(&mut wanted, PollTimeout::from(PAUSE)).expect("the device can be waited for") == 0 {
            continue;
        }
        let length = device.read(&mut packet).expect("the device has a packet");
        socket
            .send_to(&wrapped(&packet[..length]), to)
            .expect("the other node is reached");
    }
}

fn receive(mut device: &File, socket: &UdpSocket, stop: &AtomicBool) {
    let mut datagram = vec![0; 1 << 16];
    while !stop.load(Ordering::Relaxed) {
        let Ok(length) = socket.recv(&mut datagram) else {
            continue;
        };
        if let Some(packet) = unwrapped(&datagram[..length]) {
            device.write_all(packet).expect("the device takes a packet");
        }
    }
}

/// A data message: padded to 16 bytes, but not beyond the MTU.
fn wrapped(packet: &[u8]) -> Vec<u8> {
    let padded = packet.len().next_multiple_of(16).min(MTU.into());
    let mut message = [&HEADER, packet].concat();
    message.resize(HEADER.len() + padded, 0);
    message.extend(TAG);
    message
}

/// The packet in a data message, which says itself how long it is; `None` of any other message.
fn unwrapped(message: &[u8]) -> Option<&[u8]> {
    if message.first() != Some(&4) || message.len() <= HEADER.len() + TAG.len() {
        return None;
    }
    let packet = &message[HEADER.len()..message.len() - TAG.len()];
    let word = |at: usize| usize::from(u16::from_be_bytes([packet[at], packet[at + 1]]));
    let length = if packet[0] >> 4 == 4 {
        word(2)
    } else {
        40 + word(4)
    };
    Some(&packet[..length])
}
