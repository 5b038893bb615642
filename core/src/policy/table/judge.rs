//! One frame against one table. Nothing here allocates or looks anything up by name.

use super::{Allow, Charge, NamedPoint, NeverWhat, Nevers, Row, Segment, Table, Touched};
use crate::access::{Access, Bank, Target, Values, Verb};
use crate::decision::{Decision, Effect, Keep, Reason};
use crate::moment::Moment;
use crate::names::RuleId;
use crate::policy::values::{Fit, Part};

/// Judges all accesses of one frame. They stand or fall together; the first denied one speaks.
pub fn decide(table: &Table, all_of: &[Access<'_>], _now: Moment) -> Decision {
    if let Some(reason) = table.refuse {
        return Decision::deny(reason);
    }
    let Some(asset) = &table.asset else {
        return Decision::deny(Reason::NoConduit);
    };
    if all_of.is_empty() {
        return Decision::deny(Reason::Malformed);
    }
    let mut sum = Sum::default();
    for access in all_of {
        if access.asset.is_some_and(|other| other != asset) {
            return Decision::deny(Reason::NoConduit);
        }
        if let Err((reason, rule)) = table.access(access, &mut sum) {
            return Decision { rule: rule.cloned(), ..Decision::deny(reason) };
        }
    }
    Decision {
        effect: Effect::Allow,
        reason: None,
        rule: sum.rule.cloned(),
        keep: sum.keep,
        waived: sum.firmness == Firmness::Waived,
        limited: sum.limited,
        doubtful: sum.doubtful,
    }
}

/// What the allowed accesses of a frame add up to.
#[derive(Default)]
struct Sum<'t> {
    rule: Option<&'t RuleId>,
    keep: Keep,
    limited: bool,
    doubtful: bool,
    firmness: Firmness,
    /// The write that follows has been allowed for all units of the bus.
    broadcast: bool,
}

/// What the writes and functions of a frame are, taken together.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Firmness {
    /// None so far.
    #[default]
    Reads,
    /// Safe and heartbeat values only.
    Waived,
    /// Something else as well.
    Firm,
}

type Denied<'t> = (Reason, Option<&'t RuleId>);

impl<'t> Sum<'t> {
    fn add(&mut self, allow: &'t Allow) {
        self.rule = self.rule.or(Some(&allow.rule));
        self.keep = self.keep.max(allow.keep);
    }

    /// Adds a right whose conditions count.
    fn row(&mut self, row: &'t Row) -> Result<(), Denied<'t>> {
        match &row.allow {
            Some(allow) => {
                self.add(allow);
                self.limited |= !row.limits.is_empty();
                self.doubtful |= row.doubtful;
                Ok(())
            }
            None => Err(row.denied()),
        }
    }
}

impl Row {
    fn denied(&self) -> Denied<'_> {
        self.fails.as_ref().map_or((Reason::NoRule, None), |(reason, rule)| (*reason, Some(rule)))
    }
}

impl Nevers {
    /// The first `never` that covers an access, or the part of a write from `first` to `last`.
    fn covers(&self, access: &Access<'_>, points: &[NamedPoint], part: Option<(u16, u16)>) -> Option<&RuleId> {
        let (code, asked) = match access.target {
            Target::Function { code, sub, .. } => (code, sub),
            Target::Registers { .. } => (access.function, None),
        };
        let named = self.codes.get(usize::from(code >> 6)).is_some_and(|word| word >> (code & 63) & 1 != 0);
        let written = part.filter(|_| self.writes && access.verb == Verb::Write);
        if !named && !self.everything && written.is_none() && access.verb != Verb::Broadcast {
            return None;
        }
        let covers = |what: &NeverWhat| match *what {
            NeverWhat::Everything => true,
            NeverWhat::Broadcast => access.verb == Verb::Broadcast,
            NeverWhat::Code { code: never, sub } => never == code && (sub.is_none() || sub == asked),
            NeverWhat::Write { point } => written.is_some_and(|(first, last)| {
                points.get(point).is_some_and(|named| named.overlaps(access.target.bank(), first, last))
            }),
        };
        self.list.iter().find(|(what, _)| covers(what)).map(|(_, rule)| rule)
    }
}

impl NamedPoint {
    pub(super) fn overlaps(&self, bank: Option<Bank>, first: u16, last: u16) -> bool {
        Some(self.point.bank) == bank && self.point.first <= last && first <= self.point.last
    }
}

