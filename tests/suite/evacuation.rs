//! A Tomcat is emptied while it serves: its sessions move, each with its client's next request, and
//! nobody notices.

use std::path::Path;
use std::time::Duration;

use cattail::standin::{Manager, SharedSessions};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::administer_stage::*;
use super::affinity_stage::{bindings, counted, counts, issues, served, shows};
use super::harness::*;

/// All browsers are at one address.
const CROWD: &str = "limits: { connections_per_client: 0 }\n";

/// Three Tomcats on one store.
struct Cluster {
    sessions: SharedSessions,
    tomcats: [Tomcat; 3],
}

impl Cluster {
    fn of(manager: Manager) -> Self {
        let sessions = SharedSessions::default();
        let tomcats = ["jvm1", "jvm2", "jvm3"].map(|route| {
            Tomcat::build(route, |tomcat| {
                let tomcat = tomcat.sessions(&sessions).store_node("n1");
                tomcat
                    .manager(manager)
                    .backup_delay(Duration::from_millis(50))
            })
        });
        Self { sessions, tomcats }
    }

    fn administered(&self, more: &str) -> Administered {
        let all = self.tomcats.each_ref();
        let more = format!("slow_start: 0s\nreplicated: true\n{more}");
        Administered::start(&(CROWD.to_owned() + &sticky_cluster(&all, &more)))
    }
}

fn evacuate(rate: u32) -> Value {
    json!({ "state": "evacuating", "rate": rate })
}

fn stage(status: &Value) -> &str {
    status["evacuation"]["stage"].as_str().unwrap_or("none")
}

fn over(proxy: &Administered, backend: &str) -> Value {
    eventually("the evacuation is over", || {
        matches!(
            stage(&proxy.backend(backend)),
            "done" | "cut_off" | "stopped"
        )
    });
    proxy.backend(backend)
}

const QUICK: &str = "drain: { backup_delay: 500ms }\nhealth: { path: /echo, interval: 50ms }";

fn all_kept(manager: Manager) {
    let cluster = Cluster::of(manager);
    let proxy = cluster.administered(QUICK);
    let findings = Browsers::new(90, 6).browse(&proxy.addresses(), |browsers| {
        proxy.put("jvm1", "state", &evacuate(100)).expect(200);
        browsers.go_on(3);
        let status = over(&proxy, "jvm1");
        assert_eq!(
            (stage(&status), &status["state"]),
            ("done", &json!("disabled")),
            "{status}"
        );
        assert_eq!(status["requests_in_flight"], 0, "{status}");
        let (moved, lost) = (
            &status["evacuation"]["moved"],
            &status["evacuation"]["lost"],
        );
        assert!(moved.as_u64() >= Some(20), "{status}");
        assert_eq!(lost, 0, "{status}");
        // It may be stopped: nobody is asking it.
        cluster.tomcats[0].kill();
        browsers.go_on(2);
        cluster.tomcats[0].restart().expect("restarts");
        proxy
            .put("jvm1", "state", &json!({ "state": "up" }))
            .expect(200);
        eventually("it is up", || proxy.backend("jvm1")["state"] == "up");
        browsers.go_on(2);
    });
    assert!(findings.is_clean(), "{findings}");
    assert_eq!(findings.harmed(), 0, "{findings}");
    let truth = cluster.sessions.truth();
    assert_eq!((truth.issued, truth.live), (90, 90), "{truth:#?}");
    let harmed = truth.lost + truth.forked + truth.stale + truth.outdated;
    assert_eq!(harmed, 0, "{truth:#?}");
}

#[test]
fn browsers_keep_their_sticky_sessions_when_a_tomcat_is_emptied_and_restarted() {
    all_kept(Manager::Sticky);
}

#[test]
fn browsers_keep_their_non_sticky_sessions_when_a_tomcat_is_emptied_and_restarted() {
    all_kept(Manager::NonSticky);
}

// === one session at a time ===

