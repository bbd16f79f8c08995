//! Who gets the next request: turns, weights, load and hashes, over all workers.

use std::collections::BTreeMap;

use super::harness::proxy::cluster;
use super::harness::*;

/// The request with this key.
type AskWith = fn(usize) -> Request;

/// How often each Tomcat answered.
type Shares = BTreeMap<String, usize>;

fn count(names: impl IntoIterator<Item = String>) -> Shares {
    let mut shares = Shares::new();
    for name in names {
        *shares.entry(name).or_default() += 1;
    }
    shares
}

fn shares<const N: usize>(expected: [(&str, usize); N]) -> Shares {
    expected
        .map(|(name, count)| (name.to_owned(), count))
        .into()
}

/// Tomcats called jvm1, jvm2 and so on with these weights, and a proxy in front of them.
fn weighted(weights: &[u32], workers: usize, more: &str) -> (Vec<Tomcat>, Proxy) {
    let names: Vec<_> = (1..=weights.len())
        .map(|number| format!("jvm{number}"))
        .collect();
    let tomcats: Vec<_> = names.iter().map(|name| Tomcat::start(name)).collect();
    let mut text = cluster(&tomcats.iter().collect::<Vec<_>>(), more);
    for (name, weight) in names.iter().zip(weights) {
        text = text.replace(
            &format!("name: {name},"),
            &format!("name: {name}, weight: {weight},"),
        );
    }
    let proxy = Proxy::start(&format!("workers: {workers}\n{text}"));
    (tomcats, proxy)
}

/// Who answered each of `count` requests of each of `clients` clients on kept connections.
fn ask(proxy: &Proxy, clients: usize, count: usize) -> Vec<String> {
    let names = in_parallel(clients, |_| {
        let mut browser = Browser::new(proxy.address());
        let names = (0..count).map(|_| browser.get("/echo").expect(200).tomcat().to_owned());
        names.collect::<Vec<_>>()
    });
    names.into_iter().flatten().collect()
}

/// Who answers a request with this client.
fn served(client: &mut Raw, request: &Request) -> String {
    request.send_on(client).expect(200).tomcat().to_owned()
}

#[test]
fn weights_hold_to_the_request_over_all_workers_and_clients() {
    for (weights, workers) in [(&[5, 1, 1][..], 1), (&[5, 1, 1], 2), (&[3, 2], 2)] {
        let (_tomcats, proxy) = weighted(weights, workers, "");
        let round: u32 = weights.iter().sum();
        let rounds = 20;
        // 10 clients, so many full rounds.
        let names = ask(&proxy, 10, (round * rounds) as usize);
        let shares = count(names);
        for (number, weight) in weights.iter().enumerate() {
            let expected = (10 * rounds * weight) as usize;
            assert_eq!(
                shares[&format!("jvm{}", number + 1)],
                expected,
                "{weights:?}"
            );
        }
    }
}

#[test]
fn ten_thousand_requests_do_not_drift() {
    let (_tomcats, proxy) = weighted(&[3, 2], 2, "");
    let shares = count(ask(&proxy, 10, 1000));
    assert_eq!(shares, self::shares([("jvm1", 6000), ("jvm2", 4000)]));
}

#[test]
fn every_window_of_a_round_is_off_by_one_at_most() {
    let (_tomcats, proxy) = weighted(&[5, 1, 1], 2, "");
    let names = ask(&proxy, 1, 70);
    assert_eq!(
        names[..7],
        ["jvm1", "jvm1", "jvm2", "jvm1", "jvm3", "jvm1", "jvm1"]
    );
    for window in names.windows(7) {
        let shares = count(window.iter().cloned());
        assert_eq!(
            shares,
            self::shares([("jvm1", 5), ("jvm2", 1), ("jvm3", 1)])
        );
    }
}

#[test]
fn two_alternate_exactly_however_many_connections_ask() {
    let (_tomcats, proxy) = weighted(&[1, 1], 2, "");
    let names: Vec<_> = (0..40)
        .map(|_| {
            get(proxy.address(), "/echo")
                .expect(200)
                .tomcat()
                .to_owned()
        })
        .collect();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
}

#[test]
fn least_requests_goes_where_least_is_in_flight() {
    let (tomcats, proxy) = weighted(&[1, 1, 1], 2, "balance: least_requests");
    for tomcat in &tomcats {
        tomcat.hold("/held");
    }
    // Each next one goes to a Tomcat that has none yet.
    let mut held = Vec::new();
    for number in 1..=6 {
        let mut client = Raw::connect(proxy.address());
        client.send(Request::get("/held").bytes());
        held.push(client);
        eventually("it is held", || {
            tomcats
                .iter()
                .map(|tomcat| tomcat.counts().in_progress)
                .sum::<u64>()
                == number
        });
        let loads: Vec<_> = tomcats
            .iter()
            .map(|tomcat| tomcat.counts().in_progress)
            .collect();
        assert!(
            loads.iter().max().unwrap() - loads.iter().min().unwrap() <= 1,
            "{loads:?}"
        );
    }
    tomcats[1].release("/held");
    eventually("jvm2 is idle", || {
        let labels = [("backend", "jvm2")];
        proxy
            .metrics()
            .value("cattail_backend_requests_in_flight", &labels)
            == 0
    });
    let names = ask(&proxy, 1, 10);
    assert_eq!(count(names), shares([("jvm2", 10)]));
}

