//! How many requests backends and clusters take, and what becomes of the others.

use std::time::Duration;

use cattail::standin::Fault;
use tokio::time::Instant;

use super::affinity_stage::*;
use super::harness::proxy::cluster;
use super::harness::*;

fn queued(proxy: &Proxy) -> i64 {
    proxy.metrics().value("cattail_queued_requests", &[])
}

fn in_flight(proxy: &Proxy) -> i64 {
    let metrics = proxy.metrics();
    metrics.value("cattail_backend_requests_in_flight", &[])
}

fn errors(proxy: &Proxy, reason: &str) -> u64 {
    let errors = counted(proxy, "cattail_errors_total", "reason");
    errors.get(reason).copied().unwrap_or(0)
}

/// A request that waits, behind all that wait already.
#[track_caller]
fn waits(proxy: &Proxy, request: &Request) -> Raw {
    let before = queued(proxy);
    let client = begun(proxy.address(), request);
    eventually("it waits", || queued(proxy) == before + 1);
    client
}

/// A request that is refused at once, for this reason.
#[track_caller]
fn refused(proxy: &Proxy, request: &Request, reason: &str) {
    let before = errors(proxy, reason);
    let response = request.send(proxy.address()).expect(503);
    assert!(response.header("Retry-After").is_some(), "{reason}");
    assert_eq!(errors(proxy, reason), before + 1, "{reason}");
}

#[track_caller]
fn answered_by(mut client: Raw, name: &str) {
    assert_eq!(client.read_response().expect(200).tomcat(), name);
}

/// One Tomcat with one place, which is taken until `/held` is released.
fn full(text: impl FnOnce(&Tomcat) -> String) -> (Proxy, Tomcat, Raw) {
    let tomcat = Tomcat::start("jvm1");
    let text = with(&text(&tomcat), "jvm1", "max_requests: 1");
    let proxy = Proxy::start(&text);
    tomcat.hold("/held");
    let client = begun(proxy.address(), &Request::get("/held"));
    tomcat.wait_for("it is full", |counts| counts.in_progress == 1);
    (proxy, tomcat, client)
}

#[test]
fn sessions_are_served_first_and_then_who_came_first() {
    let (proxy, tomcat, mut holder) = full(|tomcat| sticky(&[tomcat], "queue: { time: 1m }"));
    let requests = [
        Request::get("/any/1"),
        shows("/sticky/1", "A.jvm1"),
        Request::get("/any/2"),
        shows("/sticky/2", "B.jvm1"),
        Request::post("/any/3", "a body"),
        shows("/sticky/3", "A.jvm1"),
    ];
    let clients: Vec<_> = requests.iter().map(|it| waits(&proxy, it)).collect();
    let metrics = proxy.metrics();
    assert_eq!(metrics.value("cattail_backend_queued_requests", &[]), 3);
    assert_eq!(metrics.value("cattail_queue_length", &[]), 1000);
    tomcat.release("/held");
    holder.read_response().expect(200);
    for client in clients {
        answered_by(client, "jvm1");
    }
    let seen: Vec<_> = tomcat
        .requests()
        .iter()
        .map(|it| it.target.clone())
        .collect();
    let expected = [
        "/held",
        "/sticky/1",
        "/sticky/2",
        "/sticky/3",
        "/any/1",
        "/any/2",
        "/any/3",
    ];
    let seen: Vec<_> = seen.iter().filter(|it| *it != "*").collect();
    assert_eq!(seen, expected);
    assert_eq!(tomcat.counts().concurrent_peak, 1);
    let metrics = proxy.metrics();
    assert_eq!(
        metrics.value("cattail_queue_duration_seconds_count", &[]),
        6
    );
    assert_eq!(metrics.value("cattail_queued_requests", &[]), 0);
    let body = tomcat.requests_to("/any/3").remove(0).body;
    assert_eq!(body, b"a body");
}

#[test]
fn who_waited_in_vain_is_told_so_and_costs_no_place() {
    let time = Duration::from_millis(200);
    let (proxy, tomcat, mut holder) = full(|tomcat| cluster(&[tomcat], "queue: { time: 200ms }"));
    let began = Instant::now();
    refused(&proxy, &Request::get("/echo"), "queue_time");
    assert!(began.elapsed() >= time, "{:?}", began.elapsed());
    let waited = proxy
        .metrics()
        .fraction("cattail_queue_duration_seconds_sum", &[]);
    assert!(waited >= time.as_secs_f64(), "{waited}");
    tomcat.release("/held");
    holder.read_response().expect(200);
    for _ in 0..3 {
        get(proxy.address(), "/echo").expect(200);
    }
    assert_eq!(tomcat.requests_to("/echo").len(), 3);
}

