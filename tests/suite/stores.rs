//! Stores that are watched: who answers, what moves, whose sessions nobody has a copy of.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use super::affinity_stage::*;
use super::harness::*;

/// A cluster of Tomcats with these stores, which are asked often and may take their time: the
/// machine may be busy.
pub(super) fn stored(tomcats: &[&Tomcat], stores: &[(&str, &Pulse)]) -> String {
    let nodes = stores
        .iter()
        .map(|(name, store)| format!("{name}: '{}'", store.address()));
    let nodes = nodes.collect::<Vec<_>>().join(", ");
    let settings = "interval: 100ms\n  timeout: 10s";
    sticky(
        tomcats,
        &format!("{CHECKED}\nstores:\n  memcached: {{ {nodes} }}\n  {settings}"),
    )
}

fn of_node(proxy: &Proxy, name: &str, node: &str) -> i64 {
    proxy.metrics().exactly(name, &[("store_node", node)])
}

pub(super) fn is_up(proxy: &Proxy, node: &str) -> bool {
    of_node(proxy, "cattail_store_node_up", node) == 1
}

fn at_risk(proxy: &Proxy) -> BTreeMap<String, u64> {
    counted(proxy, "cattail_store_node_sessions_at_risk", "store_node")
}

/// Sessions that moved, by direction and store node.
pub(super) fn moves(proxy: &Proxy) -> [BTreeMap<String, u64>; 2] {
    let text = get(proxy.admin(), "/metrics").expect(200).text();
    ["from", "to"].map(|direction| {
        let is_it = |line: &&str| {
            line.starts_with("cattail_store_node_moves_total{")
                && line.contains(&format!("direction=\"{direction}\""))
        };
        let lines = text.lines().filter(is_it).map(|line| {
            let (_, rest) = line.split_once("store_node=\"").unwrap();
            let (node, _) = rest.split_once('"').unwrap();
            let (_, count) = rest.rsplit_once(' ').unwrap();
            (node.to_owned(), count.parse().unwrap())
        });
        lines.filter(|(_, count)| *count > 0).collect()
    })
}

/// A Tomcat makes this session.
#[track_caller]
pub(super) fn makes(proxy: &Proxy, tomcat: &Tomcat, id: &str) {
    let path = format!("/login/{id}");
    issues(tomcat, &path, id);
    // A new visitor may be balanced to any of them.
    let route = id.rsplit_once('.').unwrap().1;
    served(proxy.address(), &shows(&path, &format!("BEFORE.{route}")));
}

#[test]
fn a_store_that_refuses_is_down_and_one_that_answers_is_back() {
    let tomcat = Tomcat::start("jvm1");
    let (mut one, two) = (Pulse::start(), Pulse::start());
    let proxy = Proxy::start(&stored(&[&tomcat], &[("n1", &one), ("n2", &two)]));
    eventually("each was asked", || {
        one.questions() > 2 && two.questions() > 2
    });
    assert_eq!((one.connections(), two.connections()), (1, 1), "it is kept");
    assert!(is_up(&proxy, "n1") && is_up(&proxy, "n2"));
    let failures = |node| of_node(&proxy, "cattail_store_node_check_failures_total", node);
    assert_eq!((failures("n1"), failures("n2")), (0, 0));
    one.kill();
    eventually("n1 is down", || !is_up(&proxy, "n1"));
    assert!(failures("n1") > 0);
    one.restart();
    eventually("n1 is back", || is_up(&proxy, "n1"));
    assert!(is_up(&proxy, "n2"));
    assert_eq!(failures("n2"), 0);
}

#[test]
fn a_restart_between_two_questions_is_no_death() {
    let tomcat = Tomcat::start("jvm1");
    let mut store = Pulse::start();
    let proxy = Proxy::start(&stored(&[&tomcat], &[("n1", &store)]));
    for lives in 1..4 {
        eventually("a connection is kept", || store.connections() >= lives);
        let questions = store.questions();
        eventually("it was asked", || store.questions() > questions);
        store.restart();
    }
    // Port and questions may just have crossed: what counts is that it is not taken for dead.
    let questions = store.questions();
    eventually("it is asked on", || store.questions() > questions + 2);
    assert!(is_up(&proxy, "n1"));
}

