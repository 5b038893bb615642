//! The nearest known word to a mistyped one.

/// The known word that was probably meant: fewest edits, at most a third of its letters; case and `_` for `-` are free.
pub(super) fn nearest<'n>(word: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let word = plain(word);
    let mut best = None;
    for name in known {
        let other = plain(name);
        let longer = word.len().max(other.len());
        let room = (longer / 3).clamp(1, 4);
        // Words whose lengths differ by more than the room cannot be near: spares the table of edits.
        if word.is_empty() || word.len().abs_diff(other.len()) > room || longer > 200 {
            continue;
        }
        let edits = edits(&word, &other);
        if edits <= room && edits < longer && best.is_none_or(|(least, _)| edits < least) {
            best = Some((edits, name));
        }
    }
    best.map(|(_, name)| name)
}

/// How many edits (insert, drop, change, swap of neighbours) turn one word into the other.
pub(super) fn distance(one: &str, other: &str) -> usize {
    edits(&plain(one), &plain(other))
}

/// Whether one free word is probably the other one mistyped: at most an edit in four letters, and the parts that number
/// things (`line-1`, `hall-b`) are the same.
pub(super) fn alike(one: &str, other: &str) -> bool {
    let numbers = |word: &str| -> Vec<String> {
        let parts = word.split(['-', '_']);
        let tails =
            parts.map(|part| part.trim_start_matches(|c: char| !c.is_ascii_digit()).to_owned() + one_letter(part));
        tails.filter(|part| !part.is_empty()).collect()
    };
    let edits = distance(one, other);
    (1..=2).contains(&edits)
        && 4 * edits <= one.chars().count().max(other.chars().count())
        && numbers(one) == numbers(other)
}

fn one_letter(part: &str) -> &str {
    if part.chars().count() == 1 && !part.starts_with(|c: char| c.is_ascii_digit()) { part } else { "" }
}

fn plain(word: &str) -> Vec<char> {
    word.chars().take(256).map(|c| if c == '_' { '-' } else { c.to_ascii_lowercase() }).collect()
}

fn edits(one: &[char], other: &[char]) -> usize {
    let at = |row: &[usize], index: usize| row.get(index).copied().unwrap_or(usize::MAX - 1);
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in other.iter().enumerate() {
            let change = at(&last, j) + usize::from(a != b);
            let mut least = change.min(at(&last, j + 1) + 1).min(at(&row, j) + 1);
            let swapped = i > 0 && j > 0 && one.get(i - 1) == Some(b) && other.get(j - 1) == Some(a);
            if swapped {
                least = least.min(at(&before, j - 1) + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(0)
}

/// `did you mean ..?`, or the choices where nothing is near and they are few.
pub(super) fn help<'n>(word: &str, known: impl IntoIterator<Item = &'n str> + Clone) -> Option<String> {
    if let Some(name) = nearest(word, known.clone()) {
        return Some(format!("did you mean `{name}`?"));
    }
    choices(known)
}

/// The choices as a sentence, where there are one to nine.
pub(super) fn choices<'n>(known: impl IntoIterator<Item = &'n str>) -> Option<String> {
    let names: Vec<String> = known.into_iter().take(10).map(|name| format!("`{name}`")).collect();
    match names.as_slice() {
        [only] => Some(format!("write {only}")),
        [firsts @ .., last] if names.len() < 10 => Some(format!("write {} or {last}", firsts.join(", "))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_the_one_with_the_fewest_edits() {
        let zones = ["filling", "control-room", "packing"];
        assert_eq!(nearest("fillng", zones), Some("filling"));
        assert_eq!(nearest("Control_Room", zones), Some("control-room"));
        assert_eq!(nearest("contorl-room", zones), Some("control-room"));
        assert_eq!(nearest("warehouse", zones), None);
        assert_eq!(nearest("", zones), None);
        assert_eq!(nearest("c", ["a", "b"]), None, "one letter for another is no likeness");
        assert_eq!((distance("ab", "ba"), distance("abc", "abc"), distance("", "abc")), (1, 0, 3));
    }

    #[test]
    fn free_words_are_alike_only_where_their_numbers_are_the_same() {
        for (one, other, same) in [
            ("Operater", "Operator", true),
            ("lie-1", "line-1", true),
            ("line-2", "line-1", false),
            ("Operator2", "Operator", false),
            ("hall-a", "hall-b", false),
            ("north", "south", false),
            ("Operator", "Operator", false),
            ("Maintainer", "Supervisor", false),
        ] {
            assert_eq!(alike(one, other), same, "{one} {other}");
        }
    }

    #[test]
    fn choices_are_listed_where_they_are_few() {
        assert_eq!(help("x", ["observe", "enforce"]).as_deref(), Some("write `observe` or `enforce`"));
        assert_eq!(help("enforc", ["observe", "enforce"]).as_deref(), Some("did you mean `enforce`?"));
        assert_eq!(choices(["a"; 12]), None);
    }
}
