//! The access log: one line per request, written off the request's way.
//!
//! A worker formats lines into a buffer of its own ([`WorkerLog`]); full buffers go through one
//! bounded queue to one writer thread. Nothing a worker does here waits: when the file or pipe
//! does not keep up, whole buffers are dropped and their lines counted.
//!
//! A handle never changes its path or format. A reload that changes them starts another log; each
//! worker takes a new [`WorkerLog`] of it, and the old writer ends by itself, everything written,
//! once the last [`WorkerLog`] and handle of it are gone.

mod clock;
mod digits;
mod line;
mod record;
mod worker;
mod writer;

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::thread::{self, Thread};
use std::time::Duration;

pub use clock::rfc3339;
pub use record::{Record, TlsRecord};
pub use worker::WorkerLog;

use super::metrics::{Scrape, SharedCounter, names};
use super::settings::{AccessLog, LogFormat};
use writer::{Target, Writer};

/// Buffers that may wait for the writer, over all workers: about 4 MiB.
const QUEUE: usize = 64;

/// How long [`AccessLogHandle::close`] waits for a file or pipe that does not take the rest.
const CLOSE_TIME: Duration = Duration::from_secs(5);

/// What the logs of one process count; they outlive the single log.
#[derive(Debug, Default)]
pub struct LogCounters {
    /// Lines that were lost.
    pub lines_dropped: SharedCounter,
    /// Failures to open or write.
    pub write_errors: SharedCounter,
}

impl LogCounters {
    /// Adds the counters to a scrape.
    pub fn scrape(&self, scrape: &mut Scrape) {
        scrape.counter(names::LOG_LINES_DROPPED, &[], self.lines_dropped.value());
        scrape.counter(names::LOG_WRITE_ERRORS, &[], self.write_errors.value());
    }
}

impl AccessLog {
    /// Opens the log and starts its writer. Fails if the file cannot be opened for appending.
    pub fn start(&self, counters: Arc<LogCounters>) -> io::Result<AccessLogHandle> {
        let target = Target::open(&self.path)?;
        let (batches, received) = sync_channel(QUEUE);
        let shared = Arc::new(Shared {
            format: self.format.clone(),
            counters,
            reopen: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            ended: Mutex::new(false),
            end: Condvar::new(),
            writer: OnceLock::new(),
        });
        let writer = Writer::new(target, received, Arc::clone(&shared));
        let thread = thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || writer.run())?;
        shared.writer.get_or_init(|| thread.thread().clone());
        Ok(AccessLogHandle { shared, batches })
    }
}

/// A log that runs. Clones are the same log.
#[derive(Debug, Clone)]
pub struct AccessLogHandle {
    shared: Arc<Shared>,
    batches: SyncSender<Message>,
}

impl AccessLogHandle {
    /// A worker's own end of the log.
    pub fn worker(&self) -> WorkerLog {
        WorkerLog::new(Arc::clone(&self.shared), self.batches.clone())
    }

    /// Whether both are of one log.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// Opens the path anew, as after a rotation (SIGUSR1). Returns at once; if the path cannot be
    /// opened, the old file stays in use, and the writer tries again with each buffer.
    pub fn reopen(&self) {
        self.shared.reopen.store(true, Ordering::Release);
        self.wake();
    }

    /// Writes what was handed over and ends the writer; waits at most five seconds. Each worker
    /// hands its rest over when its [`WorkerLog`] is dropped, so workers end first. What is logged
    /// later is counted as dropped.
    pub fn close(&self) {
        self.close_within(CLOSE_TIME);
    }

    fn close_within(&self, longest: Duration) {
        self.shared.closing.store(true, Ordering::Release);
        self.wake();
        let ended = self
            .shared
            .ended
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let waited = self
            .shared
            .end
            .wait_timeout_while(ended, longest, |ended| !*ended);
        let (_ended, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        if waited.timed_out() {
            tracing::warn!("the access log does not take its last lines; they are lost");
        }
    }

    /// Lines lost so far.
    pub fn dropped(&self) -> u64 {
        self.shared.counters.lines_dropped.value()
    }

    fn wake(&self) {
        // A writer that waits for a buffer needs a message; where the queue is full it does not
        // wait for one. A writer that waits before another try is unparked.
        drop(self.batches.try_send(Message::Wake));
        if let Some(writer) = self.shared.writer.get() {
            writer.unpark();
        }
    }
}

/// What handles, workers and the writer of one log share.
#[derive(Debug)]
struct Shared {
    format: LogFormat,
    counters: Arc<LogCounters>,
    reopen: AtomicBool,
    closing: AtomicBool,
    ended: Mutex<bool>,
    end: Condvar,
    writer: OnceLock<Thread>,
}

impl Shared {
    fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    fn end(&self) {
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.end.notify_all();
    }
}

/// What goes to the writer.
#[derive(Debug)]
enum Message {
    /// Whole lines.
    Lines(Batch),
    /// Look at the flags.
    Wake,
}

/// A worker's buffer on its way. Lines that were not taken out when it is dropped are lost, and
/// counted, wherever that happens: also in a queue that ends with its writer.
#[derive(Debug)]
struct Batch {
    bytes: Vec<u8>,
    lines: u64,
    /// Where the empty buffer goes for its next use.
    give_back: SyncSender<Vec<u8>>,
    counters: Arc<LogCounters>,
}

impl Drop for Batch {
    fn drop(&mut self) {
        self.counters.lines_dropped.add(self.lines);
    }
}

#[cfg(test)]
mod tests;
