use cattail::standin::{Colour, SharedSessions};

use crate::harness::{Browser, Request, Tomcat, get, tomcats};

#[test]
fn two_tomcats_share_a_session_and_its_creation_time() {
    let [a, b] = tomcats(["jvm1", "jvm2"]);
    let created = get(a.address(), "/session");
    let id = created.cookie("JSESSIONID").unwrap().to_owned();
    assert!(id.ends_with(".jvm1") && id.len() == 37, "{id}");

    let cookie = format!("other=1; JSESSIONID={id}");
    let carried_on = Request::get("/session")
        .header("Cookie", &cookie)
        .send(b.address());
    assert_eq!(
        (carried_on.tomcat(), carried_on.cookie("JSESSIONID")),
        ("jvm2", None)
    );
    let (first, second) = (created.json(), carried_on.json());
    assert_eq!(
        (&second["id"], &second["created_ms"]),
        (&first["id"], &first["created_ms"])
    );
    assert_eq!(
        (&second["tomcat"], &second["hits"]),
        (&"jvm2".into(), &2.into())
    );

    let by_path = get(b.address(), &format!("/session;jsessionid={id}?x")).json();
    assert_eq!(by_path["hits"], 3);
    assert_eq!((a.sessions().count(), b.sessions().count()), (1, 1));
}

#[test]
fn the_page_shows_who_answered_and_the_session() {
    let sessions = SharedSessions::default();
    let tomcat = Tomcat::build("jvm1", |tomcat| {
        tomcat
            .look("TomcatB", Colour::Blue)
            .store_node("n1")
            .cookie("JSESSIONID", "/test")
            .sessions(&sessions)
    });
    let mut browser = Browser::new(tomcat.address());
    let page = browser.get("/test/").expect(200);
    let set = page.header("Set-Cookie").unwrap();
    assert_eq!(
        set,
        format!("JSESSIONID={}; Path=/test; HttpOnly", browser.session_id())
    );
    let row = format!("<td id=\"session\">{}</td>", browser.session_id());
    assert!(page.text().contains("data-colour=\"blue\"") && page.text().contains(&row));
    assert!(browser.session_id().ends_with("-n1.jvm1"));

    assert!(
        browser
            .get("/test/")
            .text()
            .contains("<td id=\"hits\">2</td>")
    );
    browser.get("/favicon.ico").expect(404);
    assert_eq!(
        (sessions.count(), tomcat.counts().connections_accepted),
        (1, 1)
    );
}

#[test]
fn a_tomcat_without_a_jvm_route_gives_ids_without_one() {
    let tomcat = Tomcat::build("jvm1", cattail::standin::Builder::without_jvm_route);
    assert!(
        !get(tomcat.address(), "/session")
            .cookie("JSESSIONID")
            .unwrap()
            .contains('.')
    );
}

#[test]
fn a_login_renews_the_cookie_and_a_logout_takes_it_away() {
    let tomcat = Tomcat::start("jvm1");
    let mut browser = Browser::new(tomcat.address());
    let created = browser.get("/session").expect(200).json();
    let renewed = browser.get("/login").expect(200).json();
    assert_ne!(renewed["id"], created["id"]);
    assert_eq!(renewed["created_ms"], created["created_ms"]);
    assert_eq!(renewed["id"], browser.session_id());
    let out = browser.get("/logout").expect(200);
    assert_eq!(
        out.header("Set-Cookie"),
        Some("JSESSIONID=; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:10 GMT; Path=/; HttpOnly")
    );
    let truth = tomcat.sessions().truth();
    assert_eq!((truth.issued, truth.renewed), (1, 1));
    assert_eq!((truth.logged_out, truth.live), (1, 0));
}

#[test]
fn an_error_page_below_an_ignored_path_overwrites_the_cookie() {
    let tomcat = Tomcat::start("jvm1");
    let mut browser = Browser::new(tomcat.address());
    browser.get("/session").expect(200);
    let before = browser.session_id().to_owned();
    browser.get("/style/good.css").expect(404);
    assert_eq!(browser.session_id(), before);
    browser.get("/style/bad.css").expect(404);
    assert_ne!(browser.session_id(), before);
    let after = browser.get("/session").expect(200).json();
    assert_eq!(after["hits"], 1, "nobody kept the new session either");
    let truth = tomcat.sessions().truth();
    assert_eq!((truth.overwritten, truth.lost), (1, 1));
}

#[test]
fn contexts_have_sessions_and_cookies_of_their_own() {
    let tomcat = Tomcat::build("jvm1", |tomcat| tomcat.contexts(&["/app1", "/app2"]));
    let ask = |path: &str, ids: &[&str]| {
        let cookies: Vec<_> = ids.iter().map(|id| format!("JSESSIONID={id}")).collect();
        let request = match ids {
            [] => Request::get(path),
            _ => Request::get(path).header("Cookie", &cookies.join("; ")),
        };
        let response = request.send(tomcat.address()).expect(200);
        let set = response.header("Set-Cookie").map(str::to_owned);
        (response.json(), set)
    };
    let mut ids = Vec::new();
    for (target, path) in [
        ("/session", "/"),
        ("/app1/session", "/app1"),
        ("/app2/session?x=1", "/app2"),
    ] {
        let (session, set) = ask(target, &[]);
        let id = session["id"].as_str().unwrap().to_owned();
        let expected = format!("JSESSIONID={id}; Path={path}; HttpOnly");
        assert_eq!(set, Some(expected));
        ids.push(id);
    }
    // The longest path first, as browsers send them.
    assert_eq!(ask("/app1/session", &[&ids[1], &ids[0]]).0["hits"], 2);
    assert_eq!(ask("/session", &[&ids[0]]).0["hits"], 2);
    assert_eq!(ask("/app1/session", &[&ids[0]]).0["hits"], 1);
    let page = get(tomcat.address(), "/app10/session");
    let set = page.header("Set-Cookie").unwrap();
    assert!(set.contains("Path=/;"), "no context: {set}");
}
