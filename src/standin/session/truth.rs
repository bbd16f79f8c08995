//! What really became of the sessions, which no client and no proxy can see.

/// Counts since the store was made, but for `live`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Truth {
    /// New sessions.
    pub issued: u64,
    /// New ids of a session that went on, by a login.
    pub renewed: u64,
    /// Sessions that a Tomcat loaded from the store under its own jvm route.
    pub taken_over: u64,
    /// Sessions that a Tomcat loaded from the store under the id they had.
    pub reloaded: u64,
    /// Sessions that moved to another store node.
    pub relocated: u64,
    /// New sessions in place of one whose id was shown, well-formed, not ended, and not found.
    pub lost: u64,
    /// New sessions in place of one that had ended, by a logout, expiry or a login's new id.
    pub outdated: u64,
    /// New sessions that an ignored path made over one whose id was shown.
    pub overwritten: u64,
    /// Sessions that a Tomcat loaded while another had loaded the same copy: two live on.
    pub forked: u64,
    /// Requests that were served from an outdated copy.
    pub stale: u64,
    /// Sessions that a client ended.
    pub logged_out: u64,
    /// Sessions that have a copy somewhere now, in the store or a running Tomcat's memory.
    pub live: usize,
}
