//! The published set-ups, from their files in `examples/`, with fake Tomcats at their addresses.

use std::fs;
use std::ops::Deref;

use cattail::standin::{Manager, SharedSessions};

use super::harness::*;

/// The two Tomcats of a set-up: one store of sessions, and what their ids look like.
fn pair(route: Option<&str>, store_node: &str) -> [Tomcat; 2] {
    let sessions = SharedSessions::default();
    ["TomcatA", "TomcatB"].map(|name| {
        Tomcat::build(name, |tomcat| {
            let tomcat = tomcat.sessions(&sessions).store_node(store_node);
            match route {
                Some(route) => tomcat.jvm_route(route),
                None => tomcat.without_jvm_route(),
            }
        })
    })
}

/// The proxy of an example, and the fake stores that it watches.
struct Example {
    proxy: Proxy,
    stores: Vec<Pulse>,
}

impl Deref for Example {
    type Target = Proxy;

    fn deref(&self) -> &Proxy {
        &self.proxy
    }
}

/// The proxy of an example, its addresses replaced by those of the fakes and its port by a free
/// one.
fn example(name: &str, published: [&str; 3], tomcats: &[Tomcat; 2]) -> Example {
    let path = format!("{}/examples/{name}.yaml", env!("CARGO_MANIFEST_DIR"));
    let mut text = fs::read_to_string(path).expect("the example");
    let [listen, one, two] = published;
    for (published, own) in [
        (listen, "127.0.0.1:0".to_owned()),
        (one, tomcats[0].address().to_string()),
        (two, tomcats[1].address().to_string()),
    ] {
        assert!(text.contains(published), "{published} in {name}");
        text = text.replace(published, &own);
    }
    let mut stores = Vec::new();
    let is_of_address = |c: char| c.is_ascii_digit() || c == '.';
    while let Some((before, _)) = text.split_once(":11211 ").or(text.split_once(":11211,")) {
        let store = Pulse::start();
        let (_, host) = before
            .rsplit_once(|c: char| !is_of_address(c))
            .expect("a host");
        text = text.replace(&format!("{host}:11211"), &store.address().to_string());
        stores.push(store);
    }
    Example {
        proxy: Proxy::start(&text),
        stores,
    }
}

const S1: [&str; 3] = ["0.0.0.0:80", "10.0.0.32:8080", "10.0.0.33:8080"];
const S2: [&str; 3] = ["0.0.0.0:13355", "10.104.37.25:8080", "10.104.42.64:8080"];
const S3: [&str; 3] = ["0.0.0.0:80", "172.16.100.7:8080", "172.16.100.8:8080"];
const S5: [&str; 3] = ["0.0.0.0:80", "192.168.0.11:8080", "192.168.0.12:8080"];

/// Presses reload on `page`: the Tomcats alternate exactly, session and its creation stay.
fn reload_alternates(proxy: &Proxy, page: &str) -> Browser {
    let mut browser = Browser::new(proxy.address());
    let mut served = Vec::new();
    let mut created = Vec::new();
    let mut ids = Vec::new();
    for _ in 0..10 {
        let response = browser.get(page).expect(200);
        served.push(response.tomcat().to_owned());
        ids.push(browser.session_id().to_owned());
        let text = response.text();
        let row = text.lines().find(|line| line.contains("Created on"));
        created.push(
            row.unwrap_or_else(|| panic!("no creation time in {text}"))
                .to_owned(),
        );
    }
    let expected: Vec<_> = ["TomcatA", "TomcatB"]
        .into_iter()
        .cycle()
        .take(10)
        .collect();
    assert_eq!(served, expected);
    ids.dedup();
    created.dedup();
    assert_eq!((ids.len(), created.len()), (1, 1), "{ids:?} {created:?}");
    browser
}

#[test]
fn s1_alternates_and_keeps_the_session() {
    let tomcats = pair(Some("jvm1"), "n1");
    let proxy = example("s1-nginx-round-robin", S1, &tomcats);
    let browser = reload_alternates(&proxy, "/test/");
    assert!(browser.session_id().ends_with("-n1.jvm1"));
    let seen = tomcats[0].last_request();
    assert_eq!(seen.header("X-Forwarded-For"), Some("127.0.0.1"));
    assert_eq!(seen.header("X-Real-IP"), None);
    let own = tomcats[0].address().to_string();
    assert_eq!(seen.header("Host"), Some(own.as_str()));
}

