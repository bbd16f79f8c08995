//! Which rule a request falls under, and what the rule does.

use super::harness::*;

fn asked(proxy: &Proxy, host: &str, target: &str) -> u16 {
    let request = Request::get(target).header("Host", host);
    request.send(proxy.address()).status()
}

/// The target that the Tomcat saw.
fn passed_on(proxy: &Proxy, tomcat: &Tomcat, target: &str) -> String {
    get(proxy.address(), target).expect(200);
    tomcat.last_request().target
}

/// A rule that answers with a status of its own, to tell rules apart.
fn rule(matches: &str, status: u16) -> String {
    format!("  - {{ {matches}, respond: {{ status: {status} }} }}\n")
}

#[test]
fn the_most_specific_host_counts_then_the_longer_path() {
    // In the worst order: what is specific stands last.
    let rules = [
        rule("path: /shop", 201),
        rule("host: '*', path: /", 202),
        rule("host: '*.example.com'", 203),
        rule("host: '*.www.example.com'", 204),
        rule("host: www.example.com", 205),
        rule("host: www.example.com, path: /shop", 206),
        rule("host: www.example.com, path: /shop/cart", 207),
        rule("host: '[::1]'", 208),
    ];
    let proxy = Proxy::start(&format!("rules:\n{}", rules.concat()));
    for (host, target, expected) in [
        ("www.example.com", "/", 205),
        ("WWW.Example.COM:8080", "/", 205),
        ("www.example.com.", "/", 205),
        ("www.example.com", "/shop", 206),
        ("www.example.com", "/shop/", 206),
        ("www.example.com", "/shop?x=/shop/cart", 206),
        ("www.example.com", "/shop;jsessionid=1/cart", 206),
        ("www.example.com", "/shop/cart;jsessionid=1.jvm1", 207),
        ("www.example.com", "/shop/cart/2", 207),
        ("www.example.com", "/shopping", 205),
        ("www.example.com", "/shop%2Fcart", 205),
        ("www.example.com", "/%73hop", 205),
        ("www.example.com", "/SHOP", 205),
        ("www.example.com", "//shop", 205),
        ("www.example.com", "/x/../shop", 205),
        ("a.www.example.com", "/", 204),
        ("a.b.www.example.com", "/shop", 204),
        ("other.example.com", "/shop", 203),
        ("example.com", "/", 202),
        ("example.com", "/shop/cart", 201),
        ("notexample.com", "/", 202),
        ("www.example.com.evil.test", "/", 202),
        ("[::1]:80", "/", 208),
    ] {
        let status = asked(&proxy, host, target);
        assert_eq!(status, expected, "{host} {target}");
    }
    let without_host = Request::get("/shop").http10();
    assert_eq!(without_host.send(proxy.address()).status(), 201);
}

#[test]
fn an_absolute_target_is_matched_by_its_own_host_and_path() {
    let rules = [
        rule("host: www.example.com, path: /a", 201),
        rule("path: /", 202),
    ];
    let proxy = Proxy::start(&format!("rules:\n{}", rules.concat()));
    let target = "http://www.example.com/a/b";
    assert_eq!(asked(&proxy, "www.example.com", target), 201);
}

#[test]
fn rules_lead_to_their_clusters() {
    let [one, two] = ["one", "two"].map(Tomcat::start);
    let proxy = Proxy::start(&format!(
        "rules:
  - {{ host: '*.example.com', path: /api, cluster: two }}
  - {{ cluster: one }}
clusters:
  one: {{ affinity: none, backends: ['{}'] }}
  two: {{ affinity: none, backends: ['{}'] }}",
        one.address(),
        two.address()
    ));
    let served_by = |host: &str, target: &str| {
        let request = Request::get(target).header("Host", host);
        let response = request.send(proxy.address()).expect(200);
        response.tomcat().to_owned()
    };
    assert_eq!(served_by("a.example.com", "/api/x"), "two");
    assert_eq!(served_by("a.example.com", "/apis"), "one");
    assert_eq!(served_by("example.com", "/api"), "one");
}

