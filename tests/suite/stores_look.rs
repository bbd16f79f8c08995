//! `look_before_failover`: the store is asked for the copy before a session leaves its owner.

use std::collections::BTreeMap;

use super::affinity_stage::*;
use super::harness::*;
use super::stores::{is_up, makes, stored};

const ID: &str = "A-n1.jvm1";

/// Two Tomcats, the first with the session `A-n1.jvm1`, and two stores without any copy.
struct Stage {
    proxy: Proxy,
    one: Tomcat,
    two: Tomcat,
    stores: [Pulse; 2],
}

impl Stage {
    fn set() -> Self {
        let [one, two] = tomcats(["jvm1", "jvm2"]);
        let stores = [Pulse::start(), Pulse::start()];
        let nodes = [("n1", &stores[0]), ("n2", &stores[1])];
        let text = stored(&[&one, &two], &nodes);
        let look = "look_before_failover: true\n      interval:";
        let proxy = Proxy::start(&text.replace("interval: 100ms", &format!("{look} 100ms")));
        makes(&proxy, &one, ID);
        Self {
            proxy,
            one,
            two,
            stores,
        }
    }

    /// What the survivor issues, if anything, to a request that shows `shown`.
    #[track_caller]
    fn goes_on(&self, shown: &str, issued: Option<&str>) {
        match issued {
            Some(id) => issues(&self.two, "/page", id),
            None => says(&self.two, "/page", &[]),
        }
        let request = shows("/page", shown);
        assert_eq!(served(self.proxy.address(), &request), "jvm2");
    }

    fn looks(&self) -> BTreeMap<String, u64> {
        counted(&self.proxy, "cattail_store_looks_total", "result")
    }

    fn losses(&self) -> BTreeMap<String, u64> {
        counted(&self.proxy, "cattail_sessions_lost_total", "cause")
    }

    fn verdicts(&self) -> BTreeMap<String, u64> {
        counted(&self.proxy, "cattail_session_verdicts_total", "verdict")
    }
}

#[test]
fn a_take_over_is_looked_for_once() {
    let stage = Stage::set();
    stage.stores[0].holds(&[ID]);
    lose(&stage.proxy, &stage.one);
    stage.goes_on(ID, Some("A-n1.jvm2"));
    assert_eq!(stage.stores[0].looked_for(), [ID]);
    assert_eq!(stage.looks(), counts([("there", 1)]));
    assert_eq!(stage.verdicts()["taken_over"], 1);
}

#[test]
fn another_session_in_the_answer_is_a_login_only_if_the_copy_is_gone_by_then() {
    let stage = Stage::set();
    stage.stores[0].holds(&[ID]);
    lose(&stage.proxy, &stage.one);
    stage.goes_on(ID, Some("B-n1.jvm2"));
    // It is there still.
    assert_eq!(stage.stores[0].looked_for(), [ID, ID]);
    assert_eq!(stage.losses(), counts([("owner_down", 1)]));
    assert_eq!(
        stage.looks(),
        counts([("there", 1)]),
        "one request has looked"
    );
}

#[test]
fn who_has_no_copy_is_lost_once() {
    let stage = Stage::set();
    lose(&stage.proxy, &stage.one);
    for _ in 0..3 {
        stage.goes_on(ID, None);
    }
    assert_eq!(stage.losses(), counts([("no_copy", 1)]));
    assert_eq!(stage.looks(), counts([("gone", 1)]));
}

#[test]
fn whose_owner_nobody_knows_leaves_nobody_and_is_not_looked_for() {
    let mut stage = Stage::set();
    let strange = ["X-n1.gone", "Y-n1", "Z"];
    for id in strange {
        served(stage.proxy.address(), &shows("/echo", id));
    }
    stage.stores[0].kill();
    eventually("n1 is down", || !is_up(&stage.proxy, "n1"));
    for id in strange {
        let other = id.replacen(|_: char| true, "O", 1);
        served(stage.proxy.address(), &shows("/echo", &other));
    }
    assert_eq!(stage.looks(), counts([]));
    assert_eq!(stage.losses(), counts([]));
}

#[test]
fn a_session_that_moved_to_another_store_is_looked_for_there() {
    let mut stage = Stage::set();
    stage.stores[0].kill();
    eventually("n1 is down", || !is_up(&stage.proxy, "n1"));
    issues(&stage.one, "/page", "A-n2.jvm1");
    served(stage.proxy.address(), &shows("/page", ID));
    stage.stores[1].holds(&["A-n2.jvm1"]);
    lose(&stage.proxy, &stage.one);
    // The client still shows the id from before.
    stage.goes_on(ID, Some("A-n2.jvm2"));
    assert_eq!(stage.stores[1].looked_for(), ["A-n2.jvm1"]);
    // Not the last one: that may be a check.
    let seen = stage.two.requests_to("/page").pop().unwrap();
    assert_eq!(seen.header("Cookie"), Some("JSESSIONID=A-n2.jvm1"));
    assert_eq!(stage.losses(), counts([]));
}

/// Its Tomcat comes back with the session, and later goes for good.
#[test]
fn who_was_missed_and_comes_back_is_looked_for_again() {
    let stage = Stage::set();
    lose(&stage.proxy, &stage.one);
    lose(&stage.proxy, &stage.two);
    let nobody = shows("/echo", ID).send(stage.proxy.address());
    nobody.expect(503);
    assert_eq!(stage.looks(), counts([("gone", 1)]));
    find_again(&stage.proxy, &stage.one);
    assert_eq!(served(stage.proxy.address(), &shows("/echo", ID)), "jvm1");
    stage.stores[0].holds(&[ID]);
    lose(&stage.proxy, &stage.one);
    find_again(&stage.proxy, &stage.two);
    stage.goes_on(ID, Some("A-n1.jvm2"));
    assert_eq!(stage.looks(), counts([("gone", 1), ("there", 1)]));
    assert_eq!(stage.losses(), counts([]));
}

/// As long as it is away from home, its requests are counted where it is: at the owner itself, who
/// takes no copy.
#[test]
fn a_request_at_the_dead_owner_keeps_nobody_from_looking() {
    let [one, two, three] = tomcats(["jvm1", "jvm2", "jvm3"]);
    let store = Pulse::start();
    let look = "look_before_failover: true\n      interval: 100ms";
    let text = stored(&[&one, &two, &three], &[("n1", &store)])
        .replace("interval: 100ms", look)
        .replace("slow_start: 0s", "slow_start: 0s\n    fail_back: at_once");
    let proxy = Proxy::start(&text);
    let base = base(&text, &["jvm1", "jvm2", "jvm3"]);
    let [old, new] = ["jvm1", "jvm2"].map(|route| format!("{base}-n1.{route}"));
    makes(&proxy, &one, &old);
    store.holds(&[&old]);
    lose(&proxy, &one);
    issues(&two, "/page", &new);
    assert_eq!(served(proxy.address(), &shows("/page", &old)), "jvm2");
    two.hold("/held");
    let mut client = begun(proxy.address(), &shows("/held", &new));
    eventually("it is there", || !two.requests_to("/held").is_empty());
    store.holds(&[]);
    lose(&proxy, &two);
    says(&three, "/page", &[]);
    assert_eq!(served(proxy.address(), &shows("/page", &new)), "jvm3");
    let counted = |name, label| counted(&proxy, name, label);
    assert_eq!(
        counted("cattail_store_looks_total", "result"),
        counts([("gone", 1), ("there", 1)])
    );
    assert_eq!(
        counted("cattail_sessions_lost_total", "cause"),
        counts([("no_copy", 1)])
    );
    two.release("/held");
    client.read_response().expect(200);
}
