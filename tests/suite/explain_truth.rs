//! What is explained is what happens.

use std::fmt::Write;
use std::sync::Arc;

use cattail::cluster::machine::Event;
use cattail::cluster::{Changes, Common};
use cattail::config;
use cattail::proxy::Snapshot;
use cattail::proxy::explain::{Explanation, Question, Way, explain};
use cattail::standin::{Manager, SharedSessions};
use proptest::prelude::*;

use super::explain_over_admin::{explained, sticky, with_cluster};
use super::harness::*;

fn offline(text: &str) -> Snapshot {
    let config = config::load_text("test.yaml", text, &|_| None).unwrap();
    let common = Common::new(&Arc::new(Changes::default()), 0, 1);
    Snapshot::new(config, None, None, &common).unwrap()
}

fn about(snapshot: &Snapshot, cookie: &str) -> Explanation {
    let question = Question {
        url: "http://shop.example/echo".to_owned(),
        cookie: Some(cookie.to_owned()),
        ..Question::default()
    };
    explain(snapshot, &question).unwrap()
}

/// The numbers of a congruential generator: the same in each run.
fn numbers() -> impl FnMut(usize) -> usize {
    let mut state = 42_u64;
    move |below| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % below
    }
}

/// A proxy in front of Tomcats in every state, and whoever asks it: the file alone knows it, and so
/// does the proxy itself.
#[test]
fn the_backend_that_is_explained_is_the_one_that_answers() {
    let tomcats = tomcats(["jvm1", "jvm2", "jvm3", "jvm4", "jvm5", "jvm6"]);
    let mut next = numbers();
    for affinity in ["sticky", "prefer"] {
        for _ in 0..6 {
            let states: Vec<usize> = (0..tomcats.len()).map(|_| next(5)).collect();
            let text = file(&tomcats, &states, affinity);
            let proxy = Proxy::start(&text);
            let snapshot = offline(&format!(
                "listeners: [{{ address: '127.0.0.1:0' }}]\n{text}"
            ));
            for (tomcat, state) in tomcats.iter().zip(&states) {
                if *state == DOWN {
                    let slot = snapshot.clusters[0].slot_named(tomcat.name()).unwrap();
                    snapshot.clusters[0].report(slot, Event::Refused);
                    find_down(&proxy, tomcat);
                }
            }
            for _ in 0..12 {
                let base = format!("{:08X}{:08X}", next(1 << 30), next(1 << 30));
                let cookie = match next(4) {
                    0 => format!("JSESSIONID={base}"),
                    1 => format!("JSESSIONID={base}-n1.jvm{}", 1 + next(9)),
                    2 => format!("JSESSIONID={base}.jvm{}", 1 + next(6)),
                    _ => format!(
                        "JSESSIONID={base}.jvm9; JSESSIONID={base}Z.jvm{}",
                        1 + next(6)
                    ),
                };
                let explained = about(&snapshot, &cookie);
                let ask = Request::get("/echo").header("Cookie", &cookie);
                let answer = ask.send(proxy.address());
                let choice = &explained.choice;
                let told = format!("{cookie} {states:?}\n{explained}");
                match (&choice.backend, choice.way) {
                    (Some(backend), Way::Session) => {
                        assert_eq!(answer.status(), 200, "{told}");
                        assert_eq!(answer.tomcat(), backend, "{told}");
                    }
                    (None, Way::Refused) => assert_eq!(answer.status(), 503, "{told}"),
                    other => panic!("{other:?}: {told}"),
                }
            }
        }
    }
}

const DOWN: usize = 4;

/// Whoever owns a session there finds that nobody listens.
fn find_down(proxy: &Proxy, tomcat: &Tomcat) {
    let cookie = format!("JSESSIONID=0123456789ABCDEF.{}", tomcat.name());
    eventually("it is found down", || {
        let ask = Request::get("/echo").header("Cookie", &cookie);
        ask.send(proxy.address());
        !proxy.is_up(tomcat)
    });
}

