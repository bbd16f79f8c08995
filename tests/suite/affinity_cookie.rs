//! Tomcats without jvm routes behind `owner: cookie`: the sealed cookie leads through proxies that
//! share nothing but a key.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use cattail::config::{self, OwnerBy};
use cattail::session::seal::{Attributes, Owner, Seals};
use tempfile::TempDir;

use super::affinity_stage::*;
use super::harness::*;

/// A folder with a key ring.
struct Ring(TempDir);

impl Ring {
    fn of(keys: &[u8]) -> Self {
        let ring = Self(tempfile::tempdir().unwrap());
        ring.write(keys);
        ring
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("keys")
    }

    fn write(&self, keys: &[u8]) {
        let lines: Vec<_> = keys
            .iter()
            .map(|key| format!("{key:02x}").repeat(32))
            .collect();
        std::fs::write(self.path(), lines.join("\n") + "\n").unwrap();
    }

    fn cluster(&self, tomcats: &[&Tomcat], more: &str) -> String {
        let path = self.path();
        let cookie = format!(
            "affinity_cookie: {{ key_file: '{}', max_age: 1h }}",
            path.display()
        );
        nameless(tomcats, &format!("owner: cookie\n{cookie}\n{more}"))
    }

    /// Seals as a proxy with this ring does for the cluster of this name.
    fn seal(&self, cluster: &str, backend: &str, base: &str, age: Duration) -> String {
        let text = format!(
            "listeners: [{{ address: '127.0.0.1:0' }}]\nclusters: {{ c: {{ owner: cookie, \
             affinity_cookie: {{ key_file: '{}' }}, backends: ['127.0.0.1:1'] }} }}",
            self.path().display()
        );
        let config = config::load_text("test.yaml", &text, &|_| None).unwrap();
        let OwnerBy::Cookie(cookie) = &config.clusters[0].sessions.owner else {
            panic!("owner: cookie");
        };
        let (base, attributes) = (base.as_bytes(), Attributes::default());
        let owner = Owner {
            backend,
            base,
            attributes,
        };
        let sealed = Seals::new(cookie, cluster).seal(&owner, SystemTime::now() - age);
        sealed.expect("sealed")
    }
}

fn rejected(proxy: &Proxy) -> BTreeMap<String, u64> {
    counted(proxy, "cattail_session_ids_rejected_total", "reason")
}

/// A request with both cookies.
fn sealed(id: &str, seal: &str) -> Request {
    let cookie = format!("a=b; CATTAIL={seal}; JSESSIONID={id}");
    Request::get("/echo").header("Cookie", &cookie)
}

#[test]
fn a_sealed_cookie_follows_the_session_cookie_and_leads_through_every_proxy() {
    let [one, two] = tomcats(["left", "right"]);
    let ring = Ring::of(&[7]);
    let text = ring.cluster(&[&one, &two], "");
    let base = base(&text, &["right", "left"]);
    let session =
        format!("JSESSIONID={base}; Path=/app; Secure; HttpOnly; SameSite=Lax; Max-Age=60");
    let fields = [
        &format!("Set-Cookie: {session}"),
        "Cache-Control: public, max-age=60",
    ];
    says(&one, "/login", &fields);
    let login = get(Proxy::start(&text).address(), "/login").expect(200);
    let lines = login.all("Set-Cookie");
    assert_eq!((lines.len(), lines[0]), (2, session.as_str()));
    let mut attributes: Vec<_> = lines[1].split("; ").skip(1).collect();
    attributes.sort_unstable();
    assert_eq!(
        attributes,
        [
            "HttpOnly",
            "Max-Age=60",
            "Path=/app",
            "SameSite=Lax",
            "Secure"
        ]
    );
    // What is one client's is for no shared cache.
    assert_eq!(login.all("Cache-Control"), ["private, max-age=60"]);
    let seal = login.cookie("CATTAIL").unwrap();
    for proxy in [Proxy::start(&text), Proxy::start(&text)] {
        let response = sealed(&base, seal).send(proxy.address()).expect(200);
        assert_eq!(
            (response.tomcat(), response.all("Set-Cookie").len()),
            ("left", 0)
        );
        let seen = one.last_request();
        assert_eq!(seen.all("Cookie"), [format!("a=b; JSESSIONID={base}")]);
        assert_eq!(bindings(&proxy), counts([("owner", 1)]));
    }
}

