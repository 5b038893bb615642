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
    sent: usize,
}

impl Outbox {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Whether the client has to read before it is served again.
    pub(super) fn is_high(&self) -> bool {
        self.bytes.len() - self.sent > HIGH
    }

    /// Writes what the socket takes; `Ready` with the number of bytes once all is gone.
    pub(super) fn poll_flush(&mut self, stream: &mut Stream, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut gone = 0;
        while let Some(rest) = self.bytes.get(self.sent..).filter(|rest| !rest.is_empty()) {
            let count = ready!(Pin::new(&mut *stream).poll_write(cx, rest))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent += count;
            gone += count;
        }
        // What was written may wait in the stream itself: a TLS record of which the socket took a part.
        ready!(Pin::new(&mut *stream).poll_flush(cx))?;
        self.bytes.clear();
        self.sent = 0;
        // A burst must not be paid for as long as the connection lives.
        self.bytes.shrink_to(HIGH);
        Poll::Ready(Ok(gone))
    }

    /// How far it has come: changes whenever the client takes something.
    pub(super) fn left(&self) -> usize {
        self.bytes.len() - self.sent
    }
}
