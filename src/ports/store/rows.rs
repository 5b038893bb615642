//! Rows to values and back. Each row carries the version of its kind.

use std::str::FromStr;

use bulkhead_core::digest::Sha256;
use bulkhead_core::identity::{Life, Registry};
use bulkhead_core::journal::record::Seq;
use bulkhead_core::moment::{Moment, RanMs, UnixMs};
use bulkhead_core::names::{ConduitId, SubjectId};
use bulkhead_core::policy::model::Mode;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row as Fields, Transaction, params};

use super::authority;
use super::{AuthorityPart, Change, Found, Row, StoredPolicy, StoredShadow, SubjectRows};

/// The version of every kind of row so far.
pub(super) const V: i64 = 1;

/// So many activated policies are kept.
const POLICIES: i64 = 10;

fn mode_word(mode: Mode) -> &'static str {
    match mode {
        Mode::Observe => "observe",
        Mode::Enforce => "enforce",
    }
}

fn mode_of(word: &str) -> Option<Mode> {
    [Mode::Observe, Mode::Enforce].into_iter().find(|mode| mode_word(*mode) == word)
}

pub(super) fn unknown(column: usize, word: &str) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, format!("`{word}` is no known value").into())
}

pub(super) fn number(fields: &Fields<'_>, column: usize) -> rusqlite::Result<u64> {
    fields.get::<_, i64>(column).map(i64::cast_unsigned)
}

/// Refuses a row of a kind's later version: it would be misread.
pub(super) fn of_this_version(fields: &Fields<'_>) -> rusqlite::Result<()> {
    let version: i64 = fields.get("v")?;
    if version == V { Ok(()) } else { Err(rusqlite::Error::IntegralValueOutOfRange(0, version)) }
}

pub(super) fn load(db: &Connection) -> rusqlite::Result<Found> {
    let meta = |key: &str| -> rusqlite::Result<i64> {
        let value = db.query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get(0)).optional()?;
        Ok(value.unwrap_or(0))
    };
    let mut found = Found {
        ran: RanMs(meta("ran")?.cast_unsigned()),
        floor: UnixMs(meta("floor")?),
        settled: Seq(meta("settled")?.cast_unsigned()),
        list: meta("list")?.cast_unsigned(),
        ..Found::default()
    };
    let mut lives = db.prepare("SELECT subject, life, seq, wall, ran, v FROM lives")?;
    let rows = lives.query_map([], |row| {
        of_this_version(row)?;
        let (subject, word): (String, String) = (row.get(0)?, row.get(1)?);
        let value = Life::of(&word).ok_or_else(|| unknown(1, &word))?;
        let at = Moment { wall: UnixMs(row.get(3)?), ran: RanMs(number(row, 4)?), ..Moment::default() };
        Ok((SubjectId::from(subject), Row { value, seq: Seq(number(row, 2)?) }, at))
    })?;
    for row in rows {
        let (subject, life, at) = row?;
        found.registry.set_life(&subject, life.value, at);
        found.lives.insert(subject, life);
    }
    credentials(db, &mut found.registry)?;
    authority::load(db, &mut found)?;
    let mut modes = db.prepare("SELECT conduit, mode, seq, v FROM modes")?;
    let rows = modes.query_map([], |row| {
        of_this_version(row)?;
        let (conduit, word): (String, Option<String>) = (row.get(0)?, row.get(1)?);
        let value = match word {
            Some(word) => Some(mode_of(&word).ok_or_else(|| unknown(1, &word))?),
            None => None,
        };
        Ok((ConduitId::from(conduit), Row { value, seq: Seq(number(row, 2)?) }))
    })?;
    for row in rows {
        let (conduit, mode) = row?;
        found.modes.insert(conduit, mode);
    }
    let mut watches = db.prepare("SELECT conduit, until, v FROM watches")?;
    let rows = watches.query_map([], |row| {
        of_this_version(row)?;
        Ok((ConduitId::from(row.get::<_, String>(0)?), RanMs(number(row, 1)?)))
    })?;
    found.watches = rows.collect::<rusqlite::Result<_>>()?;
    let policy = db.query_row("SELECT seq, hash, text, v FROM policies ORDER BY seq DESC LIMIT 1", [], |row| {
        of_this_version(row)?;
        let (hash, text): (String, String) = (row.get(1)?, row.get(2)?);
        let hash = digest(1, &hash)?;
        Ok(Row { value: StoredPolicy { text, hash }, seq: Seq(number(row, 0)?) })
    });
    found.policy = policy.optional()?;
    let shadow = db.query_row("SELECT name, text, hash, until, seq, v FROM shadow WHERE id = 1", [], |row| {
        of_this_version(row)?;
        let (name, text, hash): (String, Option<String>, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let hash = Sha256::from_str(&hash).map_err(|_| unknown(2, &hash))?;
        let until = RanMs(number(row, 3)?);
        let value = text.map(|text| StoredShadow { name, text, hash, until });
        Ok(Row { value, seq: Seq(number(row, 4)?) })
    });
    found.shadow = shadow.optional()?;
    Ok(found)
}

