//! Session ids: what must never be shown whole.

mod redact;

pub use redact::Redactor;
