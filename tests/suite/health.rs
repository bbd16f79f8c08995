//! Active checks.

use std::time::Duration;

use cattail::standin::Fault;
use tokio::time::Instant;

use super::harness::*;

const CHECKED: &str =
    "health: { path: /alive, host: check.example, interval: 20ms, timeout: 1s, rise: 2, fall: 3 }";

fn checks(proxy: &Proxy, result: &str) -> i64 {
    let metrics = proxy.metrics();
    metrics.value("cattail_backend_checks_total", &[("result", result)])
}

fn ejections(proxy: &Proxy) -> i64 {
    let by_check = [("cause", "check")];
    let metrics = proxy.metrics();
    metrics.value("cattail_backend_ejections_total", &by_check)
}

#[test]
fn a_check_is_a_plain_get_at_the_interval() {
    let tomcat = Tomcat::start("jvm1");
    let started = Instant::now();
    let more = CHECKED.replace("20ms", "100ms, jitter: 0");
    let proxy = Proxy::in_front_of(&[&tomcat], &more);
    tomcat.wait_for_requests(4);
    let seen = tomcat.requests();
    for (check, number) in seen.iter().zip(1..) {
        assert_eq!(
            (check.method.as_str(), check.target.as_str()),
            ("GET", "/alive")
        );
        assert_eq!(check.header("Host"), Some("check.example"));
        assert_eq!(check.header("Cookie"), None);
        let place = (check.connection, check.number);
        assert_eq!(place, (1, number), "all on one connection");
    }
    // However late a check is, the next one begins an interval after it.
    let (count, time) = (tomcat.count(), started.elapsed());
    assert!(
        u128::from(count) <= time.as_millis() / 100 + 1,
        "{count} in {time:?}"
    );
    eventually("it is counted", || checks(&proxy, "success") >= 4);
    assert_eq!(checks(&proxy, "status"), 0);
}

#[test]
fn a_tomcat_goes_after_fall_bad_checks_and_comes_back_after_rise_good_ones() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let proxy = Proxy::in_front_of(&[&one, &two], CHECKED);
    eventually("a good check", || checks(&proxy, "success") >= 2);
    // Two bad checks are one too few.
    one.script_times("/alive", 2, Fault::Status(404));
    eventually("two bad checks", || checks(&proxy, "status") == 2);
    let good = checks(&proxy, "success");
    eventually("good checks", || checks(&proxy, "success") >= good + 4);
    assert_eq!(ejections(&proxy), 0);
    one.script("/alive", Fault::Status(404));
    eventually("jvm1 is down", || !proxy.is_up(&one));
    assert!(checks(&proxy, "status") >= 5);
    for _ in 0..4 {
        assert_eq!(get(proxy.address(), "/echo").expect(200).tomcat(), "jvm2");
    }
    one.unscript("/alive");
    eventually("jvm1 is back", || proxy.is_up(&one));
    assert_eq!(ejections(&proxy), 1);
    let served = [(); 2].map(|()| {
        get(proxy.address(), "/echo")
            .expect(200)
            .tomcat()
            .to_owned()
    });
    assert!(served.contains(&"jvm1".to_owned()));
}

#[test]
fn one_good_check_between_bad_ones_brings_nobody_back() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(&[&tomcat], CHECKED);
    tomcat.script("/alive", Fault::Status(503));
    eventually("it is down", || !proxy.is_up(&tomcat));
    let good = checks(&proxy, "success");
    eventually("three good checks", || {
        tomcat.hold("/alive");
        tomcat.wait_for_requests(tomcat.count() + 1);
        // What is held passes, and the next one meets the script again.
        let bad = checks(&proxy, "status");
        tomcat.script("/alive", Fault::Status(503));
        eventually("a bad check", || checks(&proxy, "status") > bad);
        assert!(!proxy.is_up(&tomcat));
        checks(&proxy, "success") >= good + 3
    });
    // Checks take out the last one too: it says itself that it cannot serve.
    get(proxy.address(), "/echo").expect(503);
}

#[test]
fn answers_that_are_none_and_connections_that_break_are_bad_checks() {
    for (fault, result, patience) in [
        (Fault::Junk, "protocol", "10s"),
        (Fault::CloseBeforeHead, "protocol", "10s"),
        (Fault::HangBeforeHead, "timeout", "50ms"),
        (Fault::Status(500), "status", "10s"),
    ] {
        let tomcat = Tomcat::start("jvm1");
        tomcat.script("/alive", fault);
        let proxy = Proxy::in_front_of(&[&tomcat], &CHECKED.replace("1s", patience));
        eventually("it is down", || !proxy.is_up(&tomcat));
        assert!(checks(&proxy, result) >= 3, "{result}");
        assert_eq!(ejections(&proxy), 1);
        tomcat.unscript_all();
        eventually("it is back", || proxy.is_up(&tomcat));
    }
}

#[test]
fn a_refused_check_takes_a_tomcat_out_at_once_and_one_good_one_brings_it_back() {
    let tomcat = Tomcat::start("jvm1");
    let more = CHECKED.replace("rise: 2, fall: 3", "rise: 1000, fall: 1000");
    let proxy = Proxy::in_front_of(&[&tomcat], &more);
    eventually("a good check", || checks(&proxy, "success") >= 1);
    tomcat.kill();
    eventually("it is down", || !proxy.is_up(&tomcat));
    tomcat.restart().expect("restarts");
    eventually("it is back", || proxy.is_up(&tomcat));
    assert!(checks(&proxy, "connect") >= 1);
    assert_eq!(ejections(&proxy), 0, "counted as a refusal");
}

#[test]
fn redirects_pass_a_check() {
    let tomcat = Tomcat::start("jvm1");
    tomcat.script("/alive", Fault::Status(302));
    let proxy = Proxy::in_front_of(&[&tomcat], CHECKED);
    eventually("good checks", || checks(&proxy, "success") >= 4);
    assert!(proxy.is_up(&tomcat));
}

#[test]
fn without_a_path_a_tomcat_that_is_well_is_never_asked() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(&[&tomcat], "health: { interval: 10ms }");
    let time = Duration::from_millis(100);
    stays("nobody asks", time, || tomcat.count() == 0);
    assert_eq!(checks(&proxy, "success"), 0);
}
