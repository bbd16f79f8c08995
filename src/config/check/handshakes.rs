//! How many TLS handshakes may begin and be under way.

use crate::config::HandshakeLimits;

use super::at::At;
use super::section::Section;

/// For each worker: with RSA keys about half of its time, with ECDSA a tenth.
const EACH_SECOND: u32 = 500;
/// Each holds some 20 KiB.
const MOST_UNDER_WAY: usize = 2000;
/// Small bounds on connections leave room for honest clients who come at once.
const LEAST_UNDER_WAY: usize = 16;

/// `handshakes`, for so many workers and connections.
pub(super) fn handshakes(
    section: &Section<'_>,
    workers: usize,
    connections: usize,
) -> HandshakeLimits {
    let workers = workers.max(1);
    let in_all = section.get("in_all");
    let in_all = unless_auto(&in_all).map(At::small);
    let at = section.get("under_way");
    let under_way = unless_auto(&at).map(At::length);
    if let Some(wanted) = under_way
        && wanted > LEAST_UNDER_WAY
        && wanted.saturating_mul(workers) >= connections
    {
        at.warn(
            "auto, or a number that times `workers` is below `connections`",
            "clients who begin a handshake and say no more can take every place",
        );
    }
    HandshakeLimits {
        per_client: section.get("per_client").small(),
        in_all: in_all.unwrap_or_else(|| {
            let workers = u32::try_from(workers).unwrap_or(u32::MAX);
            EACH_SECOND.saturating_mul(workers)
        }),
        under_way: under_way.unwrap_or_else(|| {
            let share = connections / 2 / workers;
            share.clamp(LEAST_UNDER_WAY, MOST_UNDER_WAY)
        }),
    }
}

/// `None`: the proxy chooses by itself.
fn unless_auto<'a, 'b>(at: &'b At<'a>) -> Option<&'b At<'a>> {
    (at.plain_text() != Some("auto")).then_some(at)
}