#[test]
fn without_a_rule_there_is_404_and_no_tomcat_is_asked() {
    let tomcat = Tomcat::start("jvm1");
    let text = cluster(&[&tomcat], "");
    let proxy = Proxy::start(&format!(
        "rules:\n  - {{ host: www.example.com, path: /shop, cluster: shop }}\n{text}"
    ));
    assert_eq!(asked(&proxy, "www.example.com", "/shop/x"), 200);
    assert_eq!(asked(&proxy, "www.example.com", "/"), 404);
    assert_eq!(asked(&proxy, "other.example.com", "/shop"), 404);
    assert_eq!(tomcat.count(), 1);
    let metrics = proxy.metrics();
    let unrouted = [("code", "4xx")];
    assert_eq!(
        metrics.value("cattail_requests_unrouted_total", &unrouted),
        2
    );
}

#[test]
fn a_prefix_is_stripped_and_the_rest_stays_byte_for_byte() {
    let tomcat = Tomcat::start("jvm1");
    let text = cluster(&[&tomcat], "");
    let proxy = Proxy::start(&format!(
        "rules:\n  - {{ path: /app, cluster: shop, strip_prefix: true }}\n{text}"
    ));
    for (sent, seen) in [
        ("/app/x", "/x"),
        ("/app", "/"),
        ("/app/", "/"),
        ("/app?a=b", "/?a=b"),
        ("/app;jsessionid=AB-n1.jvm1", "/;jsessionid=AB-n1.jvm1"),
        ("/app;jsessionid=AB?x=/app", "/;jsessionid=AB?x=/app"),
        ("/app/app/x", "/app/x"),
        ("/app//x", "//x"),
        ("/app/%2F%3b/%41/../;a=b", "/%2F%3b/%41/../;a=b"),
    ] {
        assert_eq!(passed_on(&proxy, &tomcat, sent), seen, "{sent}");
    }
}

#[test]
fn a_prefix_is_replaced() {
    let tomcat = Tomcat::start("jvm1");
    let text = cluster(&[&tomcat], "");
    let proxy = Proxy::start(&format!(
        "rules:
  - {{ path: /shop, cluster: shop, replace_prefix: /webapp/v2 }}
  - {{ path: /, cluster: shop, replace_prefix: /root }}
{text}"
    ));
    for (sent, seen) in [
        ("/shop/cart?a=1", "/webapp/v2/cart?a=1"),
        ("/shop", "/webapp/v2"),
        ("/shop;jsessionid=1.jvm1", "/webapp/v2;jsessionid=1.jvm1"),
        ("/shop/", "/webapp/v2/"),
        ("/shopping", "/root/shopping"),
        ("/", "/root/"),
    ] {
        assert_eq!(passed_on(&proxy, &tomcat, sent), seen, "{sent}");
    }
}

#[test]
fn without_a_prefix_rule_the_target_is_untouched() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(&[&tomcat], "");
    for target in [
        "/",
        "//x//",
        "/a/../b/./c",
        "/a%2Fb%3Bc%25",
        "/a;b=c;jsessionid=1.jvm1?q=%20+&&=",
        "/[x]|{y}\"^",
        "/?",
        "/a?b?c#d".split('#').next().unwrap(),
    ] {
        assert_eq!(passed_on(&proxy, &tomcat, target), target);
    }
}

