//! What backends are spoken to in.

use crate::config::Http2Pool;

use super::section::Section;

/// `protocol` and `http2` of a cluster; `None`: HTTP/1.1.
pub(super) fn spoken(section: &Section<'_>) -> Option<Http2Pool> {
    let words = [("http1", false), ("h2", true)];
    let at = section.get("protocol");
    let is_http2 = match at.plain_text() {
        Some("http2" | "h2c" | "grpc") => {
            at.wrong(Some("write h2".to_owned()));
            true
        }
        _ => at.choice(&words).unwrap_or(false),
    };
    // Read in any case, so that every problem is found.
    let own = section.get("http2").section();
    // The table of keys bounds them all.
    let number = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    let settings = Http2Pool {
        streams: number(own.get("streams").count()),
        stream_window: number(own.get("stream_window").size().0),
        send_buffer: number(own.get("send_buffer").size().0),
        ping: own.get("ping").duration(),
    };
    if !is_http2 {
        if section.has("http2") {
            let hint = format!("{}: nobody needs it", section.says("protocol"));
            section.get("http2").warn("protocol: h2 next to it", &hint);
        }
        return None;
    }
    if section.has("proxy_protocol") && section.get("proxy_protocol").plain_text() != Some("off") {
        let hint = format!(
            "{}: requests of all clients share its connections",
            section.says("protocol")
        );
        section
            .get("proxy_protocol")
            .unlike("off, or protocol: http1", Some(hint));
    }
    Some(settings)
}
