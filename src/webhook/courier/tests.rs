use std::sync::Mutex;

use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::task::{JoinSet, yield_now};

use super::*;
use crate::cluster::Changes;
use crate::config::WebhookUrl;
use crate::health::{ProbeFailure, Stream};
use crate::observe::events::News;

/// What a receiver does with a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Does {
    Answers(&'static str),
    /// It says nothing and holds the connection.
    Hangs,
    /// It goes on with interim answers.
    Chatters,
    Refuses,
}

/// A receiver in memory: what it does next, and what it was told.
#[derive(Debug)]
struct Fake {
    does: Mutex<Does>,
    told: Mutex<Vec<(Instant, String)>>,
    busy: Mutex<JoinSet<()>>,
}

#[derive(Debug, Clone)]
struct ToFake(Arc<Fake>);

impl Connector for ToFake {
    async fn connect(&self, _: &WebhookUrl, _: Instant) -> Result<Stream, Failure> {
        let does = *self.0.does.lock().unwrap();
        if does == Does::Refuses {
            return Err(ProbeFailure::NoAddress.into());
        }
        let (ours, theirs) = duplex(1 << 16);
        let fake = Arc::clone(&self.0);
        self.0.busy.lock().unwrap().spawn(async move {
            let mut theirs = theirs;
            let mut request = Vec::new();
            while !request.ends_with(b"\"}") {
                if theirs.read_buf(&mut request).await.unwrap_or(0) == 0 {
                    return;
                }
            }
            let request = String::from_utf8(request).unwrap();
            let (_, body) = request.split_once("\r\n\r\n").unwrap();
            let told = (Instant::now(), body.to_owned());
            fake.told.lock().unwrap().push(told);
            match does {
                // Who asks may be gone.
                Does::Answers(answer) => drop(theirs.write_all(answer.as_bytes()).await),
                Does::Chatters => {
                    let interim = b"HTTP/1.1 102 Processing\r\n\r\n";
                    while theirs.write_all(interim).await.is_ok() {}
                }
                Does::Hangs | Does::Refuses => drop(theirs.read_buf(&mut Vec::new()).await),
            }
        });
        Ok(Box::new(ours))
    }
}

