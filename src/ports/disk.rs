//! What the two writers need from the disk: numbered journal segments, and the medium under the state database.
//!
//! Each method is a future, so that the same writer runs on its own thread over blocking calls (the future is then always
//! ready) or inline in simulated time.

use std::fmt;
use std::io;

use rusqlite::Connection;

use crate::net::Later;

mod file;
mod medium;
#[cfg(test)]
mod tests;

pub use file::FileDisk;
pub use medium::{FileMedium, MediumError, OLDEST_SAFE_SQLITE, Restored};

/// One journal segment as the disk knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Segment {
    /// Its number, from 1, never used twice.
    pub number: u64,
    /// Its length in bytes, preallocated zeroes included.
    pub length: u64,
}

/// The journal's segments. One owner: the journal's writer.
pub trait Disk: fmt::Debug + Send {
    /// All segments, by number.
    fn list(&mut self) -> Later<'_, io::Result<Vec<Segment>>>;

    /// Makes segment `number` of `length` zero bytes, with its room really allocated and its name durable. On an error
    /// there is no such segment. One that is there already starts again from zeroes.
    fn create(&mut self, number: u64, length: u64) -> Later<'_, io::Result<()>>;

    /// At most `length` bytes from `offset`; fewer only where the segment ends.
    fn read(&mut self, number: u64, offset: u64, length: usize) -> Later<'_, io::Result<Vec<u8>>>;

    /// Writes all of `bytes` at `offset`, growing the segment when it is too short. Not durable until `sync`; after an
    /// error any part may have been written.
    fn write<'a>(&'a mut self, number: u64, offset: u64, bytes: &'a [u8]) -> Later<'a, io::Result<()>>;

    /// Makes everything written to the segment durable. After an error nothing written since the last good `sync` may be
    /// taken as durable, even if a later one succeeds: it has to be written again.
    fn sync(&mut self, number: u64) -> Later<'_, io::Result<()>>;

    /// Cuts the segment to `length`, or fills it up with zeroes; durable when it returns.
    fn resize(&mut self, number: u64, length: u64) -> Later<'_, io::Result<()>>;

    /// Removes the segment; durable when it returns.
    fn remove(&mut self, number: u64) -> Later<'_, io::Result<()>>;

    /// Keeps what is about to be cut from the end of the segment, for people, until the segment is removed. A disk that keeps
    /// nothing is none the worse for the journal.
    fn keep_aside<'a>(&'a mut self, number: u64, bytes: &'a [u8]) -> Later<'a, io::Result<()>> {
        let _ = (number, bytes);
        Box::pin(std::future::ready(Ok(())))
    }
}

/// The medium under `SQLite`. On a real disk a FULL commit is durable when it returns and `settle` does nothing; in the
/// simulation `settle` takes the image of the commit, waits as a disk would, and keeps it.
pub trait Medium: Send {
    /// The one connection.
    fn connection(&mut self) -> &mut Connection;

    /// Waits until the last commit is durable. On an error the commit did not happen, in memory neither.
    fn settle(&mut self) -> Later<'_, io::Result<()>>;

    /// Puts a good copy aside, from which a start with a damaged database goes on.
    fn copy(&mut self) -> Later<'_, io::Result<()>>;

    /// Keeps a copy under the name of this schema version, before the tables are changed. A medium that keeps nothing is none
    /// the worse for the store.
    fn keep_version(&mut self, version: u32) -> Later<'_, io::Result<()>> {
        let _ = version;
        Box::pin(std::future::ready(Ok(())))
    }
}
