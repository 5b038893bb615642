//! The parsed TOML as sections that know their path and their keys, so that everything wrong in them is said at once.
//!
//! The tree is walked by hand and not by serde, because a derived reader stops at the first mistake and has no place for a
//! missing or unknown key of a nested table. Each reader method notes its key: `finish` then names every key that nobody
//! asked for and every required one that is not there.

mod keys;
mod names;

use std::ops::{Range, RangeInclusive};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::report::Report;
use super::suggest;
pub(super) use names::check_name;
pub(crate) use names::is_name;

type Value<'a> = Spanned<DeValue<'a>>;

/// A text of the file and where it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Text<'a> {
    pub(super) value: &'a str,
    /// The byte offset of its first sign: the quote, where there is one.
    pub(super) at: usize,
    /// The byte offset of its first letter, where its letters stand in the file as they are (no escapes).
    inside: Option<usize>,
}

impl<'a> Text<'a> {
    fn new(text: &'a str, span: Range<usize>, out: &Report<'_>) -> Self {
        let raw = out.source.slice(span.clone());
        let inside = raw.find(text).filter(|_| raw.len() <= text.len() + 2).map(|offset| span.start + offset);
        Self { value: text, at: span.start, inside }
    }

    /// The byte offset of a part of it, as exactly as can be said.
    pub(super) fn at_byte(&self, offset: usize) -> usize {
        self.inside.map_or(self.at, |start| start + offset)
    }
}

/// One table of the file.
#[derive(Debug)]
pub(super) struct Section<'a> {
    /// How findings name it: `conduits.scada.allow[2]`.
    pub(super) path: String,
    /// Its own last name.
    pub(super) name: Text<'a>,
    table: &'a DeTable<'a>,
    asked: Vec<&'static str>,
    missing: Vec<(&'static str, &'static str)>,
    required: usize,
    /// The table that holds it and others of its kind, where it has a name of the plant's own.
    siblings: Option<&'a DeTable<'a>>,
}

impl<'a> Section<'a> {
    pub(super) fn root(table: &'a DeTable<'a>) -> Self {
        let name = Text { value: "", at: 0, inside: None };
        Self { path: String::new(), name, table, asked: Vec::new(), missing: Vec::new(), required: 0, siblings: None }
    }

    /// Where it starts.
    pub(super) fn at(&self) -> usize {
        self.name.at
    }

    /// The path of one of its keys.
    pub(super) fn key(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Where a key's value stands, else the section.
    pub(super) fn at_key(&self, key: &str) -> usize {
        self.table.get(key).map_or(self.at(), |value| value.span().start)
    }

    fn take(&mut self, key: &'static str) -> Option<&'a Value<'a>> {
        self.asked.push(key);
        self.table.get(key)
    }

    /// The key has to be there; `example` shows how it is written.
    pub(super) fn require(&mut self, key: &'static str, example: &'static str) {
        self.required += 1;
        if !self.table.contains_key(key) {
            self.missing.push((key, example));
        }
    }

    fn wrong(&self, key: &str, value: &Value<'a>, wanted: &str, help: Option<String>, out: &mut Report<'_>) {
        let text = shown(value, out);
        let object = self.path.clone();
        out.error("wrong-type", &object, value.span().start, format!("`{key}` must be {wanted}, not {text}"), help);
    }

    pub(super) fn text(&mut self, key: &'static str, out: &mut Report<'_>) -> Option<Text<'a>> {
        let value = self.take(key)?;
        let text = value.get_ref().as_str();
        if text.is_none() {
            let help = format!("put it in quotes: `{key} = \"{}\"`", out.source.slice(value.span()).trim_matches('"'));
            let simple = !value.get_ref().is_array() && !value.get_ref().is_table();
            self.wrong(key, value, "a text", simple.then_some(help), out);
        }
        let text = Text::new(text?, value.span(), out);
        if text.value.is_empty() {
            out.error("empty", &self.path, text.at, format!("`{key}` is empty: `\"\"`"), None);
            return None;
        }
        Some(text)
    }

    pub(super) fn whole(&mut self, key: &'static str, range: RangeInclusive<u32>, out: &mut Report<'_>) -> Option<u32> {
        let value = self.take(key)?;
        self.number(key, value, range, out)
    }

    fn number(&self, key: &str, value: &Value<'a>, range: RangeInclusive<u32>, out: &mut Report<'_>) -> Option<u32> {
        let Some(number) = value.get_ref().as_integer() else {
            let help = value.get_ref().is_str().then(|| "write it without quotes".to_owned());
            self.wrong(key, value, "a whole number", help, out);
            return None;
        };
        let number = u32::from_str_radix(number.as_str(), number.radix()).ok().filter(|number| range.contains(number));
        if number.is_none() {
            let text = out.source.slice(value.span());
            let help = format!("write a number from {} to {}", range.start(), range.end());
            out.error("number", &self.path, value.span().start, format!("`{key}` cannot be `{text}`"), Some(help));
        }
        number
    }

