//! What a configuration means once it is checked: defaults, order of rules, names, variables.

use std::time::Duration;

use cattail::config::{
    self, Action, Affinity, BackendAddr, Balance, ByteSize, Config, Dialect, HashKey, HostHeader,
    HostPattern, OwnerBy, Piece, SealKey, Variable,
};

const ONE: &str = "listeners: [{ address: 0.0.0.0:80 }]\n\
    clusters: { shop: { backends: [{ address: 10.0.0.32:8080 }] } }\n";

fn load(text: &str) -> Config {
    let loaded = config::load_text("x.yaml", text, &|name| {
        (name == "TRICK").then(|| "8080, weight: 7".to_owned())
    });
    loaded.unwrap_or_else(|report| panic!("{report}"))
}

fn cluster(keys: &str) -> config::Cluster {
    let text = format!(
        "listeners: [{{ address: 0.0.0.0:80 }}]\nclusters:\n  shop:\n    \
         backends: [10.0.0.32:8080]\n    {keys}\n"
    );
    load(&text).clusters.remove(0)
}

fn actions(config: &Config) -> Vec<(String, String)> {
    let host = |host: &HostPattern| match host {
        HostPattern::Any => "*".to_owned(),
        HostPattern::Suffix(suffix) => format!("*{suffix}"),
        HostPattern::Exact(name) => name.clone(),
    };
    let rules = config.rules.iter();
    rules
        .map(|rule| (host(&rule.host), rule.path.clone()))
        .collect()
}

#[test]
fn defaults_are_right_for_tomcat() {
    let config = load(ONE);
    let limits = &config.limits;
    assert_eq!(
        config.admin.as_ref().unwrap().address.to_string(),
        "127.0.0.1:9180"
    );
    assert_eq!(limits.head_time, Duration::from_secs(10));
    assert_eq!(limits.idle_time, Duration::from_mins(1));
    assert_eq!(limits.head_bytes, ByteSize::kib(32));
    assert_eq!(limits.head_fields, 100);
    assert_eq!(limits.body_bytes, ByteSize::gib(1));
    let cluster = &config.clusters[0];
    assert_eq!(cluster.affinity, Affinity::Sticky);
    let sessions = &cluster.sessions;
    assert_eq!(sessions.cookies, ["JSESSIONID"]);
    assert_eq!(sessions.parameters, ["jsessionid"]);
    assert_eq!(sessions.dialect, Dialect::Tomcat);
    assert_eq!(sessions.owner, OwnerBy::Learn);
    assert_eq!(sessions.idle, Duration::from_mins(30));
    assert_eq!(
        (sessions.hold, sessions.hold_requests),
        (Duration::ZERO, 1000)
    );
    assert!(!sessions.strict && !sessions.replicated && sessions.ignore.is_none());
    assert_eq!(config.limits.ledger, 1_000_000);
    assert!(config.decision_header.0.is_empty());
    assert_eq!(cluster.timeouts.connect, Duration::from_secs(2));
    assert_eq!(cluster.timeouts.response, Duration::from_mins(1));
    assert_eq!(cluster.timeouts.body_idle, Duration::from_mins(1));
    assert_eq!(cluster.pool.idle, Duration::from_secs(15));
    assert_eq!(cluster.health.interval, Duration::from_secs(2));
    assert_eq!((cluster.health.rise, cluster.health.fall), (2, 3));
    assert_eq!(cluster.host, HostHeader::Keep);
    assert_eq!(cluster.balance, Balance::RoundRobin);
    assert_eq!(cluster.buffers.response, ByteSize::kib(64));
    assert_eq!(cluster.upgrades, ["websocket"]);
    assert!(cluster.retry.statuses.is_empty() && !cluster.retry.timeouts);
    assert!(!cluster.rewrite.location && !cluster.forwarded.via);
    assert_eq!(cluster.backends[0].weight, 1);
    assert_eq!(config.listeners[0].name, "0.0.0.0:80");
    assert!(config.workers >= 1 && config.access_log.is_none());
}

