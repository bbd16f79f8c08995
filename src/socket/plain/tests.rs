use std::future::Future;
use std::time::Duration;

use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::runtime::{Builder, LocalOptions};
use tokio::task::yield_now;
use tokio::time::timeout;

use super::*;
use crate::socket::attend;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// On a thread whose rounds somebody attends to.
fn in_rounds(test: impl Future<Output = ()>) {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default())
        .unwrap();
    runtime.block_on(async {
        let rounds = spawn_local(attend());
        yield_now().await;
        timeout(PATIENCE, test).await.expect("it hangs");
        rounds.abort();
        assert!(rounds.await.unwrap_err().is_cancelled());
    });
}

fn pair() -> (Plain, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    (Plain::new(Kernel::Unix(ours)), theirs)
}

/// What has come by now.
fn come(theirs: &UnixStream) -> Vec<u8> {
    let mut all = vec![0; 1 << 20];
    match theirs.try_read(&mut all) {
        Ok(count) => all.truncate(count),
        Err(error) => {
            assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
            all.clear();
        }
    }
    all
}

/// Small pieces until the kernel and we are full.
async fn fill(socket: &mut Plain) -> usize {
    let mut count = 0;
    loop {
        let piece = [b'.'; 1000];
        let written = poll_fn(|cx| Poll::Ready(Pin::new(&mut *socket).poll_write(cx, &piece)));
        match written.await {
            Poll::Ready(written) => count += written.unwrap(),
            Poll::Pending => return count,
        }
        yield_now().await;
    }
}

#[test]
fn small_pieces_wait_for_the_end_of_the_round() {
    in_rounds(async {
        let (mut first, at_first) = pair();
        let (mut second, at_second) = pair();
        first.write_all(b"ab").await.unwrap();
        second.write_all(b"c").await.unwrap();
        first.write_all(b"de").await.unwrap();
        first.flush().await.unwrap();
        assert_eq!((first.sent(), come(&at_first)), (0, vec![]));
        yield_now().await;
        assert_eq!((first.sent(), second.sent()), (4, 1));
        at_first.readable().await.unwrap();
        assert_eq!(come(&at_first), b"abde");
        at_second.readable().await.unwrap();
        assert_eq!(come(&at_second), b"c");
    });
}

#[test]
fn large_ones_do_not_wait_and_overtake_nobody() {
    in_rounds(async {
        let (mut socket, mut theirs) = pair();
        let large = vec![b'x'; SMALL + 1];
        socket.write_all(b"first").await.unwrap();
        socket.write_all(&large).await.unwrap();
        assert_eq!(socket.sent(), 5 + large.len() as u64);
        let mut read = vec![0; 5 + large.len()];
        theirs.read_exact(&mut read).await.unwrap();
        assert!(read.starts_with(b"firstxxx"));
    });
}

#[test]
fn many_sockets_do_not_wait_for_the_last() {
    in_rounds(async {
        let mut pairs: Vec<_> = (0..40).map(|_| pair()).collect();
        for (socket, _) in &mut pairs {
            socket.write_all(b"x").await.unwrap();
        }
        let sent: u64 = pairs.iter().map(|(socket, _)| socket.sent()).sum();
        assert!(
            (30..40).contains(&sent),
            "{sent} of 40 in the middle of the round"
        );
        yield_now().await;
        assert!(pairs.iter().all(|(socket, _)| socket.sent() == 1));
    });
}

#[test]
fn an_end_that_sending_has_found_broken_is_none_in_good_order() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    in_rounds(async {
        let tcp = tokio::net::TcpStream::connect(address).await.unwrap();
        let mut socket = Plain::new(Kernel::Tcp(tcp));
        let (theirs, _) = listener.accept().unwrap();
        // Known to the kernel, and not yet to us.
        let theirs = socket2::Socket::from(theirs);
        theirs.set_linger(Some(Duration::ZERO)).unwrap();
        drop(theirs);
        socket.write_all(b"a piece").await.unwrap();
        yield_now().await;
        let broken = socket.read_to_end(&mut Vec::new()).await.unwrap_err();
        assert_eq!(
            (broken.kind(), socket.sent()),
            (ErrorKind::ConnectionReset, 0)
        );
    });
}

