use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use proptest::prelude::*;

use super::*;

const TOKEN: &str = "tomcatA";
fn strings(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn is_ours(name: &[u8]) -> bool {
    [&b"tomcatA"[..], b"tomcatB", b"10.0.0.1:8080", b"[::1]:80"].contains(&name)
}

fn text(edited: Option<Vec<u8>>) -> Option<String> {
    edited.map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

fn set_cookie(line: &str, dialect: Dialect, token: &str) -> Option<String> {
    let cookies = strings(&["JSESSIONID", "SID"]);
    let names = Names {
        cookies: &cookies,
        parameters: &[],
    };
    text(append_to_set_cookie(line.as_bytes(), names, dialect, token))
}

fn location(value: &str) -> Option<String> {
    let parameters = strings(&["jsessionid"]);
    let dialect = Dialect::Tomcat;
    text(append_to_location(
        value.as_bytes(),
        &parameters,
        dialect,
        TOKEN,
    ))
}

fn cookie(line: &str) -> Option<String> {
    let cookies = strings(&["JSESSIONID", "SID"]);
    let names = Names {
        cookies: &cookies,
        parameters: &[],
    };
    text(strip_cookie_line(line.as_bytes(), names, is_ours))
}

fn path(target: &str) -> Option<String> {
    strip_path(target, &strings(&["jsessionid"]), is_ours)
}

#[test]
fn an_id_without_a_route_gets_ours_and_the_line_stays() {
    let cases = [
        ("JSESSIONID=D208-n1", "JSESSIONID=D208-n1.~tomcatA"),
        (
            "JSESSIONID=D208; Path=/; HttpOnly;SID=x",
            "JSESSIONID=D208.~tomcatA; Path=/; HttpOnly;SID=x",
        ),
        (
            " JSESSIONID = \"D208-n1\" ;  Path=/ ",
            " JSESSIONID = \"D208-n1.~tomcatA\" ;  Path=/ ",
        ),
        ("SID=550e8400-e29b-41d4", "SID=550e8400-e29b-41d4.~tomcatA"),
    ];
    for (line, expected) in cases {
        let appended = set_cookie(line, Dialect::Tomcat, TOKEN);
        assert_eq!(appended.as_deref(), Some(expected), "{line}");
    }
}

#[test]
fn every_other_set_cookie_stays_as_it_is() {
    let too_long = format!("JSESSIONID={}", "D".repeat(505));
    for line in [
        "JSESSIONID=D208-n1.jvm1",
        "JSESSIONID=D208-n1.tomcatA",
        "JSESSIONID=D208-n1.~tomcatA",
        "JSESSIONID=D208.",
        "JSESSIONID=",
        "JSESSIONID=\"\"; Path=/",
        "JSESSIONID=; Max-Age=0",
        "JSESSIONID",
        "",
        "a=b; JSESSIONID=D208",
        "jsessionid=D208",
        "JSESSIONIDSSO=D208",
        "JSESSIONID=D2\t08",
        &too_long,
    ] {
        assert_eq!(set_cookie(line, Dialect::Tomcat, TOKEN), None, "{line}");
    }
    for token in ["", "a b", "a;b", "a,b", "a/b", "a\"", "a%3B", "ä", "a\n"] {
        let appended = set_cookie("JSESSIONID=D208", Dialect::Tomcat, token);
        assert_eq!(appended, None, "{token}");
    }
}

#[test]
fn ids_of_every_dialect_get_the_route_behind_them() {
    let spring = BASE64_STANDARD.encode("550e8400-e29b-41d4-a716-446655440000");
    let routed = BASE64_STANDARD.encode("550e8400.jvm1");
    let cases = [
        (Dialect::Jetty, "node01a-b", true),
        (Dialect::Jetty, "node01a.node0", false),
        (Dialect::Wildfly, "a_b", true),
        (Dialect::Keycloak, "a-b-c", true),
        (Dialect::Weblogic, "a.b", true),
        (Dialect::Weblogic, "a!1!2", false),
        (Dialect::Weblogic, "a!", false),
        (Dialect::SpringSession, &spring, true),
        (Dialect::SpringSession, &routed, false),
        (Dialect::SpringSession, "no-base64!", false),
    ];
    for (dialect, id, is_appended) in cases {
        let line = format!("SID={id}");
        let expected = is_appended.then(|| format!("{line}.~10.0.0.1:8080"));
        let appended = set_cookie(&line, dialect, "10.0.0.1:8080");
        assert_eq!(appended, expected, "{dialect:?} {id}");
    }
}

#[test]
fn ids_in_the_path_of_a_location_get_the_route() {
    let cases = [
        ("/a;jsessionid=D208", Some("/a;jsessionid=D208.~tomcatA")),
        (
            "https://h:1/a;jsessionid=D208-n1/b;x=y?c;jsessionid=1#d",
            Some("https://h:1/a;jsessionid=D208-n1.~tomcatA/b;x=y?c;jsessionid=1#d"),
        ),
        (
            "a;x;jsessionid=1;y/;jsessionid=2#?",
            Some("a;x;jsessionid=1.~tomcatA;y/;jsessionid=2.~tomcatA#?"),
        ),
        ("/a;jsessionid=D208.jvm1", None),
        ("/a;jsessionid=", None),
        ("/a?;jsessionid=D208", None),
        ("/a#;jsessionid=D208", None),
        ("/a%3Bjsessionid=D208", None),
        ("/a;JSESSIONID=D208", None),
        ("", None),
    ];
    for (value, expected) in cases {
        assert_eq!(location(value).as_deref(), expected, "{value}");
    }
}

#[test]
fn only_names_of_this_cluster_are_taken_off() {
    let cases: [(&str, Option<&str>); 11] = [
        ("D208-n1.~tomcatA", Some("D208-n1")),
        ("D208.~10.0.0.1:8080", Some("D208")),
        ("D208.~[::1]:80", Some("D208")),
        ("\"D208.~tomcatB\"", Some("D208")),
        ("D208-n1.tomcatA", None),
        ("D208-n1.~tomcatC", None),
        ("D208-n1.~tomcatA1", None),
        ("D208-n1.~", None),
        (".~tomcatA", None),
        ("D208", None),
        ("", None),
    ];
    for (value, expected) in cases {
        let id = taken_off(value.as_bytes(), is_ours);
        assert_eq!(id, expected.map(str::as_bytes), "{value}");
    }
}

#[test]
fn cookie_lines_are_rid_of_our_routes_alone() {
    let cases = [
        ("JSESSIONID=D208.~tomcatA", Some("JSESSIONID=D208")),
        (
            "a=b.~tomcatA; JSESSIONID=\"1.~tomcatA\" ;SID=2.~tomcatB;JSESSIONID=3.~x;c",
            Some("a=b.~tomcatA; JSESSIONID=\"1\" ;SID=2;JSESSIONID=3.~x;c"),
        ),
        ("JSESSIONID=D208.tomcatA; a=b", None),
        ("", None),
    ];
    for (line, expected) in cases {
        assert_eq!(cookie(line).as_deref(), expected, "{line}");
    }
    let many = "SID=1.~tomcatA; ".repeat(2000);
    assert_eq!(cookie(&many), Some("SID=1; ".repeat(2000)));
    let opaque = [b"a=\xff; SID=\xfe.~tomcatA".as_slice(), b"a=\xff; SID=\xfe"];
    let cookies = strings(&["SID"]);
    let names = Names {
        cookies: &cookies,
        parameters: &[],
    };
    let stripped = strip_cookie_line(opaque[0], names, is_ours);
    assert_eq!(stripped.as_deref(), Some(opaque[1]));
}

#[test]
fn paths_are_rid_of_our_routes_and_queries_stay() {
    let cases = [
        ("/a;jsessionid=1.~tomcatA", Some("/a;jsessionid=1")),
        (
            "/ä;jsessionid=1.~tomcatA/b;x;jsessionid=2.~tomcatB?;jsessionid=3.~tomcatA",
            Some("/ä;jsessionid=1/b;x;jsessionid=2?;jsessionid=3.~tomcatA"),
        ),
        ("/a?;jsessionid=1.~tomcatA", None),
        ("/a;jsessionid=1.tomcatA", None),
        ("/a;sid=1.~tomcatA", None),
        ("*", None),
    ];
    for (target, expected) in cases {
        assert_eq!(path(target).as_deref(), expected, "{target}");
    }
}

proptest! {
    #[test]
    fn what_was_appended_is_taken_off_without_a_trace(
        id in "[!-:<-~ ]{0,12}|[A-Za-z0-9+/]{4,8}={0,2}|D208(-n1)?|[a.~!\"-]{0,8}",
        token in "tomcatA|10\\.0\\.0\\.1:8080",
        number in 0..Dialect::ALL.len(),
    ) {
        let dialect = Dialect::ALL[number];
        let line = format!("SID={id}; Path=/");
        if cookie(&line).is_none()
            && let Some(appended) = set_cookie(&line, dialect, &token)
        {
            prop_assert_eq!(cookie(&appended), Some(line));
        }
        let url = format!("/a;jsessionid={id}/b?c");
        let parameters = strings(&["jsessionid"]);
        if path(&url).is_none()
            && let Some(appended) = append_to_location(url.as_bytes(), &parameters, dialect, &token)
        {
            let appended = String::from_utf8(appended).unwrap();
            prop_assert_eq!(path(&appended), Some(url));
        }
    }
}
