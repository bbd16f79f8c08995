//! A store node is in doubt: requests of its sessions go one at a time, and those that show the id
//! from before get the new one on their way.

use std::time::Duration;

use super::affinity_stage::*;
use super::harness::*;
use super::stores::{is_up, makes, moves, stored};

const OLD: &str = "A-n1.jvm1";
const NEW: &str = "A-n2.jvm1";

/// A Tomcat with the session `A-n1.jvm1`, and two stores.
struct Stage {
    proxy: Proxy,
    tomcat: Tomcat,
    one: Pulse,
    two: Pulse,
}

impl Stage {
    fn set(more: &str) -> Self {
        let tomcat = Tomcat::start("jvm1");
        let (one, two) = (Pulse::start(), Pulse::start());
        let text = stored(&[&tomcat], &[("n1", &one), ("n2", &two)]);
        let text = text.replace("    stores:", &format!("    {more}\n    stores:"));
        let proxy = Proxy::start(&text);
        makes(&proxy, &tomcat, OLD);
        Self {
            proxy,
            tomcat,
            one,
            two,
        }
    }

    /// The store of the session dies.
    fn kill_one(&mut self) {
        self.one.kill();
        eventually("n1 is down", || !is_up(&self.proxy, "n1"));
    }

    /// MSM gives the session another id, in answer to a request that shows `shown`.
    #[track_caller]
    fn moves(&self, shown: &str, to: &str) {
        issues(&self.tomcat, "/page", to);
        served(self.proxy.address(), &shows("/page", shown));
    }

    /// Sends a request whose answer is not awaited.
    fn begun(&self, target: &str, shown: &str) -> Raw {
        begun(self.proxy.address(), &shows(target, shown))
    }

    /// Sends a request that the Tomcat does not answer until it is released.
    fn held(&self, target: &str, shown: &str) -> Raw {
        let path = target.split(['?', ';']).next().unwrap();
        self.tomcat.hold(path);
        let held = self.begun(target, shown);
        eventually("it is held", || self.has_come(target));
        held
    }

    fn has_come(&self, target: &str) -> bool {
        !self.tomcat.requests_to(target).is_empty()
    }

    /// Which id the Tomcat sees when this one is shown.
    #[track_caller]
    fn sees(&self, target: &str, shown: &str) -> String {
        served(self.proxy.address(), &shows(target, shown));
        self.seen(target)
    }

    /// The id in the only request to `target`.
    #[track_caller]
    fn seen(&self, target: &str) -> String {
        let requests = self.tomcat.requests_to(target);
        let cookie = requests.last().unwrap().header("Cookie").unwrap();
        cookie.strip_prefix("JSESSIONID=").unwrap().to_owned()
    }
}

#[test]
fn an_id_from_before_is_renewed_until_the_client_has_the_new_one() {
    let mut stage = Stage::set("");
    stage.kill_one();
    assert_eq!(stage.sees("/echo", OLD), OLD, "nothing was said of it yet");
    stage.moves(OLD, NEW);
    // Longer than old ids are renewed once the client has shown the new one.
    stays("it is renewed", Duration::from_secs(11), || {
        stage.sees("/echo", OLD) == NEW
    });
    assert_eq!(stage.sees("/echo", NEW), NEW);
    let two = Request::get("/echo/two").header("Cookie", "a=A-n1.jvm1; JSESSIONID=A-n1.jvm1; b=2");
    served(stage.proxy.address(), &two);
    let seen = stage.tomcat.requests_to("/echo/two");
    assert_eq!(
        seen[0].all("Cookie"),
        ["a=A-n1.jvm1; JSESSIONID=A-n2.jvm1; b=2"]
    );
    // It moved once, whatever the client showed since.
    stage.moves(OLD, NEW);
    let once = [counts([("n1", 1)]), counts([("n2", 1)])];
    assert_eq!(moves(&stage.proxy), once);
}

#[test]
fn what_another_proxy_knows_better_is_left_alone() {
    let mut stage = Stage::set("");
    stage.kill_one();
    stage.moves(OLD, NEW);
    // A client that never showed it here was given it back elsewhere, when the newer node died.
    stage.two.kill();
    eventually("n2 is down", || !is_up(&stage.proxy, "n2"));
    assert_eq!(stage.sees("/echo", OLD), OLD, "there is no node to go to");
    stage.one.restart();
    eventually("n1 is back", || is_up(&stage.proxy, "n1"));
    assert_eq!(stage.sees("/echo", OLD), OLD);
    stage.two.restart();
    eventually("n2 is back", || is_up(&stage.proxy, "n2"));
    assert_eq!(stage.sees("/echo", OLD), OLD);
}

#[test]
fn nodes_that_die_one_after_the_other_log_nobody_out() {
    let mut stage = Stage::set("");
    stage.kill_one();
    stage.moves(OLD, NEW);
    stage.one.restart();
    eventually("n1 is back", || is_up(&stage.proxy, "n1"));
    stage.two.kill();
    eventually("n2 is down", || !is_up(&stage.proxy, "n2"));
    // The ledger counts whole seconds.
    stays("seconds pass", Duration::from_secs(2), || true);
    stage.moves(NEW, OLD);
    assert_eq!(stage.sees("/echo", NEW), OLD);
    stage.two.restart();
    eventually("n2 is back", || is_up(&stage.proxy, "n2"));
    assert_eq!(stage.sees("/echo", NEW), OLD);
}

