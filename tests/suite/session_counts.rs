//! How many sessions there are and where, which jvm routes are seen, and what follows for those who
//! come without a session.

use std::collections::{BTreeMap, BTreeSet};

use super::affinity_stage::*;
use super::harness::*;

/// Live sessions of each backend, of one kind.
fn live(proxy: &Proxy, kind: &str) -> [i64; 2] {
    let metrics = proxy.metrics();
    ["jvm1", "jvm2"].map(|backend| {
        let labels = [("backend", backend), ("kind", kind)];
        metrics.value_or_zero("cattail_sessions", &labels)
    })
}

/// Sessions by store node.
fn nodes(proxy: &Proxy) -> BTreeMap<String, u64> {
    counted(proxy, "cattail_store_node_sessions", "store_node")
}

#[test]
fn sessions_are_counted_where_they_live() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let proxy = Proxy::start(&sticky(&[&one, &two], CHECKED));
    for tomcat in [&one, &two] {
        for number in 0..3 {
            let id = format!("S{number}{0}-n1.{0}", tomcat.name());
            issues(tomcat, &format!("/login{number}"), &id);
        }
    }
    for number in [0, 0, 1, 1, 2, 2] {
        served(proxy.address(), &Request::get(&format!("/login{number}")));
    }
    assert_eq!(
        (live(&proxy, "issued"), nodes(&proxy)),
        ([3, 3], counts([("n1", 6)]))
    );
    // The other store node, the other Tomcat, a login, a logout.
    for (path, id) in [
        ("/node", "S0jvm1-n2.jvm1"),
        ("/login", "NEW-n1.jvm1"),
        ("/logout", "; Max-Age=0"),
    ] {
        issues(&one, path, id);
    }
    served(proxy.address(), &shows("/node", "S0jvm1-n1.jvm1"));
    assert_eq!(
        (live(&proxy, "issued"), nodes(&proxy)),
        ([3, 3], counts([("n1", 5), ("n2", 1)]))
    );
    served(proxy.address(), &shows("/login", "S1jvm1-n1.jvm1"));
    assert_eq!(live(&proxy, "issued"), [3, 3]);
    served(proxy.address(), &shows("/logout", "S2jvm1-n1.jvm1"));
    assert_eq!(
        (live(&proxy, "issued"), nodes(&proxy)),
        ([2, 3], counts([("n1", 4), ("n2", 1)]))
    );
    lose(&proxy, &one);
    issues(&two, "/taken", "NEW-n1.jvm2");
    served(proxy.address(), &shows("/taken", "NEW-n1.jvm1"));
    assert_eq!(
        (live(&proxy, "issued"), live(&proxy, "claimed")),
        ([1, 4], [0, 0])
    );
    // Those that only a client has shown are counted apart, and under no store node.
    served(proxy.address(), &shows("/echo", "MADEUP-n7.jvm2"));
    assert_eq!(
        (live(&proxy, "issued"), live(&proxy, "claimed")),
        ([1, 4], [0, 1])
    );
    assert_eq!(nodes(&proxy), counts([("n1", 4), ("n2", 1)]));
}

#[test]
fn a_session_that_nobody_shows_is_soon_no_more() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let proxy = Proxy::start(&sticky(&[&one, &two], "session_idle: 1s"));
    for _ in 0..4 {
        served(proxy.address(), &Request::get("/session"));
    }
    served(proxy.address(), &shows("/echo", "MADEUP.jvm2"));
    assert_eq!(
        (live(&proxy, "issued"), live(&proxy, "claimed")),
        ([2, 2], [0, 1])
    );
    eventually("all are over", || {
        (live(&proxy, "issued"), live(&proxy, "claimed")) == ([0, 0], [0, 0])
    });
    assert!(counted(&proxy, "cattail_ledger_entries", "kind").is_empty());
}

#[test]
fn least_sessions_evens_out_what_is_uneven() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let proxy = Proxy::start(&sticky(&[&one, &two], "balance: least_sessions"));
    let visit = || {
        // What is in flight counts too.
        eventually("all is quiet", || {
            let metrics = proxy.metrics();
            metrics.value("cattail_backend_requests_in_flight", &[]) == 0
        });
        let response = get(proxy.address(), "/session").expect(200);
        let id = response.cookie("JSESSIONID").expect("a session").to_owned();
        (response.tomcat().to_owned(), id)
    };
    let visitors: Vec<_> = (0..8).map(|_| visit()).collect();
    assert_eq!(live(&proxy, "issued"), [4, 4]);
    says(
        &one,
        "/logout",
        &["Set-Cookie: JSESSIONID=; Path=/; Max-Age=0"],
    );
    for (_, id) in visitors.iter().filter(|(tomcat, _)| tomcat == "jvm1") {
        served(proxy.address(), &shows("/logout", id));
        served(proxy.address(), &shows("/echo", "MANY.jvm1"));
    }
    // One that only a client showed is a session too, however often it asks.
    let names: Vec<_> = (0..3).map(|_| visit().0).collect();
    assert_eq!(names, ["jvm1"; 3]);
    for _ in 0..6 {
        visit();
    }
    assert_eq!(
        (live(&proxy, "issued"), live(&proxy, "claimed")),
        ([6, 7], [1, 0])
    );
}

