//! The flow log: one line for each counted flow of a window, on standard output.
//!
//! Rendered and written by a thread of its own. A reader that stops reading blocks that thread and
//! nobody else: what then finds no room in the queue is dropped and counted.

mod line;

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kubezonnet_model::Name;

use self::line::Line;
pub(crate) use self::line::port;
use super::{ExportCounts, Exporter};
use crate::config::Config;
use crate::resolve::{Outcome, ResolvedBatch, ResolvedFlow};

/// How many batches may wait to be written: ten seconds of a thousand nodes.
const MAX_BATCHES: usize = 1024;

/// How much memory they may take together, flows that are not logged included: three seconds of a
/// thousand nodes with 3,000 flows each. A batch that is larger than this on its own is taken when
/// nothing else waits.
const MAX_HELD_BYTES: usize = 64 << 20;

/// How much is written at once: what a pipe takes.
const CHUNK_BYTES: usize = 1 << 16;

/// Which flows are logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Selection {
    /// None.
    Off,
    /// Those that leave their zone.
    CrossZone,
    /// All that are counted.
    All,
}

/// How a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// A JSON object a line.
    Json,
    /// A line to be read by people.
    Text,
}

/// The flow log on its way to a writer.
#[derive(Debug)]
pub struct FlowLog {
    /// `None` once it is closed.
    queue: Mutex<Option<SyncSender<Arc<ResolvedBatch>>>>,
    shared: Arc<Shared>,
    /// Told when the thread has ended.
    ended: Mutex<Receiver<()>>,
}

#[derive(Debug)]
struct Shared {
    selection: Selection,
    format: Format,
    /// What the labels for charge-back are called, in their order.
    label_names: Vec<Name>,
    written: AtomicU64,
    dropped: AtomicU64,
    /// Lines that are taken and neither written nor dropped yet.
    queued_lines: AtomicUsize,
    /// What their batches take of memory.
    held_bytes: AtomicUsize,
    /// The writer is gone for good.
    broken: AtomicBool,
}

/// Opens the flow log on standard output, unless it is off.
pub fn open(config: &Config) -> Option<Box<dyn Exporter>> {
    if config.flow_log == Selection::Off {
        return None;
    }
    // Labels that cannot be kept were refused before.
    let labels = config.labels.kept().unwrap_or_default();
    Some(Box::new(FlowLog::to(
        io::stdout(),
        config.flow_log,
        config.flow_log_format,
        labels.names().cloned().collect(),
    )))
}

/// Lines that go out in one write.
#[derive(Default)]
struct Chunk {
    text: Vec<u8>,
    lines: u64,
}

impl FlowLog {
    /// Starts a flow log that goes to a writer, and calls the labels for charge-back by these names.
    ///
    /// # Panics
    ///
    /// If the system gives no thread.
    pub fn to(
        writer: impl Write + Send + 'static,
        selection: Selection,
        format: Format,
        label_names: Vec<Name>,
    ) -> Self {
        let shared = Arc::new(Shared {
            selection,
            format,
            label_names,
            written: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            queued_lines: AtomicUsize::new(0),
            held_bytes: AtomicUsize::new(0),
            broken: AtomicBool::new(false),
        });
        let (queue, batches) = sync_channel(MAX_BATCHES);
        let (ending, ended) = sync_channel(1);
        let log = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("flow-log".into())
            .spawn(move || {
                log.write_all(&batches, writer);
                // Nobody may be waiting for it.
                ending.try_send(()).ok();
            })
            .expect("the system has room for one more thread");
        Self {
            queue: Mutex::new(Some(queue)),
            shared,
            ended: Mutex::new(ended),
        }
    }
}

