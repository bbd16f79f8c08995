//! What becomes of a session whose Tomcat cannot serve it: one survivor, and no way back to an
//! old copy.

use std::time::Duration;

use cattail::standin::Fault;

use super::affinity_stage::*;
use super::harness::*;

#[test]
fn sessions_of_a_dead_tomcat_go_to_one_survivor_each_through_any_proxy() {
    let all = tomcats(["jvm1", "jvm2", "jvm3", "jvm4"]);
    let [one, two, three, four] = &all;
    let text = with(&sticky(&[one, two, three, four], ""), "jvm3", "weight: 3");
    let proxies = [Proxy::start(&text), Proxy::start(&text)];
    one.kill();
    let mut used = std::collections::BTreeSet::new();
    for number in 0..12 {
        let base = format!("S{number}");
        let order = order_of(&text, &base);
        let survivor = order.iter().find(|name| *name != "jvm1").unwrap();
        in_parallel(6, |client| {
            let to = proxies[client % 2].address();
            let request = shows("/echo", &format!("{base}-n1.jvm1"));
            assert_eq!(served(to, &request), *survivor, "{order:?}");
        });
        used.insert(survivor.clone());
    }
    assert_eq!(used.len(), 3, "the burden is shared: {used:?}");
    for proxy in &proxies {
        let counted = bindings(proxy);
        let (survivor, pin) = (counted["survivor"], counted.get("pin").unwrap_or(&0));
        // The first one had gone to the owner before it found that out.
        let found_out = counted.get("owner").unwrap_or(&0);
        assert_eq!(survivor + pin + found_out, 36, "{counted:?}");
        assert!(*found_out <= 3, "{counted:?}");
    }
    restart(&proxies[0], one);
    assert_eq!(
        served(proxies[0].address(), &shows("/echo", "S1.jvm1")),
        "jvm1"
    );
}

#[test]
fn a_session_that_was_taken_over_does_not_go_back_to_its_old_copy() {
    let [one, two, three] = tomcats(["jvm1", "jvm2", "jvm3"]);
    let text = sticky(&[&one, &two, &three], CHECKED);
    let proxy = Proxy::start(&text);
    let base = base(&text, &["jvm2", "jvm3", "jvm1"]);
    let (old, new) = (format!("{base}-n1.jvm1"), format!("{base}-n1.jvm2"));
    assert_eq!(served(proxy.address(), &shows("/echo", &old)), "jvm1");
    lose(&proxy, &one);
    issues(&two, "/taken", &new);
    assert_eq!(served(proxy.address(), &shows("/taken", &old)), "jvm2");
    find_again(&proxy, &one);
    // Parallel requests that were sent before the new cookie came.
    in_parallel(6, |_| {
        assert_eq!(served(proxy.address(), &shows("/echo", &old)), "jvm2");
    });
    assert_eq!(served(proxy.address(), &shows("/echo", &new)), "jvm2");
    // Such may be under way still.
    assert_eq!(served(proxy.address(), &shows("/echo", &old)), "jvm2");
    let expected = [("owner", 2), ("survivor", 1), ("pin", 7)];
    assert_eq!(bindings(&proxy), counts(expected));
    assert_eq!(one.requests_to("/echo").len(), 1);
}

#[test]
fn a_survivor_that_says_it_twice_does_not_send_the_session_back() {
    let [one, two, three] = tomcats(["jvm1", "jvm2", "jvm3"]);
    let text = sticky(&[&one, &two, &three], CHECKED);
    let proxy = Proxy::start(&text);
    let base = base(&text, &["jvm2", "jvm3", "jvm1"]);
    let old = format!("{base}-n1.jvm1");
    lose(&proxy, &one);
    issues(&two, "/taken", &format!("{base}-n1.jvm2"));
    assert_eq!(served(proxy.address(), &shows("/taken", &old)), "jvm2");
    find_again(&proxy, &one);
    // A request that was sent with the old cookie gets the new one too.
    assert_eq!(served(proxy.address(), &shows("/taken", &old)), "jvm2");
    for _ in 0..3 {
        assert_eq!(served(proxy.address(), &shows("/echo", &old)), "jvm2");
    }
}

