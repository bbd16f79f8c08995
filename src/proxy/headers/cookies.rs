//! `Path` and `Domain` of a backend's cookies, made to fit the public address.
//!
//! Only the two attributes' values change; everything else of a line, its order, its spaces and
//! its letters, stays as it is. A line is split at each `;`, as browsers do, quotes or not.

use http::{HeaderMap, HeaderValue, header};

use crate::config::Rewrite;
use crate::proxy::prefix::Replacement;

use super::fields::{Field, Scan};

/// The cookie rewrites of one cluster, compiled.
#[derive(Debug, Clone, Default)]
pub struct CookieRewrites {
    paths: Vec<Replacement>,
    /// (Of the backend, public), without leading dots; an empty public one takes `Domain` away.
    domains: Vec<(String, String)>,
}

impl CookieRewrites {
    /// Compiles the cookie rewrites of `rewrite`.
    pub fn new(rewrite: &Rewrite) -> Self {
        let paths = rewrite.cookie_path.iter();
        let domains = rewrite.cookie_domain.iter();
        Self {
            paths: paths.map(|(from, to)| Replacement::new(from, to)).collect(),
            domains: domains
                .map(|(from, to)| (from.trim_start_matches('.').to_owned(), to.clone()))
                .collect(),
        }
    }

    /// Rewrites every `Set-Cookie` line of a response.
    pub fn apply(&self, headers: &mut HeaderMap, found: Scan) {
        if !found.present.has(Field::SetCookie)
            || (self.paths.is_empty() && self.domains.is_empty())
        {
            return;
        }
        if let header::Entry::Occupied(mut lines) = headers.entry(header::SET_COOKIE) {
            for line in lines.iter_mut() {
                let rewritten = self.rewrite(line.as_bytes());
                if let Some(new) = rewritten.and_then(|new| HeaderValue::try_from(new).ok()) {
                    *line = new;
                }
            }
        }
    }

    /// One line rewritten; `None`: it stays.
    fn rewrite(&self, line: &[u8]) -> Option<Vec<u8>> {
        let mut changed = Changed::No;
        let mut new = Vec::with_capacity(line.len() + 16);
        for (place, part) in line.split(|byte| *byte == b';').enumerate() {
            // The first part is the cookie itself, even if it is called `Path`.
            let edit = if place == 0 {
                Edit::Keep
            } else {
                self.edit(part)
            };
            match edit {
                Edit::Keep => push_part(&mut new, place, part),
                Edit::Remove => changed = Changed::Yes,
                Edit::Replace(part) => {
                    changed = Changed::Yes;
                    push_part(&mut new, place, &part);
                }
            }
        }
        match changed {
            Changed::Yes => Some(new),
            Changed::No => None,
        }
    }

    fn edit(&self, part: &[u8]) -> Edit {
        let Some(equals) = part.iter().position(|byte| *byte == b'=') else {
            return Edit::Keep;
        };
        let Some((name, value)) = part.split_at_checked(equals + 1) else {
            return Edit::Keep;
        };
        let attribute = name.strip_suffix(b"=").unwrap_or(name).trim_ascii();
        let bare = unquoted(value.trim_ascii());
        let replacement = if attribute.eq_ignore_ascii_case(b"path") {
            self.path(bare)
        } else if attribute.eq_ignore_ascii_case(b"domain") {
            match self.domain(bare) {
                Some("") => return Edit::Remove,
                found => found.map(|domain| domain.as_bytes().to_vec()),
            }
        } else {
            None
        };
        match replacement {
            // Around the value stands what stood there: spaces and quotes.
            Some(new) => Edit::Replace(replaced(part, name.len(), bare, &new)),
            None => Edit::Keep,
        }
    }

    fn path(&self, path: &[u8]) -> Option<Vec<u8>> {
        let mut new = self.paths.iter().find_map(|it| it.apply_bytes(path))?;
        // `Path=/shop/` would not be sent with a request for `/shop`.
        if path == b"/" && new.len() > 1 && new.ends_with(b"/") {
            new.pop();
        }
        Some(new)
    }

    fn domain(&self, domain: &[u8]) -> Option<&str> {
        let domain = domain.strip_prefix(b".").unwrap_or(domain);
        let mut domains = self.domains.iter();
        let (_, public) = domains.find(|(own, _)| domain.eq_ignore_ascii_case(own.as_bytes()))?;
        Some(public)
    }
}

#[derive(Clone, Copy)]
enum Changed {
    Yes,
    No,
}

enum Edit {
    Keep,
    Remove,
    Replace(Vec<u8>),
}

fn push_part(line: &mut Vec<u8>, place: usize, part: &[u8]) {
    if place > 0 {
        line.push(b';');
    }
    line.extend_from_slice(part);
}

