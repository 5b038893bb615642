//! One client: a task, two sockets, fixed buffers. Everything happens in one poll that looks, always in the same order, at the
//! cut, the finished commits, the device, the client, what is to be sent, and the deadlines. It is a `select!` written by hand,
//! because both halves of both sockets are needed at once, and because judging and writing are one poll.

use std::collections::VecDeque;
use std::future::Future;
use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bulkhead_core::decision::{Class, Reason};
use bulkhead_core::identity::Mac;
use bulkhead_core::journal::record::{FrameRecord, Outcome, SessionEvent};
use bulkhead_core::moment::BootMs;
use bulkhead_core::policy::model::Mode;
use bulkhead_core::wire::modbus::{Function, Malformed, Matched, Request as Pdu};
use tokio::time::Sleep;

use super::alarms::Kind;
use super::asset::Asset;
use super::classify::{Frame, head};
use super::forward::{Sent, South};
use super::inbox::Inbox;
use super::line::{Entry, Line, Owner, Pending, Stage};
use super::outbox::Outbox;
use super::reply::{Refusal, refusal};
use super::serve::Common;
use super::{FRAME_WITHIN, HEADER_WITHIN, MALFORMED, MALFORMED_WINDOW, NEIGHBOUR_EVERY, OUTSTANDING, UNREAD, ms};
use crate::net::{Later, Stream};
use crate::service::House;
use crate::service::gate::{Denial, Permit, Verdict};
use crate::service::sessions::Session;

/// The commit under way, with the transaction ids of what it holds.
struct Commit {
    ids: Vec<u16>,
    work: Later<'static, Vec<Result<Permit<Frame>, Denial>>>,
}

