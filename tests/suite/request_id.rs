//! Request ids: made, or taken over from a trusted peer; for the Tomcat, the client and the log.

use std::collections::HashSet;

use super::harness::*;

fn proxy(tomcat: &Tomcat) -> Proxy {
    let text = cluster(&[tomcat], "");
    Proxy::start(&format!(
        "request_id: X-Request-Id\ntrusted_proxies: [127.0.0.9]\n{text}"
    ))
}

/// The id that the Tomcat saw, which must be the client's too.
fn id_of(proxy: &Proxy, tomcat: &Tomcat, (from, request): (&str, &Request)) -> String {
    let mut connection = Raw::connect_from(from, proxy.address());
    let response = request.send_on(&mut connection).expect(200);
    let seen = tomcat.last_request();
    let ids = seen.all("X-Request-Id");
    assert_eq!(ids.len(), 1, "{ids:?}");
    assert_eq!(response.all("X-Request-Id"), ids);
    ids[0].to_owned()
}

fn is_made(id: &str) -> bool {
    id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[test]
fn each_request_gets_an_id_of_its_own() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = proxy(&tomcat);
    let request = Request::get("/echo");
    let ids: HashSet<String> = (0..20)
        .map(|_| id_of(&proxy, &tomcat, ("127.0.0.1", &request)))
        .collect();
    assert_eq!(ids.len(), 20);
    assert!(ids.iter().all(|id| is_made(id)), "{ids:?}");
}

#[test]
fn an_id_is_taken_over_from_a_trusted_peer_alone() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = proxy(&tomcat);
    let named = Request::get("/echo").header("x-request-id", "edge-1:a/b+c=@.Z");
    let taken = id_of(&proxy, &tomcat, ("127.0.0.9", &named));
    assert_eq!(taken, "edge-1:a/b+c=@.Z");
    assert!(is_made(&id_of(&proxy, &tomcat, ("127.0.0.8", &named))));
    // Of what a trusted peer says not everything is an id.
    for strange in ["", "a b", "a\"b", "<script>", &"x".repeat(129)] {
        let request = Request::get("/echo").header("X-Request-Id", strange);
        assert!(
            is_made(&id_of(&proxy, &tomcat, ("127.0.0.9", &request))),
            "{strange}"
        );
    }
    let twice = named.header("X-Request-Id", "second");
    assert!(is_made(&id_of(&proxy, &tomcat, ("127.0.0.9", &twice))));
}

#[test]
fn a_tomcats_own_id_does_not_replace_it() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = proxy(&tomcat);
    let request = Request::get("/headers?X-Request-Id=theirs");
    assert!(is_made(&id_of(&proxy, &tomcat, ("127.0.0.1", &request))));
}

#[test]
fn without_the_key_ids_pass_as_they_are() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(&[&tomcat], "");
    let response = get(proxy.address(), "/echo").expect(200);
    assert_eq!(response.header("X-Request-Id"), None);
    let request = Request::get("/headers?X-Request-Id=theirs").header("X-Request-Id", "mine");
    let response = request.send(proxy.address()).expect(200);
    assert_eq!(response.header("X-Request-Id"), Some("theirs"));
    assert_eq!(tomcat.last_request().header("X-Request-Id"), Some("mine"));
}
