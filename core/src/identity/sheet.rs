//! The registry as a sheet: comma-separated values (RFC 4180) that people edit with the program they have. Pure: what a sheet
//! would change is planned here, line by line; the order that does it is `service::registry`.
//!
//! ```text
//! subject,life,credential,value,mac
//! old-panel,active,address,10.10.9.31,02:1f:5a:00:10:31
//! scada,active,key,9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08,
//! spare,registered,,,
//! ```
//!
//! A row is one credential; a subject with several has several rows. A sheet adds, and moves lives between `registered`, `active`
//! and `suspended`; what it does not name stays as it is, and nothing is revoked by it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use super::registry::{Credential, Edit, Life, Registry};
use crate::moment::Moment;
use crate::names::SubjectId;

mod cells;
#[cfg(test)]
mod tests;

/// The first line.
pub const HEADER: [&str; 5] = ["subject", "life", "credential", "value", "mac"];
/// The most bytes of a sheet: it travels in one order.
pub const MAX_BYTES: usize = 700_000;
/// The most lines.
pub const MAX_LINES: usize = 20_000;
/// Mistakes told at once.
pub const MAX_MISTAKES: usize = 100;

/// One thing that is wrong with a sheet. `LINE: what; what to write instead`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{line}: {what}; {help}")]
pub struct Mistake {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub what: String,
    /// What to write instead.
    pub help: &'static str,
}

impl Mistake {
    fn new(line: usize, what: impl Into<String>, help: &'static str) -> Self {
        Self { line, what: what.into(), help }
    }
}

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its line.
    pub line: usize,
    /// Who.
    pub subject: SubjectId,
    /// Its life.
    pub life: Life,
    /// What it shows itself by.
    pub credential: Option<Credential>,
}

/// Reads a sheet whole.
///
/// # Errors
/// Every mistake, the first [`MAX_MISTAKES`] of them, in the order of the lines.
pub fn read(bytes: &[u8]) -> Result<Vec<Row>, Vec<Mistake>> {
    if bytes.len() > MAX_BYTES {
        let what = format!("the sheet has {} bytes, at most {MAX_BYTES} are read", bytes.len());
        return Err(vec![Mistake::new(1, what, "import it in parts, each with the header")]);
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let line = 1 + bytes.iter().take(error.valid_up_to()).filter(|byte| **byte == b'\n').count();
        vec![Mistake::new(line, "it is not UTF-8 text", "save it as \"CSV UTF-8\"")]
    })?;
    // Spreadsheet programs begin with a mark and, in many countries, separate with semicolons.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines = text.lines().enumerate().map(|(index, line)| (index + 1, line));
    let (mut rows, mut mistakes) = (Vec::new(), Vec::new());
    let separator = match lines.next() {
        Some((_, first)) => header(first).map_err(|mistake| vec![mistake])?,
        None => return Err(vec![Mistake::new(1, "the sheet is empty", HEADER_HELP)]),
    };
    for (line, text) in lines {
        if line > MAX_LINES {
            mistakes.push(Mistake::new(line, format!("more than {MAX_LINES} lines"), "import it in parts"));
            break;
        }
        if text.trim_matches([' ', separator, '\r']).is_empty() {
            continue;
        }
        match cells::split(text, separator).map_err(|why| Mistake::new(line, why.0, why.1)) {
            Ok(cells) => row(line, &cells, &mut rows, &mut mistakes),
            Err(mistake) => mistakes.push(mistake),
        }
        if mistakes.len() >= MAX_MISTAKES {
            break;
        }
    }
    agree(&rows, &mut mistakes);
    if mistakes.is_empty() {
        return Ok(rows);
    }
    mistakes.sort_by_key(|mistake| mistake.line);
    mistakes.truncate(MAX_MISTAKES);
    Err(mistakes)
}

const HEADER_HELP: &str = "the first line is: subject,life,credential,value,mac";

fn header(line: &str) -> Result<char, Mistake> {
    for separator in [',', ';', '\t'] {
        let is_header = cells::split(line, separator).is_ok_and(|cells| {
            cells.len() == HEADER.len() && cells.iter().zip(HEADER).all(|(cell, name)| cell == name)
        });
        if is_header {
            return Ok(separator);
        }
    }
    let shown: String = line.chars().filter(|c| !c.is_control()).take(60).collect();
    Err(Mistake::new(1, format!("`{shown}` is no header of the registry"), HEADER_HELP))
}

