//! What one session may do, as a flat table of intervals. Everything that is constant until `valid_until` (who, from where,
//! conditions, time words) is decided when it is built, so that a frame is judged by a search.
//!
//! `build` makes it, `judge` searches it, `cache` shares it between sessions, `standing` puts it together with the subject.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::model::{Detail, Limit, Mode, OnStall, Point, RecordKind};
use crate::access::{Access, Bank, Target, Verb};
use crate::decision::{Keep, Reason};
use crate::moment::Moment;
use crate::names::{AssetId, ConduitId, PointName, RuleId};

mod build;
mod cache;
mod judge;
mod standing;

pub(crate) use build::codes;
pub use cache::TableCache;
pub use judge::decide;
pub(crate) use judge::{RefusedPart, allowing, refused};
pub(crate) use standing::{leading, standing};

/// What one session may do. The default one denies everything.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// The conduits that lead from there to the asset.
    conduits: Vec<ConduitSettings>,
    asset: Option<AssetId>,
    /// Why nothing at all is allowed.
    refuse: Option<Reason>,
    /// The proof is over: what is left are safe and heartbeat writes.
    ended: bool,
    /// ... and the reads, for a panel: operators are not blinded.
    keeps_reads: bool,
    units: Units,
    /// Points may be read in one block although gaps lie between.
    read_gaps: bool,
    /// Every point of the asset, by bank and first address.
    points: Vec<NamedPoint>,
    reads: Lanes,
    writes: Lanes,
    broadcast: Row,
    functions: Vec<FunctionRow>,
    never: Nevers,
}

/// What the gate and the doors must know of the conduit that a session uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConduitSettings {
    /// Its name.
    pub id: ConduitId,
    /// Whether refusals count.
    pub mode: Mode,
    /// How surely records are kept.
    pub record: RecordKind,
    /// What a disk in trouble does.
    pub on_stall: OnStall,
    /// What is recorded.
    pub detail: Detail,
}

/// A point that an access touches.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Touched {
    /// The asset.
    pub asset: AssetId,
    /// The point.
    pub point: PointName,
}

/// One access that only limited rules allow: the caller must find a token in one of the alternatives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    /// The point whose bucket is meant.
    pub point: Touched,
    /// The rules that allow it, each with its limit.
    pub alternatives: Vec<(RuleId, Limit)>,
}

#[derive(Clone, Debug)]
struct NamedPoint {
    name: PointName,
    point: Point,
}

/// Which unit ids are the asset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Units {
    own: [u64; 4],
    /// Unit 0 is all units of a bus.
    broadcast: bool,
}

impl Units {
    fn add(&mut self, unit: u8) {
        if let Some(word) = self.own.get_mut(usize::from(unit >> 6)) {
            *word |= 1 << (unit & 63);
        }
    }

    fn own(&self, unit: u8) -> bool {
        self.own.get(usize::from(unit >> 6)).is_some_and(|word| word >> (unit & 63) & 1 != 0)
    }
}

/// The intervals of one verb, bank by bank.
#[derive(Clone, Debug, Default)]
struct Lanes(Vec<(Bank, Vec<Segment>)>);

impl Lanes {
    fn bank(&self, bank: Bank) -> &[Segment] {
        self.0.iter().find(|(lane, _)| *lane == bank).map_or(&[], |(_, segments)| segments)
    }

    /// The limited addresses, neighbours with equal limits as one.
    fn limited(&self) -> Vec<(Bank, u16, u16, BTreeSet<Limit>)> {
        let mut all: Vec<(Bank, u16, u16, BTreeSet<Limit>)> = Vec::new();
        for (bank, segments) in &self.0 {
            for segment in segments.iter().filter(|segment| !segment.row.limits.is_empty()) {
                let limits: BTreeSet<Limit> = segment.row.limits.iter().map(|(_, limit)| *limit).collect();
                match all.last_mut() {
                    Some((of, _, last, same))
                        if of == bank && last.checked_add(1) == Some(segment.first) && *same == limits =>
                    {
                        *last = segment.last;
                    }
                    Some(_) | None => all.push((*bank, segment.first, segment.last, limits)),
                }
            }
        }
        all.sort();
        all
    }
}

