//! The keys about the stores of memcached-session-manager.

use super::{Key, Kind, MINUTE, SECOND};

pub(super) const STORES: &[Key] = &[
    Key::new(
        "memcached",
        Kind::Either(&[
            Kind::Text("host:port, of the only one"),
            Kind::Map(
                "the name of a node in session ids",
                &Kind::Text("host:port"),
            ),
        ]),
        "The memcacheds, by the names of MSM's `memcachedNodes`; or the only one, if ids have no name for it.",
    ),
    Key::new(
        "redis",
        Kind::Text("a URL, such as redis://10.0.0.6:6379/0"),
        "The redis, in place of memcached.",
    ),
    Key::new(
        "context",
        Kind::Text("the path of Tomcat's context.xml or server.xml"),
        "Where `memcachedNodes` and the rest are read, in place of the two above.",
    ),
    Key::new(
        "key_prefix",
        Kind::Text("what stands before the ids in the stores' keys"),
        "What MSM's `storageKeyPrefix` comes to, such as 001_; absent: as in `context`, else nothing.",
    ),
    Key::new(
        "interval",
        Kind::Duration(SECOND / 10, MINUTE),
        "Time between two questions whether a store answers.",
    )
    .or("2s"),
    Key::new(
        "timeout",
        Kind::Duration(1, 10 * SECOND),
        "Longest wait for a store's answer.",
    )
    .or("500ms"),
    Key::new(
        "look_before_failover",
        Kind::Switch,
        "Ask the session's store for its copy before it leaves its Tomcat; where the store cannot be reached, answer 503 and keep the session.",
    )
    .or("false"),
];
