//! Answers that come late and requests that were long under way: a session stays where it has gone
//! meanwhile.

use super::affinity_stage::*;
use super::harness::*;

/// A POST of `path` that shows `id`.
fn posts(path: &str, id: &str) -> Request {
    Request::post(path, "pizza").header("Cookie", &format!("JSESSIONID={id}"))
}

/// A session of jvm1 whose survivors are jvm2 and then jvm3; jvm1 is down.
struct Stage {
    proxy: Proxy,
    all: [Tomcat; 3],
    base: String,
}

impl Stage {
    fn new(more: &str) -> Self {
        let all = tomcats(["jvm1", "jvm2", "jvm3"]);
        let [one, two, three] = &all;
        let text = sticky(&[one, two, three], &format!("{CHECKED}{more}"));
        let proxy = Proxy::start(&text);
        let base = base(&text, &["jvm2", "jvm3", "jvm1"]);
        Self { proxy, all, base }
    }

    fn id(&self, route: &str) -> String {
        format!("{}.{route}", self.base)
    }

    /// `tomcat` takes the session over from who had it.
    #[track_caller]
    fn moves_to(&self, tomcat: &Tomcat, from: &str) {
        issues(tomcat, "/taken", &self.id(tomcat.name()));
        let request = shows("/taken", &self.id(from));
        assert_eq!(served(self.proxy.address(), &request), tomcat.name());
    }

    #[track_caller]
    fn stays_at(&self, tomcat: &str, shown: &str) {
        let request = shows("/echo", &self.id(shown));
        assert_eq!(served(self.proxy.address(), &request), tomcat, "{shown}");
    }
}

#[test]
fn a_doubt_about_an_earlier_survivor_takes_nothing_from_the_next() {
    let stage = Stage::new("");
    let [one, two, three] = &stage.all;
    lose(&stage.proxy, one);
    two.hold("/slow");
    let waiting = begun(stage.proxy.address(), &posts("/slow", &stage.id("jvm1")));
    two.wait_for("the request", |counts| counts.in_progress == 1);
    lose(&stage.proxy, two);
    stage.moves_to(three, "jvm1");
    find_again(&stage.proxy, two);
    waiting.reset();
    two.wait_for("an end", |counts| counts.in_progress == 0);
    for _ in 0..3 {
        stage.stays_at("jvm3", "jvm1");
        stage.stays_at("jvm3", "jvm3");
    }
}

#[test]
fn a_late_answer_of_an_earlier_survivor_takes_nothing_from_the_next() {
    let stage = Stage::new("");
    let [one, two, three] = &stage.all;
    lose(&stage.proxy, one);
    stage.moves_to(two, "jvm1");
    two.hold("/slow");
    let mut waiting = begun(stage.proxy.address(), &posts("/slow", &stage.id("jvm1")));
    two.wait_for("the request", |counts| counts.in_progress == 1);
    lose(&stage.proxy, two);
    stage.moves_to(three, "jvm2");
    find_again(&stage.proxy, two);
    two.release("/slow");
    assert_eq!(waiting.read_response().expect(200).tomcat(), "jvm2");
    for shown in ["jvm1", "jvm2", "jvm3"] {
        stage.stays_at("jvm3", shown);
    }
}

#[test]
fn a_late_answer_of_a_former_owner_takes_nothing_back() {
    let stage = Stage::new("");
    let [one, two, _] = &stage.all;
    let again = format!("{}-n2.jvm1", stage.base);
    let slow = format!("/set-cookie?it=JSESSIONID%3D{again};Path%3D/");
    one.hold("/set-cookie");
    let mut waiting = begun(stage.proxy.address(), &posts(&slow, &stage.id("jvm1")));
    one.wait_for("the request", |counts| counts.in_progress == 1);
    lose(&stage.proxy, one);
    stage.moves_to(two, "jvm1");
    find_again(&stage.proxy, one);
    one.release("/set-cookie");
    let late = waiting.read_response().expect(200);
    assert_eq!(late.cookie("JSESSIONID"), Some(again.as_str()));
    stage.stays_at("jvm2", "jvm1");
}

#[test]
fn who_sends_slowly_goes_where_the_session_went_meanwhile() {
    let stage = Stage::new("\nbuffers: { request: 64KiB }");
    let [one, two, _] = &stage.all;
    // With an id that is none, which is counted when the head is read.
    let request = posts("/echo", &format!("; JSESSIONID={}", stage.id("jvm1")));
    let mut slow = Raw::connect(stage.proxy.address());
    slow.send(request.head_bytes()).send("pi");
    eventually("its head is read", || {
        !counted(&stage.proxy, "cattail_session_ids_rejected_total", "reason").is_empty()
    });
    lose(&stage.proxy, one);
    stage.moves_to(two, "jvm1");
    find_again(&stage.proxy, one);
    slow.send("zza");
    assert_eq!(slow.read_response().expect(200).tomcat(), "jvm2");
}

