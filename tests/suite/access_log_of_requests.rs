//! What the access log says of each request.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use cattail::standin::{self, Address};

use super::harness::*;

const ID: &str = "D20877A04A8A2A6D7B9E0DF1C65AD799-n1.jvm1";
const SHOWN: &str = "D20877*-n1.jvm1";

/// A proxy that logs, and its log.
struct Logged {
    proxy: Option<Proxy>,
    path: PathBuf,
    _folder: TempDir,
}

impl Logged {
    fn start(format: &str, rest: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.log");
        let log = format!(
            "access_log: {{ path: '{}', format: '{format}' }}",
            path.display()
        );
        Self {
            proxy: Some(Proxy::start(&format!("{log}\n{rest}"))),
            path,
            _folder: folder,
        }
    }

    fn address(&self) -> Address {
        self.proxy.as_ref().unwrap().address()
    }

    /// Ends the proxy, which writes what it has, and reads the lines.
    fn lines(&mut self) -> Vec<String> {
        self.proxy.take().unwrap().stop();
        read(&self.path)
    }

    /// The same as objects.
    fn objects(&mut self) -> Vec<Value> {
        let parse = |line: &String| serde_json::from_str(line).expect("each line is JSON");
        self.lines().iter().map(parse).collect()
    }
}

fn read(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    assert!(text.is_empty() || text.ends_with('\n'), "{text:?}");
    text.lines().map(str::to_owned).collect()
}

/// Some fields of a line, as an array to be compared.
fn fields(line: &Value, names: &[&str]) -> Value {
    names.iter().map(|name| line[*name].clone()).collect()
}

#[test]
fn json_has_every_field_of_a_request() {
    let tomcat = Tomcat::start("jvm1");
    let listener = "listeners: [{ name: public, address: '127.0.0.1:0' }]";
    let text = cluster(&[&tomcat], "");
    let mut log = Logged::start(
        "json",
        &format!("{listener}\ntrusted_proxies: [127.0.0.1]\n{text}"),
    );
    let mut connection = Raw::connect(log.address());
    let response = Request::new(
        "PUT",
        &format!("/echo;jsessionid={ID}?x=%20&JSESSIONID={ID}"),
    )
    .header("Host", "Shop.example:81")
    .header("X-Forwarded-For", "192.0.2.1")
    .header(
        "Referer",
        &format!("https://shop.example/a;jsessionid={ID}?b"),
    )
    .header("User-Agent", "test/1 (\"quoted\")")
    .chunked(&[b"hello ", b"world"])
    .send_on(&mut connection)
    .expect(200);
    let peer = connection.local().to_string();
    drop(connection);
    let lines = log.objects();
    assert_eq!(lines.len(), 1);
    let line = &lines[0];
    let id = line["request_id"].as_str().unwrap();
    assert_eq!(id.len(), 32);
    for name in ["duration", "backend_duration"] {
        let seconds = line[name].as_f64().unwrap();
        assert!((0.0..10.0).contains(&seconds), "{name}: {seconds}");
    }
    assert!(line["backend_duration"].as_f64() <= line["duration"].as_f64());
    let time = line["time"].as_str().unwrap();
    assert!(
        time.ends_with('Z') && time.len() == "2026-11-20T12:00:00.000Z".len(),
        "{time}"
    );
    let expected = json!({
        "time": time, "client_ip": "192.0.2.1", "peer": peer, "listener": "public",
        "method": "PUT", "host": "Shop.example:81",
        "uri": format!("/echo;jsessionid={SHOWN}?x=%20&JSESSIONID={SHOWN}"),
        "protocol": "HTTP/1.1", "status": 200,
        "bytes_in": 11, "bytes_out": response.body.len(),
        "duration": line["duration"], "queue_duration": null, "backend_duration": line["backend_duration"],
        "cluster": "shop", "backend": "jvm1", "attempts": 1, "error": null,
        "session": null, "route_in": null, "route_out": null,
        "referer": format!("https://shop.example/a;jsessionid={SHOWN}?b"),
        "user_agent": "test/1 (\"quoted\")", "request_id": id,
        "tls_version": null, "tls_cipher": null, "tls_server_name": null, "client_cert_subject": null,
    });
    assert_eq!(*line, expected);
}

