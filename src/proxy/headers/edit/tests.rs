use http::{Method, Uri};
use proptest::prelude::*;

use crate::config::Variable;
use crate::proxy::client::{Entrance, Peer, Scheme, Trust};
use crate::proxy::headers::request_id::{RequestIdSlot, RequestIds};

use super::super::map;
use super::*;

fn text(text: &str) -> Template {
    Template(vec![Piece::Text(text.to_owned())])
}

fn header_of_request(name: &'static str) -> Template {
    Template(vec![Piece::RequestHeader(HeaderName::from_static(name))])
}

fn named<const N: usize>(changes: [(&'static str, Template); N]) -> Vec<(HeaderName, Template)> {
    changes
        .map(|(name, value)| (HeaderName::from_static(name), value))
        .into()
}

fn edited(rules: &HeaderRules, headers: &mut HeaderMap, kept: Option<&HeaderMap>) -> LeftOut {
    let entrance = Entrance {
        scheme: Scheme::Http,
        port: Some(80),
    };
    let peer = Peer::new(
        Some("192.0.2.1:5".parse().unwrap()),
        entrance,
        Trust::Untrusted,
    );
    let client = peer.as_client();
    let ids = RequestIds::seeded([1, 2, 3, 4]);
    let request_id = RequestIdSlot::new(None, &ids);
    let target = Uri::from_static("/a");
    let facts = Facts {
        peer: &peer,
        client: &client,
        method: &Method::GET,
        target: &target,
        host: None,
        request_headers: kept,
        request_id: &request_id,
        cluster: None,
        backend: None,
        status: None,
    };
    HeaderEdits::new(rules).apply(headers, &facts)
}

#[test]
fn fields_are_removed_then_set_then_added() {
    let rules = HeaderRules {
        remove: vec![
            HeaderName::from_static("x-gone"),
            HeaderName::from_static("x-list"),
        ],
        set: named([
            ("x-ip", Template(vec![Piece::Variable(Variable::ClientIp)])),
            ("x-empty", text("")),
            ("x-no-host", Template(vec![Piece::Variable(Variable::Host)])),
        ]),
        add: named([
            ("x-list", text(" one ")),
            ("x-list", text("two")),
            ("x-void", text("")),
        ]),
    };
    let mut headers = map(&[
        ("x-gone", "1"),
        ("x-list", "0"),
        ("x-ip", "6.6.6.6"),
        ("x-ip", "7.7.7.7"),
        ("x-empty", "1"),
        ("x-no-host", "1"),
        ("cookie", "a=b"),
    ]);
    assert_eq!(edited(&rules, &mut headers, None), LeftOut(0));
    let expected = map(&[
        ("x-ip", "192.0.2.1"),
        ("x-list", "one"),
        ("x-list", "two"),
        ("cookie", "a=b"),
    ]);
    assert_eq!(headers, expected);
}

#[test]
fn a_rule_reads_what_the_client_sent_and_not_what_rules_made_of_it() {
    let rules = HeaderRules {
        remove: vec![HeaderName::from_static("x-a")],
        set: named([
            ("x-b", header_of_request("x-a")),
            ("x-a", header_of_request("x-b")),
        ]),
        add: vec![],
    };
    let mut headers = map(&[("x-a", "1"), ("x-b", "2")]);
    assert_eq!(edited(&rules, &mut headers, None), LeftOut(0));
    assert_eq!(headers, map(&[("x-a", "2"), ("x-b", "1")]));
    assert_eq!(HeaderEdits::new(&rules).reads(), Reads::RequestHeaders);

    let mut response = map(&[("x-a", "of the response")]);
    let request = map(&[("x-b", "of the request")]);
    assert_eq!(edited(&rules, &mut response, Some(&request)), LeftOut(0));
    assert_eq!(response, map(&[("x-a", "of the request")]));
}

#[test]
fn what_no_header_may_carry_is_left_out_and_counted() {
    for bad in ["a\r\nx-evil: 1", "a\nb", "a\0b", "a\u{7f}"] {
        let rules = HeaderRules {
            set: named([("x-set", text(bad))]),
            add: named([("x-add", text(bad))]),
            ..HeaderRules::default()
        };
        let mut headers = map(&[("x-set", "old"), ("x-add", "old")]);
        assert_eq!(edited(&rules, &mut headers, None), LeftOut(2));
        assert_eq!(headers, map(&[("x-add", "old")]));
    }
}

#[test]
fn framing_and_routing_fields_are_not_touched() {
    let names = [
        "connection",
        "content-length",
        "host",
        "keep-alive",
        "transfer-encoding",
        "te",
    ];
    let fields = names.map(|name| (name, "old"));
    let rules = HeaderRules {
        remove: names.map(HeaderName::from_static).into(),
        set: named(names.map(|name| (name, text("new")))),
        add: named(names.map(|name| (name, text("more")))),
    };
    let mut headers = map(&fields);
    assert_eq!(edited(&rules, &mut headers, None), LeftOut(0));
    assert_eq!(headers, map(&fields));
    assert!(HeaderEdits::new(&rules).is_empty());
}

fn any_name() -> impl Strategy<Value = HeaderName> {
    prop::sample::select(vec!["x-a", "x-b", "x-c", "host", "content-length"])
        .prop_map(HeaderName::from_static)
}

fn any_template() -> impl Strategy<Value = Template> {
    let piece = prop_oneof![
        "[a-c\r\n\0]{0,3}".prop_map(Piece::Text),
        Just(Piece::Variable(Variable::ClientIp)),
        Just(Piece::RequestHeader(HeaderName::from_static("x-source"))),
    ];
    prop::collection::vec(piece, 0..3).prop_map(Template)
}

proptest! {
    #[test]
    fn removing_and_setting_twice_is_as_once(
        remove in prop::collection::vec(any_name(), 0..3),
        set in prop::collection::vec((any_name(), any_template()), 0..4),
        fields in prop::collection::vec((any_name(), "[a-z]{0,3}"), 0..6),
    ) {
        let rules = HeaderRules { remove, set, add: vec![] };
        let mut once = HeaderMap::new();
        once.insert("x-source", HeaderValue::from_static("s"));
        for (name, value) in fields {
            once.append(name, HeaderValue::from_str(&value).unwrap());
        }
        let left_out = edited(&rules, &mut once, None);
        let mut twice = once.clone();
        prop_assert_eq!(edited(&rules, &mut twice, None), left_out);
        prop_assert_eq!(twice, once);
    }

    #[test]
    fn no_value_smuggles_a_line(value in "[ -~\r\n\0\t]{0,12}") {
        let rules = HeaderRules {
            set: named([("x-a", text(&value))]),
            ..HeaderRules::default()
        };
        let mut headers = HeaderMap::new();
        let LeftOut(_) = edited(&rules, &mut headers, None);
        let sent = headers.get("x-a").map(HeaderValue::as_bytes).unwrap_or_default();
        prop_assert!(!sent.iter().any(|byte| b"\r\n\0".contains(byte)));
    }
}