fn credentials(db: &Connection, registry: &mut Registry) -> rusqlite::Result<()> {
    let mut keys = db.prepare("SELECT spki, subject, spent, v FROM keys")?;
    let rows = keys.query_map([], |row| {
        of_this_version(row)?;
        let (spki, subject, spent): (String, String, bool) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok((digest(0, &spki)?, SubjectId::from(subject), spent))
    })?;
    for row in rows {
        let (spki, subject, spent) = row?;
        if spent {
            registry.spent.insert(spki);
        } else {
            registry.keys.insert(spki, subject);
        }
    }
    let mut addresses = db.prepare("SELECT ip, mac, subject, v FROM addresses")?;
    let rows = addresses.query_map([], |row| {
        of_this_version(row)?;
        let (ip, mac, subject): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let place = ip.parse().map_err(|_| unknown(0, &ip))?;
        let mac = if mac.is_empty() { None } else { Some(mac.parse().map_err(|_| unknown(1, &mac))?) };
        Ok(((place, mac), SubjectId::from(subject)))
    })?;
    for row in rows {
        let (place, subject) = row?;
        registry.addresses.insert(place, subject);
    }
    Ok(())
}

pub(super) fn digest(column: usize, text: &str) -> rusqlite::Result<Sha256> {
    Sha256::from_str(text).map_err(|_| unknown(column, text))
}

/// A key that is spent stays spent, whatever waited for the disk meanwhile.
const KEEP_KEY: &str = "INSERT INTO keys(spki, v, subject, spent) VALUES (?1, ?2, ?3, 0)
    ON CONFLICT(spki) DO UPDATE SET v = excluded.v, subject = excluded.subject WHERE spent = 0";

fn set_subject(db: &Transaction<'_>, rows: &SubjectRows, at: Moment) -> rusqlite::Result<()> {
    let name = rows.subject.as_str();
    set_life(db, &rows.subject, rows.life, rows.seq, at)?;
    db.prepare_cached("DELETE FROM keys WHERE subject = ?1 AND spent = 0")?.execute([name])?;
    for spki in &rows.keys {
        db.prepare_cached(KEEP_KEY)?.execute(params![spki.to_string(), V, name])?;
    }
    db.prepare_cached("DELETE FROM addresses WHERE subject = ?1")?.execute([name])?;
    for (ip, mac) in &rows.addresses {
        let mac = mac.map_or_else(String::new, |mac| mac.to_string());
        db.prepare_cached("INSERT OR REPLACE INTO addresses(ip, mac, v, subject) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![ip.to_string(), mac, V, name])?;
    }
    Ok(())
}

/// The hold of a revoked name begins when it is revoked, and not anew with each later order about it.
fn set_life(db: &Transaction<'_>, subject: &SubjectId, life: Life, seq: Seq, at: Moment) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO lives(subject, v, life, seq, wall, ran) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT(subject) DO UPDATE SET v = excluded.v, life = excluded.life, seq = excluded.seq,
         wall = iif(life = 'revoked' AND excluded.life = 'revoked', wall, excluded.wall),
         ran = iif(life = 'revoked' AND excluded.life = 'revoked', ran, excluded.ran)",
    )?
    .execute(params![subject.as_str(), V, life.word(), seq.0.cast_signed(), at.wall.0, at.ran.0.cast_signed()])?;
    Ok(())
}

fn spend(db: &Transaction<'_>, spki: &Sha256) -> rusqlite::Result<()> {
    db.prepare_cached("INSERT OR REPLACE INTO keys(spki, v, subject, spent) VALUES (?1, ?2, '', 1)")?
        .execute(params![spki.to_string(), V])?;
    Ok(())
}

