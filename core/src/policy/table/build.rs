//! From candidate rules to a table.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::{Allow, ConduitSettings, FunctionRow, Lanes, NamedPoint, NeverWhat, Nevers, Row, Segment, Table, Units};
use crate::access::Bank;
use crate::decision::{Keep, Reason};
use crate::names::{AssetId, ConduitId, PointName};
use crate::policy::Policy;
use crate::policy::conditions::Truth;
use crate::policy::model::{
    Asset, Can, Conduit, Detail, Forbidden, Function, Limit, LimitOf, Mode, Profile, RecordKind, Rule, UnitZero,
};

/// All that goes into a table besides the policy: two sessions with the same plan share it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Plan {
    pub(super) asset: AssetId,
    pub(super) conduits: Vec<ConduitId>,
    pub(super) refuse: Option<Reason>,
    pub(super) ended: bool,
    pub(super) keeps_reads: bool,
    pub(super) candidates: Vec<Candidate>,
}

/// A rule that is for one of the subject's roles and on the asset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Candidate {
    /// Index into the plan's conduits.
    pub(crate) conduit: usize,
    /// Index into the conduit's rules.
    pub(crate) rule: usize,
    /// Whether it allows reads.
    pub(crate) read: Truth,
    /// Whether it allows everything else; `None` where only the roles that a panel keeps match.
    pub(crate) full: Option<Truth>,
    /// The site approval is there, or none is asked for: all that a safe value still needs.
    pub(crate) approved: bool,
}

/// A candidate with what it stands for.
struct Ready<'p> {
    candidate: Candidate,
    conduit: &'p Conduit,
    rule: &'p Rule,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Right {
    Read,
    Write,
    Other,
    Identify,
}

impl Plan {
    pub(super) fn build(&self, policy: &Policy) -> Table {
        let conduits: Vec<(&ConduitId, &Conduit)> =
            self.conduits.iter().filter_map(|id| policy.conduits.get_key_value(id)).collect();
        let settings = conduits.iter().map(|(id, conduit)| settings(id, conduit)).collect();
        let known = policy.assets.get(&self.asset);
        let (Some(asset), None) = (known, self.refuse) else {
            // What nobody may do is named all the same: the record of a refusal says which point was meant.
            let points = known.map_or_else(Vec::new, points);
            let refuse = Some(self.refuse.unwrap_or(Reason::NoConduit));
            return Table { asset: Some(self.asset.clone()), conduits: settings, refuse, points, ..Table::default() };
        };
        let ready: Vec<Ready<'_>> = self
            .candidates
            .iter()
            .filter_map(|candidate| {
                let (_, conduit) = conduits.get(candidate.conduit)?;
                Some(Ready { candidate: *candidate, conduit, rule: conduit.allow.get(candidate.rule)? })
            })
            .collect();
        let points = points(asset);
        let named = Named::of(&ready);
        let of = |rules: &BTreeMap<&PointName, Vec<&Ready<'_>>>, right, name: &PointName| {
            rules.get(name).map_or_else(Row::default, |rules| row(rules.iter().copied(), right))
        };
        Table {
            conduits: settings,
            asset: Some(self.asset.clone()),
            refuse: None,
            ended: self.ended,
            keeps_reads: self.keeps_reads,
            units: units(asset),
            read_gaps: asset.profile.read_gaps,
            reads: lanes(&points, |name| of(&named.reads, Right::Read, name)),
            writes: lanes(&points, |name| of(&named.writes, Right::Write, name)),
            broadcast: row(having(&ready, |can| *can == Can::Broadcast), Right::Other),
            functions: functions(&ready, &asset.profile),
            never: nevers(policy, &self.asset, asset, &points),
            points,
        }
    }
}

fn settings(id: &ConduitId, conduit: &Conduit) -> ConduitSettings {
    ConduitSettings {
        id: id.clone(),
        mode: conduit.mode,
        record: conduit.record,
        on_stall: conduit.on_stall,
        detail: conduit.detail,
    }
}

fn points(asset: &Asset) -> Vec<NamedPoint> {
    let mut points: Vec<NamedPoint> =
        asset.points.iter().map(|(name, point)| NamedPoint { name: name.clone(), point: point.clone() }).collect();
    points.sort_by_key(|named| (named.point.bank, named.point.first, named.point.last));
    points
}

