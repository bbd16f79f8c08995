//! Who gets a request that no session binds.

use crate::config::{Balance, HashKey};

use super::at::At;
use super::headers::header_name;
use super::words::is_token;

/// The key `balance`.
pub(super) fn balance(at: &At<'_>) -> Balance {
    if at.plain_text().is_some() {
        let words = [
            ("round_robin", Balance::RoundRobin),
            ("least_requests", Balance::LeastRequests),
            ("two_choices", Balance::TwoChoices),
            ("least_sessions", Balance::LeastSessions),
        ];
        return at.choice(&words).unwrap_or(Balance::RoundRobin);
    }
    let section = at.section();
    let hash = section.required("hash").and_then(|hash| key(&hash));
    hash.map_or(Balance::RoundRobin, Balance::Hash)
}

fn key(at: &At<'_>) -> Option<HashKey> {
    if at.plain_text().is_some() {
        let words = [
            ("client_address", HashKey::ClientAddress),
            ("uri", HashKey::Uri),
        ];
        return at.choice(&words);
    }
    let section = at.section();
    match (section.value("header"), section.value("cookie")) {
        (Some(header), None) => header_name(&header).map(HashKey::Header),
        (None, Some(cookie)) => cookie_name(&cookie).map(HashKey::Cookie),
        _ => {
            at.unlike("exactly one of header and cookie", None);
            None
        }
    }
}

/// A cookie's name.
pub(super) fn cookie_name(at: &At<'_>) -> Option<String> {
    at.parse(|text| is_token(text).then(|| text.to_owned()).ok_or(None))
}
