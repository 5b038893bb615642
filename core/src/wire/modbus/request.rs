//! The request PDU, decoded strictly.

use std::num::NonZeroU16;

use super::file::FileRanges;
use super::{word, words};
use crate::access::{Bank, Values};

/// Why a PDU is no request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// There is no function code.
    #[error("empty PDU")]
    Empty,
    /// The code is 0, or has the exception bit.
    #[error("function code `{0}` in a request")]
    Code(u8),
    /// The length is not the one that the function code has.
    #[error("length of function `{0}`")]
    Length(u8),
    /// The count is 0, over the function's limit, or at odds with the byte count.
    #[error("count of function `{0}`")]
    Count(u8),
    /// The range runs past the last address.
    #[error("range of function `{0}` past the last address")]
    Range(u8),
    /// A coil that is neither 0000 nor FF00, or a file reference that is none.
    #[error("value of function `{0}`")]
    Value(u8),
}

/// A function without addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Function {
    /// The function code, 1..=127.
    pub code: u8,
    /// The sub-function of 8, the MEI type of 43.
    pub sub: Option<u16>,
    /// True when the length was checked: the code has a known layout. An opaque code is safe only in front of a device
    /// that honours the MBAP length.
    pub checked: bool,
}

/// One well-formed request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request<'a> {
    /// FC 1 to 4.
    Read {
        /// Where; it stands for the function code.
        bank: Bank,
        /// The first address.
        first: u16,
        /// How many.
        count: NonZeroU16,
    },
    /// FC 5, 6, 15, 16, 22.
    Write {
        /// The function code.
        code: u8,
        /// Coils or holding registers.
        bank: Bank,
        /// The first address.
        first: u16,
        /// How many.
        count: NonZeroU16,
        /// What is written.
        values: Values<'a>,
    },
    /// FC 23. The device writes before it reads (Application Protocol V1.1b3, 6.17).
    ReadWrite {
        /// The first and the number of registers to read.
        read: (u16, NonZeroU16),
        /// The first and the number of registers to write.
        write: (u16, NonZeroU16),
        /// What is written: big-endian registers.
        values: &'a [u8],
    },
    /// FC 20.
    ReadFile(FileRanges<'a>),
    /// FC 21.
    WriteFile(FileRanges<'a>),
    /// Everything else; the data is not judged.
    Function(Function, &'a [u8]),
}

/// FC 8 as a plain length, and the sub-function that carries data of any even length.
const DIAGNOSTICS: u8 = 8;
const RETURN_QUERY_DATA: u16 = 0;
/// FC 43 and the MEI type with a fixed layout.
const ENCAPSULATED: u8 = 43;
const DEVICE_IDENTIFICATION: u8 = 14;

impl<'a> Request<'a> {
    /// Decodes a request PDU, function code first.
    pub fn decode(pdu: &'a [u8]) -> Result<Self, Malformed> {
        let Some((&code, data)) = pdu.split_first() else {
            return Err(Malformed::Empty);
        };
        match code {
            0 | 128.. => Err(Malformed::Code(code)),
            1 => read(code, Bank::Coils, 2000, data),
            2 => read(code, Bank::Discrete, 2000, data),
            3 => read(code, Bank::Holding, 125, data),
            4 => read(code, Bank::Input, 125, data),
            5 | 6 => write_one(code, data),
            15 => write_many(code, Bank::Coils, 1968, data),
            16 => write_many(code, Bank::Holding, 123, data),
            22 => write_mask(code, data),
            23 => read_write(code, data),
            20 => FileRanges::to_read(data).map(Self::ReadFile),
            21 => FileRanges::to_write(data).map(Self::WriteFile),
            7 | 11 | 12 | 17 => fixed(code, data, 0),
            24 => fixed(code, data, 2),
            DIAGNOSTICS => diagnostics(data),
            ENCAPSULATED => encapsulated(data),
            9 | 10 | 13 | 14 | 18 | 19 | 25..=42 | 44..=127 => {
                Ok(Self::Function(Function { code, sub: None, checked: false }, data))
            }
        }
    }

    /// The function code.
    pub const fn code(&self) -> u8 {
        match self {
            Self::Read { bank: Bank::Coils, .. } => 1,
            Self::Read { bank: Bank::Discrete, .. } => 2,
            Self::Read { bank: Bank::Holding, .. } => 3,
            Self::Read { bank: Bank::Input, .. } => 4,
            Self::Read { bank: Bank::File(_), .. } | Self::ReadFile(_) => 20,
            Self::Write { code, .. } => *code,
            Self::ReadWrite { .. } => 23,
            Self::WriteFile(_) => 21,
            Self::Function(function, _) => function.code,
        }
    }

    /// True when the device may change by it: a repeat of it is never sent twice. Functions count as writes, since nobody
    /// knows what they do.
    pub const fn writes(&self) -> bool {
        match self {
            Self::Read { .. } | Self::ReadFile(_) => false,
            Self::Write { .. } | Self::ReadWrite { .. } | Self::WriteFile(_) | Self::Function(..) => true,
        }
    }
}

/// A count of `1..=max` whose range ends at 65535 or before; computed without overflow.
fn range(code: u8, first: u16, count: u16, max: u16) -> Result<NonZeroU16, Malformed> {
    let count = NonZeroU16::new(count).filter(|count| count.get() <= max).ok_or(Malformed::Count(code))?;
    if u32::from(first) + u32::from(count.get()) > 0x1_0000 {
        return Err(Malformed::Range(code));
    }
    Ok(count)
}

fn read(code: u8, bank: Bank, max: u16, data: &[u8]) -> Result<Request<'_>, Malformed> {
    let &[a, b, c, d] = data else {
        return Err(Malformed::Length(code));
    };
    let first = word(a, b);
    Ok(Request::Read { bank, first, count: range(code, first, word(c, d), max)? })
}

fn write_one(code: u8, data: &[u8]) -> Result<Request<'_>, Malformed> {
    let &[a, b, high, low] = data else {
        return Err(Malformed::Length(code));
    };
    let (bank, values) = match (code, high, low) {
        (5, 0xFF, 0) => (Bank::Coils, Values::Coil(true)),
        (5, 0, 0) => (Bank::Coils, Values::Coil(false)),
        (5, ..) => return Err(Malformed::Value(code)),
        _ => (Bank::Holding, Values::Registers(data.get(2..).unwrap_or_default())),
    };
    Ok(Request::Write { code, bank, first: word(a, b), count: NonZeroU16::MIN, values })
}

