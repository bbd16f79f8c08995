//! The page of the published set-ups: which Tomcat answered, the session id, when it was created.

use super::request::Request;
use super::session::Session;

/// The colour of a stand-in's page.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Colour {
    /// As the first Tomcat of the set-ups.
    #[default]
    Red,
    /// As the second one.
    Blue,
}

/// What makes one stand-in's page its own.
#[derive(Debug, Clone)]
pub(super) struct Look {
    pub(super) title: String,
    pub(super) colour: Colour,
}

/// Fields of the request that are worth a look.
const SHOWN: [&str; 6] = [
    "Host",
    "X-Forwarded-For",
    "X-Forwarded-Proto",
    "X-Forwarded-Host",
    "X-Real-IP",
    "Forwarded",
];

const STYLE: &str = "\
body{margin:0;font:16px/1.5 system-ui,sans-serif;background:#f4f4f6;color:#222}\
main{max-width:44rem;margin:8vh auto;background:#fff;border-radius:.7rem;\
box-shadow:0 .1rem 1rem #0002;border-top:.7rem solid var(--own);padding:1rem 2.2rem 2rem}\
h1{color:var(--own);margin:.6rem 0 1rem;font-size:2.4rem}\
table{border-collapse:collapse;width:100%}\
th{text-align:left;font-weight:600;padding:.35rem 1rem .35rem 0;white-space:nowrap;\
vertical-align:top}\
td{font-family:ui-monospace,monospace;overflow-wrap:anywhere;padding:.35rem 0}\
tr+tr{border-top:1px solid #eee}";

/// The page for one request. It asks for no favicon: a browser's second request would hide the
/// alternation.
pub(super) fn render(look: &Look, session: &Session, request: &Request, local: &str) -> String {
    let (name, colour) = match look.colour {
        Colour::Red => ("red", "#c62828"),
        Colour::Blue => ("blue", "#1565c0"),
    };
    let title = escaped(&look.title);
    let mut rows = String::new();
    row(&mut rows, "Session ID", "session", &session.id);
    let created = httpdate::fmt_http_date(session.created);
    row(&mut rows, "Created on", "created", &created);
    row(
        &mut rows,
        "Requests in this session",
        "hits",
        &session.hits.to_string(),
    );
    row(&mut rows, "Server address", "server", local);
    row(&mut rows, "Path", "path", &request.target);
    for field in SHOWN {
        for value in request.all(field) {
            row(&mut rows, field, &field.to_ascii_lowercase(), value);
        }
    }
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <link rel=\"icon\" href=\"data:,\">\n<title>{title}</title>\n\
         <style>:root{{--own:{colour}}}{STYLE}</style>\n</head>\n\
         <body>\n<main data-colour=\"{name}\">\n<h1>{title}</h1>\n\
         <table>\n{rows}</table>\n</main>\n</body>\n</html>\n"
    )
}

fn row(rows: &mut String, label: &str, id: &str, value: &str) {
    let value = escaped(value);
    rows.extend([
        "<tr><th>",
        label,
        "</th><td id=\"",
        id,
        "\">",
        &value,
        "</td></tr>\n",
    ]);
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use std::time::SystemTime;

    #[test]
    fn the_page_shows_the_session_and_no_markup_of_strangers() {
        let look = Look {
            title: "TomcatA".to_owned(),
            colour: Colour::Red,
        };
        let created = SystemTime::UNIX_EPOCH;
        let session = Session {
            id: "D208-n1.jvm1".to_owned(),
            created,
            hits: 3,
            is_new_id: false,
        };
        let head = "GET /test/ HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: <script>\r\n\r\n";
        let request = Request::parse(&Bytes::from(head)).unwrap();
        let page = render(&look, &session, &request, "127.0.0.1:8080");
        for part in [
            "<h1>TomcatA</h1>",
            "data-colour=\"red\"",
            "<td id=\"session\">D208-n1.jvm1</td>",
            "<td id=\"created\">Thu, 01 Jan 1970 00:00:00 GMT</td>",
            "<td id=\"x-forwarded-for\">&lt;script&gt;</td>",
            "href=\"data:,\"",
        ] {
            assert!(page.contains(part), "{part} in {page}");
        }
    }
}