/// Else a store, or a proxy before it, that closes idle connections at once would be asked without
/// a pause.
#[test]
fn a_store_that_ends_each_connection_is_asked_early_once_a_turn() {
    let tomcat = Tomcat::start("jvm1");
    let [hasty, chatty] = [(); 2].map(|()| Pulse::start());
    hasty.hang_up();
    chatty.be_chatty();
    let text = stored(&[&tomcat], &[("n1", &hasty), ("n2", &chatty)]);
    let proxy = Proxy::start(&text.replace("interval: 100ms", "interval: 1m"));
    for store in [&hasty, &chatty] {
        eventually("it was asked early", || store.questions() >= 2);
        stays("it is asked no more", Duration::from_millis(300), || {
            store.questions() == 2 && store.connections() == 2
        });
    }
    assert!(is_up(&proxy, "n1") && is_up(&proxy, "n2"));
}

#[test]
fn a_silent_store_is_down_after_two_questions() {
    let tomcat = Tomcat::start("jvm1");
    let store = Pulse::start();
    let text = stored(&[&tomcat], &[("n1", &store)]);
    let proxy = Proxy::start(&text.replace("timeout: 10s", "timeout: 200ms"));
    eventually("it was asked", || store.questions() > 1);
    store.be_silent(true);
    eventually("n1 is down", || !is_up(&proxy, "n1"));
    assert!(of_node(&proxy, "cattail_store_node_check_failures_total", "n1") >= 2);
    store.be_silent(false);
    eventually("n1 is back", || is_up(&proxy, "n1"));
}

#[test]
fn what_has_no_name_in_ids_is_called_by_its_address() {
    let tomcat = Tomcat::start("jvm1");
    for (key, scheme, database) in [("memcached", "", ""), ("redis", "redis://", "/1")] {
        let mut store = Pulse::start();
        let url = format!("{scheme}{}{database}", store.address());
        let more =
            format!("{CHECKED}\nstores: {{ {key}: '{url}', interval: 100ms, timeout: 10s }}");
        let proxy = Proxy::start(&sticky(&[&tomcat], &more));
        makes(&proxy, &tomcat, &format!("OF{key}.jvm1"));
        eventually("it was asked", || store.questions() > 1);
        assert!(is_up(&proxy, &url), "{key}");
        assert_eq!(at_risk(&proxy), counts([]));
        store.kill();
        // All sessions are there.
        eventually("at risk", || at_risk(&proxy) == counts([(&url, 1)]));
    }
}

#[test]
fn moves_are_counted_at_both_ends() {
    let tomcat = Tomcat::start("jvm1");
    let (one, two) = (Pulse::start(), Pulse::start());
    let proxy = Proxy::start(&stored(&[&tomcat], &[("n1", &one), ("n2", &two)]));
    assert_eq!(moves(&proxy), [counts([]), counts([])]);
    let says = |before: &str, after: &str| {
        issues(&tomcat, "/page", after);
        served(proxy.address(), &shows("/page", before));
    };
    says("A-n1.jvm1", "A-n2.jvm1");
    says("B-n1.jvm1", "B-n2.jvm1");
    says("A-n2.jvm1", "A-n1.jvm1");
    assert_eq!(
        moves(&proxy),
        [
            counts([("n1", 2), ("n2", 1)]),
            counts([("n1", 1), ("n2", 2)])
        ]
    );
    // The same again, another session, a login: nothing moves.
    says("A-n1.jvm1", "A-n1.jvm1");
    says("A-n1.jvm1", "C-n2.jvm1");
    // One that had no node gets one; a node that the file does not have.
    says("D.jvm1", "D-n1.jvm1");
    says("E-n7.jvm1", "E-n8.jvm1");
    says("F-n7.jvm1", "F-n2.jvm1");
    assert_eq!(
        moves(&proxy),
        [
            counts([("n1", 2), ("n2", 1), ("(other)", 2)]),
            counts([("n1", 2), ("n2", 3), ("(other)", 1)])
        ]
    );
}

#[test]
fn sticky_sessions_are_at_risk_while_their_store_is_down() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let (mut first, second) = (Pulse::start(), Pulse::start());
    let text = stored(&[&one, &two], &[("n1", &first), ("n2", &second)]);
    let proxy = Proxy::start(&text);
    for id in ["A-n1.jvm1", "B-n1.jvm1", "C-n2.jvm1"] {
        makes(&proxy, &one, id);
    }
    makes(&proxy, &two, "D-n1.jvm2");
    assert_eq!(at_risk(&proxy), counts([]));
    first.kill();
    eventually("at risk", || at_risk(&proxy) == counts([("n1", 3)]));
    // The next request finds a place for the copy.
    issues(&one, "/page", "A-n2.jvm1");
    served(proxy.address(), &shows("/page", "A-n1.jvm1"));
    assert_eq!(at_risk(&proxy), counts([("n1", 2)]));
    first.restart();
    eventually("no longer", || at_risk(&proxy) == counts([]));
}

