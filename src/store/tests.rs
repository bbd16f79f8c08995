//! Stores of every kind of badness, over loopback.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::ops::ControlFlow;
use std::thread;
use std::time::Duration;

use super::*;
use crate::config::StoreAddress;

const TIME: Duration = Duration::from_millis(200);
const ALL: Most = Most {
    keys: 1000,
    time: TIME,
};

/// A server that says this after the first question, and then holds its tongue, or hangs up.
fn says(answer: &'static [u8], hangs_up: bool) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            thread::spawn(move || {
                let mut question = [0; 1024];
                if stream.read(&mut question).unwrap_or(0) == 0 {
                    return;
                }
                drop(stream.write_all(answer));
                while !hangs_up && stream.read(&mut question).unwrap_or(0) > 0 {}
            });
        }
    });
    port
}

fn memcached(port: u16) -> StoreAddress {
    StoreAddress::memcached(&format!("127.0.0.1:{port}")).unwrap()
}

fn redis(port: u16) -> StoreAddress {
    StoreAddress::redis(&format!("redis://127.0.0.1:{port}")).unwrap()
}

async fn open(address: &StoreAddress) -> Connection {
    Connection::connect(address, TIME).await.unwrap()
}

const BANNERS: [&[u8]; 6] = [
    b"HTTP/1.1 400 Bad Request\r\n\r\n",
    b"SSH-2.0-OpenSSH_9.2\r\n",
    b"\r\n",
    b"\x16\x03\x01\x02\x00\x01\r\n",
    b"VALUE x\r\n",
    b"$9223372036854775807\r\n",
];

#[tokio::test]
async fn what_does_not_speak_the_protocol_is_told() {
    for banner in BANNERS {
        for address in [memcached(says(banner, false)), redis(says(banner, false))] {
            let asked = [
                open(&address).await.ping().await.map(drop),
                open(&address).await.has(b"0A1B").await.map(drop),
                open(&address).await.head(b"0A1B").await.map(drop),
                open(&address)
                    .await
                    .keys(ALL, |_| ControlFlow::Continue(()))
                    .await
                    .map(drop),
            ];
            for failure in asked.map(Result::unwrap_err) {
                assert!(
                    matches!(failure.fault, Fault::Strange { .. } | Fault::TooLong),
                    "{failure}"
                );
                assert_eq!(failure.stage, Stage::Answer);
                assert!(failure.to_string().contains(&address.to_string()));
            }
        }
    }
    let failure = open(&memcached(says(b"-ERR unknown command\r\n", false)))
        .await
        .ping()
        .await
        .unwrap_err();
    assert!(
        failure.to_string().contains("-ERR unknown command"),
        "{failure}"
    );
    let failure = open(&redis(says(b"ERROR\r\n", false))).await.ping().await;
    assert!(matches!(failure.unwrap_err().fault, Fault::Strange { .. }));
}

#[tokio::test]
async fn nobody_waits_for_a_silent_store_longer_than_he_wants() {
    for answer in [
        &b""[..],
        b"VALUE 0A1B 0 100\r\nhalf",
        b"VA 100 t1\r\nhalf",
        b"key=0A1B exp=1\r\n",
    ] {
        let address = memcached(says(answer, false));
        let mut connection = open(&address).await;
        let found = connection.keys(ALL, |_| ControlFlow::Continue(())).await;
        assert!(found.is_err());
        let head = open(&address).await.head(b"0A1B").await.unwrap_err();
        assert!(
            matches!(head.fault, Fault::TimedOut | Fault::Strange { .. }),
            "{head}"
        );
    }
    let address = redis(says(b"*2\r\n$1\r\n0\r\n*3\r\n$1\r\na\r\n", false));
    let found = open(&address)
        .await
        .keys(ALL, |_| ControlFlow::Continue(()))
        .await;
    assert!(matches!(found.unwrap_err().fault, Fault::TimedOut));
}

#[tokio::test]
async fn a_store_that_hangs_up_is_told() {
    for address in [memcached(says(b"HD t", true)), redis(says(b":1", true))] {
        let failure = open(&address).await.has(b"0A1B").await.unwrap_err();
        assert!(matches!(failure.fault, Fault::Ended), "{failure}");
    }
    // A port that was free a moment ago.
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let failure = Connection::connect(&memcached(port), TIME)
        .await
        .unwrap_err();
    assert_eq!(failure.stage, Stage::Connect);
}

