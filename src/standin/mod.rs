//! Built-in Tomcats: small HTTP/1.1 servers that behave, and misbehave, like Tomcat.
//!
//! `cattail demo` runs two of them behind the proxy; the tests run as many as they need, each
//! scripted. They import nothing of the rest of the crate. Answers are written byte by byte and
//! not through an HTTP library, so that they can be wrong at will; what comes in is bounded and
//! judged as Tomcat judges it (heads of 8 KiB and 100 fields, 20 s of silence, 100 requests on a
//! connection, 8192 connections, backlog 100).
//!
//! # Paths
//!
//! | path | answer |
//! |---|---|
//! | `/echo` and below | JSON: `tomcat`, `method`, `target` as it came, `headers` as pairs in order and case, `body_bytes`, `body_checksum`, `connection` and `number` on it |
//! | `/session?work_ms=` | JSON: `tomcat`, `id`, `created_ms`, `hits`, `new_id`; `Set-Cookie` for a new id; waits `work_ms` with the session in hand |
//! | `/login` | the same, under a new id of the same session |
//! | `/logout` | ends the session and takes its cookie away |
//! | `*/bad.css` | 404 from an error page that asks for a session, though the path is ignored |
//! | `/bytes/N` | N bytes of [`pattern`], `Content-Length` |
//! | `/chunked/N?piece=8192&trailers=1` | N bytes in chunks; trailers `X-Checked: yes`, `X-Late: trailer` |
//! | `/until-close/N` | N bytes, no length, then close |
//! | `/slow?head_ms=&every_ms=&pieces=1&piece_bytes=10` | waits, then chunks with waits between |
//! | `/status/NNN` | that status, a short text where it may have one |
//! | `/continue` | echo; 100 before the body, as every path |
//! | `/continue/late?ms=100` | 100 after a wait, then echo |
//! | `/continue/never` | 417, the body unread, close |
//! | `/early` | the whole answer before the body is read; the connection goes on |
//! | `/interim/103?times=1` | that interim response with a `Link`, then echo |
//! | `/upgrade` | 101 and raw bytes echoed, if the request asks for an upgrade; else 426 |
//! | `/headers?NAME=VALUE&…` | those fields, percent-decoded, in the answer |
//! | `/set-cookie?c=VALUE&…` | one `Set-Cookie` for each value |
//! | `/location?to=/x&status=302` | a redirect |
//! | `OPTIONS *` | 200 and `Allow` |
//! | `*.ico`, `*.png`, `*.gif`, `*.jpg`, `*.css`, `*.js` | 404, no session is touched |
//! | anything else | the page: title and colour of this Tomcat, session id, created on |
//!
//! Before any other path but those of files, a sticky Tomcat takes over a session that is shown, with
//! `Set-Cookie`. How sessions are kept: [`Manager`].
//!
//! Every answer has `X-Tomcat: NAME`. A script ([`StandIn::script`]) comes before the table.

mod address;
mod answer;
mod behaviour;
mod body;
mod builder;
mod connection;
mod exchange;
mod fault;
mod faulty;
mod journal;
mod life;
mod page;
mod play;
mod query;
mod request;
mod session;
mod tomcat;
mod wire;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use address::{Address, NotAnAddress};
pub use body::{Checksum, pattern};
pub use builder::Builder;
pub use fault::{Fault, Then};
pub use journal::{BodyEnd, Counts, Recorded};
pub use page::Colour;
pub use session::{Manager, SharedSessions, Truth};

use address::Reservation;
use life::{Life, Mode};
use tomcat::Tomcat;

/// A running, stopped or killed stand-in. Dropping it kills it.
///
/// It lives on a thread of its own: all calls are synchronous and may be made from anywhere. What
/// it recorded and how it is scripted outlast its kills.
#[derive(Debug)]
pub struct StandIn {
    tomcat: Arc<Tomcat>,
    reservation: Reservation,
    life: Mutex<Option<Life>>,
}

impl StandIn {
    /// A stand-in called `name`, which is also its jvm route unless told otherwise.
    pub fn builder(name: &str) -> Builder {
        Builder::new(name)
    }

    fn start(address: &Address, tomcat: Arc<Tomcat>) -> io::Result<Self> {
        let reservation = Reservation::take(address)?;
        let stand_in = Self {
            tomcat,
            reservation,
            life: Mutex::new(None),
        };
        stand_in.restart()?;
        Ok(stand_in)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.tomcat.settings.name
    }

    /// Where it listens, with the real port. The port stays its own while it is down.
    pub fn address(&self) -> &Address {
        self.reservation.address()
    }

