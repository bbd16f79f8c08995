use std::io;
use std::net::SocketAddr;
use std::sync::Mutex;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpSocket;
use tokio::time::{sleep, timeout};

use crate::cluster::machine::{Machine, Peers, State};
use crate::config::{Health, WantedState};

use super::super::probe::Ways;
use super::super::probe::{Found, Network};
use super::*;

const INTERVAL: Duration = Duration::from_secs(2);

fn health(path: Option<&str>) -> Health {
    path.map_or_else(Health::unchecked, Health::of_path)
}

fn pace(health: &Health) -> Pace {
    Pace::of_checks("shop", "jvm1", health)
}

fn endpoint(addresses: &[SocketAddr]) -> Endpoint {
    Endpoint::Tcp(addresses.into())
}

/// A real machine behind a lock, with the flips and when they were.
struct Watched {
    machine: Mutex<Machine>,
    endpoint: Endpoint,
    wake: Notify,
    flipped: Notify,
    began: Instant,
    flips: Mutex<Vec<(u128, State)>>,
}

impl Watched {
    fn new(path: Option<&str>) -> Self {
        Self {
            machine: Mutex::new(Machine::new(WantedState::Up, &health(path))),
            endpoint: endpoint(&[]),
            wake: Notify::new(),
            flipped: Notify::new(),
            began: Instant::now(),
            flips: Mutex::new(Vec::new()),
        }
    }

    fn on(&self, event: Event) {
        let Some(flip) = self.machine.lock().unwrap().on(event) else {
            return;
        };
        let at = self.began.elapsed().as_millis();
        self.flips.lock().unwrap().push((at, flip.to));
        self.flipped.notify_one();
        if flip.to == State::Down {
            self.wake.notify_one();
        }
    }

    fn flips(&self) -> Vec<(u128, State)> {
        self.flips.lock().unwrap().clone()
    }
}

impl Subject for &Watched {
    fn needed(&self) -> Needed {
        self.machine.lock().unwrap().needed()
    }

    fn mood(&self) -> Mood {
        if self.machine.lock().unwrap().wavers() {
            Mood::Wavering
        } else {
            Mood::Steady
        }
    }

    fn is_down(&self) -> bool {
        self.machine.lock().unwrap().state() == State::Down
    }

    fn endpoint(&self) -> Endpoint {
        self.endpoint.clone()
    }

    fn note_session(&self, _: Made) {}

    fn report(&self, outcome: Outcome) {
        if let Some(event) = outcome.event() {
            self.on(event);
        }
    }

    fn wake(&self) -> &Notify {
        &self.wake
    }
}

/// Answers by the clock: nothing before `back`, all is well afterwards. Notes what was asked, when.
struct Clockwork {
    began: Instant,
    back: Duration,
    takes: Duration,
    aim: Aim,
    /// The status of a check that is answered: 200 passes, 404 drains, all others fail.
    statuses: Mutex<Vec<u16>>,
    asked: Mutex<Vec<(&'static str, u128)>>,
}

impl Clockwork {
    fn back_after(seconds: u64) -> Self {
        Self {
            began: Instant::now(),
            back: Duration::from_secs(seconds),
            takes: Duration::ZERO,
            aim: Aim::Service,
            statuses: Mutex::default(),
            asked: Mutex::new(Vec::new()),
        }
    }

    async fn answer(&self, kind: &'static str) -> Result<(), ProbeFailure> {
        let at = self.began.elapsed();
        self.asked.lock().unwrap().push((kind, at.as_millis()));
        sleep(self.takes).await;
        if at >= self.back {
            return Ok(());
        }
        Err(ProbeFailure::Connect {
            to: "tomcat".to_owned(),
            fault: ConnectFault::Refused,
            source: io::ErrorKind::ConnectionRefused.into(),
        })
    }

    fn times(&self, kind: &str) -> Vec<u128> {
        let asked = self.asked.lock().unwrap();
        let alike = asked.iter().filter(|(asked, _)| *asked == kind);
        alike.map(|(_, at)| *at).collect()
    }
}

impl Probe for &Clockwork {
    async fn check(&mut self, _: &Endpoint) -> Found {
        let answer = self.answer("check").await;
        let status = self.statuses.lock().unwrap().pop().unwrap_or(200);
        let verdict = match (answer, status) {
            (Err(failure), _) => Err(failure),
            (Ok(()), 200) => Ok(Verdict::Passes),
            (Ok(()), 404) => Ok(Verdict::Drains),
            (Ok(()), status) => Err(ProbeFailure::Status(status)),
        };
        Found {
            verdict,
            made: None,
        }
    }

    async fn speaks_http(&mut self, _: &Endpoint) -> Result<(), ProbeFailure> {
        self.answer("options").await
    }

    fn aim(&self) -> Aim {
        self.aim
    }

