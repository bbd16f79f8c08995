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