impl Exporter for FlowLog {
    fn name(&self) -> &'static str {
        "flow_log"
    }

    fn offer(&self, batch: &Arc<ResolvedBatch>) {
        let shared = &self.shared;
        let lines = shared.selected(batch).count();
        if lines == 0 {
            return;
        }
        let bytes = batch.memory();
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let held = shared.held_bytes.load(Ordering::Acquire);
        let fits = held == 0 || held.saturating_add(bytes) <= MAX_HELD_BYTES;
        if let Some(queue) = queue.as_ref().filter(|_| fits) {
            shared.hold(lines, bytes);
            match queue.try_send(Arc::clone(batch)) {
                Ok(()) => return,
                Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                    shared.let_go(lines, bytes);
                }
            }
        }
        shared.drop_lines(lines);
    }

    fn counts(&self) -> ExportCounts {
        ExportCounts {
            written: self.shared.written.load(Ordering::Relaxed),
            dropped: self.shared.dropped.load(Ordering::Relaxed),
        }
    }

    fn close(&self, patience: Duration) {
        // The thread ends when it has written what was taken.
        *self.queue.lock().unwrap_or_else(PoisonError::into_inner) = None;
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        if ended.recv_timeout(patience).is_err() {
            let left = self.shared.queued_lines.load(Ordering::Acquire);
            tracing::warn!(lines = left, "flow log not read in time, lines are lost");
        }
    }
}

impl Shared {
    fn write_all(&self, batches: &Receiver<Arc<ResolvedBatch>>, mut writer: impl Write) {
        let mut chunk = Chunk::default();
        for batch in batches {
            let mut lines = 0;
            for flow in self.selected(&batch) {
                lines += 1;
                Line::of(&batch, flow, &self.label_names).render(self.format, &mut chunk.text);
                chunk.lines += 1;
                if chunk.text.len() >= CHUNK_BYTES {
                    self.write(&mut chunk, &mut writer);
                }
            }
            // A quiet log is as current as a busy one.
            self.write(&mut chunk, &mut writer);
            self.let_go(lines, batch.memory());
        }
    }

    /// Writes the lines and counts them: as written once the system has taken all of them.
    fn write(&self, chunk: &mut Chunk, writer: &mut impl Write) {
        let Chunk { text, lines } = std::mem::take(chunk);
        let broken = self.broken.load(Ordering::Relaxed);
        let taken = !broken
            && match writer.write_all(&text).and_then(|()| writer.flush()) {
                Ok(()) => true,
                Err(error) => {
                    self.broken.store(true, Ordering::Relaxed);
                    tracing::error!(%error, "flow log cannot be written, its lines are dropped");
                    false
                }
            };
        let counter = if taken { &self.written } else { &self.dropped };
        counter.fetch_add(lines, Ordering::Relaxed);
    }

    fn hold(&self, lines: usize, bytes: usize) {
        self.queued_lines.fetch_add(lines, Ordering::AcqRel);
        self.held_bytes.fetch_add(bytes, Ordering::AcqRel);
    }

    fn let_go(&self, lines: usize, bytes: usize) {
        self.queued_lines.fetch_sub(lines, Ordering::AcqRel);
        self.held_bytes.fetch_sub(bytes, Ordering::AcqRel);
    }

    fn drop_lines(&self, lines: usize) {
        let lines = u64::try_from(lines).unwrap_or(u64::MAX);
        self.dropped.fetch_add(lines, Ordering::Relaxed);
    }

    fn selected<'a>(
        &self,
        batch: &'a ResolvedBatch,
    ) -> impl Iterator<Item = &'a ResolvedFlow> + use<'a> {
        let selection = self.selection;
        batch.flows.iter().filter(move |flow| match flow.outcome {
            Outcome::Counted(_, locality) => match selection {
                Selection::Off => false,
                Selection::CrossZone => locality.leaves_zone(),
                Selection::All => true,
            },
            // Counted elsewhere, or refused: not a flow of its own.
            Outcome::CountedBySender
            | Outcome::CountedByReceiver
            | Outcome::PartlyCovered
            | Outcome::ForeignAddress => false,
        })
    }
}

#[cfg(test)]
mod tests;
