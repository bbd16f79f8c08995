//! Whom a session belongs to, and that its requests go there.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::affinity_stage::*;
use super::harness::*;

#[test]
fn sessions_go_to_the_tomcat_that_their_jvm_route_names() {
    let [one, two, three] = tomcats(["jvm1", "jvm2", "jvm3"]);
    let proxy = Proxy::start(&sticky(&[&one, &two, &three], ""));
    in_parallel(6, |client| {
        let mut browser = Raw::connect(proxy.address());
        for (number, route) in ["jvm3", "jvm1", "jvm1", "jvm2", "jvm3"].iter().enumerate() {
            let node = ["", "-n1", "-memcached_2"][number % 3];
            let request = shows("/echo", &format!("BASE{client}{number}{node}.{route}"));
            let response = request.send_on(&mut browser).expect(200);
            assert_eq!(response.tomcat(), *route);
        }
    });
    assert_eq!(bindings(&proxy), counts([("owner", 30)]));
    assert_eq!([one.count(), two.count(), three.count()], [12, 6, 12]);
}

#[test]
fn sessions_without_a_route_go_to_the_tomcat_that_issued_them() {
    let [one, two] = tomcats(["left", "right"]);
    let proxy = Proxy::start(&nameless(&[&one, &two], ""));
    for tomcat in [&one, &two] {
        issues(tomcat, "/login", &format!("OF{}", tomcat.name()));
        let uuid = format!("0f3c-11d2-{}-n_x.x", tomcat.name());
        issues(tomcat, "/uuid", &uuid);
    }
    for path in ["/login", "/uuid"] {
        let logins: Vec<_> = (0..2).map(|_| get(proxy.address(), path)).collect();
        let names: Vec<_> = logins.iter().map(|login| login.tomcat()).collect();
        assert_ne!(names[0], names[1], "a new visitor each");
        in_parallel(8, |client| {
            let login = &logins[client % 2];
            let request = shows("/echo", login.cookie("JSESSIONID").unwrap());
            assert_eq!(served(proxy.address(), &request), login.tomcat());
        });
    }
    assert_eq!(bindings(&proxy), counts([("no_session", 4), ("owner", 16)]));
}

#[test]
fn requests_of_an_unknown_session_agree_on_one_tomcat_through_any_proxy() {
    let [one, two, three] = tomcats(["jvm1", "jvm2", "jvm3"]);
    let text = sticky(&[&one, &two, &three], "");
    let proxies = [Proxy::start(&text), Proxy::start(&text)];
    let ids = ["A1.old", "B2-n1.old", "C3", "D4.JVM1", "E5-n2.jvm1.old"];
    for id in ids {
        let base = id.split(['-', '.']).next().unwrap();
        let first = &order_of(&text, base)[0];
        in_parallel(8, |client| {
            let proxy = &proxies[client % 2];
            assert_eq!(served(proxy.address(), &shows("/echo", id)), *first, "{id}");
        });
    }
    for proxy in &proxies {
        let counted = bindings(proxy);
        let unknown = counted["unknown_route"];
        assert!(unknown >= ids.len() as u64, "{counted:?}");
        // The others met the first one in flight, or were told by it.
        let told = ["pin", "owner"].map(|way| counted.get(way).copied().unwrap_or(0));
        let all = counted.values().sum::<u64>();
        assert_eq!(unknown + told[0] + told[1], all, "{counted:?}");
        assert_eq!(all, 4 * ids.len() as u64);
    }
}

#[test]
fn jvm_routes_are_compared_to_the_letter() {
    let [one, eleven, upper] = tomcats(["jvm1", "jvm11", "JVM1"]);
    let proxy = Proxy::start(&sticky(&[&one, &eleven, &upper], ""));
    for name in ["jvm1", "jvm11", "JVM1", "jvm1"] {
        let request = shows("/echo", &format!("SAME.{name}"));
        assert_eq!(served(proxy.address(), &request), name);
    }
    for (number, route) in ["jvm", "jvm111", "Jvm1", "jvm1.", ".jvm1", "jvm1.jvm1"]
        .iter()
        .enumerate()
    {
        served(
            proxy.address(),
            &shows("/echo", &format!("S{number}.{route}")),
        );
    }
    assert_eq!(
        bindings(&proxy),
        counts([("owner", 4), ("unknown_route", 6)])
    );
}

