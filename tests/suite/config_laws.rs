//! Laws that hold for every configuration: what is shown loads again, each place is right,
//! nothing panics.

use cattail::config::{self, Problem};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::harness::Authority;

fn environment(name: &str) -> Option<String> {
    (name == "HOST").then(|| "tomcat1".to_owned())
}

const TOP: &[&str] = &[
    "workers: 3",
    "admin: off",
    "admin: { address: \"[::1]:9181\" }",
    "trusted_proxies: [10.0.0.0/8, \"fd00::/8\", 192.168.1.7]",
    "request_id: X-Request-Id",
    "decision_header: [10.0.0.0/8, \"::1\"]",
    "limits: { connections: 7, connections_per_client: 0, head: 64KiB, head_time: 1500ms, body: 3GiB }",
    "limits: { ledger: 100000000, connections: 1 }",
    "limits: { target: 8191B, idle: 90s, send_idle: 2h, fields: 50 }",
    "access_log: { path: stdout, format: json }",
    "access_log: { path: /var/log/x.log, format: '$client_ip \"$method $uri\" $$5 $status' }",
    "access_log: off",
    "events: { webhook: { url: 'http://[::1]:9000/', kinds: [order, state], timeout: 1s, retry_time: 1h, queue: 1 } }",
    "events: { webhook: { url: http://alerts.internal } }",
    "events: { webhook: off }",
    "errors: { retry_after: 0s }",
    "shutdown: { delay: 5s, deadline: 1m }",
    "log: { level: debug, format: json }",
    "access_log: { format: '$client_ip $proxy_authority $proxy_tls_cn' }",
];
const CLUSTER: &[&str] = &[
    "session_cookies: [SID, JSESSIONID]",
    "session_parameters: [sid, jsessionid]",
    "session_parameters: []",
    "hold: 1500ms",
    "hold_requests: 0",
    "session_idle: 720h",
    "replicated: true",
    "ignore: '(?i)\\.(css|js)$|^/\"\\$${2}\" # é'",
    "ignore_drops_cookie: true",
    "slow_start: 0s",
    "max_requests: 500",
    "queue: { length: 0 }",
    "queue: { length: 20, time: 1500ms }",
    "balance: two_choices",
    "balance: { hash: uri }",
    "balance: { hash: { header: X-User } }",
    "balance: { hash: { cookie: NAME } }",
    "timeouts: { connect: 250ms, response: 10m }",
    "pool: { max_idle: 0, idle: 3s, lifetime: 1h }",
    "proxy_protocol: v1",
    "proxy_protocol: v2",
    "proxy_protocol: off",
    "health: { path: '/ping?x=$${y}', host: www.example.com, rise: 9 }",
    "health: { method: OPTIONS, path: '*', headers: { X-A: 'b # $${c}' }, drain_on: [404, 500-503], jitter: 0 }",
    "health: { path: /a, port: 8081, expect: { statuses: [200, 300-301], body: '\"UP\"', body_regex: '^a$' }, fast_interval: 1s }",
    "health: { type: tcp, agent: { port: 9999, address: '::1', interval: 1m, timeout: 1s, send: '$backend?' } }",
    "retry: { on: [503, timeout, 429], buffer: 1MiB, budget: { percent: 0, min: 0 } }",
    "host: backend",
    "host: www.example.com:8443",
    "forwarded: { x_forwarded: false, via: true, rfc7239: true }",
    "request_headers: { set: { X-A: '$client_ip, $$1 $http_x_b', X-E: '' }, remove: [X-C] }",
    "response_headers: { add: { X-B: '$$${a} $backend: # \"x\" \\ é' } }",
    "rewrite: { location: true, cookie_path: { /test: / }, cookie_domain: { a.b: '' }, charset: utf-8 }",
    "buffers: { response: 0B, request: 1KiB }",
    "upgrades: []",
    "stores: { memcached: { n1: 10.0.0.5:11211, n_2: cache.internal:11212 }, interval: 1m }",
    "stores: { memcached: '[fd00::5]:11211', key_prefix: 001_, timeout: 5ms }",
    "stores: { redis: redis://10.0.0.6/3 }",
    "stores: { context: tests/golden/config/stores_good.xml, interval: 3s }",
];
/// Keys that go well together only in some ways, each with its affinity.
const AFFINITY: &[&str] = &[
    "affinity: none\n    dialect: weblogic",
    "balance: least_sessions\n    affinity: prefer",
    "affinity: prefer\n    owner: append\n    dialect: keycloak",
    "affinity: sticky\n    owner: append\n    dialect: wildfly",
    "strict: true\n    owner: learn\n    dialect: spring-session",
    "owner: cookie",
    "queue: { spill_after: 3 }\n    replicated: true",
    "owner: cookie\n    dialect: jetty\n    affinity_cookie: { name: SRV, max_age: 90s }",
    "owner: cookie\n    affinity_cookie: { key_file: tests/golden/config/affinity_cookie_good.keys }",
];
const RULES: &[&str] = &[
    "{ host: '*.example.com', path: /a, cluster: shop, strip_prefix: true }",
    "{ host: www.example.com, cluster: shop, replace_prefix: /x, request_headers: { add: { X-A: b } } }",
    "{ path: /b, redirect: { to: 'https://$host$request_uri', status: 308 }, allow: [10.0.0.0/8] }",
    "{ path: /c, respond: { status: 404, content_type: text/html, body: \"two\\nlines ${HOST} $${x}\\t \" } }",
    "{ path: /d, respond: {} }",
    "{ path: /low, cluster: shop, priority: low }",
    "{ host: '[::1]', path: /e, cluster: shop, deny: [\"::/0\"] }",
    "{ cluster: shop }",
];
const BACKENDS: &[&str] = &[
    "{ address: 10.0.0.1:1, jvm_route: jvm1, weight: 7, backup: true, state: draining }",
    "{ address: tomcat.internal:8080, name: two, max_requests: 5, state: disabled }",
    "{ address: unix:/run/tomcat.sock, jvm_route: a-b_c }",
    "{ address: '[::1]:8080', name: six, check_port: 1, agent_port: 65535 }",
    "'[::2]:8080'",
];

