//! Protocols that a client may switch to.

use super::section::Section;
use super::words::is_token;

const LIST: &str = "write [websocket]; it is the default, [] turns it off";

const OTHERS: &str = "it is passed on as any upgrade: what both sides say then is not looked at";

/// `upgrades` of a cluster, in lower case.
pub(super) fn upgrades(section: &Section<'_>, is_http2: bool) -> Vec<String> {
    let at = section.get("upgrades");
    if at.plain_text().is_some_and(is_no_protocol) {
        at.wrong(Some(LIST.to_owned()));
        return Vec::new();
    }
    let items = at.items();
    if is_http2 {
        if section.has("upgrades") && !items.is_empty() {
            let hint = format!("{}: no stream of it is switched", section.says("protocol"));
            at.unlike("nothing here, or protocol: http1", Some(hint));
        }
        return Vec::new();
    }
    let mut protocols = Vec::new();
    for item in items {
        let Some(protocol) = item.parse(protocol) else {
            continue;
        };
        if protocol != "websocket" {
            item.warn("websocket", OTHERS);
        }
        if !protocols.contains(&protocol) {
            protocols.push(protocol);
        }
    }
    protocols
}

fn protocol(text: &str) -> Result<String, Option<String>> {
    if is_no_protocol(text) {
        return Err(Some(LIST.to_owned()));
    }
    match text.to_ascii_lowercase() {
        protocol if matches!(protocol.as_str(), "h2c" | "h2" | "http/2" | "http/2.0") => Err(Some(
            "a change to HTTP/2 would lead past the rules".to_owned(),
        )),
        protocol if protocol.split('/').all(is_token) => Ok(protocol),
        _ => Err(None),
    }
}

/// Words for WebSocket or a switch, and none that a client sends.
fn is_no_protocol(text: &str) -> bool {
    let words = [
        "true",
        "on",
        "yes",
        "false",
        "off",
        "no",
        "none",
        "ws",
        "wss",
        "websockets",
    ];
    words.iter().any(|word| word.eq_ignore_ascii_case(text))
}
