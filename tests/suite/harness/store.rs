//! Fake stores: a memcached and a redis with what a test puts into them, and some that are neither.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

/// Keys, values and remaining seconds.
pub(crate) type Items = Vec<(String, Vec<u8>, u32)>;

type Talk = dyn Fn(&mut TcpStream, &Mutex<Vec<String>>) -> std::io::Result<()> + Send + Sync;

/// A store that listens until it is dropped.
pub(crate) struct Store {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    is_over: Arc<AtomicBool>,
    streams: Arc<Mutex<Vec<TcpStream>>>,
    accepting: Option<JoinHandle<()>>,
}

impl Store {
    /// A memcached with these items.
    pub(crate) fn memcached(items: Items) -> Self {
        Self::talking(move |stream, asked| memcached(stream, asked, &items))
    }

    /// A redis with these items and this password, if any.
    pub(crate) fn redis(items: Items, password: Option<&str>) -> Self {
        let password = password.map(str::to_owned);
        Self::talking(move |stream, asked| redis(stream, asked, &items, password.as_deref()))
    }

    /// Says `text` to whoever connects, and then nothing.
    pub(crate) fn saying(text: &'static [u8]) -> Self {
        Self::talking(move |stream, _| {
            stream.write_all(text)?;
            stream.read_to_end(&mut Vec::new()).map(drop)
        })
    }

    /// Says `first`, and then `text` over and over.
    pub(crate) fn endless(first: &'static [u8], text: &'static [u8]) -> Self {
        Self::talking(move |stream, _| {
            stream.write_all(first)?;
            loop {
                stream.write_all(text)?;
            }
        })
    }

    /// Hangs up on whoever connects.
    pub(crate) fn hanging_up() -> Self {
        Self::talking(|_, _| Ok(()))
    }

    fn talking(
        talk: impl Fn(&mut TcpStream, &Mutex<Vec<String>>) -> std::io::Result<()>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, streams) = (Arc::default(), Arc::<Mutex<Vec<TcpStream>>>::default());
        let is_over = Arc::new(AtomicBool::new(false));
        let talk: Arc<Talk> = Arc::new(talk);
        let accepting = Accepting {
            listener,
            asked: Arc::clone(&asked),
            is_over: Arc::clone(&is_over),
            streams: Arc::clone(&streams),
            talk,
        };
        let accepting = thread::spawn(move || accepting.run());
        Self {
            address,
            asked,
            is_over,
            streams,
            accepting: Some(accepting),
        }
    }

    /// host:port.
    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    /// The questions, in order.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// What the thread that accepts needs.
struct Accepting {
    listener: TcpListener,
    asked: Arc<Mutex<Vec<String>>>,
    is_over: Arc<AtomicBool>,
    streams: Arc<Mutex<Vec<TcpStream>>>,
    talk: Arc<Talk>,
}

impl Accepting {
    fn run(&self) {
        let mut talks = Vec::new();
        for stream in self.listener.incoming() {
            if self.is_over.load(Ordering::SeqCst) {
                break;
            }
            let mut stream = stream.unwrap();
            self.streams
                .lock()
                .unwrap()
                .push(stream.try_clone().unwrap());
            let (talk, asked) = (Arc::clone(&self.talk), Arc::clone(&self.asked));
            talks.push(thread::spawn(move || {
                // Whoever asks may leave at any time.
                talk(&mut stream, &asked).ok();
                stream.shutdown(Shutdown::Both).ok();
            }));
        }
        for talk in talks {
            talk.join().expect("a fake store failed");
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        TcpStream::connect(self.address).ok();
        for stream in self.streams.lock().unwrap().iter() {
            stream.shutdown(Shutdown::Both).ok();
        }
        let ended = self.accepting.take().unwrap().join();
        assert!(ended.is_ok() || thread::panicking(), "a fake store failed");
    }
}

fn memcached(
    stream: &mut TcpStream,
    asked: &Mutex<Vec<String>>,
    items: &Items,
) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    while lines.read_line(&mut line)? > 0 {
        let question = line.trim_end().to_owned();
        line.clear();
        asked.lock().unwrap().push(question.clone());
        let words: Vec<&str> = question.split(' ').collect();
        let item = |key: &str| items.iter().find(|(name, _, _)| name == key);
        match words.as_slice() {
            ["version"] => stream.write_all(b"VERSION 1.6.18\r\n")?,
            ["lru_crawler", "metadump", "hash"] => {
                for (key, value, left) in items {
                    let (end, size) = (now() + u64::from(*left), value.len() + 60);
                    let key = key
                        .replace('%', "%25")
                        .replace(' ', "%20")
                        .replace(':', "%3A");
                    let la = now();
                    writeln!(
                        stream,
                        "key={key} exp={end} la={la} cas=1 fetch=no cls=1 size={size}"
                    )?;
                }
                stream.write_all(b"END\r\n")?;
            }
            ["mg", key, flags @ ..] => match item(key) {
                None => stream.write_all(b"EN\r\n")?,
                Some((_, value, left)) => {
                    let length = value.len();
                    if flags.contains(&"v") {
                        write!(stream, "VA {length} t{left} s{length} l0\r\n")?;
                        stream.write_all(value)?;
                        stream.write_all(b"\r\n")?;
                    } else {
                        write!(stream, "HD t{left} s{length}\r\n")?;
                    }
                }
            },
            _ => stream.write_all(b"ERROR\r\n")?,
        }
    }
    Ok(())
}

