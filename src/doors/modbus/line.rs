//! What one client has under way, in the order in which it asked, and which reply belongs to what.

use std::collections::VecDeque;
use std::time::Duration;

use bulkhead_core::moment::BootMs;
use bulkhead_core::wire::modbus::{FrameView, Matched, Request as Pdu};
use smallvec::SmallVec;

use super::classify::Frame;
use super::ms;
use crate::service::gate::{Hold, Permit, Receipt};

/// Requests remembered in `observe`, where nothing holds a client back.
const WATCHED: usize = 256;
/// Requests whose answer may still come although nobody waits for it. With more, the stream is in doubt.
const LATE: usize = 256;
/// How often one read is sent again while it is pending.
const COPIES: u8 = 4;

/// One request under way, or a refusal that waits for its turn.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) frame: Frame,
    due: BootMs,
    stage: Stage,
    /// How often it was sent.
    copies: u8,
}

#[derive(Debug)]
pub(super) enum Stage {
    /// Allowed, and its record must be on the disk first.
    Waiting(Hold<Frame>),
    /// Its record is on the way to the disk.
    Committing,
    /// May be sent.
    Ready(Permit<Frame>),
    /// The device has it.
    Sent(Receipt),
    /// The device has it, by way of `observe`: nothing of ours answers it. What was recorded waits for its outcome.
    Watched(Option<Receipt>),
    /// Refused: the answer waits behind what was asked before.
    Refused([u8; 9]),
}

/// How a frame stands to what is pending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pending {
    /// Its transaction id is free.
    No,
    /// The same bytes are pending: a master's retry.
    Repeated,
    /// Another request has this transaction id.
    Taken,
}

/// Whose reply it is.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "it lives for one match")]
pub(super) enum Owner {
    /// This request's; it is no longer pending.
    Of(Entry, Matched),
    /// A request's that was answered for the device already.
    Late,
    /// Nobody's.
    Foreign,
}

/// All requests of one client that are under way.
#[derive(Debug, Default)]
pub(super) struct Line {
    entries: VecDeque<Entry>,
    /// Requests that the device may still answer. Their transaction ids are not given to another request on the same link.
    late: VecDeque<Box<[u8]>>,
}

impl Line {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// True while something is to be committed or sent, or a refusal waits for its turn.
    pub(super) fn holds_back(&self) -> bool {
        self.entries.iter().any(|entry| match entry.stage {
            Stage::Waiting(_) | Stage::Committing | Stage::Ready(_) | Stage::Refused(_) => true,
            Stage::Sent(_) | Stage::Watched(_) => false,
        })
    }

    /// True while a reply or a commit is awaited: a refusal has to wait its turn.
    fn is_open(&self) -> bool {
        self.entries.iter().any(|entry| !matches!(entry.stage, Stage::Refused(_)))
    }

    pub(super) fn push(&mut self, frame: Frame, stage: Stage, now: BootMs, within: Duration) {
        let copies = u8::from(matches!(stage, Stage::Watched(_)));
        self.entries.push_back(Entry { frame, due: BootMs(now.0.saturating_add(ms(within))), stage, copies });
    }

    /// Queues a refusal behind what is pending; false when nothing is, so that it may go at once.
    pub(super) fn refuse_in_order(&mut self, frame: &Frame, answer: [u8; 9], now: BootMs) -> bool {
        let queue = self.is_open();
        if queue {
            self.push(frame.clone(), Stage::Refused(answer), now, Duration::MAX);
        }
        queue
    }

    /// The refusals whose turn has come.
    pub(super) fn next_refusal(&mut self) -> Option<[u8; 9]> {
        match self.entries.front().map(|entry| &entry.stage) {
            Some(Stage::Refused(answer)) => {
                let answer = *answer;
                self.entries.pop_front();
                Some(answer)
            }
            _ => None,
        }
    }

    /// Remembers a request that passed in `observe`.
    pub(super) fn watch(&mut self, frame: Frame, receipt: Option<Receipt>, now: BootMs, within: Duration) {
        let same = |entry: &Entry| matches!(entry.stage, Stage::Watched(_)) && entry.frame.id() == frame.id();
        self.entries.retain(|entry| !same(entry));
        if self.entries.len() >= WATCHED
            && let Some(oldest) = self.entries.iter().position(|entry| matches!(entry.stage, Stage::Watched(_)))
        {
            self.entries.remove(oldest);
        }
        self.push(frame, Stage::Watched(receipt), now, within);
    }

    /// What is pending under a transaction id, of our own doing.
    pub(super) fn open(&self, id: u16) -> Option<&Entry> {
        let ours = |entry: &&Entry| !matches!(entry.stage, Stage::Refused(_) | Stage::Watched(_));
        self.entries.iter().filter(ours).find(|entry| entry.frame.id() == id)
    }

    /// A master that asks again, under `enforce`, with the transaction id of something that passed in `observe` waits for the
    /// old answer no longer.
    pub(super) fn forget_watched(&mut self, id: u16) {
        while let Some(at) = self.watched(id) {
            self.retire(at);
        }
    }

