//! Fake stores: what a memcached or redis says to whom asks whether it lives.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

/// A store that answers `version`, `PING` and `SELECT`, and has the keys that a test gives it. It
/// listens on one port, through deaths too.
#[derive(Debug)]
pub(crate) struct Pulse {
    address: SocketAddr,
    seen: Arc<Seen>,
    running: Option<Running>,
}

#[derive(Debug, Default)]
struct Seen {
    connections: AtomicUsize,
    questions: AtomicUsize,
    is_silent: AtomicBool,
    keys: Mutex<Vec<String>>,
    /// Keys that it was asked for.
    looked_for: Mutex<Vec<String>>,
    hangs_up: AtomicBool,
    is_chatty: AtomicBool,
}

#[derive(Debug)]
struct Running {
    is_over: Arc<AtomicBool>,
    open: Arc<Mutex<Vec<TcpStream>>>,
    accepting: JoinHandle<()>,
}

impl Pulse {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let mut store = Self {
            address: listener.local_addr().expect("an address"),
            seen: Arc::default(),
            running: None,
        };
        store.running = Some(Running::start(listener, &store.seen));
        store
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections so far.
    pub(crate) fn connections(&self) -> usize {
        self.seen.connections.load(SeqCst)
    }

    /// Questions so far.
    pub(crate) fn questions(&self) -> usize {
        self.seen.questions.load(SeqCst)
    }

    /// It has these keys, and no others.
    pub(crate) fn holds(&self, keys: &[&str]) {
        *self.seen.keys.lock().unwrap() = keys.iter().map(|key| (*key).to_owned()).collect();
    }

    /// The keys that it was asked for, in order.
    pub(crate) fn looked_for(&self) -> Vec<String> {
        self.seen.looked_for.lock().unwrap().clone()
    }

    /// Whether it takes questions and says nothing.
    pub(crate) fn be_silent(&self, is_silent: bool) {
        self.seen.is_silent.store(is_silent, SeqCst);
    }

    /// It hangs up after each answer.
    pub(crate) fn hang_up(&self) {
        self.seen.hangs_up.store(true, SeqCst);
    }

    /// It says everything twice.
    pub(crate) fn be_chatty(&self) {
        self.seen.is_chatty.store(true, SeqCst);
    }

    /// Nobody listens any more, and its connections end.
    pub(crate) fn kill(&mut self) {
        if let Some(running) = self.running.take() {
            running.end(self.address);
        }
    }

    /// Listens again, where it did.
    pub(crate) fn restart(&mut self) {
        self.kill();
        let listener = TcpListener::bind(self.address).expect("its old port");
        self.running = Some(Running::start(listener, &self.seen));
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Running {
    fn start(listener: TcpListener, seen: &Arc<Seen>) -> Self {
        let (is_over, open) = (
            Arc::<AtomicBool>::default(),
            Arc::<Mutex<Vec<_>>>::default(),
        );
        let accepting = {
            let (is_over, open, seen) = (is_over.clone(), open.clone(), seen.clone());
            thread::spawn(move || accept(&listener, &is_over, &open, &seen))
        };
        Self {
            is_over,
            open,
            accepting,
        }
    }

    fn end(self, address: SocketAddr) {
        self.is_over.store(true, SeqCst);
        // Wakes it from its wait for a connection.
        drop(TcpStream::connect(address));
        self.accepting.join().expect("it accepts until its end");
        for stream in self.open.lock().unwrap().drain(..) {
            // One that ended already is as well.
            drop(stream.shutdown(Shutdown::Both));
        }
    }
}

fn accept(
    listener: &TcpListener,
    is_over: &AtomicBool,
    open: &Mutex<Vec<TcpStream>>,
    seen: &Arc<Seen>,
) {
    for stream in listener.incoming().flatten() {
        if is_over.load(SeqCst) {
            return;
        }
        seen.connections.fetch_add(1, SeqCst);
        open.lock().unwrap().extend(stream.try_clone());
        let seen = seen.clone();
        thread::spawn(move || answer(stream, &seen));
    }
}

impl Seen {
    /// What a memcached says of the key in `mg KEY t s u`.
    fn look(&self, asked: &[u8]) -> &'static [u8] {
        let asked = String::from_utf8_lossy(asked);
        let key = asked.split(' ').nth(1).unwrap_or_default();
        self.looked_for.lock().unwrap().push(key.to_owned());
        if self.keys.lock().unwrap().iter().any(|held| held == key) {
            b"HD t1800 s100\r\n"
        } else {
            b"EN\r\n"
        }
    }
}

fn answer(mut stream: TcpStream, seen: &Seen) {
    let mut buffer = [0; 512];
    while let Ok(length @ 1..) = stream.read(&mut buffer) {
        let asked = &buffer[..length];
        seen.questions.fetch_add(1, SeqCst);
        let has = |word: &[u8]| asked.windows(word.len()).any(|it| it == word);
        let says: &[u8] = match asked {
            _ if seen.is_silent.load(SeqCst) => b"",
            b"version\r\n" => b"VERSION 1.6.18\r\n",
            _ if asked.starts_with(b"mg ") => seen.look(asked),
            _ if has(b"PING") => b"+PONG\r\n",
            _ if has(b"SELECT") => b"+OK\r\n",
            _ => b"ERROR\r\n",
        };
        let times = 1 + usize::from(seen.is_chatty.load(SeqCst));
        let is_said = stream.write_all(&says.repeat(times)).is_ok();
        if !is_said || seen.hangs_up.load(SeqCst) {
            break;
        }
    }
    // Whoever ends all of them has the stream as well: dropping it here would not close it.
    stream.shutdown(Shutdown::Both).ok();
}
