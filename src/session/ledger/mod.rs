//! What the proxy remembers of live sessions.
