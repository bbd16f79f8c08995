//! Tomcats without jvm routes behind `owner: append`: the proxy's own route in the id leads through
//! proxies that share no memory.

use super::affinity_stage::*;
use super::harness::*;

const APPEND: &str = "owner: append";

#[test]
fn an_appended_route_leads_through_every_proxy_and_no_tomcat_sees_it() {
    let [one, two] = tomcats(["left", "right"]);
    let text = nameless(&[&one, &two], APPEND);
    issues(&one, "/login", "SID-n1");
    let login = get(Proxy::start(&text).address(), "/login").expect(200);
    let line = "JSESSIONID=SID-n1.~left; Path=/; HttpOnly";
    assert_eq!(login.all("Set-Cookie"), [line]);
    let proxies = [Proxy::start(&text), Proxy::start(&text)];
    for (target, cookie, seen_target, seen_cookie) in [
        (
            "/echo",
            "JSESSIONID=SID-n1.~left",
            "/echo",
            "JSESSIONID=SID-n1",
        ),
        (
            "/echo?x=.~left",
            "a=1.~left; JSESSIONID=\"SID-n1.~left\"; b=2",
            "/echo?x=.~left",
            "a=1.~left; JSESSIONID=\"SID-n1\"; b=2",
        ),
        (
            "/echo;jsessionid=SID-n1.~left/x;v=.~left?jsessionid=SID.~left",
            "a=1",
            "/echo;jsessionid=SID-n1/x;v=.~left?jsessionid=SID.~left",
            "a=1",
        ),
        (
            "/echo",
            "JSESSIONID=OTHER.~right; JSESSIONID=SID-n1.~left",
            "/echo",
            "JSESSIONID=OTHER; JSESSIONID=SID-n1",
        ),
    ] {
        let owner = if cookie.contains("OTHER") { &two } else { &one };
        for proxy in &proxies {
            let request = Request::get(target).header("Cookie", cookie);
            assert_eq!(
                served(proxy.address(), &request),
                owner.name(),
                "{target} {cookie}"
            );
            let seen = owner.last_request();
            assert_eq!(seen.target, seen_target);
            assert_eq!(seen.all("Cookie"), [seen_cookie]);
        }
    }
    for proxy in &proxies {
        assert_eq!(bindings(proxy), counts([("owner", 4)]));
    }
}

#[test]
fn a_route_is_appended_wherever_a_tomcat_writes_the_id() {
    let [one] = tomcats(["left"]);
    let proxy = Proxy::start(&nameless(&[&one], APPEND));
    let rows = [
        (
            "Set-Cookie",
            "JSESSIONID=SID; Path=/a",
            "JSESSIONID=SID.~left; Path=/a",
        ),
        (
            "Set-Cookie",
            "JSESSIONID=\"SID\"",
            "JSESSIONID=\"SID.~left\"",
        ),
        (
            "Location",
            "/a;jsessionid=SID/b?c=d#e",
            "/a;jsessionid=SID.~left/b?c=d#e",
        ),
        (
            "Location",
            "https://shop.example/a;jsessionid=SID-n1",
            "https://shop.example/a;jsessionid=SID-n1.~left",
        ),
        (
            "Content-Location",
            "/a;jsessionid=SID",
            "/a;jsessionid=SID.~left",
        ),
        // Nothing is appended to these.
        ("Set-Cookie", "JSESSIONID=SID.jvm1", "JSESSIONID=SID.jvm1"),
        (
            "Set-Cookie",
            "JSESSIONID=; Max-Age=0",
            "JSESSIONID=; Max-Age=0",
        ),
        (
            "Set-Cookie",
            "lang=en; x=JSESSIONID=SID",
            "lang=en; x=JSESSIONID=SID",
        ),
        ("Set-Cookie", "JSESSIONIDSSO=SID", "JSESSIONIDSSO=SID"),
        (
            "Location",
            "/a;jsessionid=SID.jvm1",
            "/a;jsessionid=SID.jvm1",
        ),
        ("Location", "/a?jsessionid=SID", "/a?jsessionid=SID"),
    ];
    for (name, written, expected) in rows {
        says(&one, "/page", &[&format!("{name}: {written}")]);
        let response = get(proxy.address(), "/page").expect(200);
        assert_eq!(response.all(name), [expected]);
    }
}

#[test]
fn a_jvm_route_that_is_called_like_a_backend_stays_the_tomcats_own() {
    let [one, two] = tomcats(["left", "right"]);
    let proxy = Proxy::start(&nameless(&[&one, &two], APPEND));
    // Born at "left" with the jvm route "right".
    issues(&one, "/login", "SID.right");
    let login = get(proxy.address(), "/login").expect(200);
    assert_eq!(
        (login.tomcat(), login.cookie("JSESSIONID")),
        ("left", Some("SID.right"))
    );
    for id in [
        "SID.right",
        "SID.left",
        "SID.~nobody",
        "SID.~",
        "SID.left.~right.x",
    ] {
        let tomcat = served(proxy.address(), &shows("/echo", id));
        let seen = [&one, &two][usize::from(tomcat == "right")].last_request();
        assert_eq!(seen.all("Cookie"), [format!("JSESSIONID={id}")]);
    }
    assert_eq!(
        served(proxy.address(), &shows("/echo", "SID.right")),
        "left"
    );
}

#[test]
fn an_appended_route_finds_its_survivor_and_its_way_home() {
    let [one, two, three] = tomcats(["left", "right", "middle"]);
    let text = nameless(&[&one, &two, &three], APPEND);
    let proxies = [Proxy::start(&text), Proxy::start(&text)];
    let base = base(&text, &["middle", "right", "left"]);
    let clean = format!("JSESSIONID={base}");
    let request = shows("/echo", &format!("{base}.~left"));
    one.kill();
    for proxy in &proxies {
        assert_eq!(served(proxy.address(), &request), "middle");
        assert_eq!(three.last_request().all("Cookie"), [&clean]);
    }
    one.restart().expect("restarts");
    for proxy in &proxies {
        eventually("it is back", || proxy.is_up(&one));
        eventually("it is home", || served(proxy.address(), &request) == "left");
    }
}
