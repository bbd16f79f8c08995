//! What a client may send below HTTP once hands are shaken, and how often.

use rustls::version::{TLS12, TLS13};

use super::harness::records::{ALERT, DATA, HANDSHAKE, Records};
use super::harness::secure::connection;
use super::harness::*;

const HOST: &str = "shop.example";
const REQUEST: &[u8] = b"GET /echo HTTP/1.1\r\nHost: shop.example\r\n\r\n";

struct Stage {
    ca: Authority,
    tomcat: Tomcat,
    proxy: Proxy,
}

fn stage() -> Stage {
    let ca = Authority::new("ca");
    let tomcat = Tomcat::start("jvm1");
    let text = Issued::listener(&[&ca.issue(&[HOST])], "") + &proxy::cluster(&[&tomcat], "");
    Stage {
        proxy: Proxy::start(&text),
        ca,
        tomcat,
    }
}

impl Stage {
    /// A connection to each version.
    fn both(&self) -> [Records; 2] {
        [&TLS12, &TLS13].map(|it| Records::connect(self.proxy.address(), (&self.ca, HOST), it))
    }

    fn broken(&self, reason: &str) -> i64 {
        let labels = [("reason", reason)];
        let metrics = self.proxy.metrics();
        metrics.value("cattail_tls_connections_broken_total", &labels)
    }

    /// That so many were closed for this reason, and nobody is left.
    #[track_caller]
    fn expect_broken(&self, reason: &str, count: i64) {
        eventually("is counted", || self.broken(reason) == count);
        let open = || {
            let metrics = self.proxy.metrics();
            metrics.value("cattail_connections_open", &[])
        };
        eventually("is given back", || open() == 0);
        let mut client = Raw::connect_tls(self.proxy.address(), &self.ca.clients(), HOST);
        Request::get("/echo").send_on(&mut client).expect(200);
    }
}

/// Records that carry nothing, in an order that rustls takes for ever, until the other side has ended
/// the connection; how many bytes.
fn send_nothing(records: &mut Records) -> usize {
    let mut sent = 0;
    while sent < 20 << 20 {
        let mut piece = Vec::new();
        for _ in 0..20 {
            for _ in 0..31 {
                piece.extend(records.record(DATA, b""));
            }
            piece.extend(records.new_keys());
        }
        if records.raw().try_send(&piece).is_err() {
            return sent;
        }
        sent += piece.len();
    }
    sent
}

#[test]
fn records_without_content_end_the_connection_after_a_while() {
    let stage = stage();
    for (number, mut records) in (1..).zip(stage.both()) {
        assert!(records.send((DATA, b""), 32));
        assert!(records.send((DATA, REQUEST), 1));
        eventually("is asked", || stage.tomcat.count() == number);
        records.send((DATA, b""), 33);
        records.raw().read_to_end();
    }
    stage.expect_broken("empty", 2);
}

#[test]
fn records_that_carry_nothing_end_the_connection_in_whatever_order() {
    let stage = stage();
    let [_, mut records] = stage.both();
    let sent = send_nothing(&mut records);
    // A quarter of a MiB, and what the kernel takes meanwhile.
    assert!((200 << 10..20 << 20).contains(&sent), "{sent}");
    records.raw().read_to_end();
    stage.expect_broken("barren", 1);
    // Within a body as well.
    let [_, mut records] = stage.both();
    let head = b"POST /echo HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 5\r\n\r\nab";
    assert!(records.send((DATA, head), 1));
    assert!(send_nothing(&mut records) < 20 << 20);
    stage.expect_broken("barren", 2);
}

#[test]
fn a_client_that_asks_in_between_may_send_as_much_of_it_as_it_likes() {
    let stage = stage();
    let [_, mut records] = stage.both();
    for turn in 0..200 {
        for _ in 0..5 {
            assert!(records.send((DATA, b""), 31));
            let record = records.new_keys();
            records.raw().send(record);
        }
        assert!(records.send((DATA, REQUEST), 1), "{turn}");
        records.raw().read_piece();
    }
    eventually("all are asked", || stage.tomcat.count() == 200);
    assert_eq!(stage.broken("barren"), 0);
}

#[test]
fn warnings_are_counted() {
    let stage = stage();
    for mut records in stage.both() {
        // `user_canceled`, which is the only one that TLS 1.3 still has.
        assert!(records.send((ALERT, &[1, 90]), 4));
        assert!(records.send((DATA, REQUEST), 1));
        records.send((ALERT, &[1, 90]), 1);
        records.raw().read_to_end();
    }
    stage.expect_broken("warnings", 2);
}

#[test]
fn another_handshake_is_refused_and_the_second_wish_for_it_ends_the_connection() {
    let stage = stage();
    let mut hello = Vec::new();
    let mut other = connection(&stage.ca.clients(), HOST);
    other.write_tls(&mut hello).unwrap();
    let hello = &hello[5..];
    let [mut records, mut newer] = stage.both();
    assert!(records.send((HANDSHAKE, hello), 1));
    assert!(records.send((DATA, REQUEST), 1));
    stage.tomcat.wait_for_requests(1);
    records.send((HANDSHAKE, hello), 1);
    records.raw().read_to_end();
    eventually("is counted", || stage.broken("renegotiation") == 1);
    // TLS 1.3 has no such thing.
    newer.send((HANDSHAKE, hello), 1);
    newer.raw().read_to_end();
    stage.expect_broken("malformed", 1);
}

#[test]
fn new_keys_without_a_request_in_between_are_counted() {
    let stage = stage();
    let mut client = Raw::connect_tls(stage.proxy.address(), &stage.ca.clients(), HOST);
    Request::get("/echo").send_on(&mut client).expect(200);
    let mut renewed = 0;
    while renewed < 10_000 {
        client.renew_keys();
        if client.try_flush_tls().is_err() {
            break;
        }
        renewed += 1;
    }
    assert!((32..10_000).contains(&renewed), "{renewed}");
    drop(client);
    stage.expect_broken("keys", 1);
}

#[test]
fn what_cannot_be_read_ends_the_connection() {
    let stage = stage();
    for mut records in stage.both() {
        let mut record = records.record(DATA, REQUEST);
        *record.last_mut().unwrap() ^= 1;
        records.raw().send(record);
        records.raw().read_to_end();
    }
    for mut records in stage.both() {
        // `internal_error`: the client has given up.
        records.send((ALERT, &[2, 80]), 1);
        records.raw().read_to_end();
    }
    eventually("is counted", || stage.broken("malformed") == 2);
    stage.expect_broken("alert", 2);
    assert_eq!(stage.tomcat.count(), 1);
}
