//! What the administrator may wish for sessions: to wait, to be refused, to be spilled, to be left
//! alone while a Tomcat is drained and while the file is loaded anew.

use std::time::Duration;

use cattail::standin::Fault;
use tokio::time::Instant;

use super::affinity_stage::*;
use super::harness::*;

/// The reason of the error page that a request meets.
#[track_caller]
fn refused(proxy: &Proxy, request: &Request, reason: &str) {
    let errors = || counted(proxy, "cattail_errors_total", "reason");
    let before = errors().get(reason).copied().unwrap_or(0);
    let response = request.send(proxy.address()).expect(503);
    assert!(response.header("Retry-After").is_some(), "{reason}");
    assert_eq!(errors()[reason], before + 1);
}

fn held(proxy: &Proxy) -> i64 {
    proxy.metrics().value("cattail_held_requests", &[])
}

#[test]
fn a_strict_session_is_refused_until_its_owner_is_back() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let proxy = Proxy::start(&sticky(&[&one, &two], &format!("{CHECKED}\nstrict: true")));
    let mine = shows("/echo", "MINE.jvm1");
    assert_eq!(served(proxy.address(), &mine), "jvm1");
    lose(&proxy, &one);
    for _ in 0..2 {
        refused(&proxy, &mine, "owner_unavailable");
    }
    // Not so those whom nobody owns.
    for other in [
        shows("/echo", "OTHER.old"),
        shows("/echo", "NEW"),
        Request::get("/echo"),
    ] {
        assert_eq!(served(proxy.address(), &other), "jvm2");
    }
    find_again(&proxy, &one);
    assert_eq!(served(proxy.address(), &mine), "jvm1");
    assert_eq!(bindings(&proxy)["refused"], 2);
    // The first request that finds it dead is told the same.
    one.kill();
    refused(&proxy, &mine, "owner_unavailable");
    assert_eq!(two.requests_to("/echo").len(), 3);
}

#[test]
fn held_requests_are_served_by_the_owner_that_comes_back() {
    let [one, two, three] = tomcats(["jvm1", "jvm2", "jvm3"]);
    let more = format!("{CHECKED}\nhold: 9s\nhold_requests: 2");
    let text = sticky(&[&one, &two, &three], &more);
    let proxy = Proxy::start(&text);
    let base = base(&text, &["jvm3", "jvm1", "jvm2"]);
    let request = shows("/echo", &format!("{base}.jvm1"));
    lose(&proxy, &one);
    let mut waiting: Vec<_> = (1..=2)
        .map(|count| {
            let client = begun(proxy.address(), &request);
            eventually("it waits", || held(&proxy) == count);
            client
        })
        .collect();
    // There is room for two: others are not kept waiting.
    assert_eq!(served(proxy.address(), &request), "jvm3");
    assert_eq!(served(proxy.address(), &Request::get("/echo")), "jvm2");
    stays("they wait", Duration::from_millis(50), || held(&proxy) == 2);
    find_again(&proxy, &one);
    for client in &mut waiting {
        assert_eq!(client.read_response().expect(200).tomcat(), "jvm1");
    }
    assert_eq!(held(&proxy), 0);
}

#[test]
fn a_held_client_that_goes_away_gives_its_place_back() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let more = format!("{CHECKED}\nhold: 9s\nhold_requests: 1");
    let proxy = Proxy::start(&sticky(&[&one, &two], &more));
    lose(&proxy, &one);
    for _ in 0..2 {
        let client = begun(proxy.address(), &shows("/echo", "BASE.jvm1"));
        eventually("it waits", || held(&proxy) == 1);
        client.reset();
        eventually("its place is free", || held(&proxy) == 0);
    }
    assert_eq!(two.requests_to("/echo").len(), 0);
}

#[test]
fn who_has_waited_in_vain_goes_to_the_survivor_or_is_refused() {
    let time = Duration::from_millis(150);
    for (strict, tomcat) in [(false, Some("jvm2")), (true, None)] {
        let [one, two] = tomcats(["jvm1", "jvm2"]);
        let more = format!("{CHECKED}\nhold: 150ms\nstrict: {strict}");
        let proxy = Proxy::start(&sticky(&[&one, &two], &more));
        lose(&proxy, &one);
        let began = Instant::now();
        let request = shows("/echo", "BASE.jvm1");
        match tomcat {
            Some(tomcat) => assert_eq!(served(proxy.address(), &request), tomcat),
            None => refused(&proxy, &request, "owner_unavailable"),
        }
        assert!(began.elapsed() >= time, "{:?}", began.elapsed());
    }
}

#[test]
fn a_request_that_finds_its_owner_dead_waits_too() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let more = "health: { interval: 20ms }\nhold: 9s";
    let proxy = Proxy::start(&sticky(&[&one, &two], more));
    one.kill();
    let mut client = begun(proxy.address(), &shows("/echo", "BASE.jvm1"));
    eventually("it waits", || held(&proxy) == 1);
    one.restart().expect("restarts");
    assert_eq!(client.read_response().expect(200).tomcat(), "jvm1");
    assert_eq!(two.requests_to("/echo").len(), 0);
}