const OK: Does = Does::Answers("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
const ERROR: Does = Does::Answers("HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n");
const UNFIT: Does = Does::Answers("HTTP/1.1 422 No\r\nContent-Length: 0\r\n\r\n");
const REDIRECT: Does =
    Does::Answers("HTTP/1.1 307 Go\r\nLocation: http://elsewhere/\r\nContent-Length: 0\r\n\r\n");

fn webhook() -> Webhook {
    Webhook {
        tls: None,
        url: WebhookUrl::parse("http://alerts.internal/hush").unwrap(),
        kinds: vec!["state".to_owned()],
        token: None,
        timeout: Duration::from_secs(5),
        retry_time: Duration::from_mins(10),
        queue: 100,
    }
}

struct Stage {
    common: Arc<Common>,
    fake: Arc<Fake>,
    settings: watch::Sender<Settings>,
    courier: JoinSet<()>,
}

impl Stage {
    fn set(webhook: Option<Webhook>, does: Does) -> Self {
        let common = Common::new(&Arc::new(Changes::default()), 1000, 1);
        let fake = Arc::new(Fake {
            does: Mutex::new(does),
            told: Mutex::default(),
            busy: Mutex::default(),
        });
        let (settings, follows) = watch::channel(Settings { webhook, after: 0 });
        let mut courier = JoinSet::new();
        let to = ToFake(Arc::clone(&fake));
        courier.spawn(Courier::new(Arc::clone(&common), follows, to).run());
        Self {
            common,
            fake,
            settings,
            courier,
        }
    }

    fn tell(&self, text: &str) {
        self.common.events.tell(News {
            kind: "state".to_owned(),
            text: text.to_owned(),
            ..News::default()
        });
    }

    fn turn(&self, webhook: Option<&Webhook>) {
        let last = *self.common.events.watch().borrow();
        self.settings
            .send_if_modified(|it| it.follow(webhook, last));
    }

    fn does(&self, does: Does) {
        *self.fake.does.lock().unwrap() = does;
    }

    /// The texts that the receiver was told, in order.
    fn told(&self) -> Vec<String> {
        let told = self.fake.told.lock().unwrap();
        let text = |(_, body): &(Instant, String)| {
            let body: serde_json::Value = serde_json::from_str(body).unwrap();
            body["text"].as_str().unwrap().to_owned()
        };
        told.iter().map(text).collect()
    }

    /// Lets what can happen happen until then.
    async fn at(&self, seconds: f64) {
        sleep(Duration::from_secs_f64(seconds)).await;
        for _ in 0..50 {
            yield_now().await;
        }
    }

    fn requests(&self, result: Delivery) -> u64 {
        self.common.events.webhook.requests.value(result)
    }

    fn dropped(&self, reason: DropReason) -> u64 {
        self.common.events.webhook.dropped.value(reason)
    }

    async fn end(mut self) -> (Arc<Common>, Arc<Fake>, Duration) {
        let began = Instant::now();
        drop(self.settings);
        self.courier.join_next().await.unwrap().unwrap();
        (self.common, self.fake, began.elapsed())
    }
}

#[tokio::test(start_paused = true)]
async fn events_come_once_and_in_order() {
    let stage = Stage::set(Some(webhook()), OK);
    for text in ["a", "b", "c"] {
        stage.tell(text);
    }
    stage.at(0.1).await;
    stage.tell("d");
    stage.at(0.1).await;
    assert_eq!(stage.told(), ["a", "b", "c", "d"]);
    assert_eq!(stage.requests(Delivery::Delivered), 4);
    let first = stage.fake.told.lock().unwrap()[0].1.clone();
    let first: serde_json::Value = serde_json::from_str(&first).unwrap();
    assert_eq!(
        (&first["number"], &first["kind"]),
        (&1.into(), &"state".into())
    );
    assert_eq!(first["host"], super::super::message::host());
}

#[tokio::test(start_paused = true)]
async fn pauses_grow_and_are_short_again_after_a_delivery() {
    let stage = Stage::set(Some(webhook()), ERROR);
    let began = Instant::now();
    stage.tell("a");
    stage.at(100.0).await;
    let times: Vec<_> = {
        let told = stage.fake.told.lock().unwrap();
        told.iter()
            .map(|(at, _)| (*at - began).as_millis())
            .collect()
    };
    assert_eq!(
        times,
        [0, 500, 1500, 3500, 7500, 15500, 31500, 61500, 91500]
    );
    assert_eq!(stage.requests(Delivery::Status), 9);
    stage.does(OK);
    stage.at(22.0).await;
    assert_eq!(stage.requests(Delivery::Delivered), 1);
    stage.does(ERROR);
    stage.tell("b");
    stage.at(0.1).await;
    stage.does(OK);
    stage.at(0.5).await;
    assert_eq!(stage.told()[9..], ["a", "b", "b"]);
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_hangs_or_chatters_costs_its_time_out_and_no_more() {
    for does in [Does::Hangs, Does::Chatters] {
        let stage = Stage::set(Some(webhook()), does);
        stage.tell("a");
        stage.at(0.1).await;
        stage.tell("b");
        stage.at(5.0).await;
        let failed = stage.requests(Delivery::Timeout) + stage.requests(Delivery::Broken);
        assert!(failed >= 1, "{does:?}");
        stage.does(OK);
        stage.at(20.0).await;
        assert_eq!(stage.requests(Delivery::Delivered), 2, "{does:?}");
        assert_eq!(stage.told().last().unwrap(), "b");
    }
}

#[tokio::test(start_paused = true)]
async fn a_redirect_is_not_followed() {
    let stage = Stage::set(Some(webhook()), REDIRECT);
    stage.tell("a");
    stage.at(0.4).await;
    assert_eq!(stage.told(), ["a"]);
    assert_eq!(stage.requests(Delivery::Status), 1);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_the_receiver_does_not_take_is_passed_over() {
    let stage = Stage::set(Some(webhook()), UNFIT);
    stage.tell("a");
    stage.at(0.1).await;
    stage.does(OK);
    stage.tell("b");
    stage.at(0.1).await;
    assert_eq!(stage.told(), ["a", "b"]);
    assert_eq!(stage.dropped(DropReason::Unfit), 1);
}

#[tokio::test(start_paused = true)]
async fn events_that_cannot_be_delivered_grow_old() {
    let stage = Stage::set(Some(webhook()), Does::Refuses);
    stage.tell("a");
    stage.at(300.0).await;
    stage.tell("b");
    stage.at(330.0).await;
    assert_eq!(stage.dropped(DropReason::Old), 1);
    stage.does(OK);
    stage.at(31.0).await;
    assert_eq!(stage.told(), ["b"]);
    assert!(stage.requests(Delivery::Connect) > 20);
}

#[tokio::test(start_paused = true)]
async fn of_too_many_the_oldest_are_dropped() {
    let few = Webhook {
        queue: 2,
        ..webhook()
    };
    let stage = Stage::set(Some(few), Does::Refuses);
    for text in ["a", "b", "c", "d", "e"] {
        stage.tell(text);
        stage.at(0.001).await;
    }
    assert_eq!(stage.dropped(DropReason::Full), 2);
    stage.does(OK);
    stage.at(1.0).await;
    assert_eq!(stage.told(), ["a", "d", "e"]);
}

#[tokio::test(start_paused = true)]
async fn other_settings_are_followed_at_once_and_keep_what_waits() {
    let stage = Stage::set(Some(webhook()), Does::Hangs);
    stage.tell("a");
    stage.tell("b");
    stage.at(1.0).await;
    stage.does(OK);
    let other = Webhook {
        timeout: Duration::from_secs(1),
        ..webhook()
    };
    stage.turn(Some(&other));
    stage.at(0.1).await;
    assert_eq!(stage.told(), ["a", "a", "b"]);
    // Between the two nobody wants to know, whenever the courier hears of it.
    stage.turn(None);
    stage.tell("c");
    stage.turn(Some(&webhook()));
    stage.tell("d");
    stage.at(0.1).await;
    assert_eq!(stage.told()[3..], ["d"]);
    stage.does(Does::Hangs);
    stage.tell("e");
    stage.at(0.1).await;
    stage.turn(None);
    stage.at(0.1).await;
    assert_eq!(stage.dropped(DropReason::Ended), 1);
}

#[tokio::test(start_paused = true)]
async fn at_the_end_what_waits_has_a_last_chance() {
    let stage = Stage::set(Some(webhook()), Does::Refuses);
    stage.tell("a");
    stage.at(100.0).await;
    stage.tell("b");
    stage.does(OK);
    let fake = Arc::clone(&stage.fake);
    let (common, _, took) = stage.end().await;
    assert_eq!(fake.told.lock().unwrap().len(), 2);
    assert_eq!(common.events.webhook.requests.value(Delivery::Delivered), 2);
    assert!(took < Duration::from_millis(500), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn at_the_end_a_dead_receiver_is_not_waited_for() {
    for (does, most) in [
        (Does::Hangs, LAST_CHANCE),
        (Does::Refuses, Duration::ZERO),
        (ERROR, Duration::ZERO),
    ] {
        let stage = Stage::set(Some(webhook()), does);
        for text in ["a", "b", "c"] {
            stage.tell(text);
        }
        stage.at(0.1).await;
        let (common, _, took) = stage.end().await;
        assert!(
            took <= most + Duration::from_millis(10),
            "{does:?}: {took:?}"
        );
        assert_eq!(common.events.webhook.dropped.value(DropReason::Ended), 3);
    }
}
