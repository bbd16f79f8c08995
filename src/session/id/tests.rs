use ::base64::Engine as _;
use ::base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE};
use proptest::prelude::*;

use super::*;

const HEX: &str = "D20877A04A8A2A6D7B9E0DF1C65AD799";
const UUID: &str = "550e8400-e29b-41d4-a716-446655440000";
fn text(bytes: Option<&[u8]>) -> String {
    String::from_utf8_lossy(bytes.unwrap_or(b"none")).into_owned()
}

/// Base, store node and route.
fn parts(dialect: Dialect, value: &str) -> [String; 3] {
    let id = Id::read(dialect, value.as_bytes()).unwrap();
    [Some(id.base()), id.store_node(), id.route()].map(text)
}

fn routes(dialect: Dialect, value: &str) -> Vec<String> {
    let id = Id::read(dialect, value.as_bytes()).unwrap();
    id.routes().map(|route| text(Some(route))).collect()
}

fn refusal(dialect: Dialect, value: &[u8]) -> Option<RejectedId> {
    Id::read(dialect, value).err()
}

#[test]
fn tomcat_ids_split_at_the_first_dot_and_the_first_dash() {
    let hex_node = format!("{HEX}-n1");
    let hex_node_route = format!("{HEX}-n1.jvm1");
    let hex_route = format!("{HEX}.jvm1");
    let uuid_route = format!("{UUID}.jvm1");
    let own = format!("{HEX}-n1.~tomcatA");
    let quoted = format!("\"{HEX}-n1.jvm1\"");
    let cases: [(&str, [&str; 3]); 24] = [
        (&hex_node_route, [HEX, "n1", "jvm1"]),
        (&hex_node, [HEX, "n1", "none"]),
        (&hex_route, [HEX, "none", "jvm1"]),
        (HEX, [HEX, "none", "none"]),
        (UUID, [UUID, "none", "none"]),
        (&uuid_route, [UUID, "none", "jvm1"]),
        (&own, [HEX, "n1", "~tomcatA"]),
        (&quoted, [HEX, "n1", "jvm1"]),
        ("5526D1F42E23-n1", ["5526D1F42E23", "n1", "none"]),
        ("4DD0C1A139EC-n2", ["4DD0C1A139EC", "n2", "none"]),
        ("foo-n.j-v-m1", ["foo", "n", "j-v-m1"]),
        ("foo.j-v-m1", ["foo", "none", "j-v-m1"]),
        ("foo-n1.f1.tomcat1", ["foo", "n1", "f1.tomcat1"]),
        ("foo-n_1", ["foo", "n_1", "none"]),
        ("foo-n1-n2", ["foo-n1-n2", "none", "none"]),
        ("foo--n1", ["foo--n1", "none", "none"]),
        ("foo-", ["foo-", "none", "none"]),
        ("foo-.jvm1", ["foo-", "none", "jvm1"]),
        ("foo-n1.", ["foo", "n1", "none"]),
        ("foo.", ["foo", "none", "none"]),
        ("foo..jvm1", ["foo", "none", ".jvm1"]),
        ("-a-b", ["-a-b", "none", "none"]),
        ("\"", ["\"", "none", "none"]),
        ("\"foo", ["\"foo", "none", "none"]),
    ];
    for (value, expected) in cases {
        assert_eq!(parts(Dialect::Tomcat, value), expected, "{value}");
    }
}

#[test]
fn other_dialects_have_no_store_node() {
    let own = format!("{HEX}.~b");
    for dialect in [Dialect::Jetty, Dialect::Wildfly, Dialect::Keycloak] {
        assert_eq!(parts(dialect, "a-n1.node0"), ["a-n1", "none", "node0"]);
        assert_eq!(parts(dialect, "a-n1"), ["a-n1", "none", "none"]);
        assert_eq!(parts(dialect, &own), [HEX, "none", "~b"]);
    }
    let cases = [
        ("base!1!2!1500000000", ["base", "none", "1!2!1500000000"]),
        ("base!1", ["base", "none", "1"]),
        ("ba.se-n1", ["ba.se-n1", "none", "none"]),
        ("base!", ["base", "none", "none"]),
        ("ba.se.~10.0.0.1:80", ["ba.se", "none", "~10.0.0.1:80"]),
    ];
    for (value, expected) in cases {
        assert_eq!(parts(Dialect::Weblogic, value), expected, "{value}");
    }
}

