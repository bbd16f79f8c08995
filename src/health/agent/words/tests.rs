use proptest::prelude::*;

use super::*;

fn percent(percent: u32) -> Said {
    Said {
        percent: Some(percent),
        ..Said::default()
    }
}

fn most(most: usize) -> Said {
    Said {
        max_requests: Some(most),
        ..Said::default()
    }
}

fn wish(word: AgentWord) -> Said {
    Said {
        wish: Some(word),
        ..Said::default()
    }
}

fn health(word: AgentWord) -> Said {
    Said {
        health: Some(word),
        ..Said::default()
    }
}

fn unknown(unknown: u64) -> Said {
    Said {
        unknown,
        ..Said::default()
    }
}

#[test]
fn the_words_of_haproxy() {
    for (line, said) in [
        ("75%", percent(75)),
        ("0%", percent(0)),
        ("100%", percent(100)),
        ("weight:75%", percent(75)),
        ("100000%", percent(MOST_PERCENT)),
        ("99999999999999999999999%", percent(MOST_PERCENT)),
        ("maxconn:30", most(30)),
        ("maxconn:0", most(0)),
        ("MAXCONN:30", most(30)),
        ("maxconn:99999999999999999999999", most(MOST_REQUESTS)),
        ("ready", wish(AgentWord::Ready)),
        ("drain", wish(AgentWord::Drain)),
        ("maint", wish(AgentWord::Maint)),
        ("Ready", wish(AgentWord::Ready)),
        ("up", health(AgentWord::Up)),
        ("down", health(AgentWord::Down)),
        ("fail", health(AgentWord::Down)),
        ("failed", health(AgentWord::Down)),
        ("stopped", health(AgentWord::Down)),
        ("\tup\r", health(AgentWord::Up)),
        ("down,up", health(AgentWord::Up)),
        ("", unknown(0)),
        (" , \t", unknown(0)),
        // No percentage, no number, no such word.
        ("75", unknown(1)),
        ("%", unknown(1)),
        ("-5%", unknown(1)),
        ("7.5%", unknown(1)),
        ("weight:75", unknown(1)),
        ("maxconn:", unknown(1)),
        ("maxconn: 30", unknown(2)),
        ("maxconn:-1", unknown(1)),
        ("upp downn", unknown(2)),
        ("HTTP/1.1 400 Bad Request", unknown(4)),
        ("\u{e9}t\u{e9}", unknown(1)),
    ] {
        assert_eq!(Said::read(line.as_bytes()), said, "{line:?}");
        assert_eq!(
            Said::read(line.as_bytes()).is_nonsense(),
            said == unknown(said.unknown),
            "{line:?}"
        );
    }
}

#[test]
fn a_line_may_say_several_things() {
    let said = Said::read(b"up ready,50%\tmaxconn:20 sunny");
    let expected = Said {
        percent: Some(50),
        max_requests: Some(20),
        wish: Some(AgentWord::Ready),
        health: Some(AgentWord::Up),
        reason: None,
        unknown: 1,
    };
    assert_eq!(said, expected);
}

#[test]
fn a_reason_is_the_rest_of_the_line_and_fit_to_be_printed() {
    let said = Said::read(b"50% down#the database is gone, up\x1b[0m\xff");
    assert_eq!(said.health, Some(AgentWord::Down));
    assert_eq!(
        said.reason.as_deref(),
        Some("the database is gone, up\\x1b[0m\\xff")
    );
    assert_eq!(Said::read(b"fail# ").reason, None);
    let long = [&b"down#"[..], &[b'a'; 1000]].concat();
    assert_eq!(Said::read(&long).reason.unwrap().len(), MOST_REASON);
}

proptest! {
    #[test]
    fn any_line_is_read(line in prop::collection::vec(any::<u8>(), 0..200)) {
        let said = Said::read(&line);
        prop_assert!(said.percent.unwrap_or(0) <= MOST_PERCENT);
        prop_assert!(said.max_requests.unwrap_or(0) <= MOST_REQUESTS);
        prop_assert!(said.unknown <= line.len() as u64);
        let reason = said.reason.unwrap_or_default();
        prop_assert!(reason.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
    }

    /// What separates words, and their case, change nothing.
    #[test]
    fn separators_and_case_do_not_matter(
        words in prop::collection::vec(
            prop::sample::select(vec!["75%", "maxconn:3", "ready", "drain", "down", "up", "x"]),
            0..6,
        ),
        gaps in prop::collection::vec(prop::sample::select(vec![" ", ",", "\t", " , "]), 6),
    ) {
        let plain = words.join(" ");
        let mut other = String::new();
        for (word, gap) in words.iter().zip(&gaps) {
            other.push_str(&word.to_uppercase());
            other.push_str(gap);
        }
        prop_assert_eq!(Said::read(plain.as_bytes()), Said::read(other.as_bytes()));
    }
}
