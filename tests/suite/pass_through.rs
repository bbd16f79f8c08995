//! What of a request's head reaches the Tomcat, and what does not.

use super::harness::*;

#[test]
fn what_frames_the_connection_never_reaches_the_tomcat() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(&[&tomcat], "");
    let request = Request::post("/echo", "body")
        .header(
            "Connection",
            "X-Mine, keep-alive, Host, Content-Length, X-Forwarded-For",
        )
        .header("connection", "x-other,,close")
        .header("X-Mine", "1")
        .header("X-Other", "2")
        .header("X-Kept", "3")
        .header("Keep-Alive", "timeout=5")
        .header("Proxy-Connection", "keep-alive")
        .header("TE", "gzip")
        .header("Trailer", "X-Late")
        .header("Upgrade", "h2c")
        .header("HTTP2-Settings", "AAMAAABkAARAAAAAAAIAAAAA");
    request.send(proxy.address()).expect(200);
    let seen = tomcat.last_request();
    for gone in [
        "Connection",
        "X-Mine",
        "X-Other",
        "Keep-Alive",
        "Proxy-Connection",
        "TE",
        "Upgrade",
        "Transfer-Encoding",
    ] {
        assert_eq!(seen.all(gone), [""; 0], "{gone}: {seen:#?}");
    }
    assert_eq!(seen.header("X-Kept"), Some("3"));
    assert_eq!(seen.all("Host"), ["shop.example"]);
    assert_eq!(seen.all("Content-Length"), ["4"]);
    assert_eq!(
        seen.all("X-Forwarded-For"),
        ["127.0.0.1"],
        "naming a field must not remove ours"
    );
}

#[test]
fn paths_reach_the_tomcat_byte_for_byte() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(&[&tomcat], "");
    let mut client = Raw::connect(proxy.address());
    let targets = [
        "/echo;jsessionid=A1-n1.jvm1?x=1;y=2",
        "/echo/a%2Fb%3Bc%2e%2e/%00/%zz/%",
        "//echo//a///b",
        "/echo/../a/./b/..;/c",
        "/echo?",
        "/echo??a=b?c",
        "/echo/a|b^c_d{e}f\"g",
        "/echo/a\\b~!$&'()*+,=:@[]",
        "/?",
        "/",
    ];
    for target in targets {
        Request::get(target).send_on(&mut client).expect(200);
        assert_eq!(tomcat.last_request().target, target);
    }
    Request::get("http://shop.example/echo/absolute?x")
        .send_on(&mut client)
        .expect(200);
    assert_eq!(tomcat.last_request().target, "/echo/absolute?x");
    Request::new("OPTIONS", "*")
        .send_on(&mut client)
        .expect(200);
    assert_eq!(tomcat.last_request().target, "*");
}

#[test]
fn heads_beyond_their_bounds_are_refused_and_those_within_are_served() {
    let tomcat = Tomcat::start("jvm1");
    let limits = "limits: { head: 8KiB, fields: 20, target: 1KiB }\nworkers: 1\n";
    let proxy = Proxy::start(&format!("{limits}{}", proxy::cluster(&[&tomcat], "")));
    let with_fields = |count: usize| {
        let request = Request::get("/echo");
        (0..count).fold(request, |request, number| {
            request.header(&format!("X-{number}"), "y")
        })
    };
    let with_value = |length: usize| Request::get("/echo").header("X", &"y".repeat(length));
    let with_target = |length: usize| Request::get(&format!("/echo?{}", "x".repeat(length - 6)));
    let cases = [
        (with_fields(19), 200),
        (with_fields(20), 431),
        (with_fields(5000), 431),
        (with_value(7000), 200),
        (with_value(8200), 431),
        (with_value(100_000), 431),
        (with_target(1024), 200),
        (with_target(1025), 414),
        (with_target(8300), 431),
    ];
    for (request, status) in cases {
        let mut client = Raw::connect(proxy.address());
        let answer = request.send_on(&mut client).expect(status);
        assert_eq!(answer.keeps_alive(), status == 200);
        if status != 200 {
            client.expect_closed();
        }
    }
    assert_eq!(tomcat.count(), 3);
    eventually("the refusals are counted", || {
        let metrics = proxy.metrics();
        let too_large = metrics.value("cattail_parse_errors_total", &[("reason", "too_large")]);
        let too_long = metrics.value(
            "cattail_requests_refused_total",
            &[("reason", "target_too_long")],
        );
        (too_large, too_long) == (5, 1)
    });
}

#[test]
fn empty_lines_before_a_request_are_skipped() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(&[&tomcat], "");
    let mut client = Raw::connect(proxy.address());
    client.send("\r\n\r\n").send(Request::get("/echo").bytes());
    client.read_response().expect(200);
}
