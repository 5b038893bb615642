//! Answers on their way to the client: bounded, because no request is taken while it holds too much.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;

use crate::net::Stream;

/// Beyond this, nothing more is taken from the client. What is outstanding then still fits: 16 long replies are 16 kB.
const HIGH: usize = 4096;

/// Bytes for the client.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    bytes: Vec<u8>,
    /// What was written may still wait in the stream itself: a TLS record of which the socket took a part.
    unflushed: bool,
}

impl Outbox {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty() && !self.unflushed
    }

    /// Whether the client has to read before it is served again.
    pub(super) fn is_high(&self) -> bool {
        self.bytes.len() > HIGH
    }

    /// Writes what the socket takes; `Ready` once all is gone.
    pub(super) fn poll_flush(&mut self, stream: &mut Stream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut written = 0;
        let all = self.poll_write(stream, cx, &mut written);
        // What is gone goes from here too: a client that always reads a little must not make this grow.
        self.bytes.drain(..written);
        self.unflushed |= written > 0;
        ready!(all)?;
        ready!(Pin::new(&mut *stream).poll_flush(cx))?;
        self.unflushed = false;
        // A burst must not be paid for as long as the connection lives.
        self.bytes.shrink_to(HIGH);
        Poll::Ready(Ok(()))
    }

    fn poll_write(&self, stream: &mut Stream, cx: &mut Context<'_>, written: &mut usize) -> Poll<io::Result<()>> {
        while let Some(rest) = self.bytes.get(*written..).filter(|rest| !rest.is_empty()) {
            let count = ready!(Pin::new(&mut *stream).poll_write(cx, rest))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            *written += count;
        }
        Poll::Ready(Ok(()))
    }

    /// How far it has come: changes whenever the client takes something.
    pub(super) fn progress(&self, stream: &Stream) -> (usize, u64) {
        (self.bytes.len(), stream.taken())
    }
}

#[cfg(test)]
mod tests;
