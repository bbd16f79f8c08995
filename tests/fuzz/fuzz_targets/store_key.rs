//! Keys of a store: what is read as one of MSM's is written as it was. Input: a key.

#![no_main]

use cattail::store::key::{Named, Prefix};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|key: &[u8]| {
    for prefix in [Prefix::Any, Prefix::Exactly(b""), Prefix::Exactly(b"001_")] {
        let Named::Msm(found) = Named::read(key, prefix) else {
            continue;
        };
        assert!(!found.id.is_empty());
        assert_eq!(found.written(), key);
        let exactly = Prefix::Exactly(found.prefix);
        assert_eq!(Named::read(key, exactly), Named::Msm(found));
    }
});