#[test]
fn s1_goes_on_when_one_tomcat_is_stopped_and_started() {
    let tomcats = pair(Some("jvm1"), "n1");
    let proxy = example("s1-nginx-round-robin", S1, &tomcats);
    let mut browser = reload_alternates(&proxy, "/test/");
    let id = browser.session_id().to_owned();
    tomcats[0].stop();
    for _ in 0..4 {
        assert_eq!(browser.get("/test/").expect(200).tomcat(), "TomcatB");
    }
    tomcats[0].restart().expect("restarts");
    eventually("TomcatA serves again", || {
        browser.get("/test/").expect(200).tomcat() == "TomcatA"
    });
    assert_eq!(browser.session_id(), id);
}

#[test]
fn s2_alternates_by_weight_with_charset_and_real_ip() {
    let tomcats = pair(None, "n1");
    let proxy = example("s2-nginx-weighted", S2, &tomcats);
    let browser = reload_alternates(&proxy, "/ShareSession/ShowSession");
    assert!(browser.session_id().ends_with("-n1"));
    let seen = tomcats[1].last_request();
    assert_eq!(seen.header("X-Real-IP"), Some("127.0.0.1"));
    assert_eq!(seen.header("X-Forwarded-For"), Some("127.0.0.1"));
    let of = |kind: &str| {
        for tomcat in &tomcats {
            let head =
                format!("HTTP/1.1 200 \r\nContent-Type: {kind}\r\nContent-Length: 0\r\n\r\n");
            tomcat.raw_answer("/typed", head);
        }
        let response = get(proxy.address(), "/typed").expect(200);
        response.header("Content-Type").map(str::to_owned)
    };
    assert_eq!(of("text/html").as_deref(), Some("text/html; charset=utf-8"));
    assert_eq!(of("image/png").as_deref(), Some("image/png"));
    // proxy_redirect off
    let to = format!("http://{}/x", tomcats[0].address());
    let moved = get(proxy.address(), &format!("/location?to={to}"));
    assert_eq!(moved.header("Location"), Some(to.as_str()));
}

#[test]
fn s3_alternates_and_rewrites_where_the_tomcats_point() {
    let tomcats = pair(None, "n2");
    let proxy = example("s3-apache-balancer", S3, &tomcats);
    let browser = reload_alternates(&proxy, "/test/");
    assert!(browser.session_id().ends_with("-n2"));
    let response = Request::get("/location?to=/test/next")
        .header("Host", "www.example.com")
        .send(proxy.address());
    assert_eq!(response.header("Location"), Some("/test/next"));
    // The turn is TomcatB's.
    let own = format!("http://{}/test/next", tomcats[1].address());
    let response = Request::get(&format!("/location?to={own}"))
        .header("Host", "www.example.com")
        .send(proxy.address());
    assert_eq!(response.tomcat(), "TomcatB");
    assert_eq!(
        response.header("Location"),
        Some("http://www.example.com/test/next")
    );
    assert_eq!(response.header("Via"), None);
    assert_eq!(tomcats[1].last_request().header("Via"), None);
    // ProxyRequests Off: never a forward proxy.
    let elsewhere = Request::get("http://other.example/").header("Host", "other.example");
    assert_eq!(
        elsewhere.send(proxy.address()).expect(200).tomcat(),
        "TomcatA"
    );
}

#[test]
fn s5_alternates_and_keeps_the_session() {
    let tomcats = pair(None, "n1");
    let proxy = example("s5-nginx-round-robin", S5, &tomcats);
    reload_alternates(&proxy, "/test/");
}

