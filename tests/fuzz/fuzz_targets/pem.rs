//! Files of certificates, keys and revocations, whatever they hold, are read or refused with words
//! that a log can show.

#![no_main]

use cattail::config::tls::{PemFault, authorities, chain, key, revocations};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|content: &[u8]| {
    if let Some(read) = told(chain(content)) {
        assert!(!read.is_empty());
        for pair in read.windows(2) {
            assert!(pair[0].1.is_issued_by(&pair[1].1));
        }
    }
    if let Some(read) = told(authorities(content)) {
        assert!(!read.is_empty());
    }
    if let Some(read) = told(revocations(content)) {
        assert!(!read.is_empty());
    }
    told(key(content));
});

fn told<T>(outcome: Result<T, PemFault>) -> Option<T> {
    match outcome {
        Ok(read) => Some(read),
        Err(fault) => {
            assert!(!fault.found.is_empty());
            assert!(!fault.found.contains(|c: char| c.is_control()), "{fault:?}");
            None
        }
    }
}
