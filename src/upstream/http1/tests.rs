//! Answers in pieces, and hyper's own reading of the same bytes beside ours.

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

/// What a reader makes of an answer.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    status: StatusCode,
    fields: HeaderMap,
    body: Vec<u8>,
    trailers: HeaderMap,
    end: End,
}

#[derive(Debug, Default, Clone, Copy, PartialEq)]
enum End {
    /// All of it is there.
    Whole,
    /// It has a head, and not all of its body.
    Cut,
    /// It has no head.
    #[default]
    None,
}

/// Ours, of bytes that come in pieces of this many, before the connection ends.
fn seen(method: &Method, bytes: &[u8], pieces: &[usize]) -> (Seen, Answer, BytesMut) {
    let (mut answer, mut input, mut seen) = (Answer::to(method), BytesMut::new(), Seen::default());
    let (mut rest, mut pieces) = (bytes, pieces.iter().cycle());
    loop {
        match answer.next(&mut input) {
            Ok(Some(Part::Interim(_))) => {}
            Ok(Some(Part::Head(head))) => {
                seen.status = head.status();
                seen.fields = head.headers().clone();
                seen.end = End::Cut;
            }
            Ok(Some(Part::Data(data))) => seen.body.extend_from_slice(&data),
            Ok(Some(Part::Trailers(fields))) => seen.trailers = fields,
            Ok(Some(Part::End)) => seen.end = End::Whole,
            Ok(None) if rest.is_empty() => {
                if answer.ends_with_connection() {
                    seen.end = End::Whole;
                }
                return (seen, answer, input);
            }
            Ok(None) => {
                let length = pieces
                    .next()
                    .map_or(1, |length| (*length).clamp(1, rest.len()));
                let (piece, after) = rest.split_at(length);
                input.extend_from_slice(piece);
                rest = after;
            }
            Err(_) => return (seen, answer, input),
        }
        if answer.is_over() && seen.end != End::None {
            seen.end = End::Whole;
            input.extend_from_slice(rest);
            return (seen, answer, input);
        }
    }
}

/// hyper's.
fn hypers(method: &Method, bytes: &[u8]) -> Seen {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let (near, mut far) = tokio::io::duplex(1 << 20);
        let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
            .max_headers(256)
            .handshake(TokioIo::new(near))
            .await
            .unwrap();
        let request = Request::builder()
            .method(method)
            .uri("/")
            .body(Empty::<Bytes>::new());
        let sent = sender.send_request(request.unwrap());
        let backend = async {
            // What comes unasked is no answer.
            assert_ne!(far.read(&mut [0; 4096]).await.unwrap(), 0);
            far.write_all(bytes).await.unwrap();
            // The request is read by nobody, and there is room for it.
            far.shutdown().await.unwrap();
            // Some answers are refused at once.
            std::mem::forget(far);
        };
        let client = async {
            let mut seen = Seen::default();
            let Ok(answer) = sent.await else { return seen };
            seen.status = answer.status();
            seen.fields = answer.headers().clone();
            seen.end = End::Cut;
            let mut body = answer.into_body();
            loop {
                match body.frame().await {
                    None => {
                        seen.end = End::Whole;
                        return seen;
                    }
                    Some(Err(_)) => return seen,
                    Some(Ok(frame)) => match frame.into_data() {
                        Ok(data) => seen.body.extend_from_slice(&data),
                        Err(frame) => seen.trailers = frame.into_trailers().unwrap(),
                    },
                }
            }
        };
        let (seen, (), _) = tokio::join!(client, backend, connection);
        seen
    })
}

/// How an answer's body is put.
#[derive(Debug, Clone)]
enum Framed {
    Length(Vec<u8>),
    Chunks(Vec<Vec<u8>>, bool, bool),
    ToTheEnd(Vec<u8>),
}

fn framed() -> impl Strategy<Value = Framed> {
    let piece = || prop::collection::vec(any::<u8>(), 1..40);
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..80).prop_map(Framed::Length),
        (
            prop::collection::vec(piece(), 0..4),
            any::<bool>(),
            any::<bool>()
        )
            .prop_map(|(pieces, extends, trails)| Framed::Chunks(pieces, extends, trails)),
        prop::collection::vec(any::<u8>(), 0..80).prop_map(Framed::ToTheEnd),
    ]
}

