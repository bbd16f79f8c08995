//! Values of a store: the start of a value says the same as all of it, as far as it says anything,
//! and no id is shown. Input: a value.

#![no_main]

use cattail::store::value::Value;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|value: &[u8]| {
    let whole = Value::read(value, value.len() as u64);
    if let Value::Session(header) = &whole {
        assert!(usize::from(header.attributes_at) <= value.len());
        assert!(header.id.len() <= value.len());
        let start = &value[..value.len().min(512)];
        let Value::Session(early) = Value::read(start, value.len() as u64) else {
            panic!("the start of a session is none");
        };
        assert_eq!(early.id, header.id);
        if early.serializer.is_some() {
            assert_eq!(early.serializer, header.serializer);
        }
    }
    Value::read(value, u64::MAX);
});