#[test]
fn bytes_are_those_of_the_bodies_whatever_frames_them() {
    let tomcat = Tomcat::start("jvm1");
    let mut log = Logged::start("json", &cluster(&[&tomcat], ""));
    let to = log.address();
    let mut expected = Vec::new();
    for (request, bytes_in, bytes_out) in [
        (Request::get("/bytes/100000"), 0, 100_000),
        (Request::get("/chunked/70000?trailers=1"), 0, 70_000),
        (Request::get("/until-close/5000"), 0, 5000),
        (Request::new("HEAD", "/bytes/100"), 0, 0),
        (Request::get("/status/304"), 0, 0),
        (Request::post("/bytes/1", vec![b'x'; 200_000]), 200_000, 1),
        (Request::post("/bytes/1", "").header("X-Empty", "1"), 0, 1),
        (Request::get("/bytes/10").http10(), 0, 10),
    ] {
        request.send(to.clone());
        expected.push(json!([bytes_in, bytes_out, null]));
    }
    let mut found: Vec<Value> = log
        .objects()
        .iter()
        .map(|line| fields(line, &["bytes_in", "bytes_out", "error"]))
        .collect();
    // Two workers write into one log, each in its own pace.
    let by_text = |value: &Value| value.to_string();
    found.sort_by_key(by_text);
    expected.sort_by_key(by_text);
    assert_eq!(found, expected);
}

const ERROR: [&str; 6] = ["status", "error", "attempts", "cluster", "backend", "uri"];

#[test]
fn answers_of_our_own_say_why() {
    let tomcat = Tomcat::start("jvm1");
    let text = cluster(&[&tomcat], "");
    let mut log = Logged::start(
        "json",
        &format!(
            "workers: 1
request_id: X-Request-Id
rules:
  - {{ path: /closed, deny: [0.0.0.0/0], cluster: shop }}
  - {{ path: /fixed, respond: {{ body: ok }} }}
  - {{ path: /shop, cluster: shop }}
limits: {{ body: 10B }}
{text}"
        ),
    );
    tomcat.kill();
    let mut ids = Vec::new();
    for (request, status) in [
        (Request::get("/fixed"), 200),
        (Request::get("/nowhere"), 404),
        (Request::get("/closed"), 403),
        (Request::new("TRACE", "/shop"), 501),
        (Request::post("/shop", "more than ten"), 413),
        (Request::get("/shop/1"), 503),
        (Request::get("/shop/2"), 503),
    ] {
        let response = request.send(log.address()).expect(status);
        ids.push(response.header("X-Request-Id").unwrap().to_owned());
    }
    let lines = log.objects();
    let found: Vec<Value> = lines.iter().map(|line| fields(line, &ERROR)).collect();
    let expected = [
        json!([200, null, 0, null, null, "/fixed"]),
        json!([404, "no_rule", 0, null, null, "/nowhere"]),
        json!([403, "access_denied", 0, "shop", null, "/closed"]),
        json!([501, "method_trace", 0, null, null, "/shop"]),
        json!([413, "body_too_large", 0, null, null, "/shop"]),
        json!([503, "no_backend", 1, "shop", "jvm1", "/shop/1"]),
        json!([503, "no_backend", 0, "shop", null, "/shop/2"]),
    ];
    assert_eq!(found, expected);
    // What a visitor reads off the page is found in the log.
    let logged: Vec<&str> = lines
        .iter()
        .map(|line| line["request_id"].as_str().unwrap())
        .collect();
    assert_eq!(logged, ids);
}

#[test]
fn a_request_that_was_tried_again_is_one_line() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let mut log = Logged::start("json", &cluster(&[&one, &two], ""));
    one.script_times("/x", 1, standin::Fault::ResetBeforeHead);
    get(log.address(), "/x").expect(200);
    get(log.address(), "/x").expect(200);
    let lines = log.objects();
    let mut found: Vec<Value> = lines
        .iter()
        .map(|line| fields(line, &["status", "error", "attempts", "backend"]))
        .collect();
    found.sort_by_key(ToString::to_string);
    let expected = [json!([200, null, 1, "jvm1"]), json!([200, null, 2, "jvm2"])];
    assert_eq!(found, expected);
}