fn redis(
    stream: &mut TcpStream,
    asked: &Mutex<Vec<String>>,
    items: &Items,
    password: Option<&str>,
) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?);
    let mut is_known = password.is_none();
    while let Some(words) = command(&mut lines)? {
        asked.lock().unwrap().push(words.join(" "));
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let item = |key: &str| items.iter().find(|(name, _, _)| name == key);
        let answer = match words.as_slice() {
            ["AUTH", given @ ..] if given.last().copied() == password => {
                is_known = true;
                b"+OK\r\n".to_vec()
            }
            ["AUTH", ..] => b"-WRONGPASS invalid password\r\n".to_vec(),
            _ if !is_known => b"-NOAUTH Authentication required.\r\n".to_vec(),
            ["SELECT", _] => b"+OK\r\n".to_vec(),
            ["PING"] => b"+PONG\r\n".to_vec(),
            ["SCAN", "0", ..] => {
                let mut answer = format!("*2\r\n$1\r\n0\r\n*{}\r\n", items.len());
                let keys = items.iter();
                answer.extend(keys.map(|(key, _, _)| format!("${}\r\n{key}\r\n", key.len())));
                answer.into_bytes()
            }
            ["OBJECT", "IDLETIME", _] => b":5\r\n".to_vec(),
            ["EXISTS", key] => format!(":{}\r\n", u8::from(item(key).is_some())).into_bytes(),
            ["PTTL", key] => match item(key) {
                Some((_, _, left)) => format!(":{}\r\n", u64::from(*left) * 1000).into_bytes(),
                None => b":-2\r\n".to_vec(),
            },
            ["STRLEN", key] => {
                let length = item(key).map_or(0, |(_, value, _)| value.len());
                format!(":{length}\r\n").into_bytes()
            }
            ["GETRANGE", key, "0", last] => {
                let value = item(key).map(|(_, value, _)| value.as_slice());
                let value = value.unwrap_or_default();
                let end = value.len().min(last.parse::<usize>().unwrap() + 1);
                let mut answer = format!("${end}\r\n").into_bytes();
                answer.extend_from_slice(&value[..end]);
                answer.extend_from_slice(b"\r\n");
                answer
            }
            _ => b"-ERR unknown command\r\n".to_vec(),
        };
        stream.write_all(&answer)?;
    }
    Ok(())
}

/// The words of the next command; `None`: there is none.
fn command(lines: &mut impl BufRead) -> std::io::Result<Option<Vec<String>>> {
    let mut line = String::new();
    if lines.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let Some(count) = line.trim_end().strip_prefix('*') else {
        return Ok(Some(vec![line.trim_end().to_owned()]));
    };
    let mut words = Vec::new();
    for _ in 0..count.parse::<usize>().unwrap() {
        let mut line = String::new();
        lines.read_line(&mut line)?;
        let length: usize = line.trim_end().strip_prefix('$').unwrap().parse().unwrap();
        let mut word = vec![0; length + 2];
        lines.read_exact(&mut word)?;
        word.truncate(length);
        words.push(String::from_utf8(word).unwrap());
    }
    Ok(Some(words))
}

fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.unwrap().as_secs()
}