#[test]
fn non_sticky_sessions_are_at_risk_once_the_next_store_is_down_too() {
    let tomcat = Tomcat::start("jvm1");
    let [mut one, mut two, mut three] = [(); 3].map(|()| Pulse::start());
    let nodes = [("n1", &one), ("n2", &two), ("n3", &three)];
    let text = stored(&[&tomcat], &nodes).replace("affinity: sticky", "affinity: prefer");
    let proxy = Proxy::start(&text);
    for id in ["A-n1.jvm1", "B-n2.jvm1", "C-n3.jvm1", "D-n3.jvm1"] {
        makes(&proxy, &tomcat, id);
    }
    one.kill();
    eventually("n1 is down", || !is_up(&proxy, "n1"));
    assert_eq!(at_risk(&proxy), counts([]), "the copies are on n2");
    // Those of the last are on the first.
    three.kill();
    eventually("at risk", || at_risk(&proxy) == counts([("n3", 2)]));
    two.kill();
    let all = counts([("n1", 1), ("n2", 1), ("n3", 2)]);
    eventually("all are", || at_risk(&proxy) == all);
    three.restart();
    eventually("n1 is left", || at_risk(&proxy) == counts([("n1", 1)]));
}

#[test]
fn a_reload_keeps_what_is_known_of_a_store() {
    let tomcat = Tomcat::start("jvm1");
    let (mut one, two, other) = (Pulse::start(), Pulse::start(), Pulse::start());
    let text = stored(&[&tomcat], &[("n1", &one), ("n2", &two)]);
    let proxy = Proxy::start(&text);
    issues(&tomcat, "/page", "A-n2.jvm1");
    served(proxy.address(), &shows("/page", "A-n1.jvm1"));
    one.kill();
    eventually("n1 is down", || !is_up(&proxy, "n1"));
    let failures = || of_node(&proxy, "cattail_store_node_check_failures_total", "n1");
    let before = failures();
    // Long until the next question: what is known is from before.
    let slow = text.replace("interval: 100ms", "interval: 1m");
    proxy.reload(&slow).unwrap();
    assert!(!is_up(&proxy, "n1"));
    assert!(failures() >= before);
    assert_eq!(moves(&proxy), [counts([("n1", 1)]), counts([("n2", 1)])]);
    // Another address is another store, of which nothing is known yet.
    let elsewhere = stored(&[&tomcat], &[("n1", &other), ("n2", &two)]);
    proxy.reload(&elsewhere).unwrap();
    assert!(is_up(&proxy, "n1"));
    assert_eq!(moves(&proxy), [counts([]), counts([("n2", 1)])]);
    eventually("the new one is asked", || other.questions() > 0);
    // Without the key nobody asks.
    proxy.reload(&sticky(&[&tomcat], CHECKED)).unwrap();
    let text = get(proxy.admin(), "/metrics").expect(200).text();
    assert!(!text.contains("cattail_store_node_up{"), "{text}");
    let (asked, connections) = (two.questions(), two.connections());
    proxy.reload(&sticky(&[&tomcat], CHECKED)).unwrap();
    makes(&proxy, &tomcat, "Z-n1.jvm1");
    assert!(two.questions() <= asked + 1 && two.connections() == connections);
}

/// Tomcat's file is read at each reload, and a bad one changes nothing.
#[test]
fn a_reload_reads_tomcats_file_again() {
    let tomcat = Tomcat::start("jvm1");
    let [one, two] = [(); 2].map(|()| Pulse::start());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("context.xml");
    let write = |attributes: &str| {
        let class = "de.javakaffee.web.msm.MemcachedBackupSessionManager";
        let text = format!("<Context><Manager className=\"{class}\" {attributes}/></Context>");
        fs::write(&file, text).unwrap();
    };
    write(&format!("memcachedNodes=\"n1:{}\"", one.address()));
    let settings = format!("{{ context: '{}', interval: 100ms }}", file.display());
    let text = sticky(&[&tomcat], &format!("{CHECKED}\nstores: {settings}"));
    let proxy = Proxy::start(&text);
    eventually("n1 is asked", || one.questions() > 0);
    assert_eq!(two.questions(), 0);
    write(&format!(
        "memcachedNodes=\"n1:{},n2:{}\"",
        one.address(),
        two.address()
    ));
    proxy.reload(&text).unwrap();
    eventually("n2 is asked", || two.questions() > 0);
    assert!(is_up(&proxy, "n2"));
    write("memcachedNodes=\"n1:a:b\"");
    let refused = proxy.reload(&text).unwrap_err();
    assert!(refused.contains("context.xml:1:"), "{refused}");
    assert!(is_up(&proxy, "n2"));
    let questions = two.questions();
    eventually("it is asked on", || two.questions() > questions);
}