#[test]
fn a_client_that_goes_away_is_logged_as_gone() {
    let tomcat = Tomcat::start("jvm1");
    let mut log = Logged::start("json", &cluster(&[&tomcat], ""));
    // Before the answer, with its body complete or not; then within the answer.
    tomcat.hold("/waits");
    let mut waits = Raw::connect(log.address());
    waits.send(Request::post("/waits", "12345").bytes());
    tomcat.wait_for_requests(1);
    let seen = || tomcat.last_request().body_bytes;
    eventually("the body has arrived", || seen() == 5);
    drop(waits);
    let lines = |count| eventually("a line", || read(&log.path).len() == count);
    lines(1);
    tomcat.release("/waits");

    let mut sends = Raw::connect(log.address());
    sends
        .send(Request::post("/sends", "12345").head_bytes())
        .send("123");
    tomcat.wait_for_requests(2);
    eventually("half of the body has arrived", || seen() == 3);
    drop(sends);
    lines(2);

    tomcat.script("/reads", standin::Fault::HangInBody);
    let mut reads = Raw::connect(log.address());
    reads.send(Request::get("/reads").bytes());
    let head = reads.read_exactly(12);
    assert_eq!(head, b"HTTP/1.1 200");
    tomcat.wait_for_requests(3);
    reads.reset();
    lines(3);
    tomcat.unscript_all();

    let found: Vec<Value> = log
        .objects()
        .iter()
        .map(|line| {
            fields(
                line,
                &[
                    "uri",
                    "status",
                    "error",
                    "attempts",
                    "bytes_in",
                    "bytes_out",
                ],
            )
        })
        .collect();
    let expected = [
        json!(["/waits", 499, "client_gone", 1, 5, 0]),
        json!(["/sends", 499, "client_gone", 1, 3, 0]),
        json!(["/reads", 200, "client_gone", 1, 0, 5]),
    ];
    assert_eq!(found, expected);
}

#[test]
fn combined_lines_are_those_of_nginx() {
    let tomcat = Tomcat::start("jvm1");
    let mut log = Logged::start("combined", &cluster(&[&tomcat], ""));
    Request::get("/bytes/12?a=b")
        .header("Referer", "https://shop.example/")
        .header("User-Agent", "curl/8.5.0")
        .send(log.address())
        .expect(200);
    let lines = log.lines();
    assert_eq!(lines.len(), 1);
    let (before, rest) = lines[0].split_once('[').unwrap();
    let (time, after) = rest.split_once(']').unwrap();
    assert_eq!(before, "127.0.0.1 - - ");
    assert_eq!(time.len(), "20/Nov/2026:12:03:55 +0000".len(), "{time}");
    assert_eq!(
        after,
        " \"GET /bytes/12?a=b HTTP/1.1\" 200 12 \"https://shop.example/\" \"curl/8.5.0\""
    );
}

#[test]
fn an_own_format_is_filled_in_field_by_field() {
    let tomcat = Tomcat::start("jvm1");
    let format = "$client_ip \"$method $uri\" $status $bytes_in>$bytes_out $cluster/$backend x$attempts $error \"$referer\" $request_id $$";
    let text = cluster(&[&tomcat], "");
    let mut log = Logged::start(format, &format!("request_id: X-Id\n{text}"));
    let response = Request::post("/bytes/7", "123")
        .send(log.address())
        .expect(200);
    let id = response.header("X-Id").unwrap();
    let expected = format!("127.0.0.1 \"POST /bytes/7\" 200 3>7 shop/jvm1 x1 - \"-\" {id} $");
    assert_eq!(log.lines(), [expected]);
}

