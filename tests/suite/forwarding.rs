//! What a Tomcat is told about the client, field by field, as it sees it.

use std::collections::BTreeMap;

use cattail::standin::Recorded;

use super::harness::*;

/// The fields that speak of the client, of all their lines.
fn told(request: &Recorded) -> BTreeMap<String, Vec<String>> {
    let mut told = BTreeMap::<_, Vec<_>>::new();
    for (name, value) in &request.headers {
        let name = name.to_ascii_lowercase();
        let speaks = name.starts_with("x-forwarded")
            || ["x-real-ip", "forwarded", "via"].contains(&name.as_str());
        if speaks {
            told.entry(name).or_default().push(value.clone());
        }
    }
    told
}

fn lines(expected: &[(&str, &str)]) -> BTreeMap<String, Vec<String>> {
    let mut told = BTreeMap::<_, Vec<_>>::new();
    for (name, value) in expected {
        told.entry((*name).to_owned())
            .or_default()
            .push((*value).to_owned());
    }
    told
}

/// Asks from an address and shows what the Tomcat was told.
fn seen(
    proxy: &Proxy,
    tomcat: &Tomcat,
    (from, request): (&str, &Request),
) -> BTreeMap<String, Vec<String>> {
    let mut connection = Raw::connect_from(from, proxy.address());
    request.send_on(&mut connection).expect(200);
    told(&tomcat.last_request())
}

fn port(proxy: &Proxy) -> String {
    proxy.address().socket_addr().unwrap().port().to_string()
}

const ALL: &str = "forwarded: { rfc7239: true, via: true }";

/// What somebody says who wants to be another.
fn claims(request: Request) -> Request {
    request
        .header("X-Forwarded-For", "192.0.2.1, 10.0.0.1")
        .header("X-Forwarded-For", "192.0.2.2")
        .header("X-Forwarded-Proto", "https")
        .header("X-Forwarded-Host", "bank.example")
        .header("X-Forwarded-Port", "443")
        .header("X-Forwarded-Prefix", "/admin")
        .header("X-Real-IP", "192.0.2.3")
        .header("Forwarded", "for=192.0.2.4;proto=https")
        .header("Via", "1.1 elsewhere")
}

#[test]
fn by_default_a_tomcat_learns_address_scheme_host_and_port() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(&[&tomcat], "");
    let request = Request::get("/echo").header("Host", "Shop.example:81");
    let expected = lines(&[
        ("x-forwarded-for", "127.0.0.7"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-host", "Shop.example:81"),
        ("x-forwarded-port", &port(&proxy)),
        ("x-real-ip", "127.0.0.7"),
    ]);
    assert_eq!(seen(&proxy, &tomcat, ("127.0.0.7", &request)), expected);
}

#[test]
fn what_a_stranger_claims_is_replaced() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(&[&tomcat], ALL);
    let request = claims(Request::get("/echo"));
    let expected = lines(&[
        ("x-forwarded-for", "127.0.0.7"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-host", "shop.example"),
        ("x-forwarded-port", &port(&proxy)),
        ("x-real-ip", "127.0.0.7"),
        ("forwarded", "for=127.0.0.7;host=shop.example;proto=http"),
        ("via", "1.1 elsewhere"),
        ("via", "1.1 cattail"),
    ]);
    assert_eq!(seen(&proxy, &tomcat, ("127.0.0.7", &request)), expected);
}

#[test]
fn what_a_stranger_claims_does_not_pass_where_nothing_is_told() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(
        &[&tomcat],
        "forwarded: { x_forwarded: false, x_real_ip: false }",
    );
    let request = claims(Request::get("/echo"));
    let expected = lines(&[("via", "1.1 elsewhere")]);
    assert_eq!(seen(&proxy, &tomcat, ("127.0.0.7", &request)), expected);
}

#[test]
fn a_client_cannot_take_our_fields_away_by_naming_them() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(&[&tomcat], "");
    let names = "close, X-Forwarded-For, x-forwarded-proto, X-Real-IP, Host, X-Own";
    let request = claims(Request::get("/echo"))
        .header("Connection", names)
        .header("X-Own", "hop-by-hop then");
    let told = seen(&proxy, &tomcat, ("127.0.0.7", &request));
    assert_eq!(told["x-forwarded-for"], ["127.0.0.7"]);
    assert_eq!(told["x-forwarded-proto"], ["http"]);
    assert_eq!(told["x-real-ip"], ["127.0.0.7"]);
    let request = tomcat.last_request();
    assert_eq!(request.all("Host"), ["shop.example"]);
    assert_eq!(request.header("X-Own"), None);
}

