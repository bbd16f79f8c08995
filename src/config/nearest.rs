//! The known word that an unknown one was likely meant to be.

/// The nearest of `known` to `word`, if it is near enough to be meant.
pub(super) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = fold(word);
    if folded.len() > 64 {
        return None;
    }
    let allowed = (folded.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|candidate| (likeness(&folded, &fold(candidate)), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `maxIdle`, `max-idle` and `max_idle` are one word.
fn fold(word: &str) -> String {
    let letters = word.chars().filter(|c| !matches!(c, '_' | '-' | ' '));
    letters.flat_map(char::to_lowercase).collect()
}

/// A word cut short or drawn out (`warn`, `warning`) counts as one slip.
fn likeness(word: &str, known: &str) -> usize {
    let shorter = word.len().min(known.len());
    if shorter >= 4 && (word.starts_with(known) || known.starts_with(word)) {
        return usize::from(word != known);
    }
    distance(word, known)
}

/// How many letters must be changed, added, taken away or swapped with their neighbour.
fn distance(from: &str, to: &str) -> usize {
    let from: Vec<char> = from.chars().collect();
    let to: Vec<char> = to.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=to.len()).collect();
    for (row, a) in from.iter().enumerate() {
        let mut current = vec![row + 1];
        for (column, b) in to.iter().enumerate() {
            let at = |line: &[usize], i: usize| line.get(i).copied().unwrap_or(usize::MAX - 1);
            let change = at(&above, column) + usize::from(a != b);
            let skip = at(&above, column + 1).min(at(&current, column)) + 1;
            let mut best = change.min(skip);
            let swapped = row > 0
                && column > 0
                && from.get(row - 1) == Some(b)
                && to.get(column - 1) == Some(a);
            if swapped {
                best = best.min(at(&before, column - 1) + 1);
            }
            current.push(best);
        }
        before = std::mem::replace(&mut above, current);
    }
    above.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_find_their_word() {
        let known = ["address", "jvm_route", "weight", "backup", "state"];
        let table = [
            ("adress", Some("address")),
            ("jvmRoute", Some("jvm_route")),
            ("wieght", Some("weight")),
            ("stat", Some("state")),
            ("weighting", Some("weight")),
            ("zzz", None),
            ("", None),
        ];
        for (word, expected) in table {
            assert_eq!(nearest(word, known), expected, "{word}");
        }
    }
}