/// What a client may put into a line.
fn forger() -> Vec<u8> {
    let mut request = b"GET /\"%0a\\x?\xc3\xa9 HTTP/1.1\r\nHost: shop.example\r\n".to_vec();
    request.extend_from_slice(b"User-Agent: x\" 200 5 \"-\" \\\xff\x80\xe2\x80\xa8\t\"}\r\n");
    request.extend_from_slice(b"Referer: \",\"status\":200,\"x\":\"\xc2\x9b2J\r\n\r\n");
    request
}

#[test]
fn no_byte_of_a_client_forges_a_line() {
    let tomcat = Tomcat::start("jvm1");
    for format in [
        "combined",
        "json",
        "\"$uri\" \"$user_agent\" \"$referer\" $host",
    ] {
        let mut log = Logged::start(format, &cluster(&[&tomcat], ""));
        Raw::connect(log.address()).send(forger()).read_response();
        // These do not even become requests.
        for bytes in ["\x1b", "\u{0}", "\u{7f}", "\r"] {
            let bytes = format!("GET / HTTP/1.1\r\nHost: x\r\nUser-Agent: a{bytes}b\r\n\r\n");
            let mut connection = Raw::connect(log.address());
            assert_eq!(connection.send(bytes).read_response().status(), 400);
        }
        let lines = log.lines();
        assert_eq!(lines.len(), 1, "{format}: {lines:#?}");
        let line = &lines[0];
        assert!(
            !line
                .chars()
                .any(|letter| letter.is_control() || letter == '\u{2028}'),
            "{line}"
        );
        if format == "json" {
            let object: Value = serde_json::from_str(line).unwrap();
            assert_eq!(object["method"], "GET");
            assert_ne!(object["x"], "x");
        } else {
            assert!(line.is_ascii(), "{line}");
            let quotes = line.matches('"').count();
            assert_eq!(quotes, 6, "{line}");
        }
    }
}

#[test]
fn a_rotated_log_is_opened_anew() {
    let tomcat = Tomcat::start("jvm1");
    let mut log = Logged::start("$uri", &cluster(&[&tomcat], ""));
    get(log.address(), "/before").expect(200);
    eventually("the first line", || read(&log.path) == ["/before"]);
    let rotated = log.path.with_extension("1");
    std::fs::rename(&log.path, &rotated).unwrap();
    log.proxy.as_ref().unwrap().running().reopen_logs();
    eventually("a new file", || log.path.exists());
    get(log.address(), "/after").expect(200);
    assert_eq!(log.lines(), ["/after"]);
    assert_eq!(read(&rotated), ["/before"]);
}

#[test]
fn the_time_in_the_queue_is_told_apart() {
    let tomcat = Tomcat::start("jvm1");
    let address = tomcat.address();
    let backends = format!("[{{ name: jvm1, address: '{address}', max_requests: 1 }}]");
    let cluster = format!("clusters: {{ shop: {{ affinity: none, backends: {backends} }} }}");
    let mut log = Logged::start("json", &cluster);
    tomcat.hold("/held");
    let mut holder = Raw::connect(log.address());
    holder.send(Request::get("/held").bytes());
    tomcat.wait_for("it is full", |counts| counts.in_progress == 1);
    let mut waits = Raw::connect(log.address());
    waits.send(Request::get("/echo").bytes());
    let queued = || {
        let metrics = log.proxy.as_ref().unwrap().metrics();
        metrics.value("cattail_queued_requests", &[])
    };
    eventually("it waits", || queued() == 1);
    let time = std::time::Duration::from_millis(300);
    stays("it waits", time, || queued() == 1);
    tomcat.release("/held");
    holder.read_response().expect(200);
    waits.read_response().expect(200);
    drop((holder, waits));
    let lines = log.objects();
    let of = |uri: &str| lines.iter().find(|line| line["uri"] == uri).unwrap();
    assert!(of("/held")["queue_duration"].is_null());
    let seconds = |name: &str| of("/echo")[name].as_f64().unwrap();
    assert!(seconds("queue_duration") >= 0.3, "{lines:?}");
    let together = seconds("queue_duration") + seconds("backend_duration");
    assert!(together <= seconds("duration") + 0.001, "{lines:?}");
}
