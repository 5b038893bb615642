//! Where a connection sends to: a socket of its own, or its place on the bus that all clients of a device share. One interface for
//! both; a connection does not know which one it has, except that it changes between them only while nothing is under way.

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bulkhead_core::decision::Reason;
use bulkhead_core::journal::record::Outcome;

use super::asset::Asset;
use super::bus::Berth;
use super::classify::Frame;
use super::forward::{Sent, Socket};
use super::inbox::Inbox;
use super::serve::Common;
use crate::service::House;
use crate::service::gate::{Permit, Raw};
use crate::service::sessions::Session;

/// The way to the device.
pub(super) struct South {
    house: Arc<House>,
    common: Arc<Common>,
    session: Arc<Session>,
    own: Socket,
    berth: Option<Berth>,
}

impl South {
    pub(super) fn new(house: Arc<House>, common: Arc<Common>, session: Arc<Session>) -> Self {
        let own = Socket::new(Arc::clone(&house), Arc::clone(&common.links));
        Self { house, common, session, own, berth: None }
    }

    /// Whether the link is shared: then many know it, ids are the bus's own, and late answers come to nobody.
    pub(super) fn is_shared(&self) -> bool {
        self.berth.is_some()
    }

    /// Goes over to the other kind of link. Nothing may be under way.
    pub(super) fn change(&mut self, shared: bool, asset: &Asset) {
        self.own.leave();
        self.berth = asset.connect.filter(|_| shared).map(|device| {
            let bus = self.common.buses.to(device, &self.house, &self.common);
            Berth::take(bus, asset, &self.session)
        });
    }

    /// The policy has changed, and the device is where it was.
    pub(super) fn follow(&mut self, asset: &Asset) {
        if let Some(berth) = &mut self.berth {
            berth.follow(asset, &self.session);
        }
    }

    pub(super) fn is_up(&self) -> bool {
        self.berth.as_ref().map_or_else(|| self.own.is_up(), Berth::is_up)
    }

    /// Whether one request more may wait for the device; one that passes a full queue `always` may.
    pub(super) fn admit(&mut self, always: bool) -> bool {
        self.berth.as_mut().is_none_or(|berth| berth.admit(always))
    }

    /// Dials where that is needed, and resolves with the number of requests that may be sent in this poll. `wants` could be
    /// sent, and `waiting` are not sent yet; `urgent` when the first one is a way to safe.
    ///
    /// # Errors
    /// `Busy` when the device has no socket left, `AssetDown` when it cannot be reached; the link is down then.
    pub(super) fn poll_ready(
        &mut self,
        cx: &mut Context<'_>,
        asset: &Asset,
        wants: usize,
        waiting: usize,
        urgent: bool,
    ) -> Poll<Result<usize, Reason>> {
        match &mut self.berth {
            Some(berth) => berth.poll_turn(cx, wants, waiting, urgent),
            None => Poll::Ready(ready!(self.own.poll_ready(cx, asset.connect, asset.connections)).map(|()| wants)),
        }
    }

    /// Nothing could be sent now, although `waiting` requests are not sent yet.
    pub(super) fn rest(&mut self, waiting: usize) {
        if let Some(berth) = &mut self.berth {
            berth.rest(waiting);
        }
    }

    /// Sends frames that [`Self::poll_ready`] has allowed. One answer for each permit.
    pub(super) fn send(&mut self, cx: &mut Context<'_>, permits: Vec<Permit<Frame>>) -> Vec<Sent> {
        match &mut self.berth {
            Some(berth) => berth.send(permits),
            None => self.own.send(cx, permits, Frame::id),
        }
    }

    /// Lets raw bytes pass on a link of its own that is ready.
    pub(super) fn pass(&mut self, cx: &mut Context<'_>, permit: Permit<Raw<'_>>) -> io::Result<usize> {
        self.own.pass(cx, permit)
    }

    /// One read of what the device says; 0 when it has closed. Waits for ever while the link is down.
    pub(super) fn poll_fill(&mut self, inbox: &mut Inbox, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        match &mut self.berth {
            Some(berth) => berth.poll_mail(cx, inbox).map(Ok),
            None => self.own.poll_fill(inbox, cx),
        }
    }

    /// A request that the device has and that will have no reply, with what is known of it.
    pub(super) fn given_up(&self) -> Option<(u16, Outcome)> {
        self.berth.as_ref()?.given_up()
    }

    /// A request that the device has was answered for it, its time being over. True when the link must be given up, because a
    /// late answer could not be told from the next one.
    pub(super) fn expired(&self, id: u16, asset: &Asset) -> bool {
        match &self.berth {
            Some(berth) => {
                berth.expired(id);
                false
            }
            None => !asset.echoes_ids,
        }
    }

    /// Whether the unit of a request is known to be silent, so that it is answered at once. A way to safe is sent all the same,
    /// if it was not a moment ago.
    pub(super) fn is_deaf(&self, frame: &Frame, safe: bool) -> bool {
        self.berth.as_ref().is_some_and(|berth| berth.is_deaf(frame, safe))
    }

    /// Tells the device that nothing more comes.
    pub(super) fn finish(&mut self, cx: &mut Context<'_>) {
        self.own.finish(cx);
    }

    /// Nothing that was sent is awaited any more. An own link is closed; from a shared one, where others go on, the connection
    /// stands back and has to ask for a place again.
    pub(super) fn close(&mut self, by_device: bool) {
        self.own.close(by_device);
        self.berth = None;
    }

    /// Leaves the device in order, at the end of the client.
    pub(super) fn leave(&mut self) {
        self.own.leave();
        self.berth = None;
    }
}
