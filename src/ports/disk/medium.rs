//! The state database as a file: WAL and FULL, an hourly good copy beside it, and what happens when it is damaged.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::backup::Progress;
use rusqlite::{Connection, ErrorCode, MAIN_DB};

use super::Medium;
use crate::net::Later;

/// 3.51.3 is the first release without the WAL-reset corruption (two connections in WAL mode are enough to meet it).
pub const OLDEST_SAFE_SQLITE: i32 = 3_051_003;

/// The bound of the file in pages of 4096 bytes (1 GiB): full is then our decision and not the disk's.
const MAX_PAGES: u32 = 262_144;

/// So many damaged databases are kept.
const MOST_ASIDE: u32 = 9;

/// Why the state database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum MediumError {
    /// The library that was linked loses data.
    #[error("SQLite {0} is older than 3.51.3 and can corrupt a database in WAL mode")]
    OldLibrary(&'static str),
    /// The database said no.
    #[error("state database `{path}`: {cause}")]
    Database {
        /// The file.
        path: String,
        /// What it said.
        cause: rusqlite::Error,
    },
    /// The folder or a file could not be used.
    #[error("state database `{path}`: {cause}")]
    File {
        /// The file.
        path: String,
        /// What went wrong.
        cause: io::Error,
    },
}

/// The database was damaged and did not stay in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// Where the damaged file is now.
    pub aside: PathBuf,
    /// What was wrong with it.
    pub cause: String,
    /// The last good copy is open; false when there was none (or it is damaged too) and the database is new and empty.
    pub from_copy: bool,
}

impl fmt::Display for Restored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { aside, cause, from_copy } = self;
        let now = if *from_copy { "the last good copy is in use" } else { "there is no good copy: the store is empty" };
        write!(f, "the state database was damaged ({cause}) and is set aside as `{}`; {now}", aside.display())
    }
}

/// The state database in its file.
pub struct FileMedium {
    db: Connection,
    path: PathBuf,
}

impl fmt::Debug for FileMedium {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FileMedium").field(&self.path).finish()
    }
}

impl FileMedium {
    /// Opens (or makes) the database at `path`. A damaged one is set aside and the last good copy is opened; then the
    /// caller has to say so loudly and to apply again what the journal knows since.
    pub fn open(path: &Path) -> Result<(Self, Option<Restored>), MediumError> {
        if rusqlite::version_number() < OLDEST_SAFE_SQLITE {
            return Err(MediumError::OldLibrary(rusqlite::version()));
        }
        let cause = match connect(path) {
            Ok(db) => return Ok((Self { db, path: path.to_owned() }, None)),
            Err(error) if is_damage(&error) => error.to_string(),
            Err(error) => return Err(database(path, error)),
        };
        let aside = set_aside(path).map_err(|cause| file(path, cause))?;
        let copy = copy_path(path);
        let mut from_copy = false;
        if copy.is_file() && connect_copy(&copy).is_ok() {
            fs::copy(&copy, path).and_then(|_| File::open(path)?.sync_all()).map_err(|cause| file(path, cause))?;
            from_copy = true;
        }
        let db = connect(path).map_err(|cause| database(path, cause))?;
        Ok((Self { db, path: path.to_owned() }, Some(Restored { aside, cause, from_copy })))
    }

    /// Where the good copy of the database at `path` is kept.
    pub fn copy_path(path: &Path) -> PathBuf {
        copy_path(path)
    }

    fn copy_to(&mut self, copy: &Path) -> io::Result<()> {
        let fresh = self.path.with_extension("copying");
        drop(fs::remove_file(&fresh));
        self.db.backup(MAIN_DB, &fresh, None::<fn(Progress)>).map_err(io::Error::other)?;
        // A copy that cannot be read must not replace one that can.
        connect_copy(&fresh).map_err(io::Error::other)?;
        File::open(&fresh)?.sync_all()?;
        fs::rename(&fresh, copy)?;
        sync_folder(copy)
    }
}

fn database(path: &Path, cause: rusqlite::Error) -> MediumError {
    MediumError::Database { path: path.display().to_string(), cause }
}

fn file(path: &Path, cause: io::Error) -> MediumError {
    MediumError::File { path: path.display().to_string(), cause }
}

fn copy_path(path: &Path) -> PathBuf {
    path.with_extension("good.db")
}

fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let db = Connection::open(path)?;
    db.busy_timeout(Duration::from_secs(5))?;
    let mode: String = db.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if mode != "wal" {
        return Err(failure(ErrorCode::CannotOpen, format!("journal mode is `{mode}` and not `wal`")));
    }
    db.pragma_update(None, "synchronous", "FULL")?;
    db.pragma_update(None, "foreign_keys", true)?;
    db.pragma_update(None, "trusted_schema", false)?;
    db.pragma_update(None, "cell_size_check", true)?;
    db.pragma_update(None, "wal_autocheckpoint", 1000)?;
    db.pragma_update_and_check(None, "journal_size_limit", 16 << 20, |_| Ok(()))?;
    db.pragma_update_and_check(None, "max_page_count", MAX_PAGES, |_| Ok(()))?;
    quick_check(&db)?;
    Ok(db)
}

fn connect_copy(path: &Path) -> rusqlite::Result<()> {
    quick_check(&Connection::open(path)?)
}

fn quick_check(db: &Connection) -> rusqlite::Result<()> {
    let says: String = db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if says == "ok" { Ok(()) } else { Err(failure(ErrorCode::DatabaseCorrupt, says)) }
}

fn failure(code: ErrorCode, text: String) -> rusqlite::Error {
    let extended_code = if code == ErrorCode::DatabaseCorrupt { 11 } else { 14 };
    rusqlite::Error::SqliteFailure(rusqlite::ffi::Error { code, extended_code }, Some(text))
}

fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

/// Renames the damaged database, and its log, to the first free number. Nothing is deleted: somebody may want
/// to look; only the last of too many is replaced, or a disk that damages daily would fill up.
fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let free = (1..=MOST_ASIDE)
        .map(|number| path.with_extension(format!("damaged-{number}.db")))
        .find(|aside| !aside.exists());
    let aside = free.unwrap_or_else(|| path.with_extension("damaged-last.db"));
    fs::rename(path, &aside)?;
    for suffix in ["-wal", "-shm"] {
        let beside = |base: &Path| PathBuf::from(format!("{}{suffix}", base.display()));
        if beside(path).exists() {
            fs::rename(beside(path), beside(&aside))?;
        }
    }
    sync_folder(path)?;
    Ok(aside)
}

impl Medium for FileMedium {
    fn connection(&mut self) -> &mut Connection {
        &mut self.db
    }

    fn settle(&mut self) -> Later<'_, io::Result<()>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn copy(&mut self) -> Later<'_, io::Result<()>> {
        Box::pin(async move { self.copy_to(&copy_path(&self.path)) })
    }

    fn keep_version(&mut self, version: u32) -> Later<'_, io::Result<()>> {
        Box::pin(async move { self.copy_to(&self.path.with_extension(format!("v{version}.db"))) })
    }
}