#[test]
fn where_nobody_attends_all_is_sent_at_once() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (mut socket, _theirs) = pair();
        socket.write_all(b"x").await.unwrap();
        assert_eq!(socket.sent(), 1);
    });
}

#[test]
fn what_is_given_up_is_never_sent() {
    in_rounds(async {
        let (mut socket, theirs) = pair();
        socket.write_all(b"a request").await.unwrap();
        socket.give_up();
        drop(socket);
        theirs.readable().await.unwrap();
        assert_eq!(come(&theirs), b"", "the end alone");
    });
}

#[test]
fn what_waits_goes_out_before_the_socket_is_closed() {
    in_rounds(async {
        let (mut socket, mut theirs) = pair();
        socket.write_all(b"bye").await.unwrap();
        drop(socket);
        let mut read = Vec::new();
        theirs.read_to_end(&mut read).await.unwrap();
        assert_eq!(read, b"bye");
        let (mut socket, mut theirs) = pair();
        socket.write_all(b"half").await.unwrap();
        socket.shutdown().await.unwrap();
        theirs.read_to_end(&mut read).await.unwrap();
        assert_eq!(read, b"byehalf");
        assert_eq!(socket.sent(), 4);
    });
}

#[test]
fn what_the_other_end_takes_late_is_sent_although_nobody_writes_any_more() {
    in_rounds(async {
        let (mut socket, mut theirs) = pair();
        let mut count = 0;
        while !socket.0.is_refused() {
            socket.write_all(&[b'.'; 1000]).await.unwrap();
            count += 1000;
            yield_now().await;
        }
        assert!(socket.sent() < count);
        let mut left = count;
        while left > 0 {
            let mut all = vec![0; 1 << 16];
            left -= theirs.read(&mut all).await.unwrap() as u64;
        }
        assert_eq!(socket.sent(), count);
        socket.flush().await.unwrap();
    });
}

#[test]
fn whom_the_other_end_makes_wait_is_told_so_whatever_it_writes() {
    in_rounds(async {
        let (mut socket, _theirs) = pair();
        while !socket.0.is_refused() {
            socket.write_all(&[b'.'; 1000]).await.unwrap();
            yield_now().await;
        }
        let (written, sent) = (socket.written(), socket.sent());
        assert!(sent < written && socket.is_refused());
        for _ in 0..3 {
            let flush = poll_fn(|cx| Poll::Ready(Pin::new(&mut socket).poll_flush(cx))).await;
            assert!(flush.is_pending());
            let write = poll_fn(|cx| Poll::Ready(Pin::new(&mut socket).poll_write(cx, b"x"))).await;
            assert!(write.is_pending(), "though there is room for one more byte");
            yield_now().await;
        }
        assert_eq!((socket.written(), socket.sent()), (written, sent));
    });
}

#[test]
fn whom_nobody_else_tells_learns_by_reading_that_nothing_can_be_sent() {
    in_rounds(async {
        let (mut socket, mut theirs) = pair();
        theirs.write_all(b"came before").await.unwrap();
        // As when the kernel has no memory left.
        socket.0.unsent.borrow_mut().fault = Some(ErrorKind::OutOfMemory.into());
        let told = poll_fn(|cx| socket.0.poll_told(cx));
        told.await;
        let mut read = Vec::new();
        let broken = socket.read_to_end(&mut read).await.unwrap_err();
        assert_eq!(
            (&*read, broken.kind()),
            (&b"came before"[..], ErrorKind::OutOfMemory)
        );
        let fault = socket.flush().await.unwrap_err();
        assert_eq!(fault.kind(), ErrorKind::OutOfMemory);
    });
}

