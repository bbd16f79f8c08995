use proptest::prelude::*;

use super::*;

const ID: &str = "D20877A04A8A2A6D7B9E0DF1C65AD799";

fn redacted(text: &str) -> String {
    Redactor::new(["JSESSIONID", "sid"])
        .redact(text)
        .into_owned()
}

#[test]
fn an_id_is_shortened_wherever_it_stands() {
    let cases = [
        (
            format!("/a;jsessionid={ID}-n1.jvm1"),
            "/a;jsessionid=D20877*-n1.jvm1",
        ),
        (
            format!("/a;JSessionId={ID}.jvm1/b?c=d"),
            "/a;JSessionId=D20877*.jvm1/b?c=d",
        ),
        (
            format!("/a;jsessionid={ID};x=y"),
            "/a;jsessionid=D20877*;x=y",
        ),
        (format!("/a?sid={ID}&b=c"), "/a?sid=D20877*&b=c"),
        (
            format!("/a?b=c&JSESSIONID={ID}#top"),
            "/a?b=c&JSESSIONID=D20877*#top",
        ),
        (
            format!("http://h/a;jsessionid={ID}.j;jsessionid={ID}?sid={ID}"),
            "http://h/a;jsessionid=D20877*.j;jsessionid=D20877*?sid=D20877*",
        ),
        (
            format!("/login?next=%2Fa%3Bjsessionid%3D{ID}-n1.jvm1%3Fx"),
            "/login?next=%2Fa%3Bjsessionid%3DD20877*-n1.jvm1%3Fx",
        ),
        (
            format!("/login?next=%252Fa%253Bjsessionid%253D{ID}%2526x"),
            "/login?next=%252Fa%253Bjsessionid%253DD20877*%2526x",
        ),
        ("/a;jsessionid=abcd1234".to_owned(), "/a;jsessionid=ab*"),
        ("/a;jsessionid=abc".to_owned(), "/a;jsessionid=*"),
        // The longer part is behind the dot: all of it is taken for the secret.
        (
            "/a;jsessionid=0.secretsecret".to_owned(),
            "/a;jsessionid=0.s*",
        ),
        ("/a;jsessionid=%41%42".to_owned(), "/a;jsessionid=%*"),
    ];
    for (text, expected) in cases {
        assert_eq!(redacted(&text), expected, "{text}");
    }
}

#[test]
fn what_holds_no_id_is_borrowed_as_it_is() {
    let redactor = Redactor::new(["sid"]);
    for text in [
        "",
        "/",
        "/a;b=c?d=e",
        "/a;jsessionid",
        "/a;jsessionid=",
        "/a;jsessionid=;x",
        "/a?inside=1&mysid=2&jsessionidx=3",
        "/a%3Djsessionid",
        "/jsessionid/x",
        "/ä?ö=ü%",
    ] {
        assert!(
            matches!(redactor.redact(text), Cow::Borrowed(same) if same == text),
            "{text}"
        );
    }
}

#[test]
fn a_token_with_several_dots_shows_no_tail() {
    assert_eq!(
        redacted("/?sid=eyJhbGciOiJI.eyJzdWIiOiIx.SflKxwRJSMeKKF2QT4"),
        "/?sid=eyJhbG*"
    );
    assert_eq!(
        redacted("/?sid=1f0e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"),
        "/?sid=1f0e2d*"
    );
    assert_eq!(
        redacted("/?sid=q3ZkVb1-x8TnLw0yGmAe5r"),
        "/?sid=q3ZkV*",
        "a dash within a secret"
    );
    let other = format!("/?sid={ID}.{}", "r".repeat(65));
    assert_eq!(redacted(&other), "/?sid=D20877*");
}

proptest! {
    #[test]
    fn never_more_is_shown_than_allowed(
        base in "([A-Za-z0-9_+~-]|%4[1-9]){1,60}",
        tail in "|-n1|\\.jvm1|-n1\\.jvm-1",
        before in prop::sample::select(vec!["/a;jsessionid=", "/a?x=y&SID=", "/?u=%3BJSESSIONID%3d"]),
        after in prop::sample::select(vec!["", "/b", ";c", "&d=e", "?f", "%3Fg"]),
    ) {
        let text = format!("{before}{base}{tail}{after}");
        let shown = redacted(&text);
        let secret: Vec<char> = base.chars().collect();
        // No run of characters of the base that is longer than what may be shown survives.
        let allowed = MOST_SHOWN.min(format!("{base}{tail}").len() / SMALLEST_SHARE);
        let rest = shown.strip_prefix(before).unwrap();
        let (head, _) = rest.split_once(MARK).unwrap();
        prop_assert!(head.len() <= allowed.max(1), "{shown}");
        prop_assert!(head.len() <= MOST_SHOWN);
        if secret.len() > 24 {
            let whole: String = secret.iter().collect();
            prop_assert!(!shown.contains(&whole));
        }
    }

    #[test]
    fn any_text_can_be_redacted(text in "(\\PC|jsessionid|=|%3D|%|;){0,30}") {
        let once = redacted(&text);
        prop_assert!(once.len() <= text.len() + text.matches(['=', '%']).count());
    }
}
