//! `fail_back`: what becomes of a session whose backend is back, request by request.

use std::time::Duration;

use cattail::standin::Fault;
use serde_json::json;
use tokio::time::Instant;

use super::administer_stage::*;
use super::affinity_stage::*;
use super::explain_over_admin::explained;
use super::harness::*;
use super::stores::makes;

const AT_ONCE: &str = "fail_back: at_once\ndrain: { backup_delay: 100ms }";

/// Three Tomcats whose sessions any of them can go on with, and a session of the first whose first
/// survivor is the second.
struct Stage {
    proxy: Administered,
    one: Tomcat,
    two: Tomcat,
    three: Tomcat,
    base: String,
}

impl Stage {
    fn with(more: &str) -> Self {
        Self::of(&format!("replicated: true\n{more}"))
    }

    fn of(more: &str) -> Self {
        let [one, two, three] = tomcats(["jvm1", "jvm2", "jvm3"]);
        let text = sticky(&[&one, &two, &three], more);
        Self {
            proxy: Administered::start(&text),
            base: base(&text, &["jvm2", "jvm1", "jvm3"]),
            one,
            two,
            three,
        }
    }

    /// The session by the id that it had at the first.
    fn old(&self) -> String {
        format!("{}.jvm1", self.base)
    }

    fn asked(&self, path: &str, id: &str) -> String {
        served(self.proxy.address(), &shows(path, id))
    }

    /// The first one dies, the second goes on with the session, and the first is back.
    fn leaves_and_is_back(&self) {
        assert_eq!(self.asked("/echo", &self.old()), "jvm1");
        kill(&self.proxy, &self.one);
        assert_eq!(self.asked("/echo", &self.old()), "jvm2");
        restart(&self.proxy, &self.one);
    }

    /// The same, and it gets another id, which the client shows.
    fn is_taken_over(&self) -> String {
        let new = format!("{}.jvm2", self.base);
        assert_eq!(self.asked("/echo", &self.old()), "jvm1");
        kill(&self.proxy, &self.one);
        issues(&self.two, "/taken", &new);
        assert_eq!(self.asked("/taken", &self.old()), "jvm2");
        restart(&self.proxy, &self.one);
        new
    }

    fn goes_home(&self, id: &str) {
        eventually("it goes home", || self.asked("/echo", id) == "jvm1");
        assert_eq!(self.asked("/echo", id), "jvm1");
        let counted = bindings(&self.proxy);
        assert_eq!(counted.get("returned"), Some(&1), "{counted:?}");
    }

    fn stays_away(&self, id: &str, time: Duration) {
        stays("it stays", time, || self.asked("/echo", id) == "jvm2");
        let counted = bindings(&self.proxy);
        assert_eq!(counted.get("returned"), None, "{counted:?}");
    }
}

#[test]
fn a_session_stays_where_it_is_by_default() {
    let stage = Stage::with("drain: { backup_delay: 0s }");
    stage.leaves_and_is_back();
    stage.stays_away(&stage.old(), Duration::from_millis(300));
}

#[test]
fn at_once_it_goes_home_with_the_next_request_after_its_backup() {
    let stage = Stage::with("fail_back: at_once\ndrain: { backup_delay: 1500ms }");
    assert_eq!(stage.asked("/echo", &stage.old()), "jvm1");
    kill(&stage.proxy, &stage.one);
    let before = Instant::now();
    assert_eq!(stage.asked("/echo", &stage.old()), "jvm2");
    restart(&stage.proxy, &stage.one);
    assert_eq!(stage.asked("/echo", &stage.old()), "jvm1");
    // Coming back took some of the time; for the rest of it the request has waited.
    let waited = before.elapsed();
    assert!(waited >= Duration::from_millis(1400), "{waited:?}");
    stage.goes_home(&stage.old());
}