/// Two Tomcats that answer at will, behind a proxy whose sessions can move.
struct Pair {
    tomcats: [Tomcat; 2],
    proxy: Administered,
}

impl Pair {
    fn with(more: &str) -> Self {
        let tomcats = tomcats(["jvm1", "jvm2"]);
        let more =
            format!("slow_start: 0s\nreplicated: true\nhealth: {{ interval: 50ms }}\n{more}");
        let proxy = Administered::start(&sticky_cluster(&tomcats.each_ref(), &more));
        Self { tomcats, proxy }
    }

    fn asked(&self, path: &str, id: &str) -> String {
        served(self.proxy.address(), &shows(path, id))
    }

    /// Orders it, and waits until all sessions are marked.
    fn evacuate(&self, more: &Value) {
        self.begin(more);
        self.wait_marked();
    }

    fn wait_marked(&self) {
        eventually("all are marked", || {
            self.proxy.backend("jvm1")["evacuation"]["marked_percent"] == 100
        });
    }

    fn begin(&self, more: &Value) {
        let mut order = json!({ "state": "evacuating", "rate": 1_000_000 });
        order
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        self.proxy.put("jvm1", "state", &order).expect(200);
    }
}

/// Nothing closes while a request is there.
fn held(pair: &Pair, path: &str, id: &str) -> Raw {
    let tomcat = &pair.tomcats[0];
    tomcat.hold(path);
    let mut client = Raw::connect(pair.proxy.address());
    client.send(shows(path, id).bytes());
    eventually("it is there", || !tomcat.requests_to(path).is_empty());
    client
}

const NO_DELAY: &str = "drain: { backup_delay: 100ms }";

#[test]
fn a_session_stays_as_long_as_a_request_of_it_is_there() {
    let pair = Pair::with(NO_DELAY);
    // From before the order, and from after it.
    let mut before = held(&pair, "/echo/before", "A1.jvm1");
    pair.evacuate(&json!({}));
    assert_eq!(pair.asked("/echo", "A1.jvm1"), "jvm1");
    assert_eq!(pair.asked("/echo", "A2.jvm1"), "jvm2");
    pair.tomcats[0].release("/echo/before");
    assert_eq!(before.read_response().tomcat(), "jvm1");
    // The worker that had it has to say so first.
    eventually("it moves with the next one", || {
        pair.asked("/echo", "A1.jvm1") == "jvm2"
    });
    let counted = bindings(&pair.proxy);
    assert!(counted["evacuated"] >= 2, "{counted:?}");
}

#[test]
fn a_session_that_was_answered_just_now_waits_for_its_backup() {
    let pair = Pair::with("drain: { backup_delay: 1500ms }");
    let mut other = held(&pair, "/echo/held", "A9.jvm1");
    pair.begin(&json!({}));
    let mut long = held(&pair, "/echo/long", "A1.jvm1");
    pair.wait_marked();
    pair.tomcats[0].release("/echo/long");
    long.read_response().expect(200);
    // Until its worker has told that it is over, it may seem to be there.
    let mut answered = Instant::now();
    while pair.asked("/echo", "A1.jvm1") == "jvm1" {
        answered = Instant::now();
    }
    let waited = answered.elapsed();
    assert!(waited >= Duration::from_millis(1400), "{waited:?}");
    in_parallel(4, |_| assert_eq!(pair.asked("/echo", "A1.jvm1"), "jvm2"));
    pair.tomcats[0].release("/echo/held");
    other.read_response().expect(200);
}

/// What the proxy says would become of a request with this session.
fn explained(pair: &Pair, id: &str) -> Value {
    let question = json!({ "url": "/echo", "cookie": format!("JSESSIONID={id}") });
    let ask = Request::post("/explain", question.to_string());
    let ask = ask.header("Content-Type", "application/json");
    pair.proxy.ask(ask).expect(200).json()
}

