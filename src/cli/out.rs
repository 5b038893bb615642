//! The one way to the terminal. No colours: half of the readers are log files and serial consoles.

use std::fmt;
use std::io::{self, Write};

use serde::Serialize;

/// Where the answers go, and in which shape.
pub struct Out<'a> {
    to: Box<dyn Write + 'a>,
    json: bool,
}

impl fmt::Debug for Out<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Out").field("json", &self.json).finish_non_exhaustive()
    }
}

impl<'a> Out<'a> {
    /// Writes to `to`; with `json`, JSON alone.
    pub fn new(to: impl Write + 'a, json: bool) -> Self {
        Self { to: Box::new(to), json }
    }

    /// Whether JSON was asked for.
    pub fn wants_json(&self) -> bool {
        self.json
    }

    /// One line for a person; nothing under `--json`.
    pub fn line(&mut self, text: impl fmt::Display) -> io::Result<()> {
        if self.json { Ok(()) } else { writeln!(self.to, "{text}") }
    }

    /// One JSON value on one line; nothing without `--json`.
    pub fn value(&mut self, value: &impl Serialize) -> io::Result<()> {
        if self.json { self.raw_value(value) } else { Ok(()) }
    }

    /// One JSON value on one line, whatever was asked: for interfaces that speak nothing else.
    pub fn raw_value(&mut self, value: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut self.to, value)?;
        self.to.write_all(b"\n")
    }

    /// Text as it is, whatever was asked.
    pub fn raw(&mut self, text: &str) -> io::Result<()> {
        self.to.write_all(text.as_bytes())
    }

    /// Hands everything over. A reader that went away (`| head`) is told by the error kind `BrokenPipe`.
    pub fn finish(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// Left-aligned columns, two spaces between them, no trailing space. The first row may be a heading.
pub(super) fn table(rows: &[Vec<String>]) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width =
        |column| rows.iter().filter_map(|row: &Vec<String>| row.get(column)).map(|c: &String| c.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}", width = *width)).collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_no_line_ends_in_spaces() {
        let row = |a: &str, b: &str| vec![a.to_owned(), b.to_owned()];
        assert_eq!(
            table(&[row("CONDUIT", "MODE"), row("a", "enforce"), row("b", "")]),
            ["CONDUIT  MODE", "a        enforce", "b"]
        );
    }

    #[test]
    fn json_silences_the_words_and_words_silence_the_json() {
        let (mut words, mut json) = (Vec::new(), Vec::new());
        for (buffer, wanted) in [(&mut words, false), (&mut json, true)] {
            let mut out = Out::new(buffer, wanted);
            out.line("hello").unwrap();
            out.value(&[1]).unwrap();
        }
        assert_eq!((words.as_slice(), json.as_slice()), (&b"hello\n"[..], &b"[1]\n"[..]));
    }
}
