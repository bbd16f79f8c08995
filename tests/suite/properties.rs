//! Laws of the whole proxy, for random traffic between a raw client and fake Tomcats.

use std::collections::BTreeMap;
use std::fmt::Write;

use cattail::standin::{BodyEnd, Checksum, Fault, Then, pattern};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestCaseResult, TestRunner};

use super::harness::*;

/// Nothing but what every proxy has to do is done to a request.
const BARE: &str = "forwarded: { x_forwarded: false, x_real_ip: false }";
/// The same, and rules whose second application changes nothing.
const EDITED: &str = "forwarded: { x_forwarded: false, x_real_ip: false }\n\
    request_headers: { remove: [x-gone], set: { x-set: '<$http_x_a> $path' } }";

#[test]
fn a_tomcat_sees_what_the_client_sent() {
    let tomcat = Tomcat::start("jvm1");
    let bare = Proxy::in_front_of(&[&tomcat], BARE);
    let edited = Proxy::in_front_of(&[&tomcat], EDITED);
    let edited_twice = Proxy::start(&format!(
        "clusters:\n  shop:\n    {}\n    backends: ['{}']\n",
        EDITED.replace('\n', "\n    "),
        edited.address(),
    ));
    check(48, (head(), body()), |((method, target, fields), body)| {
        let mut request = Request::new(method, &target);
        for (name, value) in &fields {
            request = request.header(name, value);
        }
        let request = body.of(request);
        let mut seen = Vec::new();
        for proxy in [&bare, &edited, &edited_twice] {
            request.send(proxy.address()).expect(200);
            seen.push(tomcat.last_request());
        }
        for seen in &seen {
            prop_assert_eq!(&seen.method, method);
            prop_assert_eq!(&seen.target, &target);
            prop_assert_eq!(seen.body_end, BodyEnd::Complete);
            prop_assert_eq!(seen.checksum, Checksum::of(&body.whole()));
            prop_assert_eq!(seen.header("host"), Some("shop.example"));
        }
        prop_assert_eq!(by_name(&seen[0].headers), by_name(&fields));
        prop_assert_eq!(by_name(&seen[1].headers), by_name(&seen[2].headers));
        Ok(())
    });
}

#[test]
fn a_client_sees_what_the_tomcat_sent() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(&[&tomcat], "");
    let status = select(vec![200_u16, 201, 206, 301, 404, 500, 503]);
    let framing = select(vec![Sent::Length, Sent::Chunks, Sent::UntilClose]);
    let response = (status, framing, head(), body());
    check(48, response, |(status, framing, (_, _, fields), body)| {
        let mut bytes = format!("HTTP/1.1 {status} As it is\r\n").into_bytes();
        for (name, value) in &fields {
            bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        let then = framing.write(&body, &mut bytes);
        tomcat.script("/any", Fault::Raw(bytes, then));
        let seen = get(proxy.address(), "/any");
        prop_assert_eq!(seen.status(), status);
        prop_assert_eq!(&seen.body, &body.whole());
        prop_assert_eq!(by_name(&seen.head.headers), by_name(&fields));
        Ok(())
    });
}

#[test]
fn weights_are_kept_in_every_round() {
    let tomcats = tomcats(["a", "b", "c"]);
    check(8, vec(1..6_usize, 3), |weights| {
        let mut text = String::from("clusters:\n  shop:\n    affinity: none\n    backends:\n");
        for (tomcat, weight) in tomcats.iter().zip(&weights) {
            let (name, address) = (tomcat.name(), tomcat.address());
            writeln!(
                text,
                "      - {{ name: {name}, address: '{address}', weight: {weight} }}"
            )
            .unwrap();
        }
        let proxy = Proxy::start(&text);
        let round: usize = weights.iter().sum();
        for _ in 0..2 {
            let before = tomcats.each_ref().map(|tomcat| tomcat.count());
            for _ in 0..round {
                get(proxy.address(), "/echo").expect(200);
            }
            for ((tomcat, before), weight) in tomcats.iter().zip(before).zip(&weights) {
                prop_assert_eq!(tomcat.count() - before, *weight as u64);
            }
        }
        Ok(())
    });
}

#[test]
fn a_post_reaches_no_tomcat_twice() {
    let tomcats = tomcats(["a", "b"]);
    let all: [&Tomcat; 2] = tomcats.each_ref();
    let more = "retry: { on: [503, timeout], budget: { percent: 100, min: 100 } }";
    let proxy = Proxy::in_front_of(&all, more);
    let event = (0..2_usize, prop::option::of(fault()), body());
    let mut number = 0;
    check(12, vec(event, 1..8), |events| {
        let mut client = None;
        for (at, fault, body) in events {
            match fault {
                Some(fault) => tomcats[at].script_times("*", 1, fault),
                None => tomcats[at].restart().expect("starts again"),
            }
            number += 1;
            let target = format!("/echo/{number}");
            // On a kept connection where there is one, as browsers do.
            let mut on = client
                .take()
                .unwrap_or_else(|| Raw::connect(proxy.address()));
            on.send(body.of(Request::new("POST", &target)).bytes());
            if on
                .try_read_response_to("POST")
                .is_ok_and(|it| it.keeps_alive())
            {
                client = Some(on);
            }
            let seen = tomcats
                .iter()
                .map(|tomcat| tomcat.requests_to(&target).len());
            prop_assert!(seen.sum::<usize>() <= 1, "{target}");
        }
        for tomcat in &tomcats {
            tomcat.unscript_all();
        }
        Ok(())
    });
}