/// When the session leaves, to whom, and where its next request goes.
fn leaves(pair: &Pair, id: &str) -> [String; 4] {
    let found = explained(pair, id);
    let (leaving, choice) = (&found["leaving"], &found["choice"]);
    let parts = [
        &leaving["when"],
        &leaving["to"],
        &choice["backend"],
        &choice["binding"],
    ];
    parts.map(|part| part.as_str().unwrap_or_default().to_owned())
}

#[test]
fn a_session_that_is_to_leave_is_explained() {
    let pair = Pair::with(NO_DELAY);
    assert_eq!(explained(&pair, "A1.jvm1")["leaving"], Value::Null);
    let mut before = held(&pair, "/echo/before", "A1.jvm1");
    pair.evacuate(&json!({}));
    let answered = ["answered", "jvm2", "jvm1", "owner"];
    assert_eq!(leaves(&pair, "A1.jvm1"), answered);
    let mut after = held(&pair, "/echo/after", "A1.jvm1");
    assert_eq!(leaves(&pair, "A1.jvm1")[..3], answered[..3]);
    let now = ["now", "jvm2", "jvm2", "evacuated"];
    assert_eq!(leaves(&pair, "A2.jvm1"), now);
    assert_eq!(pair.asked("/echo", "A2.jvm1"), "jvm2");
    assert_eq!(explained(&pair, "A2.jvm2")["leaving"], Value::Null);
    pair.tomcats[0].release("/echo/before");
    pair.tomcats[0].release("/echo/after");
    before.read_response().expect(200);
    after.read_response().expect(200);
    eventually("it may leave", || leaves(&pair, "A1.jvm1") == now);
}

#[test]
fn a_session_whose_turn_has_not_come_is_explained() {
    let pair = Pair::with("drain: { backup_delay: 10s }");
    pair.begin(&json!({}));
    let marked = ["marked", "jvm2", "jvm1", "owner"];
    assert_eq!(leaves(&pair, "A1.jvm1"), marked);
}

#[test]
fn a_session_that_waits_for_its_backup_is_explained() {
    let pair = Pair::with("drain: { backup_delay: 2s }");
    let mut other = held(&pair, "/echo/held", "A9.jvm1");
    pair.begin(&json!({}));
    let mut long = held(&pair, "/echo/long", "A1.jvm1");
    pair.wait_marked();
    pair.tomcats[0].release("/echo/long");
    long.read_response().expect(200);
    let mut rest = None;
    eventually("it rests", || {
        let found = explained(&pair, "A1.jvm1");
        assert_ne!(found["leaving"]["when"], "now", "{found}");
        rest = found["leaving"]["rest_ms"].as_u64();
        found["leaving"]["when"] == "rested" && found["choice"]["backend"] == "jvm2"
    });
    assert!(rest.is_some_and(|rest| rest <= 2000), "{rest:?}");
    pair.tomcats[0].release("/echo/held");
    other.read_response().expect(200);
}

#[test]
fn what_is_there_at_the_deadline_is_ended() {
    let pair = Pair::with(NO_DELAY);
    let mut tunnel = Raw::connect(pair.proxy.address());
    let offer = "GET /upgrade HTTP/1.1\r\nHost: a\r\nCookie: JSESSIONID=A1.jvm1\r\n\
                 Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    tunnel.send(offer);
    assert_eq!(tunnel.read_interim().status, 101);
    assert_eq!(pair.asked("/echo", "A1.jvm1"), "jvm1");
    let mut repeated = held(&pair, "/echo/get", "A2.jvm1");
    pair.tomcats[0].hold("/echo/post");
    let mut once = Raw::connect(pair.proxy.address());
    let post = Request::post("/echo/post", "a=b").header("Cookie", "JSESSIONID=A3.jvm1");
    once.send(post.bytes());
    eventually("it is there", || {
        !pair.tomcats[0].requests_to("/echo/post").is_empty()
    });
    pair.evacuate(&json!({ "deadline_s": 2 }));
    eventually("all are named", || {
        let now = pair.proxy.backend("jvm1");
        let open: Vec<_> = now["open"].as_array().into_iter().flatten().collect();
        let tunnels = open.iter().filter(|it| it["kind"] == "tunnel").count();
        (open.len(), tunnels) == (3, 1)
    });
    // Whose tunnel is there stays there.
    assert_eq!(pair.asked("/echo", "A1.jvm1"), "jvm1");
    let status = over(&pair.proxy, "jvm1");
    assert_eq!(
        (stage(&status), &status["state"]),
        ("cut_off", &json!("disabled"))
    );
    assert_eq!(repeated.read_response().expect(200).tomcat(), "jvm2");
    assert_eq!(once.read_response().status(), 502);
    tunnel.read_to_end();
    eventually("it is counted as that", || {
        let metrics = pair.proxy.metrics();
        metrics.value("cattail_tunnels_ended_total", &[("reason", "evacuated")]) == 1
    });
    eventually("nothing is there", || {
        pair.proxy.backend("jvm1")["requests_in_flight"] == 0
    });
}

