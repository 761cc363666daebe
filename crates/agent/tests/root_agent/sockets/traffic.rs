//! Sockets of node-a in control groups, and what they say to node-b.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use kubezonnet_model::{Family, FlowCounters, SocketOwner};
use kubezonnet_testkit::{ClusterNode, ControlGroup, Netns, Place as _, wait_for};

/// The longest that anything here stands still.
const STUCK: Duration = Duration::from_secs(20);

/// A node's end.
pub(super) struct Side {
    netns: Netns,
    addresses: [IpAddr; 2],
}

impl Side {
    pub(super) fn of(node: &ClusterNode) -> Self {
        Self {
            netns: node.netns().clone(),
            addresses: Family::ALL.map(|family| node.address(family)),
        }
    }

    pub(super) fn address(&self, family: Family) -> IpAddr {
        self.addresses[usize::from(family == Family::Ipv6)]
    }

    fn at(&self, family: Family, port: u16) -> SocketAddr {
        SocketAddr::new(self.address(family), port)
    }

    /// Makes a socket here, by whatever group this process is in.
    fn make<T: Send>(&self, work: impl FnOnce() -> std::io::Result<T> + Send) -> T {
        self.netns.run(work).unwrap().unwrap()
    }

    fn listen(&self, family: Family, port: u16) -> TcpListener {
        self.make(|| TcpListener::bind(self.at(family, port)))
    }

    fn connect(&self, to: SocketAddr) -> TcpStream {
        let stream = self.make(|| TcpStream::connect_timeout(&to, STUCK));
        stream.set_read_timeout(Some(STUCK)).unwrap();
        stream
    }

    /// Whether the connection of these ports is in the state `FIN_WAIT2`, by `/proc/net/tcp`.
    fn only_waits(&self, [local, remote]: [u16; 2]) -> bool {
        let read = || {
            ["tcp", "tcp6"].map(|table| {
                std::fs::read_to_string(format!("/proc/thread-self/net/{table}")).unwrap()
            })
        };
        let tables = self.netns.run(read).unwrap();
        let is_it = |line: &str| {
            let fields: Vec<_> = line.split_whitespace().collect();
            let ends = |field: usize, port| fields[field].ends_with(&format!(":{port:04X}"));
            ends(1, local) && ends(2, remote) && fields[3] == "05"
        };
        tables.iter().any(|table| table.lines().skip(1).any(is_it))
    }

    fn bind(&self, family: Family, port: u16) -> UdpSocket {
        let socket = self.make(|| UdpSocket::bind(self.at(family, port)));
        socket.set_read_timeout(Some(STUCK)).unwrap();
        socket
    }
}

/// Who has sockets on node-a, and ports of their own there and at the other end.
pub(super) struct Owner<'a> {
    pub(super) who: SocketOwner,
    pub(super) number: u16,
    group: &'a ControlGroup,
}

impl<'a> Owner<'a> {
    pub(super) fn new(who: SocketOwner, group: &'a ControlGroup, number: u16) -> Self {
        Self { who, number, group }
    }

    pub(super) fn local_ports(&self) -> impl Iterator<Item = u16> + use<> {
        let first = 8_000 + 100 * self.number;
        first..first + 4
    }

    pub(super) fn remote_ports(&self) -> impl Iterator<Item = u16> + use<> {
        let first = 9_000 + 100 * self.number;
        first..first + 3
    }

    /// Makes a socket in the owner's group.
    fn make<T>(&self, work: impl FnOnce() -> T) -> T {
        self.group.inside(work).unwrap()
    }

    /// Sends and receives in every way there is, another amount for each owner. What is returned is to
    /// be held until the window is read.
    pub(super) fn talk(&self, here: &Side, there: &Side, family: Family) -> Held {
        let amount = 10_000 * usize::from(self.number) + 7;
        let held = vec![
            self.serve(here, there, family, amount),
            self.ask(here, there, family, amount),
        ];
        let mut datagrams = self.receive_datagrams(here, there, family);
        datagrams.extend(self.exchange_datagrams(here, there, family));
        Held {
            _listeners: held,
            _datagrams: datagrams,
        }
    }

    /// As a server of TCP; one connection is closed by the other side first, one by this side.
    fn serve(&self, here: &Side, there: &Side, family: Family, amount: usize) -> TcpListener {
        let [port] = ports(self.local_ports());
        let listener = self.make(|| here.listen(family, port));
        for is_first in [true, false] {
            let client = there.connect(here.at(family, port));
            let (server, _) = listener.accept().unwrap();
            pass(&client, &server, amount);
            pass(&server, &client, 2 * amount);
            if is_first {
                close(there, client, server);
            } else {
                close(here, server, client);
            }
        }
        listener
    }

    /// As a client of TCP, which closes first and waits for nothing.
    fn ask(&self, here: &Side, there: &Side, family: Family, amount: usize) -> TcpListener {
        let [port] = ports(self.remote_ports());
        let listener = there.listen(family, port);
        for is_first in [true, false] {
            let client = self.make(|| here.connect(there.at(family, port)));
            let (server, _) = listener.accept().unwrap();
            pass(&client, &server, 3 * amount);
            pass(&server, &client, amount);
            if is_first {
                close(here, client, server);
            } else {
                close(there, server, client);
            }
        }
        listener
    }

