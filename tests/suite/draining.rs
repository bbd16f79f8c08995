//! What a backend that is being emptied is told, and what becomes of dead sessions there.

use serde_json::{Value, json};

use super::administer_stage::*;
use super::affinity_stage::{bindings, shows};
use super::harness::*;

fn administered(tomcats: &[Tomcat; 2], more: &str) -> Administered {
    let more = format!("slow_start: 0s\nhealth: {{ interval: 50ms }}\n{more}");
    Administered::start(&sticky_cluster(&tomcats.each_ref(), &more))
}

fn drain(proxy: &Administered, backend: &str) {
    let order = json!({ "state": "draining" });
    proxy.put(backend, "state", &order).expect(200);
}

const DEAD: &str = "DEAD1111.jvm1";

#[test]
fn a_dead_session_of_a_draining_backend_begins_anew_elsewhere() {
    let tomcats = tomcats(["jvm1", "jvm2"]);
    let proxy = administered(&tomcats, "drain: { replay_dead: ^/session }");
    drain(&proxy, "jvm1");
    // Its Tomcat does not know it, and makes another one.
    let both =
        shows("/session/page", DEAD).header("Cookie", "colour=red; JSESSIONID=DEAD1111.jvm1; a=b");
    let answer = both.send(proxy.address()).expect(200);
    assert_eq!(answer.tomcat(), "jvm2");
    assert!(
        answer.header("Set-Cookie").unwrap().contains(".jvm2"),
        "{answer:?}"
    );
    let [asked] = &tomcats[0].requests_to("/session/page")[..] else {
        panic!("asked once");
    };
    assert!(asked.header("Cookie").unwrap().contains("DEAD"));
    let [again] = &tomcats[1].requests_to("/session/page")[..] else {
        panic!("asked once");
    };
    let cookies: Vec<_> = again.all("Cookie");
    assert_eq!(cookies.join("; "), "colour=red; a=b");
    let counted = bindings(&proxy);
    assert_eq!(
        (counted["owner"], counted["replayed"]),
        (1, 1),
        "{counted:?}"
    );
}

#[test]
fn only_what_is_named_and_harmless_is_replayed() {
    let tomcats = tomcats(["jvm1", "jvm2"]);
    let proxy = administered(&tomcats, "drain: { replay_dead: ^/session/shop }");
    let served = |request: &Request| {
        request
            .send(proxy.address())
            .expect(200)
            .tomcat()
            .to_owned()
    };
    // As long as it is up, new ids are none of our business.
    assert_eq!(served(&shows("/session/shop", DEAD)), "jvm1");
    drain(&proxy, "jvm1");
    assert_eq!(served(&shows("/session/login", DEAD)), "jvm1");
    let post =
        Request::post("/session/shop", "a=b").header("Cookie", &format!("JSESSIONID={DEAD}"));
    assert_eq!(served(&post), "jvm1");
    // A session that lives goes on.
    let mut browser = Browser::new(proxy.address());
    browser
        .cookies
        .insert("JSESSIONID".to_owned(), DEAD.to_owned());
    assert_eq!(browser.get("/session/login").expect(200).tomcat(), "jvm1");
    assert_eq!(browser.get("/session/shop").expect(200).tomcat(), "jvm1");
    assert_eq!(bindings(&proxy).get("replayed"), None);
}

#[test]
fn where_nobody_else_can_answer_the_first_answer_stands() {
    let tomcats = tomcats(["jvm1", "jvm2"]);
    let proxy = administered(&tomcats, "drain: { replay_dead: ^/session }");
    drain(&proxy, "jvm1");
    tomcats[1].kill();
    eventually("it is known", || {
        proxy.backend("jvm2")["state"] == "down" || {
            get(proxy.address(), "/echo").status() == 503
        }
    });
    let answer = shows("/session", DEAD).send(proxy.address()).expect(200);
    assert_eq!(answer.tomcat(), "jvm1");
    assert_eq!(bindings(&proxy)["owner"], 1);
}

#[test]
fn a_backend_is_told_its_state_if_it_wants_to_know() {
    let tomcats = tomcats(["jvm1", "jvm2"]);
    let proxy = administered(&tomcats, "drain: { state_header: X-Backend-State }");
    let told = |path: &str| {
        let forged = shows(path, "A1.jvm1").header("X-Backend-State", "forged");
        forged.send(proxy.address()).expect(200);
        let seen = tomcats[0].requests_to(path);
        seen[0].all("X-Backend-State").join("+")
    };
    assert_eq!(told("/echo/up"), "up");
    drain(&proxy, "jvm1");
    assert_eq!(told("/echo/draining"), "draining");
}

#[test]
fn one_that_is_not_to_come_back_by_itself_waits_to_be_enabled() {
    let tomcats = tomcats(["jvm1", "jvm2"]);
    let proxy = administered(&tomcats, "fail_back: never");
    tomcats[0].kill();
    get(proxy.address(), "/echo").expect(200);
    get(proxy.address(), "/echo").expect(200);
    assert_eq!(proxy.backend("jvm1")["state"], "down");
    tomcats[0].restart().expect("restarts");
    let asked = || tomcats[0].requests_to("*").len();
    eventually("it is asked, and answers", || asked() >= 3);
    let now = proxy.backend("jvm1");
    assert_eq!(
        (&now["state"], &now["waits"]),
        (&json!("down"), &json!(true))
    );
    proxy
        .put("jvm1", "state", &json!({ "state": "up" }))
        .expect(200);
    eventually("it is up", || proxy.backend("jvm1")["state"] == "up");
    assert_eq!(proxy.backend("jvm1")["waits"], Value::Null);
}
