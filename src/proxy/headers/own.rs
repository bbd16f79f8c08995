//! Values in memory of their own.
//!
//! What hyper has read is a slice of its read buffer, and keeps all of it in memory. HTTP/2 remembers
//! what was said for as long as a connection lives (HPACK): a short value would hold 16 KiB and more
//! for a client that is idle.

use bytes::BytesMut;
use http::{HeaderMap, HeaderValue};

/// Copies all values into one piece of memory that nothing else is in.
pub fn apply(headers: &mut HeaderMap) {
    let length = headers.values().map(HeaderValue::len).sum();
    let mut copies = BytesMut::with_capacity(length);
    for value in headers.values_mut() {
        copies.extend_from_slice(value.as_bytes());
        // It was a value before; were it none, it would stay as it is.
        if let Ok(mut copy) = HeaderValue::from_maybe_shared(copies.split().freeze()) {
            copy.set_sensitive(value.is_sensitive());
            *value = copy;
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::map;
    use super::*;

    #[test]
    fn what_was_read_is_held_by_nobody_any_more() {
        let read = Bytes::from(vec![b'x'; 16 << 10]);
        let mut headers = map(&[("a", ""), ("b", "b"), ("set-cookie", "c=d")]);
        let slice = HeaderValue::from_maybe_shared(read.slice(..3)).unwrap();
        headers.append("set-cookie", slice);
        headers.insert("secret", HeaderValue::from_bytes(b"\xe9").unwrap());
        headers.get_mut("secret").unwrap().set_sensitive(true);
        let before = headers.clone();
        assert!(!read.is_unique());
        apply(&mut headers);
        assert_eq!(headers, before);
        assert!(headers["secret"].is_sensitive());
        drop(before);
        assert!(read.is_unique());
    }
}
