use std::borrow::Cow;
use std::time::SystemTime;

use http::{Method, StatusCode};
use proptest::prelude::*;

use super::super::record::TlsRecord;
use super::*;
use crate::proxy_protocol::{self, Fact, Told};

fn record() -> Record<'static> {
    Record {
        end: SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_176_235_120),
        client_ip: Some("192.0.2.7".parse().unwrap()),
        peer: Some("[2001:db8::1]:4711".parse().unwrap()),
        listener: "public",
        method: &Method::GET,
        host: Some(b"shop.example.com"),
        uri: Cow::Borrowed("/cart;jsessionid=AB...jvm1?x=1"),
        protocol: Version::HTTP_11,
        status: StatusCode::OK,
        bytes_in: 0,
        bytes_out: 512,
        duration: Duration::from_micros(12_345),
        queue_duration: Some(Duration::from_micros(250)),
        backend_duration: Some(Duration::from_millis(12)),
        cluster: Some("shop"),
        backend: Some("jvm1"),
        attempts: 1,
        error: None,
        session: Some("taken_over"),
        route_in: Some(b"jvm1"),
        route_out: Some(b"jvm2"),
        referer: Some(Cow::Borrowed(b"https://shop.example.com/")),
        user_agent: Some(b"curl/8.5.0"),
        request_id: None,
        tls: TlsRecord::default(),
        told: None,
    }
}

fn line_of(format: &LogFormat, record: &Record<'_>) -> String {
    let mut line = Vec::new();
    write(&mut line, &mut TimeText::default(), format, record);
    String::from_utf8(line).unwrap()
}

#[test]
fn combined_is_what_nginx_writes() {
    assert_eq!(
        line_of(&LogFormat::Combined, &record()),
        "192.0.2.7 - - [20/Nov/2026:12:03:55 +0000] \"GET /cart;jsessionid=AB...jvm1?x=1 HTTP/1.1\" \
         200 512 \"https://shop.example.com/\" \"curl/8.5.0\"\n"
    );
}

#[test]
fn what_is_absent_or_empty_is_a_dash() {
    let mut record = record();
    record.client_ip = None;
    record.referer = None;
    record.user_agent = Some(b"");
    let line = line_of(&LogFormat::Combined, &record);
    assert!(
        line.starts_with("- - - [") && line.ends_with(" \"-\" \"-\"\n"),
        "{line}"
    );
}

#[test]
fn an_own_format_writes_its_pieces() {
    let format = LogFormat::parse(
        "$time $client_ip $peer \"$method $uri $protocol\" $status $duration/$queue_duration/$backend_duration \
         $cluster:$backend#$attempts $error $session:$route_in>$route_out",
    );
    assert_eq!(
        line_of(&format.unwrap(), &record()),
        "2026-11-20T12:03:55.120Z 192.0.2.7 [2001:db8::1]:4711 \
         \"GET /cart;jsessionid=AB...jvm1?x=1 HTTP/1.1\" 200 0.012345/0.000250/0.012000 shop:jvm1#1 - \
         taken_over:jvm1>jvm2\n"
    );
}

#[test]
fn json_has_every_field_in_order() {
    let mut record = record();
    record.error = Some("response_timeout");
    let line = line_of(&LogFormat::Json, &record);
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&line).unwrap();
    let keys: Vec<_> = object.keys().map(String::as_str).collect();
    let always = LogField::ALL
        .into_iter()
        .filter(|field| !matches!(field, LogField::Told(_)));
    assert_eq!(keys, always.map(LogField::name).collect::<Vec<_>>());
    assert_eq!(object["time"], "2026-11-20T12:03:55.120Z");
    assert_eq!(object["status"], 200);
    assert_eq!(object["duration"], 0.012_345);
    assert_eq!(object["error"], "response_timeout");
    assert_eq!(object["session"], "taken_over");
    assert_eq!(
        (&object["route_in"], &object["route_out"]),
        (&"jvm1".into(), &"jvm2".into())
    );
    assert_eq!(object["request_id"], serde_json::Value::Null);
}

