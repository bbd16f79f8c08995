//! The heads of HTTP/2's frames, read as they pass: the same frames are seen however the bytes are
//! cut, and they are those that lie there.

#![no_main]

use cattail::frames::{Frames, Head};
use libfuzzer_sys::fuzz_target;

fn seen(frames: &mut Frames, bytes: &[u8]) -> Vec<Head> {
    let mut seen = Vec::new();
    frames.pass(bytes, |head| seen.push(head));
    seen
}

/// How many heads lie there, and whether the last frame is whole.
fn walked(mut bytes: &[u8]) -> (usize, bool) {
    let mut count = 0;
    while let Some((head, rest)) = bytes.split_at_checked(9) {
        count += 1;
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let Some((_, rest)) = rest.split_at_checked(length) else {
            return (count, false);
        };
        bytes = rest;
    }
    (count, bytes.is_empty())
}

fuzz_target!(|input: (Vec<u8>, Vec<u8>)| {
    let (bytes, cuts) = input;
    let mut whole = Frames::of_server();
    let expected = seen(&mut whole, &bytes);
    let (count, is_whole) = walked(&bytes);
    assert_eq!(expected.len(), count);
    if whole.is_between() {
        assert!(is_whole);
    }
    let (mut pieces, mut found, mut rest) = (Frames::of_server(), Vec::new(), &bytes[..]);
    for cut in cuts {
        let (piece, after) = rest.split_at(usize::from(cut).min(rest.len()));
        found.extend(seen(&mut pieces, piece));
        rest = after;
    }
    found.extend(seen(&mut pieces, rest));
    assert_eq!(found, expected);
    assert_eq!(pieces.unfinished(), whole.unfinished());
    assert_eq!(pieces.is_between(), whole.is_between());
    assert_eq!(pieces.last_stream(), whole.last_stream());
    // What client ever speaks, its preface is no frame.
    seen(&mut Frames::of_client(), &bytes);
});
