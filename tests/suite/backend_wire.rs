//! A backend by hand: what it says when nobody asked, and what still moves when one side stands still.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
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
        let mut accepted = None;
        self.0.set_nonblocking(true).unwrap();
        eventually("a connection", || {
            accepted = self.0.accept().ok();
            accepted.is_some()
        });
        let (stream, _) = accepted.expect("a connection");
        stream.set_nonblocking(false).unwrap();
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
fn a_backend_that_takes_no_more_of_an_upload_is_heard() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("backend");
    // By such a socket it can refuse to read, and still speak.
    let hand = UnixListener::bind(&path).unwrap();
    let proxy = Proxy::start(&format!(
        "workers: 1\nlimits: {{ body: 64MiB }}\nclusters: {{ shop: {{ affinity: none, backends: ['unix:{}'] }} }}\n",
        path.display()
    ));
    let mut client = Raw::connect(proxy.address());
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50000000\r\n\r\n");
    let (mut backend, _) = hand.accept().unwrap();
    backend.set_read_timeout(Some(patience())).unwrap();
    backend.read_exact(&mut [0; 60]).expect("the beginning");
    backend.shutdown(Shutdown::Read).unwrap();
    let pause = std::time::Duration::from_millis(300);
    let sent = client.send_until_blocked(&pattern(0, 49_000_000), pause);
    assert!(sent < 49_000_000, "nobody takes the upload");
    let refusal = "HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\n\r\nlarge";
    backend.write_all(refusal.as_bytes()).expect("is taken");
    let refused = client.read_response_to("POST");
    assert_eq!(refused.expect(413).body, b"large");
}

#[test]
fn an_answer_without_a_100_may_take_its_time() {
    let hand = Hand::open();
    let proxy = hand.proxy("limits: { body_idle: 100ms }\n");
    let mut client = Raw::connect(proxy.address());
    let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";
    client.send(head);
    let mut backend = hand.accept();
    take_head(&mut backend);
    answer(
        &mut backend,
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nlo",
    );
    // Longer than the body that does not come any more would be waited for.
    let time = std::time::Duration::from_millis(1500);
    stays("the answer goes on", time, || {
        proxy.metrics().value_or_zero("cattail_errors_total", &[]) == 0
    });
    answer(&mut backend, "ng!");
    assert_eq!(client.read_response_to("POST").expect(200).body, b"long!");
    let gone = backend.read(&mut [0]).expect("the connection ends");
    assert_eq!(gone, 0);
}

#[test]
fn a_body_and_its_end_go_out_with_their_head() {
    let hand = Hand::open();
    let proxy = hand.proxy("");
    for (request, wanted) in [
        (Request::post("/", "small"), "\r\n\r\nsmall"),
        (
            Request::post("/", "small").header("Cookie", &"a=b; ".repeat(700)),
            "\r\n\r\nsmall",
        ),
        (
            Request::post("/", "").chunked(&[b"small"]),
            "\r\n\r\n5\r\nsmall\r\n0\r\n\r\n",
        ),
    ] {
        let mut client = Raw::connect(proxy.address());
        client.send(request.bytes());
        let mut backend = hand.accept();
        let mut bytes = [0; 16384];
        let read = backend.read(&mut bytes).expect("a request");
        let text = String::from_utf8_lossy(&bytes[..read]);
        assert!(text.ends_with(wanted), "{text:?}");
        answer(&mut backend, "HTTP/1.1 204 \r\nConnection: close\r\n\r\n");
        client.read_response_to("POST").expect(204);
    }
}

#[test]
fn nobody_gets_a_connection_on_which_another_was_introduced() {
    let hand = Hand::open();
    let address = hand.address();
    let told = |version: &str| {
        format!(
            "workers: 1\nclusters: {{ shop: {{ affinity: none, proxy_protocol: {version}, \
             buffers: {{ request: 64KiB }}, backends: ['{address}'] }} }}\n"
        )
    };
    let proxy = Proxy::start(&told("off"));
    let mut early = Raw::connect(proxy.address());
    early.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nsma");
    // The one worker has seen that one when it has answered these, which came later.
    for _ in 0..2 {
        let mut refused = Raw::connect(proxy.address());
        refused.send("GET / HTTP/1.1\r\n\r\n");
        refused.read_response().expect(400);
    }
    proxy.reload(&told("v1")).unwrap();
    let mut late = Raw::connect(proxy.address());
    late.send(Request::get("/").bytes());
    let mut introduced = hand.accept();
    assert!(take_head(&mut introduced).starts_with("PROXY TCP4 "));
    answer(&mut introduced, OWN);
    late.read_response().expect(200);
    // It began before that was asked for, and is sent as it began.
    early.send("ll");
    let mut plain = hand.accept();
    assert!(take_head(&mut plain).starts_with("POST "));
    answer(&mut plain, OWN);
    early.read_response_to("POST").expect(200);
}
