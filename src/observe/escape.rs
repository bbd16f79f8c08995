//! Bytes of strangers, made harmless: no byte of a client can end a line, a quoted field or a JSON
//! string, and none reaches a terminal as a control sequence.

const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// Appends `bytes` as nginx does: what is not printable ASCII, and `"` and `\`, becomes `\xNN`.
pub(super) fn text(line: &mut Vec<u8>, bytes: &[u8]) {
    let mut rest = bytes;
    while let Some(place) = rest.iter().position(|byte| !is_plain(*byte)) {
        let (plain, from_escaped) = rest.split_at(place);
        line.extend_from_slice(plain);
        let Some((byte, after)) = from_escaped.split_first() else {
            return;
        };
        line.extend_from_slice(b"\\x");
        hex(line, *byte);
        rest = after;
    }
    line.extend_from_slice(rest);
}

/// Appends `bytes` as the inside of a JSON string. UTF-8 stays readable; what is not UTF-8 becomes
/// U+FFFD; whatever a terminal or a viewer may obey is escaped.
pub(super) fn json(line: &mut Vec<u8>, bytes: &[u8]) {
    if bytes.iter().all(|byte| is_plain(*byte)) {
        line.extend_from_slice(bytes);
        return;
    }
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            json_character(line, character);
        }
        if !chunk.invalid().is_empty() {
            line.extend_from_slice(b"\\ufffd");
        }
    }
}

fn json_character(line: &mut Vec<u8>, character: char) {
    match character {
        '"' => line.extend_from_slice(b"\\\""),
        '\\' => line.extend_from_slice(b"\\\\"),
        _ if may_command(character) => json_unit(line, character),
        _ => line.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
    }
}

/// Appends a character by its number, as JSON has it.
pub(super) fn json_unit(line: &mut Vec<u8>, character: char) {
    for unit in character.encode_utf16(&mut [0; 2]) {
        line.extend_from_slice(b"\\u");
        let [high, low] = unit.to_be_bytes();
        hex(line, high);
        hex(line, low);
    }
}

/// Control characters (C0, DEL, C1), line and paragraph separators, and what turns the direction
/// of text round.
pub(super) fn may_command(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{061c}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
        )
}

fn is_plain(byte: u8) -> bool {
    matches!(byte, 0x20..=0x7e) && byte != b'"' && byte != b'\\'
}

fn hex(line: &mut Vec<u8>, byte: u8) {
    let digit = |half: u8| HEX.get(usize::from(half)).copied().unwrap_or(b'?');
    line.extend_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text_of(bytes: &[u8]) -> String {
        let mut line = Vec::new();
        text(&mut line, bytes);
        String::from_utf8(line).unwrap()
    }

    fn json_of(bytes: &[u8]) -> String {
        let mut line = vec![b'"'];
        json(&mut line, bytes);
        line.push(b'"');
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn text_is_escaped_as_nginx_does() {
        assert_eq!(text_of(b"plain /a;b?c=1"), "plain /a;b?c=1");
        assert_eq!(
            text_of(b"a\"b\\c\r\n\x1b[31m\x7f"),
            r"a\x22b\x5Cc\x0D\x0A\x1B[31m\x7F"
        );
        assert_eq!(text_of("é".as_bytes()), r"\xC3\xA9");
        assert_eq!(text_of(b"\x9b"), r"\x9B");
    }

    #[test]
    fn json_keeps_letters_and_escapes_commands() {
        assert_eq!(json_of("Grüße 🐈".as_bytes()), "\"Grüße 🐈\"");
        assert_eq!(json_of(b"a\"\\\n"), r#""a\"\\\u000A""#);
        assert_eq!(
            json_of("\u{9b}\u{202e}\u{2028}".as_bytes()),
            r#""\u009B\u202E\u2028""#
        );
        assert_eq!(json_of(b"\xff\xfe"), r#""\ufffd\ufffd""#);
    }

    proptest! {
        #[test]
        fn text_holds_no_byte_that_commands_and_says_what_was_there(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let escaped = text_of(&bytes);
            prop_assert!(escaped.bytes().all(|byte| matches!(byte, 0x20..=0x7e) && byte != b'"'));
            prop_assert_eq!(unescape(&escaped), bytes);
        }

        #[test]
        fn json_is_valid_and_means_the_same(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let escaped = json_of(&bytes);
            prop_assert!(!escaped.chars().any(may_command));
            let meant: String = serde_json::from_str(&escaped).unwrap();
            prop_assert_eq!(meant, String::from_utf8_lossy(&bytes));
        }

        #[test]
        fn json_of_any_text_means_the_same(text in any::<String>()) {
            let meant: String = serde_json::from_str(&json_of(text.as_bytes())).unwrap();
            prop_assert_eq!(meant, text);
        }
    }

    fn unescape(text: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut rest = text.as_bytes();
        while let Some((byte, after)) = rest.split_first() {
            rest = after;
            if *byte == b'\\' {
                let digits = std::str::from_utf8(&after[1..3]).unwrap();
                bytes.push(u8::from_str_radix(digits, 16).unwrap());
                rest = &after[3..];
            } else {
                bytes.push(*byte);
            }
        }
        bytes
    }
}
