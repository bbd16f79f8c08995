//! A backend by hand: what it says when nobody asked, and what still moves when one side stands still.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;

use cattail::standin::pattern;

use super::harness::wait::patience;
use super::harness::*;

/// A backend that does nothing by itself.
struct Hand(TcpListener);

impl Hand {
    fn open() -> Self {
        Self(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("binds"))
    }

    fn address(&self) -> SocketAddr {
        self.0.local_addr().expect("an address")
    }

    /// The next connection.
    fn accept(&self) -> TcpStream {
        let (stream, _) = self.0.accept().expect("a connection");
        stream.set_read_timeout(Some(patience())).unwrap();
        stream.set_write_timeout(Some(patience())).unwrap();
        stream
    }

    /// A proxy with one worker before it.
    fn proxy(&self, more: &str) -> Proxy {
        let address = self.address();
        Proxy::start(&format!(
            "workers: 1\n{more}clusters: {{ shop: {{ affinity: none, backends: ['{address}'] }} }}\n"
        ))
    }
}

/// Takes the head of a request.
#[track_caller]
fn take_head(stream: &mut TcpStream) -> String {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).expect("a head");
        head.extend_from_slice(&byte);
    }
    String::from_utf8(head).expect("text")
}

#[track_caller]
fn answer(stream: &mut TcpStream, bytes: &str) {
    stream.write_all(bytes.as_bytes()).expect("is taken");
}

const OWN: &str = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nown";
const FOREIGN: &str = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nforeign";

/// A client that has had its answer on a connection that is kept.
#[track_caller]
fn served(hand: &Hand, proxy: &Proxy, own: &str) -> (Raw, TcpStream) {
    let mut client = Raw::connect(proxy.address());
    client.send(Request::get("/").bytes());
    let mut backend = hand.accept();
    take_head(&mut backend);
    answer(&mut backend, own);
    client.read_response();
    (client, backend)
}

#[test]
fn what_a_backend_says_unasked_is_nobodys_answer() {
    let hand = Hand::open();
    let proxy = hand.proxy("");
    let (mut client, mut first) = served(&hand, &proxy, OWN);
    answer(&mut first, FOREIGN);
    // It goes by itself; nobody has to ask first.
    eventually("the connection is given up", || {
        first.read(&mut [0]).is_ok_and(|count| count == 0)
    });
    client.send(Request::get("/").bytes());
    let mut second = hand.accept();
    take_head(&mut second);
    answer(&mut second, OWN);
    assert_eq!(client.read_response().expect(200).body, b"own");
}

#[test]
fn what_stands_behind_an_answer_is_nobodys_answer() {
    for answers in [
        format!("{OWN}{FOREIGN}"),
        format!("HTTP/1.1 204 No Content\r\n\r\n{FOREIGN}"),
        // A body where there is none: it may come later.
        "HTTP/1.1 204 No Content\r\nContent-Length: 60\r\n\r\n".into(),
    ] {
        let hand = Hand::open();
        let proxy = hand.proxy("");
        let (mut client, _first) = served(&hand, &proxy, &answers);
        client.send(Request::post("/", "x").bytes());
        let mut second = hand.accept();
        take_head(&mut second);
        answer(&mut second, OWN);
        assert_eq!(client.read_response().expect(200).body, b"own", "{answers}");
    }
}

/// Writes of `bytes` what is taken before nobody takes more for a while.
fn write_until_blocked(stream: &mut TcpStream, bytes: &[u8]) -> usize {
    let pause = std::time::Duration::from_millis(300);
    stream.set_write_timeout(Some(pause)).unwrap();
    let mut written = 0;
    while let Ok(count) = stream.write(&bytes[written..]) {
        written += count;
    }
    stream.set_write_timeout(Some(patience())).unwrap();
    written
}

#[test]
fn an_upload_goes_on_while_its_client_reads_nothing() {
    const UP: usize = 3 << 20;
    // More than sockets hold.
    const DOWN: usize = 64 << 20;
    let hand = Hand::open();
    let proxy = hand.proxy("limits: { body: 16MiB }\n");
    let mut client = Raw::connect(proxy.address());
    client.send(format!(
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {UP}\r\n\r\n"
    ));
    let mut backend = hand.accept();
    take_head(&mut backend);
    answer(
        &mut backend,
        &format!("HTTP/1.1 200 OK\r\nContent-Length: {DOWN}\r\n\r\n"),
    );
    let (upload, download) = (pattern(0, UP), pattern(0, DOWN));
    let written = write_until_blocked(&mut backend, &download);
    assert!(written < DOWN, "sockets hold {DOWN} bytes");
    thread::scope(|scope| {
        scope.spawn(|| client.send(&upload));
        let mut seen = vec![0; UP];
        backend.read_exact(&mut seen).expect("the whole upload");
        assert!(seen == upload, "it arrives as it was sent");
    });
    thread::scope(|scope| {
        scope.spawn(|| backend.write_all(&download[written..]).expect("is taken"));
        let whole = client.read_response_to("POST").expect(200);
        assert!(whole.body == download);
    });
}

#[test]
fn a_backend_that_refuses_an_upload_and_goes_is_heard() {
    let hand = Hand::open();
    let proxy = hand.proxy("limits: { body: 64MiB }\n");
    let mut client = Raw::connect(proxy.address());
    let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50000000\r\n\r\n";
    client.send(head).send("the first of many");
    let mut backend = hand.accept();
    take_head(&mut backend);
    backend.read_exact(&mut [0; 17]).expect("the beginning");
    answer(
        &mut backend,
        "HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\n\r\nlarge",
    );
    drop(backend);
    let refused = client.read_response_to("POST");
    assert_eq!(refused.expect(413).body, b"large");
}

#[test]
fn a_body_and_its_end_go_out_with_their_head() {
    let hand = Hand::open();
    let proxy = hand.proxy("");
    for (request, wanted) in [
        (Request::post("/", "small"), "\r\n\r\nsmall"),
        (
            Request::post("/", "").chunked(&[b"small"]),
            "\r\n\r\n5\r\nsmall\r\n0\r\n\r\n",
        ),
    ] {
        let mut client = Raw::connect(proxy.address());
        client.send(request.bytes());
        let mut backend = hand.accept();
        let mut bytes = [0; 4096];
        let read = backend.read(&mut bytes).expect("a request");
        let text = String::from_utf8_lossy(&bytes[..read]);
        assert!(text.ends_with(wanted), "{text:?}");
        answer(&mut backend, "HTTP/1.1 204 \r\nConnection: close\r\n\r\n");
        client.read_response_to("POST").expect(204);
    }
}
