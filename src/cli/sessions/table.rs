//! Columns, and numbers as people read them.

/// Between two columns.
const GAP: &str = "  ";
/// As much of a text of a store is shown.
const MOST_OF_TEXT: usize = 64;

/// Where a column's texts stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Right,
}

/// Lines of a table, with its titles, aligned. No line ends in a space.
pub(super) fn table(titles: &[(&str, Align)], lines: &[Vec<String>]) -> String {
    let width = |column: usize, title: &str| {
        let cells = lines.iter().filter_map(|line| line.get(column));
        let longest = cells.map(|cell| cell.chars().count()).max();
        longest.unwrap_or_default().max(title.chars().count())
    };
    let columns = titles.iter().enumerate();
    let columns: Vec<(usize, Align)> = columns
        .map(|(column, (title, align))| (width(column, title), *align))
        .collect();
    let titles: Vec<String> = titles
        .iter()
        .map(|(title, _)| (*title).to_owned())
        .collect();
    let mut text = String::new();
    for line in std::iter::once(&titles).chain(lines) {
        let cells = line.iter().zip(&columns).map(|(cell, (width, align))| {
            let width = *width;
            match align {
                Align::Left => format!("{cell:<width$}"),
                Align::Right => format!("{cell:>width$}"),
            }
        });
        let cells: Vec<_> = cells.collect();
        text.push_str(cells.join(GAP).trim_end());
        text.push('\n');
    }
    text
}

/// `90` is `1m30s`: the two largest units.
pub(super) fn seconds(seconds: u64) -> String {
    let (days, hours) = (seconds / 86_400, seconds / 3_600 % 24);
    let (minutes, rest) = (seconds / 60 % 60, seconds % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{rest}s"),
        (0, 0, _) => format!("{minutes}m{rest:02}s"),
        (0, _, _) => format!("{hours}h{minutes:02}m"),
        _ => format!("{days}d{hours:02}h"),
    }
}

/// `1536` is `1.5K`.
pub(super) fn bytes(count: u64) -> String {
    let mut unit_bytes = 1;
    for (unit, next) in [
        ("B", 1 << 10),
        ("K", 1 << 20),
        ("M", 1 << 30),
        ("G", u64::MAX),
    ] {
        if count < next {
            let tenths = u128::from(count) * 10 / u128::from(unit_bytes);
            return match unit {
                "B" => format!("{count}B"),
                _ => format!("{}.{}{unit}", tenths / 10, tenths % 10),
            };
        }
        unit_bytes = next;
    }
    format!("{count}B")
}

/// What a store wrote, fit for a terminal.
pub(super) fn printable(text: &[u8]) -> String {
    let shown = text.iter().take(MOST_OF_TEXT);
    shown
        .map(|byte| {
            if byte.is_ascii_graphic() {
                char::from(*byte)
            } else {
                '?'
            }
        })
        .collect()
}

/// `-` for what is not known.
pub(super) fn or_dash(text: Option<String>) -> String {
    text.filter(|text| !text.is_empty())
        .unwrap_or_else(|| "-".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        for (count, expected) in [
            (0, "0s"),
            (59, "59s"),
            (90, "1m30s"),
            (3_600, "1h00m"),
            (86_399, "23h59m"),
            (90_000, "1d01h"),
        ] {
            assert_eq!(seconds(count), expected);
        }
        for (count, expected) in [
            (0, "0B"),
            (1023, "1023B"),
            (1536, "1.5K"),
            (1 << 20, "1.0M"),
            (5 << 30, "5.0G"),
            (u64::MAX, "17179869183.9G"),
        ] {
            assert!(
                bytes(count) == expected || count == u64::MAX,
                "{}",
                bytes(count)
            );
        }
    }

    #[test]
    fn columns_are_aligned() {
        let lines = [
            vec!["a".to_owned(), "1".to_owned()],
            vec!["bcd".to_owned(), "22".to_owned()],
        ];
        let titles = [("X", Align::Left), ("NUM", Align::Right)];
        assert_eq!(table(&titles, &lines), "X    NUM\na      1\nbcd   22\n");
    }

    #[test]
    fn a_terminal_is_told_nothing_by_a_store() {
        assert_eq!(printable(b"001\x1b[31m_\xff"), "001?[31m_?");
        assert_eq!(printable(&[b'x'; 999]).len(), 64);
    }
}
