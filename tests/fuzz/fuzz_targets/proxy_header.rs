//! PROXY headers: a beginning is open until its length is known, and then the length never changes;
//! what is read of a header can be written and read again. Input: what a peer sends.

#![no_main]

use cattail::proxy_protocol::{
    Fact, Frame, Introduction, MOST_V1, MOST_V2, Version, Who, frame, read,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let verdict = frame(bytes);
    // Byte by byte comes to the same.
    let mut known = None;
    for length in 0..=bytes.len().min(600) {
        let early = frame(&bytes[..length]);
        if let Some(known) = known {
            assert_eq!(early, known);
        } else if early != Ok(Frame::Open) {
            known = Some(early);
        }
    }
    if let Some(known) = known {
        assert_eq!(verdict, known);
    }
    let Ok(Frame::Ends(end)) = verdict else {
        assert!(verdict.is_err() || bytes.len() < MOST_V1);
        return;
    };
    assert!(end <= MOST_V2);
    let Some(header) = bytes.get(..end) else {
        return;
    };
    let Ok(header) = read(header) else {
        return;
    };
    for fact in Fact::ALL {
        let value = header.told.get(fact);
        assert!(value.is_none_or(|value| value.len() < end));
    }
    if let Some(ends) = header.ends {
        for version in [Version::V1, Version::V2] {
            let who = Who::client(Some(ends.source), Some(ends.destination));
            let written = Introduction { version, who }.header();
            assert_eq!(frame(&written), Ok(Frame::Ends(written.len())));
            let again = read(&written).expect("what we write can be read");
            let ends = again.ends.expect("a client");
            assert_eq!(Who::client(Some(ends.source), Some(ends.destination)), who);
        }
    }
});
