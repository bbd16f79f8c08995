//! The index over the rules finds what trying all of them in order finds, and a replaced prefix
//! can be put back. Input: a line `host path` of the request, then one for each rule; with `!` in
//! front it is by https.

#![no_main]

use cattail::config::{Access, Action, HostPattern, Rule, Scheme};
use cattail::proxy::prefix::{Replacement, holds};
use cattail::proxy::rules::RuleTable;
use http::StatusCode;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let mut lines = text
        .lines()
        .map(|line| line.split_once(' ').unwrap_or((line, "/")));
    let Some((host, path)) = lines.next() else {
        return;
    };
    let rules: Vec<Rule> = lines
        .take(20)
        .map(|(host, path)| rule(host, path))
        .collect();
    let (scheme, host) = match host.strip_prefix('!') {
        Some(host) => (Scheme::Https, host),
        None => (Scheme::Http, host),
    };
    let found = RuleTable::new(&rules).find(scheme, Some(host), path);
    if host.len() <= 255 {
        let expected = rules.iter().position(|rule| {
            rule.scheme.is_none_or(|its| its == scheme)
                && fits(&rule.host, host)
                && holds(&rule.path, path)
        });
        assert_eq!(found, expected);
    }
    for pair in rules.windows(2) {
        undone(&pair[0].path, &pair[1].path, path);
    }
});

fn rule(host: &str, path: &str) -> Rule {
    // `!` in front: for https alone; `!!`: for http alone.
    let (scheme, host) = match (host.strip_prefix("!!"), host.strip_prefix('!')) {
        (Some(host), _) => (Some(Scheme::Http), host),
        (None, Some(host)) => (Some(Scheme::Https), host),
        (None, None) => (None, host),
    };
    let host = match host.to_ascii_lowercase() {
        any if any.is_empty() || any == "*" => HostPattern::Any,
        host => match host.strip_prefix('*') {
            Some(suffix) if suffix.starts_with('.') => HostPattern::Suffix(suffix.to_owned()),
            _ => HostPattern::Exact(host),
        },
    };
    Rule {
        scheme,
        host,
        path: path.to_owned(),
        access: Access::default(),
        action: Action::Respond {
            status: StatusCode::OK,
            content_type: String::new(),
            body: Default::default(),
        },
    }
}

fn fits(pattern: &HostPattern, host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    match pattern {
        HostPattern::Any => true,
        HostPattern::Exact(name) => host == *name,
        HostPattern::Suffix(end) => host.len() > end.len() && host.ends_with(end.as_str()),
    }
}

fn undone(from: &str, to: &str, path: &str) {
    // As the checks of the configuration have it.
    let proper = |path: &str| path.starts_with('/') && !path.contains(['?', '#', ';']);
    if !proper(from) || !proper(to) {
        return;
    }
    let there = Replacement::new(from, to);
    let Some(new) = there.apply(path) else {
        return;
    };
    assert!(new.starts_with('/'));
    let back = there
        .reversed()
        .apply(&new)
        .expect("it lies below the new prefix");
    // The slash that stands for an empty path is not taken off again.
    let rooted = |path: &str| path.replacen('/', "", path.matches('/').count());
    assert_eq!(
        rooted(&back),
        rooted(path),
        "{from} -> {to}: {path} -> {new}"
    );
}
