//! Tunnels and what else a cluster has: sessions, places, retries, the log.

use std::time::Duration;

use cattail::standin::Fault;

use super::affinity_stage::*;
use super::harness::*;

/// An offer that shows a session.
fn offers(id: &str) -> Request {
    shows("/upgrade", id)
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
}

#[track_caller]
fn switched(proxy: &Proxy, offer: &Request) -> Raw {
    let mut client = begun(proxy.address(), offer);
    assert_eq!(client.read_interim().status, 101);
    client
}

fn open(proxy: &Proxy) -> i64 {
    proxy.metrics().value("cattail_tunnels_open", &[])
}

#[test]
fn a_websocket_at_a_survivor_takes_a_replicated_session_over() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let text = sticky(&[&one, &two], &format!("{CHECKED}\nreplicated: true"));
    let proxy = Proxy::start(&text);
    assert_eq!(served(proxy.address(), &shows("/echo", "A.jvm1")), "jvm1");
    lose(&proxy, &one);
    let mut client = switched(&proxy, &offers("A.jvm1"));
    client.finish_sending();
    client.expect_closed();
    eventually("it is over", || open(&proxy) == 0);
    find_again(&proxy, &one);
    for _ in 0..3 {
        assert_eq!(served(proxy.address(), &shows("/echo", "A.jvm1")), "jvm2");
    }
}

#[test]
fn a_session_goes_home_only_after_its_tunnel_has_ended() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let more = "replicated: true\nfail_back: at_once\ndrain: { backup_delay: 100ms }";
    let proxy = Proxy::start(&sticky(&[&one, &two], more));
    let asks = || served(proxy.address(), &shows("/echo", "A.jvm1"));
    assert_eq!(asks(), "jvm1");
    kill(&proxy, &one);
    assert_eq!(asks(), "jvm2");
    let mut client = switched(&proxy, &offers("A.jvm1"));
    restart(&proxy, &one);
    stays("it is in use", Duration::from_millis(500), || {
        asks() == "jvm2"
    });
    client.finish_sending();
    client.expect_closed();
    eventually("it goes home", || asks() == "jvm1");
}

#[test]
fn tunnels_are_not_what_retries_are_measured_against() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let more = "retry: { on: [503], budget: { percent: 50, min: 0 } }";
    let proxy = Proxy::in_front_of(&[&one, &two], more);
    let tunnels: Vec<_> = (0..8).map(|_| switched(&proxy, &offers("A"))).collect();
    for tomcat in [&one, &two] {
        tomcat.script("/busy", Fault::Status(503));
    }
    get(proxy.address(), "/busy").expect(503);
    let seen = [&one, &two].map(|tomcat| tomcat.requests_to("/busy").len());
    assert_eq!(
        seen.iter().sum::<usize>(),
        1,
        "there is no budget: {seen:?}"
    );
    drop(tunnels);
    eventually("they are over", || open(&proxy) == 0);
    // Requests are.
    for tomcat in [&one, &two] {
        tomcat.hold("/held");
    }
    let held: Vec<_> = (0..4)
        .map(|_| begun(proxy.address(), &Request::get("/held")))
        .collect();
    let in_flight = "cattail_backend_requests_in_flight";
    eventually("they are there", || {
        proxy.metrics().value(in_flight, &[]) == 4
    });
    get(proxy.address(), "/busy").expect(503);
    let seen = [&one, &two].map(|tomcat| tomcat.requests_to("/busy").len());
    assert_eq!(seen.iter().sum::<usize>(), 3, "once more: {seen:?}");
    drop(held);
}

#[test]
fn a_tunnel_has_a_place_at_its_tomcat_and_its_end_lets_another_in() {
    let tomcat = Tomcat::start("jvm1");
    let text = with(
        &sticky(&[&tomcat], "queue: { time: 1m }"),
        "jvm1",
        "max_requests: 1",
    );
    let proxy = Proxy::start(&text);
    let mut client = switched(&proxy, &offers("A.jvm1"));
    let mut waiting = begun(proxy.address(), &Request::get("/echo"));
    let queued = || proxy.metrics().value("cattail_queued_requests", &[]);
    eventually("it waits", || queued() == 1);
    client.send("hello");
    assert_eq!(client.read_exactly(5), b"hello");
    waiting.expect_silence(Duration::from_millis(200));
    client.finish_sending();
    client.expect_closed();
    waiting.read_response().expect(200);
}

#[test]
fn a_tunnel_is_a_connection_of_its_client() {
    let tomcat = Tomcat::start("jvm1");
    let text = format!(
        "limits: {{ connections_per_client: 1 }}\n{}",
        cluster(&[&tomcat], "")
    );
    let proxy = Proxy::start(&text);
    let mut client = switched(&proxy, &offers("A"));
    let refused = |proxy: &Proxy| {
        let mut other = Raw::connect(proxy.address());
        other.try_send(Request::get("/echo").bytes()).is_err() || other.try_read_response().is_err()
    };
    assert!(refused(&proxy));
    client.finish_sending();
    client.expect_closed();
    eventually("there is room", || !refused(&proxy));
}

fn logged(path: &std::path::Path, uri: &str) -> usize {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().filter(|line| line.contains(uri)).count()
}

#[test]
fn a_reload_withholds_no_line_of_the_log() {
    let tomcat = Tomcat::start("jvm1");
    let folder = tempfile::tempdir().unwrap();
    let [first, second] = ["first.log", "second.log"].map(|name| folder.path().join(name));
    let logs = |path: &std::path::Path| {
        let (path, cluster) = (path.display(), cluster(&[&tomcat], ""));
        format!("workers: 1\naccess_log: {{ path: '{path}', format: json }}\n{cluster}")
    };
    let proxy = Proxy::start(&logs(&first));
    let mut clients = [(); 3].map(|()| switched(&proxy, &offers("A")));
    let ends = |client: &mut Raw| {
        client.finish_sending();
        client.expect_closed();
    };
    proxy.reload(&logs(&first)).expect("is taken");
    get(proxy.address(), "/echo").expect(200);
    ends(&mut clients[0]);
    eventually("its line is there", || logged(&first, "/upgrade") == 1);
    // A request that is under way, while another tunnel holds on to what was before.
    tomcat.hold("/held");
    let mut held = begun(proxy.address(), &Request::get("/held"));
    tomcat.wait_for("it is there", |counts| counts.in_progress >= 1);
    proxy.reload(&logs(&second)).expect("is taken");
    get(proxy.address(), "/echo").expect(200);
    tomcat.release("/held");
    held.read_response().expect(200);
    eventually("its line is where it began", || {
        logged(&first, "/held") == 1
    });
    // A tunnel may be of last week: its line is where somebody looks today, also after a rotation.
    ends(&mut clients[1]);
    eventually("its line is there", || logged(&second, "/upgrade") == 1);
    let rotated = folder.path().join("second.log.1");
    std::fs::rename(&second, &rotated).unwrap();
    proxy.running().reopen_logs();
    eventually("a new file", || second.exists());
    ends(&mut clients[2]);
    eventually("its line is in it", || logged(&second, "/upgrade") == 1);
    assert_eq!(logged(&first, "/upgrade") + logged(&rotated, "/upgrade"), 2);
}