// === jvm routes that nobody wrote down ===

fn alarms(proxy: &Proxy) -> BTreeMap<String, u64> {
    counted(proxy, "cattail_route_alarms_total", "alarm")
}

#[test]
fn a_jvm_route_is_learned_from_new_sessions_alone() {
    let [one, two] = tomcats(["left", "right"]);
    let proxy = Proxy::start(&nameless(&[&one, &two], ""));
    // Not from a session that another Tomcat may have born.
    issues(&two, "/node", "OLD-n2.jvm1");
    let node = shows("/node", "OLD-n1.jvm1");
    issues(&one, "/node", "OLD-n2.jvm1");
    served(proxy.address(), &node);
    assert_eq!(alarms(&proxy), counts([("unknown", 1)]));
    issues(&one, "/login", "SID.jvm1");
    issues(&two, "/login", "SIE.jvm2");
    let logins: BTreeSet<_> = (0..4)
        .map(|_| served(proxy.address(), &Request::get("/login")))
        .collect();
    assert_eq!(logins.len(), 2);
    for number in 0..5 {
        for (route, tomcat) in [("jvm1", "left"), ("jvm2", "right")] {
            let request = shows("/echo", &format!("NEVER{number}.{route}"));
            assert_eq!(served(proxy.address(), &request), tomcat);
        }
    }
    assert_eq!(bindings(&proxy)["owner"], 10);
    assert_eq!(alarms(&proxy), counts([("unknown", 1)]));
}

#[test]
fn two_tomcats_with_one_jvm_route_raise_an_alarm_and_keep_their_sessions() {
    let [one, two] = tomcats(["left", "right"]);
    let text = nameless(&[&one, &two], "");
    let proxy = Proxy::start(&text);
    for tomcat in [&one, &two] {
        issues(tomcat, "/login", &format!("OF{}.jvm1", tomcat.name()));
    }
    for _ in 0..2 {
        served(proxy.address(), &Request::get("/login"));
    }
    assert_eq!(alarms(&proxy), counts([("shared", 1)]));
    for tomcat in ["left", "right", "left"] {
        let request = shows("/echo", &format!("OF{tomcat}.jvm1"));
        assert_eq!(served(proxy.address(), &request), tomcat);
    }
    // It names nobody now.
    let request = shows("/echo", "NEVER.jvm1");
    let first = &order_of(&text, "NEVER")[0];
    assert_eq!(served(proxy.address(), &request), *first);
    assert_eq!(bindings(&proxy)["unknown_route"], 1);
}

#[test]
fn a_tomcat_with_another_jvm_route_than_in_the_file_raises_an_alarm() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let proxy = Proxy::start(&sticky(&[&one, &two], ""));
    issues(&one, "/login", "SID.tomcat1");
    assert_eq!(served(proxy.address(), &Request::get("/login")), "jvm1");
    assert_eq!(alarms(&proxy), counts([("unused", 1)]));
    // It is understood all the same, and the route of the file still is.
    for id in ["SID.tomcat1", "NEVER.tomcat1", "NEVER2.jvm1"] {
        assert_eq!(served(proxy.address(), &shows("/echo", id)), "jvm1");
    }
    assert_eq!(bindings(&proxy), counts([("no_session", 1), ("owner", 3)]));
}

// === slow start ===

#[test]
fn a_tomcat_that_comes_back_has_its_sessions_at_once_and_few_new_ones() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let proxy = Proxy::start(&sticky(
        &[&one, &two],
        &format!("{CHECKED}\nslow_start: 1h"),
    ));
    lose(&proxy, &two);
    find_again(&proxy, &two);
    let state = [("backend", "jvm2"), ("state", "warming")];
    assert_eq!(proxy.metrics().exactly("cattail_backend_state", &state), 1);
    let visitors = |count: usize| {
        let names = (0..count).map(|_| served(proxy.address(), &Request::get("/echo")));
        names.filter(|name| name == "jvm2").count()
    };
    // A tenth of its share: 1 to 10.
    assert_eq!(visitors(22), 2);
    for number in 0..10 {
        let request = shows("/echo", &format!("S{number}.jvm2"));
        assert_eq!(served(proxy.address(), &request), "jvm2");
    }
    // It takes its part in surviving, as other proxies expect of it.
    lose(&proxy, &one);
    assert_eq!(served(proxy.address(), &shows("/echo", "S.jvm1")), "jvm2");
}

#[test]
fn the_share_of_a_tomcat_that_came_back_grows_to_the_whole() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let proxy = Proxy::start(&sticky(
        &[&one, &two],
        &format!("{CHECKED}\nslow_start: 500ms"),
    ));
    lose(&proxy, &two);
    find_again(&proxy, &two);
    let share = || {
        let names = (0..20).map(|_| served(proxy.address(), &Request::get("/echo")));
        names.filter(|name| name == "jvm2").count()
    };
    eventually("it has grown", || share() == 10);
    let state = [("backend", "jvm2"), ("state", "up")];
    eventually("it is warm", || {
        proxy.metrics().exactly("cattail_backend_state", &state) == 1
    });
    assert_eq!(share(), 10);
}
