//! The way back: a Tomcat's own address and paths become the public ones.

use super::harness::*;

/// What the client gets of a header that the Tomcat sent.
fn sent_back(proxy: &Proxy, name: &str, value: &str) -> String {
    let request = Request::get(&answering(name, value)).header("Host", "shop.example:8080");
    let response = request.send(proxy.address()).expect(200);
    let lines = response.all(name);
    assert_eq!(lines.len(), 1, "{lines:?}");
    lines[0].to_owned()
}

/// A target that a Tomcat answers with this header.
fn answering(name: &str, value: &str) -> String {
    let encoded = value.bytes().map(|byte| format!("%{byte:02X}"));
    format!("/headers?{name}={}", encoded.collect::<String>())
}

#[test]
fn the_tomcats_own_address_becomes_the_public_one() {
    let tomcat = Tomcat::start("jvm1");
    let own = tomcat.address().to_string();
    let proxy = Proxy::in_front_of(
        &[&tomcat],
        "rewrite: { location: true }\nhost: app.internal",
    );
    for (name, own_form, public) in [
        (
            "Location",
            "http://OWN/shop?a=b#c",
            "http://shop.example:8080/shop?a=b#c",
        ),
        (
            "Location",
            "http://app.internal/x",
            "http://shop.example:8080/x",
        ),
        (
            "Location",
            "http://app.internal:80",
            "http://shop.example:8080",
        ),
        ("Location", "//OWN/x", "//shop.example:8080/x"),
        (
            "Content-Location",
            "http://OWN/doc",
            "http://shop.example:8080/doc",
        ),
        (
            "Refresh",
            "5; url=http://OWN/x",
            "5; url=http://shop.example:8080/x",
        ),
        (
            "Link",
            "<http://OWN/2>; rel=next, <https://cdn.example/s>; rel=preload",
            "<http://shop.example:8080/2>; rel=next, <https://cdn.example/s>; rel=preload",
        ),
    ] {
        let value = own_form.replace("OWN", &own);
        assert_eq!(
            sent_back(&proxy, name, &value),
            public,
            "{name}: {own_form}"
        );
    }
    for (name, other) in [
        ("Location", "/local"),
        ("Location", "relative;jsessionid=1.jvm1"),
        ("Location", "https://bank.example/x"),
        ("Location", "https://OWN/x"),
        ("Location", "http://OWN1/x"),
        ("X-Other", "http://OWN/x"),
    ] {
        let value = other.replace("OWN", &own);
        assert_eq!(sent_back(&proxy, name, &value), value);
    }
}

#[test]
fn by_default_nothing_is_rewritten() {
    let tomcat = Tomcat::start("jvm1");
    let own = format!("http://{}/x", tomcat.address());
    let proxy = Proxy::in_front_of(&[&tomcat], "");
    for name in ["Location", "Content-Location", "Refresh", "Link"] {
        assert_eq!(sent_back(&proxy, name, &own), own);
    }
    let moved = get(proxy.address(), "/location?to=/there&status=307").expect(307);
    assert_eq!(moved.header("Location"), Some("/there"));
}

#[test]
fn a_replaced_prefix_is_put_back() {
    let tomcat = Tomcat::start("jvm1");
    let own = tomcat.address();
    let text = cluster(&[&tomcat], "rewrite: { location: true }");
    let proxy = Proxy::start(&format!(
        "rules:\n  - {{ path: /shop, cluster: shop, replace_prefix: /webapp }}\n{text}"
    ));
    for (value, expected) in [
        (
            format!("http://{own}/webapp/x"),
            "http://shop.example/shop/x",
        ),
        (
            "http://shop.example/webapp;jsessionid=1".to_owned(),
            "http://shop.example/shop;jsessionid=1",
        ),
        ("/webapp/cart?x".to_owned(), "/shop/cart?x"),
        ("/webapps".to_owned(), "/webapps"),
        (
            format!("http://{own}/manager"),
            "http://shop.example/manager",
        ),
    ] {
        tomcat.raw_answer(
            "/webapp/x",
            format!("HTTP/1.1 302 \r\nLocation: {value}\r\nContent-Length: 0\r\n\r\n"),
        );
        let response = get(proxy.address(), "/shop/x").expect(302);
        assert_eq!(response.header("Location"), Some(expected), "{value}");
    }
}

#[test]
fn a_client_behind_a_tls_proxy_is_sent_to_https() {
    let tomcat = Tomcat::start("jvm1");
    let text = cluster(&[&tomcat], "rewrite: { location: true }");
    let proxy = Proxy::start(&format!("trusted_proxies: [127.0.0.1]\n{text}"));
    let target = answering("Location", &format!("http://{}/x", tomcat.address()));
    let request = Request::get(&target).header("X-Forwarded-Proto", "https");
    let response = request.send(proxy.address()).expect(200);
    assert_eq!(response.header("Location"), Some("https://shop.example/x"));
}

#[test]
fn cookies_get_their_public_path_and_domain() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(
        &[&tomcat],
        "rewrite:
  cookie_path: { /webapp: /shop, /old: / }
  cookie_domain: { app.internal: shop.example, gone.internal: '' }",
    );
    for (value, expected) in [
        (
            "JSESSIONID=AB-n1.jvm1; Path=/webapp; HttpOnly",
            "JSESSIONID=AB-n1.jvm1; Path=/shop; HttpOnly",
        ),
        (
            "a=/webapp; path=/webapp/x;Secure",
            "a=/webapp; path=/shop/x;Secure",
        ),
        ("a=1; Path=/webapps", "a=1; Path=/webapps"),
        ("a=1; Path=/old/x", "a=1; Path=/x"),
        ("a=1; Path=/old", "a=1; Path=/"),
        (
            "a=1; Domain=.App.Internal; Path=/",
            "a=1; Domain=shop.example; Path=/",
        ),
        ("a=1; Domain=gone.internal; Path=/", "a=1; Path=/"),
        (
            "a=1; Domain=www.app.internal",
            "a=1; Domain=www.app.internal",
        ),
        ("a=1", "a=1"),
    ] {
        assert_eq!(sent_back(&proxy, "Set-Cookie", value), expected, "{value}");
    }
    let both = get(
        proxy.address(),
        "/set-cookie?c=a%3D1;Path%3D/webapp&c=b%3D2;Path%3D/old",
    )
    .expect(200);
    assert_eq!(both.all("Set-Cookie"), ["a=1;Path=/shop", "b=2;Path=/"]);
}

#[test]
fn text_without_a_charset_gets_the_default_one() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(&[&tomcat], "rewrite: { charset: utf-8 }");
    for (kind, expected) in [
        ("text/html", "text/html; charset=utf-8"),
        ("text/html;charset=gbk", "text/html;charset=gbk"),
        ("image/png", "image/png"),
        ("application/json", "application/json"),
    ] {
        tomcat.raw_answer(
            "/page",
            format!("HTTP/1.1 200 \r\nContent-Type: {kind}\r\nContent-Length: 2\r\n\r\nok"),
        );
        let response = get(proxy.address(), "/page").expect(200);
        assert_eq!(response.all("Content-Type"), [expected]);
    }
}
