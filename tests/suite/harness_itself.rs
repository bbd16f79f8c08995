//! The harness keeps its word: it is strict where a test leans on it.

use std::io::ErrorKind;
use std::net::TcpStream;
use std::time::Duration;

use crate::harness::{BlackHole, Metrics, Tomcat, get};

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
