//! What is asked for: one [`Access`] for each thing that a request would do to an asset.

use std::num::NonZeroU16;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::names::AssetId;

/// A table of Modbus addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bank {
    /// Coils: FC 1, 5, 15.
    Coils,
    /// Discrete inputs: FC 2.
    Discrete,
    /// Input registers: FC 4.
    Input,
    /// Holding registers: FC 3, 6, 16, 22, 23.
    Holding,
    /// File records of one file: FC 20, 21.
    File(u16),
}

/// What is done to the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    /// Reads values.
    Read,
    /// Writes values.
    Write,
    /// Asks a function without addresses (diagnostics, programming, unknown codes).
    Function,
    /// Addresses all units of a bus at once; an access of its own before the write that it carries.
    Broadcast,
}

/// The values that a write carries, as they stand on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Values<'a> {
    /// A read.
    #[default]
    None,
    /// Big-endian registers, two bytes each.
    Registers(&'a [u8]),
    /// One coil.
    Coil(bool),
    /// Packed coils, least significant bit first; padding bits are not judged.
    Coils(&'a [u8]),
    /// A mask write (FC 22): the result is known only when `and` is 0.
    Mask {
        /// The AND mask.
        and: u16,
        /// The OR mask.
        or: u16,
    },
}

/// What is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target<'a> {
    /// Consecutive addresses of one bank; `first + count <= 65536`.
    Registers {
        /// The unit id of the frame.
        unit: u8,
        /// The bank.
        bank: Bank,
        /// The first address, from 0 as on the wire.
        first: u16,
        /// How many.
        count: NonZeroU16,
        /// What is written.
        values: Values<'a>,
    },
    /// A function without addresses. `sub` is the sub-function of FC 8 and the MEI type of FC 43.
    Function {
        /// The unit id of the frame.
        unit: u8,
        /// The function code.
        code: u8,
        /// The sub-function, where the code has one.
        sub: Option<u16>,
    },
}

impl Target<'_> {
    /// The bank, where addresses are meant.
    pub const fn bank(&self) -> Option<Bank> {
        match self {
            Self::Registers { bank, .. } => Some(*bank),
            Self::Function { .. } => None,
        }
    }
}

/// One thing that a request would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access<'a> {
    /// The asset, where the request names one itself; else the listener's.
    pub asset: Option<&'a AssetId>,
    /// What is done.
    pub verb: Verb,
    /// The function code of the frame that asks: `never` may name any of them, also those with a layout.
    pub function: u8,
    /// To what.
    pub target: Target<'a>,
}

/// All that one frame asks for, in wire order. It stands or falls together.
pub type Accesses<'a> = SmallVec<[Access<'a>; 3]>;
