//! What no honest client sends: ids that are none, ids that are forged, ids without end. All of
//! them are answered, and none of them costs anybody else anything.

use std::collections::{BTreeMap, BTreeSet};

use super::affinity_stage::*;
use super::harness::*;

fn rejected(proxy: &Proxy) -> BTreeMap<String, u64> {
    counted(proxy, "cattail_session_ids_rejected_total", "reason")
}

/// A GET with this as its `Cookie` line, byte for byte.
fn raw(cookie: &[u8]) -> Vec<u8> {
    let head = b"GET /echo HTTP/1.1\r\nHost: shop.example\r\nCookie: ";
    [head, cookie, b"\r\n\r\n"].concat()
}

#[track_caller]
fn answered(client: &mut Raw, request: impl AsRef<[u8]>) -> String {
    let response = client.send(request).read_response().expect(200);
    response.tomcat().to_owned()
}

fn id(value: &[u8]) -> Vec<u8> {
    [b"JSESSIONID=", value].concat()
}

#[test]
fn what_is_no_session_id_is_answered_and_counted() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let text = sticky(&[&one, &two], "");
    let long = [&[b'A'; 600][..], b".jvm1"].concat();
    let rows: [(&[u8], Option<&str>); 12] = [
        (b"", Some("no_base")),
        (b"\"\"", Some("no_base")),
        (b".jvm1", Some("no_base")),
        (b"-n1.jvm1", Some("no_base")),
        (b"....", Some("no_base")),
        (&long, Some("too_long")),
        // Nearly all that Tomcat takes as a head.
        (&[b'x'; 7 * 1024], Some("too_long")),
        (b"A\tB.jvm1", Some("control_character")),
        (b"\"A\tB\".jvm1", Some("control_character")),
        // These are ids, if odd ones.
        (b"\"", None),
        (b"A\xff\xfe\x80.\xe4\xf6\xfc", None),
        (b"-.-.-", None),
    ];
    for (value, reason) in rows {
        let proxy = Proxy::start(&text);
        let mut client = Raw::connect(proxy.address());
        for _ in 0..2 {
            answered(&mut client, raw(&id(value)));
        }
        let expected = reason.map(|reason| (reason.to_owned(), 2));
        let shown = value.escape_ascii().to_string();
        assert_eq!(
            rejected(&proxy),
            expected.into_iter().collect(),
            "{shown:.40}"
        );
        let free = bindings(&proxy).get("no_session").copied().unwrap_or(0);
        assert_eq!(free, if reason.is_some() { 2 } else { 0 }, "{shown:.40}");
    }
}

#[test]
fn what_no_dialect_encodes_is_balanced() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let proxy = Proxy::start(&sticky(&[&one, &two], "dialect: spring-session"));
    let mut client = Raw::connect(proxy.address());
    for value in ["%%%", "QQ=Q", "A.jvm1", "QQ\u{e4}"] {
        answered(&mut client, raw(format!("SESSION={value}").as_bytes()));
    }
    assert_eq!(rejected(&proxy), counts([("undecodable", 4)]));
    assert_eq!(bindings(&proxy), counts([("no_session", 4)]));
}

#[test]
fn dots_dashes_and_quotes_everywhere_mean_what_tomcat_takes_them_for() {
    let [one, two, three] = tomcats(["jvm1", "j-v_m2", "jvm3"]);
    let proxy = Proxy::start(&sticky(&[&one, &two, &three], ""));
    let rows = [
        ("A-B-C-D-E.j-v_m2", Some("j-v_m2")),
        ("A--n1--.j-v_m2", Some("j-v_m2")),
        ("A-.jvm3", Some("jvm3")),
        ("A-n1-n2.jvm3", Some("jvm3")),
        ("A_b~c!d.jvm3", Some("jvm3")),
        ("%41%2Ejvm1.jvm3", Some("jvm3")),
        // Half a quote is no quote.
        ("\"A.jvm3", Some("jvm3")),
        ("A.jvm3.jvm1", None),
        ("A..jvm3", None),
        ("A.jvm3-n1", None),
        ("A.jvm3!", None),
        ("A.jvm3\"", None),
        ("A%2Ejvm3", None),
    ];
    let known = rows.iter().filter(|(_, owner)| owner.is_some()).count();
    for (number, (id, owner)) in rows.into_iter().enumerate() {
        // Each another session.
        let id = id.replacen('A', &format!("A{number}"), 1);
        let tomcat = served(proxy.address(), &shows("/echo", &id));
        assert_eq!(owner.unwrap_or(&tomcat), tomcat, "{id}");
        let unknown = bindings(&proxy).get("unknown_route").copied().unwrap_or(0);
        let expected = (number + 1).saturating_sub(known);
        assert_eq!(unknown, expected as u64, "{id}");
    }
}

