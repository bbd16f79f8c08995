//! Requests whose answers have not gone out to their end.
//!
//! The last piece of an answer may wait for the client's window in `h2`, where nothing bounds its
//! wait: its task is over by then. So the ends are counted at the socket.

use crate::frames::{Frame, Head};

/// The streams that a client has opened and that neither side has ended.
#[derive(Debug)]
pub(super) struct Unended {
    streams: Vec<u32>,
    /// The highest stream that was opened.
    last: u32,
    /// More are not kept: `h2` refuses them.
    most: usize,
}

impl Unended {
    pub(super) fn new(most: u32) -> Self {
        Self {
            streams: Vec::new(),
            last: 0,
            most: usize::try_from(most).unwrap_or(usize::MAX),
        }
    }

    pub(super) fn count(&self) -> usize {
        self.streams.len()
    }

    /// From the client.
    pub(super) fn received(&mut self, head: Head) {
        match head.frame {
            Frame::Fields if head.stream > self.last => {
                self.last = head.stream;
                if self.streams.len() < self.most {
                    self.streams.push(head.stream);
                }
            }
            Frame::Reset => self.end(head.stream),
            _ => {}
        }
    }

    /// To the client.
    pub(super) fn sent(&mut self, head: Head) {
        if head.is_last {
            self.end(head.stream);
        }
    }

    fn end(&mut self, stream: u32) {
        if let Some(place) = self.streams.iter().position(|it| *it == stream) {
            self.streams.swap_remove(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(frame: Frame, stream: u32, is_last: bool) -> Head {
        Head {
            frame,
            stream,
            is_last,
        }
    }

    #[test]
    fn a_stream_ends_with_its_answer_or_a_reset_of_either_side() {
        let mut unended = Unended::new(100);
        for stream in [1, 3, 5, 7] {
            unended.received(head(Frame::Fields, stream, true));
        }
        assert_eq!(unended.count(), 4);
        unended.sent(head(Frame::Fields, 1, false));
        unended.sent(head(Frame::Data, 1, false));
        unended.received(head(Frame::Data, 1, true));
        assert_eq!(unended.count(), 4);
        unended.sent(head(Frame::Data, 1, true));
        unended.sent(head(Frame::Fields, 3, true));
        unended.sent(head(Frame::Reset, 5, true));
        unended.received(head(Frame::Reset, 7, true));
        assert_eq!(unended.count(), 0);
    }

    #[test]
    fn trailers_and_what_comes_late_open_nothing() {
        let mut unended = Unended::new(100);
        unended.received(head(Frame::Fields, 3, false));
        unended.received(head(Frame::Fields, 3, true));
        unended.received(head(Frame::Fields, 1, true));
        assert_eq!(unended.count(), 1);
        unended.received(head(Frame::Reset, 3, true));
        unended.sent(head(Frame::Fields, 3, false));
        unended.received(head(Frame::Fields, 3, true));
        assert_eq!(unended.count(), 0);
    }

    #[test]
    fn no_more_are_kept_than_may_be_open() {
        let mut unended = Unended::new(2);
        for stream in 0..1000 {
            unended.received(head(Frame::Fields, 2 * stream + 1, true));
        }
        assert_eq!(unended.count(), 2);
    }
}
