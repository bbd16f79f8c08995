//! Fake Tomcats: `let tomcat = Tomcat::start("jvm1");`. All of [`StandIn`] is theirs.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::ops::Deref;

use socket2::{Domain, Socket, Type};

use cattail::standin::{Builder, Counts, Recorded, SharedSessions, StandIn};

use super::wait::patience;

/// A fake Tomcat. When it is dropped, whatever failed inside it fails the test.
#[derive(Debug)]
pub(crate) struct Tomcat(StandIn);

impl Tomcat {
    /// A Tomcat with the defaults of the real one.
    pub(crate) fn start(jvm_route: &str) -> Self {
        Self::build(jvm_route, |builder| builder)
    }

    /// A Tomcat with other settings: `Tomcat::build("jvm1", |tomcat| tomcat.store_node("n1"))`.
    pub(crate) fn build(jvm_route: &str, settings: impl FnOnce(Builder) -> Builder) -> Self {
        let started = settings(StandIn::builder(jvm_route)).start();
        Self(started.unwrap_or_else(|failure| panic!("{jvm_route} does not start: {failure}")))
    }

    /// Waits for what its counts must come to.
    #[track_caller]
    pub(crate) fn wait_for(&self, what: &str, condition: impl Fn(&Counts) -> bool) {
        let came = self.wait(patience(), condition);
        assert!(came, "{}: not {what}: {:?}", self.name(), self.counts());
    }

    /// Waits until it has seen `count` requests.
    #[track_caller]
    pub(crate) fn wait_for_requests(&self, count: u64) {
        self.wait_for(&format!("{count} requests"), |counts| {
            counts.requests >= count
        });
    }

    /// The requests to one target, exactly as written.
    pub(crate) fn requests_to(&self, target: &str) -> Vec<Recorded> {
        let mut requests = self.requests();
        requests.retain(|seen| seen.target == target);
        requests
    }

    /// The last request it saw.
    #[track_caller]
    pub(crate) fn last_request(&self) -> Recorded {
        self.requests()
            .pop()
            .unwrap_or_else(|| panic!("{} saw no request", self.name()))
    }
}

impl Deref for Tomcat {
    type Target = StandIn;

    fn deref(&self) -> &StandIn {
        &self.0
    }
}

impl Drop for Tomcat {
    fn drop(&mut self) {
        self.0.kill();
        let failures = self.0.failures();
        if !std::thread::panicking() {
            assert!(failures.is_empty(), "inside {}: {failures:#?}", self.name());
        }
    }
}

/// Tomcats that share their sessions.
pub(crate) fn tomcats<const N: usize>(jvm_routes: [&str; N]) -> [Tomcat; N] {
    let sessions = SharedSessions::default();
    jvm_routes.map(|jvm_route| Tomcat::build(jvm_route, |tomcat| tomcat.sessions(&sessions)))
}

/// What a Tomcat looks like that stops: connections wait in its queue, and die there unanswered when
/// it stops listening. This many die; the last of them when nobody listens any more.
pub(crate) fn stopping(dying: usize) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("binds");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        let mut head = [0; 4096];
        for _ in 1..dying {
            let (mut stream, _) = listener.accept().expect("a connection");
            drop(stream.read(&mut head));
        }
        let (mut stream, _) = listener.accept().expect("a connection");
        drop(stream.read(&mut head));
        drop(listener);
    });
    address
}

/// An address where connecting neither succeeds nor fails: its queue is full and nobody accepts.
/// For connect time-outs.
#[derive(Debug)]
pub(crate) struct BlackHole {
    listener: Socket,
    _waiting: Vec<Socket>,
}

impl BlackHole {
    /// Opens one on 127.0.0.1.
    pub(crate) fn open() -> Self {
        let tcp = || Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        let listener = tcp();
        listener
            .bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())
            .expect("binds");
        listener.listen(0).expect("listens");
        let address = listener.local_addr().expect("an address");
        // A backlog of 0 holds one connection; the others are never answered.
        let waiting = (0..4).map(|_| {
            let socket = tcp();
            socket.set_nonblocking(true).expect("non-blocking");
            // In progress, as it will stay.
            drop(socket.connect(&address));
            socket
        });
        let waiting = waiting.collect();
        Self {
            listener,
            _waiting: waiting,
        }
    }

    /// It is one no more: from now on whoever connects gets this answer to each head.
    pub(crate) fn answers(&self, answer: &'static str) {
        let listener: TcpListener = self.listener.try_clone().expect("another handle").into();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                std::thread::spawn(move || answer_all(stream, answer));
            }
        });
    }

    /// Where it is.
    pub(crate) fn address(&self) -> SocketAddr {
        self.listener
            .local_addr()
            .expect("an address")
            .as_socket()
            .expect("TCP")
    }
}

fn answer_all(mut stream: TcpStream, answer: &str) {
    let mut head = [0; 4096];
    while stream.read(&mut head).is_ok_and(|count| count > 0) {
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}