    fn forget_connection(&mut self) {
        self.asked.lock().unwrap().push(("forgot", 0));
    }
}

/// Runs the watch for some seconds of the paused clock, beside what happens meanwhile.
async fn run(
    subject: &Watched,
    probe: &Clockwork,
    path: Option<&str>,
    seconds: u64,
    meanwhile: impl Future<Output = ()>,
) {
    let watch = watch(
        subject,
        probe,
        pace(&health(path)),
        Duration::from_millis(500),
    );
    let both = async { tokio::join!(watch, meanwhile) };
    assert!(timeout(Duration::from_secs(seconds), both).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_is_up_without_a_check_is_left_alone() {
    let (subject, probe) = (Watched::new(None), Clockwork::back_after(0));
    run(&subject, &probe, None, 60, async {}).await;
    for question in ["check", "options"] {
        assert!(probe.times(question).is_empty(), "{question}");
    }
}

#[tokio::test(start_paused = true)]
async fn checks_come_at_their_interval() {
    let (subject, probe) = (Watched::new(Some("/")), Clockwork::back_after(0));
    run(&subject, &probe, Some("/"), 7, async {}).await;
    assert_eq!(probe.times("check"), [500, 2500, 4500, 6500]);
    assert_eq!(subject.flips(), []);
}

#[tokio::test(start_paused = true)]
async fn a_slow_check_is_not_overtaken_by_the_next() {
    let subject = Watched::new(Some("/"));
    let probe = Clockwork {
        takes: Duration::from_secs(3),
        ..Clockwork::back_after(0)
    };
    run(&subject, &probe, Some("/"), 10, async {}).await;
    assert_eq!(probe.times("check"), [500, 3500, 6500, 9500]);
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_just_fell_is_asked_soon_and_then_at_the_interval() {
    let (subject, probe) = (Watched::new(None), Clockwork::back_after(5));
    let falls = async {
        sleep(Duration::from_secs(1)).await;
        subject.on(Event::Refused);
    };
    run(&subject, &probe, None, 20, falls).await;
    assert_eq!(probe.times("options"), [1100, 3100, 5100]);
    assert_eq!(subject.flips(), [(1000, State::Down), (5100, State::Up)]);
}

#[tokio::test(start_paused = true)]
async fn a_backend_with_a_check_that_just_fell_is_checked_soon() {
    let (subject, probe) = (Watched::new(Some("/")), Clockwork::back_after(0));
    let falls = async {
        sleep(Duration::from_secs(1)).await;
        subject.on(Event::Refused);
    };
    run(&subject, &probe, Some("/"), 4, falls).await;
    assert_eq!(probe.times("check"), [500, 1100, 3100]);
    assert_eq!(subject.flips(), [(1000, State::Down), (1100, State::Up)]);
}

#[tokio::test(start_paused = true)]
async fn a_refused_check_takes_a_backend_down_at_once() {
    let (subject, probe) = (Watched::new(Some("/")), Clockwork::back_after(3));
    run(&subject, &probe, Some("/"), 10, async {}).await;
    assert_eq!(subject.flips(), [(500, State::Down), (4600, State::Up)]);
}

#[tokio::test(start_paused = true)]
async fn waking_all_the_time_neither_floods_nor_starves() {
    let (subject, probe) = (Watched::new(None), Clockwork::back_after(60));
    let nags = async {
        subject.on(Event::ResponseTimeout(Peers {
            usable: 2,
            total: 2,
        }));
        subject.on(Event::Refused);
        loop {
            subject.wake.notify_one();
            sleep(Duration::from_millis(1)).await;
        }
    };
    run(&subject, &probe, None, 10, nags).await;
    let count = probe.times("options").len();
    assert!((50..=100).contains(&count), "{count}");
}

/// With real sockets: nobody listens, then somebody listens and is busy starting, then it speaks.
#[tokio::test]
async fn a_restarted_backend_is_up_once_it_speaks_and_not_when_it_listens() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let subject = Watched {
        endpoint: endpoint(&[socket.local_addr().unwrap()]),
        ..Watched::new(None)
    };
    let health = Health {
        interval: Duration::from_millis(10),
        timeout: Duration::from_secs(20),
        ..health(None)
    };
    let network = Network::new(&health, "tomcat", None, &[], Ways::default());
    let restarts = async {
        subject.on(Event::Refused);
        subject.flipped.notified().await;
        let listener = socket.listen(8).unwrap();
        let (mut stream, _) = listener.accept().await.unwrap();
        assert_eq!(subject.flips().len(), 1);
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        subject.flipped.notified().await;
    };
    tokio::select! {
        () = restarts => {}
        () = watch(&subject, network, pace(&health), Duration::ZERO) => {}
    }
    let states: Vec<_> = subject.flips().iter().map(|(_, state)| *state).collect();
    assert_eq!(states, [State::Down, State::Up]);
}

#[test]
fn a_failure_of_ours_says_nothing_about_the_backend() {
    let failure = |fault| ProbeFailure::Connect {
        to: "tomcat".to_owned(),
        fault,
        source: io::ErrorKind::Other.into(),
    };
    for (failure, check, answer) in [
        (failure(ConnectFault::Inconclusive), None, None),
        (
            failure(ConnectFault::Refused),
            Some(Event::Refused),
            Some(Event::Refused),
        ),
        (ProbeFailure::Status(503), Some(Event::CheckFailed), None),
    ] {
        let text = failure.to_string();
        let checked = Outcome::CheckFailed(failure);
        assert_eq!(checked.event(), check, "{text}");
        let Outcome::CheckFailed(failure) = checked else {
            unreachable!()
        };
        // A refusal elsewhere does not prove that the backend is gone.
        let elsewhere = Outcome::FailedElsewhere(failure);
        assert_eq!(
            elsewhere.event(),
            check.and(Some(Event::CheckFailed)),
            "{text}"
        );
        let Outcome::FailedElsewhere(failure) = elsewhere else {
            unreachable!()
        };
        assert_eq!(Outcome::Unanswered(failure).event(), answer, "{text}");
    }
}

#[test]
fn a_watch_may_move_between_threads() {
    fn moves<T: Send>(_: &T) {}
    let subject = Watched::new(None);
    let health = health(None);
    let network = Network::new(&health, "tomcat", None, &[], Ways::default());
    moves(&watch(&subject, network, pace(&health), INTERVAL));
}

#[tokio::test(start_paused = true)]
async fn a_backend_about_to_change_is_checked_faster() {
    let (subject, probe) = (Watched::new(Some("/")), Clockwork::back_after(0));
    // Popped from the end: one good, three bad, a good one between bad ones, two good.
    *probe.statuses.lock().unwrap() = vec![200, 200, 500, 200, 500, 500, 500, 200];
    run(&subject, &probe, Some("/"), 12, async {}).await;
    assert_eq!(
        probe.times("check"),
        // Down with the third bad one: asked soon, and then at the interval until one passes.
        [500, 2500, 3000, 3500, 3600, 4100, 6100, 6600, 8600, 10600]
    );
    assert_eq!(subject.flips(), [(3500, State::Down), (6600, State::Up)]);
}

#[tokio::test(start_paused = true)]
async fn a_check_that_drains_is_neither_failure_nor_return() {
    let (subject, probe) = (Watched::new(Some("/")), Clockwork::back_after(0));
    *probe.statuses.lock().unwrap() = vec![404, 200, 404, 500, 500, 404, 500, 500];
    let falls = async {
        sleep(Duration::from_secs(8)).await;
        subject.on(Event::Refused);
    };
    run(&subject, &probe, Some("/"), 11, falls).await;
    let expected = [
        // Two failures before it and two behind it are no three in a row.
        (1500, State::Draining),
        (6500, State::Up),
        (8000, State::Down),
        // Not at 8100, which drained.
        (10100, State::Up),
    ];
    assert_eq!(subject.flips(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_mere_connection_brings_nobody_back() {
    for aim in [Aim::Port, Aim::Elsewhere] {
        let subject = Watched::new(Some("/"));
        let probe = Clockwork {
            aim,
            ..Clockwork::back_after(0)
        };
        let falls = async {
            sleep(Duration::from_secs(1)).await;
            subject.on(Event::Refused);
        };
        run(&subject, &probe, Some("/"), 4, falls).await;
        assert_eq!(probe.times("check"), [500, 1100, 3100]);
        assert_eq!(probe.times("options"), [1100], "only while it is down");
        assert_eq!(subject.flips(), [(1000, State::Down), (1100, State::Up)]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_is_down_is_checked_over_a_new_connection() {
    let (subject, probe) = (Watched::new(Some("/")), Clockwork::back_after(3));
    run(&subject, &probe, Some("/"), 10, async {}).await;
    let asked = probe.asked.lock().unwrap();
    let kinds: Vec<_> = asked.iter().map(|(kind, _)| *kind).take(7).collect();
    assert_eq!(
        kinds,
        [
            "check", "forgot", "check", "forgot", "check", "forgot", "check"
        ]
    );
    assert_eq!(
        asked.iter().filter(|(kind, _)| *kind == "forgot").count(),
        3
    );
}

#[tokio::test(start_paused = true)]
async fn an_answer_from_before_the_fall_brings_nobody_back() {
    let subject = Watched::new(Some("/"));
    let probe = Clockwork {
        takes: Duration::from_secs(1),
        ..Clockwork::back_after(0)
    };
    let falls = async {
        sleep(Duration::from_secs(1)).await;
        subject.on(Event::Refused);
    };
    run(&subject, &probe, Some("/"), 5, falls).await;
    // What was asked at 500 is answered at 1500.
    assert_eq!(probe.times("check"), [500, 1600, 3600]);
    assert_eq!(subject.flips(), [(1000, State::Down), (2600, State::Up)]);
}