/// A target and its `Cookie` lines, and the Tomcat that must get them; none: no session is seen.
type Row<'a> = (&'a str, &'a [&'a str], Option<&'a str>);

fn request(target: &str, lines: &[&str]) -> Request {
    lines.iter().fold(Request::get(target), |request, line| {
        request.header("Cookie", line)
    })
}

/// Each row often enough that chance cannot do it.
#[track_caller]
fn check(proxy: &Proxy, rows: &[Row<'_>]) {
    for (target, lines, owner) in rows {
        let free = || bindings(proxy).get("no_session").copied().unwrap_or(0);
        let before = free();
        for _ in 0..3 {
            let tomcat = served(proxy.address(), &request(target, lines));
            assert_eq!(owner.unwrap_or(&tomcat), tomcat, "{target} {lines:?}");
        }
        let expected = if owner.is_some() { 0 } else { 3 };
        assert_eq!(free() - before, expected, "{target} {lines:?}");
    }
}

#[test]
fn a_session_is_found_where_tomcat_finds_it() {
    let [one, two, three] = tomcats(["jvm1", "jvm2", "jvm3"]);
    let proxy = Proxy::start(&sticky(&[&one, &two, &three], ""));
    let two = Some("jvm2");
    check(
        &proxy,
        &[
            ("/echo", &["JSESSIONID=A.jvm2"], two),
            ("/echo", &["a=b; JSESSIONID=A.jvm2; c=d"], two),
            ("/echo", &["a=b;JSESSIONID=A.jvm2"], two),
            ("/echo", &["JSESSIONID=\"A.jvm2\""], two),
            ("/echo", &["a=b", "JSESSIONID=A.jvm2", "c=d"], two),
            ("/echo;jsessionid=A.jvm2", &[], two),
            ("/echo;jsessionid=A.jvm2?jsessionid=B.jvm1", &[], two),
            ("/echo;x=y/a;jsessionid=A.jvm2;v=1/b", &["a=b"], two),
            ("/echo;jsessionid=A.jvm1/a;jsessionid=B.jvm2", &[], two),
            // Tomcat lets the cookie win.
            ("/echo;jsessionid=A.jvm1", &["JSESSIONID=B.jvm2"], two),
            // Of several the first whose route is ours, wherever it stands.
            (
                "/echo",
                &["JSESSIONID=A.old; JSESSIONID=B.jvm2; JSESSIONID=C.jvm1"],
                two,
            ),
            ("/echo", &["JSESSIONID=A.old", "JSESSIONID=B.jvm2"], two),
            ("/echo", &["JSESSIONID=; JSESSIONID=B.jvm2"], two),
            (
                "/echo;jsessionid=B.jvm2",
                &["JSESSIONID=A.old; JSESSIONID=A"],
                two,
            ),
            // None of these is a session.
            ("/echo", &["JSESSIONIDSSO=A.jvm2"], None),
            ("/echo", &["jsessionid=A.jvm2; XJSESSIONID=A.jvm2"], None),
            ("/echo", &["a=JSESSIONID=A.jvm2"], None),
            ("/echo?jsessionid=A.jvm2", &[], None),
            ("/echo;JSESSIONID=A.jvm2", &[], None),
            ("/echo%3Bjsessionid=A.jvm2", &[], None),
            ("/echo/jsessionid=A.jvm2", &[], None),
        ],
    );
}

#[test]
fn single_sign_on_never_binds_and_never_disturbs() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let proxy = Proxy::start(&sticky(&[&one, &two], ""));
    for tomcat in [&one, &two] {
        says(
            tomcat,
            "/sso",
            &["Set-Cookie: JSESSIONIDSSO=F00.jvm1; Path=/"],
        );
    }
    let shown = request("/sso", &["JSESSIONIDSSO=F00.jvm1"]);
    let names = [(), ()].map(|()| served(proxy.address(), &shown));
    assert_ne!(names[0], names[1]);
    let both = request("/echo", &["JSESSIONIDSSO=F00.jvm1; JSESSIONID=A.jvm2"]);
    let names = [(), ()].map(|()| served(proxy.address(), &both));
    assert_eq!(names, ["jvm2", "jvm2"]);
    let verdicts = counted(&proxy, "cattail_session_verdicts_total", "verdict");
    assert_eq!(verdicts, counts([("carried_on", 2)]));
}