impl Table {
    fn access<'t>(&'t self, access: &Access<'_>, sum: &mut Sum<'t>) -> Result<(), Denied<'t>> {
        match access.verb {
            Verb::Read => self.read(access, sum),
            Verb::Write => self.write(access, sum),
            Verb::Broadcast => self.broadcast(access, sum),
            Verb::Function => self.function(access, sum),
        }
    }

    fn read<'t>(&'t self, access: &Access<'_>, sum: &mut Sum<'t>) -> Result<(), Denied<'t>> {
        let Some(span) = Span::of(access) else {
            return Err((Reason::NoRule, None));
        };
        if self.ended && !self.keeps_reads {
            return Err((Reason::Ended, None));
        }
        let mut block = Parts::new(self.reads.bank(span.bank), span.first, span.last);
        while let Some(part) = block.next() {
            self.read_part(access, span, &part, sum)?;
        }
        Ok(())
    }

    /// One part of a read.
    fn read_part<'t>(
        &'t self,
        access: &Access<'_>,
        span: Span<'_>,
        part: &Block<'t>,
        sum: &mut Sum<'t>,
    ) -> Result<(), Denied<'t>> {
        if let Some(never) = self.never.covers(access, &self.points, None) {
            return Err((Reason::Never, Some(never)));
        }
        match part.segment {
            _ if !self.units.own(span.unit) => Err((Reason::NoRule, None)),
            Some(segment) => sum.row(&segment.row),
            // A gap between two points, where the profile reads over gaps.
            None if self.read_gaps && part.first > span.first && part.last < span.last => Ok(()),
            None => Err((Reason::NoRule, None)),
        }
    }

    fn write<'t>(&'t self, access: &Access<'_>, sum: &mut Sum<'t>) -> Result<(), Denied<'t>> {
        let Some(span) = Span::of(access) else {
            return Err((Reason::NoRule, None));
        };
        let everybody = self.units.broadcast && span.unit == 0 && sum.broadcast;
        sum.broadcast = false;
        let mut block = Parts::new(self.writes.bank(span.bank), span.first, span.last);
        while let Some(part) = block.next() {
            self.write_part(access, span, &part, everybody, sum)?;
        }
        Ok(())
    }

    /// One part of a write; `everybody` where it goes to all units of a bus and that is allowed.
    fn write_part<'t>(
        &'t self,
        access: &Access<'_>,
        span: Span<'_>,
        part: &Block<'t>,
        everybody: bool,
        sum: &mut Sum<'t>,
    ) -> Result<(), Denied<'t>> {
        let foreign = !everybody && !self.units.own(span.unit);
        let fit = part.segment.map(|segment| self.fit(segment, part, span.values, span.first));
        let waive = part.segment.filter(|_| fit == Some(Fit::Waived) && !foreign).and_then(|s| s.row.waive.as_ref());
        if self.ended && waive.is_none() {
            return Err((Reason::Ended, None));
        }
        if let Some(never) = self.never.covers(access, &self.points, Some((part.first, part.last))) {
            return Err((Reason::Never, Some(never)));
        }
        let Some(segment) = part.segment.filter(|_| !foreign) else {
            return Err((Reason::NoRule, None));
        };
        if let Some(allow) = waive {
            sum.add(allow);
            sum.firmness = sum.firmness.max(Firmness::Waived);
        } else if fit == Some(Fit::Outside) {
            let named = segment.row.named.as_ref();
            return Err(named.map_or((Reason::NoRule, None), |rule| (Reason::Range, Some(rule))));
        } else {
            sum.row(&segment.row)?;
            sum.firmness = Firmness::Firm;
        }
        Ok(())
    }

    fn broadcast<'t>(&'t self, access: &Access<'_>, sum: &mut Sum<'t>) -> Result<(), Denied<'t>> {
        let waive = self.broadcast.waive.as_ref().filter(|_| self.carries_waived(access));
        if self.ended && waive.is_none() {
            return Err((Reason::Ended, None));
        }
        if let Some(never) = self.never.covers(access, &self.points, None) {
            return Err((Reason::Never, Some(never)));
        }
        if !self.units.broadcast {
            return Err((Reason::NoRule, None));
        }
        if let Some(allow) = waive {
            sum.add(allow);
        } else {
            sum.row(&self.broadcast)?;
            sum.firmness = Firmness::Firm;
        }
        sum.broadcast = true;
        Ok(())
    }

    fn function<'t>(&'t self, access: &Access<'_>, sum: &mut Sum<'t>) -> Result<(), Denied<'t>> {
        let Target::Function { unit, code, sub } = access.target else {
            return Err((Reason::NoRule, None));
        };
        if self.ended {
            return Err((Reason::Ended, None));
        }
        if let Some(never) = self.never.covers(access, &self.points, None) {
            return Err((Reason::Never, Some(never)));
        }
        if !self.units.own(unit) {
            return Err((Reason::NoRule, None));
        }
        let exact = self.functions.binary_search_by(|row| (row.code, row.sub).cmp(&(code, sub)));
        let found = exact.or_else(|_| self.functions.binary_search_by(|row| (row.code, row.sub).cmp(&(code, None))));
        match found.ok().and_then(|at| self.functions.get(at)) {
            Some(found) => sum.row(&found.row)?,
            None => return Err((Reason::NoRule, None)),
        }
        sum.firmness = Firmness::Firm;
        Ok(())
    }

    /// What the point says to the part of a write that lies inside it.
    fn fit(&self, segment: &Segment, part: &Block<'_>, values: Values<'_>, first: u16) -> Fit {
        let Some(named) = self.points.get(segment.point) else {
            return Fit::Outside;
        };
        let skip = part.first.saturating_sub(first);
        named.point.fit(Part { values, skip, first: part.first, last: part.last })
    }

    /// True when the write that a broadcast carries is a safe or heartbeat value everywhere.
    fn carries_waived(&self, access: &Access<'_>) -> bool {
        let Target::Registers { bank, first, count, values, .. } = access.target else {
            return false;
        };
        let mut block = Parts::new(self.writes.bank(bank), first, first.saturating_add(count.get() - 1));
        std::iter::from_fn(|| block.next()).all(|part| {
            part.segment.is_some_and(|segment| {
                segment.row.waive.is_some() && self.fit(segment, &part, values, first) == Fit::Waived
            })
        })
    }
}

