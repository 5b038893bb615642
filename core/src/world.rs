//! The world that a decision is made in, and what a session may do in it.

use std::sync::Arc;

use crate::identity::{Assurance, Attributes, Evidence, Registry, Subject};
use crate::moment::{BootMs, Moment, RanMs, UnixMs};
use crate::policy::Policy;
use crate::policy::table::{Table, TableCache};

/// Policy, registry and facts of one moment. Any change of one of them is a new generation.
#[derive(Clone, Debug)]
pub struct World {
    /// Counts the changes of this life.
    pub generation: u64,
    /// What a name may do; none means that nobody may do anything.
    pub policy: Arc<Policy>,
    /// Which credential is which name, and its life.
    pub registry: Arc<Registry>,
    /// What is known about the plant.
    pub facts: Attributes,
}

/// The first moment at which a standing must be derived again. `None` means never, by that clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Until {
    /// By the wall clock.
    pub wall: Option<UnixMs>,
    /// By this process's clock.
    pub boot: Option<BootMs>,
    /// By time run.
    pub ran: Option<RanMs>,
}

impl Until {
    /// True when one of the ends has come.
    pub fn reached(&self, now: Moment) -> bool {
        self.wall.is_some_and(|end| now.wall >= end)
            || self.boot.is_some_and(|end| now.boot >= end)
            || self.ran.is_some_and(|end| now.ran >= end)
    }
}

/// What a session may do now.
#[derive(Clone, Debug)]
pub struct Standing {
    /// Who it is, if anybody.
    pub subject: Option<Subject>,
    /// What its evidence is worth.
    pub assurance: Assurance,
    /// The flat table that each frame is judged against.
    pub table: Arc<Table>,
    /// When it must be derived again.
    pub valid_until: Until,
    /// The world it was derived from.
    pub generation: u64,
}

/// Derives what the evidence is worth in this world at this moment. Pure: the same arguments give the same standing.
pub fn derive(world: &World, evidence: &Evidence, now: Moment) -> Standing {
    derive_with(world, evidence, now, &mut TableCache::default())
}

/// As [`derive()`], sharing equal tables between sessions: ten thousand sensors hold one.
pub fn derive_with(world: &World, evidence: &Evidence, now: Moment, cache: &mut TableCache) -> Standing {
    crate::policy::table::standing(world, evidence, now, cache)
}
