//! Bounds on what clients may ask for.

use std::time::Duration;

use super::ByteSize;

/// Bounds on clients; each has a default, none is unlimited unless said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Client connections in all.
    pub connections: usize,
    /// Client connections of one address; zero: unlimited. Trusted proxies are exempt.
    pub connections_per_client: usize,
    /// Requests on one connection, then it is closed in good order.
    pub requests_per_connection: u64,
    /// Bytes of the request line's target.
    pub target_bytes: ByteSize,
    /// Bytes of a request head.
    pub head_bytes: ByteSize,
    /// Fields of a request head.
    pub head_fields: usize,
    /// Time for a whole request head, from its first byte.
    pub head_time: Duration,
    /// Bytes of a request body.
    pub body_bytes: ByteSize,
    /// Longest pause within a request body.
    pub body_idle: Duration,
    /// Longest pause of a client that does not take its response.
    pub send_idle: Duration,
    /// How long a connection without a request stays open.
    pub idle_time: Duration,
    /// How many TLS handshakes may begin and be under way.
    pub handshakes: HandshakeLimits,
    /// Bounds on a connection that speaks HTTP/2.
    pub http2: Http2Limits,
    /// Sessions that are remembered, over all clusters.
    pub ledger: usize,
}

/// How many TLS handshakes may begin and be under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HandshakeLimits {
    /// New ones of one client each second; zero: unlimited. Trusted proxies are exempt.
    pub per_client: u32,
    /// New ones of all clients each second; zero: unlimited.
    pub in_all: u32,
    /// Those that one worker has under way.
    pub under_way: usize,
}

/// Bounds on one connection that speaks HTTP/2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Http2Limits {
    /// Requests at a time.
    pub streams: u32,
    /// Bytes of one request body that come unasked.
    pub stream_window: u32,
    /// The same over all request bodies.
    pub connection_window: u32,
    /// Bytes of one response held for the client.
    pub send_buffer: u32,
    /// Requests that a client may cancel in a row.
    pub resets: u32,
    /// Requests that we may have to reset.
    pub errors: usize,
    /// Frames in a row that carry nothing.
    pub control_frames: u32,
}
