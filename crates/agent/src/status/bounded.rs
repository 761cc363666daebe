//! A listener that keeps few connections: who opens many ends the oldest of them.
//!
//! The port is one of the node's, so anybody who reaches the node can open connections and leave them
//! idle. They must neither cost memory without bound nor keep probes and scrapes out.

use std::collections::VecDeque;
use std::future::Future as _;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

/// Connections at a time: probes and scrapes need one or two each.
const CONNECTIONS: usize = 64;

/// Accepts every connection, and ends the oldest one that is beyond the bound.
#[derive(Debug)]
pub(crate) struct Bounded {
    listener: TcpListener,
    /// Dropping one ends its connection; the oldest is in front.
    open: VecDeque<oneshot::Sender<()>>,
}

/// A connection that can be ended from outside.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    /// Never gets a value: its other end is dropped.
    ended: oneshot::Receiver<()>,
}

impl Bounded {
    /// Bounds the connections of a listener.
    pub(crate) fn new(listener: TcpListener) -> Self {
        Self {
            listener,
            open: VecDeque::with_capacity(CONNECTIONS),
        }
    }
}

impl Listener for Bounded {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        // Waits and tries again where the system refuses.
        let (stream, address) = Listener::accept(&mut self.listener).await;
        self.open.retain(|connection| !connection.is_closed());
        if self.open.len() == CONNECTIONS {
            self.open.pop_front();
        }
        let (end, ended) = oneshot::channel();
        self.open.push_back(end);
        (Connection { stream, ended }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl Connection {
    /// The stream, unless the connection was ended.
    fn stream(&mut self, context: &mut Context<'_>) -> Result<Pin<&mut TcpStream>, io::ErrorKind> {
        match Pin::new(&mut self.ended).poll(context) {
            Poll::Ready(_) => Err(io::ErrorKind::ConnectionAborted),
            Poll::Pending => Ok(Pin::new(&mut self.stream)),
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.stream(context)?.poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.stream(context)?.poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream(context)?.poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::Router;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    const REQUEST: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n";

    /// Far longer than anything here takes.
    const DEADLINE: Duration = Duration::from_secs(20);

    async fn serve() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/healthz", get(|| async { "ok" }));
        tokio::spawn(async move { axum::serve(Bounded::new(listener), router).await });
        address
    }

    async fn ask(mut stream: TcpStream) -> String {
        stream.write_all(REQUEST).await.unwrap();
        let mut answer = String::new();
        let read = stream.read_to_string(&mut answer);
        tokio::time::timeout(DEADLINE, read).await.unwrap().unwrap();
        answer
    }

    #[tokio::test]
    async fn idle_connections_beyond_the_bound_are_ended_and_keep_nobody_out() {
        let address = serve().await;
        let mut idle = Vec::new();
        for _ in 0..=CONNECTIONS {
            idle.push(TcpStream::connect(address).await.unwrap());
        }

        let answer = ask(TcpStream::connect(address).await.unwrap()).await;

        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        for oldest in &mut idle[..2] {
            let end = tokio::time::timeout(DEADLINE, oldest.read(&mut [0])).await;
            // With or without a reset: nothing comes any more.
            assert!(matches!(end.unwrap(), Ok(0) | Err(_)));
        }
        let newest = idle.pop().unwrap();
        assert!(ask(newest).await.ends_with("ok"));
    }

    #[tokio::test]
    async fn connections_that_are_over_take_no_place() {
        let address = serve().await;
        let kept = TcpStream::connect(address).await.unwrap();

        for _ in 0..2 * CONNECTIONS {
            let answer = ask(TcpStream::connect(address).await.unwrap()).await;
            assert!(answer.ends_with("ok"));
        }

        assert!(ask(kept).await.ends_with("ok"));
    }
}
