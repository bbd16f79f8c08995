//! What a certificate says, as far as we choose by it, show it or pass it on. Nothing here decides
//! whether it is genuine: rustls does.

use std::net::IpAddr;

use super::der::{
    BMP_STRING, BOOLEAN, CONTEXT_0, Elements, GENERALIZED_TIME, INTEGER, OCTET_STRING, OID,
    SEQUENCE, SET, T61_STRING, Tag, UTC_TIME, UTF8_STRING,
};

/// What a certificate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Whom it names, as RFC 4514 writes names.
    pub subject: String,
    /// Who issued it.
    pub issuer: String,
    /// Its number at its issuer, in hex.
    pub serial: String,
    /// Names it is for, in lower case, wildcards as they are; those of its subject where it has no
    /// other.
    pub hosts: Vec<String>,
    /// Whether it has such other names at all.
    pub has_alt_names: bool,
    /// Whether it may issue others.
    pub is_authority: bool,
    /// From when on it holds, in seconds since 1970.
    pub not_before: i64,
    /// Until when it holds.
    pub not_after: i64,
    /// Both names as encoded, to see who issued whom.
    subject_der: Vec<u8>,
    issuer_der: Vec<u8>,
}

const CONTEXT_3: Tag = 0xa3;
const DNS_NAME: Tag = 0x82;
const IP_ADDRESS: Tag = 0x87;
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];

impl Facts {
    /// Reads a certificate; `None` if it is none.
    pub fn read(der: &[u8]) -> Option<Self> {
        let mut certificate = Elements::of(der).enter(SEQUENCE)?;
        let mut body = certificate.enter(SEQUENCE)?;
        let _version = body.take(CONTEXT_0);
        let serial = hex(body.take(INTEGER)?, "");
        body.take(SEQUENCE)?;
        let issuer_der = body.take(SEQUENCE)?;
        let mut validity = body.enter(SEQUENCE)?;
        let not_before = time(validity.next()?)?;
        let not_after = time(validity.next()?)?;
        let subject_der = body.take(SEQUENCE)?;
        body.take(SEQUENCE)?;
        let mut extensions = Extensions::default();
        while let Some((tag, content)) = body.next() {
            if tag == CONTEXT_3 {
                extensions.read(content);
            }
        }
        let mut hosts = extensions.hosts;
        let subject = name(subject_der)?;
        if hosts.is_empty() {
            let is_host = |name: &String| name.bytes().all(|byte| byte.is_ascii_graphic());
            let name = common_name(subject_der).filter(is_host);
            hosts.extend(name.map(|name| name.to_ascii_lowercase()));
        }
        Some(Self {
            subject,
            issuer: name(issuer_der)?,
            serial,
            hosts,
            has_alt_names: extensions.has_alt_names,
            is_authority: extensions.is_authority,
            not_before,
            not_after,
            subject_der: subject_der.to_vec(),
            issuer_der: issuer_der.to_vec(),
        })
    }

    /// Whether this one names `issuer` as its issuer.
    pub fn is_issued_by(&self, issuer: &Self) -> bool {
        self.issuer_der == issuer.subject_der
    }

    /// Its issuer's name as encoded, whole: answers of OCSP have a hash of it.
    pub(super) fn issuer_as_encoded(&self) -> Vec<u8> {
        let length = self.issuer_der.len().to_be_bytes();
        let zeros = length.iter().take_while(|byte| **byte == 0).count();
        let length = length.get(zeros..).unwrap_or_default();
        let mut whole = vec![SEQUENCE];
        match length {
            [short] if *short < 0x80 => whole.push(*short),
            long => {
                whole.push(0x80 | u8::try_from(long.len()).unwrap_or(0));
                whole.extend_from_slice(long);
            }
        }
        whole.extend_from_slice(&self.issuer_der);
        whole
    }

    /// Whether one of its names is this host; a host with a star is one of its names alone.
    pub fn is_for(&self, host: &str) -> bool {
        let star = host.find('.').and_then(|dot| host.get(dot..));
        let star = star.map(|suffix| format!("*{suffix}"));
        let is_it = |name: &String| name == host || star.as_ref() == Some(name);
        self.hosts.iter().any(is_it)
    }

