//! The way from inside a node's namespace to a server outside it, over no uplink.
//!
//! A relay listens on the loopback of one namespace and connects on from another one, the one of
//! this process. So what an agent sends to its server is on no link that is counted. It can be
//! cut and restored, to see what an agent does without its server.

use std::collections::HashMap;
use std::io::{self, ErrorKind, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::{Error, Netns};

/// Connections that are relayed at once; one more is closed at once. An agent needs one or two.
const MAX_CONNECTIONS: usize = 64;

/// The longest wait for the server to take a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A listener in one namespace whose connections go to an address in the namespace of this
/// process. Dropping it cuts it for good.
#[derive(Debug)]
pub struct Relay {
    netns: Netns,
    target: SocketAddr,
    address: SocketAddr,
    /// What accepts, unless the relay is cut.
    acceptor: Option<Acceptor>,
    /// Whether what goes this way is lost, by [`Way`].
    losing: Arc<[AtomicBool; 2]>,
}

/// A direction through a relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From who connected to the server.
    ToServer,
    /// From the server to who connected.
    FromServer,
}

/// A thread that accepts, and the connections it has accepted.
#[derive(Debug)]
struct Acceptor {
    connections: Arc<Connections>,
    /// Closing it ends the thread.
    stop: UnixStream,
    thread: JoinHandle<()>,
}

/// Both ends of every connection that is relayed, to be able to end them.
#[derive(Debug, Default)]
struct Connections {
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    next: u64,
    ends: HashMap<u64, [TcpStream; 2]>,
}

impl Relay {
    /// Listens on `127.0.0.1:port` inside the namespace, on a port of the system's choice if it is
    /// 0, and connects on to `target`.
    ///
    /// # Errors
    ///
    /// If the namespace cannot be entered or the port is taken there.
    pub fn start(netns: &Netns, port: u16, target: SocketAddr) -> Result<Self, Error> {
        let mut relay = Self {
            netns: netns.clone(),
            target,
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            acceptor: None,
            losing: Arc::default(),
        };
        relay.restore()?;
        Ok(relay)
    }

    /// Where it listens, inside its namespace.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends all connections, and refuses new ones.
    pub fn cut(&mut self) {
        if let Some(acceptor) = self.acceptor.take() {
            drop(acceptor.stop);
            // A thread that panicked has said so already.
            let _ = acceptor.thread.join();
            acceptor.connections.end_all();
        }
    }

    /// Loses from now on what goes this way, on connections that are open and on new ones, which
    /// can be made still: who sends hears of nothing.
    pub fn lose(&self, way: Way) {
        self.losing[way as usize].store(true, Ordering::Relaxed);
    }

    /// Listens again on the same port after a cut, and loses nothing any more. A connection that
    /// has lost something ends.
    ///
    /// # Errors
    ///
    /// If the port was taken meanwhile.
    pub fn restore(&mut self) -> Result<(), Error> {
        if self.losing.iter().any(|way| way.load(Ordering::Relaxed)) {
            self.cut();
            // New flags: threads of connections that end now may still look at the old ones.
            self.losing = Arc::default();
        }
        if self.acceptor.is_some() {
            return Ok(());
        }
        let what = format!("listen on {} in {}", self.address, self.netns.name());
        let listener = self.netns.run(|| TcpListener::bind(self.address))?;
        let started = listener.and_then(|listener| {
            self.address = listener.local_addr()?;
            listener.set_nonblocking(true)?;
            let (stop, stopped) = UnixStream::pair()?;
            let connections = Arc::new(Connections::default());
            let on = On {
                target: self.target,
                connections: Arc::clone(&connections),
                losing: Arc::clone(&self.losing),
            };
            let thread = thread::spawn(move || accept(&listener, &stopped, &on));
            Ok(Acceptor {
                connections,
                stop,
                thread,
            })
        });
        self.acceptor = Some(started.map_err(Error::io(what))?);
        Ok(())
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.cut();
    }
}

