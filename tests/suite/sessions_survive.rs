//! No session is lost, forked or split when a Tomcat dies, stops, hangs and comes back.
//!
//! The Tomcats lose what a balancer scatters: see `cattail::standin::Manager`.

use std::time::Duration;

use cattail::standin::{Manager, SharedSessions};

use super::harness::*;

/// Notices a death without a request, and a return soon.
const WATCHED: &str = "health: { path: /echo, interval: 50ms, timeout: 1s, rise: 1 }";
/// Notices a hang within 500 ms.
const IMPATIENT: &str =
    "health: { path: /echo, interval: 100ms, timeout: 200ms, rise: 1, fall: 2 }";

/// All browsers are at one address.
const CROWD: &str = "limits: { connections_per_client: 0 }\n";

/// Requests of one browser at a time.
const PARALLEL: usize = 6;

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
                tomcat.manager(manager)
            })
        });
        Self { sessions, tomcats }
    }

    fn all(&self) -> [&Tomcat; 3] {
        self.tomcats.each_ref()
    }

    fn sticky(&self, more: &str) -> Proxy {
        Proxy::start(&(CROWD.to_owned() + &sticky_cluster(&self.all(), more)))
    }

    /// Starts a Tomcat again and waits until the proxies know.
    fn bring_back(&self, number: usize, proxies: &[&Proxy]) {
        let tomcat = &self.tomcats[number];
        tomcat.restart().expect("restarts");
        eventually("the proxies know of the return", || {
            proxies.iter().all(|proxy| proxy.is_up(tomcat))
        });
    }

    /// What the Tomcats know, against what the browsers saw.
    #[expect(clippy::print_stdout, reason = "the figures, shown by `--nocapture`")]
    #[track_caller]
    fn expect_all_kept(&self, browsers: usize, findings: &Findings) {
        println!("{findings}");
        assert!(findings.is_clean(), "{findings}");
        self.expect_no_harm(browsers, findings);
    }

    /// As [`Self::expect_all_kept`], but requests may have failed.
    #[track_caller]
    fn expect_no_harm(&self, browsers: usize, findings: &Findings) {
        let truth = self.sessions.truth();
        assert_eq!(findings.harmed(), 0, "{findings}\n{truth:#?}");
        assert_eq!(
            (truth.issued, truth.live),
            (browsers as u64, browsers),
            "{truth:#?}"
        );
        let harmed = truth.lost + truth.forked + truth.stale + truth.outdated;
        assert_eq!(harmed, 0, "{truth:#?}");
    }
}

/// One Tomcat is killed with no warning and brought back, then another one is killed.
fn two_deaths(cluster: &Cluster, proxy: &Proxy, browsers: &Browsers) {
    cluster.tomcats[0].kill();
    browsers.go_on(2);
    cluster.bring_back(0, &[proxy]);
    browsers.go_on(2);
    cluster.tomcats[1].kill();
    browsers.go_on(2);
}

/// The proxy counts the sessions that there are.
#[track_caller]
fn expect_counted(proxy: &Proxy, live: i64) {
    let issued = [("cluster", "shop"), ("kind", "issued")];
    let counted = proxy.metrics().value("cattail_sessions", &issued);
    assert_eq!(counted, live);
}

#[test]
fn two_hundred_browsers_keep_their_sticky_sessions_over_two_deaths() {
    let cluster = Cluster::of(Manager::Sticky);
    let proxy = cluster.sticky(WATCHED);
    let findings = Browsers::new(200, PARALLEL).browse(&proxy.addresses(), |browsers| {
        two_deaths(&cluster, &proxy, browsers);
    });
    cluster.expect_all_kept(200, &findings);
    let moved = cluster.sessions.truth().taken_over;
    assert!(moved >= 200 / 3, "nobody owned anything? {moved}");
    expect_counted(&proxy, 200);
}

#[test]
fn two_hundred_browsers_keep_their_non_sticky_sessions_over_two_deaths() {
    let cluster = Cluster::of(Manager::NonSticky);
    let proxy = cluster.sticky(WATCHED);
    let findings = Browsers::new(200, PARALLEL).browse(&proxy.addresses(), |browsers| {
        two_deaths(&cluster, &proxy, browsers);
    });
    cluster.expect_all_kept(200, &findings);
    expect_counted(&proxy, 200);
}

/// The same deaths, to show that these tests can fail.
#[test]
fn without_affinity_the_same_deaths_lose_sessions() {
    let cluster = Cluster::of(Manager::Sticky);
    let proxy = Proxy::in_front_of(&cluster.all(), WATCHED);
    let findings = Browsers::new(60, PARALLEL).browse(&proxy.addresses(), |browsers| {
        two_deaths(&cluster, &proxy, browsers);
    });
    let truth = cluster.sessions.truth();
    assert!(findings.lost > 0 && findings.split > 0, "{findings}");
    assert!(truth.lost > 0, "{truth:#?}");
    assert_eq!(findings.failed, 0, "but no request fails: {findings}");
}

