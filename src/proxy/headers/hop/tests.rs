use proptest::prelude::*;

use super::super::fields::scan;
use super::super::map;
use super::*;

fn stripped(fields: &[(&str, &str)]) -> HeaderMap {
    let mut headers = map(fields);
    let found = scan(&headers);
    strip(&mut headers, found);
    headers
}

#[test]
fn fields_of_one_connection_go() {
    let kept = stripped(&[
        ("host", "a"),
        ("connection", "keep-alive, Upgrade, X-Mine"),
        ("connection", "close, x-other, , no name"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("proxy-authorization", "Basic x"),
        ("upgrade", "websocket"),
        ("http2-settings", "AAA"),
        ("te", "gzip"),
        ("transfer-encoding", "chunked"),
        ("x-mine", "1"),
        ("x-mine", "2"),
        ("X-Other", "1"),
        ("cookie", "a=b"),
        ("trailer", "x-sum"),
    ]);
    assert_eq!(
        kept,
        map(&[("host", "a"), ("cookie", "a=b"), ("trailer", "x-sum")])
    );
}

#[test]
fn naming_does_not_take_away_what_is_ours() {
    let ours = [
        ("host", "a"),
        ("content-length", "5"),
        ("x-forwarded-for", "1"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-prefix", "/a"),
        ("x-real-ip", "1"),
        ("forwarded", "for=1"),
        ("via", "1.1 a"),
    ];
    let named = "Host, content-length, X-Forwarded-For, x-forwarded-proto, x-forwarded-prefix, \
                 x-real-ip, forwarded, via";
    let mut fields = ours.to_vec();
    fields.push(("connection", named));
    assert_eq!(stripped(&fields), map(&ours));
}

#[test]
fn te_is_reduced_to_trailers() {
    let kept = stripped(&[("te", "gzip;q=0.5, Trailers"), ("connection", "TE")]);
    assert_eq!(kept, map(&[("te", "trailers"), ("connection", "te")]));
    assert_eq!(
        stripped(&[("te", "gzip, xtrailers"), ("connection", "te")]),
        HeaderMap::new()
    );
}

#[test]
fn a_body_has_one_framing() {
    let framed = |fields: &[(&str, &str)], body| {
        let mut headers = map(fields);
        frame_request(&mut headers, body);
        headers
    };
    let chunked = framed(&[("content-length", "5")], DeclaredBody::Chunked);
    assert_eq!(chunked, map(&[("transfer-encoding", "chunked")]));
    let plain = framed(&[("content-length", "007")], DeclaredBody::Length(7));
    assert_eq!(plain, map(&[("content-length", "7")]));
    let zero = framed(&[("content-length", "0")], DeclaredBody::Length(0));
    assert_eq!(zero, map(&[("content-length", "0")]));
    assert_eq!(
        framed(&[("content-length", "5")], DeclaredBody::None),
        HeaderMap::new()
    );
}

#[test]
fn an_expectation_is_passed_on_in_our_words() {
    let mut headers = map(&[("expect", "100-Continue"), ("expect", "100-continue")]);
    let found = scan(&headers);
    pass_expectation(&mut headers, found, Expectation::Continue);
    assert_eq!(headers, map(&[("expect", "100-continue")]));
    pass_expectation(&mut headers, found, Expectation::None);
    assert_eq!(headers, HeaderMap::new());
}

fn any_fields() -> impl Strategy<Value = Vec<(String, String)>> {
    let name = prop::sample::select(vec![
        "connection",
        "te",
        "keep-alive",
        "upgrade",
        "host",
        "content-length",
        "x-a",
        "x-b",
        "transfer-encoding",
        "x-forwarded-for",
        "cookie",
        "proxy-connection",
    ]);
    let value = "[a-bx, -]{0,8}|x-a|x-b, close|host|trailers|cookie,te|transfer-encoding";
    prop::collection::vec((name.prop_map(str::to_owned), value), 0..12)
}

proptest! {
    #[test]
    fn no_hop_by_hop_field_passes_and_no_other_is_lost(fields in any_fields()) {
        let fields: Vec<_> = fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let before = map(&fields);
        let after = stripped(&fields);
        let named: Vec<String> = before.get_all("connection").iter()
            .flat_map(|line| line.to_str().unwrap().split(','))
            .map(|option| option.trim().to_owned())
            .collect();
        let hop = ["connection", "te", "keep-alive", "upgrade", "transfer-encoding",
                   "proxy-connection"];
        for name in before.keys().map(HeaderName::as_str) {
            let lines = |map: &HeaderMap| map.get_all(name).iter().cloned().collect::<Vec<_>>();
            if hop.contains(&name) {
                let after = lines(&after);
                prop_assert!(after.is_empty() || (name == "te" && after == ["trailers"])
                    || (name == "connection" && after == ["te"]));
            } else if ["host", "content-length", "x-forwarded-for"].contains(&name)
                || !named.iter().any(|option| option == name) {
                prop_assert_eq!(lines(&after), lines(&before));
            } else {
                prop_assert!(lines(&after).is_empty());
            }
        }
        let again = { let mut map = after.clone(); let found = scan(&map); strip(&mut map, found); map };
        prop_assert_eq!(again, after);
    }
}

#[test]
fn what_we_alone_may_say_is_taken_off_in_each_way_to_write_it() {
    for told in ["x-cert-subject", "x_cert_subject", "x-cert_subject"] {
        let told = [HeaderName::from_static(told)];
        let mut headers = map(&[
            ("X-Cert-Subject", "1"),
            ("X_Cert_Subject", "1"),
            ("x_cert-subject", "1"),
            ("x_cert", "1"),
        ]);
        remove_told(&mut headers, &told);
        let left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        assert_eq!(left, ["x_cert"], "{told:?}");
    }
}
