use cattail::standin::{Colour, SharedSessions, Takeover};

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
fn a_takeover_sets_the_new_cookie() {
    let sessions = SharedSessions::default();
    let start = |route| {
        Tomcat::build(route, |tomcat| {
            tomcat.sessions(&sessions).takeover(Takeover::RenameId)
        })
    };
    let (a, b) = (start("jvm1"), start("jvm2"));
    let id = get(a.address(), "/session")
        .cookie("JSESSIONID")
        .unwrap()
        .to_owned();
    let cookie = format!("JSESSIONID={id}");
    let taken = Request::get("/session")
        .header("Cookie", &cookie)
        .send(b.address());
    assert_eq!(
        taken.cookie("JSESSIONID"),
        Some(id.replace("jvm1", "jvm2").as_str())
    );
    sessions.clear();
    let lost = Request::get("/session")
        .header("Cookie", &cookie)
        .send(a.address());
    assert_eq!(lost.json()["hits"], 1);
}
