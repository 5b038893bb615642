//! The MBAP header: transaction id, protocol id 0, length of unit id and PDU, unit id; all big-endian.

use super::word;

/// Bytes before the PDU: transaction id, protocol id, length and unit id.
pub const HEADER: usize = 7;
/// The longest frame of the standard: unit id and 253 bytes of PDU.
pub const MAX_FRAME: usize = 260;
/// The longest frame of a device with long frames: unit id and 1,024 bytes of PDU.
pub const MAX_LONG_FRAME: usize = HEADER + 1024;

/// Why a byte stream is not Modbus/TCP. Nothing that follows can be trusted: the only safe answer is to close.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The protocol id is not 0.
    #[error("protocol id `{0}` where 0 is due")]
    Protocol(u16),
    /// The length does not fit a unit id and a PDU.
    #[error("length `{0}` does not fit a unit id and a PDU")]
    Length(u16),
}

/// The length of the first whole frame in `buf`, or `None` while bytes are missing. A bad header is refused as soon as its
/// bytes are there, before any body arrives. `long_frames` raises the longest PDU from 253 to 1,024 bytes.
pub fn frame_len(buf: &[u8], long_frames: bool) -> Result<Option<usize>, FrameError> {
    if let [_, _, high, low, ..] = *buf
        && (high, low) != (0, 0)
    {
        return Err(FrameError::Protocol(word(high, low)));
    }
    let [_, _, _, _, high, low, ..] = *buf else {
        return Ok(None);
    };
    let length = word(high, low);
    let whole = usize::from(length) + HEADER - 1;
    let longest = if long_frames { MAX_LONG_FRAME } else { MAX_FRAME };
    // A unit id and a function code at least.
    if length < 2 || whole > longest {
        return Err(FrameError::Length(length));
    }
    Ok((buf.len() >= whole).then_some(whole))
}

/// The parts of one whole frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameView<'a> {
    /// The transaction id.
    pub id: u16,
    /// The unit id.
    pub unit: u8,
    /// The function code and its data; never empty in a frame that [`frame_len`] has measured.
    pub pdu: &'a [u8],
}

impl<'a> FrameView<'a> {
    /// Splits a frame that [`frame_len`] has measured; `None` when it is shorter than a header.
    pub fn of(frame: &'a [u8]) -> Option<Self> {
        match frame {
            [a, b, _, _, _, _, unit, pdu @ ..] => Some(Self { id: word(*a, *b), unit: *unit, pdu }),
            _ => None,
        }
    }

    /// The function code, 0 when the PDU is empty.
    pub fn function(&self) -> u8 {
        self.pdu.first().copied().unwrap_or(0)
    }
}

/// The exception reply to the request with this transaction id, unit id and function code.
pub const fn exception(id: u16, unit: u8, function: u8, code: u8) -> [u8; 9] {
    let [high, low] = id.to_be_bytes();
    [high, low, 0, 0, 0, 3, unit, function | 0x80, code]
}