#[test]
fn of_several_ids_without_a_route_the_one_that_is_known_counts() {
    let [one, two] = tomcats(["left", "right"]);
    let text = nameless(&[&one, &two], "");
    let proxy = Proxy::start(&text);
    for tomcat in [&one, &two] {
        issues(tomcat, "/login", &format!("OF{}", tomcat.name()));
    }
    for _ in 0..2 {
        get(proxy.address(), "/login").expect(200);
    }
    for owner in ["left", "right"] {
        let other = if owner == "left" { "right" } else { "left" };
        let strange = base(&text, &[other, owner]);
        let cookie = format!("JSESSIONID={strange}; JSESSIONID=OF{owner}");
        let path = format!("/echo;jsessionid=OF{other}");
        assert_eq!(served(proxy.address(), &request(&path, &[&cookie])), owner);
        // Where none is known, the first: as its order of all backends says.
        let cookie = format!("JSESSIONID={strange}; JSESSIONID=NEVER{owner}");
        assert_eq!(
            served(proxy.address(), &request("/echo", &[&cookie])),
            other
        );
    }
}

#[test]
fn the_names_of_cookie_and_parameter_are_those_of_the_file() {
    let [one, two, three] = tomcats(["jvm1", "jvm2", "jvm3"]);
    let names = "session_cookies: [SID, JSESSIONID]\nsession_parameters: [sid]";
    let proxy = Proxy::start(&sticky(&[&one, &two, &three], names));
    let two = Some("jvm2");
    check(
        &proxy,
        &[
            ("/echo", &["SID=A.jvm2"], two),
            ("/echo", &["JSESSIONID=A.jvm2"], two),
            ("/echo", &["JSESSIONID=A.jvm1; SID=B.jvm2"], two),
            ("/echo;sid=A.jvm2", &["sid=A.jvm1"], two),
            ("/echo;jsessionid=A.jvm2", &["sid=A.jvm2"], None),
        ],
    );
    let none = sticky(&[&one, &three], "session_parameters: []");
    check(
        &Proxy::start(&none),
        &[("/echo;jsessionid=A.jvm3", &[], None)],
    );
}

#[test]
fn ids_of_every_dialect_find_their_server() {
    let [one, two, three] = tomcats(["jvm1", "jvm2", "jvm3"]);
    let encoded = |id: &str| STANDARD.encode(format!("0f3c6e4a-11d2-4d9a-9d3b-{id}"));
    let spring = format!("SESSION={}", encoded("77c0a1b2c3d4.jvm2"));
    let strange = format!("SESSION={}", encoded("77c0a1b2c3d5.old"));
    let rows: [(&str, &str, &str); 9] = [
        (
            "tomcat",
            "JSESSIONID=0f3c6e4a-11d2-4d9a-9d3b-77c0.jvm2",
            "owner",
        ),
        ("jetty", "JSESSIONID=node01x8y-n7.jvm2", "owner"),
        ("wildfly", "JSESSIONID=a-B_c.jvm2.jvm1.jvm3", "owner"),
        ("wildfly", "JSESSIONID=a-B_d.old.jvm2.jvm3", "owner"),
        ("keycloak", "AUTH_SESSION_ID=0f3c6e4a-11d2.jvm2", "owner"),
        (
            "weblogic",
            "JSESSIONID=x.y-z!jvm2!jvm1!1416326400000",
            "owner",
        ),
        ("weblogic", "JSESSIONID=x.y-w!-123!jvm2", "owner"),
        ("spring-session", &spring, "owner"),
        ("spring-session", &strange, "unknown_route"),
    ];
    for (dialect, cookie, binding) in rows {
        let text = sticky(&[&one, &two, &three], &format!("dialect: {dialect}"));
        let proxy = Proxy::start(&text);
        let tomcat = served(proxy.address(), &request("/echo", &[cookie]));
        assert_eq!(
            bindings(&proxy),
            counts([(binding, 1)]),
            "{dialect} {cookie}"
        );
        if binding == "owner" {
            assert_eq!(tomcat, "jvm2", "{dialect} {cookie}");
        }
    }
}