/// A cluster whose first Tomcat has one place, which is taken.
fn full(affinity: &str) -> (Proxy, [Tomcat; 2], Raw) {
    let tomcats = tomcats(["jvm1", "jvm2"]);
    let [one, two] = &tomcats;
    let more = format!("affinity: {affinity}\nqueue: {{ length: 0 }}");
    let text = sticky(&[one, two], &more);
    let proxy = Proxy::start(&with(&text, "jvm1", "max_requests: 1"));
    one.hold("/slow");
    let client = begun(proxy.address(), &shows("/slow", "FIRST.jvm1"));
    one.wait_for("it is full", |counts| counts.in_progress == 1);
    (proxy, tomcats, client)
}

#[test]
fn a_full_owner_keeps_its_sessions() {
    let (proxy, [one, two], mut client) = full("sticky");
    refused(&proxy, &shows("/echo", "BASE.jvm1"), "backends_full");
    for _ in 0..3 {
        assert_eq!(served(proxy.address(), &Request::get("/echo")), "jvm2");
    }
    one.release("/slow");
    client.read_response().expect(200);
    eventually("it has room", || {
        let request = shows("/echo", "BASE.jvm1");
        request.send(proxy.address()).status() == 200
    });
    assert_eq!(two.count(), 3);
}

#[test]
fn a_preferred_owner_that_is_full_lets_its_sessions_go_elsewhere() {
    let (proxy, [one, _two], mut client) = full("prefer");
    let request = shows("/echo", "BASE.jvm1");
    for _ in 0..3 {
        assert_eq!(served(proxy.address(), &request), "jvm2");
    }
    one.release("/slow");
    client.read_response().expect(200);
    // It was a detour and no move.
    eventually("it is home", || served(proxy.address(), &request) == "jvm1");
    assert!(bindings(&proxy)["spilled"] >= 3);
}

#[test]
fn a_preferred_owner_that_is_slow_is_only_one_of_all() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let more = "affinity: prefer\ntimeouts: { response: 50ms }";
    let proxy = Proxy::start(&sticky(&[&one, &two], more));
    one.script("/late", Fault::HangBeforeHead);
    let post = Request::post("/late", "x").header("Cookie", "JSESSIONID=BASE.jvm1");
    post.send(proxy.address()).expect(504);
    let request = shows("/echo", "BASE.jvm1");
    served(proxy.address(), &request);
    assert_eq!(bindings(&proxy)["spilled"], 1);
    eventually("it said something", || {
        served(proxy.address(), &Request::get("/echo")) == "jvm1"
    });
    for _ in 0..3 {
        assert_eq!(served(proxy.address(), &request), "jvm1");
    }
}

#[test]
fn a_session_is_not_tried_elsewhere_for_a_status_or_a_time_out() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let more = "retry: { on: [500, 503, timeout] }\ntimeouts: { response: 50ms }";
    let proxy = Proxy::start(&sticky(&[&one, &two], more));
    one.script("/ill", Fault::Status(503));
    one.script("/late", Fault::HangBeforeHead);
    let answer = shows("/ill", "BASE.jvm1").send(proxy.address()).expect(503);
    assert_eq!(answer.text(), "status 503\n");
    shows("/late", "BASE.jvm1")
        .send(proxy.address())
        .expect(504);
    assert_eq!(two.count(), 0);
    assert_eq!(
        (
            one.requests_to("/ill").len(),
            one.requests_to("/late").len()
        ),
        (1, 1)
    );
    // Others are.
    for path in ["/ill", "/late"] {
        let names = [(), ()].map(|()| get(proxy.address(), path).status());
        assert_eq!(names, [200, 200], "{path}");
    }
}

#[test]
fn a_connection_that_died_says_nothing_against_the_owner() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    // A new connection each: a kept one may die once more.
    let proxy = Proxy::start(&sticky(&[&one, &two], "pool: { max_idle: 0 }"));
    let ask = |method: &str| {
        let request = Request::new(method, "/page").header("Cookie", "JSESSIONID=BASE.jvm1");
        request.send(proxy.address()).status()
    };
    for (method, deaths, status, seen) in [
        ("GET", 1, 200, 2),
        ("GET", 2, 502, 2),
        ("POST", 1, 502, 1),
        ("POST", 0, 200, 1),
    ] {
        let before = one.count();
        one.script_times("/page", deaths, Fault::ResetBeforeHead);
        assert_eq!(ask(method), status, "{method} {deaths}");
        assert_eq!(one.count() - before, seen, "{method} {deaths}");
        one.unscript("/page");
    }
    // A page that was asked for when the process ended is had from the survivor, an order is not.
    for (method, status) in [("GET", 200), ("POST", 502)] {
        let before = two.count();
        one.hold("/held");
        let request = Request::new(method, "/held").header("Cookie", "JSESSIONID=BASE.jvm1");
        let mut client = begun(proxy.address(), &request);
        one.wait_for("the request", |counts| counts.in_progress == 1);
        one.kill();
        client.read_response().expect(status);
        assert_eq!(two.count() - before, u64::from(status == 200), "{method}");
        restart(&proxy, &one);
    }
}

