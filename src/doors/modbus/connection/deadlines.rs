//! Time: the answer's, the frame's, the reader's.

use std::future::Future;
use std::task::Context;
use std::time::Duration;

use bulkhead_core::decision::Reason;
use bulkhead_core::journal::record::{Outcome, SessionEvent};
use bulkhead_core::moment::BootMs;
use bulkhead_core::policy::model::Mode;
use bulkhead_core::wire::modbus::HEADER;

use super::super::classify::head;
use super::super::line::Stage;
use super::super::reply::Refusal;
use super::super::{FRAME_WITHIN, HEADER_WITHIN, UNREAD, ms};
use super::Connection;

impl Connection {
    /// The timer is armed for the first deadline and not moved back when that one is met in time: it is touched about once per
    /// deadline, not once per request.
    pub(super) fn keep_deadlines(&mut self, cx: &mut Context<'_>, now: BootMs) -> Result<bool, SessionEvent> {
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

    pub(super) fn first_deadline(&self) -> Option<BootMs> {
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
    pub(super) fn frame_due(&self) -> Option<BootMs> {
        let waits_for_us = self.mode == Mode::Observe || self.inbox_holds_frame();
        let begun = self.begun.filter(|_| !waits_for_us)?;
        let header = self.inbox.bytes().len() < HEADER;
        Some(BootMs(begun.0.saturating_add(ms(if header { HEADER_WITHIN } else { FRAME_WITHIN }))))
    }

    pub(super) fn expire(&mut self, now: BootMs) -> Result<bool, SessionEvent> {
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
                Stage::Watched(_) | Stage::Refused(_) => continue,
            };
            self.answer(about, why);
            if sent && self.south.expired(about.id, &self.asset) {
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