    /// Whether it names itself as its issuer, as roots do.
    pub fn is_self_issued(&self) -> bool {
        self.issuer_der == self.subject_der
    }
}

/// What the extensions of a certificate say.
#[derive(Default)]
struct Extensions {
    hosts: Vec<String>,
    has_alt_names: bool,
    is_authority: bool,
}

impl Extensions {
    fn read(&mut self, content: &[u8]) {
        let Some(mut extensions) = Elements::of(content).enter(SEQUENCE) else {
            return;
        };
        while let Some(mut extension) = extensions.enter(SEQUENCE) {
            let kind = extension.take(OID);
            let _is_critical = extension.take(BOOLEAN);
            let content = extension.take(OCTET_STRING).map(Elements::of);
            let Some(content) = content.and_then(|mut it| it.enter(SEQUENCE)) else {
                continue;
            };
            match kind {
                Some(SUBJECT_ALT_NAME) => self.read_names(content),
                Some(BASIC_CONSTRAINTS) => self.read_constraints(content),
                _ => {}
            }
        }
    }

    fn read_names(&mut self, mut names: Elements<'_>) {
        self.has_alt_names = true;
        while let Some((tag, content)) = names.next() {
            self.hosts.extend(alt_name(tag, content));
        }
    }

    fn read_constraints(&mut self, mut constraints: Elements<'_>) {
        self.is_authority = constraints.take(BOOLEAN).is_some_and(|it| it != [0]);
    }
}

fn alt_name(tag: Tag, content: &[u8]) -> Option<String> {
    match tag {
        DNS_NAME => {
            let text = std::str::from_utf8(content).ok()?;
            (text.is_ascii() && !text.contains(|c: char| c.is_control()))
                .then(|| text.to_ascii_lowercase())
        }
        IP_ADDRESS => {
            let v4 = <[u8; 4]>::try_from(content).map(IpAddr::from);
            let ip = v4.or_else(|_| <[u8; 16]>::try_from(content).map(IpAddr::from));
            ip.ok().map(|ip| ip.to_string())
        }
        _ => None,
    }
}

fn common_name(der: &[u8]) -> Option<String> {
    let mut parts = Elements::of(der);
    let mut found = None;
    while let Some(mut part) = parts.enter(SET) {
        while let Some(mut pair) = part.enter(SEQUENCE) {
            if pair.take(OID) == Some(COMMON_NAME) {
                let (tag, content) = pair.next()?;
                found = Some(text(tag, content));
            }
        }
    }
    found
}

/// A distinguished name: the last part first, and what could be mistaken escaped. Only visible
/// ASCII comes out, so that it fits into a header and a log.
fn name(der: &[u8]) -> Option<String> {
    let mut shown: Vec<String> = Vec::new();
    let mut parts = Elements::of(der);
    while let Some(mut part) = parts.enter(SET) {
        let mut pairs = Vec::new();
        while let Some(mut pair) = part.enter(SEQUENCE) {
            let oid = pair.take(OID)?;
            let (tag, content) = pair.next()?;
            pairs.push(format!(
                "{}={}",
                attribute(oid),
                escaped(&text(tag, content))
            ));
        }
        shown.push(pairs.join("+"));
    }
    shown.reverse();
    Some(shown.join(","))
}

fn attribute(oid: &[u8]) -> String {
    let word = match oid {
        [0x55, 0x04, 0x03] => "CN",
        [0x55, 0x04, 0x04] => "SN",
        [0x55, 0x04, 0x05] => "serialNumber",
        [0x55, 0x04, 0x06] => "C",
        [0x55, 0x04, 0x07] => "L",
        [0x55, 0x04, 0x08] => "ST",
        [0x55, 0x04, 0x09] => "street",
        [0x55, 0x04, 0x0a] => "O",
        [0x55, 0x04, 0x0b] => "OU",
        [0x55, 0x04, 0x0c] => "title",
        [0x55, 0x04, 0x2a] => "GN",
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x01] => "emailAddress",
        [0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x01] => "UID",
        [0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x19] => "DC",
        other => return dotted(other),
    };
    word.to_owned()
}

