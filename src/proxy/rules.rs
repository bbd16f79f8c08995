//! Which rule a request falls under.
//!
//! The rules stand in the order of match (`Config::rules`); the first whose scheme, host and path
//! fit wins. [`RuleTable`] finds that one without looking at all of them, for files with hundreds of
//! hosts: by the name, then by each of its parent domains, then among the rules for any host.
//! Who may ask is not decided here (`Rule::access`).

use std::collections::HashMap;

use crate::config::{HostPattern, Rule, Scheme};

use super::prefix;

/// An index over the rules of one configuration; made when the file is loaded.
#[derive(Debug, Default)]
pub struct RuleTable {
    exact: HashMap<Box<[u8]>, Vec<PathRule>>,
    /// By the pattern's text, with its leading dot.
    suffix: HashMap<Box<[u8]>, Vec<PathRule>>,
    any: Vec<PathRule>,
}

/// A rule's path and scheme, and its place among all rules. Lists of these are in ascending order.
#[derive(Debug)]
struct PathRule {
    path: Box<str>,
    scheme: Option<Scheme>,
    place: usize,
}

/// No host name is longer; see `authority`.
const LONGEST_HOST: usize = 255;

impl RuleTable {
    /// Indexes `rules`, which are in order of match.
    pub fn new(rules: &[Rule]) -> Self {
        let mut table = Self::default();
        for (place, rule) in rules.iter().enumerate() {
            let list = match &rule.host {
                HostPattern::Any => &mut table.any,
                HostPattern::Suffix(suffix) => table.suffix.entry(key(suffix)).or_default(),
                HostPattern::Exact(name) => table.exact.entry(key(name)).or_default(),
            };
            list.push(PathRule {
                path: rule.path.as_str().into(),
                scheme: rule.scheme,
                place,
            });
        }
        table
    }

    /// The place of the first rule for `scheme`, `host` (without port, in any case; `None`:
    /// HTTP/1.0 without Host) and the raw `path`. Allocates nothing.
    pub fn find(&self, scheme: Scheme, host: Option<&str>, path: &str) -> Option<usize> {
        let asked = (scheme, path);
        let mut best = first(&self.any, asked);
        let Some(host) = host else { return best };
        if self.exact.is_empty() && self.suffix.is_empty() {
            return best;
        }
        let mut buffer = [0; LONGEST_HOST];
        let Some(host) = lowered(host, &mut buffer) else {
            return best;
        };
        best = earlier(best, first_of(self.exact.get(host), asked));
        if self.suffix.is_empty() {
            return best;
        }
        for (dot, _) in host.iter().enumerate().filter(|(_, byte)| **byte == b'.') {
            // `*.example.com` is for names below it: something stands before the dot.
            if let Some(parent) = host.get(dot..).filter(|_| dot > 0) {
                best = earlier(best, first_of(self.suffix.get(parent), asked));
            }
        }
        best
    }
}

fn key(host: &str) -> Box<[u8]> {
    host.to_ascii_lowercase().into_bytes().into()
}

/// `host` in lower case and without the final dot of a rooted name.
fn lowered<'b>(host: &str, buffer: &'b mut [u8; LONGEST_HOST]) -> Option<&'b [u8]> {
    let host = host.strip_suffix('.').unwrap_or(host).as_bytes();
    let lowered = buffer.get_mut(..host.len())?;
    lowered.copy_from_slice(host);
    lowered.make_ascii_lowercase();
    Some(lowered)
}

fn first_of(rules: Option<&Vec<PathRule>>, asked: (Scheme, &str)) -> Option<usize> {
    first(rules?, asked)
}

fn first(rules: &[PathRule], (scheme, path): (Scheme, &str)) -> Option<usize> {
    let fits = |rule: &&PathRule| {
        rule.scheme.is_none_or(|its| its == scheme) && prefix::holds(&rule.path, path)
    };
    rules.iter().find(fits).map(|rule| rule.place)
}