#[test]
fn what_another_proxy_has_moved_is_learned_from_the_client() {
    let [one, two, three] = tomcats(["jvm1", "jvm2", "jvm3"]);
    let text = sticky(&[&one, &two, &three], CHECKED);
    let proxy = Proxy::start(&text);
    let base = base(&text, &["jvm2", "jvm1", "jvm3"]);
    let (old, new) = (format!("{base}.jvm1"), format!("{base}.jvm2"));
    assert_eq!(served(proxy.address(), &shows("/echo", &old)), "jvm1");
    // The other one has moved it, and the client comes back here.
    assert_eq!(served(proxy.address(), &shows("/echo", &new)), "jvm2");
    // The old copy at jvm1 stays where it is.
    kill(&proxy, &two);
    assert_eq!(served(proxy.address(), &shows("/echo", &new)), "jvm3");
}

#[test]
fn an_old_id_counts_again_when_the_session_would_be_over() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let more = format!("{CHECKED}\nsession_idle: 2s");
    let proxy = Proxy::start(&sticky(&[&one, &two], &more));
    lose(&proxy, &one);
    issues(&two, "/taken", "BASE.jvm2");
    let old = shows("/echo", "BASE.jvm1");
    assert_eq!(
        served(proxy.address(), &shows("/taken", "BASE.jvm1")),
        "jvm2"
    );
    find_again(&proxy, &one);
    // The client never shows that it knows; as long as it uses the session, that stays.
    stays("it is in use", scaled(Duration::from_secs(3)), || {
        served(proxy.address(), &old) == "jvm2"
    });
    eventually("it is over", || {
        let issued = [("kind", "issued")];
        proxy.metrics().value("cattail_sessions", &issued) == 0
    });
    assert_eq!(served(proxy.address(), &old), "jvm1");
}

#[test]
fn a_session_goes_home_when_the_last_request_at_its_survivor_has_ended() {
    let [one, two, three] = tomcats(["jvm1", "jvm2", "jvm3"]);
    let text = sticky(&[&one, &two, &three], CHECKED);
    let proxy = Proxy::start(&text);
    let id = format!("{}.jvm1", base(&text, &["jvm2", "jvm1", "jvm3"]));
    let (other, there) = (shows("/echo", &id), proxy.address());
    lose(&proxy, &one);
    let mut waiting = ["/echo/first", "/echo/second"].map(|path| {
        two.hold(path);
        (path, begun(&there, &shows(path, &id)))
    });
    two.wait_for("both", |counts| counts.in_progress == 2);
    find_again(&proxy, &one);
    for (path, client) in &mut waiting {
        assert_eq!(served(&there, &other), "jvm2", "{path} is there still");
        two.release(path);
        assert_eq!(client.read_response().expect(200).tomcat(), "jvm2");
    }
    eventually("it goes home", || served(&there, &other) == "jvm1");
    assert_eq!(served(&there, &other), "jvm1");
}

#[test]
fn a_client_that_goes_away_leaves_its_session_where_it_may_be() {
    let [one, two, three] = tomcats(["jvm1", "jvm2", "jvm3"]);
    let text = sticky(&[&one, &two, &three], CHECKED);
    let proxy = Proxy::start(&text);
    let id = format!("{}.jvm1", base(&text, &["jvm2", "jvm1", "jvm3"]));
    lose(&proxy, &one);
    two.hold("/slow");
    let client = begun(proxy.address(), &shows("/slow", &id));
    two.wait_for("the request", |counts| counts.in_progress == 1);
    find_again(&proxy, &one);
    client.reset();
    two.wait_for("an end", |counts| counts.in_progress == 0);
    // The survivor may have begun to take it over.
    for _ in 0..3 {
        assert_eq!(served(proxy.address(), &shows("/echo", &id)), "jvm2");
    }
    assert_eq!(one.requests_to("/echo").len(), 0);
}