/// An object identifier in numbers.
fn dotted(oid: &[u8]) -> String {
    let mut numbers: Vec<u64> = Vec::new();
    let mut number = 0_u64;
    for byte in oid {
        number = (number << 7) | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            if numbers.is_empty() {
                let first = (number / 40).min(2);
                numbers.push(first);
                number -= first * 40;
            }
            numbers.push(std::mem::take(&mut number));
        }
    }
    let numbers: Vec<_> = numbers.iter().map(ToString::to_string).collect();
    numbers.join(".")
}

fn text(tag: Tag, content: &[u8]) -> String {
    match tag {
        BMP_STRING => {
            let units = content
                .chunks_exact(2)
                .filter_map(|pair| pair.try_into().ok());
            let units: Vec<u16> = units.map(u16::from_be_bytes).collect();
            String::from_utf16_lossy(&units)
        }
        T61_STRING => content.iter().map(|byte| char::from(*byte)).collect(),
        UTF8_STRING => String::from_utf8_lossy(content).into_owned(),
        // Printable, IA5 and their like are ASCII.
        _ => content
            .iter()
            .map(|byte| {
                if byte.is_ascii() {
                    char::from(*byte)
                } else {
                    '\u{fffd}'
                }
            })
            .collect(),
    }
}

fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let last = text.chars().count().saturating_sub(1);
    for (place, c) in text.chars().enumerate() {
        let is_at_edge = place == 0 || place == last;
        match c {
            ',' | '+' | '"' | '\\' | '<' | '>' | ';' | '=' => {
                shown.push('\\');
                shown.push(c);
            }
            '#' if place == 0 => shown.push_str("\\#"),
            ' ' if is_at_edge => shown.push_str("\\ "),
            ' '..='~' => shown.push(c),
            other => {
                let mut bytes = [0; 4];
                for byte in other.encode_utf8(&mut bytes).bytes() {
                    shown.push('\\');
                    shown.push_str(&hex(&[byte], "").to_ascii_uppercase());
                }
            }
        }
    }
    shown
}

/// Bytes in hex, with something between them.
pub fn hex(bytes: &[u8], between: &str) -> String {
    let bytes: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    bytes.join(between)
}

/// Seconds since 1970 of either kind of time, which end in `Z`.
pub(super) fn time((tag, content): (Tag, &[u8])) -> Option<i64> {
    let text = std::str::from_utf8(content).ok()?.strip_suffix('Z')?;
    let (year, rest) = match tag {
        UTC_TIME => {
            let (year, rest) = text.split_at_checked(2)?;
            let year = number(year)?;
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        GENERALIZED_TIME => {
            let (year, rest) = text.split_at_checked(4)?;
            (number(year)?, rest)
        }
        _ => return None,
    };
    let part = |at: usize| rest.get(at..at + 2).and_then(number);
    let (month, day) = (part(0)?, part(2)?);
    let (hour, minute, second) = (part(4)?, part(6)?, part(8)?);
    ((1..=12).contains(&month) && (1..=31).contains(&day))
        .then(|| days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second)
}

fn number(text: &str) -> Option<i64> {
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())?
}

