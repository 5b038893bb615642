//! The machine's network, with a witness in it: it knows what was written to the device at the moment of writing, dials as slowly
//! as a test wants, and says which hardware address stands behind an address.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bulkhead::net::machine::Machine;
use bulkhead::net::{Later, Link, Listen, Network, Stream};
use bulkhead_core::identity::Mac;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

#[derive(Debug, Default)]
pub(crate) struct Lan {
    machine: Machine,
    neighbours: Mutex<BTreeMap<IpAddr, Mac>>,
    dial_takes: AtomicU64,
    dials: AtomicUsize,
    written: Arc<AtomicUsize>,
}

impl Lan {
    /// Puts a hardware address behind an address.
    pub(crate) fn put(&self, address: &str, mac: &str) {
        self.neighbours.lock().unwrap().insert(address.parse().unwrap(), mac.parse().unwrap());
    }

    /// Dials take so long from now on.
    pub(crate) fn dial_slowly(&self, time: Duration) {
        self.dial_takes.store(u64::try_from(time.as_millis()).unwrap(), Ordering::SeqCst);
    }

    /// Dials so far.
    pub(crate) fn dials(&self) -> usize {
        self.dials.load(Ordering::SeqCst)
    }

    /// Bytes that the gateway has written to devices, at this very moment.
    pub(crate) fn written(&self) -> usize {
        self.written.load(Ordering::SeqCst)
    }
}

impl Network for Lan {
    fn listen(&self, at: SocketAddr) -> Later<'_, io::Result<Box<dyn Listen>>> {
        self.machine.listen(at)
    }

    fn dial(&self, to: SocketAddr) -> Later<'_, io::Result<Stream>> {
        self.dials.fetch_add(1, Ordering::SeqCst);
        let wait = Duration::from_millis(self.dial_takes.load(Ordering::SeqCst));
        Box::pin(async move {
            tokio::time::sleep(wait).await;
            let stream = self.machine.dial(to).await?;
            Ok(Box::new(Witnessed { stream, written: Arc::clone(&self.written) }) as Stream)
        })
    }

    fn neighbour(&self, ip: IpAddr) -> Option<Mac> {
        self.neighbours.lock().unwrap().get(&ip).copied()
    }
}

struct Witnessed {
    stream: Stream,
    written: Arc<AtomicUsize>,
}

impl AsyncRead for Witnessed {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Witnessed {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        if let Poll::Ready(Ok(count)) = written {
            self.written.fetch_add(count, Ordering::SeqCst);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl Link for Witnessed {
    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.poll_write_ready(cx)
    }
}