/// A file with these Tomcats in these states; one that is down has the address of nobody.
fn file(tomcats: &[Tomcat], states: &[usize], affinity: &str) -> String {
    let mut text = format!(
        "clusters:\n  shop:\n    affinity: {affinity}\n    health: {{ interval: 10m }}\n    \
         backends:\n"
    );
    for (place, (tomcat, state)) in tomcats.iter().zip(states).enumerate() {
        let (name, address) = (tomcat.name(), tomcat.address());
        let more = match *state {
            1 => ", state: draining",
            2 => ", state: disabled",
            3 => ", backup: true",
            _ => "",
        };
        let address = if *state == DOWN {
            // The discard port: a privileged one that nothing of a test listens on.
            format!("127.0.0.{}:9", place + 2)
        } else {
            address.to_string()
        };
        let backend = format!("jvm_route: {name}, address: '{address}'{more}");
        writeln!(text, "      - {{ {backend} }}").unwrap();
    }
    text
}

/// Sessions that move and Tomcats that come back: what the ledger has learned counts too, and ids
/// that were shown before are shown again.
#[test]
fn a_running_proxy_explains_what_it_then_does() {
    let sessions = SharedSessions::default();
    let tomcats = ["jvm1", "jvm2", "jvm3"].map(|name| {
        Tomcat::build(name, |tomcat| {
            tomcat.sessions(&sessions).manager(Manager::Sticky)
        })
    });
    let [one, two, three] = &tomcats;
    let health = "health: { path: /echo, interval: 50ms, rise: 1, fall: 1 }";
    let (proxy, _folder) = with_cluster(&sticky(&[one, two, three], health));
    let mut next = numbers();
    let mut ids: Vec<String> = Vec::new();
    for step in 0..60 {
        if step % 4 == 3 {
            let tomcat = &tomcats[next(tomcats.len())];
            if tomcat.is_running() {
                tomcat.kill();
            } else {
                tomcat.restart().expect("restarts");
            }
            let wanted = tomcat.is_running();
            eventually("the proxy knows it", || proxy.is_up(tomcat) == wanted);
        }
        let mut ask = Request::get("/session");
        let mut expected = None;
        if ids.len() > 3 {
            let cookie = format!("JSESSIONID={}", ids[next(ids.len())]);
            expected = Some(explained(&proxy, &cookie));
            ask = ask.header("Cookie", &cookie);
        }
        let answer = ask.send(proxy.address());
        if let Some(found) = expected {
            let is_served = answer.status() == 200;
            let backend = is_served.then(|| answer.tomcat());
            let told = format!("step {step}: {found:#}");
            assert_eq!(found["choice"]["backend"].as_str(), backend, "{told}");
        }
        ids.extend(answer.cookie("JSESSIONID").map(str::to_owned));
    }
}

const DIALECTS: [&str; 6] = [
    "tomcat",
    "jetty",
    "wildfly",
    "spring-session",
    "keycloak",
    "weblogic",
];

proptest! {
    /// Whatever an id looks like, no explanation shows more of it than a log would.
    #[test]
    fn no_explanation_shows_a_whole_id(
        dialect in prop::sample::select(&DIALECTS[..]),
        secret in "[A-Za-z0-9_-]{16,40}",
        before in "[a-z]{0,3}[.!-]?",
        after in "([.!-][a-z0-9]{1,8}){0,2}",
    ) {
        let snapshot = offline(&format!(
            "listeners: [{{ address: '127.0.0.1:0' }}]\nclusters:\n  shop:\n    \
             dialect: {dialect}\n    backends: [{{ jvm_route: jvm1, address: '127.0.0.1:1' }}]\n"
        ));
        let explained = about(&snapshot, &format!("JSESSIONID={before}{secret}{after}"));
        let json = serde_json::to_string(&explained).unwrap();
        for text in [explained.to_string(), json, format!("{explained:?}")] {
            prop_assert!(!text.contains(&secret), "{text}");
        }
    }
}
