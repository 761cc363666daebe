//! A connection whose peer may not keep the server waiting.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep};

use super::Closed;
use super::acceptor::Seat;
use super::table::Phase;

/// What a peer is told whose head does not come to its end.
const TOO_SLOW: &[u8] =
    b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// A stream that ends when its time is over, or when another needs its place.
#[derive(Debug)]
pub struct Stream<I> {
    inner: I,
    seat: Seat,
    /// Never gets a value: its other end is dropped.
    ended: oneshot::Receiver<()>,
    timer: Pin<Box<Sleep>>,
    /// The phase that the timer runs for.
    timed: Phase,
}

impl<I> Stream<I> {
    pub(super) fn new(inner: I, seat: Seat, ended: oneshot::Receiver<()>) -> Self {
        let timer = Box::pin(tokio::time::sleep(seat.guard.limits.head));
        Self {
            inner,
            seat,
            ended,
            timer,
            timed: Phase::New,
        }
    }

    /// The time a phase may take. A request under way has time-outs elsewhere.
    fn patience(&self, phase: Phase) -> Option<Duration> {
        let limits = &self.seat.guard.limits;
        match phase {
            Phase::New | Phase::Head => Some(limits.head),
            Phase::Request => None,
            Phase::Answer => Some(limits.answer),
            Phase::Idle => Some(limits.idle),
        }
    }

    fn enter(&mut self, phase: Phase) {
        self.seat.activity.set(phase);
        self.follow();
    }

    /// Lets the timer run for what the connection is doing now.
    fn follow(&mut self) -> Phase {
        let phase = self.seat.activity.phase();
        if phase != self.timed {
            self.timed = phase;
            if let Some(patience) = self.patience(phase) {
                self.timer.as_mut().reset(Instant::now() + patience);
            }
        }
        phase
    }

    fn close(&self, reason: Closed) {
        self.seat.guard.counts.close(reason);
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> Stream<I> {
    /// Ends what has to end. Called whenever nothing goes on.
    fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        if Pin::new(&mut self.ended).poll(context).is_ready() {
            return Poll::Ready(io::ErrorKind::ConnectionAborted.into());
        }
        let phase = self.follow();
        if self.patience(phase).is_none() {
            return Poll::Pending;
        }
        ready!(self.timer.as_mut().poll(context));
        match phase {
            Phase::New => self.close(Closed::SlowHead),
            Phase::Head => {
                self.close(Closed::SlowHead);
                // As far as it goes: who does not take it at once will not know.
                let sent = Pin::new(&mut self.inner).poll_write(context, TOO_SLOW);
                if sent.is_ready() {
                    let _ = Pin::new(&mut self.inner).poll_flush(context);
                }
            }
            Phase::Answer => self.close(Closed::SlowAnswer),
            Phase::Idle | Phase::Request => self.close(Closed::Idle),
        }
        Poll::Ready(io::ErrorKind::TimedOut.into())
    }

    /// Notes that an answer is sent, whoever made it.
    fn begin_answer(&mut self) {
        match self.follow() {
            Phase::New | Phase::Head => {
                // No request of it has reached the service: the HTTP library refuses the head.
                self.close(Closed::BadHead);
                self.enter(Phase::Answer);
            }
            Phase::Idle => self.enter(Phase::Answer),
            Phase::Request | Phase::Answer => {}
        }
    }

    fn written(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(result) => Poll::Ready(result),
            Poll::Pending => self.poll_end(context).map(Err),
        }
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncRead for Stream<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        match Pin::new(&mut self.inner).poll_read(context, buffer) {
            Poll::Ready(result) => {
                let came = buffer.filled().len() > before;
                if came && matches!(self.follow(), Phase::New | Phase::Idle) {
                    self.enter(Phase::Head);
                }
                Poll::Ready(result)
            }
            Poll::Pending => self.poll_end(context).map(Err),
        }
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Stream<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.begin_answer();
        let written = Pin::new(&mut self.inner).poll_write(context, bytes);
        self.written(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.begin_answer();
        let written = Pin::new(&mut self.inner).poll_write_vectored(context, slices);
        self.written(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.inner).poll_flush(context) {
            Poll::Ready(Ok(())) => {
                if self.follow() == Phase::Answer {
                    self.enter(Phase::Idle);
                }
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => self.poll_end(context).map(Err),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.inner).poll_shutdown(context) {
            Poll::Ready(result) => Poll::Ready(result),
            Poll::Pending => self.poll_end(context).map(Err),
        }
    }
}
