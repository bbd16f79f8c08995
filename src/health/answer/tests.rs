use proptest::prelude::*;

use super::*;

fn head(bytes: &[u8]) -> Option<Head> {
    read_head(bytes, Asked::WithBody, |_| false).unwrap()
}

#[test]
fn a_body_ends_as_its_head_says() {
    use Framing::{Chunked, Length, UntilClose};
    for (fields, framing, keeps) in [
        ("Content-Length: 5\r\n", Length(5), true),
        ("Content-Length: 0\r\n", Length(0), true),
        ("Transfer-Encoding: Chunked\r\n", Chunked, true),
        ("", UntilClose, false),
        (
            "Content-Length: 5\r\nConnection: close\r\n",
            Length(5),
            false,
        ),
        (
            "Content-Length: 5\r\nConnection: a, CLOSE\r\n",
            Length(5),
            false,
        ),
        (
            "Content-Length: 5\r\nConnection: keep-alive\r\n",
            Length(5),
            true,
        ),
        // Nobody is believed who says two things.
        (
            "Content-Length: 5\r\nContent-Length: 6\r\n",
            UntilClose,
            false,
        ),
        ("Content-Length: 5, 5\r\n", UntilClose, false),
        ("Content-Length: -5\r\n", UntilClose, false),
        (
            "Content-Length: 99999999999999999999\r\n",
            UntilClose,
            false,
        ),
        ("Transfer-Encoding: gzip\r\n", UntilClose, false),
        (
            "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
            Chunked,
            false,
        ),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            UntilClose,
            false,
        ),
    ] {
        let text = format!("HTTP/1.1 200 OK\r\n{fields}\r\n");
        let head = head(text.as_bytes()).unwrap();
        assert_eq!((head.framing, head.keeps), (framing, keeps), "{fields}");
        assert_eq!((head.len, head.status), (text.len(), 200));
    }
}

#[test]
fn some_answers_have_no_body() {
    let text = |status| format!("HTTP/1.1 {status}\r\nContent-Length: 5\r\n\r\n");
    for (status, asked, framing, keeps) in [
        (200, Asked::HeadOnly, Framing::Length(0), true),
        (204, Asked::WithBody, Framing::Length(0), true),
        (304, Asked::WithBody, Framing::Length(0), true),
        (101, Asked::WithBody, Framing::Length(0), false),
        (200, Asked::WithBody, Framing::Length(5), true),
    ] {
        let head = read_head(text(status).as_bytes(), asked, |_| false);
        let head = head.unwrap().unwrap();
        assert_eq!((head.framing, head.keeps), (framing, keeps), "{status}");
    }
    assert!(!head(b"HTTP/1.0 204\r\n\r\n").unwrap().keeps);
}

#[test]
fn interim_heads_are_passed_over() {
    let text = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\n\r\nHTTP/1.1 503\r\n\r\nbody";
    let head = head(text).unwrap();
    assert_eq!((head.status, head.len), (503, text.len() - 4));
}

#[test]
fn cookies_are_shown_to_whoever_asks() {
    let text = b"HTTP/1.1 200\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\n\r\n";
    for (cookie, makes) in [(&b"b=2"[..], true), (b"c=3", false)] {
        let head = read_head(text, Asked::WithBody, |line| line == cookie);
        assert_eq!(head.unwrap().unwrap().makes_session, makes);
    }
}

#[test]
fn chunks_are_put_together() {
    for (text, body, beyond) in [
        ("0\r\n\r\n", Some(""), 0),
        ("3\r\nabc\r\n0\r\n\r\n", Some("abc"), 0),
        (
            "3;a=\"b\"\r\nabc\r\n2 \r\nde\r\n0\r\nX: y\r\n\r\nHTTP",
            Some("abcde"),
            4,
        ),
        ("3\nabc\n0\n\n", Some("abc"), 0),
        ("00003\r\nabc\r\n000\r\n\r\n", Some("abc"), 0),
        ("", None, 0),
        ("3\r\nab", None, 0),
        ("0\r\nX: y\r\n", None, 0),
    ] {
        let mut taken = Body::new(Framing::Chunked);
        let progress = taken.take(text.as_bytes()).unwrap();
        match body {
            Some(body) => {
                assert_eq!(progress, Progress::Complete { beyond }, "{text:?}");
                assert_eq!(taken.text, body.as_bytes());
            }
            None => assert_eq!(progress, Progress::More, "{text:?}"),
        }
    }
    for text in [
        "five\r\n",
        "\r\n",
        "-1\r\n",
        "3\r\nabcd\r\n",
        "3\r\nabc0\r\n",
        "1234567890abcdef\r\n",
    ] {
        let taken = Body::new(Framing::Chunked).take(text.as_bytes());
        assert!(matches!(taken, Err(ProbeFailure::BadBody)), "{text:?}");
    }
}

