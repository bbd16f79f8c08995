//! How tunnels end.

use super::Kind;

kind!(
    /// Why a tunnel has ended.
    TunnelEnd {
        /// Its client ended it first, in order.
        Client = "client",
        /// Its backend did.
        Backend = "backend",
        /// The client's connection broke.
        ClientLost = "client_lost",
        /// The backend's connection broke.
        BackendLost = "backend_lost",
        /// Nothing came from either side for `timeouts.tunnel_idle`.
        Idle = "idle",
        /// One side had ended its half, and nothing came from the other for `timeouts.tunnel_half_closed`.
        HalfClosed = "half_closed",
        /// `timeouts.tunnel_lifetime` was over.
        Lifetime = "lifetime",
        /// `timeouts.tunnel_removed` was over after its backend had left the configuration.
        Removed = "removed",
        /// The evacuation of its backend ended what was left there.
        Evacuated = "evacuated",
        /// The proxy stopped.
        Stop = "stop",
    }
);

impl TunnelEnd {
    /// What the access log says of it; `None`: it ended as tunnels should.
    pub const fn error(self) -> Option<&'static str> {
        match self {
            Self::Client | Self::Backend => None,
            Self::ClientLost => Some("tunnel_client_lost"),
            Self::BackendLost => Some("tunnel_backend_lost"),
            Self::Idle => Some("tunnel_idle"),
            Self::HalfClosed => Some("tunnel_half_closed"),
            Self::Lifetime => Some("tunnel_lifetime"),
            Self::Removed => Some("tunnel_removed"),
            Self::Evacuated => Some("tunnel_evacuated"),
            Self::Stop => Some("tunnel_stop"),
        }
    }
}
