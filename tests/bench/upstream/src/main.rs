//! The back end of the benchmark: two ports, one thread, ready-made answers.
//!
//! It must cost far less than any proxy, so it finds requests by their empty line alone and writes
//! answers that were made at the start. It understands `GET` without a body and nothing else.
//! Paths: `/1k`, `/64k`, `/1m`; `/head` answers with the request head as it came, so that the
//! benchmark can see what a proxy sent; `/login/SESSIONS` answers with a Set-Cookie that begins the
//! next of so many sessions.
//!
//! Prints the two ports on one line, then serves until it is killed. With a path as argument it
//! also takes datagrams there and drops them: a log daemon for proxies that log to one.
//! With `pace` as first argument it is a client instead: see there.

mod logins;
mod pace;

use std::io::{self, Write as _};
use std::rc::Rc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixDatagram};
use tokio::task::spawn_local;

use logins::Logins;

/// Longest request head that is taken; pipelined requests may fill it together.
const READ_BYTES: usize = 16 * 1024;

struct Answers {
    small: Vec<u8>,
    medium: Vec<u8>,
    large: Vec<u8>,
}

impl Answers {
    fn new() -> Self {
        let filled = |size| answer("200 OK", "", &vec![b'x'; size]);
        Self {
            small: filled(1024),
            medium: filled(64 * 1024),
            large: filled(1024 * 1024),
        }
    }

    /// The ready-made answer to a request head; `None` if it must be made.
    fn for_head(&self, head: &[u8]) -> Option<&[u8]> {
        if head.starts_with(b"GET /1k ") {
            Some(&self.small)
        } else if head.starts_with(b"GET /64k ") {
            Some(&self.medium)
        } else if head.starts_with(b"GET /1m ") {
            Some(&self.large)
        } else {
            None
        }
    }
}

/// `fields`: further header fields, each with its line end.
fn answer(status: &str, fields: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!(
        "HTTP/1.1 {status}\r\nServer: bench\r\nContent-Type: text/plain\r\n{fields}Content-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

fn main() -> io::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let Some((word, rest)) = words.split_first()
        && word == "pace"
    {
        return pace::run(rest);
    }
    let log_socket = words.first().cloned();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build_local(Default::default())?;
    runtime.block_on(async move {
        if let Some(path) = log_socket {
            spawn_local(drop_datagrams(UnixDatagram::bind(path)?));
        }
        let jvm1 = TcpListener::bind("127.0.0.1:0").await?;
        let jvm2 = TcpListener::bind("127.0.0.1:0").await?;
        println!(
            "{} {}",
            jvm1.local_addr()?.port(),
            jvm2.local_addr()?.port()
        );
        io::stdout().flush()?;
        let answers = Rc::new(Answers::new());
        spawn_local(accept(jvm1, Rc::clone(&answers), Rc::new(Logins::new(0))));
        accept(jvm2, answers, Rc::new(Logins::new(1))).await;
        Ok(())
    })
}

async fn accept(listener: TcpListener, answers: Rc<Answers>, logins: Rc<Logins>) {
    loop {
        // Out of descriptors: the benchmark's own limits are wrong, and its checks will say so.
        let Ok((stream, _)) = listener.accept().await else {
            tokio::task::yield_now().await;
            continue;
        };
        let (answers, logins) = (Rc::clone(&answers), Rc::clone(&logins));
        // A proxy may close at any time; the benchmark counts failures at the client.
        spawn_local(async move { drop(serve(stream, &answers, &logins).await) });
    }
}

async fn serve(mut stream: TcpStream, answers: &Answers, logins: &Logins) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; READ_BYTES];
    let mut filled = 0;
    loop {
        let read = stream.read(&mut buffer[filled..]).await?;
        if read == 0 {
            return Ok(());
        }
        filled += read;
        let mut done = 0;
        while let Some(length) = head_length(&buffer[done..filled]) {
            let head = &buffer[done..done + length];
            match answers.for_head(head) {
                Some(ready) => stream.write_all(ready).await?,
                None => stream.write_all(&made(head, logins)).await?,
            }
            done += length;
        }
        buffer.copy_within(done..filled, 0);
        filled -= done;
        if filled == buffer.len() {
            return Err(io::Error::other("request head too long"));
        }
    }
}

/// The answer to a request that no ready one fits.
fn made(head: &[u8], logins: &Logins) -> Vec<u8> {
    if head.starts_with(b"GET /head ") {
        return answer("200 OK", "", head);
    }
    logins
        .for_head(head)
        .unwrap_or_else(|| answer("404 Not Found", "", b""))
}

/// Bytes up to and with the empty line that ends a head.
fn head_length(bytes: &[u8]) -> Option<usize> {
    bytes
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .map(|start| start + 4)
}

async fn drop_datagrams(socket: UnixDatagram) {
    let mut buffer = vec![0; 8 * 1024];
    while socket.recv(&mut buffer).await.is_ok() {}
}
