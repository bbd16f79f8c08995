//! What may be written: every key with its kind, default and meaning.
//!
//! The one place where keys and defaults are named. `check` reads the file by these tables, the
//! schema and the reference in the docs are made from them, so that none of them can drift.

mod backend;
mod cluster;
mod events;
mod health;
mod kind;
mod rule;
mod stores;
mod tls;
mod top;
mod upstream;

pub(super) use cluster::CLUSTER;
pub(super) use kind::{HOUR, Key, Kind, MINUTE, Presence, SECOND};
pub(super) use rule::RULE;
pub(super) use top::TOP;

/// Who may come in; both a listener's and a rule's.
const NETWORKS: Kind = Kind::List(&Kind::Text("a network, such as 10.0.0.0/8 or 192.168.1.7"));

/// The changes to headers of rules and clusters.
const HEADERS: &[Key] = &[
    Key::new(
        "remove",
        Kind::List(&Kind::Text("a header's name")),
        "Headers taken away; done first.",
    ),
    Key::new(
        "set",
        HEADER_VALUES,
        "Headers put in place of whatever is there; an empty value takes the header away.",
    ),
    Key::new("add", HEADER_VALUES, "Headers added to what is there."),
];

const HEADER_VALUES: Kind = Kind::Map(
    "a header's name",
    &Kind::Text("a text, in which $client_ip and other variables are replaced"),
);