fn unquoted(value: &[u8]) -> &[u8] {
    let inside = value
        .strip_prefix(b"\"")
        .and_then(|rest| rest.strip_suffix(b"\""));
    inside.unwrap_or(value)
}

/// `part`, whose value begins at `value_at`, with `new` in the place of `bare`.
fn replaced(part: &[u8], value_at: usize, bare: &[u8], new: &[u8]) -> Vec<u8> {
    let value = part.get(value_at..).unwrap_or_default();
    let lead = value
        .iter()
        .take_while(|byte| byte.is_ascii_whitespace() || **byte == b'"')
        .count();
    let start = value_at + lead.min(value.len());
    let mut replaced = part.get(..start).unwrap_or_default().to_vec();
    replaced.extend_from_slice(new);
    replaced.extend_from_slice(part.get(start + bare.len()..).unwrap_or_default());
    replaced
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::fields::scan;
    use super::*;

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter()
            .map(|(from, to)| ((*from).to_owned(), (*to).to_owned()))
            .collect()
    }

    fn rewrites() -> CookieRewrites {
        CookieRewrites::new(&Rewrite {
            cookie_path: pairs(&[("/app", "/"), ("/intern/x", "/y")]),
            cookie_domain: pairs(&[("tomcat.internal", "www.example.com"), (".old.example", "")]),
            ..Rewrite::default()
        })
    }

    #[test]
    fn path_and_domain_change_and_nothing_else() {
        let cases = [
            ("A=1; Path=/app; HttpOnly", "A=1; Path=/; HttpOnly"),
            ("A=1;path=/app/x;Secure", "A=1;path=/x;Secure"),
            ("A=1; PATH = \"/app\" ; x", "A=1; PATH = \"/\" ; x"),
            ("A=1; Path=/intern/x", "A=1; Path=/y"),
            ("A=1; Path=/application", "A=1; Path=/application"),
            ("A=1; Path=", "A=1; Path="),
            ("A=1; Path", "A=1; Path"),
            ("Path=/app; x", "Path=/app; x"),
            ("A=Path=/app", "A=Path=/app"),
            ("A=1; Domain=Tomcat.Internal", "A=1; Domain=www.example.com"),
            (
                "A=1; Domain=.tomcat.internal; Path=/app",
                "A=1; Domain=www.example.com; Path=/",
            ),
            ("A=1; domain=old.example; Secure", "A=1; Secure"),
            (
                "A=1; Domain=x.tomcat.internal",
                "A=1; Domain=x.tomcat.internal",
            ),
            ("", ""),
        ];
        for (sent, expected) in cases {
            let mut headers = HeaderMap::new();
            headers.append(
                header::SET_COOKIE,
                HeaderValue::from_static("B=2; Path=/app"),
            );
            headers.append(header::SET_COOKIE, HeaderValue::from_static(sent));
            let found = scan(&headers);
            rewrites().apply(&mut headers, found);
            let lines: Vec<_> = headers.get_all(header::SET_COOKIE).iter().collect();
            assert_eq!(lines, ["B=2; Path=/", expected]);
        }
    }

    #[test]
    fn the_root_becomes_the_prefix_without_a_final_slash() {
        let rewrites = CookieRewrites::new(&Rewrite {
            cookie_path: pairs(&[("/", "/shop/")]),
            ..Rewrite::default()
        });
        let rewritten = |line: &str| String::from_utf8(rewrites.rewrite(line.as_bytes()).unwrap());
        assert_eq!(rewritten("A=1; Path=/").unwrap(), "A=1; Path=/shop");
        assert_eq!(rewritten("A=1; Path=/x").unwrap(), "A=1; Path=/shop/x");
    }

    proptest! {
        #[test]
        fn a_line_without_our_paths_and_domains_stays_byte_for_byte(
            line in "[a-zA-Z0-9=;,/\" .]{0,60}|[ab]=[\"a-c]*; ?[Pp]ath ?= ?\"?/[b-z/]*\"?; ?[a-z=]*"
        ) {
            let foreign = !line.contains("/app") && !line.contains("/intern/x")
                && !line.to_ascii_lowercase().contains("internal")
                && !line.to_ascii_lowercase().contains("old");
            if foreign {
                prop_assert_eq!(rewrites().rewrite(line.as_bytes()), None);
            }
        }

        #[test]
        fn the_cookie_itself_never_changes(value in "[a-zA-Z0-9/=\"]{0,20}", rest in "[ -~]{0,30}") {
            let line = format!("A={value};{rest}; Path=/app");
            let new = rewrites().rewrite(line.as_bytes()).unwrap();
            let cookie = format!("A={value};");
            prop_assert!(new.starts_with(cookie.as_bytes()));
        }
    }
}
