//! gRPC through the proxy: calls of every kind, their trailers, and what the proxy says by itself.

use super::harness::*;
use super::http2_backends::{cluster, in_front_of};

fn call(path: &str) -> Ask {
    Ask::new("POST", path)
        .header("content-type", "application/grpc")
        .header("te", "trailers")
}

#[test]
fn a_call_ends_with_its_trailers() {
    let server = Http2Server::start();
    let more = "    drain: { state_header: X-State }\n    request_headers: { set: { X-Set: y } }\n";
    let text = cluster(&[&server], more);
    let proxy = Proxy::start(&format!("request_id: X-SSL-Cert\n{text}"));
    let mut client = Http2::connect(proxy.address());
    let ask = call("/call").piece("question").trailer("x-sum", "7");
    let mut ask = ask.trailer("te", "trailers");
    for name in [
        "host",
        "x-forwarded-prefix",
        "x-ssl-cert",
        "x-state",
        "x-set",
    ] {
        ask = ask.trailer(name, "x");
    }
    let reply = client.ask(ask).expect(200);
    assert_eq!(reply.body, b"question");
    let trailers = reply.trailers.expect("trailers");
    assert_eq!(trailers["grpc-status"], "0");
    assert_eq!(trailers["grpc-message"], "done");
    let seen = server.last();
    assert_eq!(seen.header("te"), Some("trailers"));
    assert_eq!(seen.header("content-type"), Some("application/grpc"));
    let trailers = seen.trailers.expect("those of the request");
    assert_eq!(trailers["x-sum"], "7");
    assert_eq!(trailers.len(), 1);
}

#[test]
fn trailers_follow_a_body_with_a_length_too() {
    let server = Http2Server::start();
    let proxy = in_front_of(&[&server], "");
    let mut client = Http2::connect(proxy.address());
    let ask = call("/call").body("question").trailer("x-sum", "7");
    assert_eq!(client.ask(ask).expect(200).body, b"question");
    let trailers = server.last().trailers.expect("those of the request");
    assert_eq!(trailers["x-sum"], "7");
}

#[test]
fn a_call_that_fails_at_once_is_one_head() {
    let server = Http2Server::start();
    let proxy = in_front_of(&[&server], "");
    let mut client = Http2::connect(proxy.address());
    let reply = client.ask(call("/status-only").piece("question"));
    assert_eq!(
        (reply.status, reply.header("grpc-status")),
        (200, Some("7"))
    );
    assert_eq!(reply.trailers, None);
}

#[test]
fn messages_flow_both_ways_at_once_for_longer_than_a_response_may_take() {
    let server = Http2Server::start();
    let proxy = in_front_of(&[&server], "    timeouts: { response: 200ms }\n");
    let mut client = Http2::connect(proxy.address());
    let mut stream = client.begin(call("/call"));
    assert_eq!(client.head(&mut stream), 200, "before a message came");
    for _ in 0..8 {
        wait::stays("a pause", std::time::Duration::from_millis(60), || true);
        stream.send.send_data("message".into(), false).unwrap();
        assert_eq!(client.read(&mut stream, 7).unwrap(), b"message");
    }
    stream.send.send_data("".into(), true).unwrap();
    assert_eq!(client.read(&mut stream, 1).unwrap(), b"", "whole");
    let seen = server.wait_for_seen(1);
    assert_eq!((seen[0].body, seen[0].reset), (56, None));
}

#[test]
fn a_client_that_gives_up_a_call_ends_it_at_the_backend() {
    let server = Http2Server::start();
    let proxy = in_front_of(&[&server], "");
    let mut client = Http2::connect(proxy.address());
    let mut stream = client.begin(call("/call").piece("message"));
    assert_eq!(client.head(&mut stream), 200);
    stream.reset(h2::Reason::CANCEL);
    let seen = server.wait_for_seen(1);
    assert!(seen[0].reset.is_some(), "{:?}", seen[0]);
}

#[test]
fn what_the_proxy_says_by_itself_a_client_of_grpc_understands() {
    let server = Http2Server::start();
    let proxy = in_front_of(&[&server], "");
    let mut client = Http2::connect(proxy.address());
    let reply = client.ask(call("/reset").piece("x"));
    assert_eq!(
        (reply.status, reply.header("grpc-status")),
        (200, Some("14"))
    );
    assert_eq!(reply.header("content-type"), Some("application/grpc"));
    assert!(
        reply
            .header("grpc-message")
            .is_some_and(|it| !it.is_empty())
    );
    assert_eq!(reply.body, b"");
    let errors = proxy.metrics();
    assert_eq!(
        errors.value("cattail_errors_total", &[("reason", "closed")]),
        1
    );
    // Others are told as ever.
    let reply = client.ask(Ask::new("POST", "/reset").body("x"));
    assert_eq!((reply.status, reply.header("grpc-status")), (502, None));
    drop(server);
    let reply = client.ask(call("/call").piece("x"));
    assert_eq!(
        (reply.status, reply.header("grpc-status")),
        (200, Some("14"))
    );
}
