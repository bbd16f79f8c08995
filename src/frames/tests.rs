use proptest::prelude::*;

use super::*;

const PREFACE_TEXT: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

fn frame(kind: u8, flags: u8, stream: u32, length: usize) -> Vec<u8> {
    let mut bytes = u32::try_from(length).unwrap().to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(vec![7; length]);
    bytes
}

fn seen(frames: &mut Frames, bytes: &[u8]) -> Vec<Frame> {
    let mut seen = Vec::new();
    frames.pass(bytes, |head| seen.push(head.frame));
    seen
}

#[test]
fn each_kind_is_told() {
    let cases = [
        (frame(0, 0, 1, 5), Frame::Data),
        (frame(0, 1, 1, 0), Frame::Data),
        (frame(0, 0, 1, 0), Frame::Control),
        (frame(1, 4, 1, 20), Frame::Fields),
        (frame(2, 0, 1, 5), Frame::Control),
        (frame(3, 0, 1, 4), Frame::Reset),
        (frame(4, 0, 0, 6), Frame::Terms),
        (frame(4, 1, 0, 0), Frame::Terms),
        (frame(6, 0, 0, 8), Frame::Control),
        (frame(7, 0, 0, 8), Frame::Terms),
        (frame(8, 0, 0, 4), Frame::Control),
        (frame(9, 4, 1, 20), Frame::MoreFields),
        (frame(0xff, 0, 1, 3), Frame::Control),
    ];
    for (bytes, expected) in cases {
        let mut frames = Frames::of_server();
        assert_eq!(seen(&mut frames, &bytes), [expected], "{bytes:?}");
        assert!(frames.is_between(), "{bytes:?}");
        assert!(frames.has_begun());
    }
}

#[test]
fn the_last_frame_of_a_stream_is_known() {
    for (bytes, stream, is_last) in [
        (frame(0, 0, 5, 5), 5, false),
        (frame(0, 1, 5, 5), 5, true),
        (frame(1, 4, 7, 5), 7, false),
        (frame(1, 5, 7, 5), 7, true),
        (frame(3, 0, 9, 4), 9, true),
        // An acknowledgement.
        (frame(4, 1, 0, 0), 0, false),
        (frame(9, 5, 0x8000_000b, 0), 11, false),
    ] {
        let mut found = None;
        Frames::of_server().pass(&bytes, |head| found = Some((head.stream, head.is_last)));
        assert_eq!(found, Some((stream, is_last)), "{bytes:?}");
    }
}

#[test]
fn the_preface_is_no_frame() {
    let mut frames = Frames::of_client();
    assert_eq!(seen(&mut frames, PREFACE_TEXT), []);
    assert!(!frames.has_begun());
    assert_eq!(seen(&mut frames, &frame(4, 0, 0, 0)), [Frame::Terms]);
    assert!(frames.has_begun());
}

#[test]
fn a_block_of_fields_is_unfinished_until_its_last_frame() {
    let mut frames = Frames::of_server();
    assert_eq!(frames.unfinished(), None);
    seen(&mut frames, &frame(1, 0, 5, 10));
    assert_eq!(frames.unfinished(), Some(0));
    seen(&mut frames, &frame(9, 0, 5, 10));
    assert_eq!(frames.unfinished(), Some(0), "the same wait goes on");
    assert!(!frames.is_between());
    seen(&mut frames, &frame(9, 4, 5, 0));
    assert_eq!(frames.unfinished(), None);
    assert_eq!(frames.last_stream(), 5);
}

#[test]
fn a_piece_of_a_body_may_take_its_time_and_no_other_frame() {
    let (data, ping) = (frame(0, 0, 1, 10), frame(6, 0, 0, 8));
    for (bytes, count, expected) in [
        (&data, 4, Some(0)),
        (&data, 12, None),
        (&ping, 12, Some(0)),
        (&ping, 17, None),
    ] {
        let mut frames = Frames::of_server();
        seen(&mut frames, &bytes[..count]);
        assert_eq!(frames.unfinished(), expected, "{count} of {bytes:?}");
    }
}

proptest! {
    #[test]
    fn pieces_make_no_difference(
        kinds in prop::collection::vec((0_u8..12, 0_u8..8, 0_usize..40), 1..20),
        cuts in prop::collection::vec(1_usize..30, 1..50),
    ) {
        let mut bytes = PREFACE_TEXT.to_vec();
        for (kind, flags, length) in kinds {
            bytes.extend(frame(kind, flags, 3, length));
        }
        let mut whole = Frames::of_client();
        let expected = seen(&mut whole, &bytes);
        let mut pieces = Frames::of_client();
        let (mut found, mut rest) = (Vec::new(), &bytes[..]);
        for cut in cuts.iter().cycle() {
            let (piece, after) = rest.split_at((*cut).min(rest.len()));
            found.extend(seen(&mut pieces, piece));
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(found, expected);
        prop_assert_eq!(pieces.unfinished(), whole.unfinished());
        prop_assert_eq!(pieces.is_between(), whole.is_between());
    }

    #[test]
    fn whatever_comes_is_borne(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        seen(&mut Frames::of_client(), &bytes);
    }
}
