//! Managers of sessions over kills, stops and hangs.

use std::time::Duration;

use cattail::standin::{Builder, Manager, SharedSessions};

use crate::harness::{Browser, Raw, Request, Tomcat, eventually};

fn sticky(sessions: &SharedSessions, more: fn(Builder) -> Builder) -> [Tomcat; 2] {
    ["jvm1", "jvm2"].map(|route| {
        Tomcat::build(route, |tomcat| {
            let tomcat = tomcat.sessions(sessions).store_node("n1");
            more(tomcat.manager(Manager::Sticky))
        })
    })
}

/// A browser that has a session at this Tomcat.
fn visitor(tomcat: &Tomcat) -> Browser {
    let mut browser = Browser::new(tomcat.address());
    browser.get("/session").expect(200);
    browser
}

/// What another browser with the same cookies gets from this Tomcat.
fn hits(browser: &Browser, tomcat: &Tomcat) -> u64 {
    let mut moved = Browser::new(tomcat.address());
    moved.cookies.clone_from(&browser.cookies);
    let session = moved.get("/session").expect(200).json();
    session["hits"].as_u64().expect("a number")
}

#[test]
fn a_killed_tomcats_sessions_live_on_at_another() {
    let sessions = SharedSessions::default();
    let [one, two] = sticky(&sessions, |tomcat| tomcat);
    let browser = visitor(&one);
    one.kill();
    let mut moved = Browser::new(two.address());
    moved.cookies.clone_from(&browser.cookies);
    moved.get("/echo").expect(200);
    let expected = browser.session_id().replace("jvm1", "jvm2");
    assert_eq!(moved.session_id(), expected, "any path takes it over");
    moved.get("/style.css").expect(404);
    assert_eq!(moved.get("/session").json()["hits"], 2);
    one.restart().unwrap();
    assert_eq!(hits(&moved, &one), 3, "and back");
    let truth = sessions.truth();
    assert_eq!((truth.taken_over, truth.lost), (2, 0));
    assert_eq!((truth.stale, truth.forked, truth.live), (0, 0, 1));
}

#[test]
fn a_tomcat_that_hung_has_its_memory_still_and_a_restarted_one_asks_the_store() {
    let sessions = SharedSessions::default();
    let [one, two] = sticky(&sessions, |tomcat| tomcat);
    let browser = visitor(&one);
    one.hang();
    assert_eq!(hits(&browser, &two), 2);
    one.resume();
    assert_eq!(hits(&browser, &one), 2, "its old copy");
    assert_eq!(sessions.truth().stale, 1);
    one.restart().unwrap();
    assert_eq!(hits(&browser, &one), 3, "the copy it wrote last");
}

#[test]
fn a_late_backup_is_lost_by_a_kill_and_written_by_a_stop() {
    let late = |tomcat: Builder| tomcat.backup_delay(Duration::from_mins(1));
    let sessions = SharedSessions::default();
    let [one, two] = sticky(&sessions, late);
    let browser = visitor(&one);
    one.kill();
    assert_eq!(hits(&browser, &two), 1);
    assert_eq!(sessions.truth().lost, 1);
    let browser = visitor(&two);
    two.stop();
    one.restart().unwrap();
    assert_eq!(hits(&browser, &one), 2);
}

#[test]
fn a_late_backup_comes_in_the_end() {
    let late = |tomcat: Builder| tomcat.backup_delay(Duration::from_millis(20));
    let sessions = SharedSessions::default();
    let [one, two] = sticky(&sessions, late);
    let browser = visitor(&one);
    eventually("the backup", || hits(&browser, &two) == 2);
    let truth = sessions.truth();
    assert_eq!((truth.taken_over, truth.forked), (1, 0));
}

#[test]
fn a_session_in_hand_is_not_in_the_store_until_the_answer() {
    let sessions = SharedSessions::default();
    let [one, two] = sticky(&sessions, |tomcat| tomcat);
    let browser = visitor(&one);
    one.kill();
    let mut connection = Raw::connect(two.address());
    let cookie = format!("JSESSIONID={}", browser.session_id());
    let busy = Request::get("/session?work_ms=60000").header("Cookie", &cookie);
    connection.send(busy.bytes());
    eventually("the takeover", || sessions.truth().taken_over == 1);
    two.kill();
    one.restart().unwrap();
    assert_eq!(hits(&browser, &one), 1);
    assert_eq!(sessions.truth().lost, 1);
}
