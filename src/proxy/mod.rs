//! One request, from the client's head to the answer.

pub mod authority;
pub mod client;
pub mod errors;
pub mod facts;
pub mod headers;
pub mod prefix;
pub mod refuse;
pub mod rules;
