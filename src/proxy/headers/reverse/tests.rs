use proptest::prelude::*;

use super::super::fields::scan;
use super::*;

fn host(text: &'static str) -> Host {
    Host::parse(&HeaderValue::from_static(text)).unwrap()
}

/// The backend 10.0.0.1:8080, reached as `https://www.example.com`.
fn reverse<'a>(host: &'a Host, way_back: Option<&'a Replacement>) -> Reverse<'a> {
    Reverse {
        own: Authority::parse("10.0.0.1:8080").unwrap(),
        sent: Authority::parse("app.internal"),
        scheme: Scheme::Https,
        host: Some(host),
        way_back,
    }
}

fn mapped(reverse: &Reverse<'_>, url: &str) -> Option<String> {
    reverse
        .map(url.as_bytes())
        .map(|new| String::from_utf8(new).unwrap())
}

#[test]
fn own_urls_become_public_and_others_stay() {
    let public = host("www.example.com");
    let reverse = reverse(&public, None);
    let cases = [
        (
            "http://10.0.0.1:8080/a?b#c",
            Some("https://www.example.com/a?b#c"),
        ),
        ("HTTP://10.0.0.1:8080", Some("https://www.example.com")),
        ("http://10.0.0.1:8080?q", Some("https://www.example.com?q")),
        (
            "http://App.Internal/a;b=c//%2F",
            Some("https://www.example.com/a;b=c//%2F"),
        ),
        ("http://app.internal:80/", Some("https://www.example.com/")),
        ("//10.0.0.1:8080/a", Some("//www.example.com/a")),
        ("http://10.0.0.1/a", None),
        ("http://10.0.0.1:80801/a", None),
        ("http://10.0.0.1:8080.evil/a", None),
        ("http://10.0.0.1:8080@evil/a", None),
        ("http://evil@10.0.0.1:8080/a", None),
        ("https://10.0.0.1:8080/a", None),
        ("https://www.example.com/a", None),
        ("http://elsewhere/http://10.0.0.1:8080/", None),
        ("/a", None),
        ("a", None),
        ("", None),
        ("mailto:a@10.0.0.1:8080", None),
        ("http:/10.0.0.1:8080/", None),
    ];
    for (url, expected) in cases {
        assert_eq!(mapped(&reverse, url).as_deref(), expected, "{url}");
    }
}

#[test]
fn a_replaced_prefix_is_put_back() {
    let public = host("www.example.com:444");
    let there = Replacement::new("/shop", "/app");
    let way_back = there.reversed();
    let reverse = reverse(&public, Some(&way_back));
    let cases = [
        (
            "http://10.0.0.1:8080/app/a",
            Some("https://www.example.com:444/shop/a"),
        ),
        (
            "http://10.0.0.1:8080/app",
            Some("https://www.example.com:444/shop"),
        ),
        (
            "http://10.0.0.1:8080/app?q",
            Some("https://www.example.com:444/shop?q"),
        ),
        (
            "http://10.0.0.1:8080/other",
            Some("https://www.example.com:444/other"),
        ),
        (
            "https://www.example.com:444/app/a",
            Some("https://www.example.com:444/shop/a"),
        ),
        ("https://www.example.com:444/apple", None),
        ("https://www.example.com/app/a", None),
        ("/app/a", Some("/shop/a")),
        ("/app;jsessionid=1", Some("/shop;jsessionid=1")),
        ("/apple", None),
        ("app/a", None),
    ];
    for (url, expected) in cases {
        assert_eq!(mapped(&reverse, url).as_deref(), expected, "{url}");
    }

    let stripped = Replacement::new("/shop", "").reversed();
    let reverse = Reverse {
        way_back: Some(&stripped),
        ..reverse
    };
    assert_eq!(mapped(&reverse, "/").as_deref(), Some("/shop/"));
    assert_eq!(mapped(&reverse, "/a").as_deref(), Some("/shop/a"));
    assert_eq!(mapped(&reverse, "//elsewhere/a"), None);
}

#[test]
fn without_a_public_host_an_own_url_becomes_a_path() {
    let public = host("a");
    let reverse = Reverse {
        host: None,
        ..reverse(&public, None)
    };
    assert_eq!(
        mapped(&reverse, "http://10.0.0.1:8080/a?b").as_deref(),
        Some("/a?b")
    );
    assert_eq!(mapped(&reverse, "http://10.0.0.1:8080//evil/"), None);
    assert_eq!(mapped(&reverse, "http://10.0.0.1:8080"), None);
}

#[test]
fn each_field_has_its_own_form() {
    let public = host("w");
    let reverse = reverse(&public, None);
    let own = "http://10.0.0.1:8080";
    let cases = [
        ("location", format!("{own}/a"), "https://w/a"),
        ("content-location", format!("{own}/a"), "https://w/a"),
        ("refresh", format!("5; url={own}/a"), "5; url=https://w/a"),
        (
            "refresh",
            format!("0,URL = '{own}/a' "),
            "0,URL = 'https://w/a' ",
        ),
        (
            "refresh",
            format!("5; {own}/a"),
            "5; http://10.0.0.1:8080/a",
        ),
        ("refresh", "5".to_owned(), "5"),
        (
            "link",
            format!("<{own}/a>; rel=next, </b>, <{own}/c>; title=\"<{own}/d>\\\"<{own}/e>\""),
            "<https://w/a>; rel=next, </b>, <https://w/c>; \
             title=\"<http://10.0.0.1:8080/d>\\\"<http://10.0.0.1:8080/e>\"",
        ),
        ("link", format!("<{own}/a"), "<http://10.0.0.1:8080/a"),
        ("x-location", format!("{own}/a"), "http://10.0.0.1:8080/a"),
    ];
    for (name, value, expected) in cases {
        let mut headers = HeaderMap::new();
        headers.append(name, HeaderValue::from_str(&value).unwrap());
        headers.append(name, HeaderValue::from_static("x"));
        let found = scan(&headers);
        reverse.apply(&mut headers, found);
        assert_eq!(
            headers.get_all(name).iter().collect::<Vec<_>>(),
            [expected, "x"],
            "{value}"
        );
    }
}

#[test]
fn bytes_that_are_no_text_pass_through() {
    let public = host("w");
    let mapped = reverse(&public, None).map(b"http://10.0.0.1:8080/\xe4?\xff");
    assert_eq!(mapped.as_deref(), Some(b"https://w/\xe4?\xff".as_slice()));
}

proptest! {
    #[test]
    fn only_own_urls_are_touched(
        scheme in "http|https|ftp|", authority in "[a-c0-9.:@]{0,10}|10\\.0\\.0\\.1:8080|www\\.e",
        path in "(/[a-c;?#%2]{0,4}){0,3}",
    ) {
        let public = host("www.e");
        let reverse = reverse(&public, None);
        let colon = if scheme.is_empty() { "" } else { ":" };
        let url = format!("{scheme}{colon}//{authority}{path}");
        match mapped(&reverse, &url) {
            None => prop_assert!(authority != "10.0.0.1:8080" || scheme == "https" || scheme == "ftp"),
            Some(new) => {
                prop_assert_eq!(authority, "10.0.0.1:8080");
                let expected = format!("//www.e{path}");
                prop_assert!(new.ends_with(&expected));
                // What is public stays as it is.
                prop_assert_eq!(mapped(&reverse, &new), None);
            }
        }
    }
}
