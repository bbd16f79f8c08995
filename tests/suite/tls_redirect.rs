//! Rules by scheme: everybody is sent to HTTPS, but for what must stay reachable without.

use super::harness::*;

#[test]
fn everybody_is_sent_to_https_but_for_who_proves_that_the_host_is_ours() {
    let ca = Authority::new("ca");
    let shop = ca.issue(&["shop.example"]);
    let tomcat = Tomcat::start("jvm1");
    let listeners = Issued::listener(&[&shop], "")
        .replace("]\n", ", { name: plain, address: '127.0.0.1:0' }]\n");
    let rules = "rules:\n\
        \x20 - { scheme: http, redirect: { to: \"https://$host$request_uri\", status: 308 } }\n\
        \x20 - { path: /.well-known/acme-challenge, respond: { body: proof } }\n";
    let proxy = Proxy::start(&(listeners + rules + &proxy::cluster(&[&tomcat], "")));
    let plain = proxy.addresses().remove(1);
    let get = |target: &str| Request::get(target).header("Host", "shop.example");
    let answer = get("/cart;jsessionid=1?a=b")
        .send(plain.clone())
        .expect(308);
    let expected = "https://shop.example/cart;jsessionid=1?a=b";
    assert_eq!(answer.header("Location"), Some(expected));
    let challenge = "/.well-known/acme-challenge/x";
    assert_eq!(
        get(challenge).send(plain.clone()).expect(200).text(),
        "proof"
    );
    let mut client = Raw::connect_tls(proxy.address(), &ca.clients(), "shop.example");
    get("/echo").send_on(&mut client).expect(200);
    assert_eq!(
        get(challenge).send_on(&mut client).expect(200).text(),
        "proof"
    );
    assert_eq!(tomcat.count(), 1);
    // What a stranger says of itself does not count.
    let forged = get("/echo").header("X-Forwarded-Proto", "https");
    forged.send(plain).expect(308);
}

#[test]
fn what_a_trusted_proxy_says_of_the_scheme_counts() {
    let rules = "trusted_proxies: [127.0.0.0/8]\nrules:\n\
        \x20 - { scheme: https, respond: { status: 201 } }\n\
        \x20 - { respond: { status: 202 } }\n\
        \x20 - { scheme: http, path: /a, respond: { status: 203 } }\n\
        \x20 - { path: /a, respond: { status: 204 } }\n\
        \x20 - { host: shop.example, respond: { status: 205 } }\n";
    let proxy = Proxy::start(rules);
    for (host, target, scheme, expected) in [
        ("x", "/", "https", 201),
        ("x", "/", "http", 202),
        ("x", "/a", "http", 203),
        ("x", "/a", "https", 204),
        ("shop.example", "/a", "https", 205),
    ] {
        let request = Request::get(target).header("Host", host);
        let request = request.header("X-Forwarded-For", "192.0.2.1");
        let request = request.header("X-Forwarded-Proto", scheme);
        let status = request.send(proxy.address()).status();
        assert_eq!(status, expected, "{scheme}://{host}{target}");
    }
}
