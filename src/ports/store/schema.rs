//! The tables' versions. Each step is one transaction; a database that a later program has changed is refused, and before the
//! first step of an existing one a copy is kept under its version's name.

use bulkhead_core::digest::Sha256;
use rusqlite::{Connection, TransactionBehavior, params};

use super::StoreError;
use crate::ports::disk::Medium;

/// The steps, the first one from nothing. A released step never changes: its digest is compared at each start.
pub(super) const STEPS: &[&str] = &[
    include_str!("migrations/0001.sql"),
    include_str!("migrations/0002.sql"),
    include_str!("migrations/0003.sql"),
    include_str!("migrations/0004.sql"),
    include_str!("migrations/0005.sql"),
];

const STEPS_TABLE: &str = "CREATE TABLE IF NOT EXISTS steps(number INTEGER PRIMARY KEY, digest TEXT NOT NULL) STRICT";

/// Brings the tables to the newest version.
pub(super) async fn migrate(medium: &mut dyn Medium, steps: &[&str]) -> Result<(), StoreError> {
    let found = version(medium.connection())?;
    let known = u32::try_from(steps.len()).unwrap_or(u32::MAX);
    if found > known {
        return Err(StoreError::Newer { found, known });
    }
    same_steps(medium.connection(), steps, found)?;
    if found == known {
        return Ok(());
    }
    if found > 0 {
        medium.keep_version(found).await?;
    }
    for (number, step) in (1..).zip(steps).filter(|(number, _)| *number > found) {
        apply(medium.connection(), number, step)?;
        medium.settle().await?;
    }
    Ok(())
}

fn version(db: &Connection) -> Result<u32, StoreError> {
    let version: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
    u32::try_from(version).map_err(|_| StoreError::Failed(format!("schema version `{version}` is none of ours")))
}

fn same_steps(db: &Connection, steps: &[&str], found: u32) -> Result<(), StoreError> {
    for (number, step) in (1..=found).zip(steps) {
        let kept: String = db.query_row("SELECT digest FROM steps WHERE number = ?1", [number], |row| row.get(0))?;
        if kept != Sha256::of(step.as_bytes()).to_string() {
            return Err(StoreError::Failed(format!(
                "schema step {number} is not the one that this database was made with"
            )));
        }
    }
    Ok(())
}

fn apply(db: &mut Connection, number: u32, step: &str) -> Result<(), StoreError> {
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(STEPS_TABLE)?;
    transaction.execute_batch(step)?;
    let digest = Sha256::of(step.as_bytes()).to_string();
    transaction.execute("INSERT INTO steps VALUES (?1, ?2)", params![number, digest])?;
    transaction.pragma_update(None, "user_version", number)?;
    transaction.commit()?;
    Ok(())
}