/// A well-formed answer as bytes.
fn bytes_of(status: u16, version: u8, interim: bool, framed: &Framed) -> Vec<u8> {
    let mut bytes = Vec::new();
    if interim {
        bytes.extend_from_slice(b"HTTP/1.1 103 Early\r\nLink: </a>\r\n\r\n");
    }
    bytes.extend_from_slice(
        format!("HTTP/1.{version} {status} Some words\r\nX-One: 1\r\n").as_bytes(),
    );
    bytes.extend_from_slice(b"Set-Cookie: a=1; Path=/\r\nset-cookie: b=\xe4\r\nEmpty:\r\n");
    match framed {
        Framed::Length(body) => {
            bytes.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
            bytes.extend_from_slice(body);
        }
        Framed::ToTheEnd(body) => {
            bytes.extend_from_slice(b"\r\n");
            bytes.extend_from_slice(body);
        }
        Framed::Chunks(pieces, extends, trails) => {
            bytes.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
            let extension = if *extends { " ; a=\"b\"" } else { "" };
            for piece in pieces {
                bytes.extend_from_slice(format!("{:X}{extension}\r\n", piece.len()).as_bytes());
                bytes.extend_from_slice(piece);
                bytes.extend_from_slice(b"\r\n");
            }
            let trailers = if *trails { "X-Sum: 7\r\n" } else { "" };
            bytes.extend_from_slice(format!("000{extension}\r\n{trailers}\r\n").as_bytes());
        }
    }
    bytes
}

proptest! {
    #[test]
    fn what_is_well_formed_is_read_as_hyper_reads_it(
        status in prop_oneof![Just(200_u16), Just(204), Just(304), Just(404), 200..600_u16],
        interim: bool,
        is_head: bool,
        framed in framed(),
        pieces in prop::collection::vec(1_usize..50, 1..6),
    ) {
        let method = if is_head { Method::HEAD } else { Method::GET };
        let has_none = is_head || status == 204 || status == 304;
        let framed = if has_none { Framed::Length(Vec::new()) } else { framed };
        let bytes = bytes_of(status, 1, interim, &framed);
        let (ours, answer, rest) = seen(&method, &bytes, &pieces);
        prop_assert_eq!(&ours, &hypers(&method, &bytes));
        prop_assert_eq!(ours.end, End::Whole);
        prop_assert!(rest.is_empty());
        prop_assert_eq!(answer.is_last(), matches!(framed, Framed::ToTheEnd(_)));
    }

    #[test]
    fn what_is_cut_off_is_never_whole(
        framed in framed().prop_filter("ends itself", |framed| !matches!(framed, Framed::ToTheEnd(_))),
        lacks in 1_usize..60,
        pieces in prop::collection::vec(1_usize..50, 1..6),
    ) {
        let bytes = bytes_of(200, 1, false, &framed);
        let bytes = &bytes[..bytes.len() - lacks];
        let (ours, ..) = seen(&Method::GET, bytes, &pieces);
        prop_assert_eq!(&ours, &hypers(&Method::GET, bytes));
        prop_assert_ne!(ours.end, End::Whole);
    }

    /// What is not well formed we may refuse and hyper read, but never read in another way.
    #[test]
    fn whatever_comes_is_read_as_hyper_reads_it_or_not_at_all(
        head in prop::collection::vec(0..WORDS.len(), 0..6),
        body in prop::collection::vec(0..WORDS.len(), 0..8),
        pieces in prop::collection::vec(1_usize..50, 1..6),
    ) {
        let words = |numbers: &[usize]| numbers.iter().map(|number| WORDS[*number]).collect::<String>();
        let bytes = format!("HTTP/1.1 200 OK\r\n{}\r\n\r\n{}", words(&head), words(&body));
        let (ours, ..) = seen(&Method::GET, bytes.as_bytes(), &pieces);
        let at_once = seen(&Method::GET, bytes.as_bytes(), &[usize::MAX]).0;
        prop_assert_eq!(&ours, &at_once, "it matters how it is cut");
        if ours.end == End::Whole {
            prop_assert_eq!(ours, hypers(&Method::GET, bytes.as_bytes()));
        }
    }
}

const WORDS: &[&str] = &[
    "Transfer-Encoding: chunked\r\n",
    "Content-Length: 5\r\n",
    "Content-Length: 0\r\n",
    "X: y\r\n",
    "Connection: close\r\n",
    "\r\n",
    "\r",
    "\n",
    "5\r\n",
    "0\r\n",
    "0",
    "5",
    "whole",
    "\r\n0\r\n\r\n",
    ";x\r\n",
    "a",
    " ",
    "\t",
    "ffffffffffffffff\r\n",
    "X: y\n",
    " folded\r\n",
    ":",
    "HTTP/1.1 100 Continue\r\n\r\n",
    "\0",
];

