//! The state database as a file: WAL and FULL, an hourly good copy beside it, and what happens when it is damaged.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
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

/// The database could not be used as it was found. Whoever starts has to say so loudly, and to apply again what the journal
/// knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Restored {
    /// It was damaged; the last good copy is in use.
    Copy {
        /// Where the damaged file is now.
        aside: PathBuf,
        /// What was wrong with it.
        cause: String,
    },
    /// It was damaged and there is no good copy: the store is empty.
    Empty {
        /// Where the damaged file is now.
        aside: PathBuf,
        /// What was wrong with it.
        cause: String,
    },
    /// It was not there although its good copy is; that is in use.
    Missing,
    /// It can be read and not be written: what it holds is in force, and no change can be kept.
    ReadOnly {
        /// What it said.
        cause: String,
    },
}

impl fmt::Display for Restored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let damaged = |f: &mut fmt::Formatter<'_>, cause: &str, aside: &Path| {
            write!(f, "the state database was damaged ({cause}) and is set aside as `{}`; ", aside.display())
        };
        match self {
            Self::Copy { aside, cause } => {
                damaged(f, cause, aside)?;
                f.write_str("the last good copy is in use")
            }
            Self::Empty { aside, cause } => {
                damaged(f, cause, aside)?;
                f.write_str("there is no good copy: the store is empty")
            }
            Self::Missing => f.write_str("the state database was missing; the last good copy is in use"),
            Self::ReadOnly { cause } => {
                write!(
                    f,
                    "the state database cannot be written ({cause}): what it holds is in force, no change is kept"
                )
            }
        }
    }
}

/// The state database in its file.
pub struct FileMedium {
    db: Connection,
    path: PathBuf,
    /// Set when `db` is a copy of a database that cannot be written: every change is then refused.
    read_only: bool,
}

impl fmt::Debug for FileMedium {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FileMedium").field(&self.path).finish()
    }
}

impl FileMedium {
    /// Opens (or makes) the database at `path`. A damaged one is set aside and the last good copy is opened; one that cannot be
    /// written is read all the same, because the gateway has to serve.
    pub fn open(path: &Path) -> Result<(Self, Option<Restored>), MediumError> {
        if rusqlite::version_number() < OLDEST_SAFE_SQLITE {
            return Err(MediumError::OldLibrary(rusqlite::version()));
        }
        let has_copy = copy_path(path).is_file();
        // Looked at first, for opening makes what is missing. A crash while a damaged database was replaced, or a hand that
        // removed it, is no new gateway.
        let restored = if has_copy && !path.exists() {
            Restored::Missing
        } else {
            match Self::at(path) {
                Ok(medium) => return Ok((medium, None)),
                Err(error) if is_damage(&error) => {
                    let (aside, cause) = (set_aside(path).map_err(|cause| file(path, cause))?, error.to_string());
                    if has_copy { Restored::Copy { aside, cause } } else { Restored::Empty { aside, cause } }
                }
                Err(error) if is_unwritable(&error) && path.is_file() => {
                    return Self::open_copy(path, error.to_string());
                }
                Err(error) => return Err(database(path, error)),
            }
        };
        let restored = Self::restore(path, restored).map_err(|cause| file(path, cause))?;
        Ok((Self::at(path).map_err(|cause| database(path, cause))?, Some(restored)))
    }

    fn at(path: &Path) -> rusqlite::Result<Self> {
        Ok(Self { db: connect(path)?, path: path.to_owned(), read_only: false })
    }

    /// Puts the good copy in the place of the database, wholly or not at all. One that is damaged too is none.
    fn restore(path: &Path, restored: Restored) -> io::Result<Restored> {
        let copy = copy_path(path);
        match restored {
            Restored::Copy { aside, cause } if connect_copy(&copy).is_err() => Ok(Restored::Empty { aside, cause }),
            Restored::Copy { .. } | Restored::Missing => {
                let fresh = path.with_extension("copying");
                fs::copy(&copy, &fresh)?;
                File::open(&fresh)?.sync_all()?;
                fs::rename(&fresh, path)?;
                sync_folder(path)?;
                Ok(restored)
            }
            Restored::Empty { .. } | Restored::ReadOnly { .. } => Ok(restored),
        }
    }

    /// Reads the database, its write-ahead log included, through a copy in the folder for temporary files.
    pub(crate) fn open_copy(path: &Path, cause: String) -> Result<(Self, Option<Restored>), MediumError> {
        let failed = |cause| file(path, cause);
        let name = path.file_name().unwrap_or_default();
        let folder = std::env::temp_dir().join(format!("bulkhead-read-only-{}", std::process::id()));
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(failed)?;
        let here = folder.join(name);
        for suffix in ["", "-wal"] {
            if beside(path, suffix).exists() {
                fs::copy(beside(path, suffix), beside(&here, suffix)).map_err(failed)?;
            }
        }
        let medium = Self { db: connect(&here).map_err(|cause| database(path, cause))?, path: here, read_only: true };
        Ok((medium, Some(Restored::ReadOnly { cause })))
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

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn is_unwritable(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error_code();
    matches!(code, Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::SystemIoFailure | ErrorCode::DiskFull))
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
        if beside(path, suffix).exists() {
            fs::rename(beside(path, suffix), beside(&aside, suffix))?;
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
        let refused = if self.read_only { Err(io::Error::from(io::ErrorKind::ReadOnlyFilesystem)) } else { Ok(()) };
        Box::pin(std::future::ready(refused))
    }

    fn copy(&mut self) -> Later<'_, io::Result<()>> {
        Box::pin(async move { self.copy_to(&copy_path(&self.path)) })
    }

    fn keep_version(&mut self, version: u32) -> Later<'_, io::Result<()>> {
        Box::pin(async move { self.copy_to(&self.path.with_extension(format!("v{version}.db"))) })
    }
}
