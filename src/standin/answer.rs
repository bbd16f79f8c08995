//! Response heads, as Tomcat writes them: `HTTP/1.1`, and no reason phrase.

/// How an answer's body is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sending {
    /// `Content-Length`.
    Length(u64),
    /// `Transfer-Encoding: chunked`.
    Chunked,
    /// The body ends with the connection.
    UntilClose,
    /// The status has no body and no length.
    Nothing,
}

/// The head of an answer, framing and connection fields left out.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: u16,
    headers: Vec<(String, String)>,
}

impl Answer {
    pub(super) fn new(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
        }
    }

    /// Adds a field. Line breaks and other control characters become spaces: values may come from
    /// a query.
    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        let is_name = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
        let name: String = name.chars().filter(|letter| is_name(*letter)).collect();
        let value = value
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        if !name.is_empty() {
            self.headers.push((name, value));
        }
        self
    }

    pub(super) fn html() -> Self {
        Self::new(200).with("Content-Type", "text/html;charset=UTF-8")
    }

    pub(super) fn json() -> Self {
        Self::new(200).with("Content-Type", "application/json")
    }

    pub(super) fn text(status: u16) -> Self {
        Self::new(status).with("Content-Type", "text/plain;charset=UTF-8")
    }

    /// Whether the status forbids a body.
    pub(super) fn is_bodiless(&self) -> bool {
        matches!(self.status, 100..=199 | 204 | 304)
    }

    pub(super) fn encode(&self, sending: Sending) -> String {
        let mut head = format!("HTTP/1.1 {} \r\n", self.status);
        for (name, value) in &self.headers {
            line(&mut head, name, value);
        }
        match sending {
            Sending::Length(length) => line(&mut head, "Content-Length", &length.to_string()),
            Sending::Chunked => line(&mut head, "Transfer-Encoding", "chunked"),
            Sending::UntilClose | Sending::Nothing => {}
        }
        head.push_str("\r\n");
        head
    }
}

fn line(head: &mut String, name: &str, value: &str) {
    head.extend([name, ": ", value, "\r\n"]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_has_tomcats_form_and_cannot_be_split_by_its_values() {
        let answer = Answer::new(302).with("Loca\r\ntion", "/x\r\nEvil: 1");
        assert_eq!(
            answer.encode(Sending::Length(0)),
            "HTTP/1.1 302 \r\nLocation: /x  Evil: 1\r\nContent-Length: 0\r\n\r\n"
        );
    }
}
