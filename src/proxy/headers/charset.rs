//! The charset of text answers that name none, as nginx's `charset` does.

use http::{HeaderMap, HeaderValue, header};

use super::fields::{Field, Scan};

/// The types that a charset is named for: nginx's default list. Not JSON, which is always UTF-8.
const TEXT_TYPES: [&str; 7] = [
    "text/html",
    "text/xml",
    "text/plain",
    "text/css",
    "text/vnd.wap.wml",
    "application/javascript",
    "application/rss+xml",
];

/// Names `charset` in a response's `Content-Type` if it is a text type without one.
pub fn apply(headers: &mut HeaderMap, found: Scan, charset: &str) {
    if !found.present.has(Field::ContentType) {
        return;
    }
    if let Some(value) = headers.get_mut(header::CONTENT_TYPE)
        && let Some(named) = with_charset(value, charset)
    {
        *value = named;
    }
}

fn with_charset(value: &HeaderValue, charset: &str) -> Option<HeaderValue> {
    let text = value.to_str().ok()?;
    let mut parts = text.split(';');
    let kind = parts.next()?.trim();
    if !TEXT_TYPES
        .iter()
        .any(|known| known.eq_ignore_ascii_case(kind))
    {
        return None;
    }
    let names_charset = parts
        .filter_map(|parameter| parameter.split('=').next())
        .any(|name| name.trim().eq_ignore_ascii_case("charset"));
    if names_charset {
        return None;
    }
    let text = text.trim_end_matches([' ', ';']);
    HeaderValue::try_from(format!("{text}; charset={charset}")).ok()
}

#[cfg(test)]
mod tests {
    use super::super::fields::scan;
    use super::*;

    #[test]
    fn text_without_a_charset_gets_one() {
        let cases = [
            ("text/html", "text/html; charset=utf-8"),
            ("Text/HTML;", "Text/HTML; charset=utf-8"),
            (
                "text/plain; format=flowed",
                "text/plain; format=flowed; charset=utf-8",
            ),
            ("text/html;charset=gbk", "text/html;charset=gbk"),
            ("text/html; Charset = gbk", "text/html; Charset = gbk"),
            ("application/json", "application/json"),
            ("image/png", "image/png"),
            ("text/htmlx", "text/htmlx"),
        ];
        for (sent, expected) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(sent));
            let found = scan(&headers);
            apply(&mut headers, found, "utf-8");
            assert_eq!(headers[header::CONTENT_TYPE], expected);
        }
    }
}