#[test]
fn the_sealed_cookie_is_hidden_from_every_tomcat() {
    let [one] = tomcats(["left"]);
    let proxy = Proxy::start(&Ring::of(&[7]).cluster(&[&one], ""));
    let rows: [(&[&str], &[&str]); 4] = [
        (&["CATTAIL=x"], &[]),
        (&["CATTAIL=x; a=b"], &["a=b"]),
        (
            &["a=b", "CATTAIL=x", "c=d;CATTAIL = y;e=f"],
            &["a=b", "c=d;e=f"],
        ),
        (&["XCATTAIL=x; cattail=y"], &["XCATTAIL=x; cattail=y"]),
    ];
    for (sent, seen) in rows {
        let lines = sent.iter();
        let request = lines.fold(Request::get("/echo"), |request, line| {
            request.header("Cookie", line)
        });
        request.send(proxy.address()).expect(200);
        assert_eq!(one.last_request().all("Cookie"), seen, "{sent:?}");
    }
}

#[test]
fn no_cookie_is_added_to_a_session_that_has_a_route() {
    let [one] = tomcats(["left"]);
    let proxy = Proxy::start(&Ring::of(&[7]).cluster(&[&one], ""));
    let cookie = "Set-Cookie: JSESSIONID=SID.jvm1; Path=/";
    says(&one, "/login", &[cookie, "Cache-Control: public"]);
    says(
        &one,
        "/page",
        &["Set-Cookie: lang=en", "Cache-Control: public"],
    );
    for path in ["/login", "/page"] {
        let response = get(proxy.address(), path).expect(200);
        assert_eq!(response.all("Set-Cookie").len(), 1, "{path}");
        assert_eq!(response.all("Cache-Control"), ["public"], "{path}");
    }
}

#[test]
fn cookies_that_are_not_believed_are_counted_and_harm_nobody() {
    let [one, two] = tomcats(["left", "right"]);
    let ring = Ring::of(&[7]);
    let text = ring.cluster(&[&one, &two], "");
    let hour = Duration::from_hours(1);
    let base = base(&text, &["right", "left"]);
    let good = ring.seal("shop", "left", &base, Duration::ZERO);
    let rows = [
        (good.clone(), None),
        (
            ring.seal("shop", "left", &base, hour + hour),
            Some("seal_expired"),
        ),
        (
            ring.seal("blog", "left", &base, Duration::ZERO),
            Some("seal_foreign"),
        ),
        (
            ring.seal("shop", "left", "OTHER", Duration::ZERO),
            Some("seal_other"),
        ),
        (
            Ring::of(&[8]).seal("shop", "left", &base, Duration::ZERO),
            Some("seal_forged"),
        ),
        (format!("{good}A"), Some("seal_forged")),
        ("left".to_owned(), Some("seal_forged")),
        (String::new(), Some("seal_forged")),
        ("A".repeat(4000), Some("seal_forged")),
        // A backend that is in the file no more.
        (ring.seal("shop", "gone", &base, Duration::ZERO), Some("")),
    ];
    for (seal, reason) in rows {
        let proxy = Proxy::start(&text);
        let tomcat = served(proxy.address(), &sealed(&base, &seal));
        let owner = if reason.is_none() { "left" } else { "right" };
        assert_eq!(tomcat, owner, "{reason:?}");
        let expected = reason.filter(|reason| !reason.is_empty());
        let expected = expected.map(|reason| (reason.to_owned(), 1));
        assert_eq!(
            rejected(&proxy),
            expected.into_iter().collect(),
            "{reason:?}"
        );
    }
    // A good one behind bad ones still counts.
    let proxy = Proxy::start(&text);
    let seals = format!("x; CATTAIL=; CATTAIL={good}");
    assert_eq!(served(proxy.address(), &sealed(&base, &seals)), "left");
    assert_eq!(rejected(&proxy), counts([("seal_forged", 2)]));
}