#[test]
fn a_full_queue_refuses_by_priority() {
    let (proxy, tomcat, mut holder) = full(|tomcat| {
        let rules = "rules:\n  - { path: /low, cluster: shop, priority: low }\n  \
                     - { path: /high, cluster: shop, priority: high }\n  \
                     - { cluster: shop }\n";
        format!(
            "{rules}{}",
            cluster(&[tomcat], "queue: { length: 4, time: 1m }")
        )
    });
    let [low, normal, high] = ["/low", "/normal", "/high"].map(Request::get);
    let mut clients = vec![waits(&proxy, &low), waits(&proxy, &low)];
    refused(&proxy, &low, "shed");
    clients.push(waits(&proxy, &normal));
    clients.push(waits(&proxy, &high));
    refused(&proxy, &low, "queue_full");
    refused(&proxy, &normal, "queue_full");
    // One more than the queue is long.
    clients.push(waits(&proxy, &high));
    refused(&proxy, &high, "queue_full");
    tomcat.release("/held");
    holder.read_response().expect(200);
    for client in clients {
        answered_by(client, "jvm1");
    }
    // Who came first was served first, whatever it matters.
    let seen: Vec<_> = tomcat
        .requests()
        .iter()
        .map(|it| it.target.clone())
        .collect();
    let seen: Vec<_> = seen.iter().filter(|it| *it != "*").collect();
    assert_eq!(seen, ["/held", "/low", "/low", "/normal", "/high", "/high"]);
}

#[test]
fn a_client_that_goes_away_leaves_the_queue() {
    let (proxy, tomcat, mut holder) = full(|tomcat| sticky(&[tomcat], "queue: { time: 1m }"));
    let gone = [
        waits(&proxy, &shows("/gone", "A.jvm1")),
        waits(&proxy, &Request::get("/gone")),
    ];
    let stays = waits(&proxy, &Request::get("/echo"));
    for client in gone {
        let before = queued(&proxy);
        client.reset();
        eventually("it waits no more", || queued(&proxy) == before - 1);
    }
    tomcat.release("/held");
    holder.read_response().expect(200);
    answered_by(stays, "jvm1");
    assert_eq!(tomcat.requests_to("/gone").len(), 0);
    get(proxy.address(), "/echo").expect(200);
    eventually("no place is lost", || in_flight(&proxy) == 0);
}

#[test]
fn a_session_that_waits_for_one_that_goes_down_goes_to_its_survivor() {
    for (strict, reason) in [(false, None), (true, Some("owner_unavailable"))] {
        let [one, two] = tomcats(["jvm1", "jvm2"]);
        let more = format!("{CHECKED}\nqueue: {{ time: 10m }}\nstrict: {strict}");
        let text = with(&sticky(&[&one, &two], &more), "jvm1", "max_requests: 1");
        let proxy = Proxy::start(&text);
        one.hold("/held");
        let _holder = begun(proxy.address(), &shows("/held", "FIRST.jvm1"));
        eventually("it is full", || one_is_held(&one));
        let mut client = waits(&proxy, &shows("/echo", "BASE.jvm1"));
        lose(&proxy, &one);
        let response = client.read_response();
        match reason {
            None => assert_eq!(response.expect(200).tomcat(), "jvm2"),
            Some(reason) => {
                response.expect(503);
                assert_eq!(errors(&proxy, reason), 1);
            }
        }
        assert_eq!(queued(&proxy), 0);
        one.release("/held");
    }
}

fn one_is_held(tomcat: &Tomcat) -> bool {
    !tomcat.requests_to("/held").is_empty()
}

#[test]
fn who_waits_for_any_is_served_by_one_that_comes_back_and_told_if_none_is_left() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let more = format!("{CHECKED}\nqueue: {{ time: 10m }}");
    let text = sticky(&[&one, &two], &more);
    let text = with(&text, "jvm1", "max_requests: 1");
    let proxy = Proxy::start(&with(&text, "jvm2", "max_requests: 1"));
    lose(&proxy, &two);
    one.hold("/held");
    let _holder = begun(proxy.address(), &shows("/held", "FIRST.jvm1"));
    eventually("it is full", || one_is_held(&one));
    let client = waits(&proxy, &Request::get("/echo"));
    find_again(&proxy, &two);
    answered_by(client, "jvm2");
    lose(&proxy, &two);
    let mut client = waits(&proxy, &Request::get("/echo"));
    lose(&proxy, &one);
    client.read_response().expect(503);
    assert_eq!(errors(&proxy, "no_backend"), 1);
    one.release("/held");
}