    /// The sessions it serves.
    pub fn sessions(&self) -> &SharedSessions {
        &self.tomcat.sessions.shared
    }

    // === its life ===

    /// Starts it again at the same address; kills it first if it runs. Sessions in its memory are
    /// gone.
    pub fn restart(&self) -> io::Result<()> {
        let mut life = self.life();
        self.end(life.take(), Mode::Killed);
        *life = Some(Life::begin(
            self.reservation.listen()?,
            Arc::clone(&self.tomcat),
        )?);
        Ok(())
    }

    /// Stops it in order: refuses new connections, closes idle ones, lets requests in progress end
    /// (5 s at most). Returns when all is closed.
    pub fn stop(&self) {
        let life = self.life().take();
        self.end(life, Mode::Stopping);
    }

    /// The first part of a real Tomcat's stop, in which it stays: new connections are refused,
    /// kept ones get 404 for everything. [`Self::stop`], [`Self::kill`] or [`Self::restart`]
    /// follow.
    pub fn stop_listening(&self) {
        self.turn(Mode::Refusing);
    }

    /// Kills it: all connections are reset, new ones refused, its memory is gone. Returns when that
    /// is so.
    pub fn kill(&self) {
        let life = self.life().take();
        self.end(life, Mode::Killed);
    }

    /// Freezes it wherever it is: it accepts connections and says nothing.
    pub fn hang(&self) {
        self.turn(Mode::Hanging);
    }

    /// Lets it go on after [`Self::hang`]. Does not listen again after [`Self::stop_listening`].
    pub fn resume(&self) {
        self.turn(Mode::Serving);
    }

    /// Whether it has been started and neither stopped nor killed.
    pub fn is_running(&self) -> bool {
        self.life().is_some()
    }

    // === its faults ===

    /// Makes every request to `path` (exactly; `*` is every path without a script) meet `fault`,
    /// until the script is replaced or withdrawn.
    pub fn script(&self, path: &str, fault: Fault) {
        self.tomcat.scripts.set(path, fault, None);
    }

    /// As [`Self::script`], for the next `count` requests only.
    pub fn script_times(&self, path: &str, count: u32, fault: Fault) {
        self.tomcat.scripts.set(path, fault, Some(count));
    }

    /// Answers `path` with these bytes and keeps the connection.
    pub fn raw_answer(&self, path: &str, bytes: impl Into<Vec<u8>>) {
        self.script(path, Fault::Raw(bytes.into(), Then::Keep));
    }

    /// Withdraws a script. Requests that hang in it go on.
    pub fn unscript(&self, path: &str) {
        self.tomcat.scripts.withdraw(path);
    }

    /// Withdraws all scripts.
    pub fn unscript_all(&self) {
        self.tomcat.scripts.withdraw_all();
    }

    /// Holds requests to `path` before their answer, until [`Self::release`].
    pub fn hold(&self, path: &str) {
        self.script(path, Fault::HangBeforeHead);
    }

    /// Lets held requests be answered as usual.
    pub fn release(&self, path: &str) {
        self.unscript(path);
    }

    // === its record ===

    /// The requests it saw, the latest 10,000, in order of their heads.
    pub fn requests(&self) -> Vec<Recorded> {
        self.tomcat.journal.requests()
    }

    /// Its counts since the first start.
    pub fn counts(&self) -> Counts {
        self.tomcat.journal.counts()
    }

    /// How many requests it saw.
    pub fn count(&self) -> u64 {
        self.counts().requests
    }

    /// Waits until its counts meet `condition`, at most `limit`; false when the time ran out.
    pub fn wait(&self, limit: Duration, condition: impl Fn(&Counts) -> bool) -> bool {
        self.tomcat.journal.wait(limit, condition)
    }

    /// What went wrong inside, which is always a defect: panics of its tasks and thread.
    pub fn failures(&self) -> Vec<String> {
        self.tomcat.journal.failures()
    }

    fn turn(&self, mode: Mode) {
        if let Some(life) = self.life().as_ref() {
            life.turn(mode);
        }
    }

    fn end(&self, life: Option<Life>, mode: Mode) {
        let Some(life) = life else {
            return;
        };
        if let Err(failure) = life.end(mode) {
            self.tomcat.journal.note_failure(failure);
        }
        if mode == Mode::Stopping {
            self.tomcat.sessions.back_up_all();
        }
        self.tomcat.sessions.forget();
    }

    fn life(&self) -> MutexGuard<'_, Option<Life>> {
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.kill();
        if let Address::Unix(path) = self.address() {
            // Gone already, or not ours any more: either way nothing is left to do.
            drop(std::fs::remove_file(path));
        }
    }
}
