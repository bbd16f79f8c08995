//! Maps of header fields that nobody needs any more, for those who need one next: a thread keeps some.
//!
//! A map has two or three pieces of memory of its own, and a request and its answer have two or three maps.

use std::cell::RefCell;

use http::HeaderMap;

/// So many are kept, so large ones at most.
const MOST: usize = 32;
const LARGEST: usize = 64;

thread_local! {
    static SPARE: RefCell<Vec<HeaderMap>> = const { RefCell::new(Vec::new()) };
}

/// An empty map with room for so many fields.
pub fn fields(count: usize) -> HeaderMap {
    let spare = SPARE.with_borrow_mut(Vec::pop);
    let mut fields = spare.unwrap_or_default();
    fields.reserve(count);
    fields
}

/// Gives a map for the next one who needs one. What is in it is dropped now.
pub fn give(mut fields: HeaderMap) {
    // Further lines of the same name are kept apart, and what they took is not told by the capacity.
    let is_small = fields.len() <= LARGEST && fields.capacity() <= LARGEST;
    if is_small && fields.capacity() > 0 {
        SPARE.with_borrow_mut(|spare| {
            if spare.len() < MOST {
                fields.clear();
                spare.push(fields);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::HOST;

    use super::*;

    #[test]
    fn what_one_had_in_it_the_next_one_does_not_see() {
        let mut first = fields(3);
        first.insert(HOST, HeaderValue::from_static("a"));
        first.append(HOST, HeaderValue::from_static("b"));
        let room = first.capacity();
        give(first);
        let second = fields(1);
        assert!(second.is_empty() && second.get(HOST).is_none());
        assert_eq!(second.capacity(), room, "it is the same");
    }

    #[test]
    fn neither_large_ones_nor_many_are_kept() {
        give(HeaderMap::with_capacity(LARGEST * 4));
        let mut repeated = HeaderMap::new();
        for _ in 0..=LARGEST {
            repeated.append(HOST, HeaderValue::from_static("a"));
        }
        assert!(repeated.capacity() <= LARGEST);
        give(repeated);
        SPARE.with_borrow(|spare| assert!(spare.is_empty()));
        for _ in 0..2 * MOST {
            give(HeaderMap::with_capacity(1));
        }
        SPARE.with_borrow(|spare| {
            assert_eq!(spare.len(), MOST);
            assert!(spare.iter().all(|it| it.capacity() <= LARGEST));
        });
    }
}
