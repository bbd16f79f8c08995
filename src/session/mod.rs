//! Sessions: how their ids are written and found, who owns them, what responses say about them,
//! and what of an id may be shown.
//!
//! Pure but for the [`ledger`]'s short locks: no sockets, no clock; time is passed in. Called by
//! `cluster` and `proxy`.

pub mod append;
pub mod classify;
pub mod find;
pub mod id;
pub mod ledger;
mod redact;
pub mod routes;
mod scan;
pub mod seal;
pub mod set_cookie;

pub use redact::Redactor;
