use http::header::{CACHE_CONTROL, HeaderMap, HeaderValue};
use proptest::prelude::*;

use super::*;

const PLAIN: SetCookie<'_> = SetCookie {
    name: b"JSESSIONID",
    value: b"D208-n1.jvm1",
    path: None,
    domain: None,
    secure: false,
    http_only: false,
    same_site: None,
    max_age: None,
    expires: None,
};

fn now() -> SystemTime {
    httpdate::parse_http_date("Wed, 25 Nov 2026 00:00:00 GMT").unwrap()
}

#[test]
fn a_line_is_read_as_browsers_read_it() {
    let all = SetCookie {
        path: Some(b"/shop"),
        domain: Some(b".example.com"),
        secure: true,
        http_only: true,
        same_site: Some(b"Lax"),
        max_age: Some(60),
        expires: Some(b"Thu, 01 Jan 2026 00:00:00 GMT"),
        ..PLAIN
    };
    let quoted = SetCookie {
        value: b"\"D208\"",
        ..PLAIN
    };
    let root = SetCookie {
        path: Some(b"/"),
        ..PLAIN
    };
    let cases: [(&str, SetCookie<'_>); 9] = [
        ("JSESSIONID=D208-n1.jvm1", PLAIN),
        (" JSESSIONID = D208-n1.jvm1 ;", PLAIN),
        ("JSESSIONID=\"D208\"; x; Y=z", quoted),
        (
            "JSESSIONID=D208-n1.jvm1; Path=/shop; Domain=.example.com; Max-Age=60; \
             Expires=Thu, 01 Jan 2026 00:00:00 GMT; Secure; HttpOnly; SameSite=Lax",
            all,
        ),
        (
            "JSESSIONID=D208-n1.jvm1;httponly;SECURE=1;max-age=60;samesite=Lax;path = /shop \
             ;domain=.example.com;expires=Thu, 01 Jan 2026 00:00:00 GMT",
            all,
        ),
        ("JSESSIONID=D208-n1.jvm1; Path=/a; path=/", root),
        ("JSESSIONID=D208-n1.jvm1; Path=/a; Path=", PLAIN),
        ("JSESSIONID=D208-n1.jvm1; Path=a; Domain=", PLAIN),
        ("JSESSIONID=D208-n1.jvm1; Max-Age=soon; Max-Age=", PLAIN),
    ];
    for (line, expected) in cases {
        assert_eq!(SetCookie::read(line.as_bytes()), Some(expected), "{line}");
    }
}

#[test]
fn what_has_no_name_is_no_cookie() {
    for line in ["", ";", "JSESSIONID", "=D208", "JSESSIONID; Path=/a=b"] {
        assert_eq!(SetCookie::read(line.as_bytes()), None, "{line}");
    }
}

#[test]
fn a_cookie_ends_when_it_is_empty_or_over() {
    let cases = [
        ("a=b", false),
        ("a=", true),
        ("a=\"\"; Max-Age=60", true),
        ("a=b; Max-Age=0", true),
        ("a=b; Max-Age=-1", true),
        ("a=b; Max-Age=1", false),
        ("a=b; Max-Age=99999999999999999999999", false),
        (
            "a=b; Max-Age=0; Expires=Thu, 26 Nov 2026 00:00:00 GMT",
            true,
        ),
        (
            "a=b; Max-Age=9; Expires=Thu, 01 Jan 1970 00:00:10 GMT",
            false,
        ),
        (
            "a=b; Max-Age=x; Expires=Thu, 01 Jan 1970 00:00:10 GMT",
            true,
        ),
        ("a=b; Expires=Thu, 01 Jan 1970 00:00:10 GMT", true),
        ("a=b; Expires=Thu, 01-Jan-1970 00:00:10 GMT", true),
        ("a=b; Expires=Thursday, 01-Jan-70 00:00:10 GMT", true),
        ("a=b; Expires=1970-01-01", true),
        ("a=b; Expires=Tue, 24 Nov 2026 00:00:00 GMT", true),
        ("a=b; Expires=Tue, 24-Nov-2026 00:00:00 GMT", true),
        ("a=b; Expires=Thu, 26 Nov 2026 00:00:00 GMT", false),
        ("a=b; Expires=Thu, 26-Nov-2026 00:00:00 GMT", false),
        ("a=b; Expires=tomorrow", false),
        ("a=b; Expires=\u{e4}", false),
    ];
    for (line, expected) in cases {
        let cookie = SetCookie::read(line.as_bytes()).unwrap();
        assert_eq!(cookie.ends(now()), expected, "{line}");
    }
}

#[test]
fn no_value_is_shown_in_errors() {
    let cookie = SetCookie::read(b"JSESSIONID=D208; Path=/a").unwrap();
    assert_eq!(format!("{cookie:?}"), "SetCookie(JSESSIONID=***; Path=/a)");
}

/// The lines of `Cache-Control` afterwards.
fn private_lines(lines: &[&str]) -> Vec<String> {
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(CACHE_CONTROL, HeaderValue::from_str(line).unwrap());
    }
    private(&mut headers);
    let lines = headers.get_all(CACHE_CONTROL).iter();
    lines
        .map(|line| line.to_str().unwrap().to_owned())
        .collect()
}

#[test]
fn an_answer_with_a_cookie_of_ours_is_for_no_shared_cache() {
    let cases: [(&[&str], &[&str]); 14] = [
        (&[], &["private"]),
        (&[""], &["private"]),
        (&["public"], &["private"]),
        (&["public, max-age=60"], &["private, max-age=60"]),
        (
            &["Max-Age=60,, S-MaxAge=9 , PUBLIC"],
            &["private, Max-Age=60"],
        ),
        (
            &["max-age=60", "public, immutable"],
            &["private, max-age=60, immutable"],
        ),
        (&["private"], &["private"]),
        (&["max-age=60,Private"], &["max-age=60,Private"]),
        (&["public", "no-store"], &["public", "no-store"]),
        (&["no-cache"], &["no-cache"]),
        (
            &["no-cache=\"a, private\""],
            &["private, no-cache=\"a, private\""],
        ),
        (&["private=\"x\", public"], &["private, private=\"x\""]),
        (
            &["a=\"\\\", no-store\", public"],
            &["private, a=\"\\\", no-store\""],
        ),
        (&["a=\"public, b"], &["private, a=\"public, b"]),
    ];
    for (lines, expected) in cases {
        assert_eq!(private_lines(lines), expected, "{lines:?}");
    }
}

proptest! {
    #[test]
    fn attributes_are_read_as_they_were_written(
        path in prop::option::of("/[a-z/]{0,8}"),
        domain in prop::option::of("[a-z.]{1,8}"),
        same_site in prop::option::of("Lax|Strict|None"),
        expires in prop::option::of("[a-zA-Z0-9,: -]{0,20}x"),
        max_age in prop::option::of(any::<u64>()),
        (secure, http_only) in any::<(bool, bool)>(),
    ) {
        fn bytes(text: Option<&String>) -> Option<&[u8]> {
            text.map(|text| text.trim_ascii().as_bytes())
        }
        let cookie = SetCookie {
            path: bytes(path.as_ref()),
            domain: bytes(domain.as_ref()),
            secure,
            http_only,
            same_site: bytes(same_site.as_ref()),
            max_age,
            expires: bytes(expires.as_ref()),
            ..PLAIN
        };
        let mut line = b"JSESSIONID=D208-n1.jvm1".to_vec();
        cookie.append_attributes(&mut line);
        prop_assert_eq!(SetCookie::read(&line), Some(cookie));
    }
}