#[test]
fn the_most_specific_rule_stands_first() {
    let config = load(&format!(
        "{ONE}rules:\n  - {{ cluster: shop }}\n  - {{ path: /a/b, cluster: shop }}\n  \
         - {{ host: \"*.example.com\", cluster: shop }}\n  \
         - {{ host: \"*.eu.example.com\", cluster: shop }}\n  \
         - {{ host: WWW.example.com, cluster: shop }}\n  \
         - {{ host: www.example.com, path: /a, cluster: shop }}\n  \
         - {{ host: aaa.example.com, cluster: shop }}\n"
    ));
    let expected = [
        ("www.example.com", "/a"),
        ("www.example.com", "/"),
        ("aaa.example.com", "/"),
        ("*.eu.example.com", "/"),
        ("*.example.com", "/"),
        ("*", "/a/b"),
        ("*", "/"),
    ];
    let expected = expected.map(|(host, path)| (host.to_owned(), path.to_owned()));
    assert_eq!(actions(&config), expected);
}

#[test]
fn a_single_cluster_gets_what_no_rule_takes() {
    let config = load(&format!(
        "{ONE}rules:\n  - {{ path: /x, redirect: {{ to: /y }} }}\n"
    ));
    assert_eq!(config.rules.len(), 2);
    assert!(matches!(config.rules[1].action, Action::Proxy(_)));
    // Once a rule names the cluster, the rules are all there is.
    let config = load(&format!("{ONE}rules:\n  - {{ path: /x, cluster: shop }}\n"));
    assert_eq!(config.rules.len(), 1);
}

#[test]
fn rules_alone_are_a_configuration() {
    let text = "listeners: [{ address: 0.0.0.0:80 }]\nrules: [{ redirect: { to: /y } }]\n";
    let config = load(text);
    assert!(config.clusters.is_empty());
    assert!(matches!(config.rules[0].action, Action::Redirect { status, .. } if status == 302));
}

#[test]
fn a_prefix_is_stripped_or_replaced() {
    let prefix = |keys: &str| {
        let config = load(&format!("{ONE}rules: [{{ cluster: shop, {keys} }}]\n"));
        match &config.rules[0].action {
            Action::Proxy(action) => action.replace_prefix.clone(),
            _ => panic!("no way to a cluster"),
        }
    };
    let table = [
        ("path: /a", None),
        ("path: /a, strip_prefix: true", Some("")),
        ("path: /a, replace_prefix: /", Some("")),
        ("path: /a, replace_prefix: /b", Some("/b")),
        ("strip_prefix: true", None),
        ("replace_prefix: /", None),
        ("replace_prefix: /b", Some("/b")),
    ];
    for (keys, expected) in table {
        assert_eq!(prefix(keys).as_deref(), expected, "{keys}");
    }
}

#[test]
fn a_backend_is_named_by_itself_its_route_or_its_address() {
    let table = [
        ("{ address: t:1, name: a, jvm_route: b }", "a"),
        ("{ address: t:1, jvm_route: b }", "b"),
        ("{ address: t:1 }", "t:1"),
        ("unix:/run/t.sock", "unix:/run/t.sock"),
    ];
    for (backend, name) in table {
        let text = format!(
            "listeners: [{{ address: 0.0.0.0:80 }}]\n\
             clusters: {{ shop: {{ backends: [{backend}] }} }}\n"
        );
        assert_eq!(load(&text).clusters[0].backends[0].name.as_str(), name);
    }
}

#[test]
fn the_environment_gives_values_and_no_structure() {
    let text = ONE.replace("10.0.0.32:8080", "\"tomcat:${PORT:-8081}\"");
    let backend = &load(&text).clusters[0].backends[0];
    let expected = BackendAddr::Host {
        host: "tomcat".to_owned(),
        port: 8081,
    };
    assert_eq!(backend.address, expected);
    let text = ONE.replace("10.0.0.32:8080", "\"tomcat:${TRICK}\"");
    let env = |name: &str| (name == "TRICK").then(|| "8080, weight: 7".to_owned());
    let report = config::load_text("x.yaml", &text, &env).unwrap_err();
    assert_eq!(report.problems.len(), 1);
    assert_eq!(report.problems[0].path, "clusters.shop.backends[0].address");
    let text = ONE.replace("10.0.0.32:8080", "10.0.0.32:8080, weight: \"${W:-12}\"");
    assert_eq!(load(&text).clusters[0].backends[0].weight, 12);
}

