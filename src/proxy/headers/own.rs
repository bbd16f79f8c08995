//! Values in memory of their own.
//!
//! What hyper has read is a slice of its read buffer, and keeps all of it in memory. HTTP/2 remembers
//! what was said for as long as a connection lives (HPACK): a short value would hold 16 KiB and more
//! for a client that is idle.

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue};

/// Up to here values share a piece of memory: one that is remembered keeps all of them.
const SHORT: usize = 64;

/// Copies the short values into one piece of memory that nothing else is in, and each other into its
/// own.
pub fn apply(headers: &mut HeaderMap) {
    let lengths = headers.values().map(HeaderValue::len);
    let length = lengths.filter(|length| *length <= SHORT).sum();
    let mut copies = BytesMut::with_capacity(length);
    for value in headers.values_mut() {
        let bytes = if value.len() <= SHORT {
            copies.extend_from_slice(value.as_bytes());
            copies.split().freeze()
        } else {
            Bytes::copy_from_slice(value.as_bytes())
        };
        // It was a value before; were it none, it would stay as it is.
        if let Ok(mut copy) = HeaderValue::from_maybe_shared(bytes) {
            copy.set_sensitive(value.is_sensitive());
            *value = copy;
        }
    }
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn a_short_value_keeps_no_long_one() {
        let long = "x".repeat(SHORT + 1);
        let mut headers = map(&[("date", "now"), ("set-cookie", &long), ("server", "x")]);
        apply(&mut headers);
        let place = |name| headers[name].as_bytes().as_ptr().addr();
        assert_eq!(place("server"), place("date") + 3, "in one piece");
        let start = place("set-cookie");
        assert!(!(start..start + long.len()).contains(&(place("date") + 4)));
        assert!(!(place("date")..place("date") + 5).contains(&start));
    }
}