#[test]
fn a_draining_tomcat_keeps_its_sessions_and_gets_no_new_ones() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let text = sticky(&[&one, &two], "health: { interval: 20ms }");
    let proxy = Proxy::start(&text);
    let (mine, lost) = (shows("/echo", "MINE.jvm1"), shows("/echo", "LOST.old"));
    assert_eq!(served(proxy.address(), &mine), "jvm1");
    proxy
        .reload(&with(&text, "jvm1", "state: draining"))
        .unwrap();
    for _ in 0..3 {
        assert_eq!(served(proxy.address(), &mine), "jvm1");
        assert_eq!(served(proxy.address(), &Request::get("/echo")), "jvm2");
        assert_eq!(served(proxy.address(), &lost), "jvm2");
    }
    // It is no survivor of others either.
    two.kill();
    shows("/echo", "OTHER.jvm2")
        .send(proxy.address())
        .expect(503);
    assert_eq!(served(proxy.address(), &mine), "jvm1");
    restart(&proxy, &two);
    one.kill();
    assert_eq!(served(proxy.address(), &mine), "jvm2");
    one.restart().expect("restarts");
    eventually("it serves them again", || {
        served(proxy.address(), &mine) == "jvm1"
    });
    assert_eq!(served(proxy.address(), &Request::get("/echo")), "jvm2");
}

#[test]
fn reloads_move_no_session_and_forget_none() {
    let [one, two, three] = tomcats(["left", "right", "middle"]);
    let text = nameless(&[&one, &two, &three], CHECKED);
    let proxy = Proxy::start(&text);
    let logins: Vec<_> = (0..30)
        .map(|number| {
            for tomcat in [&one, &two, &three] {
                issues(tomcat, "/login", &format!("S{number}"));
            }
            let tomcat = get(proxy.address(), "/login")
                .expect(200)
                .tomcat()
                .to_owned();
            (format!("S{number}"), tomcat)
        })
        .collect();
    let entries = || counted(&proxy, "cattail_ledger_entries", "kind");
    let before = entries();
    assert_eq!(before, counts([("issued", 30)]));
    let heavy = with(
        &nameless(&[&three, &one, &two], "hold: 1s"),
        "right",
        "weight: 9",
    );
    let other = nameless(
        &[&two, &three, &one],
        "balance: least_sessions\nsession_idle: 2h",
    );
    for text in [&heavy, &other, &text] {
        proxy.reload(text).unwrap();
        for (id, tomcat) in &logins {
            assert_eq!(served(proxy.address(), &shows("/echo", id)), *tomcat);
        }
        assert_eq!(entries(), before);
    }
    assert_eq!(
        bindings(&proxy),
        counts([("no_session", 30), ("owner", 90)])
    );
}

#[test]
fn a_reload_keeps_what_was_taken_over() {
    let [one, two, three] = tomcats(["jvm1", "jvm2", "jvm3"]);
    let text = sticky(&[&one, &two, &three], CHECKED);
    let proxy = Proxy::start(&text);
    let base = base(&text, &["jvm2", "jvm1", "jvm3"]);
    let (old, new) = (format!("{base}.jvm1"), format!("{base}.jvm2"));
    lose(&proxy, &one);
    issues(&two, "/taken", &new);
    assert_eq!(served(proxy.address(), &shows("/taken", &old)), "jvm2");
    proxy
        .reload(&sticky(&[&three, &two, &one], CHECKED))
        .unwrap();
    find_again(&proxy, &one);
    assert_eq!(served(proxy.address(), &shows("/echo", &old)), "jvm2");
    // The fence outlives it too.
    lose(&proxy, &two);
    assert_eq!(served(proxy.address(), &shows("/echo", &old)), "jvm3");
}

#[test]
fn sessions_of_a_tomcat_that_is_in_the_file_no_more_find_a_survivor() {
    let [one, two, three] = tomcats(["left", "right", "middle"]);
    let text = nameless(&[&one, &two, &three], "");
    let proxy = Proxy::start(&text);
    issues(&one, "/login", "MINE");
    assert_eq!(served(proxy.address(), &Request::get("/login")), "left");
    proxy.reload(&nameless(&[&two, &three], "")).unwrap();
    let survivor = served(proxy.address(), &shows("/echo", "MINE"));
    for _ in 0..3 {
        assert_eq!(served(proxy.address(), &shows("/echo", "MINE")), survivor);
    }
    // No answer said that it has moved.
    proxy.reload(&text).unwrap();
    assert_eq!(served(proxy.address(), &shows("/echo", "MINE")), "left");
}
