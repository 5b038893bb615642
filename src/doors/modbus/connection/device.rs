//! Towards the device: permits out, replies back.

use std::task::{Context, Poll};

use bulkhead_core::decision::{Class, Reason};
use bulkhead_core::journal::record::{FrameRecord, Outcome, SessionEvent};
use bulkhead_core::moment::BootMs;
use bulkhead_core::policy::model::Mode;
use bulkhead_core::wire::modbus::Matched;
use smallvec::SmallVec;

use super::super::alarms::Kind;
use super::super::classify::head;
use super::super::forward::Sent;
use super::super::line::{Entry, Owner, Stage};
use super::super::reply::{PDU, Refusal};
use super::Connection;

impl Connection {
    pub(super) fn hear_device(&mut self, cx: &mut Context<'_>, now: BootMs) -> Result<bool, SessionEvent> {
        if self.out.is_high() {
            return Ok(false);
        }
        let mut moved = false;
        while let Some((id, outcome)) = self.south.given_up() {
            moved = true;
            let Some(entry) = self.line.given_up(id) else { continue };
            let about = head(entry.frame.bytes());
            if let Stage::Sent(receipt) = entry.into_stage() {
                receipt.settle(outcome);
            }
            self.answer(about, Refusal::NoAnswer);
        }
        let Poll::Ready(count) = self.south.poll_fill(&mut self.replies, cx) else { return Ok(moved) };
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

    pub(super) fn match_replies(&mut self, now: BootMs) -> Result<(), SessionEvent> {
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
                    let bytes: SmallVec<[u8; 64]> = own.collect();
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
        let reply = self.replies.bytes().get(PDU..whole).unwrap_or_default();
        if let (Some(asset), Some(pdu), Matched::Normal) = (&self.asset.id, entry.frame.pdu(), matched) {
            for seen in pdu.seen(reply) {
                self.house.gate.saw(asset, unit, seen.bank, seen.first, seen.count, seen.values);
            }
        }
        if let Stage::Sent(receipt) | Stage::Watched(Some(receipt)) = entry.into_stage() {
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

    /// Sends whatever may be sent now, in one write.
    pub(super) fn send_ready(&mut self, cx: &mut Context<'_>) -> Result<bool, SessionEvent> {
        let mut moved = false;
        loop {
            // A shared link sees itself to it that nothing is sent before a reply that could not be told from another.
            let mut ids = self.line.ready(!self.asset.echoes_ids && !self.south.is_shared());
            // A device with few sockets gets an own link back as soon as nothing of it is under way.
            let at_rest = ids.is_empty() && (self.south.is_shared() || !self.south.is_up());
            if at_rest || !self.board() || ids.is_empty() {
                self.south.rest(self.line.unsent());
                return Ok(moved);
            }
            if self.answer_for_silent(&ids) {
                moved = true;
                continue;
            }
            // On a shared link the way to safe stands behind nobody's reads.
            let urgent = self.south.is_shared() && self.line.hurry(&mut ids);
            let ready = self.south.poll_ready(cx, &self.asset, ids.len(), self.line.unsent(), urgent);
            let Poll::Ready(ready) = ready else { return Ok(moved) };
            moved = true;
            // The link was made for the asset of this generation.
            self.follow_policy()?;
            match ready {
                Err(reason) => self.turn_away(&ids, reason),
                Ok(turns) if self.south.is_up() => {
                    ids.truncate(turns);
                    self.send(cx, &ids)?;
                }
                Ok(_) => {}
            }
        }
    }

    /// Answers requests to units that are known to be silent, without asking them; true when there were any. The way to safe is
    /// tried.
    fn answer_for_silent(&mut self, ids: &[u16]) -> bool {
        if !self.south.is_shared() {
            return false;
        }
        let mut answered = false;
        for id in ids {
            let deaf = |entry: &Entry| entry.may_go() && self.south.is_deaf(&entry.frame, entry.is_safe());
            if !self.line.open(*id).is_some_and(deaf) {
                continue;
            }
            let Some(permit) = self.line.take_permit(*id) else { continue };
            let _denial = permit.refuse(Reason::AssetDown);
            if let Some(entry) = self.line.take_out(*id) {
                answered = true;
                self.answer(head(entry.frame.bytes()), Refusal::NoAnswer);
            }
        }
        answered
    }

    pub(super) fn send(&mut self, cx: &mut Context<'_>, ids: &[u16]) -> Result<(), SessionEvent> {
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
                Sent::Whole(receipt, _) => {
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
    pub(super) fn turn_away(&mut self, ids: &[u16], reason: Reason) {
        for id in ids {
            let Some(permit) = self.line.take_permit(*id) else { continue };
            let denial = permit.refuse(reason);
            if let Some(entry) = self.line.take_out(*id) {
                self.answer(head(entry.frame.bytes()), Refusal::Denied(denial.class()));
            }
        }
    }
}
