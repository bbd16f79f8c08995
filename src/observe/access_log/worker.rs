//! A worker's end of the log: lines into a buffer, buffers to the writer.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use super::clock::TimeText;
use super::record::Record;
use super::{Batch, Message, Shared, line};

/// A buffer is handed over once it holds this much.
pub(super) const FULL: usize = 64 * 1024;

/// Room beyond [`FULL`] for the line that fills it; a longer line makes the buffer grow once.
const ROOM: usize = 4 * 1024;

/// Empty buffers that may wait for their worker.
const SPARES: usize = 2;

/// Lines of one worker. Not shared between threads; never waits.
#[derive(Debug)]
pub struct WorkerLog {
    shared: Arc<Shared>,
    batches: SyncSender<Message>,
    give_back: SyncSender<Vec<u8>>,
    spares: Receiver<Vec<u8>>,
    pending: RefCell<Pending>,
}

#[derive(Debug, Default)]
struct Pending {
    bytes: Vec<u8>,
    lines: u64,
    time: TimeText,
}

impl WorkerLog {
    pub(super) fn new(shared: Arc<Shared>, batches: SyncSender<Message>) -> Self {
        let (give_back, spares) = sync_channel(SPARES);
        Self {
            shared,
            batches,
            give_back,
            spares,
            pending: RefCell::default(),
        }
    }

    /// Logs one request.
    pub fn write(&self, record: &Record<'_>) {
        let pending = &mut *self.pending.borrow_mut();
        if pending.bytes.capacity() == 0 {
            pending.bytes = self.empty_buffer();
        }
        line::write(
            &mut pending.bytes,
            &mut pending.time,
            &self.shared.format,
            record,
        );
        pending.lines += 1;
        if pending.bytes.len() >= FULL {
            self.hand_over(pending);
        }
    }

    /// Hands over what there is. Called by the worker's sweep every 250 ms or so, so that a quiet
    /// log is current.
    pub fn flush(&self) {
        let pending = &mut *self.pending.borrow_mut();
        if pending.lines > 0 {
            self.hand_over(pending);
        }
    }

    fn hand_over(&self, pending: &mut Pending) {
        let message = Message::Lines(Batch {
            bytes: std::mem::take(&mut pending.bytes),
            lines: std::mem::take(&mut pending.lines),
            give_back: self.give_back.clone(),
            counters: Arc::clone(&self.shared.counters),
        });
        let (TrySendError::Full(refused) | TrySendError::Disconnected(refused)) =
            match self.batches.try_send(message) {
                Ok(()) => return,
                Err(refused) => refused,
            };
        let Message::Lines(mut batch) = refused else {
            return;
        };
        // A buffer with room waits for the writer; only a full one must make room.
        if batch.bytes.len() < FULL {
            pending.bytes = std::mem::take(&mut batch.bytes);
            pending.lines = std::mem::take(&mut batch.lines);
        }
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.pending.borrow().lines == 0
    }

    fn empty_buffer(&self) -> Vec<u8> {
        self.spares
            .try_recv()
            .unwrap_or_else(|_| Vec::with_capacity(FULL + ROOM))
    }
}

impl Drop for WorkerLog {
    /// Hands over the rest.
    fn drop(&mut self) {
        self.flush();
        let lost = self.pending.get_mut().lines;
        self.shared.counters.lines_dropped.add(lost);
    }
}