/// The addresses that one access means.
#[derive(Clone, Copy)]
pub(super) struct Span<'a> {
    pub(super) unit: u8,
    pub(super) bank: Bank,
    pub(super) first: u16,
    pub(super) last: u16,
    pub(super) values: Values<'a>,
}

impl<'a> Span<'a> {
    pub(super) const fn of(access: &Access<'a>) -> Option<Self> {
        match access.target {
            Target::Registers { unit, bank, first, count, values } => {
                Some(Self { unit, bank, first, last: first.saturating_add(count.get() - 1), values })
            }
            Target::Function { .. } => None,
        }
    }
}

/// One part of a request: inside one segment, or in a gap between segments.
struct Block<'t> {
    first: u16,
    last: u16,
    segment: Option<&'t Segment>,
}

/// The parts of a range, in the order of their addresses.
struct Parts<'t> {
    rest: &'t [Segment],
    /// The next address, 65536 when there is none.
    next: u32,
    last: u16,
}

impl<'t> Parts<'t> {
    fn new(segments: &'t [Segment], first: u16, last: u16) -> Self {
        let from = segments.partition_point(|segment| segment.last < first);
        Self { rest: segments.get(from..).unwrap_or_default(), next: u32::from(first), last }
    }

    fn next(&mut self) -> Option<Block<'t>> {
        let first = u16::try_from(self.next).ok().filter(|first| *first <= self.last)?;
        let block = match self.rest.split_first() {
            Some((segment, rest)) if segment.first <= first => {
                self.rest = rest;
                Block { first, last: segment.last.min(self.last), segment: Some(segment) }
            }
            Some((segment, _)) if segment.first <= self.last => {
                Block { first, last: segment.first.saturating_sub(1), segment: None }
            }
            Some(_) | None => Block { first, last: self.last, segment: None },
        };
        self.next = u32::from(block.last) + 1;
        Some(block)
    }
}

