use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::net::TcpListener;

use super::*;

const TIMEOUT: Duration = Duration::from_secs(2);

fn memcached() -> StoreAddress {
    StoreAddress::parse("m:11211").unwrap()
}

fn redis() -> StoreAddress {
    StoreAddress::parse("redis://r").unwrap()
}

/// A connection to a store that has said `answer` already, whatever is asked; and that store,
/// which keeps the connection open.
async fn said(address: &StoreAddress, answer: &[u8]) -> (Connection<DuplexStream>, DuplexStream) {
    let (ours, mut theirs) = duplex(1 << 20);
    theirs.write_all(answer).await.unwrap();
    (
        Connection::over(ours, address, Bounds::within(TIMEOUT)),
        theirs,
    )
}

/// What the store was asked.
async fn asked(mut store: DuplexStream, connection: Connection<DuplexStream>) -> String {
    drop(connection);
    let mut text = String::new();
    store.read_to_string(&mut text).await.unwrap();
    text
}

fn told<T: std::fmt::Debug>(result: Result<T, StoreError>) -> String {
    result.unwrap_err().to_string()
}

#[tokio::test]
async fn memcached_is_asked_without_a_use_of_the_item() {
    let answers = b"VERSION 1.6.18\r\nHD t99 s5\r\nEN\r\nVA 5 t-1 s5 l7\r\nhello\r\n";
    let (mut it, store) = said(&memcached(), answers).await;
    it.ping().await.unwrap();
    assert!(it.has(b"D2-n1").await.unwrap());
    assert!(!it.has(b"D3-n1").await.unwrap());
    assert!(!it.has(b"a\r\nflush_all").await.unwrap());
    let head = it.head(b"D2-n1").await.unwrap().unwrap();
    assert_eq!((&head.bytes[..], head.size), (&b"hello"[..], 5));
    assert_eq!((head.expiry, head.idle_seconds), (Expiry::Never, Some(7)));
    let questions = "version\r\nmg D2-n1 t s u\r\nmg D3-n1 t s u\r\nmg D2-n1 v t s l u\r\n";
    assert_eq!(asked(store, it).await, questions);
}

#[tokio::test]
async fn of_a_long_value_the_start_is_kept_and_the_connection_goes_on() {
    let value = "x".repeat(100_000);
    let answers = format!("VA 100000 t5 s100000 l0\r\n{value}\r\nHD t1\r\n");
    let (mut it, _store) = said(&memcached(), answers.as_bytes()).await;
    let head = it.head(b"D2-n1").await.unwrap().unwrap();
    assert_eq!((head.bytes.len(), head.size), (512, 100_000));
    assert!(it.has(b"D2-n1").await.unwrap());
}

#[tokio::test]
async fn redis_is_asked_for_the_start_of_a_value() {
    let answers = b"+PONG\r\n:1\r\n-ERR unknown\r\n:7\r\n:60000\r\n:900\r\n$5\r\nhe\r\no\r\n";
    let (mut it, store) = said(&redis(), answers).await;
    it.ping().await.unwrap();
    assert!(it.has(b"D2").await.unwrap());
    let head = it.head(b"D2").await.unwrap().unwrap();
    assert_eq!((&head.bytes[..], head.size), (&b"he\r\no"[..], 900));
    assert_eq!(head.idle_seconds, Some(7));
    assert!(matches!(head.expiry, Expiry::At(_)));
    let questions = asked(store, it).await;
    assert!(
        questions.contains("GETRANGE\r\n$2\r\nD2\r\n$1\r\n0\r\n$3\r\n511\r\n"),
        "{questions}"
    );
}

#[tokio::test]
async fn a_key_that_is_gone_and_one_that_is_no_text_are_told_apart_in_redis() {
    let gone = b"+OK\r\n$-1\r\n:-2\r\n:0\r\n$0\r\n\r\n";
    let (mut it, _store) = said(&redis(), gone).await;
    assert_eq!(it.head(b"D2").await.unwrap(), None);
    let list = b"+OK\r\n:0\r\n:-1\r\n-WRONGTYPE no\r\n-WRONGTYPE no\r\n";
    let (mut it, _store) = said(&redis(), list).await;
    assert_eq!(it.head(b"D2").await.unwrap().unwrap().size, 0);
}

#[tokio::test]
async fn all_keys_of_memcached_are_read_line_by_line() {
    let answers = b"key=a%20b exp=-1 la=1 size=2\nkey=c exp=9 la=1 size=3\nEND\r\nEN\r\n";
    let (mut it, _store) = said(&memcached(), answers).await;
    let mut keys = it.keys();
    let mut found = Vec::new();
    while let Some(entry) = keys.next().await {
        found.push(entry.unwrap().key);
    }
    assert_eq!(found, [&b"a b"[..], b"c"]);
    assert!(it.is_usable() && !it.has(b"D2-n1").await.unwrap());
}

