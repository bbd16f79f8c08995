use http::HeaderValue;
use proptest::prelude::*;

use super::*;

const ID: &str = "D20877A04A8A2A6D7B9E0DF1C65AD799-n1.jvm1";

fn headers(lines: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines {
        let value = HeaderValue::from_bytes(line.as_bytes()).unwrap();
        headers.append(COOKIE, value);
    }
    headers
}

fn strings(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// What is found, each value read again.
fn found(lines: &[&str], path: &str, cookies: &[&str], parameters: &[&str]) -> Vec<String> {
    let headers = headers(lines);
    let (cookies, parameters) = (strings(cookies), strings(parameters));
    let names = Names {
        cookies: &cookies,
        parameters: &parameters,
    };
    let found = each(&headers, path, names).map(|found| {
        let again = read_again(&headers, path, found.place);
        assert_eq!(again, Some(found.value), "{found:?}");
        String::from_utf8_lossy(found.value).into_owned()
    });
    found.collect()
}

fn cookies(lines: &[&str]) -> Vec<String> {
    found(lines, "/", &["JSESSIONID"], &["jsessionid"])
}

fn parameters(path: &str) -> Vec<String> {
    found(&[], path, &["JSESSIONID"], &["jsessionid"])
}

#[test]
fn cookies_are_found_as_tomcat_finds_them() {
    let one = format!("JSESSIONID={ID}");
    let among = format!("a=b; JSESSIONID={ID}; _ga=GA1.2.3=4");
    let cases: [(&[&str], &[&str]); 22] = [
        (&[], &[]),
        (&[""], &[]),
        (&[&one], &[ID]),
        (&[&among], &[ID]),
        (&["a=b", &one], &[ID]),
        (
            &["JSESSIONID=1; JSESSIONID=2", "JSESSIONID=3"],
            &["1", "2", "3"],
        ),
        (&["JSESSIONID=1;JSESSIONID=2"], &["1", "2"]),
        (&["JSESSIONID=1;;;JSESSIONID=2;"], &["1", "2"]),
        (&[" \t JSESSIONID \t=\t 1 \t ;a=b"], &["1"]),
        (&["JSESSIONID=\"1\""], &["\"1\""]),
        (&["JSESSIONID=\"1;2\""], &["\"1"]),
        (&["JSESSIONID="], &[""]),
        (&["JSESSIONID=;a=b"], &[""]),
        (&["JSESSIONID= ; a=b"], &[""]),
        (&["JSESSIONID=a=b"], &["a=b"]),
        (&["JSESSIONID=ä"], &["ä"]),
        (&["jsessionid=1; JSessionID=2"], &[]),
        (&["JSESSIONIDSSO=1; XJSESSIONID=2; JSESSIONID.x=3"], &[]),
        (&["JSESSIONID; JSESSIONID"], &[]),
        (&["a=JSESSIONID=1"], &[]),
        (&["a=\"; JSESSIONID=1"], &["1"]),
        (&["JSESSIONI", "D=1"], &[]),
    ];
    for (lines, expected) in cases {
        assert_eq!(cookies(lines), expected, "{lines:?}");
    }
}

#[test]
fn parameters_are_found_as_tomcat_finds_them() {
    let long = format!("/a/b;jsessionid={ID}");
    let cases: [(&str, &[&str]); 16] = [
        ("/a;b", &[]),
        (&long, &[ID]),
        ("/a;jsessionid=1/b", &["1"]),
        ("/a;jsessionid=1;x=y/b", &["1"]),
        ("/a;x=y;jsessionid=1", &["1"]),
        ("/a;jsessionid=1/b;jsessionid=2/c", &["2"]),
        ("/a;jsessionid=1/b;jsessionid=/c", &[""]),
        ("/a;jsessionid=", &[""]),
        ("/a;jsessionid", &[]),
        ("/a;JSESSIONID=1", &[]),
        ("/a;xjsessionid=1", &[]),
        ("/a;jsessionidx=1", &[]),
        ("/a%3Bjsessionid=1", &[]),
        ("/a;jsessionid=%41", &["%41"]),
        ("/jsessionid=1", &[]),
        (";jsessionid=1", &["1"]),
    ];
    for (path, expected) in cases {
        assert_eq!(parameters(path), expected, "{path}");
    }
}

#[test]
fn names_are_tried_in_order_and_cookies_before_the_path() {
    let lines = ["SID=1; JSESSIONID=2", "JSESSIONID=3; SID=4"];
    let path = "/a;sid=5/b;jsessionid=6;sid=7";
    assert_eq!(
        found(&lines, path, &["JSESSIONID", "SID"], &["jsessionid", "sid"]),
        ["2", "3", "1", "4", "6", "7"]
    );
    assert_eq!(
        found(&lines, path, &["SID", "JSESSIONID"], &["sid", "jsessionid"]),
        ["1", "4", "2", "3", "7", "6"]
    );
    assert_eq!(found(&lines, path, &[], &["sid"]), ["7"]);
    assert!(found(&lines, path, &[], &[]).is_empty());
}

#[test]
fn a_place_tells_name_line_and_bytes() {
    let headers = headers(&["a=b", "c=d; SID= 1234"]);
    let names = strings(&["JSESSIONID", "SID"]);
    let names = Names {
        cookies: &names,
        parameters: &names,
    };
    let places: Vec<Place> = each(&headers, "/;SID=56", names)
        .map(|found| found.place)
        .collect();
    let cookie = Place {
        source: Source::Cookie,
        name: 1,
        line: 1,
        from: 10,
        len: 4,
    };
    let parameter = Place {
        source: Source::Path,
        name: 1,
        line: 0,
        from: 6,
        len: 2,
    };
    assert_eq!(places, [cookie, parameter]);
    let gone = Place { line: 2, ..cookie };
    assert_eq!(read_again(&headers, "/", gone), None);
    assert_eq!(read_again(&headers, "/", parameter), None);
}

#[test]
fn every_cookie_of_a_big_head_is_found() {
    let many = "JSESSIONID=x; ".repeat(2000);
    assert_eq!(cookies(&[&many]).len(), 2000);
    assert_eq!(cookies(&["JSESSIONID=x"; 300]).len(), 300);
    let far = format!("a={}; JSESSIONID=1; b=c", "x".repeat(65_000));
    assert_eq!(cookies(&[&far, "JSESSIONID=2"]), ["1", "2"]);
    let too_far = format!("a={}; JSESSIONID=1", "x".repeat(66_000));
    assert_eq!(cookies(&[&too_far, "JSESSIONID=2"]), ["2"]);
    let many: Vec<String> = (0..300).map(|number| format!("s{number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(
        found(&["s0=1; s255=2; s256=3"], "/;s255=4;s256=5", &many, &many),
        ["1", "2", "4"]
    );
}

#[test]
fn a_path_loses_its_parameters_and_nothing_else() {
    let cases = [
        ("/a/b.css", "/a/b.css"),
        ("/a/b.css;jsessionid=1", "/a/b.css"),
        ("/a;x=y/b;z//c", "/a/b//c"),
        ("/a;/", "/a/"),
        (";", ""),
        ("/a%3Bb", "/a%3Bb"),
    ];
    for (path, expected) in cases {
        assert_eq!(path_without_parameters(path), expected, "{path}");
    }
    for path in ["/a/b", "/a/b;c=d;e"] {
        assert!(matches!(path_without_parameters(path), Cow::Borrowed(_)));
    }
}

proptest! {
    #[test]
    fn cookies_stand_where_splitting_finds_them(line in "(SID|=|;| |a|\"|\t|xx){0,30}") {
        let expected: Vec<&str> = line
            .split(';')
            .filter_map(|pair| pair.split_once('='))
            .filter(|(name, _)| name.trim() == "SID")
            .map(|(_, value)| value.trim())
            .collect();
        prop_assert_eq!(found(&[&line], "/", &["SID"], &[]), expected);
    }

    #[test]
    fn the_last_parameter_stands_where_splitting_finds_it(path in "(sid|=|;|/|a){0,30}") {
        let expected = path
            .split('/')
            .flat_map(|segment| segment.split(';').skip(1))
            .filter_map(|parameter| parameter.strip_prefix("sid="))
            .last();
        let expected: Vec<&str> = expected.into_iter().collect();
        prop_assert_eq!(found(&[], &path, &[], &["sid"]), expected);
    }
}
