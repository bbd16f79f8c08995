//! The fields of requests and responses: what is taken away, put in, rewritten.
//!
//! Each file decides one thing, as a function over a `HeaderMap`. A map is walked once
//! ([`fields::scan`]); every later step looks at the bits of that walk and touches only fields
//! that are there.

pub mod charset;
pub mod cookies;
pub mod edit;
pub mod fields;
pub mod forwarding;
pub mod hop;
pub mod host;
pub mod own;
pub mod request_id;
pub mod reverse;

/// A head for tests.
#[cfg(test)]
fn map(fields: &[(&str, &str)]) -> http::HeaderMap {
    let mut headers = http::HeaderMap::new();
    for (name, value) in fields {
        headers.append(
            http::HeaderName::from_bytes(name.as_bytes()).unwrap(),
            http::HeaderValue::from_str(value).unwrap(),
        );
    }
    headers
}
