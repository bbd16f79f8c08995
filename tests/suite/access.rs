//! Who may ask: networks per rule and per listener.

use cattail::standin::Address;

use super::harness::*;

const RULES: &str = "
rules:
  - { path: /office, allow: [127.0.0.0/30, '10.1.0.0/16'], deny: [127.0.0.2], cluster: shop }
  - { path: /closed, deny: [0.0.0.0/0, '::/0'], respond: { body: never } }
  - { cluster: shop }
";

fn asked(from: &str, to: Address, request: &Request) -> u16 {
    request.send_on(&mut Raw::connect_from(from, to)).status()
}

#[test]
fn a_rule_admits_by_network_and_deny_comes_first() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::start(&format!("{RULES}{}", cluster(&[&tomcat], "")));
    let office = Request::get("/office/x");
    for (from, status) in [
        ("127.0.0.1", 200),
        ("127.0.0.2", 403),
        ("127.0.0.3", 200),
        ("127.0.0.4", 403),
    ] {
        assert_eq!(asked(from, proxy.address(), &office), status, "{from}");
    }
    let closed = Request::get("/closed");
    assert_eq!(asked("127.0.0.1", proxy.address(), &closed), 403);
    // What a stranger says about itself counts for nothing.
    let forged = office
        .header("X-Forwarded-For", "127.0.0.1")
        .header("X-Real-IP", "127.0.0.1");
    assert_eq!(asked("127.0.0.2", proxy.address(), &forged), 403);
    assert_eq!(tomcat.count(), 2);

    let metrics = proxy.metrics();
    let denied = [("cluster", "shop"), ("reason", "access_denied")];
    assert_eq!(metrics.value("cattail_errors_total", &denied), 3);
    let shop = [("cluster", "shop"), ("code", "4xx")];
    assert_eq!(metrics.value("cattail_requests_total", &shop), 3);
    let other = [("code", "4xx")];
    assert_eq!(metrics.value("cattail_requests_unrouted_total", &other), 1);
}

#[test]
fn behind_a_trusted_proxy_the_client_counts_that_it_names() {
    let tomcat = Tomcat::start("jvm1");
    let text = cluster(&[&tomcat], "");
    let proxy = Proxy::start(&format!("trusted_proxies: [127.0.0.9]\n{RULES}{text}"));
    let on_behalf = |list: &str| Request::get("/office").header("X-Forwarded-For", list);
    for (list, status) in [
        ("10.1.2.3", 200),
        ("10.2.2.3", 403),
        ("10.1.2.3, 10.2.2.3", 403),
        ("10.2.2.3, 10.1.2.3", 200),
        ("10.1.2.3, 127.0.0.9", 200),
        ("::ffff:10.1.2.3", 200),
        ("rubbish", 403),
    ] {
        let found = asked("127.0.0.9", proxy.address(), &on_behalf(list));
        assert_eq!(found, status, "{list}");
    }
    // The same from nobody we know.
    assert_eq!(
        asked("127.0.0.8", proxy.address(), &on_behalf("10.1.2.3")),
        403
    );
}

#[test]
fn a_listener_closes_at_once_whom_it_does_not_admit() {
    let tomcat = Tomcat::start("jvm1");
    let text = cluster(&[&tomcat], "");
    let proxy = Proxy::start(&format!(
        "listeners:
  - {{ name: office, address: '127.0.0.1:0', allow: [127.0.0.0/30], deny: [127.0.0.2] }}
  - {{ name: public, address: '127.0.0.1:0' }}
trusted_proxies: [127.0.0.2]
{text}"
    ));
    let [office, public] = <[Address; 2]>::try_from(proxy.addresses()).unwrap();
    let page = Request::get("/echo");
    assert_eq!(asked("127.0.0.1", office.clone(), &page), 200);
    for from in ["127.0.0.2", "127.0.0.5"] {
        // Without a word, in whatever way the kernel tells it.
        let mut connection = Raw::connect_from(from, office.clone());
        let (bytes, _) = connection.read_to_end();
        assert!(bytes.is_empty(), "{from}");
        assert_eq!(asked(from, public.clone(), &page), 200);
    }
    let metrics = proxy.metrics();
    let refused = |listener| {
        let labels = [("listener", listener), ("reason", "access")];
        metrics.value("cattail_connections_refused_total", &labels)
    };
    assert_eq!((refused("office"), refused("public")), (2, 0));
}

#[test]
fn a_unix_sockets_peer_counts_as_this_host() {
    let tomcat = Tomcat::start("jvm1");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cattail.sock");
    let text = cluster(&[&tomcat], "");
    let proxy = Proxy::start(&format!(
        "listeners: [{{ address: 'unix:{}' }}]
trusted_proxies: [127.0.0.1]
rules:
  - {{ path: /office, allow: [10.1.0.0/16], cluster: shop }}
  - {{ cluster: shop }}
{text}",
        path.display()
    ));
    let office = Request::get("/office");
    assert_eq!(office.send(proxy.address()).status(), 403);
    let named = office.header("X-Forwarded-For", "10.1.2.3");
    assert_eq!(named.send(proxy.address()).status(), 200);
    assert_eq!(
        tomcat.last_request().header("X-Forwarded-For"),
        Some("10.1.2.3")
    );
}
