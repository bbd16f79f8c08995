//! Words of other programs, and what they are called here.

mod apache;
mod haproxy;
mod nginx;
mod others;
mod places;
mod tomcat;

pub(super) use places::{hint_at, section_hint};

/// In this order: the first that knows a word counts.
const ORIGINS: [&[(&str, &str)]; 5] = [
    nginx::WORDS,
    haproxy::WORDS,
    apache::WORDS,
    tomcat::WORDS,
    others::WORDS,
];

const ACCEPT_PROXY: &str = "use proxy_protocol: { from: [NETWORK] } of the listener";

const CERTIFICATES: &str = "use tls.certificates of a listener, each with cert and key";

const CLUSTER_VERIFIES: &str =
    "use tls: { ca: FILE } of the cluster; tls: { insecure: true } verifies nothing";

const LISTENER_TLS: &str =
    "use tls of a listener: tls: { certificates: [{ cert: FILE, key: FILE }] }";

const SOUND: &str = "not needed: only sound ciphers are spoken; min_version in tls says from which version of TLS on";

const TICKETS: &str =
    "not needed: clients resume by tickets, unless tls of the listener says resumption: false";

/// The hint for a key or value that is another program's word.
pub(super) fn hint(word: &str) -> Option<&'static str> {
    let first = word.split_whitespace().next()?;
    let all = || ORIGINS.into_iter().flatten();
    let known = |wanted: &str| find(all(), wanted);
    known(word)
        .or_else(|| known(first))
        .or_else(|| nginx::family(first))
}

fn find<'a>(
    mut words: impl Iterator<Item = &'a (&'static str, &'static str)>,
    wanted: &str,
) -> Option<&'static str> {
    words
        .find(|(theirs, _)| theirs.eq_ignore_ascii_case(wanted))
        .map(|(_, ours)| *ours)
}
