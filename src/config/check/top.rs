//! The file as a whole: its sections in order, and what only two of them together can get wrong.

use crate::config::model::{Checked, Warnings};
use crate::config::{Config, Http2Limits, Limits};

use super::at::At;
use super::handshakes::handshakes;
use super::headers::id_header;
use super::schemes::Schemes;
use super::section::Section;
use super::{clusters, events, listeners, logs, network_lists, rules};

/// The whole configuration; meaningless if anything was complained about.
pub(super) fn config(at: &At<'_>) -> Config {
    let top = at.section();
    let workers = workers(&top.get("workers"));
    let listeners = listeners::listeners(&top);
    let (admin, token_file) = listeners::admin(&top.get("admin"), &listeners).unzip();
    let request_id = top.value("request_id").and_then(|at| id_header(&at));
    let limits = limits(&top.get("limits").section(), workers);
    let (clusters, key_files) = clusters::clusters(&top);
    let trusted_proxies = network_lists::trusted(&top.get("trusted_proxies"));
    let schemes = Schemes::of(&listeners, &trusted_proxies);
    let rules = rules::rules(&top, &clusters, schemes);
    let access_log = top.value("access_log").and_then(|at| logs::access_log(&at));
    let (webhook, webhook_token_file) = events::webhook(&top.get("events").section());
    let (errors, pages) = logs::errors(&top.get("errors").section());
    Config {
        workers,
        admin,
        listeners,
        trusted_proxies,
        limits,
        rules,
        clusters: clusters.into_iter().map(|(_, cluster)| cluster).collect(),
        access_log,
        request_id,
        webhook,
        decision_header: network_lists::told(&top.get("decision_header")),
        errors,
        shutdown: logs::shutdown(&top.get("shutdown").section()),
        log: logs::diagnostics(&top.get("log").section()),
        checked: Checked {
            token_file: token_file.flatten(),
            webhook_token_file,
            pages,
            key_files,
            warnings: Warnings::default(),
        },
    }
}

fn workers(at: &At<'_>) -> usize {
    if at.plain_text() == Some("auto") {
        let available = std::thread::available_parallelism();
        return available.map_or(1, |cores| cores.get().min(256));
    }
    at.length()
}

fn limits(section: &Section<'_>, workers: usize) -> Limits {
    let (target, head) = (section.get("target"), section.get("head"));
    let connections = section.get("connections").length();
    let limits = Limits {
        connections,
        connections_per_client: section.get("connections_per_client").length(),
        requests_per_connection: section.get("requests_per_connection").count(),
        target_bytes: target.size(),
        head_bytes: head.size(),
        head_fields: section.get("fields").length(),
        head_time: section.get("head_time").duration(),
        body_bytes: section.get("body").size(),
        body_idle: section.get("body_idle").duration(),
        send_idle: section.get("send_idle").duration(),
        idle_time: section.get("idle").duration(),
        handshakes: handshakes(&section.get("handshakes").section(), workers, connections),
        http2: http2(&section.get("http2").section()),
        ledger: section.get("ledger").length(),
    };
    if limits.target_bytes > limits.head_bytes && limits.head_bytes.0 > 0 {
        let (at, other) = if section.has("target") {
            (target, head)
        } else {
            (head, target)
        };
        let hint = format!(
            "{} is {}",
            other.path,
            other.plain_text().unwrap_or_default()
        );
        at.unlike("a target that fits into the head", Some(hint));
    }
    limits
}

fn http2(section: &Section<'_>) -> Http2Limits {
    // The table of keys bounds them all.
    let number = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    let (streams, errors) = (section.get("streams"), section.get("errors"));
    let window = section.get("connection_window");
    let limits = Http2Limits {
        streams: number(streams.count()),
        stream_window: number(section.get("stream_window").size().0),
        connection_window: number(window.size().0),
        send_buffer: number(section.get("send_buffer").size().0),
        resets: number(section.get("resets").count()),
        errors: errors.length(),
        control_frames: number(section.get("control_frames").count()),
    };
    if limits.stream_window > limits.connection_window && limits.connection_window > 0 {
        let hint = Some(section.says("stream_window"));
        window.unlike("a window no smaller than that of a stream", hint);
    }
    limits
}
