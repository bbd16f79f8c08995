use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use super::*;

/// Of this machine; nothing connects to it by itself.
async fn listener() -> (TcpListener, String) {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap().to_string();
    (socket, address)
}

fn asker(address: &str, time: Duration) -> Asker {
    Asker::new(StoreAddress::parse(address).unwrap(), time)
}

/// Waits for a question, and says this.
async fn answer(stream: &mut TcpStream, says: &[u8]) {
    let mut question = [0; 512];
    assert!(stream.read(&mut question).await.unwrap() > 0);
    stream.write_all(says).await.unwrap();
}

fn is_late(told: &Result<bool, NoAnswer>) -> bool {
    matches!(told, Err(NoAnswer::Store(error)) if matches!(error.fault, Fault::Timeout(_)))
}

#[tokio::test]
async fn a_store_that_hangs_is_not_asked_again_over_a_new_connection() {
    let (socket, address) = listener().await;
    let asker = asker(&address, Duration::from_secs(20));
    let first = async {
        let (mut stream, _) = socket.accept().await.unwrap();
        answer(&mut stream, b"HD\r\n").await;
        stream
    };
    let (told, _hanging) = tokio::join!(asker.has(b"D2-n1"), first);
    assert!(told.unwrap());
    tokio::time::pause();
    tokio::select! {
        biased;
        _ = socket.accept() => panic!("a second connection"),
        told = asker.has(b"D2-n1") => assert!(is_late(&told), "{told:?}"),
    }
    assert_eq!(asker.idle.borrow().len(), 0);
}

#[tokio::test]
async fn a_store_that_was_restarted_is_asked_again() {
    let (socket, address) = listener().await;
    let asker = asker(&address, Duration::from_secs(20));
    for _ in 0..2 {
        let life = async {
            let (mut stream, _) = socket.accept().await.unwrap();
            answer(&mut stream, b"HD\r\n").await;
        };
        let (told, ()) = tokio::join!(asker.has(b"D2-n1"), life);
        assert!(told.unwrap());
    }
}

/// Signing in and the question are each within the time, and both together are not.
#[tokio::test]
async fn the_time_is_one_for_all_that_a_question_needs() {
    const TIME: Duration = Duration::from_millis(500);
    let (socket, address) = listener().await;
    let asker = asker(&format!("redis://:sesame@{address}"), TIME);
    let slow = async {
        let (mut stream, _) = socket.accept().await.unwrap();
        for says in [&b"+OK\r\n"[..], b":1\r\n"] {
            sleep(TIME.mul_f64(0.6)).await;
            answer(&mut stream, says).await;
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        told = asker.has(b"D2") => assert!(is_late(&told), "{told:?}"),
        () = slow => {}
    }
}
