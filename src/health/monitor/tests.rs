use std::io;
use std::net::SocketAddr;
use std::sync::Mutex;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpSocket;
use tokio::time::{sleep, timeout};

use crate::cluster::machine::{Machine, Peers, State};
use crate::config::WantedState;

use super::super::probe::{Endpoint, Network};
use super::*;

const INTERVAL: Duration = Duration::from_secs(2);

fn health(path: Option<&str>) -> Health {
    Health {
        path: path.map(str::to_owned),
        host: None,
        interval: INTERVAL,
        timeout: Duration::from_secs(1),
        rise: 2,
        fall: 3,
    }
}

fn target(addresses: &[SocketAddr]) -> Target {
    Target {
        endpoint: Endpoint::Tcp(addresses.into()),
        host: "tomcat".to_owned(),
    }
}

/// A real machine behind a lock, with the flips and when they were.
struct Watched {
    machine: Mutex<Machine>,
    target: Target,
    wake: Notify,
    flipped: Notify,
    began: Instant,
    flips: Mutex<Vec<(u128, State)>>,
}

impl Watched {
    fn new(path: Option<&str>) -> Self {
        Self {
            machine: Mutex::new(Machine::new(WantedState::Up, &health(path))),
            target: target(&[]),
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

    fn target(&self) -> Target {
        self.target.clone()
    }

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
    asked: Mutex<Vec<(&'static str, u128)>>,
}

impl Clockwork {
    fn back_after(seconds: u64) -> Self {
        Self {
            began: Instant::now(),
            back: Duration::from_secs(seconds),
            takes: Duration::ZERO,
            asked: Mutex::new(Vec::new()),
        }
    }

    async fn answer(&self, kind: &'static str) -> Result<Duration, ProbeFailure> {
        let at = self.began.elapsed();
        self.asked.lock().unwrap().push((kind, at.as_millis()));
        sleep(self.takes).await;
        if at >= self.back {
            return Ok(self.takes);
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
    async fn check(&self, _: &Target, _: &Health) -> Result<Duration, ProbeFailure> {
        self.answer("check").await
    }

    async fn speaks_http(&self, _: &Target, _: Duration) -> Result<Duration, ProbeFailure> {
        self.answer("options").await
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
    let watch = watch(subject, probe, health(path), Duration::from_millis(500));
    let both = async { tokio::join!(watch, meanwhile) };
    assert!(timeout(Duration::from_secs(seconds), both).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_is_up_without_a_check_is_left_alone() {
    let (subject, probe) = (Watched::new(None), Clockwork::back_after(0));
    run(&subject, &probe, None, 60, async {}).await;
    assert!(probe.asked.lock().unwrap().is_empty());
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
        target: target(&[socket.local_addr().unwrap()]),
        ..Watched::new(None)
    };
    let health = Health {
        interval: Duration::from_millis(10),
        timeout: Duration::from_secs(20),
        ..health(None)
    };
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
        () = watch(&subject, Network, health, Duration::ZERO) => {}
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
        assert_eq!(Outcome::Unanswered(failure).event(), answer, "{text}");
    }
}

#[test]
fn a_watch_may_move_between_threads() {
    fn moves<T: Send>(_: &T) {}
    let subject = Watched::new(None);
    moves(&watch(&subject, Network, health(None), INTERVAL));
}

#[test]
fn watches_begin_all_over_the_first_interval() {
    let offsets = (0..100).map(|n| start_offset("shop", &format!("jvm{n}"), INTERVAL));
    let mut quarters = [0; 4];
    for offset in offsets {
        assert!(offset < INTERVAL);
        quarters[usize::try_from(offset.as_millis() / 500).unwrap()] += 1;
    }
    assert!(quarters.iter().all(|count| *count > 10), "{quarters:?}");
}
