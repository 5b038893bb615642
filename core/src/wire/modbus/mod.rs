//! Modbus/TCP: frames, requests and replies, each with one exact layout or none at all.
//!
//! Devices exist that ignore the MBAP length and read as many bytes as the function code implies (libmodbus is one). A frame
//! whose length covers a read and twelve hidden bytes is one harmless request to a lenient gateway and two to such a device.
//! So every function code with a known layout has exactly one length here, and trailing bytes are malformed.
//!
//! Nothing here panics for any input, and nothing allocates, except the accesses of a request for more than three file ranges.

mod access;
mod file;
mod frame;
mod reply;
mod request;
#[cfg(test)]
mod tests;

pub use file::{FileRange, FileRanges, FileRangesIter};
pub use frame::{FrameError, FrameView, HEADER, MAX_FRAME, MAX_LONG_FRAME, exception, frame_len};
pub use reply::{Matched, Seen};
pub use request::{Function, Malformed, Request};

/// A big-endian word of two bytes.
const fn word(high: u8, low: u8) -> u16 {
    u16::from_be_bytes([high, low])
}

/// `N` big-endian words at the front of `data`, and what follows them.
fn words<const N: usize>(data: &[u8]) -> Option<([u16; N], &[u8])> {
    let mut found = [0; N];
    let mut rest = data;
    for slot in &mut found {
        let (bytes, behind) = rest.split_first_chunk()?;
        *slot = u16::from_be_bytes(*bytes);
        rest = behind;
    }
    Some((found, rest))
}
