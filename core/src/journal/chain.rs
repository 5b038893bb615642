//! The chain: how a record becomes a line, and how a line is read back.
//!
//! A line is the JSON of the record, its members always in the same order, with one more member at its end: `sum`, the first
//! 16 hex digits of the SHA-256 of everything before it. The next record's `previous` is the SHA-256 of the whole line without
//! its newline (`printf %s "$line" | sha256sum`). So the chain finds a change anywhere but in the last line, and the sum there.

use aws_lc_rs::digest::{Context, SHA256};
use serde::Deserialize;

use super::record::{Event, Record, Seq};
use crate::digest::Sha256;
use crate::moment::Moment;

/// The version of the record's shape that is written.
pub const VERSION: u16 = 1;

/// Before the sum's 16 digits.
const SUM: &[u8] = b",\"sum\":\"";
/// Behind them.
const END: &[u8] = b"\"}";

/// The end of the chain: the last record and its digest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Chain {
    /// The last record; 0 before the first.
    pub seq: Seq,
    /// Its digest; zeroes before the first.
    pub digest: Sha256,
}

/// Why bytes are no line of the journal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadLine {
    /// It does not end with a sum.
    #[error("it does not end with a sum")]
    NoSum,
    /// The sum is another one.
    #[error("its bytes do not match its sum")]
    Sum,
    /// A version that this program does not know.
    #[error("its version is {0}, and this program knows 1")]
    Version(u16),
    /// No record of a known shape.
    #[error("it is no record: {0}")]
    Shape(String),
}

/// A line, read back.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// The record.
    pub record: Record,
    /// The digest of its line.
    pub digest: Sha256,
}

impl Chain {
    /// Adds a record at the end and its line, newline included, to `out`. On an error neither changes.
    pub fn push(&mut self, at: Moment, event: Event, out: &mut Vec<u8>) -> Result<Seq, serde_json::Error> {
        let start = out.len();
        let record = Record { v: VERSION, seq: Seq(self.seq.0 + 1), previous: self.digest, at, event };
        if let Err(error) = serde_json::to_writer(&mut *out, &record) {
            out.truncate(start);
            return Err(error);
        }
        // The sum takes the place of the closing brace, which comes back behind it.
        out.pop();
        let mut digest = Context::new(&SHA256);
        digest.update(out.get(start..).unwrap_or_default());
        let sum = sum_of(&digest);
        let end = out.len();
        out.extend_from_slice(SUM);
        out.extend_from_slice(&sum);
        out.extend_from_slice(END);
        digest.update(out.get(end..).unwrap_or_default());
        out.push(b'\n');
        *self = Self { seq: record.seq, digest: finish(digest) };
        Ok(self.seq)
    }
}

/// Reads one line, without its newline.
pub fn parse(line: &[u8]) -> Result<Line, BadLine> {
    let rest = line.strip_suffix(END).ok_or(BadLine::NoSum)?;
    let (rest, sum) = rest.split_last_chunk::<16>().ok_or(BadLine::NoSum)?;
    let body = rest.strip_suffix(SUM).ok_or(BadLine::NoSum)?;
    let mut digest = Context::new(&SHA256);
    digest.update(body);
    if sum_of(&digest) != *sum {
        return Err(BadLine::Sum);
    }
    digest.update(line.get(body.len()..).unwrap_or_default());
    let Version { v } = serde_json::from_slice(line).map_err(|error| BadLine::Shape(error.to_string()))?;
    if v != VERSION {
        return Err(BadLine::Version(v));
    }
    let wire: Wire = serde_json::from_slice(line).map_err(|error| BadLine::Shape(error.to_string()))?;
    let record = Record { v: wire.v, seq: wire.seq, previous: wire.previous, at: wire.at, event: wire.event };
    Ok(Line { record, digest: finish(digest) })
}

/// Only the version: a record of a later version may have any other members.
#[derive(Deserialize)]
struct Version {
    v: u16,
}

/// A record as it stands in a line.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    v: u16,
    seq: Seq,
    previous: Sha256,
    at: Moment,
    event: Event,
    #[serde(rename = "sum")]
    _sum: String,
}

fn finish(context: Context) -> Sha256 {
    let mut out = Sha256::default();
    for (to, from) in out.0.iter_mut().zip(context.finish().as_ref()) {
        *to = *from;
    }
    out
}

