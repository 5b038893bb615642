//! What is under way on a shared link, and whose a reply is. Transaction ids on the link are the bus's own, one for each request,
//! so that five masters with one id each are five requests. There is no third answer between a request's reply and doubt.

use std::collections::VecDeque;

use bulkhead_core::moment::BootMs;
use bulkhead_core::wire::modbus::{FrameView, Matched, Request as Pdu};

use super::super::classify::{Frame, head};

/// Requests whose answer may still come although nobody waits for it. With more the link is opened anew.
const LATE: usize = 256;

/// Set in every transaction id of the bus's own.
const OURS: u16 = 0x8000;

/// One request that the device has.
#[derive(Debug)]
pub(super) struct Asked {
    /// Its transaction id on the link.
    pub(super) name: u16,
    /// The connection that waits for it; none once it is gone.
    pub(super) owner: Option<u64>,
    pub(super) frame: Frame,
    pub(super) sent: BootMs,
    /// When nobody waits for the answer any more.
    pub(super) until: BootMs,
    /// Behind it is no bus but one device, which may call itself 0, 255 or by its own unit.
    pub(super) direct: bool,
}

impl Asked {
    /// The client's own transaction id.
    pub(super) fn id(&self) -> u16 {
        self.frame.id()
    }

    pub(super) fn unit(&self) -> u8 {
        head(self.frame.bytes()).unit
    }

    /// Whether it is for all units of a bus: mostly none answers.
    pub(super) fn is_broadcast(&self) -> bool {
        self.unit() == 0 && !self.direct
    }

    /// How `reply` answers it; none when it does not.
    fn answer(&self, reply: &FrameView<'_>, by_name: bool) -> Option<Matched> {
        let itself = |unit: u8| matches!(unit, 0 | 255);
        let same_unit = reply.unit == self.unit() || self.direct && (itself(reply.unit) || itself(self.unit()));
        if by_name && reply.id != self.name || !same_unit {
            return None;
        }
        let matched = self.frame.pdu()?.matches(reply.pdu);
        (matched != Matched::Foreign).then_some(matched)
    }
}

/// Whose a reply is.
#[derive(Debug)]
pub(super) enum Whose {
    /// Of this request, which is no longer under way.
    Of(Asked, Matched),
    /// Of a request that was answered for the device already; of this unit.
    Late(u8),
    /// Of nobody that we know: the stream is in doubt. Whose request it would have been, by its id.
    Doubt(Option<u64>),
}

/// All that is under way.
#[derive(Debug, Default)]
pub(super) struct Wire {
    asked: Vec<Asked>,
    late: VecDeque<(u16, u8, Box<[u8]>)>,
    name: u16,
    /// The device has echoed an id on this link: it does so always, or it has lost count.
    echoes: bool,
}

impl Wire {
    /// A transaction id that nothing on the link has. Its high bit is set, so that who looks at the wire can tell a shared link's
    /// ids from those of most masters, which count from zero.
    pub(super) fn fresh(&mut self) -> u16 {
        loop {
            self.name = self.name.wrapping_add(1) | OURS;
            let taken = self.asked.iter().any(|one| one.name == self.name)
                || self.late.iter().any(|(name, ..)| *name == self.name);
            // INVARIANT: fewer than 32,768 are under way or late, so that this ends.
            if !taken {
                return self.name;
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.asked.len()
    }

    pub(super) fn push(&mut self, asked: Asked) {
        self.asked.push(asked);
    }

    /// Whose a whole reply frame is. Without `by_name` the device may make up transaction ids, and one request at most is under
    /// way; once it has echoed one it is held to that, so that a second answer to one request is not taken for the next one's.
    pub(super) fn whose(&mut self, reply: &[u8], by_name: bool) -> Whose {
        let Some(view) = FrameView::of(reply) else { return Whose::Doubt(None) };
        let by_name = by_name || self.echoes;
        let found = self.asked.iter().position(|one| !by_name || one.name == view.id);
        if let Some(at) = found {
            let answer = self.asked.get(at).and_then(|one| one.answer(&view, by_name));
            return match answer {
                Some(matched) => {
                    let asked = self.asked.remove(at);
                    self.echoes |= asked.name == view.id;
                    Whose::Of(asked, matched)
                }
                None => Whose::Doubt(self.asked.get(at).and_then(|one| one.owner)),
            };
        }
        let late = |(name, _, bytes): &(u16, u8, Box<[u8]>)| {
            let same = |asked: FrameView<'_>| {
                let matched = Pdu::decode(asked.pdu).map(|pdu| pdu.matches(view.pdu));
                asked.unit == view.unit && matched.is_ok_and(|matched| matched != Matched::Foreign)
            };
            by_name && *name == view.id && FrameView::of(bytes).is_some_and(same)
        };
        match self.late.iter().position(late).and_then(|at| self.late.remove(at)) {
            Some((_, unit, _)) => Whose::Late(unit),
            None => Whose::Doubt(None),
        }
    }

    /// The request that was sent after another one, with its connection. The planted mistake of the simulated plant asks for it.
    pub(super) fn next_owner(&self) -> Option<(u64, u16)> {
        self.asked.iter().find_map(|one| Some((one.owner?, one.id())))
    }

    /// A connection waits for a request no longer: what the device still says to it is awaited and swallowed.
    pub(super) fn disown_one(&mut self, owner: u64, id: u16) {
        let mine = |one: &&mut Asked| one.owner == Some(owner) && one.id() == id;
        self.asked.iter_mut().filter(mine).for_each(|one| one.owner = None);
    }

    /// The connection is gone, or waits for nothing any more: its answers are awaited and swallowed.
    pub(super) fn disown(&mut self, owner: u64) {
        self.asked.iter_mut().filter(|one| one.owner == Some(owner)).for_each(|one| one.owner = None);
    }

    /// Takes out a request whose time is over.
    pub(super) fn expired(&mut self, now: BootMs) -> Option<Asked> {
        let at = self.asked.iter().position(|one| one.until <= now)?;
        Some(self.asked.remove(at))
    }

    /// The first moment at which the time of a request is over.
    pub(super) fn due(&self) -> Option<BootMs> {
        self.asked.iter().map(|one| one.until).min()
    }

    /// The answer of a request may still come; false when there are too many of these to tell anything.
    pub(super) fn remember_late(&mut self, asked: &Asked) -> bool {
        self.late.push_back((asked.name, asked.unit(), asked.frame.bytes().into()));
        self.late.len() < LATE
    }

    /// The link is gone: nothing of it can be answered any more.
    pub(super) fn lost(&mut self) -> Vec<Asked> {
        self.late.clear();
        self.echoes = false;
        std::mem::take(&mut self.asked)
    }
}

#[cfg(test)]
mod tests;