/// Endless answers.
#[tokio::test]
async fn no_answer_is_read_without_end() {
    static LINE: [u8; 100_000] = [b'x'; 100_000];
    for address in [memcached(says(&LINE, false)), redis(says(&LINE, false))] {
        let failure = open(&address).await.ping().await.unwrap_err();
        assert!(matches!(failure.fault, Fault::TooLong), "{failure}");
    }
    let many = b"key=0A1B exp=-1 la=5 size=3\r\n".repeat(200).leak();
    let mut seen = 0;
    let few = Most { keys: 50, ..ALL };
    let ended = open(&memcached(says(many, false)))
        .await
        .keys(few, |_| {
            seen += 1;
            ControlFlow::Continue(())
        })
        .await;
    assert_eq!((ended.unwrap(), seen), (false, 50));
}

#[tokio::test]
async fn what_a_store_refuses_is_told_in_its_words() {
    let address = memcached(says(b"SERVER_ERROR out of memory\r\n", false));
    let failure = open(&address).await.has(b"0A1B").await.unwrap_err();
    assert!(
        failure.to_string().contains("SERVER_ERROR out of memory"),
        "{failure}"
    );
    let port = says(b"-WRONGPASS invalid username-password pair\r\n", false);
    let address = StoreAddress::redis(&format!("redis://:secret@127.0.0.1:{port}")).unwrap();
    let failure = Connection::connect(&address, TIME).await.unwrap_err();
    assert_eq!(failure.stage, Stage::Authenticate);
    assert!(failure.to_string().contains("WRONGPASS"), "{failure}");
    assert!(!failure.to_string().contains("secret"), "{failure}");
}

#[tokio::test]
async fn memcached_is_understood() {
    let ask = |answer: &'static [u8]| async move { open(&memcached(says(answer, false))).await };
    assert!(ask(b"HD t100\r\n").await.has(b"0A1B").await.unwrap());
    assert!(!ask(b"EN\r\n").await.has(b"0A1B").await.unwrap());
    // Not sent at all: nobody can have stored these.
    let mut connection = ask(b"HD\r\n").await;
    for key in [&b""[..], b"a b", b"a\r\nflush_all", &[b'a'; 251]] {
        assert!(!connection.has(key).await.unwrap());
    }
    let head = ask(b"VA 3 t77\r\nabc\r\n")
        .await
        .head(b"0A1B")
        .await
        .unwrap();
    let expected = Head {
        bytes: b"abc".to_vec(),
        size: 3,
        ttl: Some(77),
    };
    assert_eq!(head, Some(expected));
    assert_eq!(ask(b"EN\r\n").await.head(b"0A1B").await.unwrap(), None);
    let lies = ask(b"VA 2 t77\r\nabc\r\n")
        .await
        .head(b"0A1B")
        .await
        .unwrap_err();
    assert!(matches!(lies.fault, Fault::Strange { .. }));

    let found =
        memcached::dumped(b"key=bak%3A0A1B-n1 exp=1700 la=1600 cas=3 fetch=no cls=6 size=284");
    let expected = FoundKey {
        key: b"bak:0A1B-n1".to_vec(),
        expires: Some(1700),
        accessed: Some(1600),
        size: Some(284),
    };
    assert_eq!(found, Some(expected));
    for strange in [&b""[..], b"END", b"exp=1", b"key=%4", b"key=%zz", b"\xff"] {
        assert_eq!(memcached::dumped(strange), None);
    }
}

#[tokio::test]
async fn redis_is_understood() {
    let ask = |answer: &'static [u8]| async move { open(&redis(says(answer, false))).await };
    ask(b"+PONG\r\n").await.ping().await.unwrap();
    assert!(ask(b":1\r\n").await.has(b"0A1B").await.unwrap());
    assert!(!ask(b":0\r\n").await.has(b"0A1B").await.unwrap());
    let head = ask(b":5500\r\n:3\r\n$3\r\nabc\r\n")
        .await
        .head(b"0A1B")
        .await
        .unwrap();
    let expected = Head {
        bytes: b"abc".to_vec(),
        size: 3,
        ttl: Some(5),
    };
    assert_eq!(head, Some(expected));
    let absent = ask(b":-2\r\n:0\r\n$0\r\n\r\n")
        .await
        .head(b"0A1B")
        .await
        .unwrap();
    assert_eq!(absent, None);
    let list = ask(b":-1\r\n-WRONGTYPE a\r\n-WRONGTYPE a\r\n")
        .await
        .head(b"0A1B")
        .await
        .unwrap();
    assert_eq!(list.map(|head| head.size), Some(0));
    let mut seen = Vec::new();
    let ended = ask(b"*2\r\n$1\r\n0\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n")
        .await
        .keys(ALL, |found| {
            seen.push(found.key);
            ControlFlow::Continue(())
        })
        .await;
    assert!(ended.unwrap());
    assert_eq!(seen, [b"a", b"b"]);
}
