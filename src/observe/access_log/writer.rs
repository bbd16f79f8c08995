//! The thread that writes. It alone may wait for the file or pipe.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::Duration;

use tokio::time::Instant;

use super::worker::FULL;
use super::{Batch, Message, Shared};
use crate::observe::settings::LogPath;

/// Between two tries to write what could not be written.
const RETRY: Duration = Duration::from_secs(1);

/// Between two reports of the same trouble.
const REPORT: Duration = Duration::from_mins(1);

/// How long a log that ends goes on trying.
const LAST_TRIES: Duration = Duration::from_secs(2);

/// Where lines go, opened.
#[derive(Debug)]
pub(super) struct Target {
    path: LogPath,
    file: File,
}

impl Target {
    /// Opens a path for appending; a new file may be read by its group and nobody else, because
    /// it holds client addresses.
    pub(super) fn open(path: &LogPath) -> io::Result<Self> {
        let file = match path {
            LogPath::File(path) => open_file(path)?,
            // Not through `io::stdout`: its buffer would tear lines apart.
            LogPath::Stdout => File::from(io::stdout().as_fd().try_clone_to_owned()?),
        };
        Ok(Self {
            path: path.clone(),
            file,
        })
    }

    fn reopen(&mut self) -> io::Result<()> {
        if let LogPath::File(path) = &self.path {
            self.file = open_file(path)?;
        }
        Ok(())
    }

    fn shown(&self) -> String {
        match &self.path {
            LogPath::File(path) => path.display().to_string(),
            LogPath::Stdout => "standard output".to_owned(),
        }
    }
}

fn open_file(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o640)
        .open(path)
}

/// The writer's thread.
pub(super) struct Writer {
    target: Target,
    batches: Receiver<Message>,
    shared: Arc<Shared>,
    last_report: Option<Instant>,
    /// Set once the log ends: what cannot be written until then is lost.
    give_up_at: Option<Instant>,
}

impl Writer {
    pub(super) fn new(target: Target, batches: Receiver<Message>, shared: Arc<Shared>) -> Self {
        Self {
            target,
            batches,
            shared,
            last_report: None,
            give_up_at: None,
        }
    }

    /// Runs until the log is closed, or nobody is left who could log.
    pub(super) fn run(mut self) {
        while let Some(message) = self.next() {
            self.reopen_if_asked();
            if let Message::Lines(mut batch) = message {
                batch.lines = self.write(&batch.bytes);
                give_back(batch);
            }
        }
        // Before the end is told: a line that comes later must be refused, not lost in the queue.
        drop(self.batches);
        self.shared.end();
    }

    fn next(&self) -> Option<Message> {
        if self.shared.is_closing() {
            self.batches.try_recv().ok()
        } else {
            self.batches.recv().ok()
        }
    }

    /// Writes whole lines, however long it takes, unless the log ends. Returns how many lines could
    /// not be written.
    fn write(&mut self, lines: &[u8]) -> u64 {
        let mut rest = lines;
        while !rest.is_empty() {
            let error = match self.target.file.write(rest) {
                Ok(0) => io::ErrorKind::WriteZero.into(),
                Ok(written) => {
                    rest = rest.get(written..).unwrap_or_default();
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => error,
            };
            self.report(&error);
            if self.is_out_of_time() {
                let lost = rest.split_inclusive(|byte| *byte == b'\n').count();
                return u64::try_from(lost).unwrap_or(u64::MAX);
            }
            thread::park_timeout(RETRY);
            if self.reopen_if_asked() {
                // The half of a line that went to the old file is no line in the new one.
                rest = from_line_start(lines, rest);
            }
        }
        0
    }

    /// Returns whether another file is open now.
    fn reopen_if_asked(&mut self) -> bool {
        if !self.shared.reopen.swap(false, Ordering::AcqRel) {
            return false;
        }
        match self.target.reopen() {
            Ok(()) => true,
            Err(error) => {
                self.shared.reopen.store(true, Ordering::Release);
                self.report(&error);
                false
            }
        }
    }

    fn is_out_of_time(&mut self) -> bool {
        // One owner: neither handle nor worker is left.
        let ends = self.shared.is_closing() || Arc::strong_count(&self.shared) == 1;
        if !ends {
            return false;
        }
        let now = Instant::now();
        now >= *self.give_up_at.get_or_insert(now + LAST_TRIES)
    }

    fn report(&mut self, error: &io::Error) {
        self.shared.counters.write_errors.inc();
        let now = Instant::now();
        if self.last_report.is_some_and(|last| now < last + REPORT) {
            return;
        }
        self.last_report = Some(now);
        tracing::error!(
            path = self.target.shown(),
            %error,
            "the access log cannot be written; lines wait, then are dropped and counted"
        );
    }
}

/// The rest of `lines` from the start of the line within which `rest` begins.
fn from_line_start<'a>(lines: &'a [u8], rest: &[u8]) -> &'a [u8] {
    let written = lines.len() - rest.len();
    let start = lines
        .iter()
        .take(written)
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |end| end + 1);
    lines.get(start..).unwrap_or_default()
}

/// Lets the worker use the buffer again, unless a very long line made it large.
fn give_back(mut batch: Batch) {
    let mut bytes = std::mem::take(&mut batch.bytes);
    if bytes.capacity() <= 2 * FULL {
        bytes.clear();
        drop(batch.give_back.try_send(bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_file_begins_with_a_whole_line() {
        let lines = b"one\ntwo\nthree\n";
        for (written, expected) in [
            (0, &b"one\ntwo\nthree\n"[..]),
            (2, b"one\ntwo\nthree\n"),
            (4, b"two\nthree\n"),
            (7, b"two\nthree\n"),
            (9, b"three\n"),
        ] {
            assert_eq!(
                from_line_start(lines, &lines[written..]),
                expected,
                "{written}"
            );
        }
    }
}
