//! The text of an access log's own format: `$client_ip "$method $uri" $status`.
//!
//! Called when the configuration is checked; lines are made from the pieces only.

use std::fmt;

use thiserror::Error;

use crate::proxy_protocol::Fact;

use super::settings::{LogField, LogFormat, LogPiece};

impl LogField {
    /// Every field, in the order of the JSON format.
    pub const ALL: [Self; 35] = [
        Self::Time,
        Self::ClientIp,
        Self::Peer,
        Self::Listener,
        Self::Method,
        Self::Host,
        Self::Uri,
        Self::Protocol,
        Self::Status,
        Self::BytesIn,
        Self::BytesOut,
        Self::Duration,
        Self::QueueDuration,
        Self::BackendDuration,
        Self::Cluster,
        Self::Backend,
        Self::Attempts,
        Self::Error,
        Self::Session,
        Self::RouteIn,
        Self::RouteOut,
        Self::Referer,
        Self::UserAgent,
        Self::RequestId,
        Self::TlsVersion,
        Self::TlsCipher,
        Self::TlsServerName,
        Self::ClientCertSubject,
        Self::Told(Fact::Alpn),
        Self::Told(Fact::Authority),
        Self::Told(Fact::UniqueId),
        Self::Told(Fact::TlsVersion),
        Self::Told(Fact::TlsCipher),
        Self::Told(Fact::TlsCn),
        Self::Told(Fact::VpceId),
    ];

    /// The field of this name, without `$`.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.name() == name)
    }

    /// The field's name: the text after `$`, and the key in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::ClientIp => "client_ip",
            Self::Peer => "peer",
            Self::Listener => "listener",
            Self::Method => "method",
            Self::Host => "host",
            Self::Uri => "uri",
            Self::Protocol => "protocol",
            Self::Status => "status",
            Self::BytesIn => "bytes_in",
            Self::BytesOut => "bytes_out",
            Self::Duration => "duration",
            Self::QueueDuration => "queue_duration",
            Self::BackendDuration => "backend_duration",
            Self::Cluster => "cluster",
            Self::Backend => "backend",
            Self::Attempts => "attempts",
            Self::Error => "error",
            Self::Session => "session",
            Self::RouteIn => "route_in",
            Self::RouteOut => "route_out",
            Self::Referer => "referer",
            Self::UserAgent => "user_agent",
            Self::RequestId => "request_id",
            Self::TlsVersion => "tls_version",
            Self::TlsCipher => "tls_cipher",
            Self::TlsServerName => "tls_server_name",
            Self::ClientCertSubject => "client_cert_subject",
            Self::Told(fact) => fact.name(),
        }
    }
}

/// Why a text is no access log format.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LogFormatProblem {
    /// Not one field: a misspelt `combined` or `json`, or nothing.
    #[error("a format without a field")]
    NoField,
    /// `$` before something that is no name.
    #[error("'$' without a field's name at character {at}; a '$' of its own is written '$$'")]
    BareDollar {
        /// From zero.
        at: usize,
    },
    /// `${` without `}`.
    #[error("'${{' without '}}' at character {at}")]
    OpenBrace {
        /// From zero.
        at: usize,
    },
    /// A name that is none of ours.
    #[error("unknown field '${name}'")]
    UnknownField {
        /// As written.
        name: String,
        /// From zero.
        at: usize,
    },
    /// A literal control character: it would break lines apart.
    #[error("a control character at character {at}")]
    ControlCharacter {
        /// From zero.
        at: usize,
    },
}

impl LogFormat {
    /// What the file's text means: `combined`, `json`, or an own format, in which `$name` or
    /// `${name}` is a field and `$$` is a dollar sign.
    pub fn parse(text: &str) -> Result<Self, LogFormatProblem> {
        match text {
            "combined" => Ok(Self::Combined),
            "json" => Ok(Self::Json),
            _ => Ok(Self::Own(LogPiece::parse(text)?)),
        }
    }
}

impl LogFormat {
    /// Whether a line shows this field.
    pub fn shows(&self, field: LogField) -> bool {
        match self {
            Self::Combined => matches!(
                field,
                LogField::ClientIp
                    | LogField::Time
                    | LogField::Method
                    | LogField::Uri
                    | LogField::Protocol
                    | LogField::Status
                    | LogField::BytesOut
                    | LogField::Referer
                    | LogField::UserAgent
            ),
            Self::Json => true,
            Self::Own(pieces) => pieces.contains(&LogPiece::Field(field)),
        }
    }
}