    fn watched(&self, id: u16) -> Option<usize> {
        self.entries.iter().position(|entry| entry.frame.id() == id && matches!(entry.stage, Stage::Watched(_)))
    }

    /// Whether the transaction id of a frame is in use.
    pub(super) fn pending(&self, frame: &Frame) -> Pending {
        match self.open(frame.id()) {
            None => Pending::No,
            Some(entry) if entry.frame.bytes() == frame.bytes() => Pending::Repeated,
            Some(_) => Pending::Taken,
        }
    }

    /// Whether a repeat of a pending request may be sent again: only reads that the device has, and not for ever.
    pub(super) fn may_send_again(&self, frame: &Frame) -> bool {
        !frame.writes()
            && self.open(frame.id()).is_some_and(|entry| matches!(entry.stage, Stage::Sent(_)) && entry.copies < COPIES)
    }

    /// A pending read was judged again and may be sent again. Its first permit was used up; the first deadline stays.
    pub(super) fn again(&mut self, id: u16, permit: Permit<Frame>) {
        let mine = |entry: &&mut Entry| entry.frame.id() == id && matches!(entry.stage, Stage::Sent(_));
        if let Some(entry) = self.entries.iter_mut().find(mine) {
            entry.stage = Stage::Ready(permit);
        }
    }

    /// Whether the device may still answer another request with this transaction id: its answer could not be told from the
    /// answer to this one, and the link has to be a new one.
    pub(super) fn is_doubtful(&self, frame: &Frame) -> bool {
        self.late.len() >= LATE
            || self.late.iter().any(|late| late.get(..2) == frame.bytes().get(..2) && **late != *frame.bytes())
    }

    /// Everything that waits for the disk, with transaction ids, in order: one commit for all.
    pub(super) fn commit_next(&mut self) -> (Vec<u16>, Vec<Hold<Frame>>) {
        let (mut ids, mut holds) = (Vec::new(), Vec::new());
        for entry in &mut self.entries {
            if matches!(entry.stage, Stage::Waiting(_))
                && let Stage::Waiting(hold) = std::mem::replace(&mut entry.stage, Stage::Committing)
            {
                ids.push(entry.frame.id());
                holds.push(hold);
            }
        }
        (ids, holds)
    }

    /// A record is on the disk: the request may be sent. One that was answered meanwhile is not.
    pub(super) fn committed(&mut self, id: u16, permit: Permit<Frame>) {
        if let Some(entry) = self.committing(id) {
            entry.stage = Stage::Ready(permit);
        }
    }

