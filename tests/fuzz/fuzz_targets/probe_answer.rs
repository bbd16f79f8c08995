//! What a health check reads: an answer is the same however it comes in pieces, its status is never
//! an interim one, and nothing of its body is believed beyond its bounds.

#![no_main]

use cattail::health::answer::{Asked, Body, Head, MAX_BODY_BYTES, Progress, read_head};
use libfuzzer_sys::fuzz_target;

fn head(bytes: &[u8]) -> Result<Option<Head>, ()> {
    read_head(bytes, Asked::WithBody, |line| {
        line.starts_with(b"JSESSIONID=")
    })
    .map_err(drop)
}

/// How a body ends that comes in pieces of this size, and what it holds.
fn body(head: &Head, bytes: &[u8], piece: usize) -> (Result<Option<usize>, ()>, Vec<u8>) {
    let mut body = Body::new(head.framing);
    let mut left = bytes.len();
    for piece in bytes.chunks(piece.max(1)) {
        left -= piece.len();
        match body.take(piece) {
            Ok(Progress::More) => {}
            Ok(Progress::Complete { beyond }) => {
                assert!(beyond <= piece.len());
                return (Ok(Some(left + beyond)), body.text);
            }
            Ok(Progress::TooLong) => return (Ok(None), body.text),
            Err(_) => return (Err(()), body.text),
        }
    }
    (Ok(None), body.text)
}

fuzz_target!(|answer: &[u8]| {
    let whole = head(answer);
    for end in (0..answer.len()).step_by(answer.len() / 16 + 1) {
        if let Ok(Some(early)) = head(&answer[..end]) {
            assert_eq!(whole, Ok(Some(early)));
        }
    }
    let Ok(Some(head)) = whole else { return };
    assert!(head.status == 101 || head.status >= 200);
    let rest = &answer[head.len..];
    let at_once = body(&head, rest, rest.len());
    assert!(at_once.1.len() <= rest.len().min(MAX_BODY_BYTES));
    for piece in [1, 7] {
        let in_pieces = body(&head, rest, piece);
        assert_eq!(in_pieces.0, at_once.0);
        if at_once.0.is_ok() {
            assert_eq!(in_pieces.1, at_once.1);
        }
    }
});