fn row(line: usize, cells: &[String], rows: &mut Vec<Row>, mistakes: &mut Vec<Mistake>) {
    let [subject, life, kind, value, mac] = cells else {
        let what = format!("{} cells instead of {}", cells.len(), HEADER.len());
        return mistakes.push(Mistake::new(
            line,
            what,
            "write subject,life,credential,value,mac; leave empty what there is none of",
        ));
    };
    let before = mistakes.len();
    if !crate::policy::is_name(subject) || subject.starts_with('-') {
        let what = format!("`{subject}` is no name");
        mistakes.push(Mistake::new(line, what, "letters, digits, `-` and `_`, at most 64, the first no `-`"));
    }
    let known = Life::of(life);
    if known.is_none() {
        let what = format!("`{life}` is no life");
        mistakes.push(Mistake::new(line, what, "registered, active, suspended or revoked"));
    }
    let credential = credential(line, kind, value, mac).unwrap_or_else(|mistake| {
        mistakes.push(mistake);
        None
    });
    if let (Some(life), true) = (known, mistakes.len() == before) {
        rows.push(Row { line, subject: subject.as_str().into(), life, credential });
    }
}

fn credential(line: usize, kind: &str, value: &str, mac: &str) -> Result<Option<Credential>, Mistake> {
    let stray = |text: &str, what: &str| {
        (!text.is_empty()).then(|| Mistake::new(line, format!("`{text}` {what}"), "leave the cell empty"))
    };
    match kind {
        "" => stray(value, "is the value of no credential")
            .or_else(|| stray(mac, "belongs to no address"))
            .map_or(Ok(None), Err),
        "key" => {
            if let Some(mistake) = stray(mac, "is a hardware address, which a key has none of") {
                return Err(mistake);
            }
            let wrong = |_| {
                Mistake::new(
                    line,
                    format!("`{value}` is no SHA-256 of a public key"),
                    "64 hex digits, as `bulkhead device show` says them",
                )
            };
            value.parse().map(Credential::Key).map(Some).map_err(wrong)
        }
        "address" => {
            let ip: IpAddr = value.parse().map_err(|_| {
                Mistake::new(
                    line,
                    format!("`{value}` is no address"),
                    "an IP address without port or prefix, such as 10.10.9.31",
                )
            })?;
            let wrong = |_| {
                Mistake::new(
                    line,
                    format!("`{mac}` is no hardware address"),
                    "six hex pairs with colons, such as 02:1f:5a:00:10:31",
                )
            };
            let mac = if mac.is_empty() { None } else { Some(mac.parse().map_err(wrong)?) };
            Ok(Some(Credential::Address { ip: ip.to_canonical(), mac }))
        }
        _ => Err(Mistake::new(line, format!("`{kind}` is no credential"), "key or address, or an empty cell")),
    }
}

/// Rows that contradict each other.
fn agree(rows: &[Row], mistakes: &mut Vec<Mistake>) {
    let mut lives: BTreeMap<&SubjectId, &Row> = BTreeMap::new();
    let mut owners: BTreeMap<Credential, &Row> = BTreeMap::new();
    for row in rows {
        let first = *lives.entry(&row.subject).or_insert(row);
        if first.life != row.life {
            let what = format!(
                "`{}` is {} here and {} in line {}",
                row.subject,
                row.life.word(),
                first.life.word(),
                first.line
            );
            mistakes.push(Mistake::new(row.line, what, "one subject has one life"));
        }
        let Some(credential) = row.credential else { continue };
        let first = *owners.entry(credential).or_insert(row);
        if first.line != row.line {
            let what = format!("this credential stands in line {} already, for `{}`", first.line, first.subject);
            mistakes.push(Mistake::new(row.line, what, "one credential is one subject, and one row"));
        }
    }
}

