//! What the TOML reader refuses, in words for people who write policies and not parsers.

use std::collections::BTreeSet;

use toml::de::Error;

use super::report::Report;

pub(super) fn report(errors: &[Error], out: &mut Report<'_>) {
    let mut doubled = BTreeSet::new();
    for error in errors {
        let span = error.span().unwrap_or(0..0);
        let spot = Spot::of(span.start, error, out);
        let again = error.message().contains("duplicate key");
        // The keys below a table that stands here twice are no mistakes of their own.
        if again && spot.header.is_some_and(|header| doubled.contains(&header)) {
            continue;
        }
        if again && spot.line.starts_with('[') {
            doubled.extend(spot.header);
        }
        let (message, help) = spot.say(error);
        out.error("syntax", "", span.start, message, help);
    }
}

/// The surroundings of a mistake.
struct Spot<'t> {
    /// What the reader did not like, or the word at that place.
    offending: &'t str,
    word: &'t str,
    /// Its whole line.
    line: &'t str,
    /// The line up to there.
    before: &'t str,
    /// Where the table's header starts.
    header: Option<usize>,
}

impl<'t> Spot<'t> {
    fn of(at: usize, error: &Error, out: &Report<'t>) -> Self {
        let above = out.source.slice(0..at);
        let start = above.rfind('\n').map_or(0, |end| end + 1);
        let (before, rest) = (out.source.slice(start..at), out.source.slice(at..out.source.len()));
        let end = at + rest.find(['\r', '\n']).unwrap_or(rest.len());
        let line = out.source.slice(start..end).trim();
        let header = if line.starts_with('[') { Some(start) } else { above.rfind("\n[").map(|end| end + 1) };
        let span = error.span().unwrap_or(at..at);
        let first = out.source.slice(span).lines().next().unwrap_or("").trim();
        let word = out.source.word_at(at);
        Self { offending: if first.is_empty() { word } else { first }, word, line, before, header }
    }

    fn say(&self, error: &Error) -> (String, Option<String>) {
        let text = error.message().lines().next().unwrap_or("").trim();
        let before = self.before.trim_end();
        let at_value = before.ends_with(['=', '[', ',']) && before.contains('=');
        let offending = short(if self.offending.is_empty() { self.line } else { self.offending });
        if text.contains("duplicate key") {
            return (format!("`{offending}` stands here a second time"), Some("keep one of them".to_owned()));
        }
        if at_value && self.word.starts_with(|c: char| c.is_alphabetic()) {
            let help = format!("put text in quotes: `\"{}\"`", self.word);
            return (format!("`{}` is neither a text nor a number", self.word), Some(help));
        }
        if before.ends_with('=') && (self.offending.is_empty() || self.offending.starts_with('#')) {
            let help = "write a text in quotes, a number, `true`, `false` or a list".to_owned();
            return (format!("the value is missing: `{}`", short(before)), Some(help));
        }
        let help = if text.contains("string") && self.line.matches('"').count() % 2 == 1 {
            "close the text with a quote on the same line"
        } else if text.contains("unclosed") {
            "close it with the bracket that belongs to the one that opened it"
        } else if text.contains("key with no value") {
            "write `key = value`, or put text in quotes"
        } else if text.contains("date") || text.contains("month") || text.contains("day") {
            "write a date as 2027-06-30"
        } else {
            "look at the signs around it: `[table]`, `key = \"text\"`, `key = 5`, `key = [1, 2]`"
        };
        (format!("{text}: `{offending}`"), Some(help.to_owned()))
    }
}

fn short(text: &str) -> String {
    text.chars().take(60).collect()
}
