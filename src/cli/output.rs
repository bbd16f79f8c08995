//! The one place that prints.

use std::io::{self, ErrorKind, Write};

/// Prints a text and a line end on standard output. A reader that went away (`| head`) is no
/// failure.
pub(super) fn print(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    let printed = writeln!(stdout, "{}", text.trim_end_matches('\n')).and_then(|()| stdout.flush());
    match printed {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Prints a text and a line end on standard error.
pub fn complain(text: &str) {
    // Where standard error is gone nobody is left to be told.
    writeln!(io::stderr().lock(), "{text}").ok();
}

/// Prints a text as it is, for whoever may be reading it.
pub(super) fn say(text: &str) {
    // Where standard output is gone nobody is left to be told.
    let mut stdout = io::stdout().lock();
    stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
        .ok();
}
