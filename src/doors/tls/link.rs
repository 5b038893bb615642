//! The stream behind a handshake.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::server::TlsStream;

use crate::net::{Link, Stream};

/// Bytes after decryption. Its end says `close_notify`, so that the peer knows that nothing was cut off.
pub(super) struct Secure(TlsStream<Stream>);

impl Secure {
    pub(super) fn new(stream: TlsStream<Stream>) -> Self {
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
        self.0.get_ref().0.poll_write_ready(context)
    }
}

impl Drop for Secure {
    /// However a session ends: what the socket takes at once goes, and nobody waits for a peer that does not read.
    fn drop(&mut self) {
        drop(Pin::new(&mut self.0).poll_shutdown(&mut Context::from_waker(Waker::noop())));
    }
}
