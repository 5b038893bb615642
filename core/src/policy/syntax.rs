//! What the TOML reader refuses, in words for people who write policies and not parsers.

use toml::de::Error;

use super::report::Report;

pub(super) fn report(error: &Error, out: &mut Report<'_>) {
    let span = error.span().unwrap_or(0..0);
    let offending = out.source.slice(span.clone()).lines().next().unwrap_or("").trim();
    let word = out.source.word_at(span.start);
    let before = out.source.slice(0..span.start);
    let line = before.rsplit('\n').next().unwrap_or("").trim_end();
    let value = line.ends_with('=') || line.ends_with('[') || line.ends_with(',');
    let offending: String = if offending.is_empty() { word } else { offending }.chars().take(60).collect();
    let text = error.message().lines().next().unwrap_or("").trim();
    let (message, help) = if text.contains("duplicate key") {
        (format!("`{offending}` stands here a second time"), Some("keep one of them".to_owned()))
    } else if value && word.starts_with(|c: char| c.is_alphabetic()) {
        (format!("`{word}` is neither a text nor a number"), Some(format!("put text in quotes: `\"{word}\"`")))
    } else if text.contains("unterminated") || text.contains("unclosed") || text.contains("missing") {
        (with(text, &offending), Some("close it with the sign that opened it".to_owned()))
    } else {
        (with(text, &offending), None)
    };
    out.error("syntax", "", span.start, message, help);
}

fn with(text: &str, offending: &str) -> String {
    if offending.is_empty() || text.contains(offending) { text.to_owned() } else { format!("{text}: `{offending}`") }
}
