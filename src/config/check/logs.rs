//! The access log, diagnostics, error pages and the end of the process.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::config::units::show_duration;
use crate::config::{Errors, Shutdown};
use crate::observe::{AccessLog, Diagnostics, LogFormat, LogLevel, LogPath};

use super::at::At;
use super::files;
use super::section::Section;
use super::templates::log_format;
use super::words::near;

/// The key `access_log`.
pub(super) fn access_log(at: &At<'_>) -> Option<AccessLog> {
    if let Some(text) = at.plain_text() {
        if text != "off" {
            at.wrong(Some(format!("write {{ path: {text} }}")));
        }
        return None;
    }
    let section = at.section();
    let path = section.get("path").parse(|text| match text {
        "stdout" | "/dev/stdout" | "-" => Ok(LogPath::Stdout),
        _ if text.starts_with('/') && !text.ends_with('/') => {
            Ok(LogPath::File(Path::new(text).to_owned()))
        }
        _ => Err(None),
    });
    let format = format(&section.get("format"));
    Some(AccessLog {
        path: path?,
        format: format?,
    })
}

fn format(at: &At<'_>) -> Option<LogFormat> {
    match at.text()? {
        "combined" => Some(LogFormat::Combined),
        "json" => Some(LogFormat::Json),
        text if text.contains('$') => log_format(at).map(LogFormat::Own),
        text => {
            at.wrong(near(text, ["combined", "json"]));
            None
        }
    }
}

/// The section `log`.
pub(super) fn diagnostics(section: &Section<'_>) -> Diagnostics {
    let levels = [
        ("error", LogLevel::Error),
        ("warn", LogLevel::Warn),
        ("info", LogLevel::Info),
        ("debug", LogLevel::Debug),
    ];
    let formats = [("text", false), ("json", true)];
    Diagnostics {
        level: section
            .get("level")
            .choice(&levels)
            .unwrap_or(LogLevel::Info),
        json: section.get("format").choice(&formats).unwrap_or_default(),
    }
}

/// The section `errors`, and the files of its pages.
pub(super) fn errors(section: &Section<'_>) -> (Errors, BTreeMap<u16, PathBuf>) {
    let mut pages = BTreeMap::new();
    let mut paths = BTreeMap::new();
    for (key, value) in section.get("pages").entries() {
        let status = key.text().and_then(|text| text.parse::<u16>().ok());
        let Some(status) = status.filter(|status| (400..600).contains(status)) else {
            key.unlike("a status from 400 to 599", None);
            continue;
        };
        if let Some((path, body)) = files::page(&value) {
            pages.insert(status, body);
            paths.insert(status, path);
        }
    }
    let retry_after = section.get("retry_after").duration();
    (Errors { pages, retry_after }, paths)
}

/// The section `shutdown`.
pub(super) fn shutdown(section: &Section<'_>) -> Shutdown {
    let deadline = section.get("deadline").duration();
    let for_tunnels = section.value("tunnel_deadline");
    let tunnel_deadline = for_tunnels.as_ref().map_or(deadline, At::duration);
    if let Some(at) = for_tunnels.filter(|_| tunnel_deadline > deadline) {
        at.warn(
            &format!(
                "at most shutdown.deadline, which is {}",
                show_duration(deadline)
            ),
            "whatever is left is cut off at shutdown.deadline, tunnels too",
        );
    }
    Shutdown {
        delay: section.get("delay").duration(),
        deadline,
        tunnel_deadline,
    }
}
