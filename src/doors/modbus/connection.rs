//! One client: a task, two sockets, fixed buffers. Everything happens in one poll that looks, always in the same order, at the
//! cut, the finished commits, the device, the client, what is to be sent, and the deadlines. It is a `select!` written by hand,
//! because both halves of both sockets are needed at once, and because judging and writing are one poll.

mod client;
mod deadlines;
mod device;
mod observe;

use std::collections::VecDeque;
use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bulkhead_core::identity::Mac;
use bulkhead_core::journal::record::{FrameRecord, SessionEvent};
use bulkhead_core::moment::BootMs;
use bulkhead_core::policy::model::Mode;
use tokio::time::Sleep;

use super::MALFORMED;
use super::alarms::Kind;
use super::asset::Asset;
use super::classify::{Frame, head};
use super::inbox::Inbox;
use super::line::Line;
use super::outbox::Outbox;
use super::reply::{Refusal, refusal};
use super::serve::Common;
use super::south::South;
use crate::net::{Later, Stream};
use crate::service::House;
use crate::service::gate::{Denial, Permit};
use crate::service::sessions::Session;

/// The commit under way, with the transaction ids of what it holds.
struct Commit {
    ids: Vec<u16>,
    work: Later<'static, Vec<Result<Permit<Frame>, Denial>>>,
}

/// One client.
pub(super) struct Connection {
    house: Arc<House>,
    common: Arc<Common>,
    session: Arc<Session>,
    source: IpAddr,
    asset: Asset,
    /// What this connection does now. It follows the conduit at the next boundary between two frames.
    mode: Mode,
    client: Stream,
    inbox: Inbox,
    /// Bytes at the front of the inbox that have passed in `observe`.
    passed: usize,
    out: Outbox,
    south: South,
    replies: Inbox,
    /// Bytes at the front of the replies that have passed in `observe`.
    replies_passed: usize,
    /// A bad header was seen in `observe`, on either side: nobody knows any more where a frame begins.
    lost: bool,
    line: Line,
    commit: Option<Commit>,
    cut: Later<'static, ()>,
    timer: Pin<Box<Sleep>>,
    armed: Option<BootMs>,
    /// When the frame that is not yet whole began.
    begun: Option<BootMs>,
    /// Since when the client has taken nothing, and what was left then.
    unread: Option<(BootMs, (usize, u64))>,
    malformed: VecDeque<BootMs>,
    neighbour: (BootMs, Option<Mac>),
    /// When the client said that nothing more comes.
    ended: Option<BootMs>,
}

impl Connection {
    pub(super) fn new(
        house: Arc<House>,
        common: Arc<Common>,
        session: Arc<Session>,
        client: Stream,
        mac: Option<Mac>,
    ) -> Self {
        let watched = Arc::clone(&session);
        Self {
            source: session.peer().ip(),
            asset: Asset::behind(&house, &session),
            mode: session.mode(),
            client,
            inbox: Inbox::new(),
            passed: 0,
            out: Outbox::default(),
            south: South::new(Arc::clone(&house), Arc::clone(&common), Arc::clone(&session)),
            replies: Inbox::new(),
            replies_passed: 0,
            lost: false,
            line: Line::default(),
            commit: None,
            cut: Box::pin(async move { watched.until_cut().await }),
            timer: Box::pin(tokio::time::sleep(Duration::ZERO)),
            armed: None,
            begun: None,
            unread: None,
            malformed: VecDeque::with_capacity(MALFORMED),
            neighbour: (house.time.now().boot, mac),
            ended: None,
            house,
            common,
            session,
        }
    }

    /// Serves the client to its end.
    pub(super) async fn run(mut self) -> SessionEvent {
        let end = poll_fn(|cx| self.poll(cx)).await;
        self.south.leave();
        end
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<SessionEvent> {
        if self.cut.as_mut().poll(cx).is_ready() {
            return Poll::Ready(SessionEvent::Cut);
        }
        loop {
            match self.turn(cx) {
                Ok(true) => {}
                Ok(false) => return Poll::Pending,
                Err(end) => {
                    // What was answered already goes out if the socket takes it at once.
                    drop(self.out.poll_flush(&mut self.client, cx));
                    return Poll::Ready(end);
                }
            }
        }
    }

    /// Looks at everything once; true when something moved, so that everything has to be looked at again.
    fn turn(&mut self, cx: &mut Context<'_>) -> Result<bool, SessionEvent> {
        let now = self.house.time.now().boot;
        self.follow_policy()?;
        let mut moved = self.finish_commit(cx);
        moved |= self.hear_device(cx, now)?;
        moved |= self.take_requests(cx, now)?;
        moved |= self.hear_client(cx, now)?;
        moved |= self.start_commit();
        moved |= self.send_ready(cx)?;
        moved |= self.answer_client(cx, now)?;
        self.end_of_client(cx, now)?;
        moved |= self.keep_deadlines(cx, now)?;
        Ok(moved)
    }

    /// Reads the asset again when the world has moved. A device at another address gets a link of its own.
    fn follow_policy(&mut self) -> Result<(), SessionEvent> {
        if self.asset.generation == self.house.world.generation() {
            return Ok(());
        }
        let before = self.asset.connect;
        self.asset = Asset::behind(&self.house, &self.session);
        if self.asset.connect != before {
            return self.lose_link(false);
        }
        self.south.follow(&self.asset);
        Ok(())
    }

    /// Goes over to the kind of link that the policy wants; false while something is under way on the other kind. Raw bytes, and
    /// the rest of a frame of which the device has the first bytes, need a link of their own.
    fn board(&mut self) -> bool {
        let begun = self.passed > 0 || self.line.is_begun();
        let shared = self.asset.shared && self.mode == Mode::Enforce && !begun;
        if self.south.is_shared() == shared {
            return true;
        }
        if self.line.awaits_reply() || self.replies_passed > 0 {
            return false;
        }
        self.south.change(shared, &self.asset);
        self.line.forget_late();
        self.replies.clear();
        true
    }

    fn finish_commit(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(commit) = &mut self.commit else { return false };
        let Poll::Ready(results) = commit.work.as_mut().poll(cx) else { return false };
        let ids = std::mem::take(&mut commit.ids);
        self.commit = None;
        for (id, result) in ids.into_iter().zip(results) {
            match result {
                Ok(permit) => self.line.committed(id, permit),
                Err(denial) => {
                    if let Some(entry) = self.line.take_out(id) {
                        self.answer(head(entry.frame.bytes()), Refusal::Denied(denial.class()));
                    }
                }
            }
        }
        true
    }

    /// Never awaited here: what can be read meanwhile is read.
    fn start_commit(&mut self) -> bool {
        if self.commit.is_some() {
            return false;
        }
        let (ids, holds) = self.line.commit_next();
        if ids.is_empty() {
            return false;
        }
        let gate = self.house.gate.clone();
        self.commit = Some(Commit { ids, work: Box::pin(async move { gate.commit(holds).await }) });
        true
    }

    /// Answers a request that was in line and is no longer.
    fn answer(&mut self, about: FrameRecord, why: Refusal) {
        self.out.push(&refusal(about, why));
        self.release();
    }

    /// Sends the refusals that waited for what was just answered.
    fn release(&mut self) {
        while let Some(answer) = self.line.next_refusal() {
            self.out.push(&answer);
        }
    }

    fn alarm(&self, kind: Kind, now: BootMs, text: impl FnOnce() -> String) {
        if self.common.alarms.due(self.source, kind, now) {
            self.house.gate.alarm(kind.name(), Some(self.source), self.asset.id.as_ref(), text());
        }
    }
}
