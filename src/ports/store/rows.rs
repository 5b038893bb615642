//! Rows to values and back. Each row carries the version of its kind.

use std::str::FromStr;

use bulkhead_core::digest::Sha256;
use bulkhead_core::identity::Life;
use bulkhead_core::journal::record::Seq;
use bulkhead_core::moment::{Moment, RanMs, UnixMs};
use bulkhead_core::names::{ConduitId, SubjectId};
use bulkhead_core::policy::model::Mode;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row as Fields, Transaction, params};

use super::{Change, Found, Row, StoredPolicy, StoredShadow};

/// The version of every kind of row so far.
const V: i64 = 1;

/// So many activated policies are kept.
const POLICIES: i64 = 10;

fn life_word(life: Life) -> &'static str {
    match life {
        Life::Active => "active",
        Life::Suspended => "suspended",
        Life::Revoked => "revoked",
    }
}

fn life_of(word: &str) -> Option<Life> {
    [Life::Active, Life::Suspended, Life::Revoked].into_iter().find(|life| life_word(*life) == word)
}

fn mode_word(mode: Mode) -> &'static str {
    match mode {
        Mode::Observe => "observe",
        Mode::Enforce => "enforce",
    }
}

fn mode_of(word: &str) -> Option<Mode> {
    [Mode::Observe, Mode::Enforce].into_iter().find(|mode| mode_word(*mode) == word)
}

fn unknown(column: usize, word: &str) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, format!("`{word}` is no known value").into())
}

fn number(fields: &Fields<'_>, column: usize) -> rusqlite::Result<u64> {
    fields.get::<_, i64>(column).map(i64::cast_unsigned)
}

/// Refuses a row of a kind's later version: it would be misread.
fn of_this_version(fields: &Fields<'_>) -> rusqlite::Result<()> {
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
        ..Found::default()
    };
    let mut lives = db.prepare("SELECT subject, life, seq, v FROM lives")?;
    let rows = lives.query_map([], |row| {
        of_this_version(row)?;
        let (subject, word): (String, String) = (row.get(0)?, row.get(1)?);
        let value = life_of(&word).ok_or_else(|| unknown(1, &word))?;
        Ok((SubjectId::from(subject), Row { value, seq: Seq(number(row, 2)?) }))
    })?;
    for row in rows {
        let (subject, life) = row?;
        found.lives.insert(subject, life);
    }
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
    let policy = db.query_row("SELECT seq, hash, text, v FROM policies ORDER BY seq DESC LIMIT 1", [], |row| {
        of_this_version(row)?;
        let (hash, text): (String, String) = (row.get(1)?, row.get(2)?);
        let hash = Sha256::from_str(&hash).map_err(|_| unknown(1, &hash))?;
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

pub(super) fn apply(db: &Transaction<'_>, change: &Change) -> rusqlite::Result<()> {
    match change {
        Change::Life { subject, life, seq, at } => {
            let Moment { wall, ran, .. } = *at;
            db.prepare_cached(
                "INSERT OR REPLACE INTO lives(subject, v, life, seq, wall, ran) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![
                subject.as_str(),
                V,
                life_word(*life),
                seq.0.cast_signed(),
                wall.0,
                ran.0.cast_signed()
            ])?;
        }
        Change::Mode { conduit, mode, seq } => set_mode(db, conduit, *mode, *seq)?,
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

fn set_mode(db: &Transaction<'_>, conduit: &ConduitId, mode: Option<Mode>, seq: Seq) -> rusqlite::Result<()> {
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