#[test]
fn what_sessions_ask_of_a_tomcat_counts_as_its_turns() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let text = sticky(&[&one, &two], "");
    let text = with(&with(&text, "jvm1", "weight: 2"), "jvm2", "weight: 2");
    let proxy = Proxy::start(&text);
    let visitors = |count: usize| -> Vec<String> {
        let visit = |_| served(proxy.address(), &Request::get("/echo"));
        (0..count).map(visit).collect()
    };
    assert_eq!(visitors(2), ["jvm1", "jvm2"]);
    let session = |times: usize| {
        for _ in 0..times {
            assert_eq!(served(proxy.address(), &shows("/echo", "A.jvm1")), "jvm1");
        }
    };
    session(1);
    assert_eq!(visitors(4), ["jvm2", "jvm2", "jvm1", "jvm2"]);
    // Never more than a round is owed: a busy session does not empty a Tomcat of visitors.
    session(50);
    assert_eq!(
        visitors(6),
        ["jvm2", "jvm2", "jvm2", "jvm2", "jvm1", "jvm2"]
    );
}

#[test]
fn paths_that_touch_no_session_are_only_balanced() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    // Any Tomcat may serve any session here.
    let settings = "affinity: prefer\nignore: '\\.(css|js)$'";
    let proxy = Proxy::start(&sticky(&[&one, &two], settings));
    let targets = [
        "/a.css",
        "/a.js?x=1",
        "/a.css;jsessionid=A.jvm1",
        "/b;v=1/a.js",
    ];
    for target in targets {
        for tomcat in [&one, &two] {
            let path = target.split('?').next().unwrap();
            issues(tomcat, path, &format!("NEW.{}", tomcat.name()));
        }
        let names = [(), ()].map(|()| served(proxy.address(), &shows(target, "A.jvm1")));
        assert_ne!(names[0], names[1], "{target}");
    }
    assert_eq!(bindings(&proxy), counts([("ignored", 8)]));
    assert_eq!(
        served(proxy.address(), &shows("/a.css.html", "A.jvm1")),
        "jvm1"
    );
}

#[test]
fn a_sticky_sessions_files_come_from_its_owner_so_that_no_copy_is_left_elsewhere() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    for tomcat in [&one, &two] {
        says(tomcat, "/a.css", &[]);
    }
    let proxy = Proxy::start(&sticky(&[&one, &two], r"ignore: '\.css$'"));
    for _ in 0..4 {
        for route in ["jvm1", "jvm2"] {
            let request = shows("/a.css", &format!("A{route}.{route}"));
            assert_eq!(served(proxy.address(), &request), route);
        }
    }
    assert_eq!(bindings(&proxy), counts([("owner", 8)]));
    // Whoever shows no session has no copy to leave.
    let names = [(), ()].map(|()| served(proxy.address(), &Request::get("/a.css")));
    assert_ne!(names[0], names[1]);
    assert_eq!(bindings(&proxy), counts([("owner", 8), ("ignored", 2)]));
    let settings = "ignore: '\\.css$'\nreplicated: true";
    let proxy = Proxy::start(&sticky(&[&one, &two], settings));
    let names = [(), ()].map(|()| served(proxy.address(), &shows("/a.css", "A.jvm1")));
    assert_ne!(names[0], names[1]);
}

