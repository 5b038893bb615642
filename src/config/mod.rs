//! The gateway's own configuration: `raw` reads it (unknown keys refused), `settings` checks it into other types. Knows no
//! policy and opens nothing besides the one file.

mod raw;
pub mod settings;
mod size;

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use bulkhead_core::policy::Problem;
use bulkhead_core::policy::problem::Place;

pub use settings::{Settings, kept_number};
pub use size::{NotASize, parse as parse_size, text as size_text};

/// Where the configuration stands unless `--config` says otherwise.
pub const DEFAULT_FILE: &str = "/etc/bulkhead/bulkhead.toml";

/// The commented reference, which is also the default of every key.
pub const REFERENCE: &str = include_str!("../../config/bulkhead.toml");

/// The largest configuration that is read, in bytes.
const MAX_BYTES: u64 = 64 * 1024;

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file is not there.
    #[error("the configuration file {} does not exist", .0.display())]
    Missing(PathBuf),
    /// The file cannot be read.
    #[error("the configuration file {} cannot be read: {source}", .file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file says something that cannot be meant.
    #[error("{}:{problem}", .file.display())]
    Wrong {
        /// The file.
        file: PathBuf,
        /// What is wrong, with its place.
        problem: Box<Problem>,
    },
}

/// Reads and checks `file`.
pub fn load(file: &Path) -> Result<Settings, ConfigError> {
    let unreadable = |source| ConfigError::Unreadable { file: file.to_owned(), source };
    let size = match std::fs::metadata(file) {
        Ok(meta) if !meta.is_file() => return Err(unreadable(io::Error::other("it is not a file"))),
        Ok(meta) => meta.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(ConfigError::Missing(file.to_owned())),
        Err(error) => return Err(unreadable(error)),
    };
    if size > MAX_BYTES {
        return Err(unreadable(io::Error::other(format!("it has {size} bytes, at most {MAX_BYTES} are read"))));
    }
    let text = std::fs::read_to_string(file).map_err(unreadable)?;
    parse(&text, file)
}

/// Checks `text` as if it stood in `file`.
pub fn parse(text: &str, file: &Path) -> Result<Settings, ConfigError> {
    raw::read(text)
        .and_then(|raw| settings::check(raw, text, file))
        .map_err(|problem| ConfigError::Wrong { file: file.to_owned(), problem: Box::new(problem) })
}

/// The settings of a gateway without a configuration file.
pub fn defaults() -> Result<Settings, ConfigError> {
    parse("", Path::new(DEFAULT_FILE))
}

/// What is unwise about the file itself: whoever may write it owns the gateway.
pub fn exposed(file: &Path) -> Option<String> {
    let meta = std::fs::metadata(file).ok()?;
    let who = match meta.mode() & 0o022 {
        0 => return None,
        0o020 => "its group",
        _ => "everybody",
    };
    Some(format!("{} is writable by {who} (mode {:04o})", file.display(), meta.mode() & 0o7777))
}

/// Line and column of a byte offset, both from 1; the column counts characters.
fn place(text: &str, offset: usize) -> Place {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.bytes().filter(|byte| *byte == b'\n').count();
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count();
    Place {
        line: u32::try_from(line).unwrap_or(u32::MAX).saturating_add(1),
        column: u32::try_from(column).unwrap_or(u32::MAX).saturating_add(1),
    }
}

#[cfg(test)]
mod tests;
