//! The file as it stands: every key optional, unknown ones refused, each value with its place.

use bulkhead_core::policy::Problem;
use bulkhead_core::policy::problem::Place;
use serde::Deserialize;
use toml::Spanned;

/// The whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    /// The state folder.
    pub(super) state: Option<Spanned<String>>,
    /// The control socket.
    pub(super) socket: Option<Spanned<String>>,
    /// The policy's source.
    pub(super) policy: Option<Spanned<String>>,
    /// The level of the log.
    pub(super) log: Option<Spanned<String>>,
    /// `[journal]`.
    pub(super) journal: Option<RawJournal>,
    /// `[local]`.
    pub(super) local: Option<RawLocal>,
    /// `[registry]`.
    pub(super) registry: Option<RawRegistry>,
}

/// `[journal]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawJournal {
    /// The most it may take.
    pub(super) max: Option<Spanned<String>>,
}

/// `[local]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLocal {
    /// Who may give orders.
    pub(super) group: Option<Spanned<String>>,
}

/// `[registry]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRegistry {
    /// How long a revoked name rests.
    pub(super) hold: Option<Spanned<String>>,
}

/// Reads the file. The first mistake is the answer: what follows one in TOML is seldom worth reading.
pub(super) fn read(text: &str) -> Result<Raw, Problem> {
    toml::from_str(text).map_err(|error| explain(&error, text))
}

fn explain(error: &toml::de::Error, text: &str) -> Problem {
    let span = error.span().unwrap_or(0..0);
    let at = super::place(text, span.start);
    let message = error.message();
    if let Some((key, known)) = unknown_key(message) {
        let help = nearest(key, &known).map_or_else(
            || format!("known here: {}", known.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ")),
            |near| format!("did you mean `{near}`?"),
        );
        return problem(at, "key-unknown", "", format!("there is no key `{key}`"), Some(help));
    }
    let bare = message.contains("string values must be quoted") || message.contains("invalid boolean");
    let offending = text.get(span).unwrap_or_default().lines().next().unwrap_or_default().trim();
    let shown = if offending.is_empty() || message.contains('`') {
        message.to_owned()
    } else {
        format!("{message} at `{offending}`")
    };
    problem(at, "syntax", "", shown, bare.then(|| "put text in quotes".to_owned()))
}

/// Splits serde's "unknown field `a`, expected one of `b`, `c`".
fn unknown_key(message: &str) -> Option<(&str, Vec<&str>)> {
    let mut quoted = message.strip_prefix("unknown field")?.split('`').skip(1).step_by(2);
    let key = quoted.next()?;
    Some((key, quoted.collect()))
}

/// A problem with its place.
pub(super) fn problem(place: Place, id: &'static str, object: &str, message: String, help: Option<String>) -> Problem {
    Problem { place, id, object: object.to_owned(), message, help }
}

/// The candidate that a slip of the finger turns into `word`, if one is near enough to be meant.
pub(super) fn nearest<'a>(word: &str, candidates: &[&'a str]) -> Option<&'a str> {
    let near = |candidate: &&&str| distance(word, candidate) <= (candidate.len() / 3).max(1);
    candidates.iter().filter(near).min_by_key(|candidate| distance(word, candidate)).copied()
}

/// How many letters differ: inserted, dropped, changed, or two neighbours swapped.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(40).collect(), b.chars().take(40).collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    let cell = |rows: &[Vec<usize>], i: usize, j: usize| rows.get(i).and_then(|row| row.get(j)).copied().unwrap_or(99);
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let left = row.last().copied().unwrap_or(99) + 1;
            let change = cell(&rows, i, j) + usize::from(x != y);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x);
            let swap = if swapped { cell(&rows, i - 1, j - 1) + 1 } else { 99 };
            row.push(left.min(cell(&rows, i, j + 1) + 1).min(change).min(swap));
        }
        rows.push(row);
    }
    cell(&rows, a.len(), b.len())
}