#[tokio::test]
async fn all_keys_of_redis_are_read_page_by_page_and_what_is_gone_is_left_out() {
    let about = |left: i32| format!(":3\r\n:{left}\r\n:8\r\n");
    let answers = [
        "-ERR\r\n*2\r\n$2\r\n17\r\n*0\r\n".to_owned(),
        "*2\r\n$1\r\n0\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n".to_owned(),
        about(-2),
        about(-1),
    ];
    let (mut it, store) = said(&redis(), answers.concat().as_bytes()).await;
    let mut keys = it.keys();
    let entry = keys.next().await.unwrap().unwrap();
    assert_eq!((&entry.key[..], entry.size), (&b"b"[..], Some(8)));
    assert!(keys.next().await.is_none());
    let questions = asked(store, it).await;
    assert_eq!(questions.matches("SCAN").count(), 2);
    assert!(!questions.contains("KEYS"));
}

#[tokio::test]
async fn an_endless_list_of_keys_ends() {
    let (ours, mut theirs) = duplex(1 << 20);
    let bounds = Bounds {
        most_keys: 3,
        ..Bounds::within(TIMEOUT)
    };
    let mut it = Connection::over(ours, &memcached(), bounds);
    theirs.write_all(&b"key=a exp=1\n".repeat(9)).await.unwrap();
    let mut keys = it.keys();
    for _ in 0..3 {
        assert!(keys.next().await.unwrap().is_ok());
    }
    let last = keys.next().await.unwrap();
    assert_eq!(told(last), "m:11211: answer: more than 3 keys");
    assert!(keys.next().await.is_none() && !it.is_usable());
}

#[tokio::test]
async fn whoever_is_no_memcached_is_named() {
    for (answer, expected) in [
        (
            &b"HTTP/1.1 400 Bad Request\r\n"[..],
            "this is an HTTP server, not memcached",
        ),
        (
            b"SSH-2.0-OpenSSH_9.2\r\n",
            "this is an SSH server, not memcached",
        ),
        (
            b"-ERR unknown command 'mg', with args 'D2-n1'\r\n",
            "this is redis, not memcached",
        ),
        (
            b"SERVER_ERROR out of memory\r\n",
            "the store says: SERVER_ERROR out of memory",
        ),
        (
            b"ERROR\r\n",
            "the store says: ERROR; memcached before 1.6 does not know this question",
        ),
        (b"VALUE x\r\n", "not an answer: \"VALUE x\""),
        (b"\0\xff\r\n", "not an answer: \"\u{fffd}\""),
    ] {
        let (mut it, _store) = said(&memcached(), answer).await;
        assert_eq!(
            told(it.has(b"D2-n1").await),
            format!("m:11211: answer: {expected}")
        );
        assert_eq!(
            told(it.has(b"D2-n1").await),
            "m:11211: ask: the connection is out of step"
        );
    }
}

#[tokio::test]
async fn whoever_is_no_redis_is_named() {
    for (answer, expected) in [
        (&b"ERROR\r\n"[..], "this is memcached, not redis"),
        (b"HTTP/1.1 400\r\n", "this is an HTTP server, not redis"),
        (
            b"-NOAUTH Authentication required.\r\n",
            "the store says: NOAUTH Authentication required.",
        ),
        (b"-LOADING wait\r\n", "the store says: LOADING wait"),
        (b":7\r\n", "not an answer: \"a number\""),
        (b"$9\r\n", "not an answer: \"a value\""),
    ] {
        let (mut it, _store) = said(&redis(), answer).await;
        let told = told(it.has(b"D2").await);
        assert_eq!(told, format!("redis://r:6379: answer: {expected}"));
    }
}

#[tokio::test]
async fn lengths_that_lie_are_errors() {
    for (answer, expected) in [
        (
            &b"VA 3 t1\r\nhello\r\n"[..],
            "not an answer: \"a value with a wrong length\"",
        ),
        (b"VA 99999999999 t1\r\n", "a value of 99999999999 bytes"),
        (b"VA -1 t1\r\n", "not an answer: \"VA -1 t1\""),
    ] {
        let (mut it, _store) = said(&memcached(), answer).await;
        assert_eq!(
            told(it.head(b"D2-n1").await),
            format!("m:11211: answer: {expected}")
        );
    }
    let long = "x".repeat(20_000);
    let (mut it, _store) = said(&memcached(), long.as_bytes()).await;
    assert_eq!(
        told(it.ping().await),
        "m:11211: answer: a line of more than 8192 bytes"
    );
    let (mut it, _store) = said(&redis(), b"+OK\r\n:1\r\n:1\r\n:9\r\n$999\r\n").await;
    assert_eq!(
        told(it.head(b"D2").await),
        "redis://r:6379: answer: a value of 999 bytes"
    );
}

