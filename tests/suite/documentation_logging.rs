//! `docs/logging.md` and the fields of the access log say the same.

use cattail::observe::{LogField, LogPiece};

const PAGE: &str = include_str!("../../docs/logging.md");

#[test]
fn every_field_is_on_the_page_in_the_order_of_json() {
    let (_, table) = PAGE.split_once("| field | JSON type | meaning |").unwrap();
    let shown: Vec<_> = table
        .lines()
        .take_while(|line| line.is_empty() || line.starts_with('|'))
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(name, _)| name)
        .collect();
    assert_eq!(shown, LogField::ALL.map(LogField::name));
}

#[test]
fn the_example_of_an_own_format_is_one() {
    let example = PAGE
        .lines()
        .find(|line| line.starts_with("$time "))
        .unwrap();
    let pieces = LogPiece::parse(example).unwrap();
    let fields = pieces
        .iter()
        .filter(|piece| matches!(piece, LogPiece::Field(_)))
        .count();
    assert_eq!(fields, example.matches('$').count());
}