#[test]
fn lost_sessions_stop_an_evacuation() {
    let pair = Pair::with(NO_DELAY);
    let alive = ["A1.jvm1", "A2.jvm1", "A3.jvm1"];
    for id in alive {
        assert_eq!(pair.asked("/echo", id), "jvm1");
    }
    let mut held = held(&pair, "/echo/held", "A9.jvm1");
    pair.evacuate(&json!({}));
    // Of ids that nobody knew, nobody can say that they were alive.
    for id in ["D1.jvm1", "D2.jvm1", "D3.jvm1"] {
        assert_eq!(pair.asked("/session", id), "jvm2");
    }
    // The survivor does not know these either.
    for id in alive {
        assert_eq!(pair.asked("/session", id), "jvm2");
    }
    let status = over(&pair.proxy, "jvm1");
    assert_eq!(
        (stage(&status), &status["state"]),
        ("stopped", &json!("draining"))
    );
    assert_eq!(status["evacuation"]["lost"], 3);
    assert_eq!(pair.asked("/echo", "A4.jvm1"), "jvm1");
    let lost = counted(&pair.proxy, "cattail_sessions_lost_total", "cause");
    assert_eq!(lost, counts([("evacuated", 6)]));
    pair.tomcats[0].release("/echo/held");
    held.read_response().expect(200);
    let waited = pair.proxy.command(&["evacuate", "jvm2", "--wait"]);
    assert_eq!(waited.status.code(), Some(2), "the last one: {waited:?}");
}

#[test]
fn a_session_whose_copy_no_store_has_stays() {
    let tomcats = tomcats(["jvm1", "jvm2"]);
    let store = Pulse::start();
    let more = format!(
        "slow_start: 0s\nhealth: {{ interval: 50ms }}\n{NO_DELAY}\n\
         stores: {{ memcached: {{ n1: '{}' }}, interval: 100ms, timeout: 10s }}",
        store.address()
    );
    let proxy = Administered::start(&sticky_cluster(&tomcats.each_ref(), &more));
    let pair = Pair { tomcats, proxy };
    store.holds(&["A1-n1.jvm1"]);
    let mut held = held(&pair, "/echo/held", "A9-n1.jvm1");
    pair.evacuate(&json!({}));
    assert_eq!(pair.asked("/echo", "A1-n1.jvm1"), "jvm2");
    assert_eq!(pair.asked("/echo", "A2-n1.jvm1"), "jvm1");
    assert_eq!(pair.asked("/echo", "A2-n1.jvm1"), "jvm1");
    let status = pair.proxy.backend("jvm1");
    let tally = &status["evacuation"];
    assert_eq!(
        (&tally["without_copy"], &tally["lost"]),
        (&json!(1), &json!(0)),
        "{status}"
    );
    pair.tomcats[0].release("/echo/held");
    held.read_response().expect(200);
}

