//! The parts of one request about which two policies disagree, with the points that they touch.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::{Judged, Request, Side, Turn};
use crate::access::{Access, Bank, Target, Values, Verb};
use crate::names::{PointName, RuleId};
use crate::policy::diff::rights::word;
use crate::policy::model::Point;
use crate::policy::show::BankWord;
use crate::policy::table::{Charge, RefusedPart, Table, allowing, refused as refused_parts};
use crate::policy::values::Part;

/// Values of a sample that are shown.
const SHOWN: usize = 4;

/// Consecutive addresses of a bank.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Range {
    bank: Bank,
    first: u16,
    last: u16,
}

impl Range {
    /// The smallest range that holds both; they are of one point or equal, so of one bank.
    pub(super) fn hull(self, other: Self) -> Self {
        if self.bank != other.bank {
            return self;
        }
        Self { bank: self.bank, first: self.first.min(other.first), last: self.last.max(other.last) }
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bank = BankWord(self.bank);
        if self.first == self.last {
            write!(f, "{bank} {}", self.first)
        } else {
            write!(f, "{bank} {}-{}", self.first, self.last)
        }
    }
}

/// The rule and the limit of one point.
type Terms = (Option<RuleId>, String);

/// One part.
pub(super) struct Piece {
    pub(super) turn: Turn,
    pub(super) verb: String,
    pub(super) point: Option<PointName>,
    pub(super) range: Option<Range>,
    pub(super) before: Side,
    pub(super) after: Side,
    pub(super) sample: Option<String>,
}

/// The parts that `refusing` refuses of what `allows` allows as a whole.
pub(super) fn refused(request: &Request<'_>, turn: Turn, allows: Judged<'_>, refusing: Judged<'_>) -> Vec<Piece> {
    let (allow, refuse) = (&*allows.standing.table, &*refusing.standing.table);
    let mut parts = refused_parts(refuse, request.accesses);
    if parts.is_empty() {
        // Refused as a whole only: the first access speaks for it.
        let span = request.accesses.first().and_then(span_of);
        let reason = refusing.decision.reason.unwrap_or(crate::decision::Reason::NoRule);
        parts.push(RefusedPart { access: 0, span, reason, rule: refusing.decision.rule.clone() });
    }
    let mut all = Vec::new();
    for part in parts {
        let Some(access) = request.accesses.get(part.access) else { continue };
        let no = Side { reason: Some(part.reason), rule: part.rule.clone(), ..Side::default() };
        let sides = |at: Option<u16>| {
            let rule = allowing(allow, access, at).or(allows.decision.rule.as_ref()).cloned();
            let yes = Side { rule, ..Side::default() };
            match turn {
                Turn::Lost | Turn::Terms => (yes, no.clone()),
                Turn::Gained => (no.clone(), yes),
            }
        };
        let Some((bank, first, last)) = part.span else {
            let (before, after) = sides(None);
            all.push(Piece { turn, verb: verb(access), point: None, range: None, before, after, sample: None });
            continue;
        };
        // By the newer name where there is one.
        let names = if turn == Turn::Lost { [refuse, allow] } else { [allow, refuse] };
        for (range, named) in cut(names, Range { bank, first, last }) {
            let (before, after) = sides(Some(range.first));
            let sample = sample(access, range, named.map(|(_, point)| point));
            let point = named.map(|(name, _)| name.clone());
            all.push(Piece { turn, verb: verb(access), point, range: Some(range), before, after, sample });
        }
    }
    all
}

/// The points of an allowed request that are counted against another limit.
pub(super) fn limits(request: &Request<'_>, before: Judged<'_>, after: Judged<'_>) -> Vec<Piece> {
    let of = |side: Judged<'_>| -> BTreeMap<PointName, Terms> {
        let charges = side.standing.table.charges(request.accesses, crate::moment::Moment::default());
        charges.into_iter().map(|charge| (charge.point.point.clone(), terms(&charge))).collect()
    };
    let (was, is) = (of(before), of(after));
    let mut all = Vec::new();
    for access in request.accesses {
        let Some((bank, first, last)) = span_of(access) else { continue };
        let names = [&*after.standing.table, &*before.standing.table];
        for (range, named) in cut(names, Range { bank, first, last }) {
            let Some((name, point)) = named else { continue };
            let old = before.standing.table.points_in(bank, range.first, range.last).next().map(|(name, _)| name);
            let new = after.standing.table.points_in(bank, range.first, range.last).next().map(|(name, _)| name);
            let find =
                |of: &BTreeMap<PointName, Terms>, name: Option<&PointName>| name.and_then(|name| of.get(name).cloned());
            let (old, new) = (find(&was, old), find(&is, new));
            if old.as_ref().map(|(_, limit)| limit) == new.as_ref().map(|(_, limit)| limit) {
                continue;
            }
            let side = |found: Option<Terms>| {
                let (rule, limit) = found.unwrap_or((None, "no limit".to_owned()));
                Side { rule, limit: Some(limit), ..Side::default() }
            };
            let sample = sample(access, range, Some(point));
            all.push(Piece {
                turn: Turn::Terms,
                verb: verb(access),
                point: Some(name.clone()),
                range: Some(range),
                before: side(old),
                after: side(new),
                sample,
            });
        }
    }
    all
}