#[test]
fn who_takes_no_more_may_still_speak() {
    in_rounds(async {
        let (mut socket, mut theirs) = pair();
        rustix::net::shutdown(&theirs, rustix::net::Shutdown::Read).unwrap();
        socket.write_all(b"a request").await.unwrap();
        yield_now().await;
        theirs.write_all(b"a refusal").await.unwrap();
        drop(theirs);
        let mut read = Vec::new();
        socket.read_to_end(&mut read).await.unwrap();
        assert_eq!(read, b"a refusal");
        let fault = socket.flush().await.unwrap_err();
        assert_eq!((fault.kind(), socket.sent()), (ErrorKind::BrokenPipe, 0));
    });
}

#[test]
fn who_attends_no_more_leaves_nobody_behind() {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default())
        .unwrap();
    runtime.block_on(async {
        let (mut socket, mut theirs) = pair();
        let mut rounds = Box::pin(attend());
        assert!(poll_fn(|cx| Poll::Ready(rounds.as_mut().poll(cx).is_pending())).await);
        socket.write_all(b"last words").await.unwrap();
        assert_eq!(socket.sent(), 0);
        drop(rounds);
        assert_eq!(socket.sent(), 10);
        socket.write_all(b"!").await.unwrap();
        drop(socket);
        let mut read = Vec::new();
        theirs.read_to_end(&mut read).await.unwrap();
        assert_eq!(read, b"last words!");
    });
}

#[test]
fn who_waits_for_room_is_woken_whatever_the_round_does() {
    in_rounds(async {
        let (mut socket, mut theirs) = pair();
        let count = fill(&mut socket).await;
        let writing = spawn_local(async move {
            // Behind what waits, and by its own waker.
            socket.write_all(&vec![b'y'; 4 * SMALL]).await.unwrap();
            socket.write_all(b"z").await.unwrap();
            socket.flush().await.unwrap();
            socket
        });
        let mut read = vec![0; count + 4 * SMALL + 1];
        theirs.read_exact(&mut read).await.unwrap();
        assert!(read.ends_with(b"yyyz"));
        drop(writing.await.unwrap());
    });
}

#[test]
fn whoever_writes_next_is_told_that_the_other_end_is_gone() {
    in_rounds(async {
        let (mut socket, theirs) = pair();
        socket.write_all(b"a").await.unwrap();
        yield_now().await;
        drop(theirs);
        socket.write_all(b"b").await.unwrap();
        yield_now().await;
        let gone = socket.flush().await.unwrap_err();
        assert_eq!(gone.kind(), io::ErrorKind::BrokenPipe);
        assert_eq!(socket.sent(), 1, "the last one is known not to have gone");
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn all_comes_in_its_order(
        pieces in prop::collection::vec(prop_oneof![0_usize..50, 900..9000_usize, 30_000..300_000_usize], 1..30),
        reads in prop::collection::vec(1_usize..100_000, 1..5),
        pauses in prop::collection::vec(0_usize..3, 1..5),
    ) {
        in_rounds(async move {
            let (mut socket, mut theirs) = pair();
            let all: usize = pieces.iter().sum();
            let writing = spawn_local(async move {
                for (number, (length, pause)) in (0_u8..).zip(pieces.iter().zip(pauses.iter().cycle())) {
                    socket.write_all(&vec![number; *length]).await.unwrap();
                    for _ in 0..*pause {
                        yield_now().await;
                    }
                }
                let expected: Vec<u8> =
                    (0_u8..).zip(&pieces).flat_map(|(number, length)| vec![number; *length]).collect();
                socket.shutdown().await.unwrap();
                (expected, socket.sent())
            });
            let mut read = Vec::with_capacity(all);
            let mut sizes = reads.iter().cycle();
            loop {
                let mut some = vec![0; *sizes.next().unwrap()];
                match theirs.read(&mut some).await.unwrap() {
                    0 => break,
                    count => read.extend_from_slice(&some[..count]),
                }
                yield_now().await;
            }
            let (expected, sent) = writing.await.unwrap();
            assert!(read == expected);
            assert_eq!(sent, all as u64);
        });
    }
}
