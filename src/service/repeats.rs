//! Law 7: masters write the same value again and again. The first write and every change are records; what repeats the last one
//! is counted, and one line says how often. One such memory for each session.

use std::collections::BTreeMap;

use bulkhead_core::access::{Access, Bank, Target, Values, Verb};
use bulkhead_core::decision::Keep;
use bulkhead_core::journal::record::{Event, Seq};
use smallvec::SmallVec;

use crate::ports::journal::Ticket;

/// Ranges that one session is remembered to write. A session that writes more is recorded in full.
const RANGES: usize = 64;

/// A written range: unit, bank, first, count.
pub(crate) type Range = (u8, Bank, u16, u16);

#[derive(Debug)]
struct Written {
    values: SmallVec<[u8; 16]>,
    ticket: Ticket,
    /// The record's number, once the record is known to be kept as surely as it has to be.
    seq: Option<Seq>,
    keep: Keep,
    count: u64,
}

/// What one session wrote last, range by range.
#[derive(Debug, Default)]
pub(crate) struct Repeats(BTreeMap<Range, Written>);

/// A write of plain values and nothing else: what may repeat.
pub(crate) fn plain_write<'a>(accesses: &[Access<'a>]) -> Option<(Range, Values<'a>)> {
    let [Access { verb: Verb::Write, target, .. }] = accesses else { return None };
    match *target {
        Target::Registers { unit, bank, first, count, values } => match values {
            Values::Registers(_) | Values::Coil(_) | Values::Coils(_) => {
                Some(((unit, bank, first, count.get()), values))
            }
            Values::None | Values::Mask { .. } => None,
        },
        Target::Function { .. } => None,
    }
}

/// Everything that a request writes; true where the wire says the values that will be there.
pub(crate) fn writes(accesses: &[Access<'_>]) -> SmallVec<[(Range, bool); 1]> {
    let written = accesses.iter().filter(|access| access.verb == Verb::Write);
    written
        .filter_map(|access| match access.target {
            Target::Registers { unit, bank, first, count, values } => {
                Some(((unit, bank, first, count.get()), !matches!(values, Values::None | Values::Mask { .. })))
            }
            Target::Function { .. } => None,
        })
        .collect()
}

fn bytes(values: Values<'_>) -> SmallVec<[u8; 16]> {
    match values {
        Values::Registers(bytes) | Values::Coils(bytes) => SmallVec::from_slice(bytes),
        Values::Coil(on) => SmallVec::from_slice(&[u8::from(on)]),
        Values::None | Values::Mask { .. } => SmallVec::new(),
    }
}

impl Repeats {
    /// Counts a write that repeats a recorded one, and names that record; none when it has to be recorded itself. `written` tells
    /// the number of a record that nobody waits for, once it is written.
    pub(crate) fn repeat_of(
        &mut self,
        range: Range,
        values: Values<'_>,
        written: impl FnOnce(Ticket) -> Option<Seq>,
    ) -> Option<Seq> {
        let known = self.0.get_mut(&range).filter(|known| known.values == bytes(values))?;
        if known.seq.is_none() && known.keep == Keep::Later {
            known.seq = written(known.ticket);
        }
        let seq = known.seq?;
        known.count += 1;
        Some(seq)
    }

    /// Remembers a write whose record is on its way; gives back what the last value of that range still has to say.
    pub(crate) fn wrote(&mut self, range: Range, values: Values<'_>, ticket: Ticket, keep: Keep) -> Option<Event> {
        let old = self.0.remove(&range);
        if self.0.len() < RANGES {
            self.0.insert(range, Written { values: bytes(values), ticket, seq: None, keep, count: 0 });
        }
        old.and_then(|written| written.last_word())
    }

    /// The record of a write is kept: repeats of it may be counted from now on.
    pub(crate) fn kept(&mut self, ticket: Ticket, seq: Seq) {
        if let Some(written) = self.0.values_mut().find(|written| written.ticket == ticket) {
            written.seq = Some(seq);
        }
    }

    /// A write did not happen: the next one is a first again.
    pub(crate) fn forget(&mut self, range: &Range) -> Option<Event> {
        self.0.remove(range).and_then(|written| written.last_word())
    }

    /// What is still to be said: at the end of a session, and each minute.
    pub(crate) fn flush(&mut self) -> Vec<Event> {
        let said = self.0.values_mut().filter(|written| written.count > 0);
        said.filter_map(|written| {
            written.seq.map(|like| Event::Repeated { like, count: std::mem::take(&mut written.count) })
        })
        .collect()
    }
}

impl Written {
    fn last_word(&self) -> Option<Event> {
        let like = self.seq.filter(|_| self.count > 0)?;
        Some(Event::Repeated { like, count: self.count })
    }
}