#[test]
fn an_answer_says_whether_another_may_follow() {
    let cases = [
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", false),
        (
            "HTTP/1.1 204 OK\r\nConnection: Keep-Alive, CLOSE\r\n\r\n",
            true,
        ),
        ("HTTP/1.0 204 OK\r\n\r\n", true),
        ("HTTP/1.0 204 OK\r\nConnection: keep-alive\r\n\r\n", false),
        (
            "HTTP/1.0 204 OK\r\nConnection: close, keep-alive\r\n\r\n",
            true,
        ),
        ("HTTP/1.1 204 OK\r\nContent-Length: 9\r\n\r\n", true),
        ("HTTP/1.1 304 OK\r\nContent-Length: 9\r\n\r\n", false),
        ("HTTP/1.1 200 OK\r\n\r\n", true),
        (
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
            true,
        ),
    ];
    for (bytes, is_last) in cases {
        let (seen, answer, _) = seen(&Method::GET, bytes.as_bytes(), &[usize::MAX]);
        assert_eq!(
            (seen.end, answer.is_last()),
            (End::Whole, is_last),
            "{bytes:?}"
        );
    }
}

#[test]
fn what_two_could_read_in_two_ways_is_refused() {
    let chunked =
        |rest: &str| format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{rest}");
    let plain = |fields: &str| format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\nwhole");
    let cases = [
        (chunked("5\nwhole\r\n0\r\n\r\n"), BadAnswer::Chunk),
        (chunked("5\r\nwhole\n0\r\n\r\n"), BadAnswer::Chunk),
        (chunked("5\r\r\nwhole\r\n0\r\n\r\n"), BadAnswer::Chunk),
        (chunked("5;a\rb\r\nwhole\r\n0\r\n\r\n"), BadAnswer::Chunk),
        (chunked("5 5\r\nwhole\r\n0\r\n\r\n"), BadAnswer::Chunk),
        (chunked("\r\nwhole\r\n0\r\n\r\n"), BadAnswer::Chunk),
        (
            chunked("10000000000000005\r\nwhole\r\n0\r\n\r\n"),
            BadAnswer::Chunk,
        ),
        (
            chunked("0\r\n\nX: y\r\n\r\n"),
            BadAnswer::Trailers(httparse::Error::NewLine),
        ),
        (
            plain("Content-Length: 5\r\nContent-Length: 5"),
            BadAnswer::Length,
        ),
        (
            plain("Content-Length: 5\r\nTransfer-Encoding: chunked"),
            BadAnswer::TwoFramings,
        ),
        (plain("Transfer-Encoding: gzip, chunked"), BadAnswer::Coding),
        (
            plain("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
            BadAnswer::Coding,
        ),
        (plain("Content-Length: +5"), BadAnswer::Length),
        (
            plain("Content-Length: 18446744073709551616"),
            BadAnswer::Length,
        ),
        (
            plain("Content-Length : 5"),
            BadAnswer::Head(httparse::Error::HeaderName),
        ),
        (
            "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".into(),
            BadAnswer::Coding,
        ),
    ];
    for (bytes, wanted) in cases {
        let (mut answer, mut input) = (Answer::to(&Method::GET), BytesMut::from(bytes.as_str()));
        let refused = loop {
            match answer.next(&mut input) {
                Ok(Some(part)) => assert!(!matches!(part, Part::End), "{bytes:?} is whole"),
                Ok(None) => panic!("{bytes:?} is believed"),
                Err(refused) => break refused,
            }
        };
        assert_eq!(refused, wanted, "{bytes:?}");
        assert!(
            answer.next(&mut input).is_err(),
            "{bytes:?} is believed after all"
        );
    }
}

#[test]
fn heads_lines_and_trailers_have_their_bounds() {
    let endless = |begin: &str, more: &str| {
        let (mut answer, mut input) = (Answer::to(&Method::GET), BytesMut::from(begin));
        for _ in 0..100_000 {
            input.extend_from_slice(more.as_bytes());
            loop {
                match answer.next(&mut input) {
                    Ok(Some(Part::End) | None) => break,
                    Ok(Some(_)) => {}
                    Err(refused) => return (refused, input.len()),
                }
            }
        }
        panic!("{begin:?} goes on and on");
    };
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (begin, more, wanted) in [
        ("HTTP/1.1 200 OK\r\n", "X: y\r\n", BadAnswer::HeadTooLarge),
        ("HTTP/1.1 200 ", "a", BadAnswer::HeadTooLarge),
        (&format!("{chunked}5;"), "a", BadAnswer::Chunk),
        (
            chunked,
            &format!("1;{}\r\nX\r\n", "a".repeat(3000)),
            BadAnswer::Chunk,
        ),
        (
            &format!("{chunked}0\r\n"),
            "X: y\r\n",
            BadAnswer::HeadTooLarge,
        ),
    ] {
        let (refused, length) = endless(begin, more);
        assert_eq!(refused, wanted);
        assert!(length < 40_000, "{length} bytes were held");
    }
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(257));
    let refused = Answer::to(&Method::GET).next(&mut BytesMut::from(many.as_str()));
    assert_eq!(refused.unwrap_err(), BadAnswer::HeadTooLarge);
}