#[test]
fn a_cluster_has_a_bound_of_its_own_over_all_workers() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let text = cluster(&[&one, &two], "max_requests: 3\nqueue: { length: 0 }");
    let proxy = Proxy::start(&text);
    let held = [&one, &two];
    for tomcat in held {
        tomcat.hold("/held");
    }
    let mut statuses = std::thread::scope(|scope| {
        scope.spawn(|| {
            eventually("the cluster is full and the others told so", || {
                in_flight(&proxy) == 3 && errors(&proxy, "backends_full") == 7
            });
            for tomcat in held {
                tomcat.release("/held");
            }
        });
        in_parallel(10, |_| get(proxy.address(), "/held").status())
    });
    statuses.sort_unstable();
    assert_eq!(statuses, [[200; 3].as_slice(), &[503; 7]].concat());
    eventually("all places are given back", || in_flight(&proxy) == 0);
    assert_eq!(proxy.metrics().value("cattail_requests_limit", &[]), 3);
}

#[test]
fn a_full_cluster_lets_its_requests_wait() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let text = sticky(&[&one, &two], "max_requests: 1\nqueue: { time: 1m }");
    let proxy = Proxy::start(&text);
    one.hold("/held");
    let mut holder = begun(proxy.address(), &shows("/held", "FIRST.jvm1"));
    eventually("it is full", || one_is_held(&one));
    let mut any = waits(&proxy, &Request::get("/echo"));
    let session = waits(&proxy, &shows("/echo", "BASE.jvm2"));
    one.release("/held");
    holder.read_response().expect(200);
    answered_by(session, "jvm2");
    any.read_response().expect(200);
    eventually("no place is lost", || in_flight(&proxy) == 0);
}

#[test]
fn a_reload_that_makes_room_serves_those_who_wait() {
    let (proxy, tomcat, mut holder) = full(|tomcat| cluster(&[tomcat], "queue: { time: 10m }"));
    let client = waits(&proxy, &Request::get("/echo"));
    let wider = with(&cluster(&[&tomcat], ""), "jvm1", "max_requests: 2");
    proxy.reload(&wider).expect("is taken");
    answered_by(client, "jvm1");
    tomcat.release("/held");
    holder.read_response().expect(200);
}

#[test]
fn a_session_spills_only_where_the_administrator_says_so() {
    for spill in ["", ", spill_after: 1"] {
        let [one, two] = tomcats(["jvm1", "jvm2"]);
        let more = format!("replicated: true\nqueue: {{ time: 10m{spill} }}");
        let text = with(&sticky(&[&one, &two], &more), "jvm1", "max_requests: 1");
        let proxy = Proxy::start(&text);
        one.hold("/held");
        let mut holder = begun(proxy.address(), &shows("/held", "FIRST.jvm1"));
        eventually("it is full", || one_is_held(&one));
        let first = waits(&proxy, &shows("/echo", "ONE.jvm1"));
        let request = shows("/echo", "TWO.jvm1");
        let second = if spill.is_empty() {
            Some(waits(&proxy, &request))
        } else {
            assert_eq!(served(proxy.address(), &request), "jvm2");
            assert_eq!(bindings(&proxy)["spilled"], 1);
            None
        };
        one.release("/held");
        holder.read_response().expect(200);
        answered_by(first, "jvm1");
        match second {
            Some(second) => answered_by(second, "jvm1"),
            // The survivor has the session now, until the client shows another route.
            None => assert_eq!(served(proxy.address(), &request), "jvm2"),
        }
        eventually("no place is lost", || in_flight(&proxy) == 0);
    }
}

