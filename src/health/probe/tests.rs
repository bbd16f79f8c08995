use std::error::Error;

use tokio::net::{TcpListener, TcpSocket, UnixListener};
use tokio::task::JoinHandle;

use super::*;

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(50);

fn health(timeout: Duration) -> Health {
    Health {
        path: Some("/shop/health?deep=1".to_owned()),
        host: None,
        interval: Duration::from_secs(2),
        timeout,
        rise: 2,
        fall: 3,
    }
}

fn tcp(addresses: &[SocketAddr]) -> Target {
    Target {
        endpoint: Endpoint::Tcp(addresses.into()),
        host: "shop.example.com".to_owned(),
    }
}

async fn read_question(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut question = Vec::new();
    while !question.ends_with(b"\r\n\r\n") {
        assert_ne!(stream.read_buf(&mut question).await.unwrap(), 0);
    }
    String::from_utf8(question).unwrap()
}

/// A backend that reads one question, answers these bytes and closes; hands out the question.
#[expect(
    clippy::disallowed_methods,
    reason = "on the test's own runtime, and awaited"
)]
async fn backend(answer: impl Into<Vec<u8>>) -> (SocketAddr, JoinHandle<String>) {
    let answer = answer.into();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let served = tokio::task::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let question = read_question(&mut stream).await;
        // We may have seen enough and closed.
        stream.write_all(&answer).await.ok();
        question
    });
    (address, served)
}

