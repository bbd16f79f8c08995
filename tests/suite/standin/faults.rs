use std::time::Duration;

use cattail::standin::{BodyEnd, Fault, Then};

use crate::harness::{Broken, End, Raw, Request, Tomcat, get};

/// A Tomcat with one fault under `/x`, and a connection on which `GET /x` was sent.
fn asked(fault: Fault) -> (Tomcat, Raw) {
    let tomcat = Tomcat::start("jvm1");
    tomcat.script("/x", fault);
    let mut connection = Raw::connect(tomcat.address());
    connection.send(Request::get("/x").bytes());
    (tomcat, connection)
}

/// What a strict client makes of a fault.
fn outcome(fault: Fault) -> Result<u16, Broken> {
    let (_tomcat, mut connection) = asked(fault);
    connection
        .try_read_response()
        .map(|response| response.status())
}

#[test]
fn resets_and_closes_before_the_head_send_nothing() {
    assert_eq!(outcome(Fault::ResetBeforeHead), Err(Broken::Reset));
    assert_eq!(outcome(Fault::CloseBeforeHead), Err(Broken::Closed));
}

#[test]
fn a_reset_before_the_body_leaves_the_body_unread() {
    let tomcat = Tomcat::start("jvm1");
    tomcat.script("/x", Fault::ResetBeforeBody);
    let mut connection = Raw::connect(tomcat.address());
    connection
        .send(Request::post("/x", "body").head_bytes())
        .expect_reset();
    assert_eq!(tomcat.last_request().body_end, BodyEnd::Unread);
}

#[test]
fn halves_are_cut_off_where_they_say() {
    let ends = [
        (Fault::HalfHead, "HTTP/1.1 200 \r\nContent-Le", End::Closed),
        (Fault::HalfBody, "\r\n\r\nhalf:", End::Closed),
        (Fault::HalfBodyReset, "\r\n\r\nhalf:", End::Reset),
        (Fault::ChunkedCut, "5\r\nwhole\r\n8\r\nhalf", End::Closed),
    ];
    for (fault, tail, expected) in ends {
        let (_tomcat, mut connection) = asked(fault.clone());
        let (bytes, end) = connection.read_to_end();
        // A reset may overtake what was sent before it.
        let is_tail = bytes.ends_with(tail.as_bytes()) || (end == End::Reset && bytes.is_empty());
        assert_eq!((is_tail, end), (true, expected), "{fault:?}");
    }
    assert!(matches!(outcome(Fault::HalfBody), Err(Broken::Cut(_))));
    assert!(matches!(outcome(Fault::ChunkedCut), Err(Broken::Cut(_))));
}

#[test]
fn malformed_answers_are_malformed() {
    for fault in [
        Fault::Junk,
        Fault::LengthList,
        Fault::LengthsDiffer,
        Fault::LengthNegative,
        Fault::LengthAndChunked,
        Fault::UnknownCoding,
        Fault::ChunkedBadSize,
    ] {
        let outcome = outcome(fault.clone());
        assert!(
            matches!(outcome, Err(Broken::Malformed(_))),
            "{fault:?}: {outcome:?}"
        );
    }
}

#[test]
fn an_unasked_upgrade_is_a_101() {
    assert_eq!(outcome(Fault::UnaskedUpgrade), Ok(101));
}

#[test]
fn interim_responses_can_be_endless() {
    let (_tomcat, mut connection) = asked(Fault::EndlessInterim);
    for _ in 0..1000 {
        assert_eq!(connection.read_interim().status, 102);
    }
}

#[test]
fn a_head_can_be_huge() {
    let (_tomcat, mut connection) = asked(Fault::HugeHead);
    let response = connection.read_response();
    let bytes: usize = response
        .head
        .headers
        .iter()
        .map(|(_, value)| value.len())
        .sum();
    assert!(bytes > 1_000_000 && response.keeps_alive(), "{bytes}");
}

#[test]
fn a_hanging_answer_comes_when_its_script_is_withdrawn() {
    let (tomcat, mut connection) = asked(Fault::HangBeforeHead);
    tomcat.wait_for_requests(1);
    connection.expect_silence(Duration::from_millis(20));
    tomcat.unscript("/x");
    connection.read_response().expect(200);

    tomcat.script("/x", Fault::HangInBody);
    connection.send(Request::get("/x").bytes());
    assert!(connection.read_exactly(42).ends_with(b"\r\n\r\nhalf:"));
    connection.expect_silence(Duration::from_millis(20));
    tomcat.unscript_all();
    assert_eq!(connection.read_exactly(5), b"whole");
}

#[test]
fn a_client_that_leaves_a_hanging_answer_is_noticed() {
    let (tomcat, connection) = asked(Fault::HangBeforeHead);
    tomcat.wait_for_requests(1);
    drop(connection);
    tomcat.wait_for("closed", |counts| {
        counts.open_connections == 0 && counts.in_progress == 0
    });
}

#[test]
fn an_idle_connection_can_be_closed_against_its_promise() {
    let (_tomcat, mut connection) = asked(Fault::CloseIdle);
    assert!(connection.read_response().expect(200).keeps_alive());
    connection.expect_closed();
}

#[test]
fn a_stale_connection_resets_the_next_request_unread() {
    let (tomcat, mut connection) = asked(Fault::StaleKeepAlive);
    assert!(connection.read_response().expect(200).keeps_alive());
    assert!(connection.is_open());
    connection.send(Request::get("/x").bytes()).expect_reset();
    assert_eq!(tomcat.count(), 1);
}

#[test]
fn a_second_answer_comes_unasked() {
    let (_tomcat, mut connection) = asked(Fault::AnswerTwice);
    assert_eq!(connection.read_response().text(), "first");
    assert_eq!(connection.read_response().text(), "smuggled");
}

#[test]
fn statuses_delays_and_raw_bytes_can_be_scripted() {
    let tomcat = Tomcat::start("jvm1");
    tomcat.script_times("/health", 1, Fault::Status(503));
    assert_eq!(get(tomcat.address(), "/health?x=1").status(), 503);
    assert_eq!(get(tomcat.address(), "/health").status(), 200);

    tomcat.script("*", Fault::Delay(Duration::from_millis(1)));
    get(tomcat.address(), "/echo").expect(200);

    tomcat.raw_answer("/raw", "HTTP/1.1 200 Fine\r\nContent-Length: 2\r\n\r\nok");
    let mut connection = Raw::connect(tomcat.address());
    for _ in 0..2 {
        assert_eq!(
            Request::get("/raw").send_on(&mut connection).head.reason,
            "Fine"
        );
    }
    tomcat.script("/raw", Fault::Raw(b"HTTP/1.1 2".to_vec(), Then::Close));
    connection.send(Request::get("/raw").bytes());
    assert!(matches!(
        connection.try_read_response(),
        Err(Broken::Cut(_))
    ));
}

#[test]
fn a_fault_can_be_met_with_a_body_that_was_read_first() {
    let tomcat = Tomcat::start("jvm1");
    tomcat.script("/x", Fault::ResetBeforeHead);
    let mut connection = Raw::connect(tomcat.address());
    connection
        .send(Request::post("/x", "body").bytes())
        .expect_reset();
    let seen = tomcat.last_request();
    assert_eq!(
        (seen.body.as_slice(), seen.body_end),
        (b"body".as_slice(), BodyEnd::Complete)
    );
}