#[tokio::test(start_paused = true)]
async fn a_silent_store_costs_the_time_out_and_no_more() {
    for answer in [&b""[..], b"HD", b"VA 9 t1\r\nabc"] {
        let (mut it, _store) = said(&memcached(), answer).await;
        let start = Instant::now();
        let told = told(it.head(b"D2-n1").await.map(|_| ()));
        assert_eq!(told, "m:11211: answer: not done within 2000 ms");
        assert_eq!(start.elapsed(), TIMEOUT);
        assert!(!it.is_usable());
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_drips_costs_the_time_out_as_a_whole() {
    let (mut it, mut store) = said(&memcached(), b"").await;
    let drip = async {
        while store.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    };
    let start = Instant::now();
    tokio::select! {
        result = it.ping() => {
            assert_eq!(told(result), "m:11211: answer: not done within 2000 ms");
        }
        () = drip => panic!("the store ended first"),
    }
    assert_eq!(start.elapsed(), TIMEOUT);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_reads_nothing_costs_the_time_out() {
    let (ours, _theirs) = duplex(4);
    let mut it = Connection::over(ours, &memcached(), Bounds::within(TIMEOUT));
    let told = told(it.has(b"D2-n1").await);
    assert_eq!(told, "m:11211: ask: not done within 2000 ms");
}

#[tokio::test]
async fn a_store_that_hangs_up_is_an_error() {
    let (mut it, store) = said(&memcached(), b"H").await;
    drop(store);
    let stages = [
        "m:11211: ask: ",
        "m:11211: answer: the store closed the connection",
    ];
    let told = told(it.has(b"D2-n1").await);
    assert!(stages.iter().any(|stage| told.starts_with(stage)), "{told}");
}

#[tokio::test]
async fn nobody_listening_is_an_error_of_connecting() {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = socket.local_addr().unwrap().port();
    drop(socket);
    let address = StoreAddress::parse(&format!("127.0.0.1:{port}")).unwrap();
    let error = Connection::connect(&address, TIMEOUT).await.unwrap_err();
    assert_eq!(error.stage, Stage::Connect);
}

/// Signs in at a redis that gives `answers`, and says what it was asked.
async fn signed_in(url: &str, answers: &[u8]) -> (Result<(), StoreError>, String) {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = socket.local_addr().unwrap().port();
    let address = StoreAddress::parse(&url.replace("PORT", &port.to_string())).unwrap();
    let store = async {
        let (mut stream, _) = socket.accept().await.unwrap();
        stream.write_all(answers).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    };
    let client = async { Connection::connect(&address, TIMEOUT).await.map(drop) };
    tokio::join!(client, store)
}

#[tokio::test]
async fn redis_is_told_password_and_database() {
    let (result, asked) = signed_in("redis://:pw@127.0.0.1:PORT/3", b"+OK\r\n+OK\r\n").await;
    result.unwrap();
    assert_eq!(
        asked,
        "*2\r\n$4\r\nAUTH\r\n$2\r\npw\r\n*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n"
    );
    let (result, asked) =
        signed_in("redis://u:pw@127.0.0.1:PORT", b"-WRONGPASS no\r\n+OK\r\n").await;
    result.unwrap();
    assert_eq!(asked.matches("AUTH").count(), 2, "{asked}");
}

#[tokio::test]
async fn a_wrong_password_is_an_error_without_the_password() {
    let url = "redis://someone:sesame@127.0.0.1:PORT";
    let (result, _) = signed_in(url, b"-WRONGPASS bad\r\n-WRONGPASS bad\r\n").await;
    let error = result.unwrap_err();
    assert_eq!(error.stage, Stage::Authenticate);
    let shown = format!("{error} {error:?}");
    assert!(
        shown.contains("WRONGPASS bad") && !shown.contains("sesame"),
        "{shown}"
    );
}

#[test]
fn what_waits_for_a_store_may_change_threads() {
    fn sendable<T: Send>(_: T) {}
    let address = memcached();
    sendable(Connection::connect(&address, TIMEOUT));
    let (ours, _theirs) = duplex(1);
    let mut it = Connection::over(ours, &address, Bounds::within(TIMEOUT));
    sendable(it.has(b"D2-n1"));
}
