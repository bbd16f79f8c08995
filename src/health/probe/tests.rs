use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, UnixListener};
use tokio::task::JoinHandle;

use crate::cluster::ConnectFault;
use crate::config::{HttpCheck, Pattern, Statuses};

use super::*;

mod kept;

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(50);

fn health(timeout: Duration) -> Health {
    Health {
        timeout,
        ..Health::of_path("/shop/health?deep=1")
    }
}

fn of(check: HttpCheck) -> Health {
    Health {
        timeout: LONG,
        check: Some(Check::Http(Box::new(check))),
        ..Health::unchecked()
    }
}

fn network(health: &Health) -> Network {
    let cookies = ["JSESSIONID".to_owned()];
    Network::new(
        health,
        "shop.example.com",
        health.port,
        &cookies,
        Ways::default(),
    )
}

fn tcp(addresses: &[SocketAddr]) -> Endpoint {
    Endpoint::Tcp(addresses.into())
}

async fn read_question(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut question = Vec::new();
    while !question.ends_with(b"\r\n\r\n") {
        assert_ne!(stream.read_buf(&mut question).await.unwrap(), 0);
    }
    String::from_utf8(question).unwrap()
}

/// A backend with a connection for each list of answers: it answers one question after the other
/// and closes. Hands out the questions.
#[expect(
    clippy::disallowed_methods,
    reason = "on the test's own runtime, and awaited"
)]
async fn backend<A>(connections: Vec<Vec<A>>) -> (SocketAddr, JoinHandle<Vec<String>>)
where
    A: AsRef<[u8]> + Send + Sync + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let served = tokio::task::spawn(async move {
        let mut questions = Vec::new();
        for answers in connections {
            let (mut stream, _) = listener.accept().await.unwrap();
            for answer in answers {
                questions.push(read_question(&mut stream).await);
                // We may have seen enough and closed.
                stream.write_all(answer.as_ref()).await.ok();
            }
        }
        questions
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

/// A check that meets this answer, and the connection's end behind it.
async fn found(health: &Health, answer: impl AsRef<[u8]>) -> Found {
    let (address, served) = backend(vec![vec![answer.as_ref().to_vec()]]).await;
    let found = network(health).check(&tcp(&[address])).await;
    served.await.unwrap();
    found
}

async fn check_of(answer: impl AsRef<[u8]>) -> Result<Verdict, ProbeFailure> {
    found(&health(LONG), answer).await.verdict
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK";

#[tokio::test]
async fn a_check_asks_for_the_path_and_carries_no_cookie() {
    let (address, served) = backend(vec![vec![OK]]).await;
    let found = network(&health(LONG)).check(&tcp(&[address])).await;
    assert_eq!(found.verdict.unwrap(), Verdict::Passes);
    assert_eq!(
        served.await.unwrap(),
        [
            "GET /shop/health?deep=1 HTTP/1.1\r\nHost: shop.example.com\r\n\
         User-Agent: cattail-health\r\nAccept: */*\r\n\r\n"
        ]
    );
}

#[tokio::test]
async fn a_check_may_have_a_method_a_host_and_headers_of_its_own() {
    let (address, served) = backend(vec![vec![OK]]).await;
    let headers = [("x-probe", "a b"), ("accept", "text/plain")];
    let headers = headers.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
    let health = Health {
        host: Some("health.internal".to_owned()),
        interval: KEPT * 2,
        ..of(HttpCheck {
            method: http::Method::OPTIONS,
            headers: headers.to_vec(),
            ..HttpCheck::get("*")
        })
    };
    network(&health)
        .check(&tcp(&[address]))
        .await
        .verdict
        .unwrap();
    assert_eq!(
        served.await.unwrap(),
        [
            "OPTIONS * HTTP/1.1\r\nHost: health.internal\r\nUser-Agent: cattail-health\r\n\
         x-probe: a b\r\naccept: text/plain\r\nConnection: close\r\n\r\n"
        ]
    );
}

#[tokio::test]
async fn statuses_decide() {
    let health = of(HttpCheck {
        statuses: Statuses(vec![200..=399, 401..=401]),
        drain_on: Statuses(vec![404..=404, 500..=599]),
        ..HttpCheck::get("/")
    });
    for (status, verdict) in [
        (200, Some(Verdict::Passes)),
        (204, Some(Verdict::Passes)),
        (302, Some(Verdict::Passes)),
        (399, Some(Verdict::Passes)),
        (401, Some(Verdict::Passes)),
        (404, Some(Verdict::Drains)),
        (503, Some(Verdict::Drains)),
        (101, None),
        (400, None),
        (403, None),
    ] {
        let answer = format!("HTTP/1.1 {status} Some Text\r\nX-A: b\r\n\r\nbody");
        let found = found(&health, answer).await;
        match (verdict, found.verdict) {
            (Some(expected), Ok(verdict)) => assert_eq!(verdict, expected, "{status}"),
            (None, Err(ProbeFailure::Status(found))) => assert_eq!(found, status),
            other => panic!("{status}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_body_decides_however_it_is_framed() {
    let health = of(HttpCheck {
        body: Some("\"status\":\"UP\"".to_owned()),
        body_regex: Some(Pattern(regex::Regex::new("(?i)db.*ok").unwrap())),
        ..HttpCheck::get("/")
    });
    let good = "{\"status\":\"UP\", DB is ok}";
    let (half, rest) = good.split_at(9);
    let length = good.len();
    for (answer, passes) in [
        (
            format!("HTTP/1.1 200\r\nContent-Length: {length}\r\n\r\n{good}"),
            true,
        ),
        (format!("HTTP/1.1 200\r\n\r\n{good}"), true),
        (
            format!(
                "HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n\
                 9;x=y\r\n{half}\r\n{:x}\r\n{rest}\r\n0\r\nX-T: u\r\n\r\n",
                rest.len()
            ),
            true,
        ),
        ("HTTP/1.1 200\r\n\r\n{\"status\":\"UP\"}".to_owned(), false),
        ("HTTP/1.1 200\r\n\r\nDB is ok".to_owned(), false),
        ("HTTP/1.1 204\r\n\r\n".to_owned(), false),
    ] {
        match found(&health, &answer).await.verdict {
            Ok(verdict) => assert!(passes && verdict == Verdict::Passes, "{answer}"),
            Err(failure) => assert!(!passes && matches!(failure, ProbeFailure::Body), "{answer}"),
        }
    }
    // What is cut off is no answer.
    let cut = format!("HTTP/1.1 200\r\nContent-Length: 999\r\n\r\n{good}");
    let outcome = found(&health, cut).await.verdict;
    assert!(matches!(outcome, Err(ProbeFailure::Ended)), "{outcome:?}");
    let lies = "HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\nfive\r\n";
    let outcome = found(&health, lies).await.verdict;
    assert!(matches!(outcome, Err(ProbeFailure::BadBody)), "{outcome:?}");
}

#[tokio::test]
async fn a_body_without_end_is_judged_by_its_beginning() {
    for (text, passes) in [("begins", true), ("absent", false)] {
        let health = of(HttpCheck {
            body: Some(text.to_owned()),
            ..HttpCheck::get("/")
        });
        let endless = [
            b"HTTP/1.1 200\r\n\r\nbegins".as_slice(),
            &vec![b'x'; 1 << 20],
        ]
        .concat();
        let outcome = found(&health, endless).await.verdict;
        assert_eq!(outcome.is_ok(), passes, "{outcome:?}");
    }
}

#[tokio::test]
async fn a_session_that_a_check_makes_is_seen() {
    let made =
        |cookie: &str| format!("HTTP/1.1 500\r\nSet-Cookie: a=b\r\nSet-Cookie: {cookie}\r\n\r\n");
    for (cookie, expected) in [
        ("JSESSIONID=0123ABC.jvm1; Path=/", Made::Session),
        ("jsessionid=0123ABC.jvm1; Path=/", Made::Nothing),
        ("JSESSIONID=; Max-Age=0", Made::Nothing),
        ("c=d", Made::Nothing),
    ] {
        let found = found(&health(LONG), made(cookie)).await;
        assert_eq!(found.made, Some(expected), "{cookie}");
    }
    assert_eq!(found(&health(LONG), "").await.made, None);
}

#[tokio::test]
async fn a_session_is_seen_though_the_body_behind_it_breaks_or_never_ends() {
    let of_the_body = |timeout| Health {
        timeout,
        ..of(HttpCheck {
            body: Some("UP".to_owned()),
            ..HttpCheck::get("/")
        })
    };
    let begun = "HTTP/1.1 200\r\nSet-Cookie: JSESSIONID=0123ABC.jvm1\r\n";
    for broken in [
        "Content-Length: 10\r\n\r\nU",
        "Transfer-Encoding: chunked\r\n\r\n!",
    ] {
        let found = found(&of_the_body(LONG), [begun, broken].concat()).await;
        assert_eq!(found.made, Some(Made::Session), "{broken}");
        assert!(
            matches!(
                found.verdict,
                Err(ProbeFailure::Ended | ProbeFailure::BadBody)
            ),
            "{found:?}"
        );
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let health = of_the_body(SHORT);
    let mut network = network(&health);
    let endpoint = tcp(&[address]);
    let hang = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_question(&mut stream).await;
        let head = [begun, "Content-Length: 10\r\n\r\nU"].concat();
        stream.write_all(head.as_bytes()).await.unwrap();
        stream
    };
    let (found, _stream) = tokio::join!(network.check(&endpoint), hang);
    assert_eq!(found.made, Some(Made::Session));
    assert!(
        matches!(found.verdict, Err(ProbeFailure::AnswerTimeout(_))),
        "{found:?}"
    );
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
    let endless = [
        b"HTTP/1.1 200 OK\r\nX-Endless: ".as_slice(),
        &vec![b'a'; 1 << 20],
    ]
    .concat();
    let outcome = check_of(endless).await;
    assert!(
        matches!(outcome, Err(ProbeFailure::HeadTooLong)),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn a_check_by_tcp_is_a_connection() {
    let health = Health {
        check: Some(Check::Tcp),
        ..health(LONG)
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = tcp(&[listener.local_addr().unwrap()]);
    let found = network(&health).check(&endpoint).await;
    assert_eq!(found.verdict.unwrap(), Verdict::Passes);
    drop(listener);
    let failure = network(&health).check(&endpoint).await.verdict.unwrap_err();
    assert!(matches!(failure, ProbeFailure::Connect { .. }));
}

#[tokio::test]
async fn a_check_may_ask_another_port() {
    let (address, served) = backend(vec![vec![OK]]).await;
    let (_held, dead) = nobody();
    let health = Health {
        port: Some(address.port()),
        ..health(LONG)
    };
    let mut network = network(&health);
    assert_eq!(network.aim(), Aim::Elsewhere);
    network.check(&tcp(&[dead])).await.verdict.unwrap();
    served.await.unwrap();
}

#[tokio::test]
async fn any_answer_in_http_shows_that_a_backend_speaks() {
    for answer in [
        "HTTP/1.1 200 \r\nAllow: GET, HEAD, POST, PUT, DELETE, OPTIONS\r\n\r\n",
        "HTTP/1.1 400 Bad Request\r\n\r\n",
        "HTTP/1.1 503 Service Unavailable\r\n\r\n",
    ] {
        let (address, served) = backend(vec![vec![answer]]).await;
        let mut network = network(&health(LONG));
        network.speaks_http(&tcp(&[address])).await.unwrap();
        let question = served.await.unwrap().remove(0);
        assert!(
            question.starts_with("OPTIONS * HTTP/1.1\r\nHost: shop.example.com\r\n"),
            "{question}"
        );
    }
}

#[tokio::test]
async fn a_backend_that_accepts_and_says_nothing_does_not_speak() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = tcp(&[listener.local_addr().unwrap()]);
    let mut network = network(&health(SHORT));
    let outcome = network.speaks_http(&endpoint).await;
    assert!(
        matches!(outcome, Err(ProbeFailure::AnswerTimeout(SHORT))),
        "{outcome:?}"
    );
    let outcome = network.check(&endpoint).await.verdict;
    assert_eq!(outcome.unwrap_err().to_string(), "no answer within 50 ms");
}

#[tokio::test]
async fn a_refusal_is_told_with_its_address_and_cause() {
    let (_held, address) = nobody();
    let found = network(&health(LONG)).check(&tcp(&[address])).await;
    let failure = found.verdict.unwrap_err();
    assert!(matches!(
        failure,
        ProbeFailure::Connect {
            fault: ConnectFault::Refused,
            ..
        }
    ));
    let told = failure.to_string();
    assert!(
        told.starts_with(&format!("cannot connect to {address}: ")),
        "{told}"
    );
    assert!(told.contains("refused"), "{told}");
}

#[tokio::test]
async fn the_addresses_of_a_backend_are_tried_in_order() {
    let (address, served) = backend(vec![vec![OK]]).await;
    let (_held, dead) = nobody();
    let found = network(&health(LONG)).check(&tcp(&[dead, address])).await;
    found.verdict.unwrap();
    served.await.unwrap();
}

#[tokio::test]
async fn a_name_without_addresses_cannot_be_asked() {
    let found = network(&health(LONG)).check(&tcp(&[])).await;
    assert!(matches!(found.verdict, Err(ProbeFailure::NoAddress)));
}

#[tokio::test]
async fn a_unix_socket_is_asked_alike() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tomcat.sock");
    let endpoint = Endpoint::Unix(path.as_path().into());
    let mut network = network(&health(LONG));
    let failure = network.check(&endpoint).await.verdict.unwrap_err();
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
        stream.write_all(OK.as_bytes()).await.unwrap();
    };
    let (found, ()) = tokio::join!(network.check(&endpoint), serve);
    found.verdict.unwrap();
    // Its machine is this one.
    let moved = endpoint.at_port(8081);
    assert_eq!(moved, tcp(&[SocketAddr::from(([127, 0, 0, 1], 8081))]));
}
