//! Backends by name, and backends that are not there.

use super::harness::*;

fn port(tomcat: &Tomcat) -> u16 {
    let address = tomcat.address().to_string();
    let (_, port) = address.rsplit_once(':').expect("host:port");
    port.parse().expect("a port")
}

#[test]
fn a_backend_may_be_named_by_host() {
    let tomcat = Tomcat::start("jvm1");
    let name = format!("localhost:{}", port(&tomcat));
    let proxy = Proxy::start(&format!(
        "clusters: {{ shop: {{ host: backend, backends: ['{name}'] }} }}"
    ));
    // Where localhost is ::1 too, that refuses and the next address is tried.
    for method in ["GET", "POST"] {
        Request::new(method, "/echo")
            .send(proxy.address())
            .expect(200);
    }
    assert_eq!(tomcat.last_request().header("Host"), Some(name.as_str()));
    let metrics = proxy.metrics();
    assert_eq!(
        metrics.exactly("cattail_backend_up", &[("backend", &name)]),
        1
    );
    assert_eq!(metrics.value("cattail_retries_total", &[]), 0);
}

#[test]
fn names_that_cannot_be_resolved_are_told_together_before_anything_starts() {
    let text = "listeners: [{ address: '127.0.0.1:0' }]\n\
                admin: { address: '127.0.0.1:0' }\n\
                clusters:\n  shop:\n    backends: ['127.0.0.1:1', 'a.invalid:80']\n  \
                forum:\n    backends: ['b.invalid:80']\n\
                rules: [{ path: /forum, cluster: forum }, { cluster: shop }]\n";
    let config = cattail::config::load_text("test.yaml", text, &|_| None).expect("is well formed");
    let failure = cattail::app::start(config)
        .expect_err("cannot start")
        .to_string();
    for place in [
        "clusters.shop.backends[1].address: cannot resolve \"a.invalid\"",
        "clusters.forum.backends[0].address: cannot resolve \"b.invalid\"",
    ] {
        assert!(failure.contains(place), "{failure}");
    }
}

#[test]
fn a_backend_that_is_not_there_hinders_no_start() {
    let tomcat = Tomcat::start("jvm1");
    let address = tomcat.address().to_string();
    tomcat.kill();
    let proxy = Proxy::start(&format!(
        "clusters: {{ shop: {{ health: {{ interval: 50ms }}, backends: ['{address}'] }} }}"
    ));
    get(proxy.address(), "/echo").expect(503);
    tomcat.restart().expect("restarts");
    eventually("it serves", || {
        get(proxy.address(), "/echo").status() == 200
    });
}

#[test]
fn a_backend_may_be_a_unix_socket() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tomcat.sock");
    let tomcat = Tomcat::build("jvm1", |tomcat| {
        tomcat.listen(cattail::standin::Address::Unix(path.clone()))
    });
    let proxy = Proxy::start(&format!(
        "clusters: {{ shop: {{ health: {{ interval: 50ms }}, \
         backends: [{{ name: jvm1, address: 'unix:{}' }}] }} }}",
        path.display()
    ));
    get(proxy.address(), "/echo").expect(200);
    tomcat.kill();
    get(proxy.address(), "/echo").expect(503);
    assert!(!proxy.is_up(&tomcat));
    tomcat.restart().expect("restarts");
    eventually("it is back", || proxy.is_up(&tomcat));
    Request::post("/echo", "order")
        .send(proxy.address())
        .expect(200);
}
