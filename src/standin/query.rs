//! Query strings of the behaviours: `name=value` pairs, percent-decoded.

/// The pairs of one query string, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Splits a target into its path, as written, and its query.
    pub(super) fn split(target: &str) -> (&str, Self) {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        (path, Self::parse(query))
    }

    fn parse(text: &str) -> Self {
        Self(
            text.split('&')
                .filter(|pair| !pair.is_empty())
                .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
                .map(|(name, value)| (decoded(name), decoded(value)))
                .collect(),
        )
    }

    pub(super) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.pairs()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value)
    }

    /// The number under `name`; `otherwise` where it is missing or no number.
    pub(super) fn number(&self, name: &str, otherwise: u64) -> u64 {
        self.text(name)
            .and_then(|value| value.parse().ok())
            .unwrap_or(otherwise)
    }
}

/// `%41` and `+` decoded. What is not UTF-8 afterwards becomes U+FFFD.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        bytes.push(match (first, after) {
            (b'+', _) => b' ',
            (b'%', [high, low, beyond @ ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => {
                    rest = beyond;
                    high << 4 | low
                }
                _ => b'%',
            },
            _ => first,
        });
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_decoded_in_order() {
        let (path, query) =
            Query::split("/headers?Set-Cookie=a%3Db%3B+Path%3D%2Fx&X=1&X=2&bad=%zz");
        assert_eq!(path, "/headers");
        let pairs: Vec<_> = query.pairs().collect();
        assert_eq!(
            pairs,
            [
                ("Set-Cookie", "a=b; Path=/x"),
                ("X", "1"),
                ("X", "2"),
                ("bad", "%zz")
            ]
        );
        assert_eq!((query.number("X", 9), query.number("Y", 9)), (1, 9));
    }
}
