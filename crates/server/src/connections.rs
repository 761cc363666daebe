//! What connections may cost: how many there are, how long each may keep the server waiting, and how
//! long a head may be.
//!
//! Who opens a connection and sends no request, or half of one, and who asks for a page and takes
//! none of it, is let go: each would cost memory and a file for as long as it likes. Where there are
//! too many, the newest gets in and one that keeps the server waiting goes, of the address that has
//! the most of them: who opens thousands ends their own.
//!
//! ```text
//! accept ─▶ table (room? who goes?) ─▶ TLS ─▶ stream (time-outs) ─▶ HTTP ─▶ service (marks requests)
//! ```

mod acceptor;
mod counts;
mod service;
mod stream;
mod table;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use axum_server::Server;
use hyper_util::rt::TokioTimer;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use socket2::SockRef;

pub use self::acceptor::Guarded;
pub use self::counts::{Closed, ConnectionCounts};

/// What else the server has open: files, the log, connections to Kubernetes.
const OTHER_FILES: u64 = 128;

/// Connections that wait to be accepted: what Linux allows by default.
const BACKLOG: i32 = 4096;

/// The HTTP library holds no less.
pub const LEAST_HEAD_BYTES: usize = 8192;

/// What the connections of one listener may cost.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionLimits {
    /// Connections at once.
    pub total: usize,
    /// Connections at once from one address.
    pub per_peer: usize,
    /// Bytes of the head of a request; as much is held of what the server has not read yet.
    pub head_bytes: usize,
    /// Time for the TLS handshake, and then for the first head; later for a head from its first byte.
    pub head: Duration,
    /// Time that a connection may be idle after an answer.
    pub idle: Duration,
    /// Time to take an answer.
    pub answer: Duration,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            // Kubernetes knows no cluster of more than 5,000 nodes, each with one connection.
            total: 8192,
            per_peer: 256,
            // A token of a service account has 1 to 2 KiB, and it is by far the longest header.
            head_bytes: 16 * 1024,
            head: Duration::from_secs(10),
            // Agents close an idle connection after 90 seconds: it is theirs to close, so that none
            // sends a window into a connection that the server is just closing.
            idle: Duration::from_secs(100),
            // Prometheus gives up after ten.
            answer: Duration::from_secs(30),
        }
    }
}

/// A server on a listener, for HTTP/1 only, whose connections stay within the limits.
///
/// # Errors
///
/// If the system does not take the listener, or its time-out.
pub fn serve<A>(
    listener: TcpListener,
    acceptor: A,
    limits: ConnectionLimits,
    counts: Arc<ConnectionCounts>,
) -> io::Result<Server<SocketAddr, Guarded<A>>> {
    let socket = SockRef::from(&listener);
    // Connections have what their listener has. It ends those whose peer is dead, long after the time
    // for an answer is over, so that this is what is counted.
    socket.set_tcp_user_timeout(Some(limits.answer.saturating_mul(2)))?;
    // The standard library's 128 are full while a few hundred begin at once, and the rest wait a second.
    socket.listen(BACKLOG)?;
    // With HTTP/1 only no time passes unmeasured while the server finds out what is spoken.
    let mut server = axum_server::from_tcp(listener)?
        .acceptor(Guarded::new(acceptor, limits, counts))
        .http1_only();
    server
        .http_builder()
        .http1()
        .timer(TokioTimer::new())
        // The stream has time-outs of its own, which are counted.
        .header_read_timeout(None)
        .max_buf_size(limits.head_bytes.max(LEAST_HEAD_BYTES));
    Ok(server)
}

/// Lets the process open as many files as its connections need, as far as the system allows.
///
/// Returns how many connections there is room for, if that is fewer.
pub fn make_room(connections: usize) -> Option<u64> {
    let wanted = u64::try_from(connections)
        .unwrap_or(u64::MAX)
        .saturating_add(OTHER_FILES);
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return None;
    };
    let raised = wanted.min(hard);
    if soft < raised && setrlimit(Resource::RLIMIT_NOFILE, raised, hard).is_err() {
        return Some(soft.saturating_sub(OTHER_FILES));
    }
    (soft.max(raised) < wanted).then(|| soft.max(raised).saturating_sub(OTHER_FILES))
}

#[cfg(test)]
mod tests;