#[test]
fn a_spilled_session_waits_for_its_owner_where_nobody_has_room() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let more = "replicated: true\nqueue: { time: 10m, spill_after: 0 }";
    let text = with(&sticky(&[&one, &two], more), "jvm1", "max_requests: 1");
    let proxy = Proxy::start(&with(&text, "jvm2", "max_requests: 1"));
    let mut holders: Vec<_> = [&one, &two]
        .map(|tomcat| {
            tomcat.hold("/held");
            let id = format!("FIRST.{}", tomcat.name());
            let client = begun(proxy.address(), &shows("/held", &id));
            eventually("it is full", || one_is_held(tomcat));
            client
        })
        .into();
    let client = waits(&proxy, &shows("/echo", "BASE.jvm1"));
    let metrics = proxy.metrics();
    let of_owner = [("backend", "jvm1")];
    assert_eq!(
        metrics.value("cattail_backend_queued_requests", &of_owner),
        1
    );
    one.release("/held");
    two.release("/held");
    for holder in &mut holders {
        holder.read_response().expect(200);
    }
    answered_by(client, "jvm1");
}

#[test]
fn a_preferred_owner_that_is_full_lets_its_sessions_wait_for_any() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let text = sticky(&[&one, &two], "affinity: prefer\nqueue: { time: 10m }");
    let text = with(&text, "jvm1", "max_requests: 1");
    let proxy = Proxy::start(&with(&text, "jvm2", "max_requests: 1"));
    let holders = [&one, &two].map(|tomcat| {
        tomcat.hold("/held");
        let id = format!("FIRST.{}", tomcat.name());
        let client = begun(proxy.address(), &shows("/held", &id));
        eventually("it is full", || one_is_held(tomcat));
        client
    });
    let client = waits(&proxy, &shows("/echo", "BASE.jvm1"));
    two.release("/held");
    answered_by(client, "jvm2");
    one.release("/held");
    drop(holders);
}

#[test]
fn the_time_in_the_queue_is_not_taken_from_retries() {
    let (proxy, tomcat, mut holder) =
        full(|tomcat| sticky(&[tomcat], "queue: { time: 1m }\nretry: { time: 300ms }"));
    let mut client = waits(&proxy, &shows("/ill", "A.jvm1"));
    stays("it waits", Duration::from_millis(400), || {
        queued(&proxy) == 1
    });
    // The first attempt dies without a word; a session's second one goes to the same Tomcat.
    tomcat.script_times("/ill", 1, Fault::ResetBeforeHead);
    tomcat.release("/held");
    holder.read_response().expect(200);
    client.read_response().expect(200);
    assert_eq!(tomcat.requests_to("/ill").len(), 2);
}

#[test]
fn many_clients_over_all_workers_pass_no_bound_and_lose_no_place() {
    for patience in [Patience::Endless, Patience::SomeGoAway] {
        many_clients(patience);
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Patience {
    Endless,
    /// A fifth goes away while it waits, or while it is served.
    SomeGoAway,
}

fn many_clients(patience: Patience) {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let text = sticky(&[&one, &two], "max_requests: 4\nqueue: { time: 1m }");
    let text = with(&text, "jvm1", "max_requests: 3");
    let text = format!("workers: 4\n{}", with(&text, "jvm2", "max_requests: 2"));
    let proxy = Proxy::start(&text);
    let requests = |client: usize| match client % 3 {
        0 => Request::get("/slow?head_ms=1"),
        1 => shows("/slow?head_ms=1", "A.jvm1"),
        _ => shows("/slow?head_ms=1", "B.jvm2"),
    };
    let statuses = in_parallel(24, |client| {
        let request = requests(client);
        let mut statuses = Vec::new();
        for round in 0..15 {
            if patience == Patience::SomeGoAway && (client + round) % 5 == 0 {
                begun(proxy.address(), &request).reset();
            } else {
                statuses.push(request.send(proxy.address()).status());
            }
        }
        statuses
    });
    let statuses = statuses.concat();
    assert!(statuses.len() >= 24 * 12);
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    if patience == Patience::Endless {
        // A Tomcat works on for a client that has gone, which the proxy counts no more.
        assert!(one.counts().concurrent_peak <= 3, "{:?}", one.counts());
        assert!(two.counts().concurrent_peak <= 2, "{:?}", two.counts());
    }
    eventually("nobody is left", || {
        in_flight(&proxy) == 0 && queued(&proxy) == 0
    });
    // Every place can be taken still.
    for tomcat in [&one, &two] {
        tomcat.hold("/held");
    }
    let holders = [(); 4].map(|()| begun(proxy.address(), &Request::get("/held")));
    eventually("all four are served", || in_flight(&proxy) == 4);
    for tomcat in [&one, &two] {
        tomcat.release("/held");
    }
    for mut holder in holders {
        holder.read_response().expect(200);
    }
}
