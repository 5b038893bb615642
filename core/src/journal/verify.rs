//! Verification of a journal, segment by segment: is every record there, in order, unchanged, and up to where is that proven.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ED25519, UnparsedPublicKey};
use serde::{Deserialize, Serialize};

use super::chain::{BadLine, Chain, Lines, parse};
use super::record::{Event, Record, Seq};
use crate::digest::Sha256;

/// What is signed begins with these bytes: a signature over a head can be taken for nothing else.
const DOMAIN: &[u8] = b"bulkhead-checkpoint-v1";

/// A checkpoint must cover one of the last so many records before it. Bounds the verifier's memory (2 MiB).
pub const REACH: usize = 65_536;

/// An unfinished line is looked at up to here, in bytes.
const LONGEST: usize = 16_384;

/// The bytes that a checkpoint's signature is over.
pub fn checkpoint_message(seq: Seq, digest: &Sha256) -> Vec<u8> {
    [DOMAIN, &seq.0.to_be_bytes(), &digest.0].concat()
}

/// A key that checkpoints are verified with. As text: `ed25519:HEX`, or `es256:HEX` of the uncompressed point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    kind: KeyKind,
    bytes: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KeyKind {
    Ed25519,
    Es256,
}

impl PublicKey {
    /// An Ed25519 key, 32 bytes.
    pub fn ed25519(bytes: &[u8]) -> Self {
        Self { kind: KeyKind::Ed25519, bytes: bytes.to_vec() }
    }

    /// An ECDSA P-256 key as an uncompressed point, 65 bytes; its signatures are DER, over SHA-256.
    pub fn es256(bytes: &[u8]) -> Self {
        Self { kind: KeyKind::Es256, bytes: bytes.to_vec() }
    }

    /// The key's name in records: the first 16 hex digits of the SHA-256 of its bytes.
    pub fn id(&self) -> String {
        Sha256::of(&self.bytes).to_string().chars().take(16).collect()
    }

    fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match self.kind {
            KeyKind::Ed25519 => UnparsedPublicKey::new(&ED25519, &self.bytes).verify(message, signature).is_ok(),
            KeyKind::Es256 => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &self.bytes).verify(message, signature).is_ok()
            }
        }
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            KeyKind::Ed25519 => "ed25519:",
            KeyKind::Es256 => "es256:",
        })?;
        f.write_str(&to_hex(&self.bytes))
    }
}

/// The text is no public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a public key, such as `ed25519:` and 64 hex digits")]
pub struct NotAKey;

impl FromStr for PublicKey {
    type Err = NotAKey;

    fn from_str(text: &str) -> Result<Self, NotAKey> {
        let (kind, hex, length) = match text.trim().split_once(':') {
            Some(("ed25519", hex)) => (KeyKind::Ed25519, hex, 32),
            Some(("es256", hex)) => (KeyKind::Es256, hex, 65),
            Some(_) | None => return Err(NotAKey),
        };
        let bytes = from_hex(hex).filter(|bytes| bytes.len() == length).ok_or(NotAKey)?;
        Ok(Self { kind, bytes })
    }
}

/// Bytes as lower-case hex.
pub fn to_hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.filter_map(|digit| char::from_digit(u32::from(digit), 16)).collect()
}

/// Hex in lower case as bytes.
pub fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |c: u8| match c {
        b'0'..=b'9' => Some(c - b'0'),
        b'a'..=b'f' => Some(c - b'a' + 10),
        _ => None,
    };
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

/// A signed head that was kept elsewhere: it proves that the journal once reached so far.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// The last record covered.
    pub seq: Seq,
    /// Its digest.
    pub digest: Sha256,
    /// The key's id.
    pub key: String,
    /// The signature, in hex.
    pub signature: String,
}

/// The text is no head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("neither a checkpoint line of a journal nor an object with seq, digest, key and signature")]
pub struct NotAHead;

