//! The administrator's changes to headers, on requests and responses.

use super::harness::*;

#[test]
fn requests_are_changed_in_the_order_remove_set_add() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(
        &[&tomcat],
        "request_headers:
  remove: [X-Debug, x-both]
  set: { X-Set: ours, X-Empty: '' }
  add: { X-Add: ours, X-Both: anew }",
    );
    Request::get("/echo")
        .header("x-debug", "1")
        .header("X-Debug", "2")
        .header("X-Set", "theirs")
        .header("X-Set", "theirs too")
        .header("X-Add", "theirs")
        .header("X-Both", "theirs")
        .header("X-Empty", "theirs")
        .header("X-Other", "stays")
        .send(proxy.address())
        .expect(200);
    let seen = tomcat.last_request();
    for (name, expected) in [
        ("X-Debug", &[] as &[&str]),
        ("X-Set", &["ours"]),
        ("X-Add", &["theirs", "ours"]),
        ("X-Both", &["anew"]),
        ("X-Empty", &[]),
        ("X-Other", &["stays"]),
    ] {
        assert_eq!(seen.all(name), expected, "{name}");
    }
}

#[test]
fn responses_are_changed_in_the_order_remove_set_add() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(
        &[&tomcat],
        "response_headers:
  remove: [X-Powered-By]
  set: { X-Frame-Options: DENY, Cache-Control: '' }
  add: { Set-Cookie: 'b=2; Path=/' }",
    );
    let sent = "X-Powered-By=Servlet&X-Frame-Options=ALLOW&Cache-Control=private&Set-Cookie=a%3D1&X-A=1&X-A=2";
    let response = get(proxy.address(), &format!("/headers?{sent}")).expect(200);
    for (name, expected) in [
        ("X-Powered-By", &[] as &[&str]),
        ("X-Frame-Options", &["DENY"]),
        ("Cache-Control", &[]),
        ("Set-Cookie", &["a=1", "b=2; Path=/"]),
        ("X-A", &["1", "2"]),
    ] {
        assert_eq!(response.all(name), expected, "{name}");
    }
}

