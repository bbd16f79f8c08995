//! Whatever bytes a backend answers, the client of the real proxy gets one well-framed response:
//! that one, cut off where it was cut off, or an error page of the proxy. Nothing hangs.

#![no_main]

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::{LazyLock, Mutex};
use std::time::Duration;

use cattail::{app, config};
use libfuzzer_sys::fuzz_target;

/// Longer than any limit of the proxy.
const PATIENCE: Duration = Duration::from_secs(20);

struct Setting {
    backend: UnixListener,
    proxy: PathBuf,
    /// It runs until the process ends.
    _running: Mutex<app::Proxy>,
}

static SETTING: LazyLock<Setting> = LazyLock::new(|| {
    let path = |name: &str| {
        let path = std::env::temp_dir().join(format!("fuzz-{}-{name}", std::process::id()));
        drop(std::fs::remove_file(&path));
        path
    };
    let (proxy, backend) = (path("proxy"), path("backend"));
    let listener = UnixListener::bind(&backend).expect("binds");
    let text = format!(
        "listeners: [{{ address: 'unix:{}' }}]\nadmin: off\nworkers: 1\nlog: {{ level: error }}\n\
         clusters: {{ shop: {{ pool: {{ max_idle: 0 }}, backends: ['unix:{}'] }} }}\n",
        proxy.display(),
        backend.display(),
    );
    let config = config::load_text("fuzz.yaml", &text, &|_| None).expect("loads");
    Setting {
        backend: listener,
        proxy,
        _running: Mutex::new(app::start(config).expect("starts")),
    }
});

fuzz_target!(|input: &[u8]| {
    let Some((kind, answer)) = input.split_first() else {
        return;
    };
    let (method, more) = match kind % 4 {
        0 => ("HEAD", ""),
        1 => ("POST", "Content-Length: 4\r\n"),
        2 => ("GET", "Connection: upgrade\r\nUpgrade: other\r\n"),
        _ => ("GET", ""),
    };
    let mut client = UnixStream::connect(&SETTING.proxy).expect("connects");
    client.set_read_timeout(Some(PATIENCE)).expect("a socket");
    let body = if method == "POST" { "body" } else { "" };
    let head = format!("{method} / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{more}\r\n{body}");
    client.write_all(head.as_bytes()).expect("sends");
    let (mut backend, _) = SETTING.backend.accept().expect("the proxy connects");
    backend.set_read_timeout(Some(PATIENCE)).expect("a socket");
    let mut asked = Vec::new();
    let mut piece = [0; 4096];
    while !asked.windows(4).any(|end| end == b"\r\n\r\n") {
        let read = backend.read(&mut piece).expect("the request comes");
        assert!(read > 0, "the request came in full");
        asked.extend_from_slice(&piece[..read]);
    }
    // The proxy may have had enough before the end.
    drop(backend.write_all(answer));
    drop(backend);
    let mut got = Vec::new();
    if let Err(failure) = client.read_to_end(&mut got) {
        assert_eq!(failure.kind(), ErrorKind::ConnectionReset, "{failure}");
    }
    judge(method, answer, &got);
});

fn judge(method: &str, answer: &[u8], got: &[u8]) {
    let mut fields = [httparse::EMPTY_HEADER; 300];
    let mut response = httparse::Response::new(&mut fields);
    let parsed = response.parse(got).expect("HTTP");
    let httparse::Status::Complete(end) = parsed else {
        panic!("half a head: {got:?}");
    };
    let status = response.code.expect("complete");
    assert!(status >= 200, "{status} as a final answer");
    let values = |name: &str| {
        let fields = response.headers.iter();
        let matching = fields.filter(|field| field.name.eq_ignore_ascii_case(name));
        matching.map(|field| field.value).collect::<Vec<_>>()
    };
    let (lengths, codings) = (values("content-length"), values("transfer-encoding"));
    assert!(
        lengths.len() + codings.len() <= 1,
        "{lengths:?} {codings:?}"
    );
    for name in ["keep-alive", "upgrade", "proxy-connection"] {
        assert!(values(name).is_empty(), "{name} came through");
    }
    let body = &got[end..];
    if method == "HEAD" || status == 204 || status == 304 {
        assert!(body.is_empty());
    } else if let [length] = lengths[..] {
        let length = std::str::from_utf8(length)
            .ok()
            .and_then(|text| text.parse().ok());
        assert!(body.len() as u64 <= length.expect("a number"));
    } else if let [coding] = codings[..] {
        assert!(coding.eq_ignore_ascii_case(b"chunked"));
    }
    // Nothing was made up. A page of the proxy says that it is one.
    let is_page = values("vary") == [b"accept"] && status == 502;
    assert!(is_page || body.len() <= answer.len() * 8 + 16);
}
