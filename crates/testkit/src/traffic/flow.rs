//! Traffic that goes on at a steady rate until it is told to stop.

use std::io::{self, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use kubezonnet_model::Family;

use super::tcp;
use crate::{Error, Place};

/// How often a flow makes a request, and how large request and answer are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Requests in a second.
    pub per_second: u32,
    /// Bytes of a request.
    pub request: usize,
    /// Bytes of the answer.
    pub answer: usize,
}

/// What a flow has moved so far: payload bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FlowStats {
    /// Bytes of all requests.
    pub request_bytes: u64,
    /// Bytes of all answers.
    pub answer_bytes: u64,
}

/// One TCP connection that makes requests at a steady pace. Dropping it ends it.
#[derive(Debug)]
pub struct Flow {
    shared: Arc<Shared>,
    /// Both ends, to wake the threads that read from them.
    streams: [TcpStream; 2],
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    request_bytes: AtomicU64,
    answer_bytes: AtomicU64,
    /// Set if the connection ended by itself.
    broken: AtomicBool,
}

impl Flow {
    /// Connects to this port and begins.
    ///
    /// # Errors
    ///
    /// If the places do not reach each other or the port is taken.
    pub fn start(
        from: &impl Place,
        to: &impl Place,
        family: Family,
        port: u16,
        pace: Pace,
    ) -> Result<Self, Error> {
        let (client, server) = tcp::connect(from, to, family, port)?;
        let what = || format!("start a flow to {}", to.address(family));
        let clone = |stream: &TcpStream| stream.try_clone().map_err(Error::io(what()));
        let streams = [clone(&client)?, clone(&server)?];
        let shared = Arc::new(Shared::default());
        let (asking, answering) = (Arc::clone(&shared), Arc::clone(&shared));
        let threads = vec![
            thread::spawn(move || asking.note(&ask(&client, pace, &asking))),
            thread::spawn(move || answering.note(&answer(&server, pace, &answering))),
        ];
        Ok(Self {
            shared,
            streams,
            threads,
        })
    }

    /// What it has moved so far.
    pub fn stats(&self) -> FlowStats {
        FlowStats {
            request_bytes: self.shared.request_bytes.load(Ordering::Relaxed),
            answer_bytes: self.shared.answer_bytes.load(Ordering::Relaxed),
        }
    }

    /// Whether the connection ended by itself, though nobody told it to.
    pub fn is_broken(&self) -> bool {
        self.shared.broken.load(Ordering::Relaxed)
    }

    /// Ends it, and returns what it has moved.
    pub fn stop(mut self) -> FlowStats {
        self.end();
        self.stats()
    }

    fn end(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        for stream in &self.streams {
            // It may have ended before.
            let _ = stream.shutdown(Shutdown::Both);
        }
        for thread in self.threads.drain(..) {
            thread.thread().unpark();
            // A thread that panicked has said so already.
            let _ = thread.join();
        }
    }
}

impl Drop for Flow {
    fn drop(&mut self) {
        self.end();
    }
}

impl Shared {
    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn note(&self, result: &io::Result<()>) {
        if result.is_err() && !self.stopped() {
            self.broken.store(true, Ordering::Relaxed);
        }
    }
}

fn ask(mut stream: &TcpStream, pace: Pace, shared: &Shared) -> io::Result<()> {
    let request = vec![b'r'; pace.request];
    let interval = Duration::from_secs(1) / pace.per_second.max(1);
    let mut next = Instant::now();
    while !shared.stopped() {
        stream.write_all(&request)?;
        shared
            .request_bytes
            .fetch_add(pace.request as u64, Ordering::Relaxed);
        tcp::read_bytes(stream, pace.answer)?;
        next += interval;
        let now = Instant::now();
        // A flow that fell behind goes on from now: it does not make up for it in a burst.
        next = next.max(now);
        while !shared.stopped() && Instant::now() < next {
            thread::park_timeout(next.saturating_duration_since(Instant::now()));
        }
    }
    Ok(())
}

fn answer(stream: &TcpStream, pace: Pace, shared: &Shared) -> io::Result<()> {
    loop {
        tcp::read_bytes(stream, pace.request)?;
        tcp::write_bytes(stream, pace.answer as u64)?;
        shared
            .answer_bytes
            .fetch_add(pace.answer as u64, Ordering::Relaxed);
    }
}