/// A shell command that has the Tomcat restarted by [`restart_on_request`], and waits for that.
fn request_for_restart(folder: &Path) -> String {
    let of = format!("{}/$CATTAIL_BACKEND", folder.display());
    format!(
        "echo $CATTAIL_ROUTE > {of}.new && mv {of}.new {of}; while [ -e {of} ]; do sleep 0.02; done"
    )
}

fn restart_on_request(cluster: &Cluster, folder: &Path) {
    for tomcat in &cluster.tomcats {
        let wanted = folder.join(tomcat.name());
        eventually("its restart is wanted", || wanted.exists());
        let route = std::fs::read_to_string(&wanted).unwrap();
        assert_eq!(route.trim(), tomcat.name());
        tomcat.kill();
        tomcat.restart().expect("restarts");
        std::fs::remove_file(wanted).unwrap();
    }
}

#[test]
fn all_backends_are_restarted_one_after_the_other() {
    let cluster = Cluster::of(Manager::Sticky);
    let proxy = cluster.administered(QUICK);
    let folder = tempfile::tempdir().unwrap();
    let findings = Browsers::new(60, 4).browse(&proxy.addresses(), |_| {
        std::thread::scope(|scope| {
            scope.spawn(|| restart_on_request(&cluster, folder.path()));
            let command = request_for_restart(folder.path());
            let rolled = proxy.command(&["roll", "--rate", "200/s", "--restart-command", &command]);
            assert!(rolled.status.success(), "{rolled:?}");
        });
    });
    assert!(findings.is_clean(), "{findings}");
    assert_eq!(findings.harmed(), 0, "{findings}");
    for name in ["jvm1", "jvm2", "jvm3"] {
        assert_eq!(proxy.backend(name)["state"], "up");
    }
    // One that fails stops it there.
    let failed = proxy.command(&[
        "roll",
        "shop",
        "--rate",
        "1000",
        "--restart-command",
        "exit 7",
    ]);
    assert_eq!(failed.status.code(), Some(1), "{failed:?}");
    assert_eq!(proxy.backend("jvm1")["state"], "disabled");
    assert_eq!(proxy.backend("jvm2")["state"], "up");
}

/// As [`restart_on_request`] says nothing of it: a Tomcat that was only told to be enabled again may
/// still hold what it held.
#[test]
fn a_session_does_not_go_back_to_a_backend_that_was_not_restarted() {
    let pair = Pair::with(NO_DELAY);
    let mut held = held(&pair, "/echo/held", "A9.jvm1");
    pair.evacuate(&json!({}));
    issues(&pair.tomcats[1], "/taken", "A1.jvm2");
    assert_eq!(pair.asked("/taken", "A1.jvm1"), "jvm2");
    let up = |restarted: bool| {
        let order = json!({ "state": "up", "restarted": restarted });
        pair.proxy.put("jvm1", "state", &order).expect(200);
        eventually("it is up", || pair.proxy.backend("jvm1")["state"] == "up");
    };
    up(false);
    pair.tomcats[1].hold("/echo/other");
    let mut other = Raw::connect(pair.proxy.address());
    other.send(shows("/echo/other", "B9.jvm2").bytes());
    eventually("it is there", || {
        !pair.tomcats[1].requests_to("/echo/other").is_empty()
    });
    let order = json!({ "state": "evacuating", "rate": 1_000_000 });
    pair.proxy.put("jvm2", "state", &order).expect(200);
    eventually("all are marked", || {
        pair.proxy.backend("jvm2")["evacuation"]["marked_percent"] == 100
    });
    assert_eq!(pair.asked("/echo", "A1.jvm2"), "jvm2");
    assert_eq!(pair.asked("/echo", "B1.jvm2"), "jvm1");
    up(true);
    eventually("it has been at rest", || {
        pair.asked("/echo", "A1.jvm2") == "jvm1"
    });
    pair.tomcats[0].release("/echo/held");
    held.read_response().expect(200);
    pair.tomcats[1].release("/echo/other");
    other.read_response().expect(200);
}
