//! What hyper parses and [`refuse::check`] lets pass has one framing, one Host and a target that
//! can be sent on, whatever bytes a client sends.

#![no_main]

use std::cell::RefCell;
use std::convert::Infallible;
use std::rc::Rc;
use std::sync::LazyLock;

use cattail::config::{self, Config};
use cattail::proxy::headers::{forwarding, hop};
use cattail::proxy::prefix::upstream_target;
use cattail::proxy::refuse::{self, DeclaredBody};
use cattail::server;
use http::request::Parts;
use http::{Request, Response, Version, header};
use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use libfuzzer_sys::fuzz_target;
use tokio::io::AsyncWriteExt;
use tokio::runtime::Builder;

static CONFIG: LazyLock<Config> = LazyLock::new(|| {
    let text = "listeners: [{ address: '127.0.0.1:80' }]\n\
                clusters: { shop: { backends: ['127.0.0.1:8080'] } }\n";
    config::load_text("fuzz.yaml", text, &|_| None).expect("loads")
});

fuzz_target!(|sent: &[u8]| {
    let heads = Rc::new(RefCell::new(Vec::new()));
    let service = service_fn(|request: Request<Incoming>| {
        let heads = Rc::clone(&heads);
        async move {
            heads.borrow_mut().push(request.into_parts().0);
            Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
        }
    });
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let (mut client, socket) = tokio::io::duplex(sent.len().max(64 << 10));
        client.write_all(sent).await.expect("there is room");
        client.shutdown().await.expect("shuts down");
        let connection =
            server::protocol(&CONFIG.limits).serve_connection(TokioIo::new(socket), service);
        // A head that is no HTTP ends it with an error; so be it.
        drop(connection.await);
    });
    for head in heads.take() {
        judge(head);
    }
});

fn judge(mut head: Parts) {
    let Ok(checked) = refuse::check(&head, &CONFIG.limits) else {
        return;
    };
    if checked.host.is_none() {
        assert_eq!(head.version, Version::HTTP_10);
        assert!(!head.headers.contains_key(header::HOST) && head.uri.authority().is_none());
    }
    assert!(head.headers.get_all(header::HOST).iter().count() <= 1);
    let target = upstream_target(&head.uri, None).expect("nothing is replaced");
    let target = target.as_str();
    assert!(target.starts_with('/') || target == "*", "{target:?}");
    assert!(
        !target.bytes().any(|byte| byte <= b' ' || byte == 0x7f),
        "{target:?}"
    );

    hop::strip(&mut head.headers, checked.fields);
    assert_eq!(head.headers.get(header::CONNECTION), None);
    assert_eq!(head.headers.get(header::UPGRADE), None);
    hop::frame_request(&mut head.headers, checked.body);
    hop::pass_expectation(&mut head.headers, checked.fields, checked.expectation);
    forwarding::add_via(&mut head.headers, head.version);
    let lengths: Vec<_> = head
        .headers
        .get_all(header::CONTENT_LENGTH)
        .iter()
        .collect();
    let codings: Vec<_> = head
        .headers
        .get_all(header::TRANSFER_ENCODING)
        .iter()
        .collect();
    match checked.body {
        DeclaredBody::None => assert!(lengths.is_empty() && codings.is_empty()),
        DeclaredBody::Length(length) => {
            assert_eq!(lengths, [length.to_string().as_str()]);
            assert!(codings.is_empty());
        }
        DeclaredBody::Chunked => {
            assert!(lengths.is_empty());
            assert_eq!(codings, ["chunked"]);
        }
    }
}
