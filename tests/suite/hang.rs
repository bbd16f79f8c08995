//! Tomcats that accept connections and say nothing.

use std::time::Duration;

use tokio::time::Instant;

use super::harness::*;

/// No check, and a short wait for responses.
const IMPATIENT: &str = "timeouts: { response: 300ms }\nhealth: { interval: 100ms }";
/// A check that notices a hang within 400 ms, and a long wait for responses.
const CHECKED: &str = "health: { path: /echo, interval: 100ms, timeout: 200ms, rise: 1, fall: 2 }";

#[test]
fn a_silent_tomcat_costs_each_waiting_request_its_time_out_and_goes() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let proxy = Proxy::in_front_of(&[&one, &two], IMPATIENT);
    one.hang();
    let statuses = in_parallel(6, |_| {
        let started = Instant::now();
        let status = get(proxy.address(), "/echo").status();
        let took = started.elapsed();
        if status == 504 {
            assert!(took >= Duration::from_millis(300), "after {took:?}");
        }
        assert!(
            took <= scaled(Duration::from_millis(800)),
            "{status} after {took:?}"
        );
        status
    });
    let timed_out = statuses.iter().filter(|status| **status == 504).count();
    let served = statuses.iter().filter(|status| **status == 200).count();
    assert_eq!((timed_out, served), (3, 3));
    assert!(!proxy.is_up(&one), "three in a row are silence");
    for _ in 0..6 {
        assert_eq!(get(proxy.address(), "/echo").expect(200).tomcat(), "jvm2");
    }
    let silence = [("backend", "jvm1"), ("cause", "silence")];
    let ejections = proxy
        .metrics()
        .value("cattail_backend_ejections_total", &silence);
    assert_eq!(ejections, 1);
    one.resume();
    eventually("jvm1 is back", || proxy.is_up(&one));
    let served = [(); 2].map(|()| {
        get(proxy.address(), "/echo")
            .expect(200)
            .tomcat()
            .to_owned()
    });
    assert!(served.contains(&"jvm1".to_owned()));
}

#[test]
fn a_byte_in_between_breaks_the_silence() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let proxy = Proxy::in_front_of(&[&one, &two], IMPATIENT);
    one.hold("/slow");
    two.hold("/slow");
    for _ in 0..2 {
        // Two at each.
        in_parallel(4, |_| get(proxy.address(), "/slow").expect(504));
        in_parallel(4, |_| get(proxy.address(), "/echo").expect(200));
    }
    assert!(proxy.is_up(&one) && proxy.is_up(&two));
}

#[test]
fn silence_never_takes_out_the_last_usable_tomcat() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let proxy = Proxy::in_front_of(&[&one, &two], IMPATIENT);
    one.hang();
    two.hang();
    for _ in 0..2 {
        let waiting = in_parallel(8, |_| get(proxy.address(), "/echo").status());
        assert!(waiting.iter().all(|status| *status == 504), "{waiting:?}");
    }
    let up = [&one, &two].map(|tomcat| proxy.is_up(tomcat));
    assert_eq!(up.iter().filter(|up| **up).count(), 1, "{up:?}");
    for tomcat in [&one, &two] {
        tomcat.resume();
    }
    get(proxy.address(), "/echo").expect(200);
}

#[test]
fn with_a_check_nobody_waits_for_the_whole_time_out() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let proxy = Proxy::in_front_of(&[&one, &two], CHECKED);
    let request = |_| Request::get("/echo");
    let answers = under_load(proxy.address(), 6, request, |load| {
        load.go_on(100);
        one.hang();
        eventually("jvm1 is down", || !proxy.is_up(&one));
        load.go_on(100);
        one.resume();
        eventually("jvm1 is back", || proxy.is_up(&one));
        load.go_on(100);
    });
    // Two checks, each of which may wait, and the grace of half a second.
    let longest = scaled(Duration::from_millis(2 * (100 + 200) + 500));
    for answer in answers {
        assert!(answer.took <= longest, "{:?}", answer.took);
        answer.response.expect(200);
    }
    let metrics = proxy.metrics();
    let check = [("backend", "jvm1"), ("cause", "check")];
    assert_eq!(metrics.value("cattail_backend_ejections_total", &check), 1);
    let moved = [("reason", "backend_down")];
    assert!(metrics.value("cattail_retries_total", &moved) >= 1);
    let silent = [("backend", "jvm1"), ("result", "timeout")];
    assert!(metrics.value("cattail_backend_checks_total", &silent) >= 2);
}

#[test]
fn a_post_at_a_silent_tomcat_is_not_sent_to_another() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let proxy = Proxy::in_front_of(
        &[&one, &two],
        &format!("{CHECKED}\ntimeouts: {{ response: 1s }}"),
    );
    one.hold("/order");
    two.hold("/order");
    let mut order = Raw::connect(proxy.address());
    let started = Instant::now();
    order.send(Request::post("/order", "order").bytes());
    eventually("the order", || one.requests_to("/order").len() == 1);
    one.hang();
    eventually("jvm1 is down", || !proxy.is_up(&one));
    order.read_response().expect(504);
    assert!(started.elapsed() <= scaled(Duration::from_millis(1500)));
    assert_eq!(two.requests_to("/order").len(), 0);
}