#[test]
fn when_idle_it_goes_home_only_after_nobody_has_used_it() {
    let idle = scaled(Duration::from_secs(1)).as_millis();
    let idle = format!("fail_back: when_idle\nfail_back_idle: {idle}ms");
    let stage = Stage::with(&format!("{idle}\ndrain: {{ backup_delay: 0s }}"));
    stage.leaves_and_is_back();
    stage.stays_away(&stage.old(), scaled(Duration::from_millis(1500)));
    // Another one's requests count for nothing.
    stays("a pause", scaled(Duration::from_millis(1100)), || {
        stage.asked("/echo", "OTHER.jvm3") == "jvm3"
    });
    let asked = Instant::now();
    assert_eq!(stage.asked("/echo", &stage.old()), "jvm1");
    assert!(
        asked.elapsed() < scaled(Duration::from_millis(900)),
        "no request waits"
    );
    stage.goes_home(&stage.old());
}

#[test]
fn with_never_it_stays_away_also_once_its_backend_is_enabled() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let more = "replicated: true\nfail_back: never\ndrain: { backup_delay: 0s }";
    let proxy = Administered::start(&sticky(&[&one, &two], more));
    assert_eq!(served(proxy.address(), &shows("/echo", "A.jvm1")), "jvm1");
    kill(&proxy, &one);
    assert_eq!(served(proxy.address(), &shows("/echo", "A.jvm1")), "jvm2");
    one.restart().expect("restarts");
    proxy
        .put("jvm1", "state", &json!({ "state": "up" }))
        .expect(200);
    eventually("it is back", || proxy.is_up(&one));
    for _ in 0..3 {
        assert_eq!(served(proxy.address(), &shows("/echo", "A.jvm1")), "jvm2");
    }
    assert_eq!(served(proxy.address(), &shows("/echo", "B.jvm1")), "jvm1");
}

#[test]
fn it_stays_as_long_as_a_request_of_it_is_at_the_survivor() {
    let stage = Stage::with(AT_ONCE);
    let id = stage.old();
    assert_eq!(stage.asked("/echo", &id), "jvm1");
    kill(&stage.proxy, &stage.one);
    assert_eq!(stage.asked("/echo", &id), "jvm2");
    // One that began while the first was down, and one that began when it was back.
    let mut held = Vec::new();
    for path in ["/echo/before", "/echo/after"] {
        stage.two.hold(path);
        held.push((path, begun(stage.proxy.address(), &shows(path, &id))));
        eventually("it is there", || !stage.two.requests_to(path).is_empty());
        if held.len() == 1 {
            restart(&stage.proxy, &stage.one);
        }
    }
    for (path, mut client) in held {
        stage.stays_away(&id, Duration::from_millis(300));
        stage.two.release(path);
        assert_eq!(client.read_response().expect(200).tomcat(), "jvm2");
    }
    stage.goes_home(&id);
}

/// The body of an answer is on its way for long after its head.
#[test]
fn it_stays_until_the_take_over_itself_is_answered_to_its_end() {
    let stage = Stage::with(AT_ONCE);
    let new = format!("{}.jvm2", stage.base);
    assert_eq!(stage.asked("/echo", &stage.old()), "jvm1");
    kill(&stage.proxy, &stage.one);
    let head = format!(
        "HTTP/1.1 200 \r\nX-Tomcat: jvm2\r\nContent-Length: 4\r\nSet-Cookie: JSESSIONID={new}; Path=/\r\n\r\nab"
    );
    stage.two.raw_answer("/taken", head);
    let mut client = begun(stage.proxy.address(), &shows("/taken", &stage.old()));
    // Asked for before it has given its id, the survivor would seem to have had it from another
    // proxy.
    assert_eq!(client.read_exactly(12), b"HTTP/1.1 200");
    restart(&stage.proxy, &stage.one);
    stage.stays_away(&new, Duration::from_millis(300));
    client.reset();
    stage.goes_home(&new);
}

#[test]
fn parallel_requests_go_home_together() {
    let stage = Stage::with(AT_ONCE);
    let id = stage.is_taken_over();
    issues(&stage.one, "/home", &stage.old());
    let ways = in_parallel(8, |_| stage.asked("/home", &id));
    assert!(ways.iter().all(|way| way == "jvm1"), "{ways:?}");
    assert_eq!(stage.two.requests_to("/home").len(), 0);
    // Late ones still show the survivor's id.
    assert_eq!(stage.asked("/echo", &id), "jvm1");
    assert_eq!(stage.asked("/echo", &stage.old()), "jvm1");
}