    fn committing(&mut self, id: u16) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.frame.id() == id && matches!(entry.stage, Stage::Committing))
    }

    /// Takes a request out whose commit failed, or whose permit was not used.
    pub(super) fn take_out(&mut self, id: u16) -> Option<Entry> {
        let mine = |entry: &Entry| entry.frame.id() == id && matches!(entry.stage, Stage::Committing);
        let at = self.entries.iter().position(mine)?;
        self.retire(at)
    }

    /// Takes one out; what the device may still say to it is remembered.
    fn retire(&mut self, at: usize) -> Option<Entry> {
        let entry = self.entries.remove(at)?;
        self.remember_late(&entry, entry.copies);
        Some(entry)
    }

    /// The transaction ids of all requests that may be sent now, in the order of sending. Writes keep their order; a read does
    /// not stand behind a write's disk; nothing comes between the halves of a frame. With `one`, nothing is sent while the
    /// device has something to answer.
    pub(super) fn ready(&self, one: bool) -> SmallVec<[u16; 16]> {
        let mut all = SmallVec::new();
        let mut writes_wait = false;
        for entry in &self.entries {
            match entry.stage {
                Stage::Waiting(_) | Stage::Committing => {
                    if entry.frame.is_begun() {
                        break;
                    }
                    writes_wait = true;
                }
                Stage::Ready(_) if !(writes_wait && entry.frame.writes()) => all.push(entry.frame.id()),
                Stage::Ready(_) | Stage::Sent(_) | Stage::Watched(_) | Stage::Refused(_) => {}
            }
        }
        if one {
            all.truncate(usize::from(!self.awaits_reply()));
        }
        all
    }

    /// Puts the first way to safe in front of the reads before it; false where there is none, or a write stands before it, which
    /// it must not overtake.
    pub(super) fn hurry(&self, ids: &mut [u16]) -> bool {
        let entry = |id: &u16| self.open(*id);
        let Some(at) = ids.iter().position(|id| entry(id).is_some_and(Entry::is_safe)) else { return false };
        let Some(front) = ids.get_mut(..=at) else { return false };
        if front.iter().take(at).any(|id| entry(id).is_none_or(|entry| entry.frame.writes())) {
            return false;
        }
        front.rotate_right(1);
        true
    }

    /// How many requests are allowed and not sent yet.
    pub(super) fn unsent(&self) -> usize {
        let waits = |entry: &&Entry| matches!(entry.stage, Stage::Waiting(_) | Stage::Committing | Stage::Ready(_));
        self.entries.iter().filter(waits).count()
    }

    /// Whether the device waits for the rest of a frame.
    pub(super) fn is_begun(&self) -> bool {
        self.entries.iter().any(|entry| entry.copies == 0 && entry.frame.is_begun())
    }

    /// The link is another one, and nothing is under way: no late answer can come any more.
    pub(super) fn forget_late(&mut self) {
        self.late.clear();
    }

    /// Takes out a request that the device has and will not answer.
    pub(super) fn given_up(&mut self, id: u16) -> Option<Entry> {
        let mine = |entry: &Entry| entry.frame.id() == id && entry.copies > 0 && entry.is_ours();
        let at = self.entries.iter().position(mine)?;
        self.entries.remove(at)
    }

    /// Whether the device has something to answer.
    pub(super) fn awaits_reply(&self) -> bool {
        self.entries.iter().any(|entry| entry.copies > 0)
    }

    /// The permit of a ready request, which stays in line until it is known what became of it.
    pub(super) fn take_permit(&mut self, id: u16) -> Option<Permit<Frame>> {
        let mine = |entry: &&mut Entry| entry.frame.id() == id && matches!(entry.stage, Stage::Ready(_));
        let entry = self.entries.iter_mut().find(mine)?;
        match std::mem::replace(&mut entry.stage, Stage::Committing) {
            Stage::Ready(permit) => Some(permit),
            Stage::Waiting(_) | Stage::Committing | Stage::Sent(_) | Stage::Watched(_) | Stage::Refused(_) => None,
        }
    }

    /// The device has it.
    pub(super) fn sent(&mut self, id: u16, receipt: Receipt) {
        if let Some(entry) = self.committing(id) {
            entry.stage = Stage::Sent(receipt);
            entry.copies = entry.copies.saturating_add(1);
        }
    }

    fn remember_late(&mut self, entry: &Entry, answers: u8) {
        for _ in 0..answers {
            self.late.push_back(entry.frame.bytes().into());
        }
        self.late.truncate(LATE);
    }

    /// Finds the request that a whole reply frame answers. `echoes` is false for a device that makes up transaction ids: its
    /// replies belong to the oldest request, and no second one is sent before it.
    pub(super) fn owner(&mut self, reply: &[u8], echoes: bool) -> Owner {
        let Some(view) = FrameView::of(reply) else { return Owner::Foreign };
        let answers = |request: &[u8]| {
            let asked = FrameView::of(request)?;
            let same = asked.unit == view.unit && (!echoes || asked.id == view.id);
            let matched = Pdu::decode(asked.pdu).ok()?.matches(view.pdu);
            (same && matched != Matched::Foreign).then_some(matched)
        };
        for at in 0..self.entries.len() {
            let Some(entry) = self.entries.get(at) else { break };
            let sent = match entry.stage {
                Stage::Sent(_) | Stage::Watched(_) => true,
                // A copy of a read is about to follow the first one.
                Stage::Ready(_) => entry.copies > 0,
                Stage::Waiting(_) | Stage::Committing | Stage::Refused(_) => false,
            };
            if sent && let Some(matched) = answers(entry.frame.bytes()) {
                let Some(entry) = self.entries.remove(at) else { break };
                self.remember_late(&entry, entry.copies.saturating_sub(1));
                return Owner::Of(entry, matched);
            }
        }
        match self.late.iter().position(|late| answers(late).is_some()) {
            Some(at) => {
                self.late.remove(at);
                Owner::Late
            }
            None => Owner::Foreign,
        }
    }

    /// The first deadline of anything pending.
    pub(super) fn due(&self) -> Option<BootMs> {
        self.entries.iter().filter(|entry| !matches!(entry.stage, Stage::Refused(_))).map(|entry| entry.due).min()
    }

    /// Takes out a request whose time is over.
    pub(super) fn expired(&mut self, now: BootMs) -> Option<Entry> {
        let over = |entry: &Entry| entry.due <= now && !matches!(entry.stage, Stage::Refused(_));
        let at = self.entries.iter().position(over)?;
        self.retire(at)
    }

    /// The link is gone: what the device had is taken out, one by one; no late answer can come any more.
    pub(super) fn lost(&mut self) -> Option<Entry> {
        self.late.clear();
        let at = self.entries.iter().position(|entry| entry.copies > 0 || entry.frame.is_begun())?;
        self.entries.remove(at)
    }
}

impl Entry {
    /// Whether somebody of ours has to answer it.
    pub(super) fn is_ours(&self) -> bool {
        !matches!(self.stage, Stage::Watched(_))
    }

    /// Whether it may be sent.
    pub(super) fn may_go(&self) -> bool {
        matches!(self.stage, Stage::Ready(_))
    }

    /// Whether it is a way to safe that may be sent.
    pub(super) fn is_safe(&self) -> bool {
        matches!(&self.stage, Stage::Ready(permit) if permit.is_safe())
    }

    /// Whether the device has it, or a part of it.
    pub(super) fn was_sent(&self) -> bool {
        self.copies > 0 || self.frame.is_begun()
    }

    /// What is to be settled: the receipt of what was sent, the permit of what was not.
    pub(super) fn into_stage(self) -> Stage {
        self.stage
    }
}