impl FromStr for Head {
    type Err = NotAHead;

    /// Takes a checkpoint's line as the journal holds it, or its four members alone. Of several lines the last counts.
    fn from_str(text: &str) -> Result<Self, NotAHead> {
        let line = text.lines().rfind(|line| !line.trim().is_empty()).ok_or(NotAHead)?.trim();
        if let Ok(head) = serde_json::from_str(line) {
            return Ok(head);
        }
        match parse(line.as_bytes()).map_err(|_| NotAHead)?.record.event {
            Event::Checkpoint { seq, digest, key, signature } => Ok(Self { seq, digest, key, signature }),
            Event::Decision(_)
            | Event::Outcome { .. }
            | Event::Repeated { .. }
            | Event::Denied { .. }
            | Event::Session(_)
            | Event::Gateway(_)
            | Event::Trimmed { .. } => Err(NotAHead),
        }
    }
}

/// What verification found, when nothing is wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The first record that is there; 0 when there is none.
    pub first: Seq,
    /// The last one and its digest.
    pub last: Chain,
    /// How many records.
    pub records: u64,
    /// How many segments.
    pub segments: u64,
    /// Checkpoints whose signature was verified.
    pub checkpoints: u64,
    /// Checkpoints signed by a key that was not given.
    pub unchecked: u64,
    /// Up to here a verified signature shows that nothing was changed or left out.
    pub signed_to: Option<Seq>,
    /// Up to here a head that was kept elsewhere shows that nothing was cut off. Without a head a copy proves nothing about
    /// its own end.
    pub complete_to: Option<Seq>,
    /// Bytes behind the last finished line: a record that was being written, or the remains of one.
    pub unfinished: Option<Unfinished>,
}

/// Bytes behind the last finished line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// The segment.
    pub segment: String,
    /// Where they begin, in bytes.
    pub offset: u64,
    /// How many bytes.
    pub length: u64,
}

/// The first thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("segment `{segment}`, byte {offset}, record {seq}: {why}", seq = seq.0)]
pub struct Broken {
    /// The segment.
    pub segment: String,
    /// Where the line begins, in bytes.
    pub offset: u64,
    /// The record that should be there.
    pub seq: Seq,
    /// What is wrong with it.
    pub why: Why,
}

/// What is wrong with a journal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// The line's bytes were changed, or are no record.
    #[error("the line was changed: {0}")]
    Line(#[from] BadLine),
    /// Another record stands here.
    #[error("record {} stands here: records are missing, repeated or out of order", .0.0)]
    Gap(Seq),
    /// The record does not follow on the one before: that one, or this one, was replaced.
    #[error("it does not follow on the record before")]
    Chain,
    /// The journal begins in the middle and no record says that the part before was trimmed.
    #[error("the records before it are missing and no record says that they were trimmed")]
    Start,
    /// A segment ends in the middle of a line although another one follows.
    #[error("the segment ends in the middle of a line, and another one follows")]
    Unfinished,
    /// Behind an unfinished line there are sound records: it was finished once.
    #[error("the line was changed: it does not end, and {0} sound record(s) follow it")]
    Hole(u64),
    /// What stands behind the last record is no beginning of a line, or more than one.
    #[error("what stands there is not the beginning of a record")]
    Garbage,
    /// A checkpoint names another digest for a record than it has.
    #[error("the checkpoint covers record {} with another digest", .0.0)]
    Covers(Seq),
    /// A checkpoint covers a record that comes later or too long before.
    #[error("the checkpoint covers record {}, which is out of its reach", .0.0)]
    Reach(Seq),
    /// A signature does not match.
    #[error("the signature of the checkpoint by key `{0}` is wrong")]
    Signature(String),
    /// The head that was kept elsewhere is further than the journal: its end was cut off.
    #[error("the journal ends here, and the head that was kept elsewhere covers record {}: its end was cut off", .0.0)]
    Cut(Seq),
    /// The head that was kept elsewhere names another digest.
    #[error("the head that was kept elsewhere covers it with another digest")]
    Head,
    /// The head covers only records that were trimmed.
    #[error("the head covers record {}, which was trimmed: take a newer one", .0.0)]
    OldHead(Seq),
    /// The head's signature cannot be checked.
    #[error("no key `{0}` was given to check the head with")]
    NoKey(String),
}