#[test]
fn a_tomcat_that_was_not_restarted_gets_no_session_back() {
    let stage = Stage::with(&format!("{CHECKED}\n{AT_ONCE}"));
    let id = stage.old();
    assert_eq!(stage.asked("/echo", &id), "jvm1");
    lose(&stage.proxy, &stage.one);
    assert_eq!(stage.asked("/echo", &id), "jvm2");
    find_again(&stage.proxy, &stage.one);
    stage.stays_away(&id, Duration::from_millis(300));
}

/// Its copy has another key by now; who is asked for the old one has nothing.
#[test]
fn an_id_that_the_survivor_has_changed_does_not_go_home() {
    let stage = Stage::with(AT_ONCE);
    let new = stage.is_taken_over();
    stage.stays_away(&stage.old(), Duration::from_millis(300));
    stage.goes_home(&new);
}

#[test]
fn an_id_that_another_proxy_has_moved_is_at_home_there() {
    let stage = Stage::with(&format!("{AT_ONCE}\nsession_idle: 2s"));
    let new = format!("{}.jvm2", stage.base);
    assert_eq!(stage.asked("/echo", &stage.old()), "jvm1");
    kill(&stage.proxy, &stage.one);
    issues(&stage.two, "/taken", &new);
    assert_eq!(stage.asked("/taken", &stage.old()), "jvm2");
    // Requests from before the take-over are no more to be expected.
    stage.stays_away(&new, Duration::from_millis(3100));
    let moved = format!("{}.jvm3", stage.base);
    assert_eq!(stage.asked("/echo", &moved), "jvm3");
    restart(&stage.proxy, &stage.one);
    stays("it stays", Duration::from_millis(300), || {
        stage.asked("/echo", &moved) == "jvm3"
    });
}

#[test]
fn a_client_that_goes_away_leaves_its_session_where_it_may_be_in_use() {
    let timeouts = "timeouts: { response: 1500ms }";
    let stage = Stage::with(&format!("{AT_ONCE}\n{timeouts}"));
    let id = stage.is_taken_over();
    stage.two.script_times("/slow", 1, Fault::HangBeforeHead);
    // It is home by then, else the request waits for its rest.
    kill(&stage.proxy, &stage.one);
    let client = begun(stage.proxy.address(), &shows("/slow", &id));
    eventually("it is there", || !stage.two.requests_to("/slow").is_empty());
    restart(&stage.proxy, &stage.one);
    let began = Instant::now();
    client.reset();
    eventually("it goes home", || stage.asked("/echo", &id) == "jvm1");
    let after = began.elapsed();
    assert!(after >= Duration::from_millis(1300), "{after:?}");
}

#[test]
fn a_second_death_on_the_way_home_loses_nothing() {
    let stage = Stage::with(AT_ONCE);
    let id = stage.is_taken_over();
    stage.one.hold("/echo/home");
    let mut client = begun(stage.proxy.address(), &shows("/echo/home", &id));
    eventually("it is there", || {
        !stage.one.requests_to("/echo/home").is_empty()
    });
    let mut waiting = begun(stage.proxy.address(), &shows("/echo", &id));
    eventually("it waits for the first", || {
        let metrics = stage.proxy.metrics();
        metrics.value("cattail_held_requests", &[]) == 1
    });
    stage.one.kill();
    // The survivor that it had left may have an old copy: the third goes on.
    assert_eq!(client.read_response().expect(200).tomcat(), "jvm3");
    assert_eq!(waiting.read_response().expect(200).tomcat(), "jvm3");
    assert_eq!(stage.asked("/echo", &id), "jvm3");
}

#[test]
fn a_backend_that_warms_up_gets_its_sessions_back_in_steps() {
    let stage = Stage::with("fail_back: at_once\ndrain: { backup_delay: 0s }\nslow_start: 1h");
    let ids: Vec<_> = (0..200).map(|number| format!("S{number}.jvm1")).collect();
    for id in &ids {
        assert_eq!(stage.asked("/echo", id), "jvm1");
    }
    kill(&stage.proxy, &stage.one);
    for id in &ids {
        assert_ne!(stage.asked("/echo", id), "jvm1");
    }
    restart(&stage.proxy, &stage.one);
    let at_home = |id: &&String| stage.asked("/echo", id) == "jvm1";
    let home: Vec<_> = ids.iter().filter(at_home).collect();
    assert!((4..50).contains(&home.len()), "{} of 200", home.len());
    // It is the same ones that are asked for again.
    assert_eq!(ids.iter().filter(at_home).count(), home.len());
}

