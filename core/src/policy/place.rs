//! Where something stands in the text: byte offsets to lines and columns, counted as editors do.

use std::ops::Range;

use super::problem::Place;

/// A policy's text with the starts of its lines.
#[derive(Debug)]
pub(super) struct Source<'t> {
    text: &'t str,
    starts: Vec<usize>,
}

impl<'t> Source<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { text, starts }
    }

    /// Line and column of a byte offset; one behind the end (or inside a character) counts as the last place before it.
    pub(super) fn place(&self, offset: usize) -> Place {
        let line = self.starts.partition_point(|start| *start <= offset).max(1);
        let start = self.starts.get(line - 1).copied().unwrap_or(0);
        let column =
            self.text.get(start..).unwrap_or("").char_indices().take_while(|(at, _)| start + at < offset).count();
        let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
        Place { line: number(line), column: number(column + 1) }
    }

    /// The number of bytes.
    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    /// The text of a range; empty where the range is none.
    pub(super) fn slice(&self, range: Range<usize>) -> &'t str {
        self.text.get(range).unwrap_or("")
    }

    /// What stands at an offset, up to the end of its word: letters, digits, `-`, `_`, `.`, `:` and `/`.
    pub(super) fn word_at(&self, offset: usize) -> &'t str {
        let rest = self.text.get(offset..).unwrap_or("");
        let end = rest.find(|c: char| !(c.is_alphanumeric() || "-_.:/".contains(c))).unwrap_or(rest.len());
        rest.get(..end).unwrap_or("")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_and_lines_count_from_one() {
        let source = Source::new("a\nü = 1\r\n\nend");
        let at = |offset| {
            let Place { line, column } = source.place(offset);
            (line, column)
        };
        assert_eq!(at(0), (1, 1));
        assert_eq!(at(2), (2, 1));
        assert_eq!(at(5), (2, 3), "the umlaut is one column");
        assert_eq!(at(10), (3, 1));
        assert_eq!(at(11), (4, 1));
        assert_eq!(at(99), (4, 4), "behind the end is the end");
        assert_eq!(Source::new("").place(0), Place { line: 1, column: 1 });
    }
}
