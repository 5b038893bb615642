//! The sub-requests of FC 20 and 21: reference type 6, file, first record, number of records, and the records to write.

use std::num::NonZeroU16;

use super::request::Malformed;
use super::words;

const READ: u8 = 20;
const WRITE: u8 = 21;
/// The one reference type that the specification knows.
pub(super) const REFERENCE: u8 = 6;
const LAST_RECORD: u16 = 9999;

/// Consecutive records of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileRange<'a> {
    /// The file, 1..=65535.
    pub file: NonZeroU16,
    /// The first record, 0..=9999.
    pub first: u16,
    /// How many.
    pub count: NonZeroU16,
    /// What is written, two bytes a record; empty for a read.
    pub values: &'a [u8],
}

/// All ranges of one request, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileRanges<'a> {
    bytes: &'a [u8],
    code: u8,
}

/// The ranges of one request, one by one.
#[derive(Clone, Debug)]
pub struct FileRangesIter<'a> {
    rest: &'a [u8],
    code: u8,
}

impl<'a> FileRanges<'a> {
    /// Checks the data of FC 20, behind the function code.
    pub(super) fn to_read(data: &'a [u8]) -> Result<Self, Malformed> {
        Self::checked(READ, 7..=245, data)
    }

    /// Checks the data of FC 21, behind the function code.
    pub(super) fn to_write(data: &'a [u8]) -> Result<Self, Malformed> {
        Self::checked(WRITE, 9..=251, data)
    }

    fn checked(code: u8, bytes: std::ops::RangeInclusive<u8>, data: &'a [u8]) -> Result<Self, Malformed> {
        let Some((count, rest)) = data.split_first() else {
            return Err(Malformed::Length(code));
        };
        if usize::from(*count) != rest.len() {
            return Err(Malformed::Length(code));
        }
        if !bytes.contains(count) {
            return Err(Malformed::Count(code));
        }
        let ranges = Self { bytes: rest, code };
        let mut left = ranges.iter();
        while !left.rest.is_empty() {
            left.parse()?;
        }
        Ok(ranges)
    }

    /// Each range, in wire order.
    pub const fn iter(&self) -> FileRangesIter<'a> {
        FileRangesIter { rest: self.bytes, code: self.code }
    }
}

impl<'a> IntoIterator for &FileRanges<'a> {
    type Item = FileRange<'a>;
    type IntoIter = FileRangesIter<'a>;

    fn into_iter(self) -> FileRangesIter<'a> {
        self.iter()
    }
}

impl<'a> FileRangesIter<'a> {
    fn parse(&mut self) -> Result<FileRange<'a>, Malformed> {
        let (&reference, rest) = self.rest.split_first().ok_or(Malformed::Length(self.code))?;
        let ([file, first, count], rest) = words(rest).ok_or(Malformed::Length(self.code))?;
        let known = reference == REFERENCE && first <= LAST_RECORD;
        let file = NonZeroU16::new(file).filter(|_| known).ok_or(Malformed::Value(self.code))?;
        let count = NonZeroU16::new(count).ok_or(Malformed::Count(self.code))?;
        if u32::from(first) + u32::from(count.get()) > 0x1_0000 {
            return Err(Malformed::Range(self.code));
        }
        let carried = if self.code == WRITE { usize::from(count.get()) * 2 } else { 0 };
        let (values, rest) = rest.split_at_checked(carried).ok_or(Malformed::Length(self.code))?;
        self.rest = rest;
        Ok(FileRange { file, first, count, values })
    }
}

impl<'a> Iterator for FileRangesIter<'a> {
    type Item = FileRange<'a>;

    fn next(&mut self) -> Option<FileRange<'a>> {
        if self.rest.is_empty() { None } else { self.parse().ok() }
    }
}