#[test]
fn templates_are_parsed_once() {
    let keys = "request_headers: { set: { X-A: 'a$client_ip-$http_x_forwarded_for$$' } }";
    let rules = cluster(keys).request_headers;
    let (name, template) = &rules.set[0];
    assert_eq!(name, "x-a");
    let expected = [
        Piece::Text("a".to_owned()),
        Piece::Variable(Variable::ClientIp),
        Piece::Text("-".to_owned()),
        Piece::RequestHeader("x-forwarded-for".parse().unwrap()),
        Piece::Text("$".to_owned()),
    ];
    assert_eq!(template.0, expected);
    // One of our own names counts before a header's.
    let keys = "request_headers: { set: { X-A: $http_host } }";
    let expected = [Piece::Variable(Variable::HttpHost)];
    assert_eq!(cluster(keys).request_headers.set[0].1.0, expected);
}

#[test]
fn each_hash_is_understood() {
    let table = [
        ("client_address", HashKey::ClientAddress),
        ("uri", HashKey::Uri),
        (
            "{ header: X-User }",
            HashKey::Header("x-user".parse().unwrap()),
        ),
        ("{ cookie: User }", HashKey::Cookie("User".to_owned())),
    ];
    for (typed, expected) in table {
        let balance = cluster(&format!("balance: {{ hash: {typed} }}")).balance;
        assert_eq!(balance, Balance::Hash(expected));
    }
}

#[test]
fn merge_keys_give_defaults_that_own_keys_override() {
    let config = load(
        "x-base: &base\n  affinity: none\n  timeouts: { connect: 1s }\n\
         listeners: [{ address: 0.0.0.0:80 }]\nclusters:\n  shop:\n    <<: *base\n    \
         affinity: prefer\n    backends: [10.0.0.32:8080]\n",
    );
    assert_eq!(config.clusters[0].affinity, Affinity::Prefer);
    assert_eq!(config.clusters[0].timeouts.connect, Duration::from_secs(1));
}

#[test]
fn a_secret_is_never_printed() {
    let directory = tempfile::tempdir().unwrap();
    let token = directory.path().join("token");
    std::fs::write(&token, "s3cret\r\n").unwrap();
    let config = load(&format!(
        "{ONE}admin: {{ token_file: {} }}\n",
        token.display()
    ));
    assert_eq!(
        config.admin.as_ref().unwrap().token.as_ref().unwrap().0,
        "s3cret"
    );
    assert!(!format!("{config:?}").contains("s3cret"));
    assert!(!config.show().contains("s3cret"));
    let again = load(&config.show());
    assert_eq!(again, config);
}

#[test]
fn the_names_of_the_session_follow_the_dialect_and_the_cookie() {
    let table: &[(&str, &[&str], &[&str])] = &[
        ("dialect: tomcat", &["JSESSIONID"], &["jsessionid"]),
        ("dialect: jetty", &["JSESSIONID"], &["jsessionid"]),
        ("dialect: wildfly", &["JSESSIONID"], &["jsessionid"]),
        ("dialect: weblogic", &["JSESSIONID"], &["jsessionid"]),
        ("dialect: spring-session", &["SESSION"], &["SESSION"]),
        (
            "dialect: keycloak",
            &["AUTH_SESSION_ID"],
            &["AUTH_SESSION_ID"],
        ),
        (
            "session_cookies: [SID, JSESSIONID, jsessionid]",
            &["SID", "JSESSIONID", "jsessionid"],
            &["SID", "jsessionid"],
        ),
        (
            "session_parameters: [sid, s2]",
            &["JSESSIONID"],
            &["sid", "s2"],
        ),
        ("session_parameters: []", &["JSESSIONID"], &[]),
    ];
    for (keys, cookies, parameters) in table {
        let sessions = cluster(keys).sessions;
        assert_eq!(sessions.cookies, *cookies, "{keys}");
        assert_eq!(sessions.parameters, *parameters, "{keys}");
    }
}

