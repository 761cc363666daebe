//! TCP: one long transfer, or many small requests and answers.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::panic::resume_unwind;
use std::thread;

use kubezonnet_model::Family;

use super::{STUCK, Sent};
use crate::{Error, Place};

/// How much is read at once.
const READ_BYTES: usize = 64 << 10;

/// How much is written at once: more than the largest packet that the kernel can be told to make
/// (BIG TCP, 8 × 65,535 bytes), for the end of a write is the end of a packet.
const WRITE_BYTES: usize = 1 << 20;

/// Sends exactly `bytes` bytes over one connection, which is then closed by both sides.
///
/// # Errors
///
/// If the places do not reach each other, or not all of it arrives.
pub fn tcp_bulk(
    from: &impl Place,
    to: &impl Place,
    family: Family,
    bytes: u64,
) -> Result<Sent, Error> {
    tcp_bulk_to_port(from, to, family, to.port(), bytes)
}

/// The same to a port of one's choice.
///
/// # Errors
///
/// As [`tcp_bulk`], and if the port is taken.
pub fn tcp_bulk_to_port(
    from: &impl Place,
    to: &impl Place,
    family: Family,
    port: u16,
    bytes: u64,
) -> Result<Sent, Error> {
    let what = || format!("send {bytes} bytes by tcp to {}", to.address(family));
    let (client, server) = connect(from, to, family, port)?;
    let ends = sockets(&client).map_err(Error::io(what()))?;
    let received = thread::scope(|scope| {
        let reader = scope.spawn(move || drain(server));
        let sent = write_bytes(&client, bytes).and_then(|()| finish(client));
        let received = reader.join().unwrap_or_else(|panic| resume_unwind(panic));
        sent.and(received)
    });
    let received = received.map_err(Error::io(what()))?;
    if received != bytes {
        return Err(Error::Invalid(format!(
            "failed to {}: {received} arrived",
            what()
        )));
    }
    Ok(sent(bytes, 0, 1, ends))
}

/// Makes `rounds` requests one after the other over one connection, each of `request` bytes and
/// answered by `answer` bytes.
///
/// # Errors
///
/// If the places do not reach each other, or the connection ends early.
pub fn tcp_requests(
    from: &impl Place,
    to: &impl Place,
    family: Family,
    rounds: u32,
    request: usize,
    answer: usize,
) -> Result<Sent, Error> {
    let what = || format!("make {rounds} requests by tcp to {}", to.address(family));
    let (client, server) = connect(from, to, family, to.port())?;
    let ends = sockets(&client).map_err(Error::io(what()))?;
    thread::scope(|scope| {
        let server = scope.spawn(move || {
            for _ in 0..rounds {
                read_bytes(&server, request)?;
                (&server).write_all(&vec![b'a'; answer])?;
            }
            drain(server)
        });
        let asked = (|| {
            for _ in 0..rounds {
                (&client).write_all(&vec![b'r'; request])?;
                read_bytes(&client, answer)?;
            }
            finish(client)
        })();
        asked.and(server.join().unwrap_or_else(|panic| resume_unwind(panic)))
    })
    .map_err(Error::io(what()))?;
    let rounds = u64::from(rounds);
    Ok(sent(
        rounds * request as u64,
        rounds * answer as u64,
        rounds,
        ends,
    ))
}

/// Opens a connection; both ends know no delay and do not wait for ever.
pub(super) fn connect(
    from: &impl Place,
    to: &impl Place,
    family: Family,
    port: u16,
) -> Result<(TcpStream, TcpStream), Error> {
    let address = SocketAddr::new(to.address(family), port);
    let listener = to
        .netns()
        .run(|| TcpListener::bind(address))?
        .map_err(Error::io(format!(
            "listen on {address} in {}",
            to.netns().name()
        )))?;
    let opened = (|| {
        let address = to.reached_at(listener.local_addr()?);
        let client = from
            .netns()
            .run(|| TcpStream::connect_timeout(&address, STUCK));
        let client = client.map_err(io::Error::other)??;
        let (server, _) = listener.accept()?;
        for stream in [&client, &server] {
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(STUCK))?;
            stream.set_write_timeout(Some(STUCK))?;
        }
        Ok::<_, io::Error>((client, server))
    })();
    let name = from.netns().name();
    opened.map_err(Error::io(format!("connect from {name} to {address}")))
}

/// Writes so many bytes.
pub(super) fn write_bytes(mut stream: &TcpStream, bytes: u64) -> io::Result<()> {
    let at_most = |bytes: u64| usize::try_from(bytes).map_or(WRITE_BYTES, |n| n.min(WRITE_BYTES));
    let chunk = vec![b'b'; at_most(bytes)];
    let mut left = bytes;
    while left > 0 {
        let now = at_most(left);
        stream.write_all(&chunk[..now])?;
        left -= now as u64;
    }
    Ok(())
}

/// Reads so many bytes.
pub(super) fn read_bytes(mut stream: &TcpStream, bytes: usize) -> io::Result<()> {
    let mut chunk = vec![0; READ_BYTES];
    let mut left = bytes;
    while left > 0 {
        let now = left.min(READ_BYTES);
        left -= match stream.read(&mut chunk[..now])? {
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            read => read,
        };
    }
    Ok(())
}

/// Reads to the end and closes.
fn drain(mut stream: TcpStream) -> io::Result<u64> {
    let mut chunk = vec![0; READ_BYTES];
    let mut received = 0;
    loop {
        match stream.read(&mut chunk)? {
            0 => return Ok(received),
            read => received += read as u64,
        }
    }
}

/// Says that no more comes, and waits until the other side has closed too.
fn finish(mut stream: TcpStream) -> io::Result<()> {
    stream.shutdown(Shutdown::Write)?;
    match stream.read(&mut [0]) {
        Ok(0) => Ok(()),
        Ok(_) => Err(io::Error::other("more was answered than was asked for")),
        Err(error) => Err(error),
    }
}

fn sockets(client: &TcpStream) -> io::Result<(SocketAddr, SocketAddr)> {
    Ok((client.local_addr()?, client.peer_addr()?))
}

fn sent(
    payload_bytes: u64,
    answer_bytes: u64,
    messages: u64,
    (source, destination): (SocketAddr, SocketAddr),
) -> Sent {
    Sent {
        payload_bytes,
        answer_bytes,
        messages,
        source,
        destination,
    }
}
