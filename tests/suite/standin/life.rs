use std::io::ErrorKind;
use std::time::Duration;

use crate::harness::{End, Framing, Raw, Request, Tomcat, eventually, get, in_parallel};

#[test]
fn a_kill_resets_connections_and_refuses_new_ones() {
    let tomcat = Tomcat::start("jvm1");
    let mut idle = Raw::connect(tomcat.address());
    Request::get("/echo").send_on(&mut idle);
    let mut busy = Raw::connect(tomcat.address());
    busy.send(Request::get("/slow?head_ms=60000").bytes());
    tomcat.wait_for_requests(2);

    tomcat.kill();
    idle.expect_reset();
    busy.expect_reset();
    let refused = Raw::try_connect(tomcat.address()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    let counts = tomcat.counts();
    assert_eq!((counts.open_connections, counts.in_progress), (0, 0));
    assert!(!tomcat.is_running());
}

#[test]
fn a_restart_serves_at_the_same_port_again_and_again() {
    let tomcat = Tomcat::start("jvm1");
    let address = tomcat.address().clone();
    for life in 1..=3 {
        assert_eq!(get(&address, "/echo").json()["connection"], life);
        tomcat.restart().unwrap();
        assert_eq!(tomcat.address(), &address);
    }
    tomcat.stop();
    tomcat.restart().unwrap();
    get(&address, "/echo").expect(200);
    assert_eq!(tomcat.count(), 4, "the record outlasts restarts");
}

#[test]
fn an_orderly_stop_ends_what_is_in_progress_and_closes_what_is_idle() {
    let tomcat = Tomcat::start("jvm1");
    let mut idle = Raw::connect(tomcat.address());
    Request::get("/echo").send_on(&mut idle);
    let mut busy = Raw::connect(tomcat.address());
    busy.send(Request::get("/slow?pieces=3&head_ms=20&every_ms=20").bytes());
    tomcat.wait_for_requests(2);

    tomcat.stop();
    assert_eq!(busy.read_response().expect(200).framing, Framing::Chunked);
    busy.expect_closed();
    idle.expect_closed();
    Raw::try_connect(tomcat.address()).unwrap_err();
}

#[test]
fn a_stopping_tomcat_answers_404_on_kept_connections() {
    let tomcat = Tomcat::start("jvm1");
    let mut kept = Raw::connect(tomcat.address());
    Request::get("/echo").send_on(&mut kept).expect(200);
    tomcat.stop_listening();
    eventually("new connections are refused", || {
        Raw::try_connect(tomcat.address()).is_err()
    });
    assert!(
        Request::get("/echo")
            .send_on(&mut kept)
            .expect(404)
            .keeps_alive()
    );
    tomcat.stop();
    kept.expect_closed();
}

#[test]
fn a_hanging_tomcat_accepts_and_says_nothing_until_it_goes_on() {
    let tomcat = Tomcat::start("jvm1");
    let mut kept = Raw::connect(tomcat.address());
    Request::get("/echo").send_on(&mut kept);
    tomcat.hang();
    let mut fresh = Raw::connect(tomcat.address());
    for connection in [&mut kept, &mut fresh] {
        connection.send(Request::get("/echo").bytes());
        connection.expect_silence(Duration::from_millis(20));
    }
    assert_eq!(tomcat.count(), 1);
    tomcat.resume();
    kept.read_response().expect(200);
    fresh.read_response().expect(200);
}

#[test]
fn a_hanging_tomcat_can_be_killed() {
    let tomcat = Tomcat::start("jvm1");
    tomcat.hang();
    let mut connection = Raw::connect(tomcat.address());
    connection.send(Request::get("/echo").bytes());
    tomcat.wait_for("accepted", |counts| counts.connections_accepted == 1);
    tomcat.kill();
    connection.expect_reset();
}

#[test]
fn a_kill_under_load_leaves_no_connection_open() {
    let tomcat = Tomcat::start("jvm1");
    let ends = in_parallel(9, |number| {
        if number == 0 {
            tomcat.wait_for_requests(20);
            tomcat.kill();
            return End::Reset;
        }
        loop {
            let Ok(mut connection) = Raw::try_connect(tomcat.address()) else {
                return End::Reset;
            };
            while connection
                .try_send(Request::get("/bytes/5000").bytes())
                .is_ok()
            {
                if connection.try_read_response().is_err() {
                    return End::Reset;
                }
            }
        }
    });
    assert_eq!(ends, [End::Reset; 9]);
    assert_eq!(tomcat.counts().open_connections, 0);
}
