//! A Tomcat is emptied while it serves: its sessions move, each with its client's next request, and
//! nobody notices.

use std::time::Duration;

use cattail::standin::{Manager, SharedSessions};
use serde_json::{Value, json};

use super::administer_stage::*;
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

const QUICK: &str = "drain: { backup_delay: 200ms }\nhealth: { path: /echo, interval: 50ms }";

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