impl LogPiece {
    /// The pieces of an own format: at least one field; no two texts stand side by side.
    pub fn parse(text: &str) -> Result<Vec<Self>, LogFormatProblem> {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut characters = text.chars().enumerate().peekable();
        while let Some((at, character)) = characters.next() {
            if character.is_control() {
                return Err(LogFormatProblem::ControlCharacter { at });
            }
            if character != '$' {
                literal.push(character);
                continue;
            }
            if characters.next_if(|(_, next)| *next == '$').is_some() {
                literal.push('$');
                continue;
            }
            let braced = characters.next_if(|(_, next)| *next == '{').is_some();
            let mut name = String::new();
            while let Some((_, letter)) = characters.next_if(|(_, next)| is_name(*next)) {
                name.push(letter);
            }
            if braced && characters.next_if(|(_, next)| *next == '}').is_none() {
                return Err(LogFormatProblem::OpenBrace { at });
            }
            if name.is_empty() {
                return Err(LogFormatProblem::BareDollar { at });
            }
            let Some(field) = LogField::by_name(&name) else {
                return Err(LogFormatProblem::UnknownField { name, at });
            };
            if !literal.is_empty() {
                pieces.push(Self::Text(std::mem::take(&mut literal)));
            }
            pieces.push(Self::Field(field));
        }
        if pieces.is_empty() {
            return Err(LogFormatProblem::NoField);
        }
        if !literal.is_empty() {
            pieces.push(Self::Text(literal));
        }
        if pieces.is_empty() {
            return Err(LogFormatProblem::NoField);
        }
        Ok(pieces)
    }
}

/// The format as it is written in a file.
impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pieces = match self {
            Self::Combined => return f.write_str("combined"),
            Self::Json => return f.write_str("json"),
            Self::Own(pieces) => pieces,
        };
        for (place, piece) in pieces.iter().enumerate() {
            match piece {
                LogPiece::Text(text) => f.write_str(&text.replace('$', "$$"))?,
                LogPiece::Field(field) => match pieces.get(place + 1) {
                    Some(LogPiece::Text(next)) if next.starts_with(is_name) => {
                        write!(f, "${{{}}}", field.name())?;
                    }
                    _ => write!(f, "${}", field.name())?,
                },
            }
        }
        Ok(())
    }
}

fn is_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(text: &str) -> LogPiece {
        LogPiece::Text(text.to_owned())
    }

    #[test]
    fn every_field_is_found_by_its_name() {
        for field in LogField::ALL {
            assert_eq!(LogField::by_name(field.name()), Some(field));
        }
        for fact in Fact::ALL {
            assert!(LogField::ALL.contains(&LogField::Told(fact)));
        }
        assert_eq!(LogField::by_name("remote_addr"), None);
    }

    #[test]
    fn fields_and_text_alternate() {
        let pieces = LogPiece::parse("$client_ip \"$method ${uri}s\" $$5").unwrap();
        assert_eq!(
            pieces,
            [
                LogPiece::Field(LogField::ClientIp),
                text(" \""),
                LogPiece::Field(LogField::Method),
                text(" "),
                LogPiece::Field(LogField::Uri),
                text("s\" $5"),
            ]
        );
    }

    #[test]
    fn problems_say_where() {
        use LogFormatProblem as Problem;
        for (format, problem) in [
            ("", Problem::NoField),
            ("a $ b", Problem::BareDollar { at: 2 }),
            ("a $", Problem::BareDollar { at: 2 }),
            ("ä${uri", Problem::OpenBrace { at: 1 }),
            ("a\n$uri", Problem::ControlCharacter { at: 1 }),
            (
                "$remote_addr",
                Problem::UnknownField {
                    name: "remote_addr".to_owned(),
                    at: 0,
                },
            ),
        ] {
            assert_eq!(LogPiece::parse(format), Err(problem), "{format:?}");
        }
    }

    #[test]
    fn the_two_known_forms_have_names() {
        assert_eq!(LogFormat::parse("combined"), Ok(LogFormat::Combined));
        assert_eq!(LogFormat::parse("json"), Ok(LogFormat::Json));
        assert_eq!(LogFormat::parse("JSON"), Err(LogFormatProblem::NoField));
    }

    #[test]
    fn only_a_format_with_the_field_shows_it() {
        let own = LogFormat::parse("$status $session").unwrap();
        for (format, shown) in [
            (LogFormat::Combined, [false, false]),
            (LogFormat::Json, [true, true]),
            (own, [true, false]),
        ] {
            let fields = [LogField::Session, LogField::RouteIn];
            assert_eq!(fields.map(|field| format.shows(field)), shown, "{format}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused(format in any::<String>()) {
            if let Ok(pieces) = LogPiece::parse(&format) {
                prop_assert!(pieces.iter().any(|piece| matches!(piece, LogPiece::Field(_))));
            }
        }

        #[test]
        fn a_format_is_shown_as_it_can_be_written(
            parts in prop::collection::vec((0..LogField::ALL.len(), "[a-z_ $\"{}]{0,4}"), 1..6),
        ) {
            let mut pieces = Vec::new();
            for (field, literal) in parts {
                pieces.push(LogPiece::Field(LogField::ALL[field]));
                if !literal.is_empty() {
                    pieces.push(text(&literal));
                }
            }
            let format = LogFormat::Own(pieces);
            prop_assert_eq!(LogFormat::parse(&format.to_string()), Ok(format));
        }
    }
}
