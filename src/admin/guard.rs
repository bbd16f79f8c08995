//! Who may ask for more than metrics: whoever shows the token, and no browser on behalf of a page
//! from elsewhere.

use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, ORIGIN, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::config::Secret;

/// Why a request is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// A page from elsewhere has sent it.
    CrossSite,
    /// There is no token, so nobody can have it.
    NoToken,
    /// Not the token.
    WrongToken,
    /// The body is no JSON.
    NotJson,
}

/// Admits a request. `token`: what it must show.
pub(super) fn admit(headers: &HeaderMap, token: Option<&Secret>) -> Result<(), Refusal> {
    if is_cross_site(headers) {
        return Err(Refusal::CrossSite);
    }
    let token = token.ok_or(Refusal::NoToken)?;
    if !shown(headers).is_some_and(|shown| is_same(token.0.as_bytes(), shown)) {
        return Err(Refusal::WrongToken);
    }
    Ok(())
}

/// Admits a body only if it says that it is JSON: no form of a page can.
pub(super) fn must_be_json(headers: &HeaderMap) -> Result<(), Refusal> {
    if is_json(headers) {
        Ok(())
    } else {
        Err(Refusal::NotJson)
    }
}

/// Browsers name the page that sends a request. None of ours does, so any `Origin` is a stranger.
fn is_cross_site(headers: &HeaderMap) -> bool {
    let site = headers.get_all("sec-fetch-site").iter();
    let mut sites = site.map(HeaderValue::as_bytes);
    headers.contains_key(ORIGIN) || sites.any(|site| site != b"same-origin" && site != b"none")
}

fn shown(headers: &HeaderMap) -> Option<&[u8]> {
    let mut lines = headers.get_all(AUTHORIZATION).iter();
    let line = lines.next()?.as_bytes();
    if lines.next().is_some() {
        return None;
    }
    let (scheme, token) = line.split_at_checked(b"Bearer ".len())?;
    let token = token.trim_ascii();
    (scheme.eq_ignore_ascii_case(b"Bearer ") && !token.is_empty()).then_some(token)
}

/// In a time that depends on the length of `shown` alone: nobody can find a token letter by letter.
fn is_same(token: &[u8], shown: &[u8]) -> bool {
    let token_bytes = token.iter().chain(std::iter::repeat(&0));
    let differing = shown
        .iter()
        .zip(token_bytes)
        .fold(0, |differing, (one, other)| {
            std::hint::black_box(differing | (one ^ other))
        });
    differing == 0 && token.len() == shown.len()
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    let kind = kind.and_then(|kind| kind.split(|byte| *byte == b';').next());
    kind.is_some_and(|kind| kind.trim_ascii().eq_ignore_ascii_case(b"application/json"))
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::CrossSite => (
                StatusCode::FORBIDDEN,
                "Pages of browsers are not answered here.\n",
            )
                .into_response(),
            Self::NoToken => (
                StatusCode::FORBIDDEN,
                "This takes a token, and none is configured. Write one into a file and name it:\n  \
                 admin: { token_file: /etc/cattail/admin.token }\n",
            )
                .into_response(),
            Self::WrongToken => (
                StatusCode::UNAUTHORIZED,
                [(WWW_AUTHENTICATE, "Bearer")],
                "This takes the token of admin.token_file: Authorization: Bearer TOKEN\n",
            )
                .into_response(),
            Self::NotJson => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "This takes JSON: Content-Type: application/json\n",
            )
                .into_response(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let fields = fields.iter();
        fields
            .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn only_the_token_opens() {
        let token = Secret("s3cret".to_owned());
        let kind = ("content-type", "Application/JSON; charset=utf-8");
        let with = |value| admit(&headers(&[kind, ("authorization", value)]), Some(&token));
        for value in ["Bearer s3cret", "bearer s3cret", "BEARER  s3cret "] {
            assert_eq!(with(value), Ok(()), "{value}");
        }
        for value in [
            "",
            "Bearer",
            "Bearer ",
            "s3cret",
            "Basic s3cret",
            "Bearer s3cre",
            "Bearer s3crets",
            "Bearer S3cret",
            "Bearer \u{0}",
            "Bearer s3cret\tx",
        ] {
            let Ok(value) = HeaderValue::from_str(value) else {
                continue;
            };
            let mut fields = headers(&[kind]);
            fields.insert(AUTHORIZATION, value.clone());
            assert_eq!(
                admit(&fields, Some(&token)),
                Err(Refusal::WrongToken),
                "{value:?}"
            );
        }
        let mut twice = headers(&[kind, ("authorization", "Bearer s3cret")]);
        twice.append(AUTHORIZATION, HeaderValue::from_static("Bearer s3cret"));
        assert_eq!(admit(&twice, Some(&token)), Err(Refusal::WrongToken));
        assert_eq!(admit(&headers(&[kind]), None), Err(Refusal::NoToken));
    }

    #[test]
    fn pages_from_elsewhere_are_refused_whatever_they_show() {
        let token = Secret("s3cret".to_owned());
        let good = [
            ("content-type", "application/json"),
            ("authorization", "Bearer s3cret"),
        ];
        let cases = [
            ("sec-fetch-site", "none", true),
            ("sec-fetch-site", "same-origin", true),
            ("sec-fetch-site", "same-site", false),
            ("sec-fetch-site", "cross-site", false),
            ("origin", "http://127.0.0.1:9180", false),
            ("origin", "null", false),
        ];
        for (name, value, passes) in cases {
            let fields = [&good[..], &[(name, value)]].concat();
            let expected = if passes {
                Ok(())
            } else {
                Err(Refusal::CrossSite)
            };
            assert_eq!(
                admit(&headers(&fields), Some(&token)),
                expected,
                "{name}: {value}"
            );
        }
    }

    #[test]
    fn a_form_is_no_json() {
        let token = Secret("s3cret".to_owned());
        for kind in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "application/jsonp",
            "",
        ] {
            let fields = [("authorization", "Bearer s3cret"), ("content-type", kind)];
            let fields = headers(&fields);
            assert_eq!(admit(&fields, Some(&token)), Ok(()));
            assert_eq!(must_be_json(&fields), Err(Refusal::NotJson), "{kind}");
        }
    }
}