fn earlier(one: Option<usize>, other: Option<usize>) -> Option<usize> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::StatusCode;
    use proptest::prelude::*;

    use crate::config::{Access, Action};

    use super::*;

    fn rule(host: HostPattern, path: &str) -> Rule {
        Rule {
            scheme: None,
            host,
            path: path.to_owned(),
            access: Access::default(),
            action: Action::Respond {
                status: StatusCode::OK,
                content_type: String::new(),
                body: Bytes::new(),
            },
        }
    }

    fn exact(name: &str) -> HostPattern {
        HostPattern::Exact(name.to_owned())
    }

    fn suffix(name: &str) -> HostPattern {
        HostPattern::Suffix(name.to_owned())
    }

    #[test]
    fn the_first_rule_that_fits_wins() {
        let table = RuleTable::new(&[
            rule(exact("www.example.com"), "/shop"),
            rule(exact("www.example.com"), "/"),
            rule(suffix(".eu.example.com"), "/"),
            rule(suffix(".example.com"), "/api"),
            rule(HostPattern::Any, "/api"),
        ]);
        let cases = [
            (Some("www.example.com"), "/shop/1", Some(0)),
            (Some("WWW.Example.Com"), "/shop", Some(0)),
            (Some("www.example.com."), "/shop", Some(0)),
            (Some("www.example.com"), "/shopping", Some(1)),
            (Some("a.b.eu.example.com"), "/api", Some(2)),
            (Some("eu.example.com"), "/api", Some(3)),
            (Some("eu.example.com"), "/", None),
            (Some("example.com"), "/api", Some(4)),
            (Some(".example.com"), "/api", Some(4)),
            (Some("xwww.example.com"), "/shop", None),
            (Some("wwwexample.com"), "/api/", Some(4)),
            (Some("[::1]"), "/api", Some(4)),
            (None, "/api", Some(4)),
            (None, "/", None),
        ];
        for (host, path, expected) in cases {
            for scheme in [Scheme::Http, Scheme::Https] {
                let found = table.find(scheme, host, path);
                assert_eq!(found, expected, "{host:?} {path}");
            }
        }
        let long = "a.".repeat(1000);
        assert_eq!(table.find(Scheme::Http, Some(&long), "/"), None);
    }

    // The specification, word for word.
    fn naive(rules: &[Rule], scheme: Scheme, host: Option<&str>, path: &str) -> Option<usize> {
        let host = host.map(|host| host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase());
        rules.iter().position(|rule| {
            let host_fits = match (&rule.host, &host) {
                (HostPattern::Any, _) => true,
                (_, None) => false,
                (HostPattern::Exact(name), Some(host)) => host == name,
                (HostPattern::Suffix(end), Some(host)) => {
                    host.len() > end.len() && host.ends_with(end.as_str())
                }
            };
            let rest = path.strip_prefix(rule.path.as_str());
            let path_fits = rule.path == "/"
                || rest.is_some_and(|rest| {
                    rule.path.ends_with('/') || rest.is_empty() || rest.starts_with(['/', ';'])
                });
            let scheme_fits = rule.scheme.is_none() || rule.scheme == Some(scheme);
            scheme_fits && host_fits && path_fits
        })
    }

    fn any_rule() -> impl Strategy<Value = Rule> {
        let host = prop_oneof![
            Just(HostPattern::Any),
            "[ab](\\.[ab]){0,2}".prop_map(HostPattern::Exact),
            "(\\.[ab]){1,2}".prop_map(HostPattern::Suffix),
        ];
        let scheme = prop::option::of(any_scheme());
        (scheme, host, "/|(/[ab]){1,2}/?").prop_map(|(scheme, host, path)| Rule {
            scheme,
            ..rule(host, &path)
        })
    }

    fn any_scheme() -> impl Strategy<Value = Scheme> {
        prop_oneof![Just(Scheme::Http), Just(Scheme::Https)]
    }

    proptest! {
        #[test]
        fn the_table_agrees_with_the_specification(
            rules in prop::collection::vec(any_rule(), 0..12),
            scheme in any_scheme(),
            host in prop::option::of("\\.?[abAB](\\.[abAB]){0,3}\\.?"),
            path in "(/[ab;.]{0,2}){1,3}",
        ) {
            let found = RuleTable::new(&rules).find(scheme, host.as_deref(), &path);
            prop_assert_eq!(found, naive(&rules, scheme, host.as_deref(), &path));
        }
    }
}
