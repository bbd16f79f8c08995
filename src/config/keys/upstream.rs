//! The keys about requests on their way to backends: queues, waits, pools, further attempts.

use super::{HOUR, Key, Kind, MINUTE, SECOND};

const DAY: u64 = 24 * HOUR;

pub(super) const QUEUE: &[Key] = &[
    Key::new(
        "length",
        Kind::Count(0, 1_000_000),
        "Requests that may wait at a time; 0: none, the answer is 503 at once.",
    )
    .or("1000"),
    Key::new(
        "time",
        Kind::Duration(1, 10 * MINUTE),
        "How long a request waits in all; then it is answered 503.",
    )
    .or("5s"),
    Key::new(
        "spill_after",
        Kind::Count(0, 1_000_000),
        "From how many on that wait for a session's owner its survivor may serve it; absent: never. Only with `replicated`.",
    ),
];

pub(super) const TIMEOUTS: &[Key] = &[
    Key::new(
        "connect",
        Kind::Duration(1, 10 * MINUTE),
        "For a connection.",
    )
    .or("2s"),
    Key::new(
        "response",
        Kind::Duration(1, 24 * HOUR),
        "For the response head, from the last byte of the request sent.",
    )
    .or("60s"),
    Key::new(
        "body_idle",
        Kind::Duration(1, 24 * HOUR),
        "Between two pieces of the response body, and of the request body sent.",
    )
    .or("60s"),
    Key::new(
        "tunnel_idle",
        Kind::Duration(0, 30 * DAY),
        "Silence of both sides of a tunnel (WebSocket), before it is ended; 0s: no bound.",
    )
    .or("1h"),
    Key::new(
        "tunnel_half_closed",
        Kind::Duration(1, 30 * DAY),
        "The same, once one side has ended its half.",
    )
    .or("60s"),
    Key::new(
        "tunnel_lifetime",
        Kind::Duration(0, 30 * DAY),
        "Of a tunnel in all, before it is ended; 0s: no bound.",
    )
    .or("0s"),
    Key::new(
        "tunnel_removed",
        Kind::Duration(0, 30 * DAY),
        "Of a tunnel, after its backend has left the configuration.",
    )
    .or("30s"),
];

pub(super) const POOL: &[Key] = &[
    Key::new(
        "max_idle",
        Kind::Count(0, 65_536),
        "Idle connections kept per worker and backend.",
    )
    .or("64"),
    Key::new(
        "idle",
        Kind::Duration(1, 24 * HOUR),
        "How long one may be idle; shorter than Tomcat's keepAliveTimeout (20s).",
    )
    .or("15s"),
    Key::new(
        "lifetime",
        Kind::Duration(SECOND, 24 * HOUR),
        "How long one may be used in all.",
    )
    .or("10m"),
];

pub(super) const HTTP2: &[Key] = &[
    Key::new(
        "streams",
        Kind::Count(1, 10_000),
        "Requests at a time on one connection, if the backend allows as many; more have further connections.",
    )
    .or("100"),
    Key::new(
        "stream_window",
        Kind::Size(16 << 10, 16 << 20),
        "How much of one response may come before its client takes it; of all on a connection, `streams` times as much.",
    )
    .or("128KiB"),
    Key::new(
        "send_buffer",
        Kind::Size(16 << 10, 4 << 20),
        "How much of one request body is held for a backend that does not take it.",
    )
    .or("64KiB"),
    Key::new(
        "ping",
        Kind::Duration(0, HOUR),
        "How long a connection with requests on it may be silent before it is asked whether it lives; without an answer within `timeouts.connect` it is closed; 0s: never asked.",
    )
    .or("30s"),
];

pub(super) const OUTLIERS: &[Key] = &[
    Key::new(
        "consecutive",
        Kind::Count(0, 1_000_000),
        "Bad answers in a row that are too many; 0: nobody counts.",
    )
    .or("5"),
    Key::new(
        "statuses",
        Kind::List(&Kind::Text("a status from 400 to 599")),
        "Which answers are bad; attempts that end without an answer always are.",
    )
    .or("[502, 503, 504]"),
    Key::new(
        "bad_percent",
        Kind::Count(0, 100),
        "Share of bad answers within `window` that is too large; 0: nobody counts.",
    )
    .or("0"),
    Key::new(
        "slow_factor",
        Kind::Count(0, 1000),
        "How many times as slow as the others, on average within `window`, is too slow; 0: nobody counts.",
    )
    .or("0"),
    Key::new(
        "slow_time",
        Kind::Duration(1, HOUR),
        "What is faster on average is never too slow.",
    )
    .or("1s"),
    Key::new(
        "window",
        Kind::Duration(SECOND, 10 * MINUTE),
        "Over which time shares and averages are taken.",
    )
    .or("10s"),
    Key::new(
        "requests",
        Kind::Count(1, 1_000_000),
        "With fewer answers within `window` nothing is said of shares and averages.",
    )
    .or("20"),
    Key::new(
        "time",
        Kind::Duration(SECOND, HOUR),
        "How long it gets no new sessions the first time; twice as long each further time.",
    )
    .or("10s"),
    Key::new(
        "longest",
        Kind::Duration(SECOND, 24 * HOUR),
        "The longest such time.",
    )
    .or("5m"),
];

pub(super) const RETRY: &[Key] = &[
    Key::new(
        "on",
        Kind::List(&Kind::Text("\"timeout\" or a status from 400 to 599")),
        "What else counts as a failed attempt of an idempotent request.",
    )
    .or("[]"),
    Key::new(
        "time",
        Kind::Duration(1, HOUR),
        "No new attempt after this long since the first.",
    )
    .or("10s"),
    Key::new(
        "buffer",
        Kind::Size(0, 64 << 20),
        "Request bodies up to this size can be sent again.",
    )
    .or("64KiB"),
    Key::new(
        "budget",
        Kind::Section(BUDGET),
        "How much of the traffic may be retries for `on`.",
    )
    .or("{}"),
];

const BUDGET: &[Key] = &[
    Key::new(
        "percent",
        Kind::Count(0, 100),
        "Share of the requests in flight.",
    )
    .or("20"),
    Key::new(
        "min",
        Kind::Count(0, 100_000),
        "Retries that are always allowed at a time.",
    )
    .or("10"),
];