#[test]
fn least_requests_counts_by_weight() {
    let (tomcats, proxy) = weighted(&[3, 1], 2, "balance: least_requests");
    for tomcat in &tomcats {
        tomcat.hold("/held");
    }
    let mut held = Vec::new();
    for number in 1..=8 {
        let mut client = Raw::connect(proxy.address());
        client.send(Request::get("/held").bytes());
        held.push(client);
        eventually("it is held", || {
            tomcats
                .iter()
                .map(|tomcat| tomcat.counts().in_progress)
                .sum::<u64>()
                == number
        });
    }
    let loads: Vec<_> = tomcats
        .iter()
        .map(|tomcat| tomcat.counts().in_progress)
        .collect();
    assert_eq!(loads, [6, 2]);
}

#[test]
fn two_choices_never_takes_the_busier_of_its_two() {
    let (tomcats, proxy) = weighted(&[1, 1], 2, "balance: two_choices");
    let in_progress = || [0, 1].map(|at| tomcats[at].counts().in_progress);
    for tomcat in &tomcats {
        tomcat.hold("/held");
    }
    let mut held = Vec::new();
    // The less busy of two gets the next: four are shared.
    for number in 1..=4 {
        let mut client = Raw::connect(proxy.address());
        client.send(Request::get("/held").bytes());
        eventually("it arrived", || in_progress().iter().sum::<u64>() == number);
        held.push(client);
    }
    tomcats[1].release("/held");
    eventually("jvm2 is idle", || in_progress() == [2, 0]);
    eventually("the proxy knows", || {
        let labels = [("backend", "jvm2")];
        proxy
            .metrics()
            .value("cattail_backend_requests_in_flight", &labels)
            == 0
    });
    let shares = count(ask(&proxy, 1, 200));
    let busy = shares.get("jvm1").copied().unwrap_or(0);
    let idle = shares["jvm2"];
    assert!(idle > busy, "{shares:?}");
}

#[test]
fn one_key_goes_to_one_tomcat_and_its_death_moves_only_its_own() {
    let requests: [(&str, AskWith); 3] = [
        ("uri", |key| Request::get(&format!("/echo/{key}?x=1"))),
        ("{ header: X-User }", |key| {
            Request::get("/echo").header("X-User", &key.to_string())
        }),
        ("{ cookie: user }", |key| {
            Request::get("/echo").header("Cookie", &format!("a=b; user={key}"))
        }),
    ];
    for (by, request) in requests {
        let more = format!("balance: {{ hash: {by} }}");
        let (tomcats, proxy) = weighted(&[1, 1, 1], 2, &more);
        let owners = || -> Vec<String> {
            // Each on a connection of its own: at both workers.
            let keys = 0..40;
            keys.map(|key| {
                request(key)
                    .send(proxy.address())
                    .expect(200)
                    .tomcat()
                    .to_owned()
            })
            .collect()
        };
        let before = owners();
        assert_eq!(before, owners(), "{by}");
        assert_eq!(count(before.clone()).len(), 3, "{by}: all are used");
        tomcats[1].kill();
        let after = owners();
        for (old, new) in before.iter().zip(&after) {
            assert!(
                new != "jvm2" && (old == new || old == "jvm2"),
                "{by}: {old} {new}"
            );
        }
        tomcats[1].restart().expect("restarts");
        eventually("jvm2 is back", || proxy.is_up(&tomcats[1]));
        assert_eq!(before, owners(), "{by}");
    }
}

#[test]
fn one_client_address_goes_to_one_tomcat() {
    let (_tomcats, proxy) = weighted(&[1, 1], 2, "balance: { hash: client_address }");
    let of = |last: usize| {
        let names = (0..4).map(|_| {
            let mut client = Raw::connect_from(&format!("127.0.1.{last}"), proxy.address());
            served(&mut client, &Request::get("/echo"))
        });
        count(names)
    };
    let owners: Vec<_> = (1..=20).map(of).collect();
    assert!(owners.iter().all(|shares| shares.len() == 1), "{owners:?}");
    let used = count(owners.iter().flat_map(|shares| shares.keys().cloned()));
    assert_eq!(used.len(), 2);
}