pub(super) fn apply(db: &Transaction<'_>, change: &Change) -> rusqlite::Result<()> {
    match change {
        Change::Life { subject, life, seq, at } => set_life(db, subject, *life, *seq, *at)?,
        Change::Registry { subjects, spent, at } => {
            for rows in subjects {
                set_subject(db, rows, *at)?;
            }
            for spki in spent {
                spend(db, spki)?;
            }
        }
        Change::Spent { subject, spki, seq, at } => {
            // The life keeps its own record: a revocation whose row is missing must be found at the next start.
            spend(db, spki)?;
            let is_known = "SELECT 1 FROM lives WHERE subject = ?1";
            if !db.prepare_cached(is_known)?.exists([subject.as_str()])? {
                set_life(db, subject, Life::Active, *seq, *at)?;
            }
        }
        Change::Mode { conduit, mode, watch, seq } => {
            set_mode(db, conduit, *mode, *seq)?;
            if let Some(until) = watch {
                db.prepare_cached("INSERT OR REPLACE INTO watches(conduit, v, until) VALUES (?1, ?2, ?3)")?
                    .execute(params![conduit.as_str(), V, until.0.cast_signed()])?;
            }
        }
        Change::Certificate { row, leaf } => {
            authority::insert(db, row)?;
            if let Some(pem) = leaf {
                authority::set(db, AuthorityPart::Leaf, pem, row.seq)?;
            }
        }
        Change::Chain { pem, seq } => authority::set(db, AuthorityPart::Chain, pem, *seq)?,
        Change::List { number, pem, revoked, gone, seq } => {
            set_meta(db, "list", number.cast_signed())?;
            if let Some(pem) = pem {
                authority::set(db, AuthorityPart::List, pem, *seq)?;
            }
            for (serial, at) in revoked {
                authority::take_back(db, serial, *at)?;
            }
            for serial in gone {
                authority::forget(db, serial)?;
            }
        }
        Change::Policy { text, hash, seq, at, ended } => {
            let Moment { wall, ran, .. } = *at;
            db.prepare_cached(
                "INSERT OR REPLACE INTO policies(seq, v, hash, text, wall, ran) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![
                seq.0.cast_signed(),
                V,
                hash.to_string(),
                text,
                wall.0,
                ran.0.cast_signed()
            ])?;
            db.prepare_cached(
                "DELETE FROM policies WHERE seq NOT IN (SELECT seq FROM policies ORDER BY seq DESC LIMIT ?1)",
            )?
            .execute([POLICIES])?;
            for conduit in ended {
                set_mode(db, conduit, None, *seq)?;
            }
            // A candidate that came in force is none any more.
            db.prepare_cached("UPDATE shadow SET text = NULL WHERE hash = ?1")?.execute([hash.to_string()])?;
        }
        Change::Shadow { shadow, seq, ran } => {
            set_meta(db, "ran", ran.0.cast_signed())?;
            let StoredShadow { name, text, hash, until } = shadow;
            db.prepare_cached(
                "INSERT OR REPLACE INTO shadow(id, v, name, text, hash, until, seq) VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![
                V,
                name,
                text,
                hash.to_string(),
                until.0.cast_signed(),
                seq.0.cast_signed()
            ])?;
        }
        Change::ShadowEnded => {
            db.prepare_cached("UPDATE shadow SET text = NULL")?.execute([])?;
        }
        Change::Ran { ran, floor } => {
            set_meta(db, "ran", ran.0.cast_signed())?;
            set_meta(db, "floor", floor.0)?;
        }
        Change::Settled(seq) => set_meta(db, "settled", seq.0.cast_signed())?,
    }
    Ok(())
}

/// Sets or ends an override; a watch of the conduit ends with it.
fn set_mode(db: &Transaction<'_>, conduit: &ConduitId, mode: Option<Mode>, seq: Seq) -> rusqlite::Result<()> {
    db.prepare_cached("DELETE FROM watches WHERE conduit = ?1")?.execute([conduit.as_str()])?;
    db.prepare_cached("INSERT OR REPLACE INTO modes(conduit, v, mode, seq) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![conduit.as_str(), V, mode.map(mode_word), seq.0.cast_signed()])?;
    Ok(())
}

/// None of these numbers ever goes back.
fn set_meta(db: &Transaction<'_>, key: &str, value: i64) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO meta(key, value) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = max(value, excluded.value)",
    )?
    .execute(params![key, value])?;
    Ok(())
}