/// What a sheet would change in a registry: edits in the order of its lines, each checked in what those before it leave.
///
/// # Errors
/// Every row that cannot be had, by its line.
pub fn plan(registry: &Registry, rows: &[Row], hold: Duration, now: Moment) -> Result<Vec<Edit>, Vec<Mistake>> {
    let (mut next, mut edits, mut mistakes) = (registry.clone(), Vec::new(), Vec::new());
    let mut seen = BTreeSet::new();
    for row in rows.iter().filter(|row| seen.insert(&row.subject)) {
        let theirs = || rows.iter().filter(|other| other.subject == row.subject);
        for edit in wanted(&next, row, theirs().filter_map(|row| row.credential)) {
            let edit = match edit {
                Ok(edit) => edit,
                Err(mistake) => {
                    mistakes.push(mistake);
                    break;
                }
            };
            if let Err(why) = next.check(&edit, hold, now) {
                mistakes.push(Mistake::new(
                    row.line,
                    why.to_string(),
                    "mend the row, or take the subject out of the sheet",
                ));
                break;
            }
            next.apply(&edit, now);
            edits.push(edit);
        }
        if mistakes.len() >= MAX_MISTAKES {
            break;
        }
    }
    if mistakes.is_empty() { Ok(edits) } else { Err(mistakes) }
}

/// The edits that make one subject what its rows say.
fn wanted(registry: &Registry, row: &Row, credentials: impl Iterator<Item = Credential>) -> Vec<Result<Edit, Mistake>> {
    let subject = &row.subject;
    let is_known = registry.lives.contains_key(subject);
    let before = registry.life(subject);
    let missing: Vec<Credential> = credentials.filter(|credential| !registry.has(subject, credential)).collect();
    if row.life == Life::Revoked {
        // What is revoked already is no change: a sheet that was exported can be imported.
        let is_same = before == Life::Revoked && missing.is_empty();
        let help = "a sheet revokes nobody and adds nothing to whom it calls revoked: bulkhead device revoke NAME";
        let mistake = Mistake::new(
            row.line,
            format!("`{subject}` is revoked here and {} in the registry, or has more here", before.word()),
            help,
        );
        return if is_same { Vec::new() } else { vec![Err(mistake)] };
    }
    let mut edits = Vec::new();
    if !is_known || before == Life::Revoked || !missing.is_empty() {
        edits.push(Ok(registry.registration(subject.clone(), row.life, missing)));
    }
    if is_known && before != Life::Revoked && before != row.life {
        edits.push(Ok(Edit::Life { subject: subject.clone(), life: row.life }));
    }
    edits
}

/// All rows of a registry, in the order of names and credentials.
pub fn rows(registry: &Registry) -> Vec<Row> {
    let of = |(subject, life): (&SubjectId, &Life)| {
        let keys = registry.keys_of(subject).map(Credential::Key);
        let addresses = registry.addresses_of(subject).map(|(ip, mac)| Credential::Address { ip, mac });
        subject_rows(subject, *life, keys.chain(addresses))
    };
    registry.lives.iter().flat_map(of).collect()
}

/// The rows of one subject.
pub fn subject_rows(subject: &SubjectId, life: Life, credentials: impl Iterator<Item = Credential>) -> Vec<Row> {
    let row = |credential| Row { line: 0, subject: subject.clone(), life, credential };
    let rows: Vec<Row> = credentials.map(Some).map(row).collect();
    if rows.is_empty() { vec![row(None)] } else { rows }
}

/// A registry as a sheet, in the order of names and credentials: the same registry is the same bytes.
#[derive(Debug)]
pub struct Sheet<'a>(pub &'a [Row]);

impl fmt::Display for Sheet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", HEADER.join(","))?;
        for Row { subject, life, credential, .. } in self.0 {
            let life = life.word();
            match credential {
                None => writeln!(f, "{subject},{life},,,")?,
                Some(Credential::Key(spki)) => writeln!(f, "{subject},{life},key,{spki},")?,
                Some(Credential::Address { ip, mac: None }) => writeln!(f, "{subject},{life},address,{ip},")?,
                Some(Credential::Address { ip, mac: Some(mac) }) => writeln!(f, "{subject},{life},address,{ip},{mac}")?,
            }
        }
        Ok(())
    }
}
