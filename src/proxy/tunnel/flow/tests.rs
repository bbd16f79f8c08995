use std::collections::VecDeque;
use std::future::poll_fn;

use proptest::prelude::*;

use super::*;

/// Gives pieces, and waits now and then.
#[derive(Debug)]
struct Source(VecDeque<Option<Vec<u8>>>);

impl AsyncRead for Source {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.0.pop_front() {
            None => Poll::Ready(Ok(())),
            Some(None) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Some(Some(mut piece)) => {
                let rest = piece.split_off(piece.len().min(buf.remaining()));
                buf.put_slice(&piece);
                if !rest.is_empty() {
                    self.0.push_front(Some(rest));
                }
                Poll::Ready(Ok(()))
            }
        }
    }
}

/// Takes as much at a time as it is told, nothing where that is zero, and keeps it until flushed.
#[derive(Debug, Default)]
struct Sink {
    takes: VecDeque<usize>,
    kept: Vec<u8>,
    out: Vec<u8>,
    is_shut: bool,
}

impl AsyncWrite for Sink {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        assert!(!self.is_shut);
        match self.takes.pop_front() {
            Some(0) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            most => {
                let count = most.unwrap_or(usize::MAX).min(buf.len());
                self.kept.extend_from_slice(&buf[..count]);
                Poll::Ready(Ok(count))
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let kept = std::mem::take(&mut self.kept);
        self.out.extend(kept);
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        assert!(self.kept.is_empty(), "what was given must have left");
        self.is_shut = true;
        Poll::Ready(Ok(()))
    }
}

fn passed(pieces: Vec<Option<Vec<u8>>>, takes: Vec<usize>) -> (Vec<u8>, Flow) {
    let mut source = Source(pieces.into());
    let mut sink = Sink {
        takes: takes.into(),
        ..Sink::default()
    };
    let mut flow = Flow::default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(poll_fn(|cx| {
        let outcome = flow.poll(cx, &mut source, &mut sink);
        assert!(flow.rest.len() <= PIECE, "a piece ahead at most");
        if source.0.front() == Some(&None) && flow.written == flow.read {
            assert_eq!(
                flow.rest.capacity(),
                0,
                "nothing is held while nothing comes"
            );
            assert!(
                sink.kept.is_empty(),
                "and nothing is kept from the other side"
            );
        }
        outcome.map(|outcome| outcome.expect("neither breaks"))
    }));
    assert!(sink.is_shut && flow.is_over());
    (sink.out, flow)
}

proptest! {
    #[test]
    fn every_byte_leaves_once_and_in_its_order(
        pieces in prop::collection::vec(prop::option::of(1_usize..50_000), 0..12),
        takes in prop::collection::vec(0_usize..20_000, 0..40),
    ) {
        let mut next = 0_u8;
        let mut piece = |length: usize| -> Vec<u8> {
            (0..length).map(|_| { next = next.wrapping_add(31); next }).collect()
        };
        let pieces: Vec<_> = pieces.into_iter().map(|it| it.map(&mut piece)).collect();
        let all = pieces.iter().flatten().flatten().copied().collect::<Vec<u8>>();
        let (out, flow) = passed(pieces, takes);
        prop_assert_eq!(flow.written(), all.len() as u64);
        prop_assert_eq!(flow.moved(), 2 * all.len() as u64);
        prop_assert!(out == all);
    }
}

#[test]
fn what_breaks_is_told_apart() {
    let (mut one, other) = tokio::io::duplex(8);
    drop(other);
    let mut source = Source(VecDeque::from([Some(b"lost".to_vec())]));
    let mut flow = Flow::default();
    let cx = &mut Context::from_waker(std::task::Waker::noop());
    let outcome = flow.poll(cx, &mut source, &mut one);
    assert!(
        matches!(outcome, Poll::Ready(Err(Broken::Sink(_)))),
        "{outcome:?}"
    );
    assert!(flow.is_over());
    let mut source = breaking();
    let mut flow = Flow::default();
    let outcome = flow.poll(cx, &mut source, &mut Sink::default());
    assert!(
        matches!(outcome, Poll::Ready(Err(Broken::Source(_)))),
        "{outcome:?}"
    );
}

fn breaking() -> impl AsyncRead + Unpin {
    struct Breaks;
    impl AsyncRead for Breaks {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
        }
    }
    Breaks
}
