//! The proxy's own route in ids: what is put in on the way out is taken off on the way in without
//! a trace, whatever stands around it. Input: the id, and the text behind it, on two lines.

#![no_main]

use cattail::config::Dialect;
use cattail::session::append::{
    append_to_location, append_to_set_cookie, strip_cookie_line, strip_path, taken_off,
};
use cattail::session::find::Names;
use libfuzzer_sys::fuzz_target;

const TOKENS: [&str; 2] = ["tomcatA", "10.0.0.1:8080"];

fn is_ours(name: &[u8]) -> bool {
    TOKENS.iter().any(|token| token.as_bytes() == name)
}

fuzz_target!(|text: &[u8]| {
    let mut lines = text.splitn(2, |byte| *byte == b'\n');
    let id = lines.next().unwrap_or_default();
    let rest = lines.next().unwrap_or_default();
    let cookies = ["SID".to_owned()];
    let names = Names {
        cookies: &cookies,
        parameters: &cookies,
    };
    let line = [b"SID=", id, b";", rest].concat();
    let url = [b"/a;SID=", id, b";", rest].concat();
    let strip_line = |line: &[u8]| strip_cookie_line(line, names, is_ours);
    let strip_url = |url: &[u8]| strip_path(str::from_utf8(url).ok()?, names.parameters, is_ours);
    // What holds a route of ours already is none of the backend's.
    let is_plain = [&line, &url]
        .iter()
        .all(|text| !text.windows(2).any(|two| two == b".~"));
    for dialect in Dialect::ALL {
        for token in TOKENS {
            let out = append_to_set_cookie(&line, names, dialect, token);
            if let Some(out) = out.filter(|_| is_plain) {
                assert_eq!(strip_line(&out).as_deref(), Some(&*line));
                let value = out[4..]
                    .split(|byte| *byte == b';')
                    .next()
                    .unwrap_or_default();
                assert!(taken_off(value.trim_ascii(), is_ours).is_some());
            }
            let out = append_to_location(&url, names.parameters, dialect, token);
            if let Some(out) = out.filter(|_| is_plain && str::from_utf8(&url).is_ok()) {
                assert_eq!(strip_url(&out).as_deref().map(str::as_bytes), Some(&*url));
            }
        }
    }
    assert!(!is_plain || (strip_line(&line).is_none() && strip_url(&url).is_none()));
});
