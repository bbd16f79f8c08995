//! The admin side over loopback, byte for byte.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cattail::admin::api::model::{BackendStatus, Status};
use cattail::admin::api::{Order, Unfit};
use cattail::admin::{self, AdminHandle, NotReady, Readiness, Source};
use cattail::config::Secret;
use cattail::observe::events::EventLog;
use cattail::observe::metrics::{ClusterCells, PerWorker, Scrape, WorkerId};
use cattail::proxy::explain::{Explanation, Question, Unclear};
use http::StatusCode;

struct Fake {
    cells: PerWorker<ClusterCells>,
    stopping: AtomicBool,
    broken: AtomicBool,
    events: EventLog,
}

impl Source for Fake {
    fn scrape(&self, scrape: &mut Scrape) {
        assert!(!self.broken.load(Ordering::Relaxed), "a bug in a scrape");
        scrape.cluster("shop", &self.cells);
        scrape.process();
    }

    fn readiness(&self) -> Readiness {
        if self.stopping.load(Ordering::Relaxed) {
            Readiness::NotReady(vec![NotReady::ShuttingDown])
        } else {
            Readiness::Ready
        }
    }

    fn token(&self) -> Option<Secret> {
        None
    }

    fn status(&self) -> Status {
        Status {
            version: "0".to_owned(),
            clusters: Vec::new(),
            last_event: 0,
        }
    }

    fn backend(&self, _: &str, backend: &str) -> Result<BackendStatus, Unfit> {
        Err(Unfit::Backend(backend.to_owned(), Vec::new()))
    }

    fn order(&self, _: &str, name: &str, _: Order, _: &str) -> Result<BackendStatus, Unfit> {
        self.backend("", name)
    }

    fn events(&self) -> &EventLog {
        &self.events
    }

    fn explain(&self, _: &Question) -> Result<Explanation, Unclear> {
        Ok(Explanation::default())
    }
}

struct Admin {
    address: SocketAddr,
    source: Arc<Fake>,
    handle: AdminHandle,
}

fn start() -> Admin {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let source = Arc::new(Fake {
        cells: PerWorker::new(2),
        stopping: AtomicBool::new(false),
        broken: AtomicBool::new(false),
        events: EventLog::default(),
    });
    let handle = admin::start(listener, Arc::<Fake>::clone(&source)).unwrap();
    Admin {
        address,
        source,
        handle,
    }
}

impl Admin {
    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        stream
    }

    /// Sends `request` and reads until the connection is closed.
    fn exchange(&self, request: &str) -> String {
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        // A reset after the answer is an end as well.
        stream.read_to_end(&mut answer).ok();
        String::from_utf8(answer).unwrap()
    }

    fn ask(&self, method: &str, path: &str) -> (String, String) {
        let request = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let answer = self.exchange(&request);
        let (head, body) = answer.split_once("\r\n\r\n").expect(&answer);
        (head.to_ascii_lowercase(), body.to_owned())
    }
}

#[test]
fn metrics_are_those_of_now() {
    let admin = start();
    let line = r#"cattail_requests_total{cluster="shop",code="2xx"} "#;
    for expected in ["0", "1", "2"] {
        let (head, body) = admin.ask("GET", "/metrics");
        assert!(head.starts_with("http/1.1 200 ok"), "{head}");
        assert!(
            head.contains("content-type: text/plain; version=0.0.4"),
            "{head}"
        );
        let found = body.lines().find_map(|found| found.strip_prefix(line));
        assert_eq!(found, Some(expected), "{body}");
        admin.source.cells.of(WorkerId(1)).answer(StatusCode::OK);
    }
}

