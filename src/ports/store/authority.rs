//! Rows of the gateway's own CA.

use std::collections::BTreeMap;

use bulkhead_core::digest::Sha256;
use bulkhead_core::journal::record::Seq;
use bulkhead_core::moment::UnixMs;
use bulkhead_core::names::{Role, SubjectId};
use rusqlite::{Connection, Transaction, params};

use super::rows::{V, digest, number, of_this_version, unknown};
use super::{Found, Row};

/// One certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateRow {
    /// Its serial number, in upper-case hex.
    pub serial: String,
    /// Whose; none for the gateway's own leaf.
    pub subject: Option<SubjectId>,
    /// The key in it.
    pub spki: Sha256,
    /// The Modbus role in it.
    pub role: Option<Role>,
    /// Valid from.
    pub not_before: UnixMs,
    /// Valid to.
    pub not_after: UnixMs,
    /// Somebody may have got it; false where the gateway stopped before it could leave.
    pub issued: bool,
    /// When it was taken back.
    pub revoked: Option<UnixMs>,
    /// The order's record.
    pub seq: Seq,
}

/// A part of the CA.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AuthorityPart {
    /// Its certificate and what leads to the root.
    Chain,
    /// Its newest list of what was taken back.
    List,
    /// The gateway's own leaf.
    Leaf,
}

impl AuthorityPart {
    const ALL: [Self; 3] = [Self::Chain, Self::List, Self::Leaf];

    const fn word(self) -> &'static str {
        match self {
            Self::Chain => "chain",
            Self::List => "list",
            Self::Leaf => "leaf",
        }
    }
}

pub(super) fn load(db: &Connection, found: &mut Found) -> rusqlite::Result<()> {
    let mut rows = db.prepare(
        "SELECT serial, subject, spki, role, not_before, not_after, issued, revoked, seq, v FROM certificates",
    )?;
    let rows = rows.query_map([], |row| {
        of_this_version(row)?;
        let (subject, spki, role): (Option<String>, String, Option<String>) = (row.get(1)?, row.get(2)?, row.get(3)?);
        Ok(CertificateRow {
            serial: row.get(0)?,
            subject: subject.map(SubjectId::from),
            spki: digest(2, &spki)?,
            role: role.map(Role::from),
            not_before: UnixMs(row.get(4)?),
            not_after: UnixMs(row.get(5)?),
            issued: row.get(6)?,
            revoked: row.get::<_, Option<i64>>(7)?.map(UnixMs),
            seq: Seq(number(row, 8)?),
        })
    })?;
    found.certificates =
        rows.map(|row| row.map(|row| (row.serial.clone(), row))).collect::<rusqlite::Result<BTreeMap<_, _>>>()?;
    let mut parts = db.prepare("SELECT part, pem, seq, v FROM authority")?;
    let parts = parts.query_map([], |row| {
        of_this_version(row)?;
        let word: String = row.get(0)?;
        let part = AuthorityPart::ALL.into_iter().find(|part| part.word() == word);
        Ok((part.ok_or_else(|| unknown(0, &word))?, Row { value: row.get(1)?, seq: Seq(number(row, 2)?) }))
    })?;
    found.authority = parts.collect::<rusqlite::Result<BTreeMap<_, _>>>()?;
    Ok(())
}

/// An INSERT and nothing else: a serial number that is there already is an error, and the certificate does not leave.
/// A number is used once. The same row again is no mistake: a commit may stand although its caller heard that it failed.
pub(super) fn insert(db: &Transaction<'_>, row: &CertificateRow) -> rusqlite::Result<()> {
    let is_there = "SELECT 1 FROM certificates WHERE serial = ?1 AND seq = ?2";
    if db.prepare_cached(is_there)?.exists(params![row.serial, row.seq.0.cast_signed()])? {
        return Ok(());
    }
    db.prepare_cached(
        "INSERT INTO certificates(serial, v, subject, spki, role, not_before, not_after, issued, revoked, seq)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?
    .execute(params![
        row.serial,
        V,
        row.subject.as_ref().map(SubjectId::as_str),
        row.spki.to_string(),
        row.role.as_ref().map(Role::as_str),
        row.not_before.0,
        row.not_after.0,
        row.issued,
        row.revoked.map(|at| at.0),
        row.seq.0.cast_signed()
    ])?;
    Ok(())
}

pub(super) fn set(db: &Transaction<'_>, part: AuthorityPart, pem: &str, seq: Seq) -> rusqlite::Result<()> {
    db.prepare_cached("INSERT OR REPLACE INTO authority(part, v, pem, seq) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![part.word(), V, pem, seq.0.cast_signed()])?;
    Ok(())
}

/// The first time that a certificate is taken back counts.
pub(super) fn take_back(db: &Transaction<'_>, serial: &str, at: UnixMs) -> rusqlite::Result<()> {
    db.prepare_cached("UPDATE certificates SET revoked = coalesce(revoked, ?2) WHERE serial = ?1")?
        .execute(params![serial, at.0])?;
    Ok(())
}

pub(super) fn forget(db: &Transaction<'_>, serial: &str) -> rusqlite::Result<()> {
    db.prepare_cached("DELETE FROM certificates WHERE serial = ?1")?.execute([serial])?;
    Ok(())
}