#[test]
fn keys_are_changed_by_reloads_without_moving_a_session() {
    let [one, two] = tomcats(["left", "right"]);
    let ring = Ring::of(&[1]);
    let text = ring.cluster(&[&one, &two], "");
    let base = base(&text, &["right", "left"]);
    let old = ring.seal("shop", "left", &base, Duration::ZERO);
    let proxy = Proxy::start(&text);
    let again = |seal: &str| -> Option<String> {
        let response = sealed(&base, seal).send(proxy.address()).expect(200);
        assert_eq!(response.tomcat(), "left");
        response.cookie("CATTAIL").map(str::to_owned)
    };
    assert_eq!(again(&old), None);
    // The new key opens everywhere first, then it seals, then the old one goes.
    ring.write(&[1, 2]);
    proxy.reload(&text).unwrap();
    assert_eq!(again(&old), None);
    ring.write(&[2, 1]);
    proxy.reload(&text).unwrap();
    let new = again(&old).expect("sealed anew");
    assert_eq!(again(&new), None);
    ring.write(&[2]);
    proxy.reload(&text).unwrap();
    assert_eq!(again(&new), None);
    assert!(rejected(&proxy).is_empty());
    // Another proxy, which knows nothing but the key.
    let other = Proxy::start(&text);
    assert_eq!(served(other.address(), &sealed(&base, &new)), "left");
    // The old cookie is worth nothing, but this proxy remembers the session.
    assert_eq!(again(&old), None);
    assert_eq!(rejected(&proxy), counts([("seal_forged", 1)]));
}

#[test]
fn an_old_cookie_is_sealed_anew_under_its_own_path() {
    let [one, two] = tomcats(["left", "right"]);
    let ring = Ring::of(&[1]);
    let text = ring.cluster(&[&one, &two], "");
    let base = base(&text, &["right", "left"]);
    // Past half of its time.
    let old = ring.seal("shop", "left", &base, Duration::from_mins(40));
    says(&one, "/page", &["Cache-Control: public, max-age=60"]);
    let proxy = Proxy::start(&text);
    let cookie = format!("JSESSIONID={base}; CATTAIL={old}");
    let request = Request::get("/page").header("Cookie", &cookie);
    let response = request.send(proxy.address()).expect(200);
    let seal = response.cookie("CATTAIL").expect("sealed anew");
    assert_eq!(response.all("Cache-Control"), ["private, max-age=60"]);
    let other = Proxy::start(&text);
    let response = sealed(&base, seal).send(other.address()).expect(200);
    assert_eq!(
        (response.tomcat(), response.cookie("CATTAIL")),
        ("left", None)
    );
}

#[test]
fn a_replicated_session_that_moved_has_its_cookie_sealed_for_the_survivor() {
    let [one, two] = tomcats(["left", "right"]);
    let ring = Ring::of(&[1]);
    let text = ring.cluster(&[&one, &two], &format!("{CHECKED}\nreplicated: true"));
    let base = base(&text, &["left", "right"]);
    let seal = ring.seal("shop", "left", &base, Duration::ZERO);
    let proxy = Proxy::start(&text);
    lose(&proxy, &one);
    let response = sealed(&base, &seal).send(proxy.address()).expect(200);
    assert_eq!(response.tomcat(), "right");
    let new = response.cookie("CATTAIL").expect("sealed anew");
    one.unscript("/health");
    // Through another proxy, which never saw the fail-over.
    let other = Proxy::start(&text);
    assert_eq!(served(other.address(), &sealed(&base, new)), "right");
}

#[test]
fn a_logout_takes_the_sealed_cookie_away_too() {
    let [one] = tomcats(["left"]);
    let ring = Ring::of(&[1]);
    let proxy = Proxy::start(&ring.cluster(&[&one], ""));
    let seal = ring.seal("shop", "left", "SID", Duration::ZERO);
    says(
        &one,
        "/echo",
        &["Set-Cookie: JSESSIONID=; Path=/app; Max-Age=0"],
    );
    let response = sealed("SID", &seal).send(proxy.address()).expect(200);
    let line = response.all("Set-Cookie")[1];
    assert_eq!(response.cookie("CATTAIL"), Some(""));
    assert!(
        line.contains("Path=/app") && line.contains("Max-Age=0"),
        "{line}"
    );
    let verdicts = counted(&proxy, "cattail_session_verdicts_total", "verdict");
    assert_eq!(verdicts, counts([("ended", 1)]));
}
