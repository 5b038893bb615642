//! Whether a reply PDU is an answer to a request, and what it tells about the device.

use smallvec::SmallVec;

use super::file::{FileRange, FileRanges, REFERENCE};
use super::request::{Function, Request};
use super::{word, words};
use crate::access::{Bank, Values};

/// What a reply PDU is to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matched {
    /// Its answer.
    Normal,
    /// Its exception, with the code.
    Exception(u8),
    /// No answer to it: another function, another length, or another address.
    Foreign,
}

/// Values of the device that an answered request has shown: `saw` of the gate takes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen<'a> {
    /// Where.
    pub bank: Bank,
    /// The first address.
    pub first: u16,
    /// How many.
    pub count: u16,
    /// As the wire carries them.
    pub values: Values<'a>,
}

impl Request<'_> {
    /// What `reply` (function code first) is to this request. The device's data is not judged; every length is.
    pub fn matches(&self, reply: &[u8]) -> Matched {
        let Some((&code, data)) = reply.split_first() else {
            return Matched::Foreign;
        };
        if code == self.code() | 0x80 {
            return match *data {
                [exception] => Matched::Exception(exception),
                _ => Matched::Foreign,
            };
        }
        let fits = code == self.code()
            && match *self {
                Self::Read { bank: Bank::Coils | Bank::Discrete, count, .. } => {
                    counted(data, usize::from(count.get()).div_ceil(8))
                }
                Self::Read { bank: Bank::Input | Bank::Holding | Bank::File(_), count, .. } => {
                    counted(data, usize::from(count.get()) * 2)
                }
                Self::ReadWrite { read, .. } => counted(data, usize::from(read.1.get()) * 2),
                Self::Write { code, first, count, .. } => written(code, first, count.get(), data),
                Self::ReadFile(ref ranges) => records(ranges, data).is_some(),
                Self::WriteFile(ref ranges) => echoed(ranges, data),
                Self::Function(function, asked) => answered(function, asked, data),
            };
        if fits { Matched::Normal } else { Matched::Foreign }
    }

    /// Everything that an answered request shows of the device: what its reply carries, and what it has written. Nothing where the
    /// reply is not its normal answer.
    pub fn seen<'r>(&'r self, reply: &'r [u8]) -> SmallVec<[Seen<'r>; 2]> {
        if self.matches(reply) != Matched::Normal {
            return SmallVec::new();
        }
        let of = |range: FileRange<'r>, values| Seen {
            bank: Bank::File(range.file.get()),
            first: range.first,
            count: range.count.get(),
            values: Values::Registers(values),
        };
        match *self {
            Self::ReadFile(ref ranges) => {
                let found = records(ranges, reply.get(1..).unwrap_or_default()).unwrap_or_default();
                ranges.iter().zip(found).map(|(range, values)| of(range, values)).collect()
            }
            Self::WriteFile(ref ranges) => ranges.iter().map(|range| of(range, range.values)).collect(),
            Self::Read { .. } | Self::ReadWrite { .. } | Self::Write { .. } | Self::Function(..) => {
                [self.read(reply), self.applied()].into_iter().flatten().collect()
            }
        }
    }

    /// The values that a normal reply to a read carries. Files have several ranges: see [`Self::seen`].
    pub fn read<'r>(&self, reply: &'r [u8]) -> Option<Seen<'r>> {
        let (bank, first, count) = match *self {
            Self::Read { bank, first, count } => (bank, first, count),
            Self::ReadWrite { read, .. } => (Bank::Holding, read.0, read.1),
            Self::Write { .. } | Self::ReadFile(_) | Self::WriteFile(_) | Self::Function(..) => return None,
        };
        if self.matches(reply) != Matched::Normal {
            return None;
        }
        let data = reply.get(2..).unwrap_or_default();
        let values = match bank {
            Bank::Coils | Bank::Discrete => Values::Coils(data),
            Bank::Input | Bank::Holding | Bank::File(_) => Values::Registers(data),
        };
        Some(Seen { bank, first, count: count.get(), values })
    }

    /// The values that the device holds once this write is applied. `None` for a read. A mask write says what it did; only
    /// with an AND mask of 0 does that name the value.
    pub fn applied(&self) -> Option<Seen<'_>> {
        let (bank, first, count, values) = match *self {
            Self::Write { bank, first, count, values, .. } => (bank, first, count, values),
            Self::ReadWrite { write, values, .. } => (Bank::Holding, write.0, write.1, Values::Registers(values)),
            Self::Read { .. } | Self::ReadFile(_) | Self::WriteFile(_) | Self::Function(..) => return None,
        };
        Some(Seen { bank, first, count: count.get(), values })
    }
}

