//! The harness keeps its word: it is strict where a test leans on it.

use std::io::ErrorKind;
use std::net::TcpStream;
use std::time::Duration;

use cattail::standin::{Manager, SharedSessions};

use crate::harness::{BlackHole, Browsers, Metrics, Tomcat, get, stays};

const SCRAPE: &str = "# HELP x_total y
# TYPE x_total counter
x_total{cluster=\"shop\",backend=\"jvm1\"} 3
x_total{cluster=\"shop\",backend=\"a\\\"}b\"} 4 1700000000
seconds_sum 0.5
up 1
";

#[test]
fn samples_are_matched_by_name_and_labels() {
    let tomcat = Tomcat::start("jvm1");
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
        SCRAPE.len()
    );
    tomcat.raw_answer("/metrics", head + SCRAPE);
    let metrics = Metrics::scrape(tomcat.address());
    assert_eq!(
        metrics.value("x_total", &[("cluster", "shop")]).to_string(),
        "7"
    );
    assert_eq!(
        metrics
            .exactly("x_total", &[("backend", "a\"}b")])
            .to_string(),
        "4"
    );
    assert_eq!(metrics.value("up", &[]), 1);
    assert!(metrics.fraction("seconds_sum", &[]) > 0.4);
    assert_eq!(metrics.value_or_zero("down", &[]), 0);
}

#[test]
#[should_panic(expected = "no x_totals")]
fn a_misspelt_metric_is_no_zero() {
    Metrics::parse(SCRAPE).value("x_totals", &[]);
}

#[test]
#[should_panic(expected = "a lost answer")]
fn a_panic_of_one_parallel_client_is_the_tests() {
    crate::harness::in_parallel(2, |number| assert_eq!(number, 0, "a lost answer"));
}

#[test]
#[should_panic(expected = "malformed")]
fn a_bare_line_feed_is_malformed() {
    let tomcat = Tomcat::start("jvm1");
    tomcat.raw_answer("/x", "HTTP/1.1 200 OK\nContent-Length: 0\n\n");
    get(tomcat.address(), "/x");
}

#[test]
fn a_black_hole_answers_no_connection() {
    let hole = BlackHole::open();
    let outcome = TcpStream::connect_timeout(&hole.address(), Duration::from_millis(50));
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::TimedOut);
}

/// Browsers whose connections go to two Tomcats in turn, as behind the worst of balancers.
fn scattered(manager: Manager) -> (crate::harness::Findings, SharedSessions) {
    let sessions = SharedSessions::default();
    let tomcats = ["jvm1", "jvm2", "jvm3"]
        .map(|route| Tomcat::build(route, |it| it.sessions(&sessions).manager(manager)));
    let to = tomcats.each_ref().map(|tomcat| tomcat.address().clone());
    let findings = Browsers::new(8, 6).browse(&to, |browsers| browsers.go_on(3));
    (findings, sessions)
}

#[test]
fn browsers_see_it_when_their_sessions_are_scattered() {
    let (findings, sessions) = scattered(Manager::Sticky);
    // MSM finds most of them in memcached, and now and then all: torn apart they are for certain.
    assert!(
        findings.split > 0 && sessions.truth().stale > 0,
        "{findings}"
    );
    assert!(findings.stale + findings.forked > 0, "{findings}");
    // Without it whoever comes to another Tomcat has lost its session.
    let (findings, sessions) = scattered(Manager::Plain);
    assert!(findings.lost > 0 && sessions.truth().lost > 0, "{findings}");
}

#[test]
fn browsers_of_one_tomcat_find_nothing() {
    for manager in [Manager::Sticky, Manager::NonSticky, Manager::Plain] {
        let tomcat = Tomcat::build("jvm1", |tomcat| tomcat.manager(manager));
        let findings = Browsers::new(20, 6).browse(&[tomcat.address().clone()], |browsers| {
            browsers.go_on(3);
            browsers.quietly(|| {
                let before = tomcat.count();
                let time = Duration::from_millis(20);
                stays("nobody asks", time, || tomcat.count() == before);
            });
        });
        // Its connections end with their hundredth request, in good order.
        assert!(findings.is_clean(), "{findings}");
        assert!(findings.groups >= 3 * 20);
        let truth = tomcat.sessions().truth();
        assert_eq!((truth.issued, truth.live), (20, 20));
    }
}

#[test]
fn browsers_count_what_is_not_answered() {
    let tomcat = Tomcat::start("jvm1");
    let findings = Browsers::new(4, 2).browse(&[tomcat.address().clone()], |browsers| {
        browsers.go_on(1);
        tomcat.kill();
        browsers.go_on(2);
    });
    assert!(findings.failed > 0, "{findings}");
    assert_eq!(findings.harmed(), 0, "{findings}");
}