    pub(super) fn flag(&mut self, key: &'static str, out: &mut Report<'_>) -> Option<bool> {
        let value = self.take(key)?;
        let flag = value.get_ref().as_bool();
        if flag.is_none() {
            self.wrong(key, value, "true or false", Some("write `true` or `false`, without quotes".to_owned()), out);
        }
        flag
    }

    pub(super) fn date(&mut self, key: &'static str, out: &mut Report<'_>) -> Option<jiff::civil::Date> {
        let value = self.take(key)?;
        let date = value.get_ref().as_datetime().filter(|date| date.time.is_none()).and_then(|date| date.date);
        let date = date.and_then(|date| {
            let (year, month, day) = (i16::try_from(date.year), i8::try_from(date.month), i8::try_from(date.day));
            jiff::civil::Date::new(year.ok()?, month.ok()?, day.ok()?).ok()
        });
        if date.is_none() {
            self.wrong(key, value, "a date", Some("write it as 2027-06-30, without quotes and time".to_owned()), out);
        }
        date
    }

    /// A moment with its offset, as milliseconds since 1970.
    pub(super) fn moment(&mut self, key: &'static str, out: &mut Report<'_>) -> Option<i64> {
        let value = self.take(key)?;
        let text = value.get_ref().as_datetime().map(ToString::to_string);
        let moment = text.and_then(|text| text.parse::<jiff::Timestamp>().ok());
        if moment.is_none() {
            self.wrong(
                key,
                value,
                "a moment",
                Some("write it as 2027-06-30T06:00:00Z, without quotes".to_owned()),
                out,
            );
        }
        Some(moment?.as_millisecond())
    }