#[test]
fn an_orderly_stop_moves_the_sessions_and_nobody_sees_its_404() {
    let cluster = Cluster::of(Manager::Sticky);
    let proxy = cluster.sticky(WATCHED);
    let findings = Browsers::new(60, PARALLEL).browse(&proxy.addresses(), |browsers| {
        for stopping in [2, 0] {
            cluster.tomcats[stopping].stop_listening();
            browsers.go_on(3);
            cluster.tomcats[stopping].stop();
            browsers.go_on(2);
            cluster.bring_back(stopping, &[&proxy]);
            browsers.go_on(2);
        }
    });
    cluster.expect_all_kept(60, &findings);
}

#[test]
fn a_tomcat_that_hangs_delays_its_sessions_and_loses_none() {
    let cluster = Cluster::of(Manager::Sticky);
    let proxy = cluster.sticky(IMPATIENT);
    let findings = Browsers::new(60, PARALLEL).browse(&proxy.addresses(), |browsers| {
        cluster.tomcats[0].hang();
        browsers.go_on(3);
        // It had to be killed: a Tomcat that only hung serves its old copies.
        cluster.bring_back(0, &[&proxy]);
        browsers.go_on(2);
    });
    cluster.expect_all_kept(60, &findings);
    let limit = scaled(Duration::from_secs(2));
    assert!(findings.longest < limit, "{findings}");
}

/// A Tomcat that only hung serves its old copies, if it is asked again.
#[test]
fn a_second_death_wakes_no_stale_copy() {
    let cluster = Cluster::of(Manager::Sticky);
    let proxy = cluster.sticky(IMPATIENT);
    let [hung, dead, _] = &cluster.tomcats;
    let findings = Browsers::new(60, PARALLEL).browse(&proxy.addresses(), |browsers| {
        hung.hang();
        browsers.go_on(3);
        hung.resume();
        eventually("the proxy knows of the return", || proxy.is_up(hung));
        browsers.go_on(2);
        dead.kill();
        browsers.go_on(2);
    });
    assert!(findings.is_clean(), "{findings}");
    // What it had read before it hung may be served, to nobody, afterwards: stale in truth only.
    let truth = cluster.sessions.truth();
    assert_eq!((truth.issued, truth.lost, truth.live), (60, 0, 60));
}

#[test]
fn with_two_of_three_dead_all_sessions_are_at_the_third() {
    let cluster = Cluster::of(Manager::Sticky);
    let proxy = cluster.sticky(WATCHED);
    let findings = Browsers::new(60, PARALLEL).browse(&proxy.addresses(), |browsers| {
        cluster.tomcats[0].kill();
        browsers.go_on(2);
        cluster.tomcats[1].kill();
        browsers.go_on(2);
        let before = cluster.tomcats[2].count();
        browsers.go_on(1);
        assert!(cluster.tomcats[2].count() > before);
    });
    cluster.expect_all_kept(60, &findings);
}

#[test]
fn two_proxies_side_by_side_choose_the_same_survivors() {
    let cluster = Cluster::of(Manager::Sticky);
    let proxies = [cluster.sticky(WATCHED), cluster.sticky(WATCHED)];
    let to = proxies.each_ref().map(Proxy::address);
    // Half of a browser's connections go to each, so every group meets both.
    let findings = Browsers::new(60, PARALLEL).browse(&to, |browsers| {
        cluster.tomcats[1].kill();
        browsers.go_on(3);
        cluster.bring_back(1, &proxies.each_ref());
        browsers.go_on(2);
        cluster.tomcats[2].kill();
        browsers.go_on(3);
    });
    cluster.expect_all_kept(60, &findings);
}

#[test]
fn a_new_proxy_knows_the_owners_by_the_jvm_routes() {
    let cluster = Cluster::of(Manager::Sticky);
    let (old, new) = (cluster.sticky(WATCHED), cluster.sticky(WATCHED));
    let findings = Browsers::new(60, PARALLEL).browse(&old.addresses(), |browsers| {
        cluster.tomcats[0].kill();
        browsers.go_on(2);
        cluster.bring_back(0, &[&old, &new]);
        let moved = || cluster.sessions.truth().taken_over;
        let before = moved();
        browsers.quietly(|| browsers.move_to(&new.addresses()));
        old.stop();
        browsers.go_on(2);
        assert_eq!(moved(), before, "the owners serve");
        cluster.tomcats[1].kill();
        browsers.go_on(2);
    });
    cluster.expect_no_harm(60, &findings);
    // The old one closes kept connections: those requests are asked again.
    assert_eq!(findings.failed, 0, "{findings}");
}