#[test]
fn a_session_goes_home_only_with_a_copy_in_its_store() {
    let store = Pulse::start();
    let stores = format!(
        "stores: {{ memcached: {{ n1: '{}' }}, interval: 100ms, timeout: 10s }}",
        store.address()
    );
    let stage = Stage::of(&format!("{AT_ONCE}\n{stores}"));
    let [a, b] = ["A", "B"].map(|base| format!("{base}-n1.jvm1"));
    for id in [&a, &b] {
        makes(&stage.proxy, &stage.one, id);
    }
    kill(&stage.proxy, &stage.one);
    let away: Vec<_> = ["A", "B"]
        .iter()
        .map(|base| {
            let old = format!("{base}-n1.jvm1");
            let at = stage.asked("/echo", &old);
            let path = format!("/taken/{base}");
            let new = format!("{base}-n1.{at}");
            for tomcat in [&stage.two, &stage.three] {
                let id = format!("{base}-n1.{}", tomcat.name());
                issues(tomcat, &path, &id);
            }
            assert_eq!(stage.asked(&path, &old), at);
            (new, at)
        })
        .collect();
    restart(&stage.proxy, &stage.one);
    store.holds(&[&away[0].0]);
    eventually("it goes home", || {
        stage.asked("/echo", &away[0].0) == "jvm1"
    });
    stays("it stays", Duration::from_millis(300), || {
        stage.asked("/echo", &away[1].0) == away[1].1
    });
}

/// It is never idle: each request would wait for its rest, and ask the store.
#[test]
fn a_busy_session_without_a_copy_is_not_held_up_again_and_again() {
    let store = Pulse::start();
    let stores = format!(
        "stores: {{ memcached: {{ n1: '{}' }}, interval: 100ms, timeout: 10s }}",
        store.address()
    );
    let stage = Stage::of(&format!("{AT_ONCE}\n{stores}"));
    let [old, new] = ["jvm1", "jvm2"].map(|route| format!("{}-n1.{route}", stage.base));
    makes(&stage.proxy, &stage.one, &old);
    kill(&stage.proxy, &stage.one);
    issues(&stage.two, "/taken", &new);
    assert_eq!(stage.asked("/taken", &old), "jvm2");
    restart(&stage.proxy, &stage.one);
    let looks = || store.looked_for().iter().filter(|it| **it == new).count();
    eventually("it is looked for", || {
        assert_eq!(stage.asked("/echo", &new), "jvm2");
        looks() == 1
    });
    // Rested or not, the store is asked no more, nor is anything waited for that it would say.
    stays("it stays", Duration::from_millis(600), || {
        stage.asked("/echo", &new) == "jvm2"
    });
    let rested = scaled(Duration::from_millis(150));
    stays("a pause", rested, || {
        stage.asked("/echo", "OTHER.jvm3") == "jvm3"
    });
    assert_eq!(stage.asked("/echo", &new), "jvm2");
    assert_eq!(looks(), 1);
}

#[test]
fn sessions_that_are_not_known_at_home_keep_the_others_away() {
    let stage = Stage::with(AT_ONCE);
    let ids: Vec<_> = (0..8).map(|number| format!("S{number}")).collect();
    for id in &ids {
        assert_eq!(stage.asked("/echo", &format!("{id}.jvm1")), "jvm1");
    }
    kill(&stage.proxy, &stage.one);
    let away: Vec<_> = ids
        .iter()
        .map(|id| {
            let id = format!("{id}.jvm1");
            (stage.asked("/echo", &id), id)
        })
        .collect();
    restart(&stage.proxy, &stage.one);
    // The application there makes new sessions.
    let home: Vec<_> = away
        .iter()
        .map(|(at, id)| {
            let path = "/session";
            let mut way = String::new();
            eventually("it is asked", || {
                way = stage.asked(path, id);
                way == "jvm1"
                    || counted(&stage.proxy, "cattail_sessions_lost_total", "cause").get("returned")
                        == Some(&3)
            });
            (way, at)
        })
        .collect();
    let lost = home.iter().filter(|(way, _)| way == "jvm1").count();
    assert_eq!(lost, 3, "{home:?}");
    let (at, id) = away.last().unwrap();
    assert_eq!(stage.asked("/echo", id), *at);
}