#[test]
fn a_survivor_that_did_not_answer_in_time_may_have_the_session_all_the_same() {
    let [one, two, three] = tomcats(["jvm1", "jvm2", "jvm3"]);
    let more = format!("{CHECKED}\ntimeouts: {{ response: 50ms }}");
    let text = sticky(&[&one, &two, &three], &more);
    let proxy = Proxy::start(&text);
    let id = format!("{}.jvm1", base(&text, &["jvm2", "jvm1", "jvm3"]));
    lose(&proxy, &one);
    two.hold("/slow");
    shows("/slow", &id).send(proxy.address()).expect(504);
    find_again(&proxy, &one);
    for _ in 0..3 {
        assert_eq!(served(proxy.address(), &shows("/echo", &id)), "jvm2");
    }
}

#[test]
fn a_late_answer_of_the_old_owner_undoes_no_take_over() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let proxy = Proxy::start(&sticky(&[&one, &two], CHECKED));
    // An order does not leave its Tomcat; its answer will move the session to another store node.
    issues(&one, "/order", "BASE-n2.jvm1");
    one.script_times("/order", 1, Fault::HangBeforeHead);
    let mut order = Raw::connect(proxy.address());
    let post = Request::post("/order", "pizza").header("Cookie", "JSESSIONID=BASE-n1.jvm1");
    order.send(post.bytes());
    one.wait_for_requests(1);
    lose(&proxy, &one);
    issues(&two, "/taken", "BASE-n1.jvm2");
    let taken = shows("/taken", "BASE-n1.jvm1");
    assert_eq!(served(proxy.address(), &taken), "jvm2");
    find_again(&proxy, &one);
    issues(&one, "/order", "BASE-n2.jvm1");
    assert_eq!(order.read_response().expect(200).tomcat(), "jvm1");
    let old = shows("/echo", "BASE-n1.jvm1");
    assert_eq!(served(proxy.address(), &old), "jvm2");
}

#[test]
fn a_survivor_that_refused_the_request_has_nothing_of_the_session() {
    let [one, two, three] = tomcats(["jvm1", "jvm2", "jvm3"]);
    // Without checks only requests find out.
    let text = sticky(&[&one, &two, &three], "");
    let proxy = Proxy::start(&text);
    let id = format!("{}.jvm1", base(&text, &["jvm2", "jvm3", "jvm1"]));
    one.kill();
    two.kill();
    let order = Request::post("/echo", "pizza").header("Cookie", &format!("JSESSIONID={id}"));
    assert_eq!(served(proxy.address(), &order), "jvm3");
    restart(&proxy, &one);
    eventually("it is home", || {
        served(proxy.address(), &shows("/echo", &id)) == "jvm1"
    });
}

#[test]
fn a_survivor_that_dies_over_a_request_is_followed_by_one_without_a_copy() {
    let [one, two, three] = tomcats(["jvm1", "jvm2", "jvm3"]);
    let text = sticky(&[&one, &two, &three], CHECKED);
    let proxy = Proxy::start(&text);
    let id = format!("{}.jvm1", base(&text, &["jvm2", "jvm1", "jvm3"]));
    lose(&proxy, &one);
    two.hold("/order");
    let order = Request::post("/order", "pizza").header("Cookie", &format!("JSESSIONID={id}"));
    let mut client = begun(proxy.address(), &order);
    two.wait_for("the request", |counts| counts.in_progress == 1);
    find_again(&proxy, &one);
    two.kill();
    // Nobody knows what the dead one did with it, so nobody gets it again.
    client.read_response().expect(502);
    assert_eq!(served(proxy.address(), &shows("/echo", &id)), "jvm3");
    let copies = [&one, &three].map(|tomcat| tomcat.requests_to("/order").len());
    assert_eq!(copies, [0, 0]);
}