#[test]
fn a_session_without_a_node_waits_for_one_and_gets_it() {
    let mut stage = Stage::set("");
    makes(&stage.proxy, &stage.tomcat, "B.jvm1");
    stage.kill_one();
    let held = stage.held("/echo/held", "B.jvm1");
    let waiting = stage.begun("/echo/waiting", "B.jvm1");
    stays("it waits", Duration::from_millis(300), || {
        !stage.has_come("/echo/waiting")
    });
    stage.tomcat.release("/echo/held");
    for mut client in [held, waiting] {
        client.read_response().expect(200);
    }
    stage.moves("B.jvm1", "B-n2.jvm1");
    assert_eq!(stage.sees("/echo", "B.jvm1"), "B-n2.jvm1");
}

/// One waits for its turn, for 2 s, and goes beside the others then; a third came later.
#[test]
fn who_has_waited_long_enough_shows_what_others_have_brought_meanwhile() {
    let mut stage = Stage::set("");
    stage.kill_one();
    let mut held = stage.held("/echo/held", OLD);
    issues(&stage.tomcat, "/page", NEW);
    let mut second = stage.begun("/page", OLD);
    stays("it waits", Duration::from_millis(500), || {
        !stage.has_come("/page")
    });
    let mut third = stage.begun("/echo/third", OLD);
    second.read_response().expect(200);
    third.read_response().expect(200);
    assert_eq!(stage.seen("/page"), OLD);
    assert_eq!(stage.seen("/echo/third"), NEW);
    // How long they waited is no backend's time.
    let scraped = stage.proxy.metrics();
    let answered = |what: &str, labels: &[(&str, &str)]| {
        let name = format!("cattail_backend_response_time_seconds_{what}");
        scraped.exactly(&name, labels)
    };
    let all = answered("count", &[]);
    assert_eq!(answered("bucket", &[("le", "1")]), all);
    stage.tomcat.release("/echo/held");
    held.read_response().expect(200);
}

#[test]
fn whose_id_is_never_renewed_does_not_wait() {
    let mut stage = Stage::set("hold_requests: 1");
    stage.kill_one();
    let path = "/echo/p;jsessionid=P-n1.jvm1";
    let held = [stage.held("/echo/held", OLD), stage.held(path, "other=1")];
    let mut waiting = stage.begun("/echo/waiting", OLD);
    stays("it waits", Duration::from_millis(300), || {
        !stage.has_come("/echo/waiting")
    });
    // All of these come at once.
    let at_once = Request::get("/echo/q;jsessionid=P-n1.jvm1");
    served(stage.proxy.address(), &at_once);
    stage.sees("/echo/elsewhere", "B-n2.jvm1");
    stage.sees("/echo/unknown", "B-n7.jvm1");
    // One waits already, and no more may.
    stage.sees("/echo/third", OLD);
    assert!(!stage.has_come("/echo/waiting"), "its time is not over");
    stage.tomcat.unscript_all();
    waiting.read_response().expect(200);
    for mut client in held {
        client.read_response().expect(200);
    }
}

#[test]
fn a_late_answer_to_the_old_id_takes_no_renewal_away() {
    let mut stage = Stage::set("");
    let late = "/set-cookie?a=JSESSIONID%3DC-n1.jvm1;%20Path%3D/";
    let mut held = stage.held(late, OLD);
    stage.kill_one();
    stage.moves(OLD, NEW);
    assert_eq!(stage.sees("/echo/1", OLD), NEW);
    stage.tomcat.release("/set-cookie");
    let answer = held.read_response().expect(200);
    assert_eq!(answer.cookie("JSESSIONID"), Some("C-n1.jvm1"));
    assert_eq!(stage.sees("/echo/2", OLD), NEW);
    // An answer to the new one ends it: the user has logged in.
    issues(&stage.tomcat, "/login", "D-n2.jvm1");
    served(stage.proxy.address(), &shows("/login", OLD));
    assert_eq!(stage.sees("/echo/3", OLD), OLD);
}

#[test]
fn with_sessions_that_all_tomcats_share_nothing_is_renewed_and_nobody_waits() {
    let tomcat = Tomcat::start("jvm1");
    let (mut one, two) = (Pulse::start(), Pulse::start());
    let text = stored(&[&tomcat], &[("n1", &one), ("n2", &two)]);
    let proxy = Proxy::start(&text.replace("affinity: sticky", "affinity: prefer"));
    makes(&proxy, &tomcat, OLD);
    one.kill();
    eventually("n1 is down", || !is_up(&proxy, "n1"));
    issues(&tomcat, "/page", NEW);
    served(proxy.address(), &shows("/page", OLD));
    served(proxy.address(), &shows("/echo", OLD));
    let seen = tomcat.requests_to("/echo");
    assert_eq!(seen[0].header("Cookie"), Some("JSESSIONID=A-n1.jvm1"));
}
