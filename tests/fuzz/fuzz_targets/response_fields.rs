//! What a backend writes into `Location`, `Content-Location`, `Refresh`, `Link` and `Set-Cookie`:
//! each line of the input is tried as each of them. Its address does not leak by the first two,
//! and a cookie keeps its name and value.

#![no_main]

use std::sync::LazyLock;

use cattail::config::Rewrite;
use cattail::proxy::authority::{Authority, Host};
use cattail::proxy::client::Scheme;
use cattail::proxy::headers::cookies::CookieRewrites;
use cattail::proxy::headers::fields::scan;
use cattail::proxy::headers::reverse::Reverse;
use cattail::proxy::headers::{charset, hop};
use cattail::proxy::prefix::Replacement;
use http::header::{CONTENT_LOCATION, CONTENT_TYPE, LINK, LOCATION, REFRESH, SET_COOKIE};
use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;

static COOKIES: LazyLock<CookieRewrites> = LazyLock::new(|| {
    CookieRewrites::new(&Rewrite {
        location: true,
        cookie_path: vec![
            ("/app".into(), "/shop".into()),
            ("/".into(), "/all/".into()),
        ],
        cookie_domain: vec![
            (".tomcat.internal".into(), "example.com".into()),
            ("gone".into(), String::new()),
        ],
        charset: None,
    })
});

fuzz_target!(|text: &[u8]| {
    let host = Host::parse(&HeaderValue::from_static("shop.example")).expect("a host");
    let way_back = Replacement::new("/app", "/shop");
    let reverse = Reverse {
        own: Authority::parse("10.0.0.1:8080").expect("an authority"),
        sent: Authority::parse("tomcat.internal"),
        scheme: Scheme::Https,
        host: Some(&host),
        way_back: Some(&way_back),
    };
    for line in text.split(|byte| *byte == b'\n') {
        let Ok(value) = HeaderValue::from_bytes(line) else {
            continue;
        };
        let mut headers = HeaderMap::new();
        for name in [
            LOCATION,
            CONTENT_LOCATION,
            REFRESH,
            LINK,
            SET_COOKIE,
            CONTENT_TYPE,
        ] {
            headers.append(name, value.clone());
        }
        let found = scan(&headers);
        hop::strip(&mut headers, found);
        reverse.apply(&mut headers, found);
        COOKIES.apply(&mut headers, found);
        charset::apply(&mut headers, found, "utf-8");
        for name in [LOCATION, CONTENT_LOCATION] {
            let url = headers[name].as_bytes().to_ascii_lowercase();
            assert!(!url.starts_with(b"http://10.0.0.1:8080/"), "{:?}", headers);
            assert!(
                !url.starts_with(b"http://tomcat.internal/"),
                "{:?}",
                headers
            );
        }
        let bare = |line: &HeaderValue| {
            let end = line.as_bytes().iter().position(|byte| *byte == b';');
            line.as_bytes()[..end.unwrap_or(line.len())].to_vec()
        };
        assert_eq!(bare(&headers[SET_COOKIE]), bare(&value));
    }
});