#[test]
fn the_second_death_does_not_wake_an_old_copy() {
    let [one, two, three] = tomcats(["jvm1", "jvm2", "jvm3"]);
    let text = sticky(&[&one, &two, &three], CHECKED);
    let proxy = Proxy::start(&text);
    let base = base(&text, &["jvm2", "jvm1", "jvm3"]);
    let ids = ["jvm1", "jvm2", "jvm3"].map(|route| format!("{base}.{route}"));
    lose(&proxy, &one);
    issues(&two, "/taken", &ids[1]);
    assert_eq!(served(proxy.address(), &shows("/taken", &ids[0])), "jvm2");
    find_again(&proxy, &one);
    kill(&proxy, &two);
    // The order says jvm1, which has the session as it was long ago.
    for _ in 0..3 {
        assert_eq!(served(proxy.address(), &shows("/echo", &ids[1])), "jvm3");
    }
    // Better an old copy than none.
    lose(&proxy, &three);
    assert_eq!(served(proxy.address(), &shows("/echo", &ids[1])), "jvm1");
}

#[test]
fn a_tomcat_that_was_restarted_has_no_old_copy() {
    let [one, two, three] = tomcats(["jvm1", "jvm2", "jvm3"]);
    let text = sticky(&[&one, &two, &three], CHECKED);
    let proxy = Proxy::start(&text);
    let base = base(&text, &["jvm2", "jvm1", "jvm3"]);
    let (old, new) = (format!("{base}.jvm1"), format!("{base}.jvm2"));
    lose(&proxy, &one);
    issues(&two, "/taken", &new);
    assert_eq!(served(proxy.address(), &shows("/taken", &old)), "jvm2");
    find_again(&proxy, &one);
    kill(&proxy, &one);
    restart(&proxy, &one);
    kill(&proxy, &two);
    assert_eq!(served(proxy.address(), &shows("/echo", &new)), "jvm1");
}

#[test]
fn a_replicated_session_has_moved_with_its_first_whole_answer() {
    let [one, two, three] = tomcats(["jvm1", "jvm2", "jvm3"]);
    let text = sticky(
        &[&one, &two, &three],
        &format!("{CHECKED}\nreplicated: true"),
    );
    let proxy = Proxy::start(&text);
    let id = format!("{}.jvm1", base(&text, &["jvm2", "jvm1", "jvm3"]));
    lose(&proxy, &one);
    assert_eq!(served(proxy.address(), &shows("/bytes/100", &id)), "jvm2");
    find_again(&proxy, &one);
    for _ in 0..3 {
        assert_eq!(served(proxy.address(), &shows("/echo", &id)), "jvm2");
    }
}

#[test]
fn a_backup_survives_only_for_who_has_nobody_else() {
    let [one, two, spare] = tomcats(["jvm1", "jvm2", "spare"]);
    let text = with(
        &sticky(&[&one, &two, &spare], CHECKED),
        "spare",
        "backup: true",
    );
    let proxy = Proxy::start(&text);
    let id = format!("{}.jvm1", base(&text, &["spare", "jvm1", "jvm2"]));
    lose(&proxy, &one);
    assert_eq!(served(proxy.address(), &shows("/echo", &id)), "jvm2");
    lose(&proxy, &two);
    assert_eq!(served(proxy.address(), &shows("/echo", &id)), "spare");
    find_again(&proxy, &two);
    eventually("it leaves the backup", || {
        served(proxy.address(), &shows("/echo", &id)) == "jvm2"
    });
    // What it owns is its own, whoever is usable.
    issues(&spare, "/taken", "OWN.spare");
    assert_eq!(
        served(proxy.address(), &shows("/taken", "OWN.spare")),
        "spare"
    );
}

#[test]
fn a_disabled_owner_is_as_good_as_dead() {
    let [one, two, three] = tomcats(["jvm1", "jvm2", "jvm3"]);
    let text = sticky(&[&one, &two, &three], "");
    let proxy = Proxy::start(&text);
    let id = format!("{}.jvm1", base(&text, &["jvm1", "jvm3", "jvm2"]));
    assert_eq!(served(proxy.address(), &shows("/echo", &id)), "jvm1");
    proxy
        .reload(&with(&text, "jvm1", "state: disabled"))
        .unwrap();
    in_parallel(4, |_| {
        assert_eq!(served(proxy.address(), &shows("/echo", &id)), "jvm3");
    });
    proxy.reload(&text).unwrap();
    eventually("it is used", || {
        served(proxy.address(), &shows("/echo", &id)) == "jvm1"
    });
}
