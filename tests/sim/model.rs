//! What the checker knows: built from the events alone, with rules of its own (`policies.rs`) rather than the gateway's.

use std::collections::{BTreeMap, BTreeSet};

use super::check::{INVARIANTS, Violation};
use super::event::{Answer, Event, Order, Seen};
use super::log::{EPOCH, SHIFT_END, SHIFT_START};
use super::modbus::{Ask, Frame};
use super::policies::{MOVED, Opinion, Plc, Who, opinion};

/// How long the gateway may not notice that a hardware address has changed: it looks at frames, every ten seconds.
pub(crate) const NEIGHBOUR: u64 = 10_100;

/// How long a device that failed may be left alone after it is well again.
const LEFT_ALONE: u64 = 8_000;

/// The connection that a request was sent on: masters number their requests so.
pub(crate) fn connection(id: u16) -> u16 {
    id % 64 / 4
}

/// A request as its master sees it.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) who: Who,
    pub(crate) plc: Plc,
    pub(crate) frame: Frame,
    pub(crate) ask: Ask,
    /// When it was sent first.
    pub(crate) at: u64,
    pub(crate) times: u32,
    /// How often the gateway said that it forwards it, and how often the PLC got it.
    pub(crate) forwarded: u32,
    pub(crate) got: u32,
    /// Forwarded, and the PLC has not answered.
    pub(crate) pending: bool,
    pub(crate) late: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Model {
    /// Which requests had which id on a shared link, in the order in which they got it.
    renamed: BTreeMap<(Plc, u16), Vec<u16>>,
    /// The one promise that is checked, if not all are.
    only: Option<&'static str>,
    pub(crate) worlds: Vec<(u64, Seen)>,
    pub(crate) asked: BTreeMap<u16, Asked>,
    /// Subjects whose revocation was answered.
    pub(crate) revoked: BTreeSet<String>,
    pub(crate) orders: BTreeMap<u64, Order>,
    pub(crate) durable: u64,
    /// Writes that were answered and must be in the journal: who, first value; when it was asked for, and
    /// whether it must survive a power cut (`durable`) or a kill only (`written`).
    pub(crate) written: BTreeMap<(Who, u16), (u64, bool)>,
    pub(crate) holds: Vec<(&'static str, u64, u64)>,
    pub(crate) downs: Vec<(u64, u64)>,
    /// When a PLC did not behave.
    moods: Vec<(Plc, u64, u64)>,
    /// Connections that were answered and not closed since, by [`connection`]: when first, and how much that is malformed was
    /// sent on them.
    lines: BTreeMap<u16, (u64, u32, Who)>,
    /// When somebody else had the HMI's address.
    macs: Vec<(u64, u64)>,
    /// Limited writes of this life, and when it began.
    pub(crate) drawn: u64,
    pub(crate) up_since: u64,
    /// When the disk was in trouble.
    pub(crate) trouble: Vec<(u64, u64)>,
    clocks: Vec<(u64, i64)>,
    pub(crate) dark: bool,
    /// When the power went last.
    last_dark: Option<u64>,
    /// A power cut left half a line, and nothing was written behind it since.
    pub(crate) torn: bool,
}

impl Model {
    /// Knows nothing yet; checks every promise, or one only.
    pub(crate) fn new(only: Option<&'static str>) -> Self {
        Self { only, ..Self::default() }
    }

    /// The worlds in force between two moments.
    pub(crate) fn between(&self, from: u64, to: u64) -> impl Iterator<Item = &Seen> {
        let first = self.worlds.iter().rposition(|(at, _)| *at < from).unwrap_or(0);
        self.worlds[first..].iter().filter(move |(at, _)| *at <= to).map(|(_, world)| world)
    }

    /// What the model thinks of a request in a world.
    pub(crate) fn thinks(world: &Seen, asked: &Asked) -> Opinion {
        opinion(world.policy, asked.who, asked.plc, asked.frame.unit, &asked.ask)
    }

    /// True for a request that counts against a limit.
    pub(crate) fn is_limited(&self, id: u16) -> bool {
        let (Some(asked), Some((_, world))) = (self.asked.get(&id), self.worlds.last()) else { return false };
        Self::thinks(world, asked).limited
    }

    /// True when somebody else had the HMI's address without a break between two moments.
    pub(crate) fn mac_was_wrong(&self, from: u64, to: u64) -> bool {
        self.macs.iter().any(|(start, end)| *start < from && to < *end)
    }

    /// True when the gateway may hold the HMI for somebody else.
    pub(crate) fn mac_in_doubt(&self, who: Who, from: u64, to: u64) -> bool {
        who == Who::Hmi && self.macs.iter().any(|(start, end)| *start <= to && end.saturating_add(NEIGHBOUR) >= from)
    }

    /// True where the world lets everything through.
    pub(crate) fn observed(world: &Seen, plc: Plc) -> bool {
        plc == Plc::Drive && world.observe && world.policy != MOVED
    }

    pub(crate) fn is_revoked(world: &Seen, who: Who) -> bool {
        who.subject(world.policy).is_some_and(|name| world.revoked.iter().any(|revoked| revoked == name))
    }

    /// The wall clock of the gateway.
    pub(crate) fn wall(&self, at: u64) -> i64 {
        let by: i64 = self.clocks.iter().map(|(_, by)| by).sum();
        EPOCH + i64::try_from(at).unwrap() + by
    }

    /// True when the shift runs by the gateway's clock.
    pub(crate) fn on_shift(&self, at: u64) -> bool {
        (SHIFT_START..SHIFT_END).contains(&self.wall(at).rem_euclid(86_400_000))
    }

    /// True when a fault outside the gateway may have delayed an answer.
    pub(crate) fn excused(&self, who: Who, plc: Plc, from: u64, to: u64) -> bool {
        let overlaps = |start: u64, end: u64| start <= to && end.saturating_add(500) >= from;
        let held = |(name, start, end): &(&str, u64, u64)| {
            (*name == who.host() || *name == plc.host()) && overlaps(*start, *end)
        };
        self.holds.iter().any(held) || self.downs.iter().any(|(start, end)| overlaps(*start, *end))
    }

    /// True when the disk was stalled or full at some moment between two.
    pub(crate) fn troubled(&self, from: u64, to: u64) -> bool {
        self.trouble.iter().any(|(start, end)| *start <= to && end.saturating_add(500) >= from)
    }

    /// How long the disk has been full for a gateway that is up and whose disk answers.
    pub(crate) fn full_for(&self, at: u64) -> u64 {
        let Some((full, _)) = self.trouble.iter().find(|(_, end)| *end == u64::MAX) else { return 0 };
        let up = self.downs.last().map_or(0, |(_, end)| *end);
        let stalled = self.trouble.iter().map(|(_, end)| *end).filter(|end| *end < u64::MAX).max().unwrap_or(0);
        at.saturating_sub(up.max(stalled).max(*full))
    }

    /// True when a PLC did not behave, or was left alone because of that.
    pub(crate) fn device_in_doubt(&self, plc: Plc, from: u64, to: u64) -> bool {
        let overlaps =
            |(of, start, end): &(Plc, u64, u64)| *of == plc && *start <= to && end.saturating_add(LEFT_ALONE) >= from;
        self.moods.iter().any(overlaps)
    }

    /// The id that the master of a frame gave it. After a restart a shared link gives the same ids again.
    pub(crate) fn asked_as(&self, plc: Plc, frame: &Frame) -> u16 {
        let same = |id: &&u16| {
            let asked = self.asked.get(id);
            asked.is_some_and(|asked| asked.frame.unit == frame.unit && asked.frame.pdu == frame.pdu)
        };
        let known = self.renamed.get(&(plc, frame.id));
        known.and_then(|known| known.iter().rev().find(same)).copied().unwrap_or(frame.id)
    }

    /// True when the gateway that is up has answered on the connection of a request, and may not close it.
    pub(crate) fn is_proven(&self, id: u16) -> bool {
        self.lines.get(&connection(id)).is_some_and(|(since, odd, _)| *since > self.up_since && *odd < 3)
    }

    /// Checks one event against everything before it, then learns it.
    pub(crate) fn step(&mut self, at: u64, event: &Event) -> Option<Violation> {
        let broken = INVARIANTS.iter().find_map(|invariant| {
            if self.only.is_some_and(|only| only != invariant.id) {
                return None;
            }
            let why = (invariant.check)(self, at, event)?;
            Some(Violation { id: invariant.id, says: invariant.says, why, at })
        });
        self.learn(at, event);
        broken
    }

    fn learn(&mut self, at: u64, event: &Event) {
        match event {
            Event::Asked { frame, again: true, .. } => {
                if let Some(asked) = self.asked.get_mut(&frame.id) {
                    asked.times += 1;
                }
            }
            Event::Asked { who, plc, frame, again: false } => {
                let asked = Asked {
                    who: *who,
                    plc: *plc,
                    ask: Ask::of(&frame.pdu),
                    frame: frame.clone(),
                    at,
                    times: 1,
                    forwarded: 0,
                    got: 0,
                    pending: false,
                    late: false,
                };
                self.asked.insert(frame.id, asked);
            }
            Event::Answered { id, answer, .. } => self.answered(at, *id, *answer),
            Event::PlcGot { frame, .. } => {
                if let Some(asked) = self.asked.get_mut(&frame.id) {
                    asked.got += 1;
                }
            }
            Event::Closed { id, .. } | Event::GaveUp { id, .. } | Event::PlcSaid { id, .. } => {
                if !matches!(event, Event::PlcSaid { .. }) {
                    self.lines.remove(&connection(*id));
                }
                if let Some(asked) = self.asked.get_mut(id) {
                    asked.pending = false;
                }
            }
            Event::Forwarded { raw: false, id, late, .. } => {
                self.drawn += u64::from(self.is_limited(*id));
                if let Some(asked) = self.asked.get_mut(id) {
                    asked.forwarded += 1;
                    asked.pending = true;
                    asked.late |= late;
                }
            }
            Event::Renamed { plc, id, name } => self.renamed.entry((*plc, *name)).or_default().push(*id),
            Event::Ordered { id, order } => drop(self.orders.insert(*id, *order)),
            Event::OrderAnswered { id, order, subject, done } => {
                self.orders.remove(id);
                if matches!(order, Order::Revoke { .. }) && *done {
                    self.revoked.extend(subject.clone());
                }
            }
            Event::Durable { seq } => {
                self.durable = self.durable.max(*seq);
                self.torn = false;
            }
            Event::Reopened { records, writes, .. } => {
                self.durable = *records;
                if self.dark {
                    // What a power cut was allowed to take is gone.
                    self.written.retain(|write, (_, surely)| *surely || writes.0.contains(write));
                }
                self.dark = false;
            }
            Event::World(seen) => {
                // A revocation cuts, whatever the next policy calls the station.
                self.lines.retain(|_, (_, _, who)| !Self::is_revoked(seen, *who));
                self.worlds.push((at, seen.clone()));
            }
            other => self.learn_of_trouble(at, other),
        }
    }

    /// What excuses the gateway: crashes, faults of others, the clock.
    fn learn_of_trouble(&mut self, at: u64, event: &Event) {
        match event {
            Event::LinkHeld { host, until } => self.holds.push((host, at, *until)),
            Event::Crashed { dark } => {
                self.dark |= dark;
                self.torn |= dark;
                self.last_dark = if *dark { Some(at) } else { self.last_dark };
                self.downs.push((at, u64::MAX));
                self.asked.values_mut().for_each(|asked| asked.pending = false);
            }
            Event::Mood { plc, well: false } => self.moods.push((*plc, at, u64::MAX)),
            Event::Mood { plc, well: true } => {
                if let Some(open) = self.moods.iter_mut().find(|(of, _, end)| of == plc && *end == u64::MAX) {
                    open.2 = at;
                }
            }
            Event::Mac { wrong: true } => self.macs.push((at, u64::MAX)),
            Event::Mac { wrong: false } => {
                if let Some(last) = self.macs.last_mut() {
                    last.1 = at;
                }
            }
            Event::Stopping => self.downs.push((at, u64::MAX)),
            Event::Started => {
                (self.drawn, self.up_since) = (0, at);
                for down in self.downs.iter_mut().filter(|(_, end)| *end == u64::MAX) {
                    down.1 = at;
                }
            }
            Event::DiskStalled { until } => self.trouble.push((at, *until)),
            Event::DiskFull { full: true } => self.trouble.push((at, u64::MAX)),
            Event::DiskFull { full: false } => {
                if let Some(open) = self.trouble.iter_mut().find(|(_, end)| *end == u64::MAX) {
                    open.1 = at;
                }
            }
            Event::ClockSet { by } => self.clocks.push((at, *by)),
            _ => {}
        }
    }

    fn answered(&mut self, at: u64, id: u16, answer: Answer) {
        let Some(asked) = self.asked.get_mut(&id) else { return };
        asked.pending = false;
        let line = self.lines.entry(connection(id)).or_insert((at, 0, asked.who));
        line.1 += u32::from(asked.ask == Ask::Odd);
        let value = asked.ask.values().first().copied().unwrap_or(0);
        // Values that occur once in a run; a conduit that observes may be watched with records that are not waited for.
        if answer == Answer::Good && value > 1 && asked.plc == Plc::Filler && !asked.late {
            let surely = asked.who != Who::Office;
            // The answer may have been on its way when the power went that took the record.
            if surely || self.last_dark.is_none_or(|at| at < asked.at) {
                self.written.insert((asked.who, value), (asked.at, surely));
            }
        }
    }
}
