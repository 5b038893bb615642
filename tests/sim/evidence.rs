//! What the disk holds, read by the plant itself: the journal's chain line by line, and the rows of the state database.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use aws_lc_rs::digest::{SHA256, digest};
use serde::Deserialize;

use super::disk::Platter;
use super::event::{Seen, Writes};
use super::image::open;
use super::policies::{OBSERVED, POLICIES, Who, text};

/// The part of a record that the plant looks at.
#[derive(Deserialize)]
struct Line<'a> {
    seq: u64,
    #[serde(borrow)]
    previous: &'a str,
    #[serde(borrow)]
    event: Event<'a>,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow)]
    decision: Option<Decision<'a>>,
    #[serde(borrow)]
    trimmed: Option<Trimmed<'a>>,
}

#[derive(Deserialize)]
struct Trimmed<'a> {
    until: usize,
    #[serde(borrow)]
    digest: &'a str,
}

#[derive(Deserialize)]
struct Decision<'a> {
    #[serde(borrow)]
    effect: &'a str,
    source: SocketAddr,
    accesses: Vec<Access>,
}

#[derive(Deserialize)]
struct Access {
    new: Option<Vec<u16>>,
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(64), |mut out, byte| {
        write!(out, "{byte:02x}").unwrap();
        out
    })
}

/// Reads the journal to the first byte that is no sound record: how many records, what is behind them that should not be, and
/// the values of the allowed writes in them.
pub(crate) fn read(segments: &[(u64, Vec<u8>)]) -> (u64, Option<String>, Writes) {
    let (mut seq, mut previous, mut writes) = (0, "0".repeat(64), BTreeSet::new());
    let mut digests = vec![previous.clone()];
    for (number, bytes) in segments {
        let mut at = 0;
        while let Some(length) = bytes[at..].iter().position(|byte| *byte == b'\n') {
            let line = &bytes[at..at + length];
            let found = match sound(line, seq, &previous) {
                Ok(found) => found,
                Err(why) => return (seq, Some(format!("segment {number}, byte {at}: {why}")), Writes(writes)),
            };
            if let Some(decision) = found.event.decision.filter(|decision| decision.effect == "allow") {
                let who = Who::at(decision.source.ip());
                let values = decision.accesses.iter().filter_map(|access| access.new.as_ref()?.first().copied());
                writes.extend(who.into_iter().flat_map(|who| values.clone().map(move |value| (who, value))));
            }
            if let Some(gone) =
                found.event.trimmed.filter(|gone| digests.get(gone.until).is_none_or(|was| was != gone.digest))
            {
                let why = format!("record {} vouches for another record {}", found.seq, gone.until);
                return (seq, Some(why), Writes(writes));
            }
            seq = found.seq;
            previous = hex(digest(&SHA256, line).as_ref());
            digests.push(previous.clone());
            at += length + 1;
        }
        if bytes[at..].iter().any(|byte| *byte != 0) {
            return (seq, Some(format!("segment {number}, byte {at}: half a line")), Writes(writes));
        }
    }
    (seq, None, Writes(writes))
}

fn sound<'a>(line: &'a [u8], seq: u64, previous: &str) -> Result<Line<'a>, String> {
    let text = std::str::from_utf8(line).map_err(|_| "no text".to_owned())?;
    let (body, sum) = text.rsplit_once(",\"sum\":\"").ok_or("no sum")?;
    if sum.strip_suffix("\"}") != Some(&hex(digest(&SHA256, body.as_bytes()).as_ref())[..16]) {
        return Err("another sum".to_owned());
    }
    let found: Line<'_> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if found.seq != seq + 1 || found.previous != previous {
        return Err(format!("record {} follows {seq}", found.seq));
    }
    Ok(found)
}

/// How the state database differs from the world in memory.
pub(crate) fn differs(platter: &Platter, world: &Seen) -> Option<String> {
    let image = platter.lock().image.clone();
    let db = open(&image).unwrap();
    let texts = "SELECT text FROM policies ORDER BY seq DESC LIMIT 1";
    let active = db.query_row(texts, [], |row| row.get::<_, String>(0)).ok();
    // Before the first activation the policy is the one that the gateway was given.
    let policy = active.map_or(Some(0), |active| (0..POLICIES).find(|number| text(*number) == active));
    let mut lives = db.prepare("SELECT subject FROM lives WHERE life = 'revoked' ORDER BY subject").unwrap();
    let revoked = lives.query_map([], |row| row.get(0)).unwrap().collect::<Result<Vec<String>, _>>().unwrap();
    let mode = "SELECT mode FROM modes WHERE conduit = ?1";
    let mode = db.query_row(mode, [OBSERVED], |row| row.get::<_, Option<String>>(0)).ok().flatten();
    let observe = mode.map_or(policy == Some(0), |mode| mode == "observe");
    let disk = Seen { policy: policy.unwrap_or(u8::MAX), revoked, observe };
    (disk != *world).then(|| format!("memory {world:?}, disk {disk:?}"))
}
