//! The south link. [`Link`] is private and its writing methods take nothing but a permit: a forgotten check does not compile.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bulkhead_core::decision::Reason;
use bulkhead_core::journal::record::Outcome;
use smallvec::SmallVec;
use tokio::io::{AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;

use super::classify::Frame;
use super::inbox::Inbox;
use super::links::{Links, Slot};
use crate::net::{Later, Stream};
use crate::service::House;
use crate::service::gate::{Denial, Permit, Raw, Receipt};

/// How long a dial may take.
const DIAL_WITHIN: Duration = Duration::from_secs(2);
/// How long a device may take to close its side when we have closed ours.
const FAREWELL: Duration = Duration::from_secs(1);

/// A connection to a device, dialled on the first permit. It is one client's own, or that of a bus.
pub(super) struct Socket {
    house: Arc<House>,
    links: Arc<Links>,
    state: State,
}

enum State {
    Down,
    Dialling { dial: Later<'static, io::Result<Stream>>, slot: Slot },
    Up { link: Link, slot: Slot, heard: bool },
}

/// What became of a permit.
#[derive(Debug)]
pub(super) enum Sent {
    /// The device has the whole frame, under this transaction id.
    Whole(Receipt, u16),
    /// The world has moved, and refuses now. Nothing was sent.
    Refused(Denial),
    /// Nothing was sent, and the link is closed.
    Nothing,
    /// Some of it was sent, and the link is closed.
    Part,
}

/// A connected device.
struct Link(Stream);

impl Link {
    /// The last look of the gate and one non-blocking write of whatever it still allows, in this very poll. `name` gives each
    /// frame that leaves its transaction id on this link: no judgement rests on that.
    fn send(
        &mut self,
        cx: &mut Context<'_>,
        permits: Vec<Permit<Frame>>,
        mut name: impl FnMut(&Frame) -> u16,
    ) -> Vec<Sent> {
        let mut names: SmallVec<[u16; 16]> = SmallVec::new();
        let write = |frames: &[&Frame]| {
            names.extend(frames.iter().map(|frame| name(frame)));
            match (frames, names.as_slice()) {
                ([frame], [name]) if *name == frame.id() => Pin::new(&mut self.0).poll_write(cx, frame.to_send()),
                (frames, names) => {
                    let mut all: SmallVec<[u8; 128]> = SmallVec::new();
                    frames.iter().zip(names).for_each(|(frame, name)| all.extend(frame.to_send_as(*name)));
                    Pin::new(&mut self.0).poll_write(cx, &all)
                }
            }
        };
        let (written, left) = Permit::redeem_all(permits, write);
        let mut written = match written {
            Some(Poll::Ready(Ok(count))) => count,
            Some(Poll::Ready(Err(_)) | Poll::Pending) | None => 0,
        };
        let mut names = names.into_iter();
        let sent = |one: Result<(Frame, Receipt), Denial>| match one {
            Err(denial) => Sent::Refused(denial),
            Ok((frame, receipt)) => {
                let name = names.next().unwrap_or_default();
                let length = frame.to_send().len();
                let gone = written.min(length);
                written -= gone;
                if gone == length {
                    Sent::Whole(receipt, name)
                } else if gone > 0 {
                    Sent::Part
                } else {
                    receipt.settle(Outcome::NotSent(Reason::AssetDown));
                    Sent::Nothing
                }
            }
        };
        left.into_iter().map(sent).collect()
    }

    /// As many raw bytes as the socket takes; 0 when `observe` has ended meanwhile.
    fn pass(&mut self, cx: &mut Context<'_>, permit: Permit<Raw<'_>>) -> io::Result<usize> {
        let write = |raw: &Raw<'_>| Pin::new(&mut self.0).poll_write(cx, raw.bytes());
        match permit.redeem(write) {
            Err(_) | Ok((Poll::Pending, ..)) => Ok(0),
            Ok((Poll::Ready(Ok(0)), ..)) => Err(io::ErrorKind::WriteZero.into()),
            Ok((Poll::Ready(written), ..)) => written,
        }
    }
}

impl Socket {
    pub(super) fn new(house: Arc<House>, links: Arc<Links>) -> Self {
        Self { house, links, state: State::Down }
    }

    pub(super) fn is_up(&self) -> bool {
        matches!(self.state, State::Up { .. })
    }

    /// Dials where that is needed, and resolves when a write would not wait.
    ///
    /// # Errors
    /// `Busy` when the device has no socket left, `AssetDown` when it cannot be reached; the link is down then.
    pub(super) fn poll_ready(
        &mut self,
        cx: &mut Context<'_>,
        to: Option<SocketAddr>,
        connections: u16,
    ) -> Poll<Result<(), Reason>> {
        loop {
            let now = self.house.time.now().boot;
            match &mut self.state {
                State::Down => {
                    let to = to.ok_or(Reason::AssetDown)?;
                    let slot = self.links.take(to, connections, now)?;
                    let net = Arc::clone(&self.house.net);
                    let dial = async move {
                        timeout(DIAL_WITHIN, net.dial(to)).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
                    };
                    self.state = State::Dialling { dial: Box::pin(dial), slot };
                }
                State::Dialling { dial, .. } => {
                    let dialled = ready!(dial.as_mut().poll(cx));
                    let State::Dialling { slot, .. } = std::mem::replace(&mut self.state, State::Down) else {
                        return Poll::Ready(Err(Reason::AssetDown));
                    };
                    let Ok(stream) = dialled else {
                        slot.failed(now, self.house.entropy.next());
                        return Poll::Ready(Err(Reason::AssetDown));
                    };
                    self.state = State::Up { link: Link(stream), slot, heard: false };
                }
                State::Up { link, .. } => {
                    return match ready!(link.0.poll_write_ready(cx)) {
                        Ok(()) => Poll::Ready(Ok(())),
                        // The read side says so too, and ends what is outstanding.
                        Err(_) => Poll::Pending,
                    };
                }
            }
        }
    }

    /// Sends frames of one session, in one write, on a link that [`Self::poll_ready`] has found ready. One answer for each
    /// permit.
    pub(super) fn send(
        &mut self,
        cx: &mut Context<'_>,
        permits: Vec<Permit<Frame>>,
        name: impl FnMut(&Frame) -> u16,
    ) -> Vec<Sent> {
        match &mut self.state {
            State::Up { link, .. } => link.send(cx, permits, name),
            State::Down | State::Dialling { .. } => permits.iter().map(|_| Sent::Nothing).collect(),
        }
    }

    /// Lets raw bytes pass on a link that is ready.
    pub(super) fn pass(&mut self, cx: &mut Context<'_>, permit: Permit<Raw<'_>>) -> io::Result<usize> {
        let State::Up { link, .. } = &mut self.state else { return Err(io::ErrorKind::NotConnected.into()) };
        link.pass(cx, permit)
    }

    /// One read of what the device says; 0 when it has closed. Waits for ever while the link is down.
    pub(super) fn poll_fill(&mut self, inbox: &mut Inbox, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let State::Up { link, slot, heard } = &mut self.state else { return Poll::Pending };
        let count = ready!(inbox.poll_fill(&mut link.0, cx));
        if !*heard && matches!(count, Ok(1..)) {
            *heard = true;
            slot.works();
        }
        Poll::Ready(count)
    }

    /// Tells the device that nothing more comes.
    pub(super) fn finish(&mut self, cx: &mut Context<'_>) {
        if let State::Up { link, .. } = &mut self.state {
            // A device that does not take it is closed when its time is over.
            drop(Pin::new(&mut link.0).poll_shutdown(cx));
        }
    }

    /// Whether the device has yet to close a socket that we have left.
    pub(super) fn is_leaving(&self, device: SocketAddr) -> bool {
        self.links.is_leaving(device)
    }

    /// Closes the link. A device that closed before it ever answered is left alone for a while.
    pub(super) fn close(&mut self, by_device: bool) {
        if let State::Up { slot, heard: false, .. } = &self.state
            && by_device
        {
            slot.failed(self.house.time.now().boot, self.house.entropy.next());
        }
        self.state = State::Down;
    }
}

impl Socket {
    /// Leaves the device in order, at the end of the client: it gets everything that was written, and then our end. Dropped with
    /// replies unread the socket would be reset, and a device that is reset forgets what it has not read yet. Its socket counts
    /// as taken until the device has closed it too.
    pub(super) fn leave(&mut self) {
        if let State::Up { link, mut slot, .. } = std::mem::replace(&mut self.state, State::Down) {
            slot.leaves();
            self.house.tasks.spawn(farewell(link.0, slot));
        }
    }
}

async fn farewell(mut stream: Stream, slot: Slot) {
    let end = async {
        stream.shutdown().await?;
        let mut rest = [0; 256];
        while stream.read(&mut rest).await? > 0 {}
        io::Result::Ok(())
    };
    // A device that does not close within its time is reset.
    drop(timeout(FAREWELL, end).await);
    drop(slot);
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.state {
            State::Down => "Socket(down)",
            State::Dialling { .. } => "Socket(dialling)",
            State::Up { .. } => "Socket(up)",
        })
    }
}