#[test]
fn routes_come_in_order_of_trust() {
    let cases: [(Dialect, &str, &[&str]); 15] = [
        (Dialect::Tomcat, "a-n1.f1.t1", &["f1.t1"]),
        (Dialect::Tomcat, "a-n1", &[]),
        (Dialect::Jetty, "a.node0", &["node0"]),
        (Dialect::Keycloak, "a.kc-1", &["kc-1"]),
        (Dialect::Wildfly, "a.r1", &["r1"]),
        (
            Dialect::Wildfly,
            "a.r1.r2.r3",
            &["r1.r2.r3", "r1", "r2", "r3"],
        ),
        (Dialect::Wildfly, "a.r1..r3", &["r1..r3", "r1", "r3"]),
        (Dialect::Wildfly, "a.~10.0.0.1", &["~10.0.0.1"]),
        (Dialect::Weblogic, "a!1!2", &["1", "2"]),
        (Dialect::Weblogic, "a!1!2!1500000000", &["1", "2"]),
        (Dialect::Weblogic, "a!1!2!x3", &["1", "2", "x3"]),
        (Dialect::Weblogic, "a!1!2!3!4", &["1", "2", "3", "4"]),
        (Dialect::Weblogic, "a!-17!NONE", &["-17", "NONE"]),
        (Dialect::Weblogic, "a!1", &["1"]),
        (Dialect::Weblogic, "a.~b", &["~b"]),
    ];
    for (dialect, value, expected) in cases {
        assert_eq!(routes(dialect, value), expected, "{dialect:?} {value}");
    }
}

#[test]
fn spring_sessions_are_decoded_in_any_base64() {
    let plain = format!("{UUID}.jvm1");
    for value in [
        BASE64_STANDARD.encode(&plain),
        BASE64_STANDARD_NO_PAD.encode(&plain),
        format!("\"{}\"", BASE64_STANDARD.encode(&plain)),
    ] {
        let parts = parts(Dialect::SpringSession, &value);
        assert_eq!(parts, [UUID, "none", "jvm1"], "{value}");
    }
    let appended = format!("{}.~b.c", BASE64_STANDARD.encode(UUID));
    assert_eq!(
        parts(Dialect::SpringSession, &appended),
        [UUID, "none", "~b.c"]
    );

    let opaque: &[u8] = &[0xff, 0xfb, 0xfe, 0xff];
    for value in [
        BASE64_STANDARD.encode(opaque),
        BASE64_URL_SAFE.encode(opaque),
    ] {
        let id = Id::read(Dialect::SpringSession, value.as_bytes()).unwrap();
        assert_eq!(id.base(), opaque, "{value}");
    }
}

#[test]
fn what_spring_did_not_encode_is_undecodable() {
    let long = |length| BASE64_STANDARD.encode("x".repeat(length));
    assert_eq!(refusal(Dialect::SpringSession, long(128).as_bytes()), None);
    assert_eq!(
        refusal(
            Dialect::SpringSession,
            format!("{}.~b", long(126)).as_bytes()
        ),
        Some(RejectedId::Undecodable),
        "no room for the route"
    );
    for value in [
        &long(129),
        "no base64!",
        "YWJj.jvm1",
        "a",
        "YWJj\u{1}",
        "+-+-",
    ] {
        assert_eq!(
            refusal(Dialect::SpringSession, value.as_bytes()),
            Some(RejectedId::Undecodable),
            "{value}"
        );
    }
    let control = BASE64_STANDARD.encode("a\nb");
    assert_eq!(
        refusal(Dialect::SpringSession, control.as_bytes()),
        Some(RejectedId::ControlCharacter)
    );
    assert_eq!(
        refusal(Dialect::SpringSession, b""),
        Some(RejectedId::NoBase)
    );
}

#[test]
fn an_id_needs_a_base() {
    for value in ["", "\"\"", ".", ".jvm1", "-n1", "-n1.jvm1"] {
        assert_eq!(
            refusal(Dialect::Tomcat, value.as_bytes()),
            Some(RejectedId::NoBase),
            "{value}"
        );
    }
    for value in ["!1!2", "!", ".~b"] {
        assert_eq!(
            refusal(Dialect::Weblogic, value.as_bytes()),
            Some(RejectedId::NoBase),
            "{value}"
        );
    }
}

#[test]
fn an_id_has_at_most_512_bytes() {
    for dialect in Dialect::ALL {
        let refusal = refusal(dialect, &[b'a'; 513]);
        assert_eq!(refusal, Some(RejectedId::TooLong), "{dialect:?}");
    }
    assert_eq!(refusal(Dialect::Tomcat, &[b'a'; 512]), None);
    let huge = vec![b'.'; 100_000];
    assert_eq!(refusal(Dialect::Tomcat, &huge), Some(RejectedId::TooLong));
}

