//! Which behaviour a path asks for. The table is in the module's documentation.

use super::query::Query;
use super::session::Wanted;

/// What a request asks the stand-in to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Behaviour {
    Options,
    Page,
    /// A static file, of which there are none.
    NoSuchFile,
    Echo,
    /// The session, after some work with it.
    Session {
        work_ms: u64,
    },
    Login,
    Logout,
    /// A static file that is missing, and an error page that asks for a session.
    BadFile,
    Bytes(u64),
    Chunked {
        length: u64,
        piece: u64,
        trailers: Trailers,
    },
    UntilClose(u64),
    Slow(Slow),
    Status(u16),
    Continue(Continue),
    Early,
    Interim {
        status: u16,
        times: u64,
    },
    Upgrade,
    Headers(Vec<(String, String)>),
    Location {
        status: u16,
        to: String,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trailers {
    Some,
    None,
}

/// An answer in slow pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slow {
    pub(super) head_ms: u64,
    pub(super) every_ms: u64,
    pub(super) pieces: u64,
    pub(super) piece_bytes: u64,
}

impl Slow {
    fn of(query: &Query) -> Self {
        Self {
            head_ms: query.number("head_ms", 0),
            every_ms: query.number("every_ms", 0),
            pieces: query.number("pieces", 1),
            piece_bytes: query.number("piece_bytes", 10),
        }
    }
}

/// How `Expect: 100-continue` is met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Continue {
    AtOnce,
    Late { ms: u64 },
    Never,
}

/// `requestUriIgnorePattern` of the published set-ups: files that touch no session.
const IGNORED: [&str; 6] = [".ico", ".png", ".gif", ".jpg", ".css", ".js"];

impl Behaviour {
    /// The behaviour of a `PageOnly` stand-in.
    pub(super) fn of_page(method: &str, target: &str) -> Self {
        let (path, _) = Query::split(target);
        match path {
            _ if method == "OPTIONS" => Self::Options,
            _ if IGNORED.iter().any(|ending| path.ends_with(ending)) => Self::NoSuchFile,
            _ => Self::Page,
        }
    }

    /// The behaviour of a target in origin form. Paths that are none of the table get the page.
    pub(super) fn of(method: &str, target: &str) -> Self {
        let (path, query) = Query::split(target);
        // A session id in the path (`/echo;jsessionid=..`) is for the session only.
        let bare = path.split(';').next().unwrap_or(path);
        let mut segments = bare.split('/').skip(1);
        let (first, second) = (segments.next().unwrap_or(""), segments.next().unwrap_or(""));
        let number = |otherwise| second.parse().unwrap_or(otherwise);
        let status = |otherwise| second.parse().unwrap_or(otherwise);
        match first {
            _ if method == "OPTIONS" && path == "*" => Self::Options,
            "echo" => Self::Echo,
            "session" => Self::Session {
                work_ms: query.number("work_ms", 0),
            },
            "login" => Self::Login,
            "logout" => Self::Logout,
            "bytes" => Self::Bytes(number(0)),
            "chunked" => Self::Chunked {
                length: number(0),
                piece: query.number("piece", 8192).max(1),
                trailers: match query.number("trailers", 0) {
                    0 => Trailers::None,
                    _ => Trailers::Some,
                },
            },
            "until-close" => Self::UntilClose(number(0)),
            "slow" => Self::Slow(Slow::of(&query)),
            "status" => Self::Status(status(200)),
            "continue" => Self::Continue(match second {
                "never" => Continue::Never,
                "late" => Continue::Late {
                    ms: query.number("ms", 100),
                },
                _ => Continue::AtOnce,
            }),
            "early" => Self::Early,
            "interim" => Self::Interim {
                status: status(103),
                times: query.number("times", 1),
            },
            "upgrade" => Self::Upgrade,
            "headers" => Self::Headers(
                query
                    .pairs()
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .collect(),
            ),
            "set-cookie" => Self::Headers(
                query
                    .pairs()
                    .map(|(_, value)| ("Set-Cookie".to_owned(), value.to_owned()))
                    .collect(),
            ),
            "location" => Self::Location {
                status: u16::try_from(query.number("status", 302)).unwrap_or(302),
                to: query.text("to").unwrap_or("/").to_owned(),
            },
            _ if bare.ends_with("/bad.css") => Self::BadFile,
            _ => Self::of_page(method, target),
        }
    }

    /// What is wanted of the request's session.
    pub(super) fn wanted(&self) -> Option<Wanted> {
        match self {
            Self::Page | Self::Session { .. } => Some(Wanted::Any),
            Self::Login => Some(Wanted::NewId),
            Self::Logout => Some(Wanted::End),
            Self::BadFile => Some(Wanted::Unmanaged),
            Self::Options | Self::NoSuchFile => None,
            _ => Some(Wanted::Nothing),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_mean_what_the_table_says() {
        let cases = [
            ("/", Behaviour::Page),
            ("/test/", Behaviour::Page),
            ("/favicon.ico", Behaviour::NoSuchFile),
            ("/echo/below?x=1", Behaviour::Echo),
            ("/echo;jsessionid=A.jvm1", Behaviour::Echo),
            ("/session;jsessionid=A", Behaviour::Session { work_ms: 0 }),
            ("/session?work_ms=5", Behaviour::Session { work_ms: 5 }),
            ("/logout", Behaviour::Logout),
            ("/style/bad.css", Behaviour::BadFile),
            ("/style/good.css", Behaviour::NoSuchFile),
            ("/bytes/1024", Behaviour::Bytes(1024)),
            (
                "/chunked/9?trailers=1&piece=0",
                Behaviour::Chunked {
                    length: 9,
                    piece: 1,
                    trailers: Trailers::Some,
                },
            ),
            (
                "/slow?head_ms=5&pieces=3",
                Behaviour::Slow(Slow {
                    head_ms: 5,
                    every_ms: 0,
                    pieces: 3,
                    piece_bytes: 10,
                }),
            ),
            ("/status/503", Behaviour::Status(503)),
            (
                "/continue/late?ms=7",
                Behaviour::Continue(Continue::Late { ms: 7 }),
            ),
            ("/continue/never", Behaviour::Continue(Continue::Never)),
            (
                "/set-cookie?c=a%3Db",
                Behaviour::Headers(vec![("Set-Cookie".to_owned(), "a=b".to_owned())]),
            ),
            (
                "/location?to=/x&status=307",
                Behaviour::Location {
                    status: 307,
                    to: "/x".into(),
                },
            ),
        ];
        for (target, expected) in cases {
            assert_eq!(Behaviour::of("GET", target), expected, "{target}");
        }
        assert_eq!(Behaviour::of("OPTIONS", "*"), Behaviour::Options);
    }

    #[test]
    fn the_demo_has_nothing_but_its_page() {
        for target in ["/bytes/99999999", "/upgrade", "/echo"] {
            assert_eq!(Behaviour::of_page("GET", target), Behaviour::Page);
        }
    }
}
