//! `Set-Cookie` lines of a backend: attributes written for another cookie are read as those of the
//! first. An answer made private once stays as it is. Input: a line.

#![no_main]

use std::time::{Duration, SystemTime};

use cattail::session::set_cookie::{SetCookie, private};
use http::header::CACHE_CONTROL;
use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|line: &[u8]| {
    let mut headers = HeaderMap::new();
    for part in line.split(|byte| *byte == b'\n') {
        if let Ok(value) = HeaderValue::from_bytes(part) {
            headers.append(CACHE_CONTROL, value);
        }
    }
    private(&mut headers);
    let once = headers.clone();
    private(&mut headers);
    assert_eq!(headers, once);

    let Some(cookie) = SetCookie::read(line) else {
        return;
    };
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let ends = cookie.ends(now);
    assert!(ends || !cookie.value.is_empty());
    assert!(ends || cookie.max_age != Some(0));

    let mut copy = [cookie.name, b"=", cookie.value].concat();
    cookie.append_attributes(&mut copy);
    assert_eq!(SetCookie::read(&copy), Some(cookie));
});