fn write_many(code: u8, bank: Bank, max: u16, data: &[u8]) -> Result<Request<'_>, Malformed> {
    let [a, b, c, d, bytes, values @ ..] = data else {
        return Err(Malformed::Length(code));
    };
    let (first, count) = (word(*a, *b), word(*c, *d));
    let (due, written) = match bank {
        Bank::Coils | Bank::Discrete => (usize::from(count).div_ceil(8), Values::Coils(values)),
        Bank::Input | Bank::Holding | Bank::File(_) => (usize::from(count) * 2, Values::Registers(values)),
    };
    if usize::from(*bytes) != due {
        return Err(Malformed::Count(code));
    }
    let count = range(code, first, count, max)?;
    if values.len() != due {
        return Err(Malformed::Length(code));
    }
    Ok(Request::Write { code, bank, first, count, values: written })
}

fn write_mask(code: u8, data: &[u8]) -> Result<Request<'_>, Malformed> {
    let Some(([first, and, or], [])) = words(data) else {
        return Err(Malformed::Length(code));
    };
    let values = Values::Mask { and, or };
    Ok(Request::Write { code, bank: Bank::Holding, first, count: NonZeroU16::MIN, values })
}

fn read_write(code: u8, data: &[u8]) -> Result<Request<'_>, Malformed> {
    let Some(([from, wanted, to, many], [bytes, values @ ..])) = words(data) else {
        return Err(Malformed::Length(code));
    };
    if usize::from(*bytes) != usize::from(many) * 2 {
        return Err(Malformed::Count(code));
    }
    let read = (from, range(code, from, wanted, 125)?);
    let write = (to, range(code, to, many, 121)?);
    if values.len() != usize::from(*bytes) {
        return Err(Malformed::Length(code));
    }
    Ok(Request::ReadWrite { read, write, values })
}

fn fixed(code: u8, data: &[u8], length: usize) -> Result<Request<'_>, Malformed> {
    if data.len() != length {
        return Err(Malformed::Length(code));
    }
    Ok(Request::Function(Function { code, sub: None, checked: true }, data))
}

/// Reserved sub-functions have the length of the others: they are well-formed, and nothing allows them.
fn diagnostics(data: &[u8]) -> Result<Request<'_>, Malformed> {
    let [a, b, carried @ ..] = data else {
        return Err(Malformed::Length(DIAGNOSTICS));
    };
    let sub = word(*a, *b);
    let fits = match sub {
        RETURN_QUERY_DATA => !carried.is_empty() && carried.len().is_multiple_of(2),
        _ => carried.len() == 2,
    };
    if !fits {
        return Err(Malformed::Length(DIAGNOSTICS));
    }
    // The two bytes that every device expects are a layout; a longer echo can hide another request.
    let checked = carried.len() == 2;
    Ok(Request::Function(Function { code: DIAGNOSTICS, sub: Some(sub), checked }, data))
}

fn encapsulated(data: &[u8]) -> Result<Request<'_>, Malformed> {
    match data {
        [] => Err(Malformed::Length(ENCAPSULATED)),
        [mei, rest @ ..] => {
            let checked = *mei == DEVICE_IDENTIFICATION;
            if checked && rest.len() != 2 {
                return Err(Malformed::Length(ENCAPSULATED));
            }
            Ok(Request::Function(Function { code: ENCAPSULATED, sub: Some(u16::from(*mei)), checked }, data))
        }
    }
}
