use super::*;

fn manager(attributes: &str) -> String {
    format!("<Context>\n  <Manager className=\"{MANAGER}\" {attributes}/>\n</Context>")
}

fn found(text: &str) -> Result<FoundManager, Vec<Problem>> {
    read(File {
        name: "context.xml",
        text,
        field: "stores.context",
    })
}

fn warning_of(attributes: &str) -> Option<String> {
    let warnings = found(&manager(attributes)).unwrap().warnings;
    assert!(warnings.len() <= 1, "{warnings:?}");
    warnings.into_iter().next().map(|it| it.to_string())
}

#[test]
fn what_msm_is_told_is_read() {
    let attributes =
        "memcachedNodes=\"n1:a:1,n2:b:2\" sticky=\"false\" storageKeyPrefix=\"static:x\"";
    let read = found(&manager(attributes)).unwrap();
    assert_eq!(read.nodes.len(), 2);
    assert_eq!(
        (read.sticky, read.key_prefix.as_deref()),
        (false, Some("x_"))
    );
    assert_eq!(read.warnings, []);
    let plain = found(&manager("memcachedNodes=\"n1:a:1\"")).unwrap();
    assert_eq!(
        (plain.sticky, plain.key_prefix.as_deref()),
        (true, Some(""))
    );
    let prefix = |value: &str| {
        let attributes = format!("memcachedNodes=\"n1:a:1\" storageKeyPrefix=\"{value}\"");
        found(&manager(&attributes)).unwrap().key_prefix
    };
    assert_eq!(prefix("webappVersion").as_deref(), Some(""));
    assert_eq!(
        prefix("static:a,webappVersion,static:b").as_deref(),
        Some("a:b_")
    );
    assert_eq!(prefix("context.hash"), None);
    let nested = format!(
        "<Server><Service><Engine><Host>{}</Host></Engine></Service></Server>",
        manager("memcachedNodes=\"a:1\"")
    );
    assert_eq!(found(&nested).unwrap().nodes.len(), 1);
}

#[test]
fn what_cannot_be_read_has_its_place() {
    let twice = format!(
        "<Host>\n{}\n{}\n</Host>",
        manager("memcachedNodes=\"a:1\""),
        manager("")
    );
    let bomb = "<!DOCTYPE a [<!ENTITY b \"c\">]>\n<a>&b;</a>";
    for (text, place, words) in [
        (
            "<Context>\n<Manager</Context>",
            "context.xml:2:",
            "well-formed",
        ),
        (bomb, "context.xml:1:", "well-formed"),
        ("<Context/>", "context.xml:1:1", "none"),
        (&manager(""), "context.xml:2:3", "memcachedNodes"),
        (
            &manager("memcachedNodes=\"n-1:a:1\""),
            "context.xml:2:",
            "node 1: a node name",
        ),
        (
            &manager("memcachedNodes=\"${nodes}\""),
            "context.xml:2:",
            "${nodes}",
        ),
        (&twice, "context.xml:6:3", "line 3"),
        (
            &manager("memcachedNodes=\"n1:a:1 n2:b:2\" failoverNodes=\"n1,n3\""),
            "context.xml:2:",
            "does not start",
        ),
        (
            &manager("memcachedNodes=\"n1:a:1\" failoverNodes=\"n1\""),
            "context.xml:2:",
            "with one node",
        ),
        (
            &manager("memcachedNodes=\"n1:a:1\" storageKeyPrefix=\"host, context\""),
            "context.xml:2:",
            "does not start",
        ),
        (
            &manager("memcachedNodes=\"n1:a:1\" sticky=\"${sticky}\""),
            "context.xml:2:",
            "not known here",
        ),
    ] {
        let problems = found(text).unwrap_err();
        let [problem] = problems.as_slice() else {
            panic!("{problems:?}");
        };
        let shown = problem.to_string();
        assert!(shown.starts_with(place) && shown.contains(words), "{shown}");
    }
    let secret = found(&manager("memcachedNodes=\"redis://:hush@a:x\"")).unwrap_err();
    assert!(!format!("{secret:?}").contains("hush"));
}

#[test]
fn usual_mistakes_are_warned_of() {
    let two = "memcachedNodes=\"n1:a:1 n2:b:2\"";
    for (attributes, words) in [
        (
            format!("{two} sticky=\"false\" failoverNodes=\"n1\""),
            "take it out",
        ),
        (format!("{two} failoverNodes=\"n1,n2\""), "every day"),
        (
            format!("{two} requestUriIgnorePattern=\"^/static\""),
            "GET /path",
        ),
        (
            format!("{two} lockingMode=\"uriPattern:/path1|/path2\""),
            "GET /path",
        ),
        (
            format!("{two} storageKeyPrefix=\"static:a-b\""),
            "first '-'",
        ),
    ] {
        let warning = warning_of(&attributes).unwrap();
        assert!(warning.contains(words), "{warning}");
    }
    for attributes in [
        format!("{two} failoverNodes=\"n1\""),
        format!(r#"{two} requestUriIgnorePattern=".*\.(ico|png|/x)$""#),
        format!("{two} lockingMode=\"auto\""),
        format!("{two} lockingMode=\"uriPattern:[A-Z]+ /(a|/b).*\""),
    ] {
        assert_eq!(warning_of(&attributes), None);
    }
}

#[test]
fn a_prefix_with_a_dash_is_harmless_where_ids_name_no_node() {
    let server = |nodes: &str, prefix: &str| {
        let manager = manager(&format!("{nodes} storageKeyPrefix=\"{prefix}\""));
        let manager = manager.replace("<Context>", "<Context path=\"/my-app\">");
        let text = format!("<Engine><Host name=\"www.example.com\">{manager}</Host></Engine>");
        found(&text).unwrap().warnings.len()
    };
    let (named, unnamed) = ("memcachedNodes=\"n1:a:1\"", "memcachedNodes=\"redis://a\"");
    for (prefix, warnings) in [("host", 1), ("context", 1), ("context.hash", 0)] {
        assert_eq!(server(named, prefix), warnings, "{prefix}");
        assert_eq!(server(unnamed, prefix), 0, "{prefix}");
    }
}

#[test]
fn sticky_is_what_tomcat_takes_for_true() {
    for (typed, sticky) in [
        ("true", true),
        ("TRUE", true),
        ("false", false),
        ("yes", false),
    ] {
        let attributes = format!("memcachedNodes=\"n1:a:1\" sticky=\"{typed}\"");
        assert_eq!(found(&manager(&attributes)).unwrap().sticky, sticky);
    }
}

#[test]
fn a_problem_is_told_once_however_often_its_value_is_needed() {
    let attributes = "memcachedNodes=\"n1:a:1 n2:b:2\" failoverNodes=\"n1\" sticky=\"${s}\"";
    let problems = found(&manager(attributes)).unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:?}");
}
