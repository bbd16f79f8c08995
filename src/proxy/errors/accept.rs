//! Which form of an error answer a client likes best (RFC 9110, 12.5.1).

use http::HeaderValue;
use http::header::ACCEPT;
use http::request::Parts;

use super::grpc;

/// A form of an error answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Format {
    /// A page, for browsers.
    Html,
    /// `application/problem+json` (RFC 9457), for programs that say so.
    Json,
    /// A line of text, for whoever does not say.
    #[default]
    Plain,
    /// No text, but fields, for gRPC calls.
    Grpc,
}

/// How well a form fits; compared field by field, larger is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Fit {
    /// In thousandths.
    quality: u16,
    /// A named type before `text/*` before `*/*`.
    precision: u8,
    /// The earlier in the list the better.
    place: std::cmp::Reverse<usize>,
}

impl Format {
    /// The form for a request.
    pub fn of(head: &Parts) -> Self {
        if grpc::is_call(head) {
            return Self::Grpc;
        }
        Self::preferred(head.headers.get_all(ACCEPT))
    }

    /// The form that a client's `Accept` lines like best. Without any, or where nothing fits:
    /// plain text.
    pub fn preferred<'a>(accept: impl IntoIterator<Item = &'a HeaderValue>) -> Self {
        // In the order of choice among equals.
        let mut fits = [(Self::Plain, None), (Self::Html, None), (Self::Json, None)];
        let ranges = accept
            .into_iter()
            .flat_map(|line| line.as_bytes().split(|b| *b == b','));
        for (place, range) in ranges.enumerate() {
            let Some((kind, quality)) = parse_range(range) else {
                continue;
            };
            for (format, best) in &mut fits {
                let fit = Fit {
                    quality,
                    precision: format.precision(&kind.trim().to_ascii_lowercase()),
                    place: std::cmp::Reverse(place),
                };
                // The most precise range decides, however much another one likes it.
                let is_better = best.is_none_or(|best: Fit| fit.precision > best.precision);
                if fit.precision > 0 && is_better {
                    *best = Some(fit);
                }
            }
        }
        let liked = |(format, fit): (Self, Option<Fit>)| Some((format, fit?));
        let mut best: Option<(Self, Fit)> = None;
        for (format, fit) in fits.into_iter().filter_map(liked) {
            if fit.quality > 0 && best.is_none_or(|(_, best)| fit > best) {
                best = Some((format, fit));
            }
        }
        best.map(|(format, _)| format).unwrap_or_default()
    }

    /// How precisely a range names this form; zero: not at all.
    fn precision(self, range: &str) -> u8 {
        match (self, range) {
            (Self::Html, "text/html" | "application/xhtml+xml")
            | (Self::Json, "application/json" | "application/problem+json")
            | (Self::Plain, "text/plain") => 3,
            (Self::Html | Self::Plain, "text/*") | (Self::Json, "application/*") => 2,
            (_, "*/*" | "*") => 1,
            _ => 0,
        }
    }

    /// The `Content-Type` of this form.
    pub fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Html => "text/html; charset=utf-8",
            Self::Json => "application/problem+json",
            Self::Plain => "text/plain; charset=utf-8",
            Self::Grpc => "application/grpc",
        })
    }
}

/// A media range and its quality in thousandths; parameters other than `q` are passed over.
fn parse_range(range: &[u8]) -> Option<(&str, u16)> {
    let mut parts = std::str::from_utf8(range).ok()?.split(';');
    let kind = parts.next()?;
    let quality = parts.find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("q")
            .then(|| parse_quality(value.trim()))
    });
    Some((kind, quality.unwrap_or(Some(1000))?))
}

/// `0.25` is 250. More than three digits are cut off, what is no number is `None`.
fn parse_quality(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let thousandths = fraction
        .bytes()
        .chain(*b"000")
        .take(3)
        .try_fold(0, |sum: u16, digit| {
            digit
                .is_ascii_digit()
                .then(|| sum * 10 + u16::from(digit - b'0'))
        })?;
    match whole {
        "0" => Some(thousandths),
        "1" => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_form_that_is_liked_best_is_chosen() {
        use Format::{Html, Json, Plain};
        let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";
        let cases: &[(&[&str], Format)] = &[
            (&[], Plain),
            (&[""], Plain),
            (&["*/*"], Plain),
            (&[browser], Html),
            (&["text/html"], Html),
            (&["TEXT/HTML;Q=0.1"], Html),
            (&["text/*"], Plain),
            (&["application/json"], Json),
            (&["application/problem+json"], Json),
            (&["application/*"], Json),
            (&["application/json, text/plain, */*"], Json),
            (&["text/plain, application/json"], Plain),
            (&["text/html;q=0.5, application/json;q=0.6"], Json),
            (&["text/html;q=0.5", "application/json;q=0.6"], Json),
            (&["text/html;q=0, */*"], Plain),
            (&["text/html;q=0"], Plain),
            (&["text/plain;q=0, */*;q=0.1"], Html),
            (
                &["*/*;q=1, text/html;q=0.2, text/plain;q=0.1, application/json;q=0.3"],
                Json,
            ),
            (&["image/png"], Plain),
            (&["text/html;level=1;q=0.7, text/plain;q=0.2"], Html),
            (&["text/html;q=nonsense, application/json;q=0.1"], Json),
            (&["*/*;q=0"], Plain),
        ];
        for (lines, expected) in cases {
            let lines: Vec<_> = lines
                .iter()
                .map(|line| HeaderValue::from_str(line).unwrap())
                .collect();
            assert_eq!(Format::preferred(&lines), *expected, "{lines:?}");
        }
    }

    #[test]
    fn a_quality_is_counted_in_thousandths() {
        let cases = [
            ("1", Some(1000)),
            ("0", Some(0)),
            ("0.5", Some(500)),
            ("0.1239", Some(123)),
            ("1.000", Some(1000)),
            ("", None),
            ("2", None),
            ("0.x", None),
            ("-1", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_quality(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_accept_line_is_too_odd(line in "[ -~]{0,80}") {
            Format::preferred([&HeaderValue::from_str(&line).unwrap()]);
        }
    }
}
