//! What a client gets where the proxy answers by itself.

use super::harness::*;

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

/// A proxy in front of a Tomcat that is gone, and that Tomcat: as long as it is there, nobody else
/// gets its port.
fn without_tomcat(head: &str) -> (Proxy, Tomcat) {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::start(&format!("{head}\n{}", cluster(&[&tomcat], "")));
    tomcat.kill();
    // The first request finds it out.
    get(proxy.address(), "/shop").expect(503);
    (proxy, tomcat)
}

fn asked(proxy: &Proxy, accept: Option<&str>) -> response::Response {
    let request = Request::get("/");
    let request = match accept {
        Some(accept) => request.header("Accept", accept),
        None => request,
    };
    request.send(proxy.address())
}

#[test]
fn an_error_comes_in_the_form_that_the_client_likes() {
    let (proxy, _tomcat) = without_tomcat("");
    for (accept, kind) in [
        (None, "text/plain; charset=utf-8"),
        (Some("*/*"), "text/plain; charset=utf-8"),
        (Some(BROWSER), "text/html; charset=utf-8"),
        (Some("application/json"), "application/problem+json"),
        (
            Some("text/html;q=0.1, application/json"),
            "application/problem+json",
        ),
        (Some("image/png"), "text/plain; charset=utf-8"),
    ] {
        let response = asked(&proxy, accept).expect(503);
        assert_eq!(response.header("Content-Type"), Some(kind), "{accept:?}");
        assert_eq!(response.header("Cache-Control"), Some("no-store"));
        assert_eq!(response.header("Vary"), Some("accept"));
        assert_eq!(response.header("Retry-After"), Some("5"));
        assert!(response.keeps_alive());
        let text = response.text();
        assert!(text.contains("503"), "{text}");
        // Nothing of what stands behind.
        assert!(
            !text.contains("127.0.0.1") && !text.contains("jvm1"),
            "{text}"
        );
    }
    let problem = asked(&proxy, Some("application/json")).json();
    assert_eq!(
        (&problem["status"], &problem["title"]),
        (&503.into(), &"Service Unavailable".into())
    );
    assert_eq!(problem["request_id"].as_str().unwrap().len(), 32);
}

#[test]
fn head_of_an_error_has_the_head_alone() {
    let (proxy, _tomcat) = without_tomcat("");
    let mut connection = Raw::connect(proxy.address());
    let get = Request::get("/").send_on(&mut connection).expect(503);
    let head = Request::new("HEAD", "/")
        .send_on(&mut connection)
        .expect(503);
    assert!(head.body.is_empty());
    assert_eq!(
        head.header("Content-Length"),
        Some(get.body.len().to_string().as_str())
    );
    assert_eq!(head.header("Retry-After"), Some("5"));
    // Nothing of a body came behind it.
    Request::get("/").send_on(&mut connection).expect(503);
}

#[test]
fn an_own_page_is_shown_to_browsers() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("503.html");
    std::fs::write(&page, "<h1>Back soon ü</h1>").unwrap();
    let head = format!(
        "errors: {{ pages: {{ 503: '{}' }}, retry_after: 90s }}",
        page.display()
    );
    let (proxy, _tomcat) = without_tomcat(&head);
    let shown = asked(&proxy, Some(BROWSER)).expect(503);
    assert_eq!(shown.text(), "<h1>Back soon ü</h1>");
    assert_eq!(
        shown.header("Content-Type"),
        Some("text/html; charset=utf-8")
    );
    assert_eq!(shown.header("Retry-After"), Some("90"));
    let problem = asked(&proxy, Some("application/json")).expect(503);
    assert_eq!(problem.json()["status"], 503);
}

#[test]
fn retry_after_can_be_left_out() {
    let (proxy, _tomcat) = without_tomcat("errors: { retry_after: 0s }");
    assert_eq!(asked(&proxy, None).expect(503).header("Retry-After"), None);
}

#[test]
fn a_request_id_stands_on_every_answer_of_our_own() {
    let head = "request_id: X-Request-Id
rules:
  - { path: /fixed, respond: { body: ok } }
  - { path: /moved, redirect: { to: /new } }
  - { path: /closed, deny: [0.0.0.0/0], respond: { body: never } }
  - { path: /shop, cluster: shop }";
    let (proxy, _tomcat) = without_tomcat(head);
    for (request, status) in [
        (Request::get("/fixed"), 200),
        (Request::get("/moved"), 302),
        (Request::get("/closed"), 403),
        (Request::get("/nowhere"), 404),
        (Request::get("/shop"), 503),
        (Request::new("TRACE", "/shop"), 501),
        (Request::get("/shop").header("Host", "a b"), 400),
    ] {
        let response = request
            .header("Accept", "application/json")
            .send(proxy.address());
        let response = response.expect(status);
        let id = response
            .header("X-Request-Id")
            .unwrap_or_else(|| panic!("none with {status}"));
        assert_eq!(id.len(), 32, "{id}");
        if status >= 400 {
            assert_eq!(response.json()["request_id"], id);
        }
    }
}

#[test]
fn a_tomcats_own_errors_pass_untouched() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(&[&tomcat], "");
    for status in [400, 404, 500, 502, 503] {
        let response = asked_of(&proxy, &format!("/status/{status}"));
        assert_eq!(response.status(), status);
        assert_eq!(response.tomcat(), "jvm1");
        assert_eq!(response.header("Retry-After"), None);
    }
}

fn asked_of(proxy: &Proxy, target: &str) -> response::Response {
    Request::get(target)
        .header("Accept", BROWSER)
        .send(proxy.address())
}