fn units(asset: &Asset) -> Units {
    let mut units = Units { broadcast: asset.profile.unit_zero == UnitZero::Broadcast, ..Units::default() };
    asset.units.iter().for_each(|unit| units.add(*unit));
    if asset.profile.unit_zero == UnitZero::Itself {
        units.add(0);
        units.add(255);
        if asset.units.is_empty() {
            units.add(1);
        }
    }
    units
}

/// The rules that name each point: an asset may have thousands of both.
#[derive(Default)]
struct Named<'r, 'p> {
    reads: BTreeMap<&'p PointName, Vec<&'r Ready<'p>>>,
    writes: BTreeMap<&'p PointName, Vec<&'r Ready<'p>>>,
}

impl<'r, 'p> Named<'r, 'p> {
    fn of(ready: &'r [Ready<'p>]) -> Self {
        let mut named = Self::default();
        for rule in ready {
            let add = |points: &mut BTreeMap<&'p PointName, Vec<&'r Ready<'p>>>, point: &'p PointName| {
                let rules = points.entry(point).or_default();
                // A right that stands twice in one rule is one right.
                if !rules.last().is_some_and(|last| std::ptr::eq(*last, rule)) {
                    rules.push(rule);
                }
            };
            for can in &rule.rule.can {
                match can {
                    Can::Read(point) => add(&mut named.reads, point),
                    Can::Write(point) => add(&mut named.writes, point),
                    Can::Broadcast | Can::Function(_) => {}
                }
            }
        }
        named
    }
}

/// The candidates that have a right which `named` picks.
fn having<'r, 'p>(ready: &'r [Ready<'p>], named: impl Fn(&Can) -> bool) -> impl Iterator<Item = &'r Ready<'p>> {
    ready.iter().filter(move |ready| ready.rule.can.iter().any(&named))
}

/// What the rules that name a right say about it.
fn row<'r, 'p: 'r>(rules: impl Iterator<Item = &'r Ready<'p>>, right: Right) -> Row {
    let mut row = Row::default();
    let mut unlimited = false;
    let mut certain = false;
    for Ready { candidate, conduit, rule } in rules {
        let allow = || Allow { rule: rule.id.clone(), keep: keep(conduit, right) };
        if candidate.approved && right != Right::Read && row.waive.is_none() {
            row.waive = Some(allow());
        }
        let Some(truth) = (if right == Right::Read { Some(candidate.read) } else { candidate.full }) else {
            continue;
        };
        row.named.get_or_insert_with(|| rule.id.clone());
        if truth.holds() {
            row.allow.get_or_insert_with(allow);
            certain |= truth == Truth::Holds;
            // Limits count per point: a function has none.
            let counts = |limit: &Limit| match limit.of {
                LimitOf::Reads => right == Right::Read,
                LimitOf::Writes => right == Right::Write,
            };
            match rule.limit.filter(counts) {
                Some(limit) => row.limits.push((rule.id.clone(), limit)),
                None => unlimited = true,
            }
        } else {
            let reason = if truth == Truth::FailsByDoubt { Reason::Clock } else { Reason::Condition };
            if row.fails.as_ref().is_none_or(|(furthest, _)| reason > *furthest) {
                row.fails = Some((reason, rule.id.clone()));
            }
        }
    }
    row.doubtful = row.allow.is_some() && !certain;
    if unlimited {
        row.limits.clear();
    }
    row
}

fn keep(conduit: &Conduit, right: Right) -> Keep {
    match right {
        Right::Read | Right::Identify if conduit.detail == Detail::Full => Keep::Later,
        Right::Read | Right::Identify => Keep::Count,
        Right::Write | Right::Other if conduit.record == RecordKind::Written || conduit.mode == Mode::Observe => {
            Keep::Later
        }
        Right::Write | Right::Other => Keep::Before,
    }
}

