//! How long a connection may keep the server waiting.
//!
//! Who opens a connection and sends no request, or half of one, and who asks for a page and takes
//! none of it, is let go: each would cost memory and a file for as long as it likes.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use axum_server::Server;
use hyper_util::rt::TokioTimer;
use socket2::SockRef;

/// How much of a request is held before the server has read it; the longest head there may be.
const BUFFER: usize = 64 * 1024;

/// How long a connection may keep the server waiting.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For the head of a request: from the connection's begin, or from the end of the request before,
    /// so that it bounds idle connections too.
    pub head: Duration,
    /// For taking what is sent: without a byte of progress.
    pub taking: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            // Agents close an idle connection after 90 seconds: it is theirs to close, so that none
            // sends a window into a connection that the server is just closing.
            head: Duration::from_secs(100),
            taking: Duration::from_mins(1),
        }
    }
}

/// A server on a listener, for HTTP/1 only, whose patience ends.
///
/// # Errors
///
/// If the system does not take the listener, or its time-out.
pub fn serve<A>(
    listener: TcpListener,
    acceptor: A,
    patience: Patience,
) -> io::Result<Server<SocketAddr, A>> {
    // Connections have what their listener has. It ends those whose peer takes nothing, dead or not.
    SockRef::from(&listener).set_tcp_user_timeout(Some(patience.taking))?;
    // With HTTP/1 only no time passes unmeasured while the server finds out what is spoken.
    let mut server = axum_server::from_tcp(listener)?
        .acceptor(acceptor)
        .http1_only();
    server
        .http_builder()
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(patience.head)
        .max_buf_size(BUFFER);
    Ok(server)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::net::SocketAddr;
    use std::time::Instant;

    use axum::Router;
    use axum::body::{Body, Bytes};
    use axum::routing::get;
    use axum_server::accept::NoDelayAcceptor;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    use tokio::sync::oneshot;

    use super::*;

    /// How long anything here may take.
    const DEADLINE: Duration = Duration::from_secs(30);

    const SHORT: Duration = Duration::from_millis(200);

    /// Serves the router until the test ends; returns where.
    fn start(router: Router, patience: Patience) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let server = serve(listener, NoDelayAcceptor::new(), patience).unwrap();
        tokio::spawn(server.serve(router.into_make_service()));
        address
    }

    async fn open(address: SocketAddr, sent: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(sent).await.unwrap();
        stream
    }

    /// What comes until the server closes.
    async fn rest(mut stream: TcpStream) -> Vec<u8> {
        let mut answer = Vec::new();
        let read = stream.read_to_end(&mut answer);
        let read = tokio::time::timeout(DEADLINE, read).await;
        read.expect("the server closes").ok();
        answer
    }

    async fn is_served(address: SocketAddr) -> bool {
        let request = b"GET / HTTP/1.1\r\nHost: s\r\nConnection: close\r\n\r\n";
        let answer = rest(open(address, request).await).await;
        answer.starts_with(b"HTTP/1.1 200 OK\r\n")
    }

    #[tokio::test]
    async fn who_sends_half_a_head_or_none_is_let_go_and_all_others_are_served() {
        let patience = Patience {
            head: SHORT,
            ..Patience::default()
        };
        let router = Router::new().route("/", get(|| async { "here" }));
        let address = start(router, patience);
        let begun = Instant::now();
        let mut slow = Vec::new();
        for _ in 0..50 {
            slow.push(open(address, b"GET / HTTP/1.1\r\nHost: s\r\nX-Slow").await);
            slow.push(open(address, b"").await);
            slow.push(open(address, b"PRI * HTTP/2.0\r\n").await);
        }

        assert!(is_served(address).await, "while they are there");
        for stream in slow {
            let answer = rest(stream).await;
            assert!(!answer.starts_with(b"HTTP/1.1 200"), "{answer:?}");
        }

        assert!(begun.elapsed() >= SHORT, "they had their time");
        assert!(is_served(address).await, "after they are gone");
    }

    #[tokio::test]
    async fn an_idle_connection_is_closed_after_its_last_request() {
        let patience = Patience {
            head: SHORT,
            ..Patience::default()
        };
        let router = Router::new().route("/", get(|| async { "here" }));
        let address = start(router, patience);

        let stream = open(address, b"GET / HTTP/1.1\r\nHost: s\r\n\r\n").await;
        let answer = rest(stream).await;

        assert!(answer.ends_with(b"here"), "{answer:?}");
    }

    #[tokio::test]
    async fn who_takes_nothing_of_an_answer_is_let_go() {
        let patience = Patience {
            taking: SHORT,
            ..Patience::default()
        };
        let (held, dropped) = oneshot::channel::<()>();
        let held = std::sync::Arc::new(std::sync::Mutex::new(Some(held)));
        let endless = move || {
            let held = held.lock().unwrap().take();
            let chunks = futures::stream::repeat_with(move || {
                // Dropped with the answer.
                let _ = &held;
                Ok::<_, Infallible>(Bytes::from_static(&[0; 1024]))
            });
            async { Body::from_stream(chunks) }
        };
        let address = start(Router::new().route("/", get(endless)), patience);

        let stream = open(address, b"GET / HTTP/1.1\r\nHost: s\r\n\r\n").await;
        let dropped = tokio::time::timeout(DEADLINE, dropped).await;

        assert!(dropped.expect("the answer is given up").is_err());
        drop(stream);
    }
}
