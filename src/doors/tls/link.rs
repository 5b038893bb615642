//! The stream behind a handshake.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::server::TlsStream;

use crate::net::{Link, Stream};

/// What the TLS stream may keep back of what was written, in bytes: then it takes no more. Replies of 16 requests are four times as
/// much, and wait where they are counted.
const KEPT_BACK: usize = 8 * 1024;

/// The socket below the TLS stream, with a count of what it took.
pub(super) struct Counted {
    stream: Stream,
    taken: u64,
}

impl Counted {
    pub(super) fn new(stream: Stream) -> Self {
        Self { stream, taken: 0 }
    }

    /// The socket.
    pub(super) fn into_inner(self) -> Stream {
        self.stream
    }

    fn count(&mut self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(count)) = written {
            self.taken = self.taken.wrapping_add(u64::try_from(count).unwrap_or(0));
        }
        written
    }
}

impl AsyncRead for Counted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.count(written)
    }
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.count(written)
    }
    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Bytes after decryption. Its end says `close_notify`, so that the peer knows that nothing was cut off.
pub(super) struct Secure(TlsStream<Counted>);

impl Secure {
    pub(super) fn new(mut stream: TlsStream<Counted>) -> Self {
        stream.get_mut().1.set_buffer_limit(Some(KEPT_BACK));
        Self(stream)
    }
}

impl AsyncRead for Secure {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Secure {
    /// What was taken may still lie here encrypted: only a flush says that it is gone.
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

impl Link for Secure {
    fn poll_write_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.get_ref().0.stream.poll_write_ready(context)
    }

    fn taken(&self) -> u64 {
        self.0.get_ref().0.taken
    }
}

impl Drop for Secure {
    /// However a session ends: what the socket takes at once goes, and nobody waits for a peer that does not read.
    fn drop(&mut self) {
        drop(Pin::new(&mut self.0).poll_shutdown(&mut Context::from_waker(Waker::noop())));
    }
}