#[test]
fn hundreds_of_cookies_hide_no_session() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let text = nameless(&[&one, &two], "");
    let proxy = Proxy::start(&text);
    let mut client = Raw::connect(proxy.address());
    let many = |count: usize, name: &str| -> Vec<String> {
        (0..count)
            .map(|number| format!("{name}=X{number}"))
            .collect()
    };
    issues(&two, "/login", "SID");
    issues(&one, "/login", "SIE.tomcat1");
    for _ in 0..2 {
        served(proxy.address(), &Request::get("/login"));
    }
    // Other cookies, and ids whose route says nothing, before the one whose route does.
    for name in ["other", "JSESSIONID"] {
        let line = many(400, name).join("; ") + "; JSESSIONID=Z.tomcat1";
        assert_eq!(answered(&mut client, raw(line.as_bytes())), "jvm1");
    }
    assert!(rejected(&proxy).is_empty());
    // Of those that say nothing the first few are looked up.
    let line = many(10, "JSESSIONID").join("; ") + "; JSESSIONID=SID";
    assert_eq!(answered(&mut client, raw(line.as_bytes())), "jvm2");
    assert!(rejected(&proxy).is_empty());
    let line = many(400, "JSESSIONID").join("; ") + "; JSESSIONID=SID";
    let first = &order_of(&text, "X0")[0];
    assert_eq!(answered(&mut client, raw(line.as_bytes())), *first);
    assert_eq!(rejected(&proxy), counts([("too_many", 1)]));
    // Over many lines.
    let lines = many(60, "JSESSIONID");
    let request = lines.iter().fold(Request::get("/echo"), |request, line| {
        request.header("Cookie", line)
    });
    let request = request.header("Cookie", "JSESSIONID=Z.tomcat1");
    assert_eq!(answered(&mut client, request.bytes()), "jvm1");
    // In the path.
    let path = format!("/echo{}", ";jsessionid=X.y".repeat(500));
    answered(&mut client, Request::get(&path).bytes());
}

/// All series of a scrape, without their values.
fn series(proxy: &Proxy) -> BTreeSet<String> {
    let text = get(proxy.admin(), "/metrics").expect(200).text();
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    samples
        .filter_map(|line| line.rsplit_once(' '))
        .map(|(series, _)| series.to_owned())
        .collect()
}

/// An id that nobody issued, another one for each number.
fn forged(client: usize, number: usize) -> String {
    let (route, node) = (number % 7, number % 5);
    let base = format!("F{client}x{number}");
    match number % 4 {
        0 => format!("{base}-forged{number}.evil{number}"),
        1 => format!("{base}-n{node}.jvm{route}"),
        2 => base,
        _ => format!("{base}.jvm1"),
    }
}

#[test]
fn a_flood_of_forged_ids_displaces_nobody_and_makes_no_series() {
    let [one, two, three] = tomcats(["jvm1", "jvm2", "jvm3"]);
    let text = nameless(&[&one, &two, &three], CHECKED);
    let limits = "limits: { ledger: 1000, requests_per_connection: 100000 }\n";
    let proxy = Proxy::start(&format!("{limits}{text}"));
    let owners: BTreeMap<String, String> = (0..100)
        .map(|_| {
            let login = get(proxy.address(), "/session").expect(200);
            let id = login.cookie("JSESSIONID").expect("a session");
            let base = id.split('.').next().unwrap();
            (base.to_owned(), login.tomcat().to_owned())
        })
        .collect();
    // One session was taken over, one is at its survivor at this moment.
    let moved = bases(&text, &["jvm2", "jvm3", "jvm1"], "MOVED")
        .next()
        .unwrap();
    let pinned = bases(&text, &["jvm2", "jvm3", "jvm1"], "PINNED")
        .next()
        .unwrap();
    lose(&proxy, &one);
    issues(&two, "/taken", &format!("{moved}.jvm2"));
    served(proxy.address(), &shows("/taken", &format!("{moved}.jvm1")));
    two.hold("/slow");
    let mut slow = begun(proxy.address(), &shows("/slow", &format!("{pinned}.jvm1")));
    two.wait_for("it is there", |counts| counts.in_progress == 1);
    find_again(&proxy, &one);
    let flood = |client: usize, numbers: std::ops::Range<usize>| {
        let mut raw = Raw::connect(proxy.address());
        for number in numbers {
            let request = shows("/echo", &forged(client, number));
            request.send_on(&mut raw).expect(200);
        }
    };
    // Once every kind, for the series that they may make.
    flood(9, 0..8);
    let before = series(&proxy);
    in_parallel(2, |client| flood(client, 0..1500));
    assert_eq!(series(&proxy), before);

    let evicted = counted(&proxy, "cattail_ledger_evictions_total", "kind");
    let kinds: Vec<_> = evicted.keys().collect();
    assert_eq!(kinds, ["claimed"], "{evicted:?}");
    let entries = counted(&proxy, "cattail_ledger_entries", "kind");
    assert_eq!(entries["issued"], 101);
    assert!(entries["claimed"] <= 250, "{entries:?}");
    for (base, owner) in &owners {
        assert_eq!(served(proxy.address(), &shows("/echo", base)), *owner);
    }
    for base in [&moved, &pinned] {
        let request = shows("/echo", &format!("{base}.jvm1"));
        assert_eq!(served(proxy.address(), &request), "jvm2", "{base}");
    }
    two.release("/slow");
    slow.read_response().expect(200);
}