    /// A list of texts.
    pub(super) fn texts(&mut self, key: &'static str, out: &mut Report<'_>) -> Option<Vec<Text<'a>>> {
        let value = self.take(key)?;
        let Some(items) = value.get_ref().as_array() else {
            let help = format!("write `{key} = [{}]`", out.source.slice(value.span()));
            self.wrong(key, value, "a list of texts", value.get_ref().is_str().then_some(help), out);
            return None;
        };
        let mut texts = Vec::new();
        for item in items {
            match item.get_ref().as_str() {
                Some("") => {
                    out.error(
                        "empty",
                        &self.path,
                        item.span().start,
                        format!("`{key}` has an empty text: `\"\"`"),
                        None,
                    );
                }
                Some(text) => texts.push(Text::new(text, item.span(), out)),
                None => self.wrong(key, item, "a list of texts", Some("put each in quotes".to_owned()), out),
            }
        }
        Some(texts)
    }

    /// A list of whole numbers, each with its offset.
    pub(super) fn wholes(
        &mut self,
        key: &'static str,
        range: &RangeInclusive<u32>,
        out: &mut Report<'_>,
    ) -> Option<Vec<(u32, usize)>> {
        let value = self.take(key)?;
        let Some(items) = value.get_ref().as_array() else {
            let help = format!("write `{key} = [{}]`", out.source.slice(value.span()));
            self.wrong(key, value, "a list of numbers", value.get_ref().is_integer().then_some(help), out);
            return None;
        };
        let numbers =
            items.iter().filter_map(|item| Some((self.number(key, item, range.clone(), out)?, item.span().start)));
        Some(numbers.collect())
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(
        &mut self,
        key: &'static str,
        words: &[(&'static str, T)],
        out: &mut Report<'_>,
    ) -> Option<T> {
        let text = self.text(key, out)?;
        let found = words.iter().find(|(word, _)| *word == text.value).map(|(_, value)| *value);
        if found.is_none() {
            let help = suggest::help(text.value, words.iter().map(|(word, _)| *word));
            out.error("word", &self.path, text.at, format!("`{key}` cannot be `{}`", text.value), help);
        }
        found
    }

    /// One of a few words, or a list of them; none where one of them is wrong.
    pub(super) fn one_or_more<T: Copy + PartialEq>(
        &mut self,
        key: &'static str,
        words: &[(&'static str, T)],
        out: &mut Report<'_>,
    ) -> Vec<T> {
        if !self.table.get(key).is_some_and(|value| value.get_ref().is_array()) {
            return self.word(key, words, out).into_iter().collect();
        }
        let at = self.at_key(key);
        let texts = self.texts(key, out).unwrap_or_default();
        if texts.is_empty() {
            let help = suggest::help("", words.iter().map(|(word, _)| *word));
            out.error("empty", &self.path, at, format!("`{key}` is empty: `[]`"), help);
        }
        let (mut found, mut all) = (Vec::new(), true);
        for text in texts {
            let Some(value) = words.iter().find(|(word, _)| *word == text.value).map(|(_, value)| *value) else {
                let help = suggest::help(text.value, words.iter().map(|(word, _)| *word));
                out.error("word", &self.path, text.at, format!("`{key}` cannot be `{}`", text.value), help);
                all = false;
                continue;
            };
            if found.contains(&value) {
                let help = Some("keep one of them".to_owned());
                out.error("twice", &self.path, text.at, format!("`{}` stands in `{key}` twice", text.value), help);
            } else {
                found.push(value);
            }
        }
        if all { found } else { Vec::new() }
    }

    /// A table under a key.
    pub(super) fn table(&mut self, key: &'static str, out: &mut Report<'_>) -> Option<Section<'a>> {
        let value = self.take(key)?;
        let Some(table) = value.get_ref().as_table() else {
            let help = format!("write it as `{key} = {{ .. }}` or under a line `[{}]`", self.key(key));
            self.wrong(key, value, "a table", Some(help), out);
            return None;
        };
        let span = self.table.get_key_value(key).map_or(value.span(), |(key, _)| key.span());
        Some(Self::below(self.key(key), key, span, table, out))
    }

    /// The tables under `[KEY.NAME]`, each with a name that rules can use.
    pub(super) fn named(&mut self, key: &'static str, out: &mut Report<'_>) -> Vec<Section<'a>> {
        let Some(tables) = self.table(key, out) else { return Vec::new() };
        let mut sections = Vec::new();
        for (name, value) in tables.table {
            let (span, name) = (name.span(), name.get_ref().as_ref());
            let path = tables.key(name);
            check_name(name, span.start, &path, out);
            let Some(table) = value.get_ref().as_table() else {
                let text = shown(value, out);
                let help = format!("write a line `[{path}]` and its keys below");
                let message = format!("`{path}` must be a table, not {text}");
                out.error("wrong-type", &path, value.span().start, message, Some(help));
                continue;
            };
            sections.push(Section { siblings: Some(tables.table), ..Self::below(path, name, span, table, out) });
        }
        sections
    }

    /// The names and texts of a table of texts.
    pub(super) fn entries(&mut self, out: &mut Report<'_>) -> Vec<(Text<'a>, Text<'a>)> {
        let mut entries = Vec::new();
        for (name, value) in self.table {
            let name = Text::new(name.get_ref().as_ref(), name.span(), out);
            check_name(name.value, name.at, &self.key(name.value), out);
            match value.get_ref().as_str() {
                Some(text) => entries.push((name, Text::new(text, value.span(), out))),
                None => self.wrong(name.value, value, "a text", None, out),
            }
        }
        entries
    }

    /// The tables of `[[KEY]]`.
    pub(super) fn list(&mut self, key: &'static str, out: &mut Report<'_>) -> Vec<Section<'a>> {
        let Some(value) = self.take(key) else { return Vec::new() };
        let path = self.key(key);
        let Some(items) = value.get_ref().as_array() else {
            let help = format!("write `[[{path}]]` with two brackets");
            self.wrong(key, value, "a list of tables", Some(help), out);
            return Vec::new();
        };
        let mut sections = Vec::new();
        for (item, number) in items.iter().zip(1..) {
            match item.get_ref().as_table() {
                Some(table) => {
                    let path = format!("{path}[{number}]");
                    sections.push(Self::below(path, key, item.span(), table, out));
                }
                None => self.wrong(key, item, "a list of tables", Some(format!("write `[[{path}]]` lines")), out),
            }
        }
        sections
    }

    fn below(
        path: String,
        name: &'a str,
        span: Range<usize>,
        table: &'a DeTable<'a>,
        out: &mut Report<'_>,
    ) -> Section<'a> {
        out.object(&path, span.start);
        Section {
            path,
            name: Text::new(name, span, out),
            table,
            asked: Vec::new(),
            missing: Vec::new(),
            required: 0,
            siblings: None,
        }
    }
}

/// What stands at a value, short and in backticks.
fn shown(value: &Value<'_>, out: &Report<'_>) -> String {
    let raw = out.source.slice(value.span());
    let first = raw.lines().next().unwrap_or("");
    let short: String = first.chars().take(60).collect();
    let dots = if short.len() < raw.len() { ".." } else { "" };
    let kind = match value.get_ref().type_str() {
        "string" => "the text",
        "integer" => "the number",
        "float" => "the decimal number",
        "boolean" => "the word",
        "datetime" => "the date",
        "array" => "the list",
        _ => "the table",
    };
    format!("{kind} `{short}{dots}`")
}
