//! What an agent of a backend says: any line is read, within bounds; what separates its words, and
//! their case, change nothing; what goes into the log is printable.

#![no_main]

use cattail::health::agent::{MOST_PERCENT, MOST_REQUESTS, Said};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|line: &[u8]| {
    let said = Said::read(line);
    assert!(said.percent.is_none_or(|percent| percent <= MOST_PERCENT));
    assert!(said.max_requests.is_none_or(|most| most <= MOST_REQUESTS));
    assert!(said.unknown <= line.len() as u64);
    if let Some(reason) = &said.reason {
        assert!(!reason.is_empty() && reason.len() <= 400);
        assert!(reason.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
    }
    let end = line
        .iter()
        .position(|byte| *byte == b'#')
        .unwrap_or(line.len());
    let (words, reason) = line.split_at(end);
    let mut other: Vec<u8> = words
        .iter()
        .map(|byte| match byte {
            b',' => b'\t',
            b' ' => b',',
            byte => byte.to_ascii_uppercase(),
        })
        .collect();
    other.extend_from_slice(reason);
    assert_eq!(Said::read(&other), said);
    // With one more word, only that is new.
    let more = [words, b" no-such-word", reason].concat();
    let more = Said::read(&more);
    assert_eq!(more.unknown, said.unknown + 1);
    assert_eq!(
        (more.percent, more.wish, more.health),
        (said.percent, said.wish, said.health)
    );
});