/// A recommended set-up: its file, the addresses in it, the page, and the jvm routes of its Tomcats.
struct Recommended {
    file: &'static str,
    addresses: [&'static str; 3],
    page: &'static str,
    routes: [&'static str; 2],
    manager: Manager,
}

const S4: [&str; 3] = ["0.0.0.0:80", "192.168.6.20:8080", "192.168.6.21:8080"];

const RECOMMENDED: [Recommended; 6] = [
    Recommended {
        file: "s1-recommended",
        addresses: S1,
        page: "/test/",
        routes: ["jvm1", "jvm2"],
        manager: Manager::Sticky,
    },
    Recommended {
        file: "s2-recommended",
        addresses: S2,
        page: "/ShareSession/ShowSession",
        routes: ["tomcat1", "tomcat2"],
        manager: Manager::NonSticky,
    },
    Recommended {
        file: "s3-recommended",
        addresses: S3,
        page: "/test/",
        routes: ["tomcat1", "tomcat2"],
        manager: Manager::Sticky,
    },
    Recommended {
        file: "s4-sticky",
        addresses: S4,
        page: "/",
        routes: ["tomcat1", "tomcat2"],
        manager: Manager::Sticky,
    },
    Recommended {
        file: "s4-non-sticky",
        addresses: S4,
        page: "/",
        routes: ["tomcat1", "tomcat2"],
        manager: Manager::NonSticky,
    },
    Recommended {
        file: "s5-recommended",
        addresses: S5,
        page: "/test/",
        routes: ["tomcat1", "tomcat2"],
        manager: Manager::Sticky,
    },
];

impl Recommended {
    fn start(&self) -> ([Tomcat; 2], Example) {
        let sessions = SharedSessions::default();
        let tomcats = self.routes.map(|route| {
            Tomcat::build(route, |tomcat| {
                let tomcat = tomcat.sessions(&sessions).store_node("n1");
                tomcat.manager(self.manager)
            })
        });
        let proxy = example(self.file, self.addresses, &tomcats);
        (tomcats, proxy)
    }

    /// Opens the page: who serves, and since when the session is there.
    fn open(&self, browser: &mut Browser) -> (String, String) {
        let response = browser.get(self.page).expect(200);
        let text = response.text();
        let row = text.lines().find(|line| line.contains("Created on"));
        let created = row.unwrap_or_else(|| panic!("no creation time in {text}"));
        (response.tomcat().to_owned(), created.to_owned())
    }
}

#[test]
fn the_recommended_set_ups_stay_on_one_tomcat_and_survive_its_death() {
    in_parallel(RECOMMENDED.len(), |number| {
        let set_up = &RECOMMENDED[number];
        let file = set_up.file;
        let (tomcats, proxy) = set_up.start();
        // A new visitor each: no Tomcat has them all.
        let mut owners: Vec<_> = (0..4)
            .map(|_| set_up.open(&mut Browser::new(proxy.address())).0)
            .collect();
        owners.sort();
        owners.dedup();
        assert_eq!(owners, set_up.routes, "{file}");

        let mut browser = Browser::new(proxy.address());
        let (owner, created) = set_up.open(&mut browser);
        let id = browser.session_id().to_owned();
        assert!(id.ends_with(&format!("-n1.{owner}")), "{file}: {id}");
        for _ in 0..4 {
            let reload = set_up.open(&mut browser);
            assert_eq!(reload, (owner.clone(), created.clone()), "{file}");
        }
        assert_eq!(browser.session_id(), id, "{file}");

        let dead = usize::from(set_up.routes[1] == owner);
        let survivor = set_up.routes[1 - dead].to_owned();
        tomcats[dead].kill();
        for _ in 0..4 {
            let reload = set_up.open(&mut browser);
            assert_eq!(reload, (survivor.clone(), created.clone()), "{file}");
        }
        let expected = match set_up.manager {
            Manager::Sticky => id.replace(&owner, &survivor),
            Manager::NonSticky | Manager::Plain => id.clone(),
        };
        assert_eq!(browser.session_id(), expected, "{file}");

        // It comes back, and the session stays where its data is.
        tomcats[dead].restart().expect("restarts");
        eventually("new visitors come to it again", || {
            set_up.open(&mut Browser::new(proxy.address())).0 == owner
        });
        for _ in 0..4 {
            let reload = set_up.open(&mut browser);
            assert_eq!(reload, (survivor.clone(), created.clone()), "{file}");
        }
        assert_eq!(browser.session_id(), expected, "{file}");
    });
}

#[test]
fn the_checks_of_the_recommended_set_ups_ask_for_their_page() {
    in_parallel(RECOMMENDED.len(), |number| {
        let set_up = &RECOMMENDED[number];
        let (tomcats, proxy) = set_up.start();
        let with_stores = ["s1-recommended", "s4-sticky", "s4-non-sticky"];
        let expected = if with_stores.contains(&set_up.file) {
            2
        } else {
            0
        };
        assert_eq!(proxy.stores.len(), expected, "{}", set_up.file);
        for store in &proxy.stores {
            eventually("the example's store is asked", || store.questions() > 0);
        }
        eventually("the example's check", || {
            let seen = tomcats[1].requests_to(set_up.page);
            seen.iter()
                .any(|seen| seen.header("User-Agent") == Some("cattail-health"))
        });
    });
}