#[test]
fn control_characters_are_refused_and_other_bytes_are_opaque() {
    for byte in (0..0x20).chain([0x7f]) {
        let value = [b"0123456789.j", &[byte][..], b"vm1"].concat();
        let refusal = refusal(Dialect::Tomcat, &value);
        assert_eq!(refusal, Some(RejectedId::ControlCharacter), "{byte}");
    }
    let id = Id::read(Dialect::Tomcat, b"\xff\x80-n1.\xc3\xa4").unwrap();
    assert_eq!(id.base(), b"\xff\x80");
    assert_eq!(id.store_node(), Some(&b"n1"[..]));
    assert_eq!(id.route(), Some(&b"\xc3\xa4"[..]));
}

#[test]
fn only_a_marked_route_is_the_proxys_own() {
    assert_eq!(own_token(b"~tomcatA"), Some(&b"tomcatA"[..]));
    for route in [&b"tomcatA"[..], b"~", b"", b"a~b"] {
        assert_eq!(own_token(route), None);
    }
}

#[test]
fn logs_show_little_of_the_base_and_a_tail_that_names_machines() {
    let long_route = format!("{HEX}{HEX}{HEX}{HEX}{HEX}.{}", "r".repeat(130));
    let token = "eyJhbGciOiJI.eyJzdWIiOiIx.SflKxwRJSMeKKF2QT4";
    let cases = [
        (
            "D20877A04A8A2A6D7B9E0DF1C65AD799-n1.jvm1",
            "D20877*-n1.jvm1",
        ),
        (
            "D20877A04A8A2A6D7B9E0DF1C65AD799.~tomcatA",
            "D20877*.~tomcatA",
        ),
        (UUID, "550e84*"),
        ("abcd1234.jvm1", "ab*.jvm1"),
        ("abc", "*"),
        ("abcdefghijkl.jvm\"1", "abc*"),
        ("abcdefghijkl.jvm<1", "abc*"),
        ("a\"'d56789012", "a??*"),
        ("ÄÖabcdef", "??*"),
        (token, "eyJ*"),
        (&long_route, "D20877*"),
    ];
    for (value, expected) in cases {
        let id = Id::read(Dialect::Tomcat, value.as_bytes()).unwrap();
        assert_eq!(id.shortened().to_string(), expected, "{value}");
        assert_eq!(format!("{id:?}"), format!("Id({expected})"));
    }
}

#[test]
fn a_route_that_may_be_the_secret_is_not_shown() {
    let long = format!("{}.{}", "b".repeat(130), "r".repeat(100));
    let most = "r".repeat(64);
    let cases = [
        ("D2081B9F3A6E4C7A-n1.jvm1", Some("jvm1")),
        ("D2081B9F3A6E4C7A", None),
        ("s.8b1e5f90c2d3a799d2081b9f3a6e4c7a", None),
        ("D2081B9F3A6E4C7A.a\u{e9}b", None),
        (long.as_str(), Some(most.as_str())),
    ];
    for (value, expected) in cases {
        let id = Id::read(Dialect::Tomcat, value.as_bytes()).unwrap();
        assert_eq!(id.shown_route(), expected.map(str::as_bytes), "{value}");
    }
}

proptest! {
    #[test]
    fn a_tomcat_id_is_read_as_it_was_written(
        base in "[A-Za-z0-9+_~]{1,40}",
        node in prop::option::of("[A-Za-z0-9_]{1,8}"),
        route in prop::option::of("[!-~]{1,20}"),
    ) {
        let node_text = node.as_ref().map_or(String::new(), |node| format!("-{node}"));
        let route_text = route.as_ref().map_or(String::new(), |route| format!(".{route}"));
        let value = format!("{base}{node_text}{route_text}");
        let none = || "none".to_owned();
        let expected = [base, node.unwrap_or_else(none), route.unwrap_or_else(none)];
        prop_assert_eq!(parts(Dialect::Tomcat, &value), expected);
    }

    #[test]
    fn any_bytes_can_be_read_in_any_dialect(
        value in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'.'), Just(b'-'), Just(b'!')], 0..60),
    ) {
        for dialect in Dialect::ALL {
            let Ok(id) = Id::read(dialect, &value) else { continue };
            prop_assert!(!id.base().is_empty());
            prop_assert!(id.routes().all(|route| !route.is_empty()));
            prop_assert_eq!(id.routes().count() > 0, id.route().is_some_and(|route| dialect != Dialect::Weblogic
                || route.iter().any(|byte| *byte != b'!')));
        }
    }
}