fn terms(charge: &Charge) -> Terms {
    let rule = charge.alternatives.first().map(|(rule, _)| rule.clone());
    // Equal limits of several rules draw from one bucket.
    let limits: BTreeSet<String> = charge.alternatives.iter().map(|(_, limit)| limit.to_string()).collect();
    (rule, Vec::from_iter(limits).join(" | "))
}

fn span_of(access: &Access<'_>) -> Option<(Bank, u16, u16)> {
    match (access.target, access.verb) {
        (Target::Registers { bank, first, count, .. }, Verb::Read | Verb::Write) => {
            Some((bank, first, first.saturating_add(count.get() - 1)))
        }
        (Target::Registers { .. }, Verb::Broadcast | Verb::Function) | (Target::Function { .. }, _) => None,
    }
}

fn verb(access: &Access<'_>) -> String {
    match (access.verb, access.target) {
        (Verb::Read, _) => "read".to_owned(),
        (Verb::Write, _) => "write".to_owned(),
        (Verb::Broadcast, _) => "broadcast".to_owned(),
        (Verb::Function, Target::Function { code, sub, .. }) => word((code, sub)).to_string(),
        (Verb::Function, Target::Registers { .. }) => word((access.function, None)).to_string(),
    }
}

type Named<'t> = Option<(&'t PointName, &'t Point)>;

/// Cuts a range at the points of the first table that knows one there, then at those of the second.
fn cut([newer, older]: [&Table; 2], range: Range) -> Vec<(Range, Named<'_>)> {
    let mut all = Vec::new();
    for (part, named) in cut_by(newer, range) {
        match named {
            Some(_) => all.push((part, named)),
            None => all.extend(cut_by(older, part)),
        }
    }
    all
}

fn cut_by(table: &Table, range: Range) -> Vec<(Range, Named<'_>)> {
    let mut all = Vec::new();
    let mut next = u32::from(range.first);
    let end = u32::from(range.last) + 1;
    let narrow = |at: u32| u16::try_from(at).unwrap_or(u16::MAX);
    let part = |from: u32, to: u32| Range { bank: range.bank, first: narrow(from), last: narrow(to.saturating_sub(1)) };
    for (name, point) in table.points_in(range.bank, range.first, range.last) {
        let (from, to) = (u32::from(point.first).max(next), (u32::from(point.last) + 1).min(end));
        if to <= from {
            // Wholly inside one that came before: points that are read may overlap.
            continue;
        }
        if from > next {
            all.push((part(next, from), None));
        }
        all.push((part(from, to), Some((name, point))));
        next = to;
    }
    if next < end {
        all.push((part(next, end), None));
    }
    all
}

/// `900`, `1, 2, 3, 4 ..`, or nothing where nothing is written or the values are not known.
fn sample(access: &Access<'_>, range: Range, point: Option<&Point>) -> Option<String> {
    let Target::Registers { first, values, .. } = access.target else { return None };
    if values == Values::None || access.verb != Verb::Write {
        return None;
    }
    let untyped = Point {
        bank: range.bank,
        first: range.first,
        last: range.last,
        number: None,
        order: crate::policy::model::WordOrder::default(),
        values: None,
        safe: None,
        heartbeat: false,
        place: crate::policy::problem::Place::default(),
    };
    let part = Part { values, skip: range.first.saturating_sub(first), first: range.first, last: range.last };
    let numbers = point.unwrap_or(&untyped).numbers(part);
    let shown: Vec<String> = numbers.iter().take(SHOWN).map(ToString::to_string).collect();
    let rest = if numbers.len() > SHOWN { " .." } else { "" };
    (!shown.is_empty()).then(|| format!("{}{rest}", shown.join(", ")))
}