/// The records of each range in the answer to FC 20: a length of the reference type and the data, the reference type 6, and the
/// data of exactly the records that were asked for. None where one of them differs: a device that shuffles the lengths would
/// have its records taken for others.
fn records<'r>(ranges: &FileRanges<'_>, data: &'r [u8]) -> Option<SmallVec<[&'r [u8]; 3]>> {
    let (count, mut rest) = data.split_first()?;
    let mut found = SmallVec::new();
    if usize::from(*count) != rest.len() {
        return None;
    }
    for range in ranges {
        let due = usize::from(range.count.get()) * 2;
        let (&[length, reference], behind) = rest.split_first_chunk()?;
        let (records, behind) = behind.split_at_checked(due)?;
        if usize::from(length) != due + 1 || reference != REFERENCE {
            return None;
        }
        found.push(records);
        rest = behind;
    }
    rest.is_empty().then_some(found)
}

/// The answer to FC 21 repeats the request, range by range; the records themselves are the device's word.
fn echoed(ranges: &FileRanges<'_>, data: &[u8]) -> bool {
    let Some((count, mut rest)) = data.split_first() else { return false };
    if usize::from(*count) != rest.len() {
        return false;
    }
    for range in ranges {
        let Some((&reference, behind)) = rest.split_first() else { return false };
        let Some(([file, first, count], behind)) = words(behind) else { return false };
        let Some(behind) = behind.get(range.values.len()..) else { return false };
        if (reference, file, first, count) != (REFERENCE, range.file.get(), range.first, range.count.get()) {
            return false;
        }
        rest = behind;
    }
    rest.is_empty()
}

/// A byte count of `due` and exactly as many bytes.
fn counted(data: &[u8], due: usize) -> bool {
    matches!(data, [count, rest @ ..] if usize::from(*count) == due && rest.len() == due)
}

/// The echo of a write: the address, and the count of a write of many. The value is the device's word: some clamp it.
fn written(code: u8, first: u16, count: u16, data: &[u8]) -> bool {
    match *data {
        [a, b, c, d] if code == 15 || code == 16 => word(a, b) == first && word(c, d) == count,
        [a, b, _, _] => word(a, b) == first && code != 22,
        [a, b, _, _, _, _] => word(a, b) == first && code == 22,
        _ => false,
    }
}

fn answered(function: Function, asked: &[u8], data: &[u8]) -> bool {
    match (function.code, data) {
        // Codes without a layout still repeat the sub-function or MEI type where they have one.
        (43, _) if !function.checked => data.first() == asked.first(),
        (9 | 10 | 13 | 14 | 18 | 19 | 25..=42 | 44.., _) => true,
        (7, _) => data.len() == 1,
        (11, _) => data.len() == 4,
        (12 | 17, [count, rest @ ..]) => usize::from(*count) == rest.len(),
        (24, &[a, b, ref rest @ ..]) => usize::from(word(a, b)) == rest.len() && rest.len() >= 2,
        // A diagnostic answer has the length and the sub-function of its request; sub-function 0 is its echo.
        (8, _) => {
            data.len() == asked.len() && data.get(..2) == asked.get(..2) && (function.sub != Some(0) || data == asked)
        }
        // MEI type, read code, conformity, more, next, number of objects, objects.
        (43, [mei, read, _, _, _, count, rest @ ..]) => asked.starts_with(&[*mei, *read]) && objects(*count, rest),
        _ => false,
    }
}

/// Exactly `count` objects of an id, a length and so many bytes.
fn objects(count: u8, mut rest: &[u8]) -> bool {
    for _ in 0..count {
        let [_, length, behind @ ..] = rest else {
            return false;
        };
        let Some(next) = behind.get(usize::from(*length)..) else {
            return false;
        };
        rest = next;
    }
    rest.is_empty()
}