#[test]
fn while_the_owner_is_down_files_come_without_the_session_and_take_none_over() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let settings = format!("{CHECKED}\nignore: '\\.css$'");
    let proxy = Proxy::start(&sticky(&[&one, &two], &settings));
    assert_eq!(served(proxy.address(), &shows("/echo", "A.jvm1")), "jvm1");
    lose(&proxy, &one);
    let cookies = [
        "Set-Cookie: lang=en; Path=/",
        "Set-Cookie: JSESSIONID=NEW.jvm2; Path=/",
    ];
    says(&two, "/a/b.css", &cookies);
    for (target, cookie, seen) in [
        ("/a/b.css?x=;jsessionid=A.jvm1", "JSESSIONID=A.jvm1", ""),
        (
            "/a/b.css?x=;jsessionid=A.jvm1",
            "l=1; JSESSIONID=A.jvm1; n=2",
            "l=1; n=2",
        ),
        (
            "/a;jsessionid=A.jvm1/b.css;jsessionid=A.jvm1?x=;jsessionid=A.jvm1",
            "l=1",
            "l=1",
        ),
    ] {
        let request = Request::get(target).header("Cookie", cookie);
        let answer = request.send(proxy.address()).expect(200);
        assert_eq!(answer.all("Set-Cookie"), ["lang=en; Path=/"]);
        let requests = two.requests_to("/a/b.css?x=;jsessionid=A.jvm1");
        let last = requests.last().expect("without ids in its path");
        assert_eq!(last.header("Cookie").unwrap_or_default(), seen);
    }
    // One that is under way, and one that nobody waits for to its end.
    two.hold("/held.css");
    let held = [(), ()].map(|()| begun(proxy.address(), &shows("/held.css", "A.jvm1")));
    eventually("both came", || two.requests_to("/held.css").len() == 2);
    let [mut held, reset] = held;
    reset.reset();
    two.wait_for("one request", |counts| counts.in_progress == 1);
    find_again(&proxy, &one);
    for path in ["/echo", "/c.css"] {
        says(&one, "/c.css", &[]);
        assert_eq!(served(proxy.address(), &shows(path, "A.jvm1")), "jvm1");
        let requests = one.requests_to(path);
        let last = requests.last().expect("a request");
        assert_eq!(last.header("Cookie"), Some("JSESSIONID=A.jvm1"));
    }
    assert_eq!(bindings(&proxy), counts([("owner", 3), ("survivor", 5)]));
    two.release("/held.css");
    held.read_response();
    let verdicts = counted(&proxy, "cattail_session_verdicts_total", "verdict");
    assert_eq!(verdicts, counts([("carried_on", 2)]));
}

#[test]
fn an_ignored_path_takes_no_session_away_from_who_has_one() {
    let [one] = tomcats(["jvm1"]);
    let cookies = [
        "Set-Cookie: lang=en; Path=/",
        "Set-Cookie: JSESSIONID=NEW.jvm1; Path=/",
        "Set-Cookie: seen=1",
    ];
    says(&one, "/bad.css", &cookies);
    says(&one, "/page", &cookies);
    let all = |proxy: &Proxy, request: &Request| -> Vec<String> {
        let response = request.send(proxy.address()).expect(200);
        let names = response.all("Set-Cookie").into_iter();
        names
            .map(|line| line.split('=').next().unwrap().to_owned())
            .collect()
    };
    let (whole, without) = (vec!["lang", "JSESSIONID", "seen"], vec!["lang", "seen"]);
    let ignore = r"ignore: '\.css$'";
    let proxy = Proxy::start(&sticky(&[&one], ignore));
    assert_eq!(all(&proxy, &shows("/bad.css", "A.jvm1")), whole);
    let drops = format!("{ignore}\nignore_drops_cookie: true");
    let proxy = Proxy::start(&sticky(&[&one], &drops));
    assert_eq!(all(&proxy, &shows("/bad.css", "A.jvm1")), without);
    assert_eq!(all(&proxy, &shows("/bad.css", "A.gone")), without);
    assert_eq!(all(&proxy, &Request::get("/bad.css")), whole);
    assert_eq!(all(&proxy, &shows("/page", "A.jvm1")), whole);
    // That the session itself is elsewhere now must be told.
    assert_eq!(all(&proxy, &shows("/bad.css", "NEW.jvm2")), whole);
}

#[test]
fn without_affinity_no_session_is_read_or_remembered() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let proxy = Proxy::start(&sticky(&[&one, &two], "affinity: none"));
    for tomcat in [&one, &two] {
        issues(tomcat, "/login", &format!("S.{}", tomcat.name()));
    }
    for path in ["/login", "/echo"] {
        let names = [(), ()].map(|()| served(proxy.address(), &shows(path, "A.jvm1")));
        assert_ne!(names[0], names[1], "{path}");
    }
    assert!(bindings(&proxy).is_empty());
    assert!(counted(&proxy, "cattail_session_verdicts_total", "verdict").is_empty());
    assert!(counted(&proxy, "cattail_ledger_entries", "kind").is_empty());
}
