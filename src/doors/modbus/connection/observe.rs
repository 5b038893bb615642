//! The tap of law 3. In `observe` every byte passes as it came, at once, in both directions, malformed ones included; a copy is
//! judged, and nothing of ours is put into either stream.
//!
//! The framing of both directions is followed meanwhile, so that a switch takes effect between two frames:
//! * to `enforce`: bytes of a frame that have passed stay passed. The whole frame is judged when it is whole; if it is allowed,
//!   only its rest is sent; if not, the client gets the refusal and the device's connection is closed on the half frame.
//! * to `observe`: when everything judged before has been sent, and every refusal that waits for its turn has been answered.
//! * After a bad header nobody knows where a frame begins. Judging stops for that connection, every byte goes on passing, and
//!   when `enforce` comes the connection is closed: its bytes can be neither judged nor let through.

use std::task::{Context, Poll};

use bulkhead_core::decision::Reason;
use bulkhead_core::journal::record::{FrameRecord, SessionEvent};
use bulkhead_core::moment::BootMs;
use bulkhead_core::policy::model::Mode;

use super::super::alarms::Kind;
use super::super::classify::{Frame, head};
use super::super::line::Owner;
use super::Connection;

impl Connection {
    /// Goes to the mode of this moment, if that can be done here; false when something has to be sent first.
    pub(super) fn follow_mode(&mut self, now: BootMs) -> Result<bool, SessionEvent> {
        let wanted = self.session.mode();
        if wanted == self.mode {
            return Ok(true);
        }
        match wanted {
            Mode::Observe => {
                // What is under way on a shared link ends there: bytes pass on a link of their own.
                if self.line.holds_back() || self.south.is_shared() && self.line.awaits_reply() {
                    return Ok(false);
                }
                // A reply of which a part has arrived passes from its first byte on.
                self.out.push(self.replies.bytes());
                self.replies_passed = self.replies.bytes().len();
            }
            Mode::Enforce if self.lost => {
                self.alarm(Kind::FramingLost, now, || "the conduit is enforced: the connection was closed".to_owned());
                return Err(SessionEvent::Malformed);
            }
            Mode::Enforce => {}
        }
        self.mode = wanted;
        if wanted == Mode::Observe {
            self.board();
        }
        (self.begun, self.unread) = (None, None);
        Ok(true)
    }

    /// Lets what has arrived pass, then judges a copy; true when anything passed.
    pub(super) fn tap_requests(&mut self, cx: &mut Context<'_>, now: BootMs) -> Result<bool, SessionEvent> {
        let before = self.passed;
        if self.inbox.bytes().len() > before {
            let Poll::Ready(ready) = self.south.poll_ready(cx, &self.asset, 0, 0, false) else { return Ok(false) };
            if let Err(reason) = ready {
                // Without us the client could not have connected either.
                let _denial = self.house.gate.refuse(&self.session, reason, FrameRecord::default());
                return Err(SessionEvent::Closed);
            }
            let new = self.inbox.bytes().get(before..).unwrap_or_default();
            // None: the conduit is enforced since this very moment. The next look at the mode finds it so.
            let Some(permit) = self.house.gate.pass(&self.session, new) else {
                return Ok(self.session.mode() != self.mode);
            };
            match self.south.pass(cx, permit) {
                Ok(count) => self.passed += count,
                Err(_) => return Err(SessionEvent::Closed),
            }
        }
        let moved = self.passed > before;
        self.judge_copies(now);
        Ok(moved)
    }

    fn judge_copies(&mut self, now: BootMs) {
        while !self.lost {
            match self.inbox.frame(self.asset.long_frames) {
                Ok(None) => return,
                Ok(Some(bytes)) if bytes.len() > self.passed => return,
                Ok(Some(bytes)) => {
                    let (about, whole) = (head(bytes), bytes.len());
                    let frame = Frame::classify(bytes, self.asset.zero);
                    self.inbox.consume(whole);
                    self.passed -= whole;
                    match frame {
                        Ok(frame) => self.watch(frame, now),
                        Err(_) => {
                            let _denial = self.house.gate.refuse(&self.session, Reason::Malformed, about);
                        }
                    }
                }
                Err(error) => {
                    self.lost = true;
                    self.alarm(Kind::Malformed, now, || format!("{error}: this connection is not judged any more"));
                    let _denial = self.house.gate.refuse(&self.session, Reason::Malformed, FrameRecord::default());
                }
            }
        }
        self.inbox.consume(std::mem::take(&mut self.passed));
    }

    fn watch(&mut self, frame: Frame, now: BootMs) {
        let receipt = self.house.gate.watch(&self.session, &frame).unwrap_or_else(|_denial| {
            self.look_for_patterns(&frame, now);
            None
        });
        self.line.watch(frame, receipt, now, self.asset.answer_within);
    }

    /// Lets what the device said pass, and learns from a copy.
    pub(super) fn tap_replies(&mut self, now: BootMs) {
        self.out.push(self.replies.bytes().get(self.replies_passed..).unwrap_or_default());
        self.replies_passed = self.replies.bytes().len();
        while !self.lost {
            match self.replies.frame(self.asset.long_frames) {
                Ok(None) => return,
                Ok(Some(bytes)) => {
                    let whole = bytes.len();
                    match self.line.owner(bytes, self.asset.echoes_ids) {
                        Owner::Of(entry, matched) => self.learn(entry, matched, whole),
                        Owner::Late => {}
                        Owner::Foreign => self.alarm(Kind::UnsolicitedReply, now, || {
                            "a reply that nobody asked for passed, since the conduit is only observed".to_owned()
                        }),
                    }
                    self.replies.consume(whole);
                    self.replies_passed -= whole;
                }
                Err(error) => {
                    self.lost = true;
                    self.alarm(Kind::MalformedReply, now, || format!("the device sent a {error}"));
                }
            }
        }
        self.replies.clear();
        self.replies_passed = 0;
    }
}