#[test]
fn a_policy_that_is_taken_back_leaves_sessions_where_they_are() {
    let stage = Stage::with(AT_ONCE);
    let id = stage.is_taken_over();
    let others = [&stage.one, &stage.two, &stage.three];
    let text = |policy: &str| {
        let more = format!("replicated: true\n{}", AT_ONCE.replace("at_once", policy));
        sticky(&others, &more)
    };
    stage
        .proxy
        .reload(&text("new_sessions"))
        .expect("a good file");
    stage.stays_away(&id, Duration::from_millis(300));
    stage.proxy.reload(&text("at_once")).expect("a good file");
    stage.goes_home(&id);
}

#[test]
fn explain_says_where_a_session_goes_home_to() {
    let stage = Stage::with(AT_ONCE);
    let id = stage.is_taken_over();
    let cookie = format!("JSESSIONID={id}");
    eventually("it says so", || {
        let choice = &explained(&stage.proxy, &cookie)["choice"];
        (&choice["backend"], &choice["binding"]) == (&json!("jvm1"), &json!("returned"))
    });
    stage.goes_home(&id);
}

#[test]
fn explain_says_that_an_order_goes_before_the_way_home() {
    let stage = Stage::with(AT_ONCE);
    let id = stage.is_taken_over();
    // It is not emptied before this one is answered.
    stage.two.hold("/held");
    let mut held = begun(stage.proxy.address(), &shows("/held", "OTHER.jvm2"));
    eventually("it is there", || !stage.two.requests_to("/held").is_empty());
    let order = json!({ "state": "evacuating", "rate": 1_000_000 });
    stage.proxy.put("jvm2", "state", &order).expect(200);
    let cookie = format!("JSESSIONID={id}");
    eventually("it is to leave", || {
        let choice = &explained(&stage.proxy, &cookie)["choice"];
        choice["binding"] == json!("evacuated")
    });
    assert_ne!(stage.asked("/echo", &id), "jvm2");
    let counted = bindings(&stage.proxy);
    assert_eq!(counted.get("evacuated"), Some(&1), "{counted:?}");
    stage.two.release("/held");
    held.read_response().expect(200);
}

/// It has not left home, whichever of its requests is answered first.
#[test]
fn who_follows_a_spilled_request_leaves_no_home_either() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let more = format!("replicated: true\n{AT_ONCE}\nqueue: {{ time: 10m, spill_after: 0 }}");
    let text = with(&sticky(&[&one, &two], &more), "jvm1", "max_requests: 1");
    let proxy = Proxy::start(&text);
    let held = |tomcat: &Tomcat, path: &str, id: &str| {
        tomcat.hold(path);
        let client = begun(proxy.address(), &shows(path, id));
        eventually("it is there", || !tomcat.requests_to(path).is_empty());
        client
    };
    let mut full = held(&one, "/full", "FIRST.jvm1");
    let mut spilled = held(&two, "/spilled", "BASE.jvm1");
    one.release("/full");
    full.read_response().expect(200);
    assert_eq!(
        served(proxy.address(), &shows("/echo", "BASE.jvm1")),
        "jvm2"
    );
    two.release("/spilled");
    assert_eq!(spilled.read_response().expect(200).tomcat(), "jvm2");
    stays("it stays", Duration::from_millis(300), || {
        served(proxy.address(), &shows("/echo", "BASE.jvm1")) == "jvm2"
    });
    let counted = bindings(&proxy);
    assert_eq!(
        (counted.get("spilled"), counted.get("returned")),
        (Some(&1), None),
        "{counted:?}"
    );
}
