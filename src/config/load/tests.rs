use std::fmt::Write;

use super::*;

fn places(node: &Node, source: &str, seen: &mut usize) {
    match &node.value {
        Value::Scalar(scalar) => {
            let line = source.lines().nth(node.place.line - 1).unwrap();
            let rest: String = line.chars().skip(node.place.column - 1).collect();
            let rest = rest.trim_start_matches(['"', '\'']);
            assert!(rest.starts_with(&scalar.text), "{rest:?} {scalar:?}");
            *seen += 1;
        }
        Value::List(items) => items.iter().for_each(|item| places(item, source, seen)),
        Value::Map(entries) => entries
            .iter()
            .for_each(|entry| places(&entry.value, source, seen)),
        Value::Nothing | Value::Unfilled => {}
    }
}

#[test]
fn each_scalar_keeps_its_spelling_and_its_place() {
    let source = "a: 1.10\nb: [off, 0x1F, 1e3, ~, \"é\", 010, .inf, yes]\nc:\n  d: 'x y'\n  é: Ü # c\n  503: -7  \n";
    let tree = read(source, Duplicates::Refused).unwrap();
    let mut seen = 0;
    places(&tree, source, &mut seen);
    assert_eq!(seen, 11);
    assert!(format!("{tree:?}").contains("1.10"));
}

#[test]
fn aliases_and_merge_keys_keep_the_place_of_the_definition() {
    let source = "x-a: &a { weight: 7, state: up }\nb:\n  - <<: *a\n    state: down\nc: *a\n";
    let tree = read(source, Duplicates::Refused).unwrap();
    let mut seen = 0;
    places(&tree, source, &mut seen);
    assert_eq!(seen, 6);
}

#[test]
fn duplicates_are_refused_with_their_place() {
    let error = read("a: 1\nb: 2\na: 3\n", Duplicates::Refused).unwrap_err();
    assert_eq!(error.duplicate.as_deref(), Some("a"));
    assert_eq!((error.place.line, error.place.column), (3, 1));
    assert!(read("a: 1\nb: 2\na: 3\n", Duplicates::FirstCounts).is_ok());
}

#[test]
fn broken_text_tells_its_place() {
    let error = read("a: [1, 2\nb: 3\n", Duplicates::Refused).unwrap_err();
    assert!(error.place.line >= 1, "{error:?}");
    assert!(!error.message.contains("line"), "{error:?}");
}

#[test]
fn bombs_are_refused() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let below = format!("*a{}, ", level - 1).repeat(10);
        let below = below.trim_end_matches(", ");
        writeln!(bomb, "a{level}: &a{level} [{below}]").unwrap();
    }
    assert!(read(&bomb, Duplicates::Refused).is_err());
    assert!(read(&"[".repeat(5000), Duplicates::Refused).is_err());
    assert!(read("a: &a [*a]\n", Duplicates::Refused).is_err());
}

#[test]
fn an_empty_text_is_an_empty_map() {
    for text in ["", "# nothing\n", "---\n", "~"] {
        let tree = read(text, Duplicates::Refused).unwrap();
        assert_eq!(tree.value, Value::Map(Vec::new()), "{text:?}");
    }
}
