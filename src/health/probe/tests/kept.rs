//! Connections that are kept from one check to the next.

use super::*;

#[tokio::test]
async fn a_connection_is_kept_where_the_answer_has_an_end() {
    let chunked = "HTTP/1.1 503\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nOK\r\n0\r\n\r\n";
    let empty = "HTTP/1.1 204\r\n\r\n";
    let (address, served) = backend(vec![vec![OK, chunked, empty, OK]]).await;
    let mut network = network(&health(LONG));
    for passes in [true, false, true, true] {
        let found = network.check(&tcp(&[address])).await;
        assert_eq!(found.verdict.is_ok(), passes);
    }
    assert_eq!(served.await.unwrap().len(), 4);
}

#[tokio::test]
async fn a_connection_is_not_kept_where_anything_speaks_against_it() {
    for answer in [
        "HTTP/1.0 200\r\nContent-Length: 2\r\n\r\nOK",
        "HTTP/1.1 200\r\nContent-Length: 2\r\nConnection: x, Close\r\n\r\nOK",
        "HTTP/1.1 200\r\n\r\nOK",
        "HTTP/1.1 200\r\nContent-Length: 1\r\n\r\nOK",
        "HTTP/1.1 200\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nOK",
        "HTTP/1.1 200\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n",
        "HTTP/1.1 200\r\nContent-Length: +2\r\n\r\nOK",
    ] {
        let (address, served) = backend(vec![vec![answer], vec![OK]]).await;
        let mut network = network(&health(LONG));
        for _ in 0..2 {
            network.check(&tcp(&[address])).await.verdict.unwrap();
        }
        assert_eq!(served.await.unwrap().len(), 2, "{answer}");
    }
}

#[tokio::test]
async fn a_slow_rest_of_an_answer_delays_no_verdict() {
    let slow = "HTTP/1.1 200\r\nContent-Length: 10\r\n\r\nhalf:";
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = tcp(&[listener.local_addr().unwrap()]);
    let mut network = network(&health(LONG));
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_question(&mut stream).await;
        stream.write_all(slow.as_bytes()).await.unwrap();
        stream
    };
    let (found, _held) = tokio::join!(network.check(&endpoint), serve);
    assert_eq!(found.verdict.unwrap(), Verdict::Passes);
    assert!(network.kept.is_none());
}

#[tokio::test]
async fn a_connection_that_was_closed_meanwhile_is_made_anew_once() {
    let (address, served) = backend(vec![vec![OK], vec![OK], vec![]]).await;
    let mut network = network(&health(LONG));
    for _ in 0..2 {
        network.check(&tcp(&[address])).await.verdict.unwrap();
    }
    // The third is accepted and closed without a word: that is a failure.
    let third = network.check(&tcp(&[address])).await.verdict;
    assert!(
        matches!(third, Err(ProbeFailure::Ended | ProbeFailure::Broken(_))),
        "{third:?}"
    );
    assert_eq!(served.await.unwrap().len(), 2);
}

#[tokio::test]
async fn what_comes_unasked_on_a_kept_connection_is_no_answer() {
    let late = "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n";
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = tcp(&[listener.local_addr().unwrap()]);
    let mut network = network(&health(LONG));
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_question(&mut stream).await;
        stream.write_all(OK.as_bytes()).await.unwrap();
        stream
    };
    let (first, mut kept) = tokio::join!(network.check(&endpoint), serve);
    first.verdict.unwrap();
    kept.write_all(late.as_bytes()).await.unwrap();
    let Some(ours) = &mut network.kept else {
        panic!("not kept")
    };
    // Until it has come through the loopback.
    while is_quiet(&mut ours.stream).await {
        tokio::task::yield_now().await;
    }
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_question(&mut stream).await;
        stream.write_all(OK.as_bytes()).await.unwrap();
    };
    let (second, ()) = tokio::join!(network.check(&endpoint), serve);
    second.verdict.unwrap();
}

#[tokio::test]
async fn a_backend_that_was_down_or_moved_is_asked_over_a_new_connection() {
    let (address, served) = backend(vec![vec![OK], vec![OK]]).await;
    let mut network = network(&health(LONG));
    network.check(&tcp(&[address])).await.verdict.unwrap();
    network.forget_connection();
    network.check(&tcp(&[address])).await.verdict.unwrap();
    served.await.unwrap();

    let (other, served) = backend(vec![vec![OK]]).await;
    network.check(&tcp(&[other])).await.verdict.unwrap();
    served.await.unwrap();
}