#[test]
fn what_is_read_of_a_body_is_bounded() {
    let mut body = Body::new(Framing::UntilClose);
    let piece = vec![b'x'; MAX_BODY_BYTES - 1];
    assert_eq!(body.take(&piece).unwrap(), Progress::More);
    assert_eq!(body.take(&piece).unwrap(), Progress::TooLong);
    assert_eq!(body.text.len(), MAX_BODY_BYTES);
    let mut body = Body::new(Framing::Length(u64::MAX));
    assert_eq!(body.take(&piece).unwrap(), Progress::More);
    assert_eq!(body.take(b"xx").unwrap(), Progress::TooLong);
    // All of its framing counts too.
    let mut body = Body::new(Framing::Chunked);
    let chunks = "1\r\nx\r\n".repeat(MAX_BODY_BYTES);
    assert_eq!(body.take(chunks.as_bytes()).unwrap(), Progress::TooLong);
    let mut body = Body::new(Framing::Chunked);
    let endless = [b"1;".as_slice(), &piece].concat();
    assert_eq!(body.take(&endless).unwrap(), Progress::TooLong);
}

/// Written as a sender would, in chunks of these sizes.
fn chunked(text: &[u8], sizes: &[usize]) -> Vec<u8> {
    let mut wire = Vec::new();
    let mut rest = text;
    for size in sizes.iter().chain(&[usize::MAX]) {
        let (chunk, behind) = rest.split_at((*size).min(rest.len()));
        if !chunk.is_empty() {
            wire.extend_from_slice(format!("{:X}\r\n", chunk.len()).as_bytes());
            wire.extend_from_slice(chunk);
            wire.extend_from_slice(b"\r\n");
        }
        rest = behind;
    }
    wire.extend_from_slice(b"0\r\n\r\n");
    wire
}

proptest! {
    /// However a body is chunked and however it comes in pieces, it is the same.
    #[test]
    fn a_chunked_body_is_what_was_sent(
        text in prop::collection::vec(any::<u8>(), 0..300),
        sizes in prop::collection::vec(1_usize..40, 0..8),
        piece in 1_usize..50,
        beyond in 0_usize..5,
    ) {
        let mut wire = chunked(&text, &sizes);
        let end = wire.len();
        wire.extend(std::iter::repeat_n(b'z', beyond));
        let mut body = Body::new(Framing::Chunked);
        let mut taken = 0;
        for piece in wire.chunks(piece) {
            taken += piece.len();
            if let Progress::Complete { beyond } = body.take(piece).unwrap() {
                prop_assert_eq!(taken - beyond, end);
                break;
            }
        }
        prop_assert!(taken >= end);
        prop_assert_eq!(body.text, text);
    }

    #[test]
    fn nothing_that_comes_in_is_too_much(
        bytes in prop::collection::vec(any::<u8>(), 0..400),
        length in any::<u64>(),
        piece in 1_usize..50,
    ) {
        for framing in [Framing::Chunked, Framing::UntilClose, Framing::Length(length)] {
            let mut body = Body::new(framing);
            for piece in bytes.chunks(piece) {
                match body.take(piece) {
                    Ok(Progress::More) => {}
                    Ok(Progress::Complete { beyond }) => {
                        prop_assert!(beyond <= piece.len());
                        break;
                    }
                    Ok(Progress::TooLong) | Err(_) => break,
                }
            }
            prop_assert!(body.text.len() <= bytes.len());
        }
    }
}