/// A header whose fields hold what a client may have chosen.
fn told(value: &[u8]) -> Told {
    let value = &value[..value.len().min(40)];
    let field = |kind: u8, value: &[u8]| {
        let length = u16::try_from(value.len()).unwrap().to_be_bytes();
        [&[kind], &length[..], value].concat()
    };
    let inner = [field(0x21, value), field(0x22, value), field(0x23, value)].concat();
    let block = [
        field(0x01, value),
        field(0x02, value),
        field(0x05, value),
        field(0x20, &[&[1, 0, 0, 0, 0], &inner[..]].concat()),
        field(0xea, &[&[1], value].concat()),
    ];
    let block = block.concat();
    let length = u16::try_from(block.len()).unwrap().to_be_bytes();
    let header = [b"\r\n\r\n\0\r\nQUIT\n\x21\0", &length[..], &block].concat();
    proxy_protocol::read(&header).unwrap().told
}

#[test]
fn what_a_load_balancer_told_is_in_json_where_it_did() {
    let mut record = record();
    let told = told(b"a \"b\"\n");
    record.told = Some(&told);
    let line = line_of(&LogFormat::Json, &record);
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&line).unwrap();
    let keys: Vec<_> = object.keys().map(String::as_str).collect();
    assert_eq!(keys, LogField::ALL.map(LogField::name));
    for fact in Fact::ALL {
        assert_eq!(object[fact.name()], "a \"b\"\n");
    }
    let own = LogFormat::parse("$proxy_authority|$proxy_tls_cn").unwrap();
    assert_eq!(
        line_of(&own, &record),
        "a \\x22b\\x22\\x0A|a \\x22b\\x22\\x0A\n"
    );
    record.told = None;
    assert_eq!(line_of(&own, &record), "-|-\n");
}

#[test]
fn ipv6_clients_are_written_plainly() {
    let mut record = record();
    record.client_ip = Some("2001:db8::2".parse().unwrap());
    assert!(line_of(&LogFormat::Combined, &record).starts_with("2001:db8::2 - - ["));
}

/// Fields between quotes in every text format: what a client may choose.
fn own_quoted() -> LogFormat {
    let fields =
        "host uri referer user_agent request_id route_in route_out proxy_authority proxy_tls_cn"
            .split(' ');
    let quoted: Vec<_> = fields.map(|field| format!("\"${field}\"")).collect();
    LogFormat::parse(&quoted.join(" ")).unwrap()
}

proptest! {
    #[test]
    fn a_client_can_forge_neither_a_line_nor_a_field(
        host in prop::collection::vec(any::<u8>(), 0..40),
        uri in any::<String>(),
        referer in prop::collection::vec(any::<u8>(), 0..40),
        user_agent in prop::collection::vec(any::<u8>(), 0..40),
        request_id in prop::collection::vec(any::<u8>(), 0..40),
        routes in prop::array::uniform3(prop::collection::vec(any::<u8>(), 0..40)),
    ) {
        let mut record = record();
        record.host = Some(&host);
        record.uri = Cow::Owned(uri.clone());
        record.referer = Some(Cow::Borrowed(&referer));
        record.user_agent = Some(&user_agent);
        record.request_id = Some(&request_id);
        record.route_in = Some(&routes[0]);
        record.route_out = Some(&routes[1]);
        let told = told(&routes[2]);
        record.told = Some(&told);
        for (format, quotes) in [(LogFormat::Combined, 6), (own_quoted(), 18)] {
            let line = line_of(&format, &record);
            prop_assert!(line.trim_end_matches('\n').bytes().all(|byte| matches!(byte, 0x20..=0x7e)));
            prop_assert_eq!(line.matches('\n').count(), 1);
            prop_assert_eq!(line.matches('"').count(), quotes);
        }
        let line = line_of(&LogFormat::Json, &record);
        prop_assert!(!line.trim_end_matches('\n').chars().any(char::is_control));
        let object: serde_json::Value = serde_json::from_str(&line).unwrap();
        prop_assert_eq!(object["uri"].as_str().unwrap(), uri);
        prop_assert_eq!(object["host"].as_str().unwrap(), String::from_utf8_lossy(&host));
    }
}

#[test]
fn a_line_fits_without_growing_the_buffer() {
    let mut line = Vec::with_capacity(4096);
    let place = line.as_ptr();
    let mut time = TimeText::default();
    for _ in 0..10 {
        write(&mut line, &mut time, &LogFormat::Combined, &record());
    }
    assert_eq!((line.as_ptr(), line.capacity()), (place, 4096));
}
