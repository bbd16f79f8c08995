//! The closed sets that become metric labels: why, at which stage, of which class.
//!
//! A label value that is not in a configuration is here. Nothing a client sends can add one, so the
//! number of time series is bounded by the configuration. Only store nodes are labels by the word
//! of the backends, and those are counted off ([`super::names`]).

use http::StatusCode;

/// A closed set of label values.
pub trait Kind: Copy + Send + Sync + 'static {
    /// Every member, in the order of [`Kind::index`].
    const ALL: &'static [Self];

    /// The position in [`Kind::ALL`].
    fn index(self) -> usize;

    /// The label's value.
    fn label(self) -> &'static str;
}

macro_rules! kind {
    ($(#[$doc:meta])* $name:ident { $($(#[$member_doc:meta])* $member:ident = $label:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name {
            $($(#[$member_doc])* $member,)+
        }

        impl $name {
            /// Every member.
            pub const ALL: &'static [Self] = &[$(Self::$member,)+];
            /// How many members there are.
            pub const COUNT: usize = Self::ALL.len();

            /// The label's value.
            pub const fn label(self) -> &'static str {
                match self { $(Self::$member => $label,)+ }
            }
        }

        impl Kind for $name {
            const ALL: &'static [Self] = Self::ALL;

            fn index(self) -> usize {
                self as usize
            }

            fn label(self) -> &'static str {
                self.label()
            }
        }
    };
}

mod connections;
mod http2;
mod tunnels;

pub use connections::{ConnectionRefusal, Handshake, HeaderFault, ParseError, TlsFault};
pub use http2::Http2Error;
pub use tunnels::TunnelEnd;

kind!(
    /// A status by its first digit.
    StatusClass {
        /// 100 to 199.
        Informational = "1xx",
        /// 200 to 299.
        Success = "2xx",
        /// 300 to 399.
        Redirection = "3xx",
        /// 400 to 499.
        ClientError = "4xx",
        /// 500 to 599.
        ServerError = "5xx",
        /// What no RFC defines.
        Other = "other",
    }
);

impl From<StatusCode> for StatusClass {
    fn from(status: StatusCode) -> Self {
        match status.as_u16() {
            100..=199 => Self::Informational,
            200..=299 => Self::Success,
            300..=399 => Self::Redirection,
            400..=499 => Self::ClientError,
            500..=599 => Self::ServerError,
            _ => Self::Other,
        }
    }
}

kind!(
    /// Where an attempt failed.
    Stage {
        /// No connection.
        Connect = "connect",
        /// No TLS session.
        Tls = "tls",
        /// No HTTP/2 session.
        Http2 = "http2",
        /// While the request was sent.
        Send = "send",
        /// While the response head was awaited.
        AwaitHead = "await_head",
        /// Within the response body.
        Body = "body",
    }
);

kind!(
    /// Why a request was tried again.
    RetryReason {
        /// No connection could be made.
        Connect = "connect",
        /// A kept-alive connection was closed before the request left.
        Stale = "stale",
        /// The connection died before a response byte.
        Closed = "closed",
        /// Its backend went down while it waited.
        BackendDown = "backend_down",
        /// A status that `retry.on` names.
        Status = "status",
        /// A response time-out, where `retry.on` names it.
        Timeout = "timeout",
    }
);

kind!(
    /// Why the proxy answered by itself for a cluster, or cut a response off.
    ErrorReason {
        /// No backend is usable.
        NoBackend = "no_backend",
        /// Every usable backend has `max_requests` in flight, or the one that a session must stay with has; nobody may wait.
        BackendsFull = "backends_full",
        /// The same, and as many requests wait as may.
        QueueFull = "queue_full",
        /// The same, and so many wait that requests of a rule with `priority: low` may not.
        Shed = "shed",
        /// No place came free within `queue.time`.
        QueueTime = "queue_time",
        /// The session's owner cannot serve, and the session may not move.
        OwnerUnavailable = "owner_unavailable",
        /// The session's owner cannot serve, and the store with its copy cannot be reached.
        StoreUnreachable = "store_unreachable",
        /// No backend could be connected to.
        Connect = "connect",
        /// No connection in time.
        ConnectTimeout = "connect_timeout",
        /// No TLS session with a backend.
        Tls = "tls",
        /// No response head in time, or a pause in the response that was too long.
        ResponseTimeout = "response_timeout",
        /// The backend's answer is not valid HTTP.
        Protocol = "protocol",
        /// The backend closed the connection too early.
        Closed = "closed",
        /// The request body is larger than allowed.
        BodyTooLarge = "body_too_large",
        /// The request body paused too long.
        BodyTimeout = "body_timeout",
        /// The request body's chunks or trailers are malformed.
        BodyMalformed = "body_malformed",
        /// The client went away.
        ClientGone = "client_gone",
        /// A CONNECT by HTTP/2 asked for a protocol that the cluster does not allow, or its backend answered with a success and did not switch.
        UpgradeRefused = "upgrade_refused",
        /// The client's network is not allowed.
        AccessDenied = "access_denied",
    }
);

