//! A route of the proxy's own in ids that have none.
