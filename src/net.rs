//! Sockets, as arguments: the machine's own, or those of the simulated plant. The one place that names `tokio::net`'s TCP.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

use bulkhead_core::identity::Mac;
use tokio::io::{AsyncRead, AsyncWrite};

#[expect(clippy::disallowed_types, reason = "the one place with real sockets")]
pub mod machine;

/// A future behind a pointer, as object-safe traits need it.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A connected byte stream.
pub trait Link: AsyncRead + AsyncWrite + Send + Unpin {
    /// Ready when a write of at least one byte would not wait.
    fn poll_write_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Bytes that the far end has taken so far of those that this stream keeps back for it after a write; 0 for one that keeps
    /// nothing back.
    fn taken(&self) -> u64 {
        0
    }
}

/// A connected byte stream, whoever made it.
pub type Stream = Box<dyn Link>;

/// A listening socket.
pub trait Listen: Send {
    /// The next connection and the address of its far end.
    fn accept(&mut self) -> Later<'_, io::Result<(Stream, SocketAddr)>>;

    /// The address that it listens on (the port is known only after the bind when it was asked as 0).
    fn address(&self) -> io::Result<SocketAddr>;
}

/// The network that a gateway lives in.
pub trait Network: fmt::Debug + Send + Sync {
    /// Listens on exactly this address.
    fn listen(&self, at: SocketAddr) -> Later<'_, io::Result<Box<dyn Listen>>>;

    /// Connects. Without a deadline of its own: the caller has one.
    fn dial(&self, to: SocketAddr) -> Later<'_, io::Result<Stream>>;

    /// The hardware address of a neighbour, where the path to it is not routed and the machine knows it.
    fn neighbour(&self, ip: IpAddr) -> Option<Mac>;
}
