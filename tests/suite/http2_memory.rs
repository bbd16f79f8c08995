//! What a client can make the process hold by HTTP/2.

use std::time::Duration;

use super::harness::frames::{self, Frames};
use super::harness::*;
use super::process::{Process, resident};

const MIB: u64 = 1 << 20;

/// Opens a hundred streams of large answers, and reads nothing of them.
fn attack(process: &Process, window: u32, path: &str) -> Frames {
    let raw = Raw::connect(process.address());
    let mut client = Frames::over(raw, &[(frames::INITIAL_WINDOW, window)]);
    client.send(frames::WINDOW_UPDATE, 0, 0, &(1_u32 << 30).to_be_bytes());
    for number in 0..100 {
        client.get(2 * number + 1, path);
    }
    client
}

/// What it holds when it takes no more from its Tomcat.
fn settled(process: &Process, tomcat: &Tomcat, requests: u64) -> u64 {
    tomcat.wait_for_requests(requests);
    let mut before = resident(process);
    let mut calm = 0;
    while calm < 5 {
        wait::stays("a pause", Duration::from_millis(200), || true);
        let now = resident(process);
        calm = if now.abs_diff(before) < MIB / 4 {
            calm + 1
        } else {
            0
        };
        before = now;
    }
    before
}

/// A proxy in front of it.
fn before(tomcat: &Tomcat) -> Process {
    Process::run(&format!(
        "workers: 1\nlisteners: [{{ address: '127.0.0.1:0' }}]\n\
         clusters: {{ shop: {{ affinity: none, backends: ['{}'] }} }}\n",
        tomcat.address()
    ))
}

/// What each client costs that asks for `path` and takes nothing, in bytes.
fn cost(tomcat: &Tomcat, path: &str, window: u32) -> u64 {
    const ATTACKERS: u64 = 2;
    let process = before(tomcat);
    get(process.address(), "/echo").expect(200);
    let served = tomcat.count();
    let before = settled(&process, tomcat, served);
    let attackers: Vec<_> = (0..ATTACKERS)
        .map(|_| attack(&process, window, path))
        .collect();
    let after = settled(&process, tomcat, served + 100 * ATTACKERS);
    drop(attackers);
    after.saturating_sub(before) / ATTACKERS
}

#[test]
fn a_client_that_takes_nothing_costs_no_more_than_told() {
    let tomcat = Tomcat::start("jvm1");
    // Not made anew for each: hundreds of them would keep a busy machine for longer than connects may take.
    let head = "HTTP/1.1 200 \r\nContent-Length: 600000\r\n\r\n";
    tomcat.raw_answer("/large", head.to_owned() + &"x".repeat(600_000));
    // A window of a byte lets a whole piece go as far as to what waits for the window.
    for window in [1, 1 << 30] {
        let cost = cost(&tomcat, "/large", window);
        assert!(cost < 32 * MIB, "{cost} bytes with a window of {window}");
    }
}

#[test]
fn answers_in_crumbs_cost_no_more_than_others() {
    let tomcat = Tomcat::start("jvm1");
    let head = "HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n";
    let crumbs = "1\r\nx\r\n".repeat(100_000);
    tomcat.raw_answer("/crumbs", format!("{head}{crumbs}0\r\n\r\n"));
    let cost = cost(&tomcat, "/crumbs", 1);
    assert!(cost < 16 * MIB, "{cost} bytes");
}

const TOLD_BYTES: usize = 60_000;

/// A client that is told something new by each of many answers, one after another.
fn told_much(process: &Process, answers: u32) -> Frames {
    let raw = Raw::connect(process.address());
    let mut client = Frames::over(raw, &[(frames::INITIAL_WINDOW, 1 << 20)]);
    client.send(frames::WINDOW_UPDATE, 0, 0, &(1_u32 << 30).to_be_bytes());
    for number in 0..answers {
        let stream = 2 * number + 1;
        client.get(stream, &format!("/told/{number}"));
        let mut rest = TOLD_BYTES;
        while rest > 0 {
            rest -= client.next_of(frames::DATA, stream).payload.len();
        }
    }
    client
}

/// HPACK remembers what was said as long as the connection lives, and what a backend said is a piece of the
/// buffer that it was read into.
#[test]
fn what_an_idle_client_was_told_keeps_no_buffer() {
    const ANSWERS: u32 = 90;
    const CLIENTS: u64 = 4;
    let tomcat = Tomcat::start("jvm1");
    let body = "x".repeat(TOLD_BYTES);
    for number in 0..ANSWERS {
        let head =
            format!("HTTP/1.1 200 \r\nX-Told: {number}\r\nContent-Length: {TOLD_BYTES}\r\n\r\n");
        tomcat.raw_answer(&format!("/told/{number}"), head + &body);
    }
    let process = before(&tomcat);
    let first = told_much(&process, ANSWERS);
    let before = settled(&process, &tomcat, u64::from(ANSWERS));
    let clients: Vec<_> = (0..CLIENTS).map(|_| told_much(&process, ANSWERS)).collect();
    let after = settled(&process, &tomcat, (CLIENTS + 1) * u64::from(ANSWERS));
    drop((first, clients));
    let each = after.saturating_sub(before) / CLIENTS;
    assert!(each < MIB / 2, "{each} bytes");
}
