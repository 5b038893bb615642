//! Tables that sessions share: ten thousand sensors of one kind hold one.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Table;
use super::build::Plan;
use crate::moment::UnixMs;
use crate::policy::Policy;
use crate::policy::calendar::Calendar;

/// Tables kept at once. Beyond it the cache starts anew: sessions keep what they hold.
const MOST: usize = 1024;

/// Tables that sessions share, keyed by all that went into them. Cleared at each new generation or policy.
#[derive(Debug, Default)]
pub struct TableCache {
    of: Option<(u64, Arc<Policy>)>,
    /// Windows are worked out once for all sessions.
    calendar: Calendar,
    tables: BTreeMap<Plan, Arc<Table>>,
}

impl TableCache {
    /// How many different tables are held.
    pub fn len(&self) -> usize {
        self.tables.len()
    }

    /// True when none is held.
    pub fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }

    pub(super) fn table(&mut self, generation: u64, policy: &Arc<Policy>, plan: Plan) -> Arc<Table> {
        self.turn(generation, policy);
        if self.tables.len() >= MOST {
            self.tables.clear();
        }
        Arc::clone(self.tables.entry(plan).or_insert_with_key(|plan| Arc::new(plan.build(policy))))
    }

    /// Which shifts and hours are open.
    pub(super) fn calendar(&mut self, generation: u64, policy: &Arc<Policy>, at: UnixMs) -> &Calendar {
        self.turn(generation, policy);
        if !self.calendar.covers(at) {
            self.calendar = Calendar::of(policy, at);
        }
        &self.calendar
    }

    /// Forgets everything where the generation or the policy is another one.
    fn turn(&mut self, generation: u64, policy: &Arc<Policy>) {
        let same = self.of.as_ref().is_some_and(|(old, of)| *old == generation && Arc::ptr_eq(of, policy));
        if !same {
            *self = Self { of: Some((generation, Arc::clone(policy))), ..Self::default() };
        }
    }
}
