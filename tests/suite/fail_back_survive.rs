//! Browsers keep their sessions while a Tomcat dies, comes back, and gets its sessions back; also
//! where it dies once more meanwhile.

use std::time::Duration;

use cattail::standin::{Manager, SharedSessions};

use super::affinity_stage::{bindings, counted};
use super::harness::*;

/// All browsers are at one address.
const CROWD: &str = "limits: { connections_per_client: 0 }\n";
const WATCHED: &str = "health: { path: /echo, interval: 50ms, timeout: 1s, rise: 1 }";

/// Three Tomcats on one store.
struct Cluster {
    sessions: SharedSessions,
    tomcats: [Tomcat; 3],
    proxy: Proxy,
}

impl Cluster {
    /// `backup`: how long after an answer each puts the session into the store.
    fn of(manager: Manager, backup: Duration, more: &str) -> Self {
        let sessions = SharedSessions::default();
        let tomcats = ["jvm1", "jvm2", "jvm3"].map(|route| {
            Tomcat::build(route, |tomcat| {
                let tomcat = tomcat.sessions(&sessions).store_node("n1");
                tomcat.manager(manager).backup_delay(backup)
            })
        });
        let more = format!("{WATCHED}\nslow_start: 0s\nreplicated: true\n{more}");
        let text = CROWD.to_owned() + &sticky_cluster(&tomcats.each_ref(), &more);
        let proxy = Proxy::start(&text);
        Self {
            sessions,
            tomcats,
            proxy,
        }
    }

    fn bring_back(&self) {
        let tomcat = &self.tomcats[0];
        tomcat.restart().expect("restarts");
        eventually("it is up", || self.proxy.is_up(tomcat));
    }

    fn returned(&self) -> u64 {
        let counted = bindings(&self.proxy);
        counted.get("returned").copied().unwrap_or(0)
    }

    #[track_caller]
    fn expect_all_kept(&self, browsers: usize, findings: &Findings) {
        let ejected = counted(&self.proxy, "cattail_backend_ejections_total", "cause");
        assert!(findings.is_clean(), "{findings} {ejected:?}");
        assert_eq!(findings.harmed(), 0, "{findings}");
        let truth = self.sessions.truth();
        let kept = (browsers as u64, browsers);
        assert_eq!((truth.issued, truth.live), kept, "{truth:#?}");
        let harmed = truth.lost + truth.forked + truth.stale + truth.outdated;
        assert_eq!(harmed, 0, "{truth:#?}");
    }
}

/// It dies, is back, and dies again while its sessions come home. `pause`: what lets them.
fn all_kept(manager: Manager, policy: &str, pause: impl Fn(&Browsers)) {
    let policy = format!("fail_back: {policy}\ndrain: {{ backup_delay: 400ms }}");
    let cluster = Cluster::of(manager, Duration::ZERO, &policy);
    let findings = Browsers::new(60, 6).browse(&cluster.proxy.addresses(), |browsers| {
        cluster.tomcats[0].kill();
        browsers.go_on(2);
        cluster.bring_back();
        pause(browsers);
        eventually("some have come home", || cluster.returned() > 3);
        // Whoever is taken over at this very moment may be lost, at home as elsewhere.
        browsers.quietly(|| cluster.tomcats[0].kill());
        browsers.go_on(2);
        cluster.bring_back();
        pause(browsers);
        let before = cluster.returned();
        eventually("some have come home again", || {
            cluster.returned() > before + 3
        });
        browsers.go_on(3);
    });
    cluster.expect_all_kept(60, &findings);
}

#[test]
fn at_once_sticky_sessions_come_home_over_two_deaths() {
    all_kept(Manager::Sticky, "at_once", |_| {});
}

#[test]
fn at_once_non_sticky_sessions_come_home_over_two_deaths() {
    all_kept(Manager::NonSticky, "at_once", |_| {});
}

/// Nobody asks for more than a second.
fn a_pause(browsers: &Browsers) {
    browsers.quietly(|| stays("a pause", Duration::from_millis(1200), || true));
}

#[test]
fn when_idle_sticky_sessions_come_home_over_two_deaths() {
    all_kept(Manager::Sticky, "when_idle\nfail_back_idle: 1s", a_pause);
}

#[test]
fn when_idle_non_sticky_sessions_come_home_over_two_deaths() {
    all_kept(Manager::NonSticky, "when_idle\nfail_back_idle: 1s", a_pause);
}

/// Whoever takes a session over sooner gets it as it was before its last answers.
#[test]
fn backups_that_come_late_are_waited_for() {
    let backup = Duration::from_millis(200);
    for policy in ["at_once", "when_idle\nfail_back_idle: 1s"] {
        let policy = format!("fail_back: {policy}\ndrain: {{ backup_delay: 700ms }}");
        let cluster = Cluster::of(Manager::Sticky, backup, &policy);
        let findings = Browsers::new(60, 6).browse(&cluster.proxy.addresses(), |browsers| {
            // A death loses what is not in the store by then; that is not what is looked at here.
            browsers.quietly(|| {
                stays("all are in the store", 3 * backup, || true);
                cluster.tomcats[0].kill();
            });
            browsers.go_on(2);
            cluster.bring_back();
            a_pause(browsers);
            eventually("some have come home", || cluster.returned() > 5);
            browsers.go_on(3);
        });
        cluster.expect_all_kept(60, &findings);
    }
}
