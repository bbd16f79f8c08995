//! What was read of a response ahead of its client.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

/// What a piece that is held costs beside its bytes, in our queue and in its own.
const PER_PIECE: usize = 64;
/// What a piece has at least that may be left to a connection that many share: smaller ones cost it
/// far more than their bytes, and of too many it ends.
const SMALL: usize = 32;

/// Pieces in their order.
#[derive(Debug)]
pub(super) struct Ahead {
    pieces: VecDeque<Bytes>,
    bytes: usize,
    bounds: Bounds,
    /// Small pieces behind those, in one.
    crumbs: BytesMut,
}

/// How much is read ahead of a client.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// In bytes, with what each piece costs.
    pub bytes: usize,
    /// Of what comes in small pieces, how much beyond that; zero: the connection is not shared.
    pub crumbs: usize,
}

impl Ahead {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            pieces: VecDeque::new(),
            bytes: 0,
            bounds,
            crumbs: BytesMut::new(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty() && self.crumbs.is_empty()
    }

    /// Whether more is to be read. Behind a small piece it is in any case.
    pub(super) fn has_room(&self) -> bool {
        self.bytes < self.bounds.bytes || self.ends_small()
    }

    fn ends_small(&self) -> bool {
        let last = self.pieces.back().map(Bytes::len);
        self.bounds.crumbs > 0
            && (!self.crumbs.is_empty() || last.is_some_and(|length| length < SMALL))
    }

    /// Whether so much is there that the rest will not be read.
    pub(super) fn is_overfull(&self) -> bool {
        self.crumbs.len() > self.bounds.crumbs
    }

    pub(super) fn hold(&mut self, data: Bytes) {
        let has_room = self.bytes < self.bounds.bytes || self.bounds.crumbs == 0;
        if !has_room && data.len() < SMALL {
            self.crumbs.extend_from_slice(&data);
            return;
        }
        self.gather();
        self.push(data);
    }

    /// The next piece.
    pub(super) fn take(&mut self) -> Option<Bytes> {
        if self.pieces.is_empty() {
            self.gather();
        }
        let data = self.pieces.pop_front()?;
        self.bytes -= data.len() + PER_PIECE;
        Some(data)
    }

    fn push(&mut self, data: Bytes) {
        self.bytes += data.len() + PER_PIECE;
        self.pieces.push_back(data);
    }

    /// Makes the small pieces one like the others.
    fn gather(&mut self) {
        if !self.crumbs.is_empty() {
            let crumbs = self.crumbs.split().freeze();
            self.push(crumbs);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ahead() -> Ahead {
        Ahead::new(Bounds {
            bytes: 500,
            crumbs: 300,
        })
    }

    #[test]
    fn large_pieces_are_left_to_the_backend() {
        let mut ahead = ahead();
        while ahead.has_room() {
            ahead.hold(vec![0; 100].into());
            assert!(ahead.bytes < 1000);
        }
        assert!(!ahead.is_overfull());
    }

    #[test]
    fn small_ones_are_read_on_until_they_are_too_many() {
        let mut ahead = ahead();
        while !ahead.is_overfull() {
            assert!(ahead.has_room());
            ahead.hold("small".into());
        }
        assert!(ahead.pieces.len() < 10 && ahead.crumbs.len() < 310);
        ahead.hold(vec![0; 100].into());
        assert!(!ahead.has_room(), "behind a large one it may wait");
    }

    #[test]
    fn what_is_not_shared_is_bounded_alone() {
        let bounds = Bounds {
            bytes: 500,
            crumbs: 0,
        };
        let mut ahead = Ahead::new(bounds);
        while ahead.has_room() {
            ahead.hold("small".into());
            assert!(ahead.pieces.len() < 10);
        }
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_nothing_changes_places(
            steps in prop::collection::vec(prop::option::of(1_usize..100), 0..100)
        ) {
            let mut ahead = ahead();
            let (mut given, mut taken) = (Vec::new(), Vec::new());
            for (step, byte) in steps.iter().zip(0_u8..) {
                if let Some(length) = step {
                    given.extend(vec![byte; *length]);
                    ahead.hold(vec![byte; *length].into());
                } else if let Some(data) = ahead.take() {
                    taken.extend(data);
                }
            }
            while let Some(data) = ahead.take() {
                taken.extend(data);
            }
            prop_assert_eq!(given, taken);
            prop_assert!(ahead.is_empty() && ahead.bytes == 0);
        }
    }
}