/// An address where nobody listens as long as the socket is held.
fn nobody() -> (TcpSocket, SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

async fn check_of(answer: impl Into<Vec<u8>>) -> Result<Duration, ProbeFailure> {
    let (address, served) = backend(answer).await;
    let outcome = Network.check(&tcp(&[address]), &health(LONG)).await;
    served.await.unwrap();
    outcome
}

#[tokio::test]
async fn a_check_asks_for_the_path_and_carries_no_cookie() {
    let (address, served) = backend("HTTP/1.1 200 OK\r\n\r\n").await;
    Network
        .check(&tcp(&[address]), &health(LONG))
        .await
        .unwrap();
    assert_eq!(
        served.await.unwrap(),
        "GET /shop/health?deep=1 HTTP/1.1\r\nHost: shop.example.com\r\n\
         User-Agent: cattail-health\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    );
}

#[tokio::test]
async fn a_check_may_have_a_host_of_its_own() {
    let (address, served) = backend("HTTP/1.1 200 OK\r\n\r\n").await;
    let health = Health {
        host: Some("health.internal".to_owned()),
        ..health(LONG)
    };
    Network.check(&tcp(&[address]), &health).await.unwrap();
    assert!(
        served
            .await
            .unwrap()
            .contains("\r\nHost: health.internal\r\n")
    );
}

#[tokio::test]
async fn answers_of_200_to_399_pass() {
    for status in [200, 204, 302, 399] {
        let answer = format!("HTTP/1.1 {status} Some Text\r\nX-A: b\r\n\r\nbody");
        assert!(check_of(answer).await.is_ok(), "{status}");
    }
    for status in [101, 400, 404, 500, 503] {
        let outcome = check_of(format!("HTTP/1.1 {status}\r\n\r\n")).await;
        assert!(
            matches!(outcome, Err(ProbeFailure::Status(found)) if found == status),
            "{outcome:?}"
        );
    }
}

#[tokio::test]
async fn interim_answers_are_passed_over() {
    let interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n";
    assert!(
        check_of(format!("{interim}HTTP/1.0 200 OK\r\n\r\n"))
            .await
            .is_ok()
    );
    assert!(matches!(check_of(interim).await, Err(ProbeFailure::Ended)));
    let endless = "HTTP/1.1 102 Processing\r\n\r\n".repeat(1_000);
    assert!(check_of(endless).await.is_err());
}

#[tokio::test]
async fn what_is_not_an_answer_fails() {
    assert!(matches!(check_of("").await, Err(ProbeFailure::Ended)));
    assert!(matches!(
        check_of("HTTP/1.1 200 OK\r\nX-A: b").await,
        Err(ProbeFailure::Ended)
    ));
    assert!(matches!(
        check_of("SSH-2.0-OpenSSH_9.2\r\n").await,
        Err(ProbeFailure::NotHttp(_))
    ));
    assert!(matches!(
        check_of(b"\x15\x03\x03\x00\x02\x02\x32".as_slice()).await,
        Err(ProbeFailure::NotHttp(_))
    ));
}

#[tokio::test]
async fn a_head_without_end_is_given_up() {
    let (mut ours, mut theirs) = tokio::io::duplex(1024);
    let endless = async {
        theirs.write_all(b"HTTP/1.1 200 OK\r\nX-Endless: ").await?;
        loop {
            theirs.write_all(&[b'a'; 512]).await?;
        }
    };
    let outcome = tokio::select! {
        outcome = converse(&mut ours, b"GET / HTTP/1.1\r\n\r\n") => outcome,
        ended = endless => { let ended: io::Result<u16> = ended; panic!("{ended:?}") }
    };
    assert!(
        matches!(outcome, Err(ProbeFailure::HeadTooLong)),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn any_answer_in_http_shows_that_a_backend_speaks() {
    for answer in [
        "HTTP/1.1 200 \r\nAllow: GET, HEAD, POST, PUT, DELETE, OPTIONS\r\n\r\n",
        "HTTP/1.1 400 Bad Request\r\n\r\n",
        "HTTP/1.1 503 Service Unavailable\r\n\r\n",
    ] {
        let (address, served) = backend(answer).await;
        Network.speaks_http(&tcp(&[address]), LONG).await.unwrap();
        let question = served.await.unwrap();
        assert!(
            question.starts_with("OPTIONS * HTTP/1.1\r\nHost: shop.example.com\r\n"),
            "{question}"
        );
    }
}

#[tokio::test]
async fn a_backend_that_accepts_and_says_nothing_does_not_speak() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = tcp(&[listener.local_addr().unwrap()]);
    let outcome = Network.speaks_http(&target, SHORT).await;
    assert!(
        matches!(outcome, Err(ProbeFailure::AnswerTimeout(SHORT))),
        "{outcome:?}"
    );
    let outcome = Network.check(&target, &health(SHORT)).await;
    assert_eq!(outcome.unwrap_err().to_string(), "no answer within 50 ms");
}

#[tokio::test]
async fn a_refusal_is_told_with_its_address_and_cause() {
    let (_held, address) = nobody();
    let failure = Network
        .check(&tcp(&[address]), &health(LONG))
        .await
        .unwrap_err();
    assert!(matches!(
        failure,
        ProbeFailure::Connect {
            fault: ConnectFault::Refused,
            ..
        }
    ));
    assert_eq!(failure.to_string(), format!("cannot connect to {address}"));
    assert!(failure.source().unwrap().to_string().contains("refused"));
}

#[tokio::test]
async fn the_addresses_of_a_backend_are_tried_in_order() {
    let (address, served) = backend("HTTP/1.1 200 OK\r\n\r\n").await;
    let (_held, dead) = nobody();
    let target = tcp(&[dead, address]);
    Network.check(&target, &health(LONG)).await.unwrap();
    served.await.unwrap();
}

#[tokio::test]
async fn a_name_without_addresses_cannot_be_asked() {
    let outcome = Network.check(&tcp(&[]), &health(LONG)).await;
    assert!(matches!(outcome, Err(ProbeFailure::NoAddress)));
}

#[tokio::test]
async fn a_unix_socket_is_asked_alike() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tomcat.sock");
    let target = Target {
        endpoint: Endpoint::Unix(path.as_path().into()),
        host: "localhost".to_owned(),
    };
    let failure = Network.check(&target, &health(LONG)).await.unwrap_err();
    assert!(matches!(
        failure,
        ProbeFailure::Connect {
            fault: ConnectFault::Refused,
            ..
        }
    ));

    let listener = UnixListener::bind(&path).unwrap();
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_question(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
    };
    let health = health(LONG);
    let (outcome, ()) = tokio::join!(Network.check(&target, &health), serve);
    outcome.unwrap();
}