#[test]
fn a_rules_changes_come_after_its_clusters() {
    let tomcat = Tomcat::start("jvm1");
    let changes = "request_headers: { set: { X-A: cluster, X-B: cluster } }
response_headers: { set: { X-A: cluster, X-B: cluster } }";
    let text = cluster(&[&tomcat], changes);
    let proxy = Proxy::start(&format!(
        "rules:
  - path: /special
    cluster: shop
    request_headers: {{ set: {{ X-B: \"rule after $http_x_b.\" }}, remove: [X-A] }}
    response_headers: {{ set: {{ X-B: rule }}, remove: [X-A] }}
  - cluster: shop
{text}"
    ));
    let common = get(proxy.address(), "/headers?X-A=1").expect(200);
    let seen = tomcat.last_request();
    assert_eq!(
        (seen.header("X-A"), seen.header("X-B")),
        (Some("cluster"), Some("cluster"))
    );
    assert_eq!(
        (common.header("X-A"), common.header("X-B")),
        (Some("cluster"), Some("cluster"))
    );
    let special = Request::get("/special")
        .header("X-B", "theirs")
        .send(proxy.address())
        .expect(200);
    let seen = tomcat.last_request();
    assert_eq!(
        (seen.header("X-A"), seen.header("X-B")),
        (None, Some("rule after theirs."))
    );
    assert_eq!(
        (special.header("X-A"), special.header("X-B")),
        (None, Some("rule"))
    );
}

const REQUEST: &str = "client=$client_ip peer=$peer_ip scheme=$scheme host=$host http_host=$http_host \
port=$server_port method=$method path=$path query=$query uri=$request_uri cluster=$cluster \
agent=$http_user_agent none=$http_x_none dollar=$$";

#[test]
fn every_variable_is_filled_in_on_requests_and_responses() {
    let tomcat = Tomcat::start("jvm1");
    let text = cluster(
        &[&tomcat],
        &format!(
            "request_headers: {{ set: {{ X-All: '{REQUEST}', X-Port: $client_port, X-Id: $request_id }} }}
response_headers: {{ set: {{ X-All: '{REQUEST} backend=$backend status=$status', X-Port: $client_port, X-Id: $request_id }} }}"
        ),
    );
    let proxy = Proxy::start(&format!("trusted_proxies: [127.0.0.9]\n{text}"));
    let mut connection = Raw::connect_from("127.0.0.9", proxy.address());
    let response = Request::new("PUT", "/status/404;a=%2F?b=c&d")
        .header("Host", "Shop.example:81")
        .header("X-Forwarded-For", "192.0.2.1")
        .header("X-Forwarded-Proto", "https")
        .header("User-Agent", "test/1")
        .send_on(&mut connection);
    let seen = tomcat.last_request();
    let port = proxy.address().socket_addr().unwrap().port();
    let expected = format!(
        "client=192.0.2.1 peer=127.0.0.9 scheme=https host=shop.example http_host=Shop.example:81 \
port={port} method=PUT path=/status/404;a=%2F query=b=c&d uri=/status/404;a=%2F?b=c&d cluster=shop \
agent=test/1 none= dollar=$"
    );
    assert_eq!(seen.header("X-All"), Some(expected.as_str()));
    let expected = format!("{expected} backend=jvm1 status={}", response.status());
    assert_eq!(response.header("X-All"), Some(expected.as_str()));
    let client_port = connection.local().port().to_string();
    assert_eq!(seen.header("X-Port"), Some(client_port.as_str()));
    assert_eq!(response.header("X-Port"), Some(client_port.as_str()));
    assert_eq!(seen.header("X-Id").unwrap().len(), 32);
    assert_eq!(response.header("X-Id"), seen.header("X-Id"));
}

#[test]
fn a_response_rule_reads_the_requests_fields_and_not_the_responses() {
    let tomcat = Tomcat::start("jvm1");
    let text = cluster(&[&tomcat], "request_headers: { remove: [Origin] }");
    let proxy = Proxy::start(&format!(
        "rules:
  - cluster: shop
    response_headers: {{ set: {{ Access-Control-Allow-Origin: $http_origin, X-Seen: $http_x_mine }} }}
{text}"
    ));
    let target = "/headers?Origin=the+response&X-Mine=the+response";
    let request = Request::get(target)
        .header("Origin", "https://a.example")
        .header("X-Mine", "1")
        .header("X-Mine", "2");
    let response = request.send(proxy.address()).expect(200);
    assert_eq!(
        response.header("Access-Control-Allow-Origin"),
        Some("https://a.example")
    );
    assert_eq!(response.header("X-Seen"), Some("1, 2"));
    assert_eq!(tomcat.last_request().header("Origin"), None);
    // Whoever sends none gets none.
    let response = get(proxy.address(), target).expect(200);
    assert_eq!(response.header("Access-Control-Allow-Origin"), None);
}

#[test]
fn bytes_that_no_header_may_carry_are_never_sent() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(
        &[&tomcat],
        "response_headers: { set: { X-Path: $path, X-Query: $query } }",
    );
    // Encoded line ends stay encoded.
    let response = get(
        proxy.address(),
        "/headers%0d%0aSet-Cookie:x?a=%0d%0aX-Forged:1",
    );
    assert_eq!(
        response.header("X-Path"),
        Some("/headers%0d%0aSet-Cookie:x")
    );
    assert_eq!(response.header("X-Query"), Some("a=%0d%0aX-Forged:1"));
    assert_eq!(response.header("X-Forged"), None);
    assert_eq!(
        response
            .all("Set-Cookie")
            .iter()
            .filter(|line| line.starts_with('x'))
            .count(),
        0
    );
}