    /// Datagrams to a socket that never answers, and to one that does.
    fn receive_datagrams(&self, here: &Side, there: &Side, family: Family) -> Vec<UdpSocket> {
        let [_, silent, answering, _] = ports(self.local_ports());
        let sender = there.bind(family, 0);
        let silent_socket = self.make(|| here.bind(family, silent));
        let answering_socket = self.make(|| here.bind(family, answering));
        for round in 1..=5 {
            let datagram = vec![b'd'; round * 100 + usize::from(self.number)];
            sender.send_to(&datagram, here.at(family, silent)).unwrap();
            assert_eq!(silent_socket.recv(&mut [0; 2_000]).unwrap(), datagram.len());
            sender
                .send_to(&datagram, here.at(family, answering))
                .unwrap();
            let (length, from) = answering_socket.recv_from(&mut [0; 2_000]).unwrap();
            answering_socket
                .send_to(&datagram[..length / 2], from)
                .unwrap();
            sender.recv(&mut [0; 2_000]).unwrap();
        }
        vec![silent_socket, answering_socket]
    }

    /// Datagrams to the other end and back, by a connected socket and by one that is not.
    fn exchange_datagrams(&self, here: &Side, there: &Side, family: Family) -> Vec<UdpSocket> {
        let [_, _, _, port] = ports(self.local_ports());
        let [_, first, second] = ports(self.remote_ports());
        let connected = self.make(|| here.bind(family, 0));
        connected.connect(there.at(family, first)).unwrap();
        let unconnected = self.make(|| here.bind(family, port));
        let servers = [there.bind(family, first), there.bind(family, second)];
        for round in 1..=4 {
            let datagram = vec![b'e'; round * 50 + usize::from(self.number)];
            connected.send(&datagram).unwrap();
            unconnected
                .send_to(&datagram, there.at(family, second))
                .unwrap();
            for server in &servers {
                let (length, from) = server.recv_from(&mut [0; 2_000]).unwrap();
                server.send_to(&vec![b'f'; 3 * length], from).unwrap();
            }
            connected.recv(&mut [0; 2_000]).unwrap();
            unconnected.recv(&mut [0; 2_000]).unwrap();
        }
        vec![connected, unconnected]
    }
}

/// Sockets that are asked for after the traffic.
pub(super) struct Held {
    _listeners: Vec<TcpListener>,
    _datagrams: Vec<UdpSocket>,
}

fn ports<const N: usize>(ports: impl Iterator<Item = u16>) -> [u16; N] {
    ports.take(N).collect::<Vec<_>>().try_into().unwrap()
}

fn pass(mut from: &TcpStream, mut to: &TcpStream, amount: usize) {
    std::thread::scope(|scope| {
        scope.spawn(move || from.write_all(&vec![b't'; amount]).unwrap());
        to.read_exact(&mut vec![0; amount]).unwrap();
    });
}

/// Closes the end of `side` first and at once. The other end follows when the first one's socket is
/// gone but for what waits in its place, and the kernel answers for it.
fn close(side: &Side, first: TcpStream, mut second: TcpStream) {
    let ports = [&first, &second].map(|end| end.local_addr().unwrap().port());
    drop(first);
    assert_eq!(second.read(&mut [0]).unwrap(), 0);
    let what = format!("the end of a socket of ports {ports:?}");
    wait_for(&what, STUCK, || side.only_waits(ports).then_some(())).unwrap();
    drop(second);
}

/// A group's socket sends so many datagrams, and is closed; returns their wire bytes.
pub(super) fn send_datagrams(
    group: &ControlGroup,
    here: &Side,
    there: &Side,
    count: u64,
) -> FlowCounters {
    let server = there.bind(Family::Ipv4, 9_000);
    let socket = group.inside(|| here.bind(Family::Ipv4, 0)).unwrap();
    socket.connect(there.at(Family::Ipv4, 9_000)).unwrap();
    for _ in 0..count {
        socket.send(&[b's'; 72]).unwrap();
        server.recv(&mut [0; 100]).unwrap();
    }
    FlowCounters {
        bytes: count * 100,
        packets: count,
    }
}

/// A group's socket sends a datagram of 100 bytes from that port, and is closed.
pub(super) fn send_from(group: &ControlGroup, here: &Side, there: &Side, port: u16) {
    let server = there.bind(Family::Ipv4, 9_000);
    let socket = group.inside(|| here.bind(Family::Ipv4, port)).unwrap();
    let to = there.at(Family::Ipv4, 9_000);
    socket.send_to(&[b's'; 72], to).unwrap();
    server.recv(&mut [0; 100]).unwrap();
}

/// A group's socket receives so many datagrams of 100 bytes on that port, and answers none.
pub(super) fn receive_on(
    group: &ControlGroup,
    here: &Side,
    there: &Side,
    port: u16,
    count: u64,
) -> UdpSocket {
    let socket = group.inside(|| here.bind(Family::Ipv4, port)).unwrap();
    let sender = there.bind(Family::Ipv4, 0);
    for _ in 0..count {
        sender
            .send_to(&[b'r'; 72], here.at(Family::Ipv4, port))
            .unwrap();
        socket.recv(&mut [0; 100]).unwrap();
    }
    socket
}

/// A connection to a port where nobody listens.
pub(super) fn refused(here: &Side, there: &Side, port: u16) {
    let address = here.at(Family::Ipv4, port);
    let refused = there
        .netns
        .run(|| TcpStream::connect_timeout(&address, STUCK));
    assert_eq!(
        refused.unwrap().unwrap_err().kind(),
        ErrorKind::ConnectionRefused
    );
}

/// A server of one connection, which gets so much and gives it back; its listener.
pub(super) fn serve_one(
    group: &ControlGroup,
    here: &Side,
    there: &Side,
    port: u16,
    amount: usize,
) -> TcpListener {
    let listener = group.inside(|| here.listen(Family::Ipv4, port)).unwrap();
    let client = there.connect(here.at(Family::Ipv4, port));
    let (server, _) = listener.accept().unwrap();
    pass(&client, &server, amount);
    pass(&server, &client, amount);
    close(there, client, server);
    listener
}
