//! A scrape and how to match it.

use cattail::standin::Address;

use super::request::get;

/// The samples of one scrape.
#[derive(Debug, Clone)]
pub(crate) struct Metrics(Vec<Sample>);

#[derive(Debug, Clone, PartialEq)]
struct Sample {
    name: String,
    labels: Vec<(String, String)>,
    value: f64,
}

impl Metrics {
    /// Scrapes `/metrics`.
    #[track_caller]
    pub(crate) fn scrape(from: impl Into<Address>) -> Self {
        Self::parse(&get(from, "/metrics").expect(200).text())
    }

    /// Reads Prometheus's text format; a line that is none fails.
    #[track_caller]
    pub(crate) fn parse(text: &str) -> Self {
        let lines = text
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        Self(
            lines
                .map(|line| Sample::parse(line).unwrap_or_else(|| panic!("no sample: {line:?}")))
                .collect(),
        )
    }

    /// How many samples there are.
    pub(crate) fn samples(&self) -> usize {
        self.0.len()
    }

    /// The sum of the samples called `name` that have all of `labels`, a whole number. None
    /// matching fails: a misspelt name must not read as zero.
    #[track_caller]
    pub(crate) fn value(&self, name: &str, labels: &[(&str, &str)]) -> i64 {
        whole(self.fraction(name, labels))
    }

    /// As [`Self::value`], for seconds and other fractions.
    #[track_caller]
    pub(crate) fn fraction(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let matching = self.matching(name, labels);
        assert!(
            !matching.is_empty(),
            "no {name}{labels:?}; there is {}",
            self.relatives(name)
        );
        matching.iter().map(|sample| sample.value).sum()
    }

    /// As [`Self::value`], with none matching as zero: for counters that begin with their first
    /// event.
    #[track_caller]
    pub(crate) fn value_or_zero(&self, name: &str, labels: &[(&str, &str)]) -> i64 {
        self.matching(name, labels)
            .iter()
            .map(|sample| whole(sample.value))
            .sum()
    }

    /// The value of the only matching sample.
    #[track_caller]
    pub(crate) fn exactly(&self, name: &str, labels: &[(&str, &str)]) -> i64 {
        match self.matching(name, labels).as_slice() {
            [only] => whole(only.value),
            found => panic!("not one {name}{labels:?} but {found:#?}"),
        }
    }

    fn matching(&self, name: &str, labels: &[(&str, &str)]) -> Vec<&Sample> {
        let all = self.0.iter();
        all.filter(|sample| sample.name == name && sample.has_all(labels))
            .collect()
    }

    /// What a reader of a failure wants to see: the same name, else all names.
    fn relatives(&self, name: &str) -> String {
        let same: Vec<_> = self.0.iter().filter(|sample| sample.name == name).collect();
        if !same.is_empty() {
            return format!("{same:#?}");
        }
        let mut names: Vec<_> = self.0.iter().map(|sample| sample.name.as_str()).collect();
        names.dedup();
        format!("{names:#?}")
    }
}

impl Sample {
    fn parse(line: &str) -> Option<Self> {
        let end = line.find(['{', ' '])?;
        let (name, mut rest) = line.split_at(end);
        let mut labels = Vec::new();
        if let Some(inside) = rest.strip_prefix('{') {
            rest = inside;
            while !rest.starts_with('}') {
                let (label, value) = rest.split_once("=\"")?;
                let (value, after) = quoted(value)?;
                labels.push((label.trim_start_matches(',').to_owned(), value));
                rest = after;
            }
            rest = rest.strip_prefix('}')?;
        }
        let value = rest.split_whitespace().next()?.parse().ok()?;
        Some(Self {
            name: name.to_owned(),
            labels,
            value,
        })
    }

    fn has_all(&self, labels: &[(&str, &str)]) -> bool {
        labels.iter().all(|(name, value)| {
            self.labels
                .iter()
                .any(|(known, own)| known == name && own == value)
        })
    }
}

#[track_caller]
fn whole(value: f64) -> i64 {
    let text = value.to_string();
    text.parse()
        .unwrap_or_else(|_| panic!("not a whole number: {text}"))
}

/// The unescaped text up to the closing quote, and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((value, text.get(at + 1..)?)),
            '\\' => match letters.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}
