//! How many of a backend's requests in flight have become tunnels.

use std::sync::atomic::Ordering;

use super::Backend;

impl Backend {
    /// A request that is in flight has become a tunnel.
    pub fn tunnel_began(&self) {
        self.tunnels.fetch_add(1, Ordering::Relaxed);
    }

    /// A tunnel is over, or about to give its place back.
    pub fn tunnel_ended(&self) {
        self.tunnels.fetch_sub(1, Ordering::Relaxed);
    }

    /// Requests in flight that are requests still. Only near, while places are being given back.
    pub fn requests_alone(&self) -> usize {
        let tunnels = self.tunnels.load(Ordering::Relaxed);
        self.in_flight().saturating_sub(tunnels)
    }
}
