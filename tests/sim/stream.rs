//! One end of a simulated connection.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bulkhead::net::Link;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::wire::{Net, Segment};

/// What the receiver takes before the sender has to wait.
const WINDOW: usize = 65_536;

#[derive(Debug)]
pub(crate) struct Tcp {
    net: Net,
    connection: usize,
    side: usize,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Tcp {
    pub(crate) fn new(net: Net, connection: usize, side: usize) -> Self {
        Self { net, connection, side, timer: None }
    }
}

impl AsyncRead for Tcp {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            let wire = Arc::clone(&self.net.wire);
            let mut state = wire.lock();
            if !self.net.power.is_on() {
                return Poll::Pending;
            }
            let [a, b] = &state.connections[self.connection];
            let held = state.held(a.host, b.host);
            let mut rng = state.chance(self.net.host);
            let end = &mut state.connections[self.connection][self.side];
            let Some((at, segment)) = end.inbox.front_mut() else {
                end.reader = Some(cx.waker().clone());
                return Poll::Pending;
            };
            let at = held.max(*at);
            if at > Instant::now() {
                drop(state);
                let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
                timer.as_mut().reset(at);
                ready!(timer.as_mut().poll(cx));
                continue;
            }
            match segment {
                Segment::Fin => return Poll::Ready(Ok(())),
                Segment::Reset => return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
                Segment::Data(bytes) => {
                    let most = bytes.len().min(buf.remaining());
                    // TCP keeps no message boundaries: now and then a read ends early.
                    let split = most > 1 && rng.one_in(4);
                    let count = if split { rng.length(1, most) } else { most };
                    buf.put_slice(&bytes[..count]);
                    bytes.drain(..count);
                    if bytes.is_empty() {
                        end.inbox.pop_front();
                    }
                    end.bytes -= count;
                    if let Some(waker) = state.connections[self.connection][1 - self.side].writer.take() {
                        waker.wake();
                    }
                    return Poll::Ready(Ok(()));
                }
            }
        }
    }
}

impl AsyncWrite for Tcp {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if !self.net.power.spend() {
            return Poll::Pending;
        }
        let mut state = self.net.wire.lock();
        let peer = &state.connections[self.connection][1 - self.side];
        let (gone, dark, host, waiting) = (peer.gone, peer.dark, peer.host, peer.bytes);
        if gone && dark {
            // The other life is over: its successor, once it is up, knows nothing of this connection.
            if !state.dark.get(host).copied().unwrap_or(false) {
                state.send(self.connection, self.side, Segment::Reset, 2);
            }
            return Poll::Ready(Ok(bytes.len()));
        }
        if gone {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if waiting > WINDOW {
            state.connections[self.connection][self.side].writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        state.send(self.connection, 1 - self.side, Segment::Data(bytes.to_vec()), 1);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.net.power.spend() {
            self.net.wire.lock().send(self.connection, 1 - self.side, Segment::Fin, 1);
        }
        Poll::Ready(Ok(()))
    }
}

impl Link for Tcp {
    fn poll_write_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.net.wire.lock();
        let peer = &state.connections[self.connection][1 - self.side];
        if !peer.gone && peer.bytes > WINDOW {
            state.connections[self.connection][self.side].writer = Some(context.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for Tcp {
    fn drop(&mut self) {
        let mut state = self.net.wire.lock();
        let dark = self.net.power.is_dark();
        let end = &mut state.connections[self.connection][self.side];
        (end.gone, end.dark) = (true, dark);
        let unread = end.inbox.iter().any(|(_, segment)| matches!(segment, Segment::Data(_)));
        end.inbox.clear();
        if let Some(waker) = state.connections[self.connection][1 - self.side].writer.take() {
            waker.wake();
        }
        if !dark {
            let last = if unread { Segment::Reset } else { Segment::Fin };
            state.send(self.connection, 1 - self.side, last, 1);
        }
    }
}