kind!(
    /// Why a request that hyper had parsed was refused before any rule was asked.
    RefusalReason {
        /// `CONNECT`.
        MethodConnect = "method_connect",
        /// `TRACE`.
        MethodTrace = "method_trace",
        /// A target of no form that a server understands.
        TargetForm = "target_form",
        /// An absolute target of another scheme than http and https.
        TargetScheme = "target_scheme",
        /// An absolute target without a valid host.
        TargetHost = "target_host",
        /// The target and Host name different places.
        TargetDisagrees = "target_disagrees",
        /// A longer target than allowed.
        TargetTooLong = "target_too_long",
        /// HTTP/1.1 without Host.
        HostMissing = "host_missing",
        /// More than one Host.
        HostRepeated = "host_repeated",
        /// An empty Host.
        HostEmpty = "host_empty",
        /// A Host that is none.
        HostInvalid = "host_invalid",
        /// A transfer coding other than exactly `chunked`.
        TransferEncoding = "transfer_encoding",
        /// A transfer coding in HTTP/1.0.
        TransferEncodingInHttp10 = "transfer_encoding_http10",
        /// Differing, invalid or over-large Content-Length.
        ContentLength = "content_length",
        /// A larger body than allowed was announced.
        BodyTooLarge = "body_too_large",
        /// More fields than allowed, by HTTP/2.
        FieldsTooMany = "fields_too_many",
        /// An expectation other than `100-continue`.
        Expectation = "expectation",
        /// The connection's handshake was for a host of which other certificates are demanded.
        Misdirected = "misdirected",
        /// The host is served to those who show a certificate at another listener.
        CertificateElsewhere = "certificate_elsewhere",
    }
);

kind!(
    /// How a reload ended.
    ReloadResult {
        /// The new file is in force.
        Success = "success",
        /// The file was rejected; nothing changed.
        Failure = "failure",
    }
);

kind!(
    /// Why a backend went down.
    EjectionCause {
        /// A connection was refused, or the address cannot be reached.
        Connect = "connect",
        /// Response time-outs in a row.
        Silence = "silence",
        /// Active checks failed.
        Check = "check",
        /// Its agent said so.
        Agent = "agent",
    }
);

kind!(
    /// What a backend may be used for.
    BackendState {
        /// Everything.
        Up = "up",
        /// Everything, with a lowered share of new sessions.
        Warming = "warming",
        /// The sessions it has.
        Draining = "draining",
        /// The sessions it has, until they have moved.
        Evacuating = "evacuating",
        /// Nothing: it cannot serve.
        Down = "down",
        /// Nothing: it is not wanted to.
        Disabled = "disabled",
    }
);

kind!(
    /// How an evacuation ended.
    EvacuationEnd {
        /// Nothing is left: the backend may be stopped.
        Done = "done",
        /// The deadline came first.
        CutOff = "cut_off",
        /// Too many sessions were lost.
        Stopped = "stopped",
    }
);

kind!(
    /// How a health check ended.
    CheckResult {
        /// As expected.
        Success = "success",
        /// A status that `health.drain_on` names.
        Drains = "drains",
        /// Not connected.
        Connect = "connect",
        /// No TLS session, as with a certificate that is not trusted.
        Tls = "tls",
        /// No answer in time.
        Timeout = "timeout",
        /// An answer with another status than expected.
        Status = "status",
        /// An answer with another body than expected.
        Body = "body",
        /// An answer that is not HTTP, or none.
        Protocol = "protocol",
    }
);

kind!(
    /// How a question to an agent ended.
    AgentResult {
        /// With a word that is known.
        Success = "success",
        /// Not connected.
        Connect = "connect",
        /// No answer in time.
        Timeout = "timeout",
        /// An answer without a word that is known, or none.
        Protocol = "protocol",
    }
);

kind!(
    /// What a response says about the session of its request.
    Verdict {
        /// The session goes on where it was.
        CarriedOn = "carried_on",
        /// Another backend has taken it over: the same base with another jvm route.
        TakenOver = "taken_over",
        /// It moved to another store node: the same base and jvm route.
        StoreNodeChanged = "store_node_changed",
        /// A session where the request showed none for that path.
        Created = "created",
        /// A new id from its owner: a login, a logout and a new visit, an expiry.
        Renewed = "renewed",
        /// The backend took the cookie away.
        Ended = "ended",
        /// A new, empty session in the place of one that was to be kept.
        Lost = "lost",
        /// Another backend than the owner answered without a word about the session.
        Undecided = "undecided",
    }
);

