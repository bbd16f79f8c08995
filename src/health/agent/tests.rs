use std::sync::Mutex;

use tokio::net::TcpListener;

use crate::cluster::ConnectFault;
use crate::cluster::machine::AgentWord;

use super::*;

const LONG: Duration = Duration::from_secs(20);

/// Asks an agent that reads `asked` bytes and answers this.
async fn answer(sent: &str, answer: &[u8]) -> (Result<Said, AgentFailure>, Vec<u8>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut heard = vec![0; sent.len()];
        stream.read_exact(&mut heard).await.unwrap();
        // It may have heard enough and closed.
        stream.write_all(answer).await.ok();
        heard
    };
    let endpoint = Endpoint::of(address.ip(), address.port());
    tokio::join!(ask(&endpoint, sent.as_bytes(), LONG), serve)
}

#[tokio::test]
async fn an_agent_is_asked_and_its_first_line_heard() {
    for line in [
        &b"75% up\n"[..],
        b"75% up",
        b"75% up\r\ndown\n",
        b"75% up\n\xff\xff",
    ] {
        let (said, heard) = answer("jvm1\n", line).await;
        let said = said.unwrap();
        assert_eq!(said.percent, Some(75));
        assert_eq!(said.health, Some(AgentWord::Up));
        assert_eq!(heard, b"jvm1\n");
    }
}

#[tokio::test]
async fn what_is_no_line_of_an_agent_changes_nothing() {
    let (said, _) = answer("", b"").await;
    let ended = ProbeFailure::Ended.to_string();
    assert_eq!(said.unwrap_err().to_string(), ended);
    let (said, _) = answer("", b"SSH-2.0-x\x1b\n").await;
    assert_eq!(
        said.unwrap_err().to_string(),
        "no word of \"SSH-2.0-x\\\\x1b\" is known"
    );
    let (said, _) = answer("", &[b'u'; 4096]).await;
    assert!(matches!(said, Err(AgentFailure::TooLong)), "{said:?}");
}

#[tokio::test]
async fn an_agent_that_is_not_there_or_says_nothing_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let endpoint = Endpoint::of(address.ip(), address.port());
    let said = ask(&endpoint, b"", Duration::from_millis(50)).await;
    assert_eq!(said.unwrap_err().to_string(), "no answer within 50 ms");
    drop(listener);
    let said = ask(&endpoint, b"", LONG).await;
    assert!(matches!(
        said,
        Err(AgentFailure::Unheard(ProbeFailure::Connect {
            fault: ConnectFault::Refused,
            ..
        }))
    ));
}

struct Counting {
    began: Instant,
    asked: Mutex<Vec<u128>>,
}

impl Ward for &Counting {
    fn agent(&self) -> Option<Endpoint> {
        let at = self.began.elapsed().as_millis();
        self.asked.lock().unwrap().push(at);
        // Nobody wants to know.
        None
    }

    fn heard(&self, said: Result<Said, AgentFailure>) {
        panic!("nobody was asked: {said:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn agents_are_asked_at_their_interval() {
    let ward = Counting {
        began: Instant::now(),
        asked: Mutex::default(),
    };
    let pace = Pace::of("shop", "jvm1", Duration::from_secs(2), 0);
    let watch = watch_agent(&ward, None, LONG, pace);
    assert!(
        tokio::time::timeout(Duration::from_secs(7), watch)
            .await
            .is_err()
    );
    let asked = ward.asked.lock().unwrap();
    assert!(asked[0] < 2000 && asked.len() >= 3, "{asked:?}");
    assert!(
        asked.windows(2).all(|pair| pair[1] - pair[0] == 2000),
        "{asked:?}"
    );
}