fn sum_of(context: &Context) -> [u8; 16] {
    let digest = finish(context.clone());
    let digits = digest.0.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let mut out = [0; 16];
    for (to, digit) in out.iter_mut().zip(digits) {
        *to = if digit < 10 { b'0' + digit } else { b'a' + digit - 10 };
    }
    out
}

/// The lines of one segment, with the offset of each. It ends at the first byte that is no part of a finished line:
/// [`Lines::rest`] tells what is there.
#[derive(Clone, Debug)]
pub struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Lines<'a> {
    /// From the start of a segment.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// What follows the last finished line: `None` when the segment ends there or goes on with preallocated zeroes only,
    /// else the offset of what is there, and its bytes without the zeroes behind it.
    pub fn rest(&self) -> Option<(usize, &'a [u8])> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let last = rest.iter().rposition(|byte| *byte != 0)?;
        Some((self.at, rest.get(..=last)?))
    }

    /// How many sound records stand behind the place where the finished lines end. After a power cut, before the next start,
    /// that is possible; at any other time somebody has damaged the line in between.
    pub fn sound_behind(&self) -> u64 {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let whole = rest.split_inclusive(|byte| *byte == b'\n').filter_map(|line| line.strip_suffix(b"\n"));
        whole.map(|line| u64::from(parse(line).is_ok())).sum()
    }

    /// The offset behind the last line that was given out.
    pub const fn offset(&self) -> usize {
        self.at
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = (usize, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.bytes.get(self.at..)?;
        // Preallocated room: without this an intact journal would be searched for a newline up to its very end.
        if rest.first() == Some(&0) {
            return None;
        }
        let length = rest.iter().position(|byte| *byte == b'\n')?;
        let line = rest.get(..length)?;
        let at = self.at;
        self.at += length + 1;
        Some((at, line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::record::GatewayRecord;

    fn push(chain: &mut Chain, out: &mut Vec<u8>) -> Seq {
        chain.push(Moment::default(), Event::Gateway(GatewayRecord::Stopped), out).unwrap()
    }

    #[test]
    fn a_line_is_the_records_json_with_a_sum_and_reads_back() {
        let (mut chain, mut out) = (Chain::default(), Vec::new());
        assert_eq!(push(&mut chain, &mut out), Seq(1));
        let line = out.strip_suffix(b"\n").unwrap();
        let text = std::str::from_utf8(line).unwrap();
        let zeroes = "0".repeat(64);
        let body = format!(
            r#"{{"v":1,"seq":1,"previous":"{zeroes}","at":{{"wall":0,"boot":0,"ran":0,"trust":"doubtful"}},"event":{{"gateway":"stopped"}}"#
        );
        let sum: String = Sha256::of(body.as_bytes()).to_string().chars().take(16).collect();
        assert_eq!(text, format!(r#"{body},"sum":"{sum}"}}"#));
        let read = parse(line).unwrap();
        assert_eq!(read.digest, Sha256::of(line));
        assert_eq!(read.digest, chain.digest);
        assert_eq!(read.record.event, Event::Gateway(GatewayRecord::Stopped));
    }

    #[test]
    fn the_next_record_carries_the_digest_of_the_line_before() {
        let (mut chain, mut out) = (Chain::default(), Vec::new());
        push(&mut chain, &mut out);
        push(&mut chain, &mut out);
        let lines: Vec<_> = Lines::new(&out).collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(parse(lines[1].1).unwrap().record.previous, Sha256::of(lines[0].1));
        assert_eq!(lines[1].0, lines[0].1.len() + 1);
    }

    #[test]
    fn a_later_version_is_named_as_such() {
        let body = r#"{"v":2,"new":true"#;
        let sum: String = Sha256::of(body.as_bytes()).to_string().chars().take(16).collect();
        assert_eq!(parse(format!(r#"{body},"sum":"{sum}"}}"#).as_bytes()), Err(BadLine::Version(2)));
    }

    #[test]
    fn lines_end_at_preallocated_zeroes_and_tell_an_unfinished_line() {
        let mut lines = Lines::new(b"ab\ncd\n\0\0\0");
        assert_eq!(lines.by_ref().collect::<Vec<_>>(), [(0, &b"ab"[..]), (3, b"cd")]);
        assert_eq!((lines.offset(), lines.rest()), (6, None));
        let mut lines = Lines::new(b"ab\ncd\0e\0\0");
        assert_eq!(lines.by_ref().count(), 1);
        assert_eq!(lines.rest(), Some((3, &b"cd\0e"[..])));
    }
}