/// One client.
pub(super) struct Connection {
    pub(super) house: Arc<House>,
    common: Arc<Common>,
    pub(super) session: Arc<Session>,
    source: IpAddr,
    pub(super) asset: Asset,
    /// What this connection does now. It follows the conduit at the next boundary between two frames.
    pub(super) mode: Mode,
    pub(super) client: Stream,
    pub(super) inbox: Inbox,
    /// Bytes at the front of the inbox that have passed in `observe`.
    pub(super) passed: usize,
    pub(super) out: Outbox,
    pub(super) south: South,
    pub(super) replies: Inbox,
    /// Bytes at the front of the replies that have passed in `observe`.
    pub(super) replies_passed: usize,
    /// A bad header was seen in `observe`, on either side: nobody knows any more where a frame begins.
    pub(super) lost: bool,
    pub(super) line: Line,
    commit: Option<Commit>,
    cut: Later<'static, ()>,
    timer: Pin<Box<Sleep>>,
    armed: Option<BootMs>,
    /// When the frame that is not yet whole began.
    pub(super) begun: Option<BootMs>,
    /// Since when the client has taken nothing, and what was left then.
    pub(super) unread: Option<(BootMs, usize)>,
    malformed: VecDeque<BootMs>,
    neighbour: (BootMs, Option<Mac>),
    /// When the client said that nothing more comes.
    pub(super) ended: Option<BootMs>,
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
            asset: Asset::behind(&house, session.listener()),
            mode: session.mode(),
            client,
            inbox: Inbox::new(),
            passed: 0,
            out: Outbox::default(),
            south: South::new(Arc::clone(&house), Arc::clone(&common.links)),
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
        poll_fn(|cx| self.poll(cx)).await
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
        self.asset = Asset::behind(&self.house, self.session.listener());
        if self.asset.connect == before { Ok(()) } else { self.lose_link(false) }
    }

    // ---- the disk

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

    // ---- the device

    fn hear_device(&mut self, cx: &mut Context<'_>, now: BootMs) -> Result<bool, SessionEvent> {
        if self.out.is_high() {
            return Ok(false);
        }
        let Poll::Ready(count) = self.south.poll_fill(&mut self.replies, cx) else { return Ok(false) };
        if !matches!(count, Ok(1..)) {
            self.lose_link(true)?;
            return Ok(true);
        }
        match self.mode {
            Mode::Observe => self.tap_replies(now),
            Mode::Enforce => self.match_replies(now)?,
        }
        Ok(true)
    }

    fn match_replies(&mut self, now: BootMs) -> Result<(), SessionEvent> {
        loop {
            let frame = match self.replies.frame(self.asset.long_frames) {
                Ok(Some(frame)) => frame,
                Ok(None) => return Ok(()),
                Err(error) => {
                    self.alarm(Kind::MalformedReply, now, || format!("the device sent a {error}"));
                    return self.lose_link(true);
                }
            };
            let (whole, about) = (frame.len(), head(frame));
            let owner = self.line.owner(frame, self.asset.echoes_ids);
            let passed = std::mem::take(&mut self.replies_passed);
            match owner {
                Owner::Of(entry, matched) => {
                    // A converter that makes up transaction ids gets the client's put back.
                    let id = head(entry.frame.bytes()).id.to_be_bytes();
                    let own = id.iter().chain(frame.iter().skip(2)).skip(passed).copied();
                    let bytes: smallvec::SmallVec<[u8; 64]> = own.collect();
                    self.out.push(&bytes);
                    self.learn(entry, matched, whole);
                    self.release();
                }
                Owner::Late | Owner::Foreign if passed > 0 => {
                    // Its first half went through in `observe`: the client's stream would be torn.
                    return Err(SessionEvent::Closed);
                }
                Owner::Late => {}
                Owner::Foreign => self.alarm(Kind::UnsolicitedReply, now, || {
                    let FrameRecord { id, unit, function } = about;
                    format!(
                        "a reply that nobody asked for was dropped: transaction {id}, unit {unit}, function {function}"
                    )
                }),
            }
            self.replies.consume(whole);
        }
    }

    /// What an answered request tells: the outcome for the record, and values that the device holds. The reply is the first
    /// `whole` bytes of the replies.
    pub(super) fn learn(&mut self, entry: Entry, matched: Matched, whole: usize) {
        let unit = head(entry.frame.bytes()).unit;
        let reply = self.replies.bytes().get(super::reply::PDU..whole).unwrap_or_default();
        if let (Some(asset), Some(pdu), Matched::Normal) = (&self.asset.id, entry.frame.pdu(), matched) {
            for seen in [pdu.read(reply), pdu.applied()].into_iter().flatten() {
                self.house.gate.saw(asset, unit, seen.bank, seen.first, seen.count, seen.values);
            }
        }
        if let Stage::Sent(receipt) = entry.into_stage() {
            receipt.settle(match matched {
                Matched::Exception(code) => Outcome::Refused(u32::from(code)),
                Matched::Normal | Matched::Foreign => Outcome::Applied,
            });
        }
    }

    /// The link is gone, or must go. Whatever the device had is answered for it; what it had not goes to a new link.
    pub(super) fn lose_link(&mut self, by_device: bool) -> Result<(), SessionEvent> {
        // In `observe` anybody may send what makes a device close: that must not keep the others from it.
        self.south.close(by_device && self.mode == Mode::Enforce);
        self.replies.clear();
        while let Some(entry) = self.line.lost() {
            if entry.is_ours() {
                self.answer(head(entry.frame.bytes()), Refusal::NoAnswer);
            }
        }
        let torn = std::mem::take(&mut self.replies_passed) > 0;
        let begun = std::mem::take(&mut self.passed) > 0;
        // In `observe` a connection ends as it would without us; and half a reply cannot be completed by anybody.
        if torn || self.mode == Mode::Observe && (by_device || begun) { Err(SessionEvent::Closed) } else { Ok(()) }
    }

    // ---- the client

    /// Whether more is taken from the client now.
    fn may_take(&self) -> bool {
        match self.mode {
            Mode::Observe => !self.out.is_high(),
            Mode::Enforce => self.line.len() < OUTSTANDING && !self.out.is_high(),
        }
    }

    fn hear_client(&mut self, cx: &mut Context<'_>, now: BootMs) -> Result<bool, SessionEvent> {
        if self.ended.is_some() || !self.may_take() || self.inbox.is_full() {
            // Nobody looks whether the rest of a frame is there: its clock stands still.
            self.begun = None;
            return Ok(false);
        }
        match self.inbox.poll_fill(&mut self.client, cx) {
            Poll::Pending => {
                if self.inbox.is_empty() {
                    self.begun = None;
                } else if self.begun.is_none() {
                    self.begun = Some(now);
                }
                Ok(false)
            }
            Poll::Ready(Ok(0)) => {
                self.ended = Some(now);
                Ok(true)
            }
            Poll::Ready(Ok(_)) => Ok(true),
            Poll::Ready(Err(_)) => Err(SessionEvent::Closed),
        }
    }

    /// Takes what is whole, frame by frame; each asks for the mode of its own moment.
    fn take_requests(&mut self, cx: &mut Context<'_>, now: BootMs) -> Result<bool, SessionEvent> {
        let mut moved = false;
        while self.may_take() && !self.inbox.is_empty() {
            if !self.follow_mode(now)? {
                break;
            }
            let taken = match self.mode {
                Mode::Observe => self.tap_requests(cx, now)?,
                Mode::Enforce => self.take_request(now)?,
            };
            if !taken {
                break;
            }
            moved = true;
        }
        Ok(moved)
    }

    fn take_request(&mut self, now: BootMs) -> Result<bool, SessionEvent> {
        let (about, whole, frame) = match self.inbox.frame(self.asset.long_frames) {
            Ok(None) => return Ok(false),
            Ok(Some(bytes)) => (head(bytes), bytes.len(), Frame::classify(bytes, self.asset.zero)),
            Err(error) => {
                self.alarm(Kind::Malformed, now, || format!("{error}: the connection was closed"));
                return Err(SessionEvent::Malformed);
            }
        };
        self.inbox.consume(whole);
        self.begun = None;
        self.check_neighbour(now);
        let passed = std::mem::take(&mut self.passed);
        let pushed = match frame {
            Ok(frame) => self.request(frame.after(passed), now)?,
            Err(error) => {
                self.malformed(about, error, now)?;
                false
            }
        };
        if passed > 0 && !pushed {
            // The device has the first half of a frame that is not to be completed: its stream ends here.
            self.lose_link(false)?;
        }
        Ok(true)
    }

    /// One well-formed request; true when it may come to be sent.
    fn request(&mut self, mut frame: Frame, now: BootMs) -> Result<bool, SessionEvent> {
        let about = head(frame.bytes());
        self.line.forget_watched(about.id);
        match self.line.pending(&frame) {
            Pending::No => {}
            Pending::Repeated if self.asset.repeats_ids => {
                if self.line.may_send_again(&frame)
                    && let Verdict::Pass(permit) = self.house.gate.judge(&self.session, frame)
                {
                    self.line.again(about.id, permit);
                }
                return Ok(false);
            }
            Pending::Repeated | Pending::Taken => {
                self.alarm(Kind::ReusedId, now, || format!("transaction id {} is pending", about.id));
                let denial = self.house.gate.refuse(&self.session, Reason::NoRule, about);
                self.refuse(&frame, &denial, now);
                return Ok(false);
            }
        }
        if self.line.is_doubtful(&frame) {
            self.lose_link(false)?;
            // The new link has seen nothing of it.
            frame = frame.after(0);
        }
        let stage = match self.house.gate.judge(&self.session, frame.clone()) {
            Verdict::Pass(permit) => Stage::Ready(permit),
            Verdict::Hold(hold) => Stage::Waiting(hold),
            Verdict::Refuse(denial) => {
                self.look_for_patterns(&frame, now);
                self.refuse(&frame, &denial, now);
                return Ok(false);
            }
        };
        self.line.push(frame, stage, now, self.asset.answer_within);
        Ok(true)
    }

    /// Refuses a request that is not in line: at once, or behind what was asked before it.
    fn refuse(&mut self, frame: &Frame, denial: &Denial, now: BootMs) {
        let answer = refusal(head(frame.bytes()), Refusal::Denied(denial.class()));
        if !(self.asset.in_order && self.line.refuse_in_order(frame, answer, now)) {
            self.out.push(&answer);
        }
    }

    /// Answers a request that was in line and is no longer.
    fn answer(&mut self, about: FrameRecord, why: Refusal) {
        self.out.push(&refusal(about, why));
        self.release();
    }

    /// Sends the refusals that waited for what was just answered.
    pub(super) fn release(&mut self) {
        while let Some(answer) = self.line.next_refusal() {
            self.out.push(&answer);
        }
    }

    fn malformed(&mut self, about: FrameRecord, error: Malformed, now: BootMs) -> Result<(), SessionEvent> {
        let denial = self.house.gate.refuse(&self.session, Reason::Malformed, about);
        self.answer(about, Refusal::Denied(denial.class()));
        self.malformed.retain(|then| now.0.saturating_sub(then.0) < ms(MALFORMED_WINDOW));
        self.malformed.push_back(now);
        if self.malformed.len() < MALFORMED {
            return Ok(());
        }
        self.alarm(Kind::Malformed, now, || format!("{MALFORMED} malformed requests, the last one: {error}"));
        Err(SessionEvent::Malformed)
    }

    /// What several refusals together may mean.
    pub(super) fn look_for_patterns(&self, frame: &Frame, now: BootMs) {
        let function = head(frame.bytes()).function;
        if self.common.alarms.refused(self.source, function, now) {
            self.alarm(Kind::FunctionScan, now, || "several function codes were refused within a minute".to_owned());
        }
        if let Some(Pdu::Function(Function { code: 43, sub: Some(14), .. }, _)) = frame.pdu() {
            self.alarm(Kind::Reconnaissance, now, || "device identification (43/14) without a grant".to_owned());
        }
    }

    pub(super) fn alarm(&self, kind: Kind, now: BootMs, text: impl FnOnce() -> String) {
        if self.common.alarms.due(self.source, kind, now) {
            self.house.gate.alarm(kind.name(), Some(self.source), self.asset.id.as_ref(), text());
        }
    }

    /// The neighbour's hardware address is a proof: it is looked at again while frames come. One that is not known for a
    /// moment changes nothing, since then nothing of ours reaches the peer either.
    fn check_neighbour(&mut self, now: BootMs) {
        let (checked, known) = self.neighbour;
        if now.0.saturating_sub(checked.0) < ms(NEIGHBOUR_EVERY) {
            return;
        }
        let seen = self.house.net.neighbour(self.source).or(known);
        self.neighbour = (now, seen);
        if seen == known {
            return;
        }
        self.house.sessions.neighbour(&self.session, self.source, seen);
        if let (Some(known), Some(seen)) = (known, seen) {
            self.alarm(Kind::MacChanged, now, || format!("the hardware address was {known} and is {seen}"));
        }
    }

    // ---- out

    /// Sends whatever may be sent now, in one write.
    fn send_ready(&mut self, cx: &mut Context<'_>) -> Result<bool, SessionEvent> {
        let mut moved = false;
        loop {
            let ids = self.line.ready(!self.asset.echoes_ids);
            if ids.is_empty() {
                return Ok(moved);
            }
            let Poll::Ready(ready) = self.south.poll_ready(cx, &self.asset) else { return Ok(moved) };
            moved = true;
            // The link was made for the asset of this generation.
            self.follow_policy()?;
            if let Err(reason) = ready {
                self.turn_away(&ids, reason);
            } else if self.south.is_up() {
                self.send(cx, &ids)?;
            }
        }
    }

    fn send(&mut self, cx: &mut Context<'_>, ids: &[u16]) -> Result<(), SessionEvent> {
        let mut taken = Vec::with_capacity(ids.len());
        let mut permits = Vec::with_capacity(ids.len());
        for id in ids {
            if let Some(permit) = self.line.take_permit(*id) {
                taken.push(*id);
                permits.push(permit);
            }
        }
        let (mut torn, mut failed) = (false, false);
        for (id, sent) in taken.into_iter().zip(self.south.send(cx, permits)) {
            let why = match sent {
                Sent::Whole(receipt) => {
                    self.line.sent(id, receipt);
                    continue;
                }
                Sent::Refused(denial) => Refusal::Denied(denial.class()),
                Sent::Nothing => Refusal::Denied(Reason::AssetDown.class()),
                Sent::Part => Refusal::NoAnswer,
            };
            failed |= !matches!(why, Refusal::Denied(Class::Refused | Class::Malformed | Class::Busy));
            if let Some(entry) = self.line.take_out(id) {
                torn |= entry.frame.is_begun();
                self.answer(head(entry.frame.bytes()), why);
            }
        }
        // Half a frame is at the device, or it takes nothing more: what it has is all that it gets on this link.
        if torn || failed { self.lose_link(failed) } else { Ok(()) }
    }

    /// The device cannot be had.
    fn turn_away(&mut self, ids: &[u16], reason: Reason) {
        for id in ids {
            let Some(permit) = self.line.take_permit(*id) else { continue };
            let denial = permit.refuse(reason);
            if let Some(entry) = self.line.take_out(*id) {
                self.answer(head(entry.frame.bytes()), Refusal::Denied(denial.class()));
            }
        }
    }

    fn answer_client(&mut self, cx: &mut Context<'_>, now: BootMs) -> Result<bool, SessionEvent> {
        if self.out.is_empty() {
            return Ok(false);
        }
        match self.out.poll_flush(&mut self.client, cx) {
            Poll::Ready(Ok(_)) => {
                self.unread = None;
                Ok(true)
            }
            Poll::Ready(Err(_)) => Err(SessionEvent::Closed),
            Poll::Pending => {
                let left = self.out.left();
                // In `observe` a client that does not read is held back as it would be without us.
                if self.mode == Mode::Enforce && self.unread.is_none_or(|(_, before)| before != left) {
                    self.unread = Some((now, left));
                }
                Ok(false)
            }
        }
    }

    /// A client that has said all it will say is served to its last answer.
    fn end_of_client(&mut self, cx: &mut Context<'_>, now: BootMs) -> Result<(), SessionEvent> {
        let Some(ended) = self.ended else { return Ok(()) };
        let waits = match self.mode {
            Mode::Enforce => !self.line.is_empty() || self.inbox_holds_frame(),
            Mode::Observe => {
                if self.inbox.bytes().len() == self.passed {
                    self.south.finish(cx);
                }
                (self.south.is_up() || self.inbox.bytes().len() > self.passed)
                    && now.0 < ended.0.saturating_add(ms(self.asset.answer_within))
            }
        };
        if waits || !self.out.is_empty() { Ok(()) } else { Err(SessionEvent::Closed) }
    }

    fn inbox_holds_frame(&self) -> bool {
        matches!(self.inbox.frame(self.asset.long_frames), Ok(Some(_)))
    }

    // ---- time

    /// The timer is armed for the first deadline and not moved back when that one is met in time: it is touched about once per
    /// deadline, not once per request.
    fn keep_deadlines(&mut self, cx: &mut Context<'_>, now: BootMs) -> Result<bool, SessionEvent> {
        let mut moved = false;
        if self.armed.is_some() && self.timer.as_mut().poll(cx).is_ready() {
            self.armed = None;
            moved = self.expire(now)?;
        }
        if let Some(due) = self.first_deadline()
            && self.armed.is_none_or(|armed| due < armed)
        {
            let wait = Duration::from_millis(due.0.saturating_sub(now.0).max(1));
            self.timer.set(tokio::time::sleep(wait));
            self.armed = Some(due);
            moved = true;
        }
        Ok(moved)
    }

    fn first_deadline(&self) -> Option<BootMs> {
        let after = |then: BootMs, wait: Duration| BootMs(then.0.saturating_add(ms(wait)));
        let ended = self.ended.filter(|_| self.mode == Mode::Observe);
        [
            self.line.due(),
            self.frame_due(),
            self.unread.map(|(since, _)| after(since, UNREAD)),
            ended.map(|since| after(since, self.asset.answer_within)),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// When the frame that has begun must be whole. In `observe` nobody hurries a master.
    fn frame_due(&self) -> Option<BootMs> {
        let waits_for_us = self.mode == Mode::Observe || self.inbox_holds_frame();
        let begun = self.begun.filter(|_| !waits_for_us)?;
        let header = self.inbox.bytes().len() < bulkhead_core::wire::modbus::HEADER;
        Some(BootMs(begun.0.saturating_add(ms(if header { HEADER_WITHIN } else { FRAME_WITHIN }))))
    }

    fn expire(&mut self, now: BootMs) -> Result<bool, SessionEvent> {
        let mut moved = false;
        while let Some(entry) = self.line.expired(now) {
            moved = true;
            if !entry.is_ours() {
                self.release();
                continue;
            }
            let (about, sent) = (head(entry.frame.bytes()), entry.was_sent());
            let why = match entry.into_stage() {
                Stage::Sent(receipt) => {
                    receipt.settle(Outcome::NoAnswer);
                    Refusal::NoAnswer
                }
                // A read that was to be sent once more.
                Stage::Ready(_) if sent => Refusal::NoAnswer,
                Stage::Ready(permit) => Refusal::Denied(permit.refuse(Reason::AssetDown).class()),
                // The disk has it for longer than a device may take.
                Stage::Waiting(_) | Stage::Committing => {
                    Refusal::Denied(self.house.gate.refuse(&self.session, Reason::Journal, about).class())
                }
                Stage::Watched | Stage::Refused(_) => continue,
            };
            self.answer(about, why);
            if sent && !self.asset.echoes_ids {
                // Its late answer could not be told from the next one.
                self.lose_link(false)?;
            }
        }
        let over = |due: Option<BootMs>| due.is_some_and(|due| due <= now);
        if over(self.frame_due()) || over(self.unread.map(|(since, _)| BootMs(since.0.saturating_add(ms(UNREAD))))) {
            return Err(SessionEvent::TimedOut);
        }
        Ok(moved)
    }
}
