//! What one session may do, as a flat table of intervals.

use std::sync::Arc;

use super::model::{Detail, Mode, OnStall, RecordKind};
use crate::access::Access;
use crate::decision::{Decision, Reason};
use crate::identity::{Assurance, Evidence};
use crate::moment::Moment;
use crate::names::{AssetId, ConduitId, PointName, RuleId};
use crate::policy::model::Limit;
use crate::world::{Standing, Until, World};

/// What one session may do. The default one denies everything.
#[derive(Clone, Debug, Default)]
pub struct Table {
    conduit: Option<ConduitSettings>,
    asset: Option<AssetId>,
}

/// What the gate and the doors must know of the conduit that a session uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConduitSettings {
    /// Its name.
    pub id: ConduitId,
    /// Whether refusals count, by the policy's word (a local override is the gate's matter).
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

/// Tables that sessions share, keyed by all that went into them. Cleared at each new generation.
#[derive(Debug, Default)]
pub struct TableCache {}

impl Table {
    /// The conduit in use, if there is one.
    pub fn conduit(&self) -> Option<&ConduitSettings> {
        self.conduit.as_ref()
    }

    /// The asset that the listener stands for.
    pub fn asset(&self) -> Option<&AssetId> {
        self.asset.as_ref()
    }

    /// All points that the accesses touch, in wire order, whatever is decided.
    pub fn touched(&self, _accesses: &[Access<'_>]) -> Vec<Touched> {
        Vec::new()
    }

    /// Which buckets an allowed frame must draw from (`Decision::limited`).
    pub fn charges(&self, _accesses: &[Access<'_>], _now: Moment) -> Vec<Charge> {
        Vec::new()
    }
}

/// Judges all accesses of one frame. They stand or fall together; the first denied one speaks.
pub fn decide(_table: &Table, _all_of: &[Access<'_>], _now: Moment) -> Decision {
    Decision::deny(Reason::NoRule)
}

pub(crate) fn standing(world: &World, _evidence: &Evidence, _now: Moment, _cache: &mut TableCache) -> Standing {
    Standing {
        subject: None,
        assurance: Assurance::NONE,
        table: Arc::default(),
        valid_until: Until::default(),
        generation: world.generation,
    }
}
