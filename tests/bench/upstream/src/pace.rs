//! A client with a clock: requests at a steady rate, whatever becomes of those before, so that a
//! pause shows in the latency of each request that fell into it.
//!
//! Each connection has a thread and every so-manieth moment of the plan. A request that cannot be
//! sent at its moment, since the one before it is not answered, is sent late, and its latency
//! counts from the moment all the same.

#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "there is no runtime here: a thread each, which sleeps until its moment by the system's clock"
)]

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Barrier;
use std::time::{Duration, Instant};
use std::{fs, thread};

use crate::logins;

const PATH: &str = "/1k";
/// An answer that takes longer ends the measurement.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between the start of the threads and the first request.
const HEAD_START: Duration = Duration::from_millis(50);

/// What is to be sent.
#[derive(Clone, Copy)]
struct Plan {
    port: u16,
    /// Requests a second.
    rate: u32,
    seconds: u32,
    connections: u32,
    /// Sessions of which ids are shown, each in its turn, from this one on.
    sessions: u32,
    first: u32,
}

impl Plan {
    fn parse(words: &[String]) -> Option<Self> {
        let [port, rate, seconds, connections, sessions, first] = words else {
            return None;
        };
        let plan = Self {
            port: port.parse().ok()?,
            rate: rate.parse().ok()?,
            seconds: seconds.parse().ok()?,
            connections: connections.parse().ok()?,
            sessions: sessions.parse().ok()?,
            first: first.parse().ok()?,
        };
        let is_whole = plan.rate > 0 && plan.connections > 0 && plan.sessions > 0;
        is_whole.then_some(plan)
    }

    fn requests(self) -> u64 {
        u64::from(self.rate) * u64::from(self.seconds)
    }

    /// Microseconds after the beginning.
    fn due_us(self, number: u64) -> u64 {
        number * 1_000_000 / u64::from(self.rate)
    }

    /// The session of a request: all in turn.
    fn session(self, number: u64) -> u32 {
        let at = (u64::from(self.first) + number) % u64::from(self.sessions);
        u32::try_from(at).expect("below the number of sessions")
    }
}

/// Sends as `words` say: PORT RATE SECONDS CONNECTIONS SESSIONS FIRST. Prints `began` with the first
/// request and, in the end, a line for each: its moment in microseconds since then, and its latency.
/// Any answer but a whole 200 is an error.
pub fn run(words: &[String]) -> io::Result<()> {
    let plan = Plan::parse(words)
        .ok_or_else(|| io::Error::other("PORT RATE SECONDS CONNECTIONS SESSIONS FIRST"))?;
    // Sleeps end when they are to, not up to 50 us later; threads inherit it. Without, all figures
    // are a little larger.
    drop(fs::write("/proc/self/timerslack_ns", "1"));
    let ready = Barrier::new(plan.connections as usize + 1);
    let begin = std::sync::OnceLock::new();
    let latencies = thread::scope(|scope| {
        let threads: Vec<_> = (0..plan.connections)
            .map(|place| {
                let (ready, begin) = (&ready, &begin);
                scope.spawn(move || {
                    let stream = TcpStream::connect(("127.0.0.1", plan.port));
                    ready.wait();
                    ready.wait();
                    let begin = *begin.get().expect("set between the two");
                    send(stream?, plan, place, begin)
                })
            })
            .collect();
        ready.wait();
        let first = Instant::now() + HEAD_START;
        begin.set(first).expect("set once");
        ready.wait();
        thread::sleep(HEAD_START);
        println!("began");
        io::stdout().flush()?;
        let mut all = Vec::new();
        for thread in threads {
            all.extend(thread.join().expect("a thread panicked")?);
        }
        Ok::<_, io::Error>(all)
    })?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    for (due_us, latency_us) in latencies {
        writeln!(out, "{due_us} {latency_us}")?;
    }
    out.flush()
}

fn send(
    mut stream: TcpStream,
    plan: Plan,
    place: u32,
    begin: Instant,
) -> io::Result<Vec<(u64, u64)>> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut buffer = vec![0; 16 * 1024];
    let mut latencies = Vec::new();
    for number in (u64::from(place)..plan.requests()).step_by(plan.connections as usize) {
        let session = logins::shown(plan.session(number));
        let request = format!(
            "GET {PATH} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nCookie: JSESSIONID={session}\r\n\r\n",
            plan.port
        );
        let due_us = plan.due_us(number);
        let due = begin + Duration::from_micros(due_us);
        thread::sleep(due.saturating_duration_since(Instant::now()));
        stream.write_all(request.as_bytes())?;
        answer(&mut stream, &mut buffer)?;
        let latency = due.elapsed().as_micros();
        latencies.push((due_us, u64::try_from(latency).unwrap_or(u64::MAX)));
    }
    Ok(latencies)
}

/// Reads a whole answer.
fn answer(stream: &mut TcpStream, buffer: &mut [u8]) -> io::Result<()> {
    let mut filled = 0;
    loop {
        let read = stream.read(&mut buffer[filled..])?;
        filled += read;
        let text = String::from_utf8_lossy(&buffer[..filled]);
        if read == 0 || filled == buffer.len() {
            return Err(io::Error::other(format!("no whole answer: {text:.200}")));
        }
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        if !head.starts_with("HTTP/1.1 200 ") {
            return Err(io::Error::other(format!("answered {head:.200}")));
        }
        let length = head
            .lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .and_then(|(_, value)| value.trim().parse::<usize>().ok())
            .ok_or_else(|| io::Error::other(format!("of unknown length: {head:.200}")))?;
        if body.len() >= length {
            return Ok(());
        }
    }
}
