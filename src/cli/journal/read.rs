//! Reading segments without believing them: a bad line is told and passed over. Proving is `verify`'s business.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};

use bulkhead_core::journal::chain::{Lines, parse};
use bulkhead_core::journal::record::Record;

use crate::cli::Failure;
use crate::ports::disk::FileDisk;

/// What stands in a line.
#[derive(Clone, Debug)]
pub(crate) enum Found {
    /// A record, and its line as it is on the disk.
    Record(Box<Record>, String),
    /// A line that was changed.
    Bad(String),
}

impl Found {
    /// The record, where it can be read.
    pub(crate) fn record(&self) -> Option<&Record> {
        match self {
            Self::Record(record, _) => Some(record),
            Self::Bad(_) => None,
        }
    }
}

/// A journal larger than this in one file is none of ours, in bytes.
const SEGMENT_MAX: u64 = 256 << 20;

/// The journal's segments in order.
pub(crate) fn segments(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let found = FileDisk::segments(folder).map_err(|error| {
        Failure::config(format!("the journal {} cannot be read: {error}", folder.display()), "use sudo, or read a copy")
    })?;
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

/// The bytes of one segment. One that went meanwhile (trimmed by the daemon) is empty.
pub(crate) fn bytes(path: &Path) -> Result<Vec<u8>, Failure> {
    let cannot = |why: String| Failure::config(format!("{}: {why}", path.display()), "use sudo, or read a copy");
    match fs::metadata(path) {
        Ok(meta) if meta.len() > SEGMENT_MAX => Err(cannot(format!("{} bytes are no segment", meta.len()))),
        Ok(_) => fs::read(path).map_err(|error| cannot(error.to_string())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(cannot(error.to_string())),
    }
}

/// Shows every line of a segment to `show`, which says `false` to stop.
pub(crate) fn each(path: &Path, show: &mut dyn FnMut(Found) -> bool) -> Result<(), Failure> {
    let bytes = bytes(path)?;
    for (offset, line) in Lines::new(&bytes) {
        let found = match parse(line) {
            Ok(read) => Found::Record(Box::new(read.record), String::from_utf8_lossy(line).into_owned()),
            Err(why) => Found::Bad(format!("{}, byte {offset}: {why}", path.display())),
        };
        if !show(found) {
            break;
        }
    }
    Ok(())
}

/// The newest `count` lines that `wanted` takes, oldest first, reading no more segments than it must.
pub(crate) fn newest(
    folder: &Path,
    count: usize,
    wanted: &mut dyn FnMut(&Found) -> bool,
) -> Result<Vec<Found>, Failure> {
    let mut kept: VecDeque<Found> = VecDeque::new();
    for path in segments(folder)?.iter().rev() {
        let room = count.saturating_sub(kept.len());
        if room == 0 {
            break;
        }
        let mut here: VecDeque<Found> = VecDeque::new();
        each(path, &mut |found| {
            if wanted(&found) {
                if here.len() == room {
                    here.pop_front();
                }
                here.push_back(found);
            }
            true
        })?;
        here.append(&mut kept);
        kept = here;
    }
    Ok(kept.into())
}