/// Where connections go on to, and what becomes of them.
#[derive(Debug)]
struct On {
    target: SocketAddr,
    connections: Arc<Connections>,
    losing: Arc<[AtomicBool; 2]>,
}

/// Accepts until the other end of `stopped` is closed.
fn accept(listener: &TcpListener, stopped: &UnixStream, on: &On) {
    loop {
        let mut ready = [
            PollFd::new(listener.as_fd(), PollFlags::POLLIN),
            PollFd::new(stopped.as_fd(), PollFlags::POLLIN),
        ];
        match poll(&mut ready, PollTimeout::NONE) {
            Ok(_) | Err(nix::Error::EINTR) => {}
            Err(error) => {
                tracing::warn!(%error, "relay failed to wait for connections");
                return;
            }
        }
        if ready[1].any() == Some(true) {
            return;
        }
        match listener.accept() {
            Ok((client, _)) => {
                // The server may be away: then the client sees its connection end.
                if let Err(error) = relay(client, on) {
                    tracing::debug!(target = %on.target, %error, "relay failed to connect on");
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => tracing::debug!(%error, "relay failed to accept"),
        }
    }
}

/// Connects on, and copies both ways on two threads until either end closes.
fn relay(client: TcpStream, on: &On) -> io::Result<()> {
    let server = TcpStream::connect_timeout(&on.target, CONNECT_TIMEOUT)?;
    for stream in [&client, &server] {
        stream.set_nonblocking(false)?;
        stream.set_nodelay(true)?;
    }
    let Some(number) = on
        .connections
        .add([client.try_clone()?, server.try_clone()?])
    else {
        return Err(io::Error::other(format!(
            "more than {MAX_CONNECTIONS} connections"
        )));
    };
    let (client_again, server_again) = (client.try_clone()?, server.try_clone()?);
    let connections = Arc::clone(&on.connections);
    let (there, back) = (Arc::clone(&on.losing), Arc::clone(&on.losing));
    thread::spawn(move || {
        let back = thread::spawn(move || {
            let lossy = &back[Way::FromServer as usize];
            copy(&server_again, &client_again, lossy);
        });
        copy(&client, &server, &there[Way::ToServer as usize]);
        // A thread that panicked has said so already.
        let _ = back.join();
        connections.remove(number);
    });
    Ok(())
}

/// Copies to the end of `from`, and passes the end on. An error of either is an end too.
fn copy(mut from: &TcpStream, to: &TcpStream, losing: &AtomicBool) {
    if io::copy(&mut from, &mut Lossy { to, losing }).is_err() {
        let _ = from.shutdown(Shutdown::Both);
    }
    let _ = to.shutdown(Shutdown::Write);
}

/// Writes on, or takes everything and writes nothing.
struct Lossy<'a> {
    to: &'a TcpStream,
    losing: &'a AtomicBool,
}

impl Write for Lossy<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.losing.load(Ordering::Relaxed) {
            return Ok(bytes.len());
        }
        self.to.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

impl Connections {
    /// Notes both ends, unless there are too many already.
    fn add(&self, ends: [TcpStream; 2]) -> Option<u64> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.ends.len() >= MAX_CONNECTIONS {
            return None;
        }
        let number = open.next;
        open.next += 1;
        open.ends.insert(number, ends);
        Some(number)
    }

    fn remove(&self, number: u64) {
        self.open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .ends
            .remove(&number);
    }

    fn end_all(&self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        for stream in open.ends.drain().flat_map(|(_, ends)| ends) {
            // It may have ended by itself.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_beyond_the_bound_are_not_taken() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let connections = Connections::default();

        let taken = (0..=MAX_CONNECTIONS)
            .filter(|_| {
                let ends = [stream.try_clone().unwrap(), stream.try_clone().unwrap()];
                connections.add(ends).is_some()
            })
            .count();

        assert_eq!(taken, MAX_CONNECTIONS);
    }
}