/// Days from 1970 to a day of the Gregorian calendar, years beginning in March.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let in_era = of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    year.div_euclid(400) * 146_097 + in_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_seconds_since_1970() {
        for (tag, text, seconds) in [
            (UTC_TIME, "700101000000Z", Some(0)),
            (UTC_TIME, "491231235959Z", Some(2_524_607_999)),
            (UTC_TIME, "500101000000Z", Some(-631_152_000)),
            (GENERALIZED_TIME, "20240229120000Z", Some(1_709_208_000)),
            (GENERALIZED_TIME, "99991231235959Z", Some(253_402_300_799)),
            (GENERALIZED_TIME, "20241301000000Z", None),
            (UTC_TIME, "2401", None),
            (UTC_TIME, "24010100000+Z", None),
            (UTC_TIME, "é40101000000Z", None),
            (INTEGER, "240101000000Z", None),
        ] {
            assert_eq!(time((tag, text.as_bytes())), seconds, "{text}");
        }
    }

    #[test]
    fn a_certificate_says_whom_it_is_for_and_until_when() {
        let key = rcgen::KeyPair::generate().unwrap();
        let names = [
            "Shop.example.com",
            "*.example.com",
            "192.0.2.7",
            "2001:db8::1",
        ];
        let mut params = rcgen::CertificateParams::new(names.map(str::to_owned)).unwrap();
        params.not_before = rcgen::date_time_ymd(2024, 2, 29);
        params.not_after = rcgen::date_time_ymd(2051, 1, 1);
        params.distinguished_name = rcgen::DistinguishedName::new();
        let mut say = |kind, text: &str| params.distinguished_name.push(kind, text);
        say(rcgen::DnType::CountryName, "DE");
        say(rcgen::DnType::OrganizationName, "Müller, \"Söhne\"");
        say(rcgen::DnType::CommonName, "#shop ");
        let facts = Facts::read(params.self_signed(&key).unwrap().der()).unwrap();
        assert_eq!(
            facts.subject,
            r#"CN=\#shop\ ,O=M\C3\BCller\, \"S\C3\B6hne\",C=DE"#
        );
        assert_eq!(facts.issuer, facts.subject);
        assert!(facts.is_self_issued() && facts.has_alt_names && !facts.is_authority);
        assert_eq!(
            facts.hosts,
            [
                "shop.example.com",
                "*.example.com",
                "192.0.2.7",
                "2001:db8::1"
            ]
        );
        assert_eq!(facts.not_before, 1_709_164_800);
        assert_eq!(facts.not_after, 2_556_144_000);
    }

    #[test]
    fn without_other_names_the_common_one_counts() {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        let name = &mut params.distinguished_name;
        name.push(rcgen::DnType::CommonName, "Old.example.com");
        let facts = Facts::read(params.self_signed(&key).unwrap().der()).unwrap();
        assert_eq!(facts.hosts, ["old.example.com"]);
        assert!(!facts.has_alt_names);
    }

    #[test]
    fn a_certificate_is_for_its_names_and_what_its_stars_stand_for() {
        let key = rcgen::KeyPair::generate().unwrap();
        let names = ["shop.example.com", "*.example.org"].map(str::to_owned);
        let params = rcgen::CertificateParams::new(names).unwrap();
        let facts = Facts::read(params.self_signed(&key).unwrap().der()).unwrap();
        for (host, expected) in [
            ("shop.example.com", true),
            ("other.example.com", false),
            ("*.example.com", false),
            ("a.example.org", true),
            ("*.example.org", true),
            ("a.b.example.org", false),
            ("example.org", false),
            ("org", false),
        ] {
            assert_eq!(facts.is_for(host), expected, "{host}");
        }
    }

    #[test]
    fn an_authority_says_that_it_is_one() {
        let key = rcgen::KeyPair::generate().unwrap();
        let unbounded = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let bounded = rcgen::IsCa::Ca(rcgen::BasicConstraints::Constrained(0));
        for (is_ca, expected) in [
            (unbounded, true),
            (bounded, true),
            (rcgen::IsCa::ExplicitNoCa, false),
            (rcgen::IsCa::NoCa, false),
        ] {
            let mut params = rcgen::CertificateParams::default();
            params.is_ca = is_ca;
            let facts = Facts::read(params.self_signed(&key).unwrap().der()).unwrap();
            assert_eq!(facts.is_authority, expected);
        }
    }

    #[test]
    fn unknown_attributes_are_numbers() {
        assert_eq!(
            dotted(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d]),
            "1.2.840.113549"
        );
        assert_eq!(dotted(&[0x88, 0x37, 0x03]), "2.999.3");
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_can_do_harm(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
            drop(Facts::read(&bytes));
            drop(dotted(&bytes));
        }
    }
}