/// Runs a law for some cases. What failed is told with the smallest case that fails.
fn check<S: Strategy>(cases: u32, given: S, law: impl FnMut(S::Value) -> TestCaseResult) {
    let law = std::cell::RefCell::new(law);
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 64,
        ..Config::default()
    };
    let outcome = TestRunner::new(config).run(&given, |case| (law.borrow_mut())(case));
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}

type Fields = Vec<(String, String)>;

/// Method, target and end-to-end fields.
fn head() -> impl Strategy<Value = (&'static str, String, Fields)> {
    let method = select(vec![
        "GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PURGE",
    ]);
    let target = "/echo[A-Za-z0-9/;:@&=+$,.!~*'()%_-]{0,40}(\\?[A-Za-z0-9/;:@&=+$,.!~?_%-]{0,20})?";
    let name = select(vec![
        "X-A",
        "x-b",
        "Accept",
        "Cookie",
        "x-gone",
        "User-Agent",
        "ETag",
    ]);
    let field = (name.prop_map(str::to_owned), "([!-~]([ !-~]{0,20}[!-~])?)?");
    (method, target, vec(field, 0..8))
}

/// A body in pieces; none, or only of empty ones: no body.
#[derive(Debug, Clone)]
struct Pieces {
    chunked: bool,
    pieces: Vec<Vec<u8>>,
}

fn body() -> impl Strategy<Value = Pieces> {
    let length = prop_oneof![1..20_usize, 1..100_000_usize];
    (any::<bool>(), vec(length, 0..4)).prop_map(|(chunked, lengths)| Pieces {
        chunked,
        pieces: (0..)
            .zip(lengths)
            .map(|(at, length)| pattern(at, length))
            .collect(),
    })
}

impl Pieces {
    fn whole(&self) -> Vec<u8> {
        self.pieces.concat()
    }

    fn of(&self, request: Request) -> Request {
        let pieces: Vec<&[u8]> = self.pieces.iter().map(Vec::as_slice).collect();
        match self.chunked {
            true => request.chunked(&pieces),
            false if pieces.is_empty() => request,
            false => request.body(self.whole()),
        }
    }
}

/// How a Tomcat frames its response.
#[derive(Debug, Clone, Copy)]
enum Sent {
    Length,
    Chunks,
    UntilClose,
}

impl Sent {
    fn write(self, body: &Pieces, bytes: &mut Vec<u8>) -> Then {
        let whole = body.whole();
        match self {
            Self::Length => {
                bytes.extend_from_slice(
                    format!("Content-Length: {}\r\n\r\n", whole.len()).as_bytes(),
                );
                bytes.extend_from_slice(&whole);
            }
            Self::Chunks => {
                let pieces: Vec<&[u8]> = body.pieces.iter().map(Vec::as_slice).collect();
                bytes.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
                bytes.extend(Request::new("POST", "/").chunked(&pieces).body_bytes());
            }
            Self::UntilClose => {
                bytes.extend_from_slice(b"\r\n");
                bytes.extend_from_slice(&whole);
                return Then::Close;
            }
        }
        Then::Keep
    }
}

fn fault() -> impl Strategy<Value = Fault> {
    select(vec![
        Fault::ResetBeforeHead,
        Fault::ResetBeforeBody,
        Fault::CloseBeforeHead,
        Fault::HalfHead,
        Fault::HalfBody,
        Fault::ChunkedCut,
        Fault::Junk,
        Fault::CloseIdle,
        Fault::StaleKeepAlive,
        Fault::AnswerTwice,
        Fault::Status(503),
    ])
}

/// The values of each name, in order, without the fields of framing and connection, and without
/// what each server says of itself.
fn by_name(fields: &[(String, String)]) -> BTreeMap<String, Vec<&str>> {
    const OTHERS: [&str; 6] = [
        "connection",
        "content-length",
        "date",
        "host",
        "transfer-encoding",
        "x-tomcat",
    ];
    let mut all = BTreeMap::<String, Vec<&str>>::new();
    for (name, value) in fields {
        let name = name.to_ascii_lowercase();
        if !OTHERS.contains(&name.as_str()) {
            all.entry(name).or_default().push(value);
        }
    }
    all
}
