//! One request is one line of the access log, in every format, whatever bytes a client sent; a
//! line of the JSON format is JSON. Input: an own format, then the fields, a line each.

#![no_main]

use std::time::{Duration, SystemTime};

use cattail::observe::access_log::{Record, TlsRecord};
use cattail::observe::{LogFormat, LogPiece};
use http::{Method, StatusCode, Version};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let mut lines = text.splitn(6, |byte| *byte == b'\n');
    let mut next = || lines.next();
    let format = String::from_utf8_lossy(next().unwrap_or_default()).into_owned();
    let method = Method::from_bytes(next().unwrap_or_default()).unwrap_or(Method::GET);
    let uri = String::from_utf8_lossy(next().unwrap_or_default()).into_owned();
    let (host, user_agent) = (next(), next());
    let rest = next();
    let record = Record {
        end: SystemTime::UNIX_EPOCH + Duration::from_millis(text.len() as u64 * 7_919_000_001),
        client_ip: Some([192, 0, 2, 1].into()),
        peer: None,
        listener: "main",
        method: &method,
        host,
        uri: uri.as_str().into(),
        protocol: Version::HTTP_11,
        status: StatusCode::OK,
        bytes_in: 0,
        bytes_out: u64::MAX,
        duration: Duration::from_nanos(1_999_999_999),
        queue_duration: None,
        backend_duration: None,
        cluster: Some("shop"),
        backend: None,
        attempts: 1,
        error: None,
        session: Some("carried_on"),
        route_in: rest,
        route_out: user_agent,
        referer: rest.map(Into::into),
        user_agent,
        request_id: rest,
        tls: TlsRecord::default(),
        told: None,
    };
    let mut formats = vec![LogFormat::Combined, LogFormat::Json];
    if let Ok(own) = LogFormat::parse(&format) {
        if let LogFormat::Own(pieces) = &own {
            assert!(
                pieces
                    .iter()
                    .any(|piece| matches!(piece, LogPiece::Field(_)))
            );
        }
        formats.push(own);
    }
    for format in &formats {
        let line = record.line(format);
        let line = line.strip_suffix(b"\n").expect("a line has an end");
        assert!(
            !line.iter().any(|byte| *byte < b' ' || *byte == 0x7f),
            "{line:?}"
        );
        if *format == LogFormat::Json {
            let parsed: serde_json::Value = serde_json::from_slice(line).expect("JSON");
            assert_eq!(parsed["uri"].is_string(), true);
        }
    }
});