/// Verifies a journal, one segment after the other.
#[derive(Debug, Default)]
pub struct Verifier {
    keys: Vec<PublicKey>,
    head: Option<Head>,
    report: Report,
    recent: VecDeque<Sha256>,
    /// Digest of the record before the first one, as the first one tells it.
    before: Sha256,
    trimmed: bool,
    place: (String, u64),
    first_place: (String, u64),
}

impl Verifier {
    /// A verifier that knows these keys; with `head` it also shows that the end is there.
    pub fn new(keys: Vec<PublicKey>, head: Option<Head>) -> Self {
        Self { keys, head, ..Self::default() }
    }

    /// Takes the next segment, in order of their numbers. `each` is shown every sound record.
    pub fn segment(&mut self, name: &str, bytes: &[u8], each: &mut dyn FnMut(&Record)) -> Result<(), Broken> {
        if let Some(unfinished) = self.report.unfinished.take() {
            self.place = (unfinished.segment, unfinished.offset);
            return Err(self.broken(Why::Unfinished));
        }
        self.report.segments += 1;
        let mut lines = Lines::new(bytes);
        for (offset, line) in lines.by_ref() {
            self.place = (name.to_owned(), length(offset));
            self.line(line, each).map_err(|why| self.broken(why))?;
        }
        self.place = (name.to_owned(), length(lines.offset()));
        if let Some(why) = damage(&lines) {
            return Err(self.broken(why));
        }
        self.report.unfinished = lines.rest().map(|(offset, rest)| Unfinished {
            segment: name.to_owned(),
            offset: length(offset),
            length: length(rest.len()),
        });
        Ok(())
    }

    /// The result after the last segment.
    pub fn finish(mut self) -> Result<Report, Broken> {
        if self.report.first.0 > 1 && !self.trimmed {
            self.place = self.first_place.clone();
            let (segment, offset) = self.place.clone();
            return Err(Broken { segment, offset, seq: self.report.first, why: Why::Start });
        }
        let Some(head) = self.head.take() else { return Ok(self.report) };
        let why = if self.keys.iter().all(|key| key.id() != head.key) {
            Some(Why::NoKey(head.key.clone()))
        } else if !self.signed(head.seq, &head.digest, &head.key, &head.signature) {
            Some(Why::Signature(head.key.clone()))
        } else if head.seq > self.report.last.seq {
            Some(Why::Cut(head.seq))
        } else if head.seq.0 + 1 < self.report.first.0 {
            Some(Why::OldHead(head.seq))
        } else if head.seq.0 + 1 == self.report.first.0 && head.digest != self.before {
            Some(Why::Head)
        } else {
            None
        };
        if let Some(why) = why {
            return Err(self.broken(why));
        }
        self.report.signed_to = self.report.signed_to.max(Some(head.seq));
        self.report.complete_to = Some(head.seq);
        Ok(self.report)
    }

