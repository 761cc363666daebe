//! The clients' side: connections from many addresses, plain or with TLS.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use rustls::{ClientConnection, StreamOwned};
use socket2::{Domain, Socket, Type};

use crate::server::{DEADLINE, Server};

/// Files that this process may need: its half of the connections.
const FILES: u64 = 12_000;

/// Addresses that clients come from: with each, fewer connections than one may have.
const ADDRESSES: usize = 60;

/// Allows this process, and the server it starts, enough open files.
pub(crate) fn raise_file_limit() {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    if soft < FILES {
        // Beyond the hard limit only root may go.
        let raised = setrlimit(Resource::RLIMIT_NOFILE, FILES, hard.max(FILES));
        raised.expect("the limit of open files can be 12,000 (ulimit -Hn 12000)");
    }
}

/// The address of a client: they are spread evenly.
pub(crate) fn address(client: usize) -> Ipv4Addr {
    let last = u8::try_from(2 + client % ADDRESSES).unwrap();
    Ipv4Addr::new(127, 0, 0, last)
}

/// Connects from an address.
pub(crate) fn connect(server: &Server, from: Ipv4Addr) -> TcpStream {
    connect_with(server, from, |_| {})
}

/// The same with a window of the smallest size: the server can send a few kilobytes and no more.
pub(crate) fn connect_narrowly(server: &Server, from: Ipv4Addr) -> TcpStream {
    connect_with(server, from, |socket| {
        socket.set_recv_buffer_size(1).unwrap();
    })
}

fn connect_with(server: &Server, from: Ipv4Addr, prepare: impl FnOnce(&Socket)) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    prepare(&socket);
    socket.bind(&SocketAddr::from((from, 0)).into()).unwrap();
    socket.connect(&server.address.into()).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    socket.set_write_timeout(Some(DEADLINE)).unwrap();
    socket.into()
}

/// Sends a request and reads until the server closes.
pub(crate) fn ask(mut stream: impl Read + Write, request: &[u8]) -> String {
    // The server may answer and close before it has all of it.
    stream.write_all(request).ok();
    stream.flush().ok();
    rest(stream)
}

/// Sends as much as goes at once: the server is behind with reading, or has refused.
pub(crate) fn push(stream: &mut TcpStream, bytes: &[u8]) {
    stream.set_nonblocking(true).unwrap();
    let _taken = stream.write(bytes);
}

/// What comes until the server closes.
pub(crate) fn rest(mut stream: impl Read) -> String {
    let mut answer = Vec::new();
    // A stream that ends without farewell is at its end all the same.
    if let Err(error) = stream.read_to_end(&mut answer) {
        let ended = [io::ErrorKind::UnexpectedEof, io::ErrorKind::ConnectionReset];
        assert!(ended.contains(&error.kind()), "{error}");
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// A connection with TLS whose handshake is done.
pub(crate) struct Secure(StreamOwned<ClientConnection, TcpStream>);

impl Secure {
    /// Connects as one of many clients.
    pub(crate) fn connect(server: &Server, client: usize) -> Self {
        Self::over(server, connect(server, address(client)))
    }

    /// The same with a window of the smallest size.
    pub(crate) fn connect_narrowly(server: &Server, client: usize) -> Self {
        Self::over(server, connect_narrowly(server, address(client)))
    }

    fn over(server: &Server, stream: TcpStream) -> Self {
        let (config, name) = server.tls.as_ref().unwrap();
        let session = ClientConnection::new(Arc::clone(config), name.clone()).unwrap();
        let mut stream = StreamOwned::new(session, stream);
        stream.conn.complete_io(&mut stream.sock).unwrap();
        Self(stream)
    }

    /// What is below the encryption.
    pub(crate) fn wire(&mut self) -> &mut TcpStream {
        &mut self.0.sock
    }

    /// Sends without waiting for an answer.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)?;
        self.0.flush()
    }
}