kind!(
    /// Why a session was lost.
    LossCause {
        /// Its owner was Down, so that a survivor served it.
        OwnerDown = "owner_down",
        /// Its owner was Disabled.
        OwnerDisabled = "owner_disabled",
        /// This request could not connect to its owner.
        NotConnected = "not_connected",
        /// Its id names no backend that is known.
        UnknownRoute = "unknown_route",
        /// Sent elsewhere, since its owner or survivor was full or slow (`affinity: prefer`), or too many waited for it (`queue.spill_after`).
        Spilled = "spilled",
        /// Its owner was down since the session's last response.
        Restarted = "restarted",
        /// Its store node had no copy of it when its owner could not serve.
        NoCopy = "no_copy",
        /// It was moved, since its owner was being emptied.
        Evacuated = "evacuated",
        /// It was brought back to the backend that it had to leave (`fail_back`).
        Returned = "returned",
    }
);

kind!(
    /// What a store said when a request asked it for the copy of its session.
    StoreLook {
        /// It has the copy.
        There = "there",
        /// It has none.
        Gone = "gone",
        /// It did not answer: the request got 503, and the session stays.
        OutOfReach = "out_of_reach",
        /// It was not asked, since too many questions were under way.
        Unasked = "unasked",
    }
);

kind!(
    /// Which way a session went.
    Direction {
        /// It left this store node.
        From = "from",
        /// It came to this store node.
        To = "to",
    }
);

kind!(
    /// How a request's session decided where it went.
    Binding {
        /// The request shows no session.
        NoSession = "no_session",
        /// The path touches no session.
        Ignored = "ignored",
        /// To its owner.
        Owner = "owner",
        /// To the survivor that has it already or is taking it over.
        Pin = "pin",
        /// To a survivor, since its owner cannot serve.
        Survivor = "survivor",
        /// To the first in the order of its base: nobody knows its owner.
        UnknownRoute = "unknown_route",
        /// To a survivor, since its owner is being emptied.
        Evacuated = "evacuated",
        /// Back to the backend that it had to leave (`fail_back: when_idle`, `at_once`).
        Returned = "returned",
        /// Balanced as a new visitor, since its session is dead and its backend is being emptied.
        Replayed = "replayed",
        /// Served by another than its owner or survivor, since that is full or slow (`affinity: prefer`), or too many wait for it (`queue.spill_after`).
        Spilled = "spilled",
        /// Refused, since its owner cannot serve and no other may (`strict: true`), or its copy cannot
        /// be reached (`look_before_failover: true`).
        Refused = "refused",
    }
);

kind!(
    /// Why something that should be a session id, or a cookie of ours, was not believed.
    RejectedId {
        /// Nothing stands before the store node and the jvm route.
        NoBase = "no_base",
        /// More than 512 bytes.
        TooLong = "too_long",
        /// A control character in it.
        ControlCharacter = "control_character",
        /// Not in the encoding of the dialect.
        Undecodable = "undecodable",
        /// More ids in one request than are looked at.
        TooMany = "too_many",
        /// A sealed cookie that no key opens.
        SealForged = "seal_forged",
        /// A sealed cookie that is too old.
        SealExpired = "seal_expired",
        /// A sealed cookie of another cluster.
        SealForeign = "seal_foreign",
        /// A sealed cookie of another session.
        SealOther = "seal_other",
    }
);

kind!(
    /// What is wrong with the jvm routes of a cluster.
    RouteAlarm {
        /// Two backends issue ids with one jvm route.
        Shared = "shared",
        /// A client showed a jvm route that no backend has.
        Unknown = "unknown",
        /// A backend issues ids with another jvm route than its configured one.
        Unused = "unused",
    }
);

kind!(
    /// How the ledger came to know a session.
    EntryKind {
        /// A response set its cookie.
        Issued = "issued",
        /// Only a client showed it.
        Claimed = "claimed",
    }
);

kind!(
    /// What the ledger forgot for want of space, first those that are missed least.
    EvictedKind {
        /// Only a client had shown it.
        Claimed = "claimed",
        /// Issued, and never seen again: as of robots.
        Unseen = "unseen",
        /// Issued and in use.
        Issued = "issued",
    }
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_is_the_place_in_all() {
        for (place, reason) in ErrorReason::ALL.iter().enumerate() {
            assert_eq!(Kind::index(*reason), place);
        }
        assert_eq!(ErrorReason::ALL.len(), ErrorReason::COUNT);
    }

    #[test]
    fn a_status_is_classed_by_its_first_digit() {
        for (status, label) in [
            (100, "1xx"),
            (200, "2xx"),
            (304, "3xx"),
            (499, "4xx"),
            (503, "5xx"),
            (999, "other"),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(StatusClass::from(status).label(), label);
        }
    }
}