/// See [`Table::charges`].
pub(super) fn charges(table: &Table, accesses: &[Access<'_>]) -> Vec<Charge> {
    let (Some(asset), None) = (&table.asset, table.refuse) else {
        return Vec::new();
    };
    let mut all: Vec<Charge> = Vec::new();
    for access in accesses {
        let Target::Registers { bank, first, count, values, .. } = access.target else {
            continue;
        };
        let lanes = match access.verb {
            Verb::Read => &table.reads,
            Verb::Write => &table.writes,
            Verb::Broadcast | Verb::Function => continue,
        };
        let mut block = Parts::new(lanes.bank(bank), first, first.saturating_add(count.get() - 1));
        while let Some(part) = block.next() {
            let Some(segment) = part.segment.filter(|segment| !segment.row.limits.is_empty()) else {
                continue;
            };
            let waived = access.verb == Verb::Write
                && segment.row.waive.is_some()
                && table.fit(segment, &part, values, first) == Fit::Waived;
            let Some(named) = table.points.get(segment.point).filter(|_| !waived) else {
                continue;
            };
            let point = Touched { asset: asset.clone(), point: named.name.clone() };
            let alternatives = segment.row.limits.clone();
            let charge = Charge { point, alternatives };
            if !all.contains(&charge) {
                all.push(charge);
            }
        }
    }
    all
}

/// A part of a frame that the table refuses by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RefusedPart {
    /// Which access of the frame.
    pub(crate) access: usize,
    /// Its addresses, where it has some: a broadcast and a function have none.
    pub(crate) span: Option<(Bank, u16, u16)>,
    /// Why.
    pub(crate) reason: Reason,
    /// The rule that refused or came nearest.
    pub(crate) rule: Option<RuleId>,
}

/// Every part of a frame that is refused, where [`decide`] tells the first one only.
pub(crate) fn refused(table: &Table, all_of: &[Access<'_>]) -> Vec<RefusedPart> {
    let mut all = Vec::new();
    for (index, access) in all_of.iter().enumerate() {
        let span = Span::of(access).filter(|_| matches!(access.verb, Verb::Read | Verb::Write));
        let mut sum = Sum { broadcast: true, ..Sum::default() };
        let mut say = |span, (reason, rule): Denied<'_>| {
            all.push(RefusedPart { access: index, span, reason, rule: rule.cloned() });
        };
        let whole = span.map(|span| (span.bank, span.first, span.last));
        let foreign = access.asset.is_some_and(|other| table.asset.as_ref() != Some(other));
        if let Some(reason) = table.refuse.or((table.asset.is_none() || foreign).then_some(Reason::NoConduit)) {
            say(whole, (reason, None));
            continue;
        }
        let Some(span) = span else {
            if let Err(denied) = table.access(access, &mut sum) {
                say(None, denied);
            }
            continue;
        };
        if access.verb == Verb::Read && table.ended && !table.keeps_reads {
            say(whole, (Reason::Ended, None));
            continue;
        }
        // The broadcast that carries this write has spoken for itself.
        let carried = index.checked_sub(1).and_then(|before| all_of.get(before));
        let everybody = table.units.broadcast && span.unit == 0 && carried.is_some_and(|it| it.verb == Verb::Broadcast);
        let lanes = if access.verb == Verb::Read { &table.reads } else { &table.writes };
        let mut block = Parts::new(lanes.bank(span.bank), span.first, span.last);
        while let Some(part) = block.next() {
            let judged = match access.verb {
                Verb::Read => table.read_part(access, span, &part, &mut sum),
                Verb::Write | Verb::Broadcast | Verb::Function => {
                    table.write_part(access, span, &part, everybody, &mut sum)
                }
            };
            if let Err(denied) = judged {
                say(Some((span.bank, part.first, part.last)), denied);
            }
        }
    }
    all
}

/// The rule that allows an access, for an address where it has some.
pub(crate) fn allowing<'t>(table: &'t Table, access: &Access<'_>, at: Option<u16>) -> Option<&'t RuleId> {
    let row = match (access.target, access.verb) {
        (Target::Registers { .. }, Verb::Broadcast) => Some(&table.broadcast),
        (Target::Registers { bank, .. }, verb) => {
            let lanes = if verb == Verb::Read { &table.reads } else { &table.writes };
            let held = |segment: &&Segment| at.is_some_and(|at| segment.first <= at && at <= segment.last);
            lanes.bank(bank).iter().find(held).map(|segment| &segment.row)
        }
        (Target::Function { code, sub, .. }, _) => {
            let of = |wanted: Option<u16>| table.functions.iter().find(|row| (row.code, row.sub) == (code, wanted));
            of(sub).or_else(|| of(None)).map(|found| &found.row)
        }
    };
    let row = row?;
    row.allow.as_ref().or(row.waive.as_ref()).map(|allow| &allow.rule)
}
