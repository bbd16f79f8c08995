//! Ids in `Cookie` lines: what is found can be read again, and is what splitting finds. Input: the
//! lines.

#![no_main]

use std::sync::LazyLock;

use cattail::session::find::{Names, Source, each, read_again};
use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;

static NAMES: LazyLock<[String; 2]> = LazyLock::new(|| ["JSESSIONID".into(), "SID".into()]);

fuzz_target!(|text: &[u8]| {
    let mut headers = HeaderMap::new();
    for line in text.split(|byte| *byte == b'\n') {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append(COOKIE, value);
        }
    }
    let names = Names {
        cookies: &*NAMES,
        parameters: &[],
    };
    let found: Vec<&[u8]> = each(&headers, "/", names)
        .map(|found| {
            assert_eq!(found.place.source, Source::Cookie);
            assert_eq!(read_again(&headers, "/", found.place), Some(found.value));
            found.value
        })
        .collect();

    let lines = headers.get_all(COOKIE);
    let mut expected = Vec::new();
    for name in &*NAMES {
        for line in &lines {
            let pairs = line.as_bytes().split(|byte| *byte == b';');
            expected.extend(pairs.filter_map(|pair| {
                let equals = pair.iter().position(|byte| *byte == b'=')?;
                let is_it = pair[..equals].trim_ascii() == name.as_bytes();
                is_it.then(|| pair[equals + 1..].trim_ascii())
            }));
        }
    }
    assert!(text.len() > usize::from(u16::MAX) || found == expected);
});
