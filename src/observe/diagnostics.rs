//! What the operator must know, on stderr: one line per event, as text or JSON.
//!
//! Levels say what the operator must do (see [`LogLevel`]). Fields may hold bytes of strangers:
//! every control character is escaped before it reaches stderr, so that none can forge a line or
//! command a terminal.

use std::io::{self, Write};

use thiserror::Error;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{Layer, Registry, fmt, reload};

use super::escape;
use super::settings::{Diagnostics, LogLevel};

type AnyLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// Why diagnostics could not be set up or changed.
#[derive(Debug, Error)]
pub enum DiagnosticsFailure {
    /// Somebody else set a subscriber for this process.
    #[error("diagnostics are set up already")]
    Taken(#[source] TryInitError),
    /// The change could not be made.
    #[error("diagnostics could not be changed")]
    Change(#[source] reload::Error),
}

/// Where events come from that are shown.
const OURS: &str = "cattail";

/// Changes the diagnostics of a running process.
#[derive(Clone)]
pub struct DiagnosticsHandle(reload::Handle<AnyLayer, Registry>);

impl Diagnostics {
    /// Sends the process's events to stderr from now on. Once per process.
    pub fn install(self) -> Result<DiagnosticsHandle, DiagnosticsFailure> {
        let (layer, handle) = reload::Layer::new(self.layer(io::stderr));
        tracing_subscriber::registry()
            .with(layer)
            .try_init()
            .map_err(DiagnosticsFailure::Taken)?;
        Ok(DiagnosticsHandle(handle))
    }

    fn layer<W>(self, writer: W) -> AnyLayer
    where
        W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
    {
        // Ours alone: a client of HTTP/2 can have `h2` make a line for each frame that it sends, and none
        // of them names the listener. Outermost, so that an event which is not shown is not even made.
        let level = LevelFilter::from(self.level);
        let level = Targets::new().with_target(OURS, level);
        if self.json {
            let writer = Escaped {
                writer,
                escape: Escape::Json,
            };
            let format = fmt::layer().json().flatten_event(true).with_target(false);
            Box::new(format.with_writer(writer).and_then(level))
        } else {
            let writer = Escaped {
                writer,
                escape: Escape::Text,
            };
            let format = fmt::layer().with_ansi(false).with_target(false);
            Box::new(format.with_writer(writer).and_then(level))
        }
    }
}

impl DiagnosticsHandle {
    /// Takes other settings over, after a reload.
    pub fn change(&self, settings: Diagnostics) -> Result<(), DiagnosticsFailure> {
        self.0
            .reload(settings.layer(io::stderr))
            .map_err(DiagnosticsFailure::Change)
    }
}

impl From<LogLevel> for LevelFilter {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Error => Self::ERROR,
            LogLevel::Warn => Self::WARN,
            LogLevel::Info => Self::INFO,
            LogLevel::Debug => Self::DEBUG,
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Escape {
    Text,
    Json,
}

/// Makes writers that take one whole event at a time and escape what is in it.
struct Escaped<W> {
    writer: W,
    escape: Escape,
}

impl<'a, W: MakeWriter<'a>> MakeWriter<'a> for Escaped<W> {
    type Writer = EventWriter<W::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        EventWriter {
            writer: self.writer.make_writer(),
            escape: self.escape,
        }
    }
}

struct EventWriter<W> {
    writer: W,
    escape: Escape,
}

impl<W: Write> Write for EventWriter<W> {
    /// The formatter hands over each event in one piece, with its end of line.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let line = text.strip_suffix('\n').unwrap_or(&text);
        let mut escaped = Vec::with_capacity(event.len());
        for character in line.chars() {
            match self.escape {
                _ if !escape::may_command(character) => {
                    escaped.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                }
                // Its ASCII form, as in a Rust string.
                Escape::Text => write!(escaped, "{}", character.escape_default())?,
                // Such characters stand within JSON strings only.
                Escape::Json => escape::json_unit(&mut escaped, character),
            }
        }
        escaped.push(b'\n');
        self.writer.write_all(&escaped)?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Shown(Arc<Mutex<Vec<u8>>>);

    impl Write for Shown {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn shown(level: LogLevel, json: bool, events: impl FnOnce()) -> String {
        let shown = Shown::default();
        let writer = shown.clone();
        let layer = Diagnostics { level, json }.layer(move || writer.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), events);
        let bytes = shown.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn what_is_not_shown_is_not_even_made() {
        for json in [true, false] {
            for level in [LogLevel::Error, LogLevel::Debug] {
                let layer = Diagnostics { level, json }.layer(io::sink);
                assert_eq!(layer.max_level_hint(), Some(LevelFilter::from(level)));
            }
        }
    }

    const FORGED: &str = "x\n2026-11-20T12:00:00Z ERROR all is lost \x1b[2J\u{9b}2J\u{7f}";

    #[test]
    fn text_is_one_line_per_event_whatever_its_fields_hold() {
        let text = shown(LogLevel::Info, false, || {
            tracing::warn!(backend = "jvm1", uri = %FORGED, "backend is down {FORGED}");
        });
        assert_eq!(text.matches('\n').count(), 1, "{text}");
        assert!(!text.trim_end().chars().any(char::is_control), "{text}");
        assert!(text.contains("WARN backend is down x"), "{text}");
        assert!(text.contains("backend=\"jvm1\" uri=x\\n2026"), "{text}");
    }

    #[test]
    fn json_stays_json_and_means_the_same() {
        let text = shown(LogLevel::Info, true, || {
            tracing::warn!(attempts = 2, uri = %FORGED, "backend is down");
        });
        assert!(!text.trim_end().chars().any(char::is_control), "{text}");
        let object: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(object["uri"], FORGED);
        assert_eq!(object["message"], "backend is down");
        assert_eq!(
            (&object["level"], &object["attempts"]),
            (&"WARN".into(), &2.into())
        );
    }

    #[test]
    fn what_libraries_say_is_not_shown() {
        for level in [LogLevel::Error, LogLevel::Debug] {
            let text = shown(level, false, || {
                tracing::error!(target: "h2::proto", "a stranger's");
                tracing::error!("ours");
            });
            assert!(
                text.contains("ours") && !text.contains("stranger"),
                "{text}"
            );
        }
    }

    #[test]
    fn less_important_events_are_not_shown() {
        let text = shown(LogLevel::Warn, false, || {
            tracing::info!("reloaded");
            tracing::error!("a bug");
        });
        assert!(
            text.contains("a bug") && !text.contains("reloaded"),
            "{text}"
        );
    }
}