#[test]
fn health_and_readiness_differ_once_a_stop_was_asked_for() {
    let admin = start();
    let (head, body) = admin.ask("GET", "/readyz");
    assert!(
        head.starts_with("http/1.1 200") && body == "ready\n",
        "{head} {body}"
    );
    admin.source.stopping.store(true, Ordering::Relaxed);
    let (head, body) = admin.ask("GET", "/readyz");
    assert!(head.starts_with("http/1.1 503"), "{head}");
    assert_eq!(body, "not ready: shutting down\n");
    let (head, body) = admin.ask("GET", "/healthz");
    assert!(
        head.starts_with("http/1.1 200") && body == "ok\n",
        "{head} {body}"
    );
    assert!(head.contains("cache-control: no-store"), "{head}");
}

#[test]
fn head_is_answered_without_a_body() {
    let admin = start();
    for path in ["/metrics", "/healthz", "/readyz"] {
        let (head, body) = admin.ask("HEAD", path);
        assert!(
            head.starts_with("http/1.1 200") && body.is_empty(),
            "{path}: {head} {body}"
        );
        assert!(head.contains("content-length: "), "{head}");
    }
}

#[test]
fn unknown_paths_and_methods_are_told_what_exists() {
    let admin = start();
    let (head, body) = admin.ask("GET", "/metric");
    assert!(head.starts_with("http/1.1 404"), "{head}");
    assert!(head.contains("content-type: text/plain"), "{head}");
    for path in ["/metrics", "/healthz", "/readyz"] {
        assert!(body.contains(path), "{body}");
    }
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
        let (head, _) = admin.ask(method, "/metrics");
        assert!(head.starts_with("http/1.1 405"), "{method}: {head}");
        assert!(head.contains("allow: get,head"), "{method}: {head}");
    }
}

#[test]
fn one_connection_serves_several_scrapes() {
    let admin = start();
    let answers = admin.exchange(
        "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    );
    assert_eq!(answers.matches("\r\n\r\nok\n").count(), 2, "{answers}");
}

#[test]
fn a_head_that_is_too_large_is_refused() {
    let admin = start();
    let answer = admin.exchange(&format!(
        "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Large: {}\r\n\r\n",
        "x".repeat(64 * 1024)
    ));
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 431"),
        "{answer}"
    );
    let many = "X-Many: x\r\n".repeat(100);
    let answer = admin.exchange(&format!("GET /healthz HTTP/1.1\r\nHost: x\r\n{many}\r\n"));
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
}

#[test]
fn a_panic_in_a_scrape_ends_that_scrape_alone() {
    let admin = start();
    admin.source.broken.store(true, Ordering::Relaxed);
    assert_eq!(
        admin.exchange("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"),
        ""
    );
    admin.source.broken.store(false, Ordering::Relaxed);
    let (head, _) = admin.ask("GET", "/metrics");
    assert!(head.starts_with("http/1.1 200"), "{head}");
}

#[test]
fn connections_beyond_the_limit_wait_for_their_turn() {
    let admin = start();
    let mut held: Vec<_> = (0..64).map(|_| admin.connect()).collect();
    // Each is known to be accepted once it has been answered.
    for stream in &mut held {
        stream
            .write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            .unwrap();
        let mut answer = [0; 1024];
        assert!(stream.read(&mut answer).unwrap() > 0);
    }
    let mut late = admin.connect();
    late.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .unwrap();
    late.set_nonblocking(true).unwrap();
    let early = late.read(&mut [0; 1024]).map_err(|error| error.kind());
    assert_eq!(early, Err(std::io::ErrorKind::WouldBlock));
    late.set_nonblocking(false).unwrap();
    drop(held.pop());
    let mut answer = String::new();
    late.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("ok\n"), "{answer}");
}

#[test]
fn stopping_closes_idle_connections_and_the_listener() {
    let admin = start();
    let mut idle = admin.connect();
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    let mut answer = [0; 1024];
    assert!(idle.read(&mut answer).unwrap() > 0);
    admin.handle.stop();
    assert_eq!(idle.read_to_end(&mut Vec::new()).unwrap(), 0);
    assert!(TcpStream::connect(admin.address).is_err());
}