#[test]
fn the_time_a_request_was_held_is_not_taken_from_its_retries() {
    let all = tomcats(["jvm1", "jvm2", "jvm3"]);
    let [one, two, three] = &all;
    let more = "health: { interval: 1h }\nhold: 400ms\nretry: { time: 200ms }";
    let text = sticky(&[one, two, three], more);
    let proxy = Proxy::start(&text);
    let base = base(&text, &["jvm2", "jvm3", "jvm1"]);
    one.kill();
    two.kill();
    // Held, then the first survivor turns out to be dead too.
    let request = shows("/echo", &format!("{base}.jvm1"));
    assert_eq!(served(proxy.address(), &request), "jvm3");
}

#[test]
fn an_id_that_the_request_showed_teaches_no_route() {
    let [one, two] = tomcats(["a", "b"]);
    let text = nameless(&[&one, &two], "");
    let text = text.replace("affinity: sticky", "affinity: prefer");
    let proxy = Proxy::start(&text);
    issues(&one, "/new", "FIRST.r1");
    issues(&two, "/new", "SECOND.r2");
    for _ in 0..4 {
        get(proxy.address(), "/new").expect(200);
    }
    // Another application's session beside one of the first Tomcat's own: its store node changed.
    issues(&one, "/moved", "STRANGE-n2.r2");
    let both = Request::get("/moved").header("Cookie", "JSESSIONID=X.r1; JSESSIONID=STRANGE-n1.r2");
    assert_eq!(served(proxy.address(), &both), "a");
    for number in 0..8 {
        let request = shows("/echo", &format!("OTHER{number}.r2"));
        assert_eq!(served(proxy.address(), &request), "b");
    }
}

#[test]
fn a_session_for_another_path_does_not_end_one_that_only_its_client_has_shown() {
    let [one, two, three] = tomcats(["a", "b", "c"]);
    let text = nameless(&[&one, &two, &three], CHECKED);
    let proxy = Proxy::start(&text);
    let base = base(&text, &["b", "a", "c"]);
    // Shown while its first survivor was away: it stays where it was served.
    lose(&proxy, &two);
    assert_eq!(served(proxy.address(), &shows("/echo", &base)), "a");
    find_again(&proxy, &two);
    assert_eq!(served(proxy.address(), &shows("/echo", &base)), "a");
    says(
        &one,
        "/shop/",
        &["Set-Cookie: JSESSIONID=OTHER; Path=/shop"],
    );
    assert_eq!(served(proxy.address(), &shows("/shop/", &base)), "a");
    assert_eq!(served(proxy.address(), &shows("/echo", &base)), "a");
}

#[test]
fn who_was_only_sought_in_vain_owns_nothing() {
    for strict in [true, false] {
        let all = tomcats(["a", "b", "c"]);
        let [one, two, three] = &all;
        let more = format!("health: {{ interval: 1h }}\nstrict: {strict}");
        let text = nameless(&[one, two, three], &more);
        let proxy = Proxy::start(&text);
        let base = base(&text, &["a", "b", "c"]);
        one.kill();
        // Nobody knows it, and nobody knows that the first in its order is dead.
        assert_eq!(served(proxy.address(), &shows("/echo", &base)), "b");
        restart(&proxy, one);
        for _ in 0..3 {
            assert_eq!(served(proxy.address(), &shows("/echo", &base)), "b");
        }
    }
}

#[test]
fn who_connects_slowly_goes_where_the_session_went_meanwhile() {
    let all = tomcats(["jvm1", "jvm2"]);
    let [one, two] = &all;
    let hole = BlackHole::open();
    let more = "health: { path: /health, interval: 50ms, timeout: 100ms, fall: 1, rise: 1 }\ntimeouts: { connect: 20s }";
    let text = sticky(&[one, two], more);
    let text = text.replace(&one.address().to_string(), &hole.address().to_string());
    let proxy = Proxy::start(&text);
    let old = "BASE.jvm1";
    let mut slow = begun(proxy.address(), &posts("/echo", old));
    eventually("nobody can connect", || !proxy.is_up(one));
    issues(two, "/taken", "BASE.jvm2");
    assert_eq!(served(proxy.address(), &shows("/taken", old)), "jvm2");
    // The host is back; its kernel completes the connection that was asked for long ago.
    hole.answers("HTTP/1.1 200 \r\nX-Tomcat: jvm1\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(slow.read_response().expect(200).tomcat(), "jvm2");
}
