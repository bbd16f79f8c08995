//! The keys about events and who is told of them.

use super::{HOUR, Key, Kind, MINUTE, SECOND};
use crate::observe::events::KINDS;

pub(super) const EVENTS: &[Key] = &[Key::new(
    "webhook",
    Kind::Either(&[Kind::Choice(&["off"]), Kind::Section(WEBHOOK)]),
    "A receiver that is told of each event; absent or `off`: nobody.",
)];

const WEBHOOK: &[Key] = &[
    Key::needed(
        "url",
        Kind::Text("a URL, such as https://hooks.example.com/x or http://10.0.0.9:9000/events"),
        "Where events are sent, each with a POST. What stands behind the host is never shown.",
    ),
    Key::new(
        "ca",
        Kind::Text("the path of a PEM file"),
        "The authorities by which a receiver of https is verified; absent: those that this system trusts.",
    ),
    Key::new(
        "kinds",
        Kind::List(&Kind::Choice(KINDS)),
        "Which events; at least one.",
    )
    .or("[state, order, drained, evacuation]"),
    Key::new(
        "token_file",
        Kind::Text("the path of a file"),
        "File with the token that is sent as `Authorization: Bearer`; absent: none is.",
    ),
    Key::new(
        "timeout",
        Kind::Duration(SECOND / 10, MINUTE),
        "Longest wait for the answer to one event, connecting included.",
    )
    .or("5s"),
    Key::new(
        "retry_time",
        Kind::Duration(SECOND, 24 * HOUR),
        "An event that could not be delivered is sent again until it is so old.",
    )
    .or("10m"),
    Key::new(
        "queue",
        Kind::Count(1, 10_000),
        "Events that wait at most; beyond, the oldest are dropped.",
    )
    .or("1000"),
];