#[test]
fn what_has_no_key_takes_turns() {
    let (_tomcats, proxy) = weighted(&[1, 1], 2, "balance: { hash: { header: X-User } }");
    let shares = count(ask(&proxy, 2, 10));
    assert_eq!(shares, self::shares([("jvm1", 10), ("jvm2", 10)]));
}

/// `text` with more said of one backend.
fn with(text: &str, name: &str, more: &str) -> String {
    text.replace(&format!("name: {name},"), &format!("name: {name}, {more},"))
}

#[test]
fn a_backup_serves_only_when_no_other_is_left() {
    let [one, two, spare] = tomcats(["jvm1", "jvm2", "spare"]);
    let text = cluster(&[&one, &two, &spare], "health: { interval: 50ms }");
    let proxy = Proxy::start(&with(&text, "spare", "backup: true"));
    assert_eq!(
        count(ask(&proxy, 2, 10)),
        shares([("jvm1", 10), ("jvm2", 10)])
    );
    one.kill();
    assert_eq!(count(ask(&proxy, 2, 10)), shares([("jvm2", 20)]));
    two.kill();
    assert_eq!(count(ask(&proxy, 2, 10)), shares([("spare", 20)]));
    one.restart().expect("restarts");
    eventually("jvm1 is back", || proxy.is_up(&one));
    assert_eq!(count(ask(&proxy, 2, 10)), shares([("jvm1", 20)]));
}

#[test]
fn draining_and_disabled_backends_get_nothing_new() {
    let [one, two, three] = tomcats(["jvm1", "jvm2", "jvm3"]);
    let text = cluster(&[&one, &two, &three], "");
    let text = with(&text, "jvm1", "state: draining");
    let proxy = Proxy::start(&with(&text, "jvm2", "state: disabled"));
    assert_eq!(count(ask(&proxy, 2, 10)), shares([("jvm3", 20)]));
    three.kill();
    get(proxy.address(), "/echo").expect(503);
    assert_eq!((one.count(), two.count()), (0, 0));
}

#[test]
fn max_requests_is_exact_over_all_workers() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let text = cluster(&[&one, &two], "queue: { length: 0 }");
    let text = with(&text, "jvm1", "max_requests: 3");
    let proxy = Proxy::start(&with(&text, "jvm2", "max_requests: 5"));
    let held = [&one, &two];
    for tomcat in held {
        tomcat.hold("/held");
    }
    let mut statuses = std::thread::scope(|scope| {
        scope.spawn(|| {
            eventually("both are full and the others told so", || {
                let full = [("reason", "backends_full")];
                held.map(|tomcat| tomcat.counts().in_progress) == [3, 5]
                    && proxy.metrics().value("cattail_errors_total", &full) == 12
            });
            for tomcat in held {
                tomcat.release("/held");
            }
        });
        in_parallel(20, |_| {
            let response = get(proxy.address(), "/held");
            if response.status() == 503 {
                assert!(response.header("Retry-After").is_some());
            }
            response.status()
        })
    });
    statuses.sort_unstable();
    assert_eq!(statuses, [[200; 8].as_slice(), &[503; 12]].concat());
    assert_eq!(
        (one.counts().concurrent_peak, two.counts().concurrent_peak),
        (3, 5)
    );
    eventually("all places are given back", || {
        let metrics = proxy.metrics();
        metrics.value("cattail_backend_requests_in_flight", &[]) == 0
    });
}

#[test]
fn max_requests_is_never_exceeded_under_load() {
    let balances = [
        "round_robin",
        "least_requests",
        "two_choices",
        "{ hash: uri }",
    ];
    let queues = [0, 1000].into_iter();
    let cases = queues.flat_map(|length| balances.map(|balance| (length, balance)));
    for (length, balance) in cases {
        let [one, two] = tomcats(["jvm1", "jvm2"]);
        let more = format!("balance: {balance}\nqueue: {{ length: {length} }}");
        let text = cluster(&[&one, &two], &more);
        let text = with(&text, "jvm1", "max_requests: 2");
        let proxy = Proxy::start(&with(&text, "jvm2", "max_requests: 2"));
        let statuses = in_parallel(12, |_| {
            let mut browser = Browser::new(proxy.address());
            let statuses = (0..20).map(|_| browser.get("/slow?head_ms=1").status());
            statuses.collect::<Vec<_>>()
        });
        let statuses = statuses.concat();
        assert!(statuses.iter().all(|status| [200, 503].contains(status)));
        let served = statuses.iter().filter(|status| **status == 200).count();
        // Who may wait is served.
        let most = if length == 0 { 1 } else { statuses.len() };
        assert!(served >= most, "{balance}, {length}: {served}");
        for tomcat in [&one, &two] {
            let peak = tomcat.counts().concurrent_peak;
            assert!(peak <= 2, "{balance}: {peak}");
        }
    }
}