/// The intervals of one verb. A point that some rule names speaks for its addresses; others fill what is left, so that
/// every address of a point is known.
fn lanes(points: &[NamedPoint], row: impl Fn(&PointName) -> Row) -> Lanes {
    let mut lanes: Vec<(Bank, Vec<Segment>)> = Vec::new();
    let mut rows: Vec<(usize, &NamedPoint, Row)> =
        points.iter().enumerate().map(|(at, named)| (at, named, row(&named.name))).collect();
    // Stable: those that allow first, then those that come nearest, then those that are named at all.
    let stage = |row: &Row| Reverse(row.fails.as_ref().map(|(reason, _)| *reason));
    rows.sort_by_key(|(_, _, row)| (row.allow.is_none(), stage(row), row.named.is_none() && row.waive.is_none()));
    for (point, named, row) in rows {
        let bank = named.point.bank;
        let at = lanes.iter().position(|(lane, _)| *lane == bank).unwrap_or_else(|| {
            lanes.push((bank, Vec::new()));
            lanes.len() - 1
        });
        let Some((_, segments)) = lanes.get_mut(at) else {
            continue;
        };
        for (first, last) in free(segments, named.point.first, named.point.last) {
            let position = segments.partition_point(|segment| segment.first < first);
            segments.insert(position, Segment { first, last, point, row: row.clone() });
        }
    }
    Lanes(lanes)
}

/// The addresses from `first` to `last` that no segment covers yet.
fn free(segments: &[Segment], first: u16, last: u16) -> Vec<(u16, u16)> {
    let mut free = Vec::new();
    let mut next = u32::from(first);
    let end = u32::from(last) + 1;
    let from = segments.partition_point(|segment| segment.last < first);
    for segment in segments.get(from..).unwrap_or_default().iter().take_while(|segment| segment.first <= last) {
        let start = u32::from(segment.first);
        if start > next {
            free.push((next, start));
        }
        next = next.max(u32::from(segment.last) + 1);
    }
    if next < end {
        free.push((next, end));
    }
    let narrow = |(from, to): (u32, u32)| Some((u16::try_from(from).ok()?, u16::try_from(to.checked_sub(1)?).ok()?));
    free.into_iter().filter_map(narrow).collect()
}

fn functions(ready: &[Ready<'_>], profile: &Profile) -> Vec<FunctionRow> {
    let words = ready.iter().flat_map(|ready| &ready.rule.can).filter_map(|can| match can {
        Can::Function(function) => Some(*function),
        Can::Read(_) | Can::Write(_) | Can::Broadcast => None,
    });
    let keys: BTreeSet<(u8, Option<u16>)> = words.flat_map(|word| codes(word, profile)).collect();
    keys.into_iter()
        .map(|(code, sub)| {
            let right = if (code, sub) == (43, Some(14)) { Right::Identify } else { Right::Other };
            let covers = |function: Function| {
                codes(function, profile).iter().any(|(of, only)| *of == code && (only.is_none() || *only == sub))
            };
            let named = having(ready, |can| match can {
                Can::Function(function) => covers(*function),
                Can::Read(_) | Can::Write(_) | Can::Broadcast => false,
            });
            FunctionRow { code, sub, row: row(named, right) }
        })
        .collect()
}

/// The codes that a function word stands for; no sub-function means all of them.
pub(crate) fn codes(function: Function, profile: &Profile) -> Vec<(u8, Option<u16>)> {
    match function {
        Function::Programming => [40, 42, 90, 125, 126]
            .into_iter()
            .chain(profile.programming.iter().copied())
            .map(|code| (code, None))
            .collect(),
        Function::Identify => vec![(43, Some(14))],
        Function::Restart => vec![(8, Some(1))],
        Function::ListenOnly => vec![(8, Some(4))],
        Function::Code { code, sub } => vec![(code, sub)],
    }
}

fn nevers(policy: &Policy, id: &AssetId, asset: &Asset, points: &[NamedPoint]) -> Nevers {
    let mut nevers = Nevers::default();
    for never in &policy.never {
        for what in &never.what {
            match what {
                Forbidden::Function(function) => {
                    for (code, sub) in codes(*function, &asset.profile) {
                        if let Some(word) = nevers.codes.get_mut(usize::from(code >> 6)) {
                            *word |= 1 << (code & 63);
                        }
                        nevers.list.push((NeverWhat::Code { code, sub }, never.id.clone()));
                    }
                }
                Forbidden::Broadcast => nevers.list.push((NeverWhat::Broadcast, never.id.clone())),
                Forbidden::Write(of, name) if of == id => {
                    if let Some(point) = points.iter().position(|named| named.name == *name) {
                        nevers.writes = true;
                        nevers.list.push((NeverWhat::Write { point }, never.id.clone()));
                    }
                }
                Forbidden::Asset(of) if of == id => {
                    nevers.everything = true;
                    nevers.list.push((NeverWhat::Everything, never.id.clone()));
                }
                Forbidden::Write(..) | Forbidden::Asset(_) => {}
            }
        }
    }
    nevers
}
