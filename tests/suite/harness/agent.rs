//! A fake agent: `let agent = Agent::saying("75%\n");`. Each connection gets its words and is closed.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use super::wait::{eventually, patience};

/// What an agent says, and what it was told.
#[derive(Debug, Default)]
struct Talk {
    says: String,
    asked: usize,
    told: Vec<String>,
    waits_for_a_line: bool,
    ended: bool,
}

/// A fake agent; it ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Agent {
    address: SocketAddr,
    talk: Arc<Mutex<Talk>>,
    thread: Option<JoinHandle<()>>,
}

impl Agent {
    /// An agent that says this to everybody, its line's end included.
    pub(crate) fn saying(words: &str) -> Self {
        Self::start(words, false)
    }

    /// The same, but it awaits a line first.
    pub(crate) fn answering(words: &str) -> Self {
        Self::start(words, true)
    }

    fn start(words: &str, waits_for_a_line: bool) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("binds");
        let address = listener.local_addr().expect("an address");
        let talk = Arc::new(Mutex::new(Talk {
            says: words.to_owned(),
            waits_for_a_line,
            ..Talk::default()
        }));
        let shared = Arc::clone(&talk);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if !serve(stream, &shared) {
                    return;
                }
            }
        });
        Self {
            address,
            talk,
            thread: Some(thread),
        }
    }

    /// Where it listens.
    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Says this from now on, and waits until somebody has heard it and was asked again after.
    #[track_caller]
    pub(crate) fn says(&self, words: &str) {
        let asked = {
            let mut talk = lock(&self.talk);
            words.clone_into(&mut talk.says);
            talk.asked
        };
        // The question under way may have got the old words, the next one is heard when it is
        // followed by another.
        eventually("it is asked", || lock(&self.talk).asked >= asked + 3);
    }

    /// How often it was asked.
    pub(crate) fn asked(&self) -> usize {
        lock(&self.talk).asked
    }

    /// What it was told, in order.
    pub(crate) fn told(&self) -> Vec<String> {
        lock(&self.talk).told.clone()
    }
}

/// Whether there is more to do.
fn serve(mut stream: TcpStream, talk: &Mutex<Talk>) -> bool {
    let (says, waits) = {
        let mut talk = lock(talk);
        if talk.ended {
            return false;
        }
        talk.asked += 1;
        (talk.says.clone(), talk.waits_for_a_line)
    };
    if waits {
        let mut line = String::new();
        stream.set_read_timeout(Some(patience())).expect("a bound");
        drop(BufReader::new(&stream).read_line(&mut line));
        lock(talk).told.push(line);
    }
    // Who asked may be gone.
    drop(stream.write_all(says.as_bytes()));
    true
}

fn lock(talk: &Mutex<Talk>) -> MutexGuard<'_, Talk> {
    talk.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Agent {
    fn drop(&mut self) {
        lock(&self.talk).ended = true;
        // It may just wait for somebody.
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            if !std::thread::panicking() {
                ended.expect("the agent ends well");
            }
        }
    }
}