/// Lines at one depth of the file. Of several values for one key the first is taken, unless the
/// lines are items of a list.
fn lines(lines: &[&str], start: &str) -> String {
    let mut keys: Vec<&str> = Vec::new();
    let mut text = String::new();
    for line in lines {
        let key = line.split(':').next().unwrap();
        if start.ends_with("- ") || !keys.contains(&key) {
            keys.push(key);
            text.extend([start, line, "\n"]);
        }
    }
    text
}

/// A valid file with any choice of keys.
fn sample() -> impl Strategy<Value = String> {
    let some = |of: &'static [&'static str]| proptest::sample::subsequence(of, 0..=of.len());
    let parts = (
        some(TOP),
        (some(CLUSTER), proptest::sample::select(AFFINITY)),
        some(RULES),
        some(BACKENDS).prop_shuffle(),
    );
    parts.prop_map(|(top, (cluster, affinity), rules, mut backends)| {
        let appends = affinity.contains("append");
        backends
            .retain(|backend| !appends || backend.contains("name: ") || backend.contains("route"));
        let has_stores = !affinity.contains("dialect");
        let cluster = cluster
            .into_iter()
            .filter(|key| has_stores || !key.starts_with("stores"))
            .filter(|key| !affinity.contains("replicated") || !key.starts_with("replicated"));
        let cluster: Vec<&str> = [affinity].into_iter().chain(cluster).collect();

        let listeners = "  - address: 0.0.0.0:80\n\
             \x20   proxy_protocol: { from: [10.0.0.0/8, \"fd00::/8\"], others: serve, timeout: 1500ms }\n\
             \x20 - { address: 0.0.0.0:81, proxy_protocol: { from: [10.0.0.5] } }\n\
             \x20 - { address: unix:/run/c.sock, name: local, allow: [10.0.0.1] }\n";
        [
            "listeners:\n",
            listeners,
            &lines(&top, ""),
            "rules:\n",
            &lines(&rules, "  - "),
            "clusters:\n  shop:\n",
            &lines(&cluster, "    "),
            "    backends:\n      - { address: 10.9.9.9:9, name: nine }\n",
            &lines(&backends, "      - "),
        ]
        .concat()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn what_is_shown_loads_to_the_same_configuration(text in sample()) {
        let config = config::load_text("sample.yaml", &text, &environment);
        let config = config.map_err(|report| TestCaseError::fail(format!("{report}\n{text}")))?;
        let shown = config.show();
        let again = config::load_text("shown.yaml", &shown, &|_| None);
        let again = again.map_err(|report| TestCaseError::fail(format!("{report}\n{shown}")))?;
        prop_assert_eq!(&again, &config);
        prop_assert_eq!(again.show(), shown.as_str());
        let warnings = again.warnings();
        prop_assert!(warnings.len() <= config.warnings().len(), "{:?}\n{}", warnings, shown);
    }

    #[test]
    fn a_wrong_value_anywhere_is_found_at_its_place(text in sample(), nth: prop::sample::Index) {
        let shown = config::load_text("sample.yaml", &text, &environment).unwrap().show();
        let lines: Vec<&str> = shown.lines().collect();
        let with_value: Vec<usize> = (0..lines.len())
            .filter(|&i| lines[i].split_once(": ").is_some_and(|(_, v)| !v.starts_with(['[', '{', '|', '>'])))
            .filter(|&i| !lines[i].contains("\\n"))
            .collect();
        let line = with_value[nth.index(with_value.len())];
        let (key, _) = lines[line].split_once(": ").unwrap();
        let mut broken: Vec<String> = lines.iter().map(|&line| line.to_owned()).collect();
        broken[line] = format!("{key}: \"wrong \\u0001 value\"");
        let broken = broken.join("\n");
        let free = ["content_type", "body", "name"];
        if let Err(report) = config::load_text("broken.yaml", &broken, &|_| None) {
            let column = key.chars().count() + 3;
            let at_it = |problem: &&Problem| problem.line == line + 1 && problem.column == column;
            prop_assert!(report.problems.iter().any(|p| at_it(&p)), "{}\n{}", report, broken);
        } else {
            prop_assert!(free.iter().any(|free| key.trim().trim_start_matches("- ") == *free), "{}", broken);
        }
    }

    #[test]
    fn no_text_panics(text in "[a-z:{}\\[\\]&*<>|\\-\"'$ \n\t0-9.]{0,200}") {
        drop(config::load_text("noise.yaml", &text, &environment));
    }
}

/// A file with every section that has words to choose from.
fn with(path: &str, word: &Value, tls: &Value) -> String {
    let mut listener =
        json!({ "address": "0.0.0.0:80", "proxy_protocol": { "from": ["10.0.0.5"] } });
    if path.contains("[].tls.") {
        listener["tls"] = tls.clone();
    }
    let mut file = json!({
        "listeners": [listener],
        "events": { "webhook": { "url": "http://10.0.0.9/", "kinds": ["order"] } },
        "rules": [{ "path": "/x", "redirect": { "to": "/y" } }, { "cluster": "shop" }],
        "clusters": { "shop": { "backends": [
            { "address": "10.0.0.1:80", "jvm_route": "a" },
            { "address": "10.0.0.2:80", "jvm_route": "b" },
        ] } },
    });
    // Sessions only go back where they can.
    file["clusters"]["shop"]["replicated"] = json!(path.ends_with(".fail_back"));
    let mut at = &mut file;
    // The second rule leads to the cluster.
    let path = path.replace("[].priority", ".1.priority");
    let path = path.replace("[]", ".0").replace('*', "shop");
    for step in path.split('.') {
        at = match step.parse::<usize>() {
            Ok(index) => &mut at[index],
            Err(_) => &mut at[step],
        };
    }
    *at = word.clone();
    file.to_string()
}

fn choices(schema: &Value, path: &str, found: &mut Vec<(String, Value)>) {
    if let Some(words) = schema["enum"].as_array() {
        found.extend(words.iter().map(|word| (path.to_owned(), word.clone())));
    }
    for alternative in schema["anyOf"].as_array().into_iter().flatten() {
        choices(alternative, path, found);
    }
    for (name, key) in schema["properties"].as_object().into_iter().flatten() {
        let below = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        choices(key, &below, found);
    }
    if schema["items"].is_object() {
        choices(&schema["items"], &format!("{path}[]"), found);
    }
    if schema["additionalProperties"].is_object() {
        choices(&schema["additionalProperties"], &format!("{path}.*"), found);
    }
}

#[test]
fn every_word_of_the_schema_is_understood() {
    let mut found = Vec::new();
    choices(&config::schema(), "", &mut found);
    // `off` is a switch for older readers of YAML; what they would write as `false` is not.
    found.retain(|(_, word)| *word != json!(false));
    assert!(found.len() > 25, "{found:?}");
    let ca = Authority::new("ca");
    let shop = ca.issue(&["shop.example"]);
    let tls = json!({
        "certificates": [{ "cert": shop.cert, "key": shop.key }],
        "client_certificates": [{ "ca": ca.file() }],
    });
    for (path, word) in found {
        let text = with(&path, &word, &tls);
        let loaded = config::load_text("word.yaml", &text, &environment);
        let config = loaded.unwrap_or_else(|report| panic!("{path}: {word}\n{report}"));
        assert_eq!(config.rules.len(), 2);
    }
}
