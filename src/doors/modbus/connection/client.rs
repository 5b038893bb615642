//! Towards the client: frames in, answers out.

use std::task::{Context, Poll};

use bulkhead_core::decision::Reason;
use bulkhead_core::journal::record::{FrameRecord, SessionEvent};
use bulkhead_core::moment::BootMs;
use bulkhead_core::policy::model::Mode;
use bulkhead_core::wire::modbus::{Function, Malformed, Request as Pdu};

use super::super::alarms::Kind;
use super::super::classify::{Frame, head};
use super::super::line::{Pending, Stage};
use super::super::reply::{Refusal, refusal};
use super::super::{MALFORMED, MALFORMED_WINDOW, NEIGHBOUR_EVERY, OUTSTANDING, ms};
use super::Connection;
use crate::service::gate::{Denial, Verdict};

impl Connection {
    /// Whether more is taken from the client now.
    pub(super) fn may_take(&self) -> bool {
        match self.mode {
            Mode::Observe => !self.out.is_high(),
            Mode::Enforce => self.line.len() < OUTSTANDING && !self.out.is_high(),
        }
    }

    pub(super) fn hear_client(&mut self, cx: &mut Context<'_>, now: BootMs) -> Result<bool, SessionEvent> {
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
    pub(super) fn take_requests(&mut self, cx: &mut Context<'_>, now: BootMs) -> Result<bool, SessionEvent> {
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

    pub(super) fn take_request(&mut self, now: BootMs) -> Result<bool, SessionEvent> {
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
    pub(super) fn request(&mut self, mut frame: Frame, now: BootMs) -> Result<bool, SessionEvent> {
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
        if !self.south.is_shared() && self.line.is_doubtful(&frame) {
            self.lose_link(false)?;
            // The new link has seen nothing of it.
            frame = frame.after(0);
        }
        if !frame.is_begun() {
            self.board();
        }
        let mut admitted = |safe: bool| self.south.admit(safe);
        let stage = match self.house.gate.judge(&self.session, frame.clone()) {
            Verdict::Pass(permit) if admitted(permit.is_safe()) => Stage::Ready(permit),
            Verdict::Hold(hold) if admitted(hold.is_safe()) => Stage::Waiting(hold),
            Verdict::Pass(permit) => {
                self.refuse(&frame, &permit.refuse(Reason::Busy), now);
                return Ok(false);
            }
            Verdict::Hold(hold) => {
                self.refuse(&frame, &hold.refuse(Reason::Busy), now);
                return Ok(false);
            }
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
    pub(super) fn refuse(&mut self, frame: &Frame, denial: &Denial, now: BootMs) {
        let answer = refusal(head(frame.bytes()), Refusal::Denied(denial.class()));
        if !(self.asset.in_order && self.line.refuse_in_order(frame, answer, now)) {
            self.out.push(&answer);
        }
    }

    pub(super) fn malformed(&mut self, about: FrameRecord, error: Malformed, now: BootMs) -> Result<(), SessionEvent> {
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

    /// The neighbour's hardware address is a proof: it is looked at again while frames come. One that is not known for a
    /// moment changes nothing, since then nothing of ours reaches the peer either.
    pub(super) fn check_neighbour(&mut self, now: BootMs) {
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

    pub(super) fn answer_client(&mut self, cx: &mut Context<'_>, now: BootMs) -> Result<bool, SessionEvent> {
        if self.out.is_empty() {
            return Ok(false);
        }
        match self.out.poll_flush(&mut self.client, cx) {
            Poll::Ready(Ok(())) => {
                self.unread = None;
                Ok(true)
            }
            Poll::Ready(Err(_)) => Err(SessionEvent::Closed),
            Poll::Pending => {
                let left = self.out.progress(&self.client);
                // In `observe` a client that does not read is held back as it would be without us.
                if self.mode == Mode::Enforce && self.unread.is_none_or(|(_, before)| before != left) {
                    self.unread = Some((now, left));
                }
                Ok(false)
            }
        }
    }

    /// A client that has said all it will say is served to its last answer.
    pub(super) fn end_of_client(&mut self, cx: &mut Context<'_>, now: BootMs) -> Result<(), SessionEvent> {
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

    pub(super) fn inbox_holds_frame(&self) -> bool {
        matches!(self.inbox.frame(self.asset.long_frames), Ok(Some(_)))
    }
}
