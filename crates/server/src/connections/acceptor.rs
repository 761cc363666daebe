//! Takes connections in, if there is room, and sees to it that their handshake ends.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};

use axum_server::accept::Accept;
use tokio::net::TcpStream;

use super::service::Marked;
use super::stream::Stream;
use super::table::{Activity, Table};
use super::{Closed, ConnectionCounts, ConnectionLimits};

/// Accepts what another acceptor does, within limits.
#[derive(Debug, Clone)]
pub struct Guarded<A> {
    inner: A,
    guard: Arc<Guard>,
}

/// What all connections of a listener share.
#[derive(Debug)]
pub(super) struct Guard {
    pub(super) limits: ConnectionLimits,
    pub(super) counts: Arc<ConnectionCounts>,
    table: Mutex<Table>,
}

/// A connection's place; leaving it makes room.
#[derive(Debug)]
pub(super) struct Seat {
    id: u64,
    pub(super) activity: Arc<Activity>,
    pub(super) guard: Arc<Guard>,
}

impl<A> Guarded<A> {
    /// Guards an acceptor.
    pub fn new(inner: A, limits: ConnectionLimits, counts: Arc<ConnectionCounts>) -> Self {
        let table = Mutex::new(Table::new(limits));
        Self {
            inner,
            guard: Arc::new(Guard {
                limits,
                counts,
                table,
            }),
        }
    }
}

impl Guard {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().expect("nothing panics while it is held")
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.guard.table().leave(self.id);
        self.guard.counts.gone();
    }
}

type Accepting<I, S> = Pin<Box<dyn Future<Output = io::Result<(I, S)>> + Send>>;

impl<A, S> Accept<TcpStream, S> for Guarded<A>
where
    A: Accept<TcpStream, S>,
    A::Future: Send + 'static,
    A::Stream: Send,
    A::Service: Send,
{
    type Stream = Stream<A::Stream>;
    type Service = Marked<A::Service>;
    type Future = Accepting<Self::Stream, Self::Service>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let guard = Arc::clone(&self.guard);
        let place = stream.peer_addr().ok().and_then(|peer| {
            let closed = |reason| guard.counts.close(reason);
            guard.table().enter(peer.ip().to_canonical(), closed)
        });
        let Some(place) = place else {
            return Box::pin(async { Err(io::ErrorKind::ConnectionAborted.into()) });
        };
        guard.counts.opened();
        let seat = Seat {
            id: place.id,
            activity: place.activity,
            guard: Arc::clone(&guard),
        };
        let mut ended = place.ended;
        let accepting = self.inner.accept(stream, service);
        let accepting = tokio::time::timeout(guard.limits.head, accepting);
        Box::pin(async move {
            let accepted = tokio::select! {
                accepted = accepting => accepted,
                _ = &mut ended => return Err(io::ErrorKind::ConnectionAborted.into()),
            };
            match accepted {
                Ok(Ok((stream, service))) => {
                    let service = Marked::new(service, Arc::clone(&seat.activity));
                    Ok((Stream::new(stream, seat, ended), service))
                }
                Ok(Err(error)) => {
                    guard.counts.close(Closed::Handshake);
                    Err(error)
                }
                Err(_) => {
                    guard.counts.close(Closed::Handshake);
                    Err(io::ErrorKind::TimedOut.into())
                }
            }
        })
    }
}