#[test]
fn a_fixed_response_is_whole_and_keeps_the_connection() {
    let proxy = Proxy::start(
        "rules:
  - path: /robots.txt
    respond: { body: \"User-agent: *\\nDisallow: /\\n\" }
  - path: /api
    respond: { status: 410, content_type: application/json, body: '{\"gone\":true}' }
  - path: /nothing
    respond: { status: 204 }",
    );
    let mut connection = Raw::connect(proxy.address());
    let robots = Request::get("/robots.txt")
        .send_on(&mut connection)
        .expect(200);
    assert_eq!(robots.text(), "User-agent: *\nDisallow: /\n");
    assert_eq!(
        robots.header("Content-Type"),
        Some("text/plain; charset=utf-8")
    );
    assert_eq!(robots.framing, Framing::Length(26));
    let gone = Request::get("/api/v1").send_on(&mut connection).expect(410);
    assert_eq!(gone.json()["gone"], true);
    assert_eq!(gone.header("Content-Type"), Some("application/json"));
    Request::get("/nothing")
        .send_on(&mut connection)
        .expect(204);
    let head = Request::new("HEAD", "/robots.txt")
        .send_on(&mut connection)
        .expect(200);
    assert_eq!(head.header("Content-Length"), Some("26"));
    // A body that nobody asked for is not taken for the next request.
    let posted = Request::post("/api", "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(!posted.send_on(&mut connection).expect(410).keeps_alive());
    connection.expect_closed();
}

#[test]
fn redirects_have_their_status_and_place() {
    let proxy = Proxy::start(
        "rules:
  - { path: /301, redirect: { to: 'https://www.example.com/new', status: 301 } }
  - { path: /302, redirect: { to: '/local' } }
  - { path: /303, redirect: { to: '/form', status: 303 } }
  - { path: /307, redirect: { to: 'http://other.example$path', status: 307 } }
  - { path: /308, redirect: { to: '$scheme://$http_host/x?$query', status: 308 } }
  - { redirect: { to: 'https://$host$request_uri', status: 308 } }",
    );
    for (host, target, status, location) in [
        ("a.example", "/301/x?y", 301, "https://www.example.com/new"),
        ("a.example", "/302", 302, "/local"),
        ("a.example", "/303", 303, "/form"),
        (
            "a.example",
            "/307/%2F;a=b?q",
            307,
            "http://other.example/307/%2F;a=b",
        ),
        (
            "A.example:81",
            "/308?q=%20",
            308,
            "http://A.example:81/x?q=%20",
        ),
        (
            "Shop.example:80",
            "/a;jsessionid=1/%2f?b=c&d",
            308,
            "https://shop.example/a;jsessionid=1/%2f?b=c&d",
        ),
        (
            "shop.example",
            "//evil.example/",
            308,
            "https://shop.example//evil.example/",
        ),
    ] {
        let request = Request::get(target).header("Host", host);
        let response = request.send(proxy.address()).expect(status);
        assert_eq!(
            response.header("Location"),
            Some(location),
            "{host} {target}"
        );
        assert!(response.keeps_alive() && response.body.is_empty());
    }
    let posted = Request::post("/307/form", "a=b").send(proxy.address());
    assert_eq!(
        posted.expect(307).header("Location"),
        Some("http://other.example/307/form")
    );
}

#[test]
fn a_trusted_proxy_that_speaks_tls_is_not_redirected_in_a_circle() {
    let tomcat = Tomcat::start("jvm1");
    let text = cluster(&[&tomcat], "");
    let proxy = Proxy::start(&format!(
        "trusted_proxies: [127.0.0.1]
rules:
  - {{ path: /moved, redirect: {{ to: '$scheme://$host/new' }} }}
  - {{ cluster: shop }}
{text}"
    ));
    let location = |from: &str| {
        let mut connection = Raw::connect_from(from, proxy.address());
        let request = Request::get("/moved").header("X-Forwarded-Proto", "https");
        let response = request.send_on(&mut connection).expect(302);
        response.header("Location").unwrap().to_owned()
    };
    assert_eq!(location("127.0.0.1"), "https://shop.example/new");
    assert_eq!(location("127.0.0.2"), "http://shop.example/new");
}

#[test]
fn a_reload_changes_the_rules() {
    let proxy = Proxy::start("rules: [{ respond: { body: old } }]");
    let mut connection = Raw::connect(proxy.address());
    let mut asked = || {
        Request::get("/")
            .send_on(&mut connection)
            .expect(200)
            .text()
    };
    assert_eq!(asked(), "old");
    proxy.reload("rules: [{ respond: { body: new } }]").unwrap();
    assert_eq!(asked(), "new");
    assert!(
        proxy
            .reload("rules: [{ respond: { statuss: 1 } }]")
            .is_err()
    );
    assert_eq!(asked(), "new");
}