    fn line(&mut self, line: &[u8], each: &mut dyn FnMut(&Record)) -> Result<(), Why> {
        let line = parse(line)?;
        let record = &line.record;
        if self.report.records == 0 {
            self.report.first = record.seq;
            self.report.last = Chain { seq: Seq(record.seq.0.saturating_sub(1)), digest: record.previous };
            self.before = record.previous;
            self.first_place = self.place.clone();
            if record.seq.0 == 0 || record.seq.0 == 1 && record.previous != Sha256::default() {
                return Err(Why::Chain);
            }
        }
        if record.seq.0 != self.report.last.seq.0 + 1 {
            return Err(Why::Gap(record.seq));
        }
        if record.previous != self.report.last.digest {
            return Err(Why::Chain);
        }
        match &record.event {
            Event::Checkpoint { seq, digest, key, signature } => self.checkpoint(*seq, digest, key, signature)?,
            Event::Trimmed { until, digest } => {
                self.trimmed |= until.0 + 1 == self.report.first.0 && *digest == self.before;
            }
            Event::Decision(_)
            | Event::Outcome { .. }
            | Event::Repeated { .. }
            | Event::Denied { .. }
            | Event::Session(_)
            | Event::Gateway(_) => {}
        }
        if self.head.as_ref().is_some_and(|head| head.seq == record.seq && head.digest != line.digest) {
            return Err(Why::Head);
        }
        self.report.records += 1;
        self.report.last = Chain { seq: record.seq, digest: line.digest };
        if self.recent.len() == REACH {
            self.recent.pop_front();
        }
        self.recent.push_back(line.digest);
        each(record);
        Ok(())
    }

    fn checkpoint(&mut self, seq: Seq, digest: &Sha256, key: &str, signature: &str) -> Result<(), Why> {
        let Some(back) = self.report.last.seq.0.checked_sub(seq.0) else { return Err(Why::Reach(seq)) };
        let place = usize::try_from(back).ok().and_then(|back| self.recent.len().checked_sub(back + 1));
        match place.and_then(|place| self.recent.get(place)) {
            Some(known) if known != digest => return Err(Why::Covers(seq)),
            Some(_) => {}
            // It covers a record that was trimmed: its signature is all that is left to look at.
            None if seq < self.report.first => {}
            None => return Err(Why::Reach(seq)),
        }
        if self.keys.iter().all(|known| known.id() != key) {
            self.report.unchecked += 1;
            return Ok(());
        }
        if !self.signed(seq, digest, key, signature) {
            return Err(Why::Signature(key.to_owned()));
        }
        self.report.checkpoints += 1;
        self.report.signed_to = self.report.signed_to.max(Some(seq));
        Ok(())
    }

    fn signed(&self, seq: Seq, digest: &Sha256, key: &str, signature: &str) -> bool {
        let message = checkpoint_message(seq, digest);
        let signature = from_hex(signature).unwrap_or_default();
        self.keys.iter().any(|known| known.id() == key && known.verifies(&message, &signature))
    }

    fn broken(&self, why: Why) -> Broken {
        let (segment, offset) = self.place.clone();
        Broken { segment, offset, seq: Seq(self.report.last.seq.0 + 1), why }
    }
}

/// Whether what stands behind the last finished line is anything else than the beginning of one.
fn damage(lines: &Lines<'_>) -> Option<Why> {
    let (_, rest) = lines.rest()?;
    match lines.sound_behind() {
        0 if rest.first() != Some(&b'{') || begins_with_a_whole_record(rest) => Some(Why::Garbage),
        0 => None,
        behind => Some(Why::Hole(behind)),
    }
}

/// A record is written with its newline: a whole one with something else behind it had another byte there once.
fn begins_with_a_whole_record(rest: &[u8]) -> bool {
    // No record is nearly as long; the bound keeps a hostile file from costing more than a moment.
    let rest = rest.get(..LONGEST).unwrap_or(rest);
    let ends = (1..rest.len()).filter(|end| rest.get(end - 1) == Some(&b'}'));
    ends.filter_map(|end| rest.get(..end)).any(|line| parse(line).is_ok())
}

fn length(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

/// Verifies segments given as name and bytes, in order.
pub fn verify<'a>(
    segments: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    keys: Vec<PublicKey>,
    head: Option<Head>,
) -> Result<Report, Broken> {
    let mut verifier = Verifier::new(keys, head);
    for (name, bytes) in segments {
        verifier.segment(name, bytes, &mut |_| ())?;
    }
    verifier.finish()
}

#[cfg(test)]
mod tests;
