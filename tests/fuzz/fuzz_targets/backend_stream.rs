//! What a backend says on a connection of HTTP/1.1: it is the same answer however its bytes are cut, its
//! body is no more than what came, and once it is not believed it is never believed again.

#![no_main]

use bytes::BytesMut;
use cattail::upstream::http1::{Answer, BadAnswer, Part};
use http::Method;
use libfuzzer_sys::fuzz_target;

#[derive(Debug, Default, PartialEq)]
struct Seen {
    interims: usize,
    status: u16,
    fields: usize,
    body: Vec<u8>,
    trailers: usize,
    is_over: bool,
    bad: Option<BadAnswer>,
}

fn seen(method: &Method, bytes: &[u8], mut piece: impl FnMut() -> usize) -> (Seen, usize) {
    let (mut answer, mut input, mut seen) = (Answer::to(method), BytesMut::new(), Seen::default());
    let mut rest = bytes;
    while !answer.is_over() {
        let before = input.len();
        match answer.next(&mut input) {
            Ok(None) if rest.is_empty() => break,
            Ok(None) => {
                let (taken, after) = rest.split_at(piece().clamp(1, rest.len()));
                input.extend_from_slice(taken);
                rest = after;
            }
            Ok(Some(Part::Interim(status))) => {
                assert!(status.is_informational() && status != 101);
                seen.interims += 1;
            }
            Ok(Some(Part::Head(head))) => {
                assert_eq!(seen.status, 0, "two heads");
                seen.status = head.status().as_u16();
                seen.fields = head.headers().len();
                assert!(seen.fields <= 256);
            }
            Ok(Some(Part::Data(data))) => {
                assert!(!data.is_empty() && data.len() <= before);
                seen.body.extend_from_slice(&data);
            }
            Ok(Some(Part::Trailers(fields))) => seen.trailers = fields.len(),
            Ok(Some(Part::End)) => assert!(answer.is_over()),
            Err(bad) => {
                assert_eq!(answer.next(&mut input).err(), Some(bad));
                seen.bad = Some(bad);
                break;
            }
        }
    }
    seen.is_over = answer.is_over();
    assert!(seen.body.len() <= bytes.len());
    if answer.is_over() {
        assert_eq!(answer.left(), Some(0));
    }
    (seen, input.len() + rest.len())
}

fuzz_target!(|input: &[u8]| {
    let Some(([kind, piece], bytes)) = input.split_first_chunk() else {
        return;
    };
    let method = if kind % 2 == 0 {
        Method::HEAD
    } else {
        Method::GET
    };
    let (whole, left) = seen(&method, bytes, || usize::MAX);
    let mut length = usize::from(*piece);
    let (pieces, left_of_pieces) = seen(&method, bytes, || {
        length = length % 13 + 1;
        length
    });
    // How much was looked at before something was too large depends on how it comes.
    if whole.bad.is_none() {
        assert_eq!((&pieces, left_of_pieces), (&whole, left));
    } else {
        assert!(pieces.bad.is_some());
        assert_eq!(
            (pieces.status, pieces.interims),
            (whole.status, whole.interims)
        );
    }
});
