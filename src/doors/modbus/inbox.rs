//! Bytes that arrived and are not yet consumed as whole frames: a fixed buffer that never grows.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bulkhead_core::wire::modbus::{FrameError, frame_len};
use tokio::io::{AsyncRead, ReadBuf};

use crate::net::Stream;

/// Room for at least three of the longest frames, and for 340 reads that came in one segment.
const ROOM: usize = 4096;

/// A fixed buffer in front of one socket.
#[derive(Debug)]
pub(super) struct Inbox {
    bytes: Box<[u8; ROOM]>,
    start: usize,
    end: usize,
}

impl Inbox {
    pub(super) fn new() -> Self {
        Self { bytes: Box::new([0; ROOM]), start: 0, end: 0 }
    }

    /// What is there.
    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    pub(super) fn is_full(&self) -> bool {
        self.end - self.start == ROOM
    }

    /// The first whole frame, if it is there; its bytes stay until they are consumed.
    pub(super) fn frame(&self, long_frames: bool) -> Result<Option<&[u8]>, FrameError> {
        Ok(frame_len(self.bytes(), long_frames)?.and_then(|len| self.bytes().get(..len)))
    }

    /// Drops `count` bytes from the front.
    pub(super) fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.end);
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }

    /// Drops everything.
    pub(super) fn clear(&mut self) {
        (self.start, self.end) = (0, 0);
    }

    /// Adds bytes that came another way; how many there was room for.
    pub(super) fn add(&mut self, bytes: &[u8]) -> usize {
        self.compact();
        let count = bytes.len().min(ROOM - self.end);
        let room = self.bytes.iter_mut().skip(self.end).take(count);
        room.zip(bytes).for_each(|(room, byte)| *room = *byte);
        self.end += count;
        count
    }

    fn compact(&mut self) {
        if self.start > 0 {
            // INVARIANT: start <= end <= ROOM, so the range is in bounds.
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
    }

    /// One read into the free room; 0 is the end of the stream. A full inbox is never asked to read.
    pub(super) fn poll_fill(&mut self, stream: &mut Stream, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.compact();
        let mut room = ReadBuf::new(self.bytes.get_mut(self.end..).unwrap_or_default());
        ready!(Pin::new(stream).poll_read(cx, &mut room))?;
        let count = room.filled().len();
        self.end += count;
        Poll::Ready(Ok(count))
    }
}