/// Addresses of one point that share a row. Sorted, without overlaps.
#[derive(Clone, Debug)]
struct Segment {
    first: u16,
    last: u16,
    /// Index into `points`.
    point: usize,
    row: Row,
}

/// What the candidate rules say about one right.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Row {
    /// The first rule that allows it now.
    allow: Option<Allow>,
    /// Every rule that allows it does so because the clock is in doubt.
    doubtful: bool,
    /// The rules that allow it, when each of them is limited.
    limits: Vec<(RuleId, Limit)>,
    /// The first rule that names it for a safe or heartbeat value, conditions taken as satisfied.
    waive: Option<Allow>,
    /// The first rule that names it.
    named: Option<RuleId>,
    /// Why not, where nothing allows it.
    fails: Option<(Reason, RuleId)>,
}

/// A rule that allows, and how surely the record is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Allow {
    rule: RuleId,
    keep: Keep,
}

/// A function, all of its sub-functions where `sub` is none.
#[derive(Clone, Debug)]
struct FunctionRow {
    code: u8,
    sub: Option<u16>,
    row: Row,
}

/// What no rule can allow.
#[derive(Clone, Debug, Default)]
struct Nevers {
    /// Bits of function codes that some `never` names: most frames ask no further.
    codes: [u64; 4],
    everything: bool,
    writes: bool,
    /// In file order.
    list: Vec<(NeverWhat, RuleId)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NeverWhat {
    Everything,
    Broadcast,
    Code { code: u8, sub: Option<u16> },
    Write { point: usize },
}

impl Table {
    /// The conduit in use, if there is one: the first by name where several lead to the asset.
    pub fn conduit(&self) -> Option<&ConduitSettings> {
        self.conduits.first()
    }

    /// The asset that the listener stands for.
    pub fn asset(&self) -> Option<&AssetId> {
        self.asset.as_ref()
    }

    /// All points that the accesses touch, in wire order, whatever is decided. One that is touched twice is named twice.
    pub fn touched(&self, accesses: &[Access<'_>]) -> Vec<Touched> {
        let Some(asset) = &self.asset else {
            return Vec::new();
        };
        let mut all = Vec::new();
        for access in accesses {
            let Target::Registers { bank, first, count, .. } = access.target else {
                continue;
            };
            if access.verb == Verb::Broadcast || access.asset.is_some_and(|other| other != asset) {
                continue;
            }
            let last = first.saturating_add(count.get() - 1);
            let here = self.points.iter().filter(|named| named.overlaps(Some(bank), first, last));
            all.extend(here.map(|named| Touched { asset: asset.clone(), point: named.name.clone() }));
        }
        all
    }

    /// The points that addresses of a bank touch, in the order of their addresses, each with its name.
    pub(crate) fn points_in(&self, bank: Bank, first: u16, last: u16) -> impl Iterator<Item = (&PointName, &Point)> {
        let here = self.points.iter().filter(move |named| named.overlaps(Some(bank), first, last));
        here.map(|named| (&named.name, &named.point))
    }

    /// Which buckets an allowed frame must draw from (`Decision::limited`): one charge a point and frame, safe and heartbeat
    /// values excepted.
    pub fn charges(&self, accesses: &[Access<'_>], _now: Moment) -> Vec<Charge> {
        judge::charges(self, accesses)
    }

    /// Whether every address is counted against the same limits as in another table: then no frame is under other terms there.
    pub fn same_limits(&self, other: &Self) -> bool {
        self.reads.limited() == other.reads.limited() && self.writes.limited() == other.writes.limited()
    }

    /// Why nothing at all is allowed, where nothing is.
    pub fn refuses_all(&self) -> Option<Reason> {
        self.refuse
    }

    /// A table that allows nothing, for one reason.
    fn refusing(asset: Option<AssetId>, conduits: Vec<ConduitSettings>, reason: Reason) -> Arc<Self> {
        Arc::new(Self { asset, conduits, refuse: Some(reason), ..Self::default() })
    }
}

#[cfg(test)]
mod tests;