fn behind_trusted(tomcat: &Tomcat, more: &str) -> Proxy {
    let text = cluster(&[tomcat], more);
    Proxy::start(&format!("trusted_proxies: [127.0.0.9, 10.0.0.0/8]\n{text}"))
}

#[test]
fn what_a_trusted_peer_tells_is_continued() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = behind_trusted(&tomcat, ALL);
    let request = claims(Request::get("/echo"));
    let expected = lines(&[
        (
            "x-forwarded-for",
            "192.0.2.1, 10.0.0.1, 192.0.2.2, 127.0.0.9",
        ),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "bank.example"),
        ("x-forwarded-port", "443"),
        ("x-forwarded-prefix", "/admin"),
        ("x-real-ip", "192.0.2.3"),
        (
            "forwarded",
            "for=192.0.2.4;proto=https, for=127.0.0.9;host=shop.example;proto=http",
        ),
        ("via", "1.1 elsewhere"),
        ("via", "1.1 cattail"),
    ]);
    assert_eq!(seen(&proxy, &tomcat, ("127.0.0.9", &request)), expected);
    // The same words of a neighbour of it.
    let told = seen(&proxy, &tomcat, ("127.0.0.8", &request));
    assert_eq!(told["x-forwarded-for"], ["127.0.0.8"]);
    assert_eq!(told["x-real-ip"], ["127.0.0.8"]);
}

#[test]
fn what_a_trusted_peer_leaves_out_is_told_of_the_client_it_names() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = behind_trusted(&tomcat, "");
    let request = Request::get("/echo").header("X-Forwarded-For", "192.0.2.1, 10.0.0.1");
    let expected = lines(&[
        ("x-forwarded-for", "192.0.2.1, 10.0.0.1, 127.0.0.9"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-host", "shop.example"),
        ("x-forwarded-port", &port(&proxy)),
        ("x-real-ip", "192.0.2.1"),
    ]);
    assert_eq!(seen(&proxy, &tomcat, ("127.0.0.9", &request)), expected);
}

#[test]
fn a_client_over_ipv6_is_told_as_such() {
    let tomcat = Tomcat::start("jvm1");
    let text = cluster(&[&tomcat], ALL);
    let proxy = Proxy::start(&format!("listeners: [{{ address: '[::1]:0' }}]\n{text}"));
    let request = Request::get("/echo").header("Host", "[::1]:8080");
    request.send(proxy.address()).expect(200);
    let told = told(&tomcat.last_request());
    assert_eq!(told["x-forwarded-for"], ["::1"]);
    assert_eq!(told["x-forwarded-host"], ["[::1]:8080"]);
    assert_eq!(
        told["forwarded"],
        ["for=\"[::1]\";host=\"[::1]:8080\";proto=http"]
    );
}

#[test]
fn via_names_the_version_and_stands_in_answers_too() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(&[&tomcat], ALL);
    let old = Request::get("/echo")
        .http10()
        .header("Host", "shop.example");
    let response = old.send(proxy.address()).expect(200);
    assert_eq!(tomcat.last_request().all("Via"), ["1.0 cattail"]);
    assert_eq!(response.all("Via"), ["1.1 cattail"]);
    let passed = get(proxy.address(), "/headers?Via=1.1+app");
    assert_eq!(passed.all("Via"), ["1.1 app", "1.1 cattail"]);
    let silent = Proxy::in_front_of(&[&tomcat], "");
    assert_eq!(get(silent.address(), "/echo").all("Via"), [""; 0]);
}

#[test]
fn the_host_is_kept_or_the_backends_or_a_fixed_one() {
    let tomcat = Tomcat::start("jvm1");
    let own = tomcat.address().to_string();
    let of_client = Request::get("/echo").header("Host", "Shop.Example:81");
    let without = Request::get("/echo").http10();
    let absolute = Request::get("http://shop.example:82/echo").header("Host", "shop.example:82");
    for (host, [kept, made, taken]) in [
        ("keep", ["Shop.Example:81", &own, "shop.example:82"]),
        ("backend", [&own, &own, &own]),
        ("app.internal:8080", ["app.internal:8080"; 3]),
    ] {
        let proxy = Proxy::in_front_of(&[&tomcat], &format!("host: '{host}'"));
        for (request, expected) in [(&of_client, kept), (&without, made), (&absolute, taken)] {
            request.send(proxy.address()).expect(200);
            let seen = tomcat.last_request();
            assert_eq!(seen.all("Host"), [expected], "host: {host}");
            assert_eq!(seen.target, "/echo");
        }
    }
}