#[test]
fn a_backend_that_came_back_starts_slowly_where_sessions_stay() {
    let table = [
        ("affinity: sticky", 30),
        ("affinity: prefer", 30),
        ("affinity: none", 0),
        ("slow_start: 0s", 0),
        ("slow_start: 1h", 3600),
    ];
    for (keys, seconds) in table {
        let slow_start = cluster(keys).slow_start;
        assert_eq!(slow_start, Duration::from_secs(seconds), "{keys}");
    }
}

#[test]
fn an_ignored_path_is_searched_for_the_expression() {
    let sessions = cluster("ignore: '(?i)\\.(css|ico)$'").sessions;
    let ignore = sessions.ignore.unwrap().0;
    let table = [
        ("/a.css", true),
        ("/a/b.ICO", true),
        ("/a.css/b", false),
        ("/css", false),
    ];
    for (path, is_ignored) in table {
        assert_eq!(ignore.is_match(path), is_ignored, "{path}");
    }
}

/// A key file of these rights in a directory of its own.
fn key_file(content: &str, mode: u32) -> (tempfile::TempDir, std::path::PathBuf) {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("affinity.keys");
    std::fs::write(&path, content).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
    (directory, path)
}

fn with_key_file(path: &str) -> String {
    ONE.replace(
        "{ backends:",
        &format!("{{ owner: cookie, affinity_cookie: {{ key_file: {path} }}, backends:"),
    )
}

#[test]
fn every_key_of_a_key_file_opens_and_none_is_printed() {
    let old = "0123456789abcdefABCDEF0123456789".repeat(2);
    let content = format!("# of May\n{}\r\n\n  {old}  \n#end", "ff".repeat(32));
    let (directory, path) = key_file(&content, 0o600);
    let config = load(&with_key_file(&path.display().to_string()));
    assert_eq!(config.warnings(), &[]);
    let OwnerBy::Cookie(cookie) = &config.clusters[0].sessions.owner else {
        panic!("no affinity cookie");
    };
    assert_eq!(
        (cookie.name.as_str(), cookie.max_age),
        ("CATTAIL", Duration::from_hours(12))
    );
    assert_eq!(cookie.keys.len(), 2);
    assert_eq!(cookie.keys[0], SealKey([0xff; 32]));
    assert_eq!(cookie.keys[1].0[..3], [0x01, 0x23, 0x45]);
    let shown = config.show();
    for printed in [&shown, &format!("{config:?}")] {
        assert!(!printed.to_lowercase().contains("ffff"), "{printed}");
        assert!(
            !printed.to_lowercase().contains(&old.to_lowercase()),
            "{printed}"
        );
        assert!(!printed.contains("255, 255"), "{printed}");
    }
    assert_eq!(load(&shown), config);
    // As any file: relative to the directory of the configuration.
    let file = directory.path().join("cattail.yaml");
    std::fs::write(&file, with_key_file("affinity.keys")).unwrap();
    assert_eq!(config::load_file(&file, &|_| None).unwrap(), config);
}

#[test]
fn a_wrong_key_is_told_by_its_line_alone() {
    let good = "5e".repeat(32);
    let table = [
        (format!("{good}\n{}", "c0".repeat(31)), "line 2 is no key"),
        (format!("{good}\n{}0g", "c0".repeat(31)), "line 2 is no key"),
        (
            format!("{good}\n{}\u{e9}", "c0".repeat(31)),
            "line 2 is no key",
        ),
        (format!("{good} {good}"), "line 1 is no key"),
        (String::new(), "no key"),
    ];
    for (content, why) in table {
        let (_directory, path) = key_file(&content, 0o600);
        let text = with_key_file(&path.display().to_string());
        let report = config::load_text("x.yaml", &text, &|_| None).unwrap_err();
        let told = format!("{report} {}", report.to_json());
        assert!(told.contains(why), "{told}");
        assert!(!told.contains("5e5e") && !told.contains("c0c0"), "{told}");
    }
}

#[test]
fn a_key_file_that_others_can_read_is_risky() {
    for (mode, is_risky) in [(0o600, false), (0o400, false), (0o640, true), (0o604, true)] {
        let (_directory, path) = key_file(&"5e".repeat(32), mode);
        let config = load(&with_key_file(&path.display().to_string()));
        assert_eq!(!config.warnings().is_empty(), is_risky, "{mode:o}");
    }
}
