//! The world in force: one value, swapped whole. Any change of policy, registry, facts or modes is one generation.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::{ArcSwap, Guard};
use bulkhead_core::identity::{Evidence, Life, Registry};
use bulkhead_core::moment::Moment;
use bulkhead_core::names::{ConduitId, SubjectId};
use bulkhead_core::policy::Policy;
use bulkhead_core::policy::model::Mode;
use bulkhead_core::policy::table::TableCache;
use bulkhead_core::world::{Standing, World, derive_with};
use tokio::sync::Notify;

use crate::telemetry::{Probe, Seen};

/// The world, and the local overrides of conduit modes.
#[derive(Clone, Debug)]
pub struct Live {
    /// Policy, registry and facts.
    pub world: Arc<World>,
    /// Overrides that somebody ordered on this gateway.
    pub modes: BTreeMap<ConduitId, Mode>,
}

impl Deref for Live {
    type Target = World;

    fn deref(&self) -> &World {
        &self.world
    }
}

impl Live {
    /// What a conduit does now: the override, else the policy's word; a conduit that is gone refuses.
    pub fn mode(&self, conduit: &ConduitId) -> Mode {
        let of_policy = || self.policy.conduits.get(conduit).map_or(Mode::Enforce, |conduit| conduit.mode);
        self.modes.get(conduit).copied().unwrap_or_else(of_policy)
    }
}

/// The owner of the world.
#[derive(Debug)]
pub struct Worlds {
    live: ArcSwap<Live>,
    generation: AtomicU64,
    change: Mutex<TableCache>,
    moved: Notify,
    probe: Arc<dyn Probe>,
}

impl Worlds {
    /// The first world of a life.
    pub fn new(
        policy: Arc<Policy>,
        registry: Registry,
        modes: BTreeMap<ConduitId, Mode>,
        probe: Arc<dyn Probe>,
    ) -> Self {
        let world = World {
            generation: 1,
            policy,
            registry: Arc::new(registry),
            facts: bulkhead_core::identity::Attributes::default(),
        };
        let worlds = Self {
            live: ArcSwap::from_pointee(Live { world: Arc::new(world), modes }),
            generation: AtomicU64::new(1),
            change: Mutex::default(),
            moved: Notify::new(),
            probe,
        };
        worlds.tell();
        worlds
    }

    /// The world of now.
    pub fn current(&self) -> Guard<Arc<Live>> {
        self.live.load()
    }

    /// Its number, without touching it: what a frame compares.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Resolves when the world has moved since the future was enabled.
    pub fn moved(&self) -> tokio::sync::futures::Notified<'_> {
        self.moved.notified()
    }

    /// Derives a standing; equal tables are shared.
    pub fn derive(&self, evidence: &Evidence, now: Moment) -> (Standing, Mode) {
        let live = self.live.load();
        let mut cache = self.change.lock().unwrap_or_else(PoisonError::into_inner);
        let standing = derive_with(&live.world, evidence, now, &mut cache);
        let mode = standing.table.conduit().map_or(Mode::Enforce, |conduit| live.mode(&conduit.id));
        (standing, mode)
    }

    /// The overrides that end with a policy: those of conduits whose own mode it changes.
    pub fn overrides_ended_by(&self, policy: &Policy) -> Vec<ConduitId> {
        let live = self.live.load();
        let mode = |policy: &Policy, id: &ConduitId| policy.conduits.get(id).map(|conduit| conduit.mode);
        live.modes.keys().filter(|id| mode(&live.policy, id) != mode(policy, id)).cloned().collect()
    }

    /// Puts another policy in force, and ends the overrides that end with it.
    pub fn swap_policy(&self, policy: Arc<Policy>) {
        let ended = self.overrides_ended_by(&policy);
        self.change(|live| {
            let modes = live.modes.iter().filter(|(id, _)| !ended.contains(id)).map(|(id, mode)| (id.clone(), *mode));
            Live { modes: modes.collect(), world: Arc::new(World { policy, ..World::clone(&live.world) }) }
        });
    }

    /// Sets a subject's life.
    pub fn set_life(&self, subject: &SubjectId, life: Life) {
        self.change(|live| {
            let mut registry = Registry::clone(&live.registry);
            match life {
                Life::Active => drop(registry.lives.remove(subject)),
                Life::Suspended | Life::Revoked => drop(registry.lives.insert(subject.clone(), life)),
            }
            let world = World { registry: Arc::new(registry), ..World::clone(&live.world) };
            Live { world: Arc::new(world), modes: live.modes.clone() }
        });
    }

    /// Overrides a conduit's mode, or ends the override.
    pub fn set_mode(&self, conduit: &ConduitId, mode: Option<Mode>) {
        self.change(|live| {
            let mut modes = live.modes.clone();
            match mode {
                Some(mode) => drop(modes.insert(conduit.clone(), mode)),
                None => drop(modes.remove(conduit)),
            }
            Live { world: Arc::clone(&live.world), modes }
        });
    }

    fn change(&self, make: impl FnOnce(&Live) -> Live) {
        let mut cache = self.change.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = make(&self.live.load());
        let generation = self.generation() + 1;
        next.world = Arc::new(World { generation, ..World::clone(&next.world) });
        *cache = TableCache::default();
        self.live.store(Arc::new(next));
        // INVARIANT: the number moves after the world: who sees the new number sees the new world.
        self.generation.store(generation, Ordering::Release);
        drop(cache);
        self.tell();
        self.moved.notify_waiters();
    }

    fn tell(&self) {
        if self.probe.listens() {
            let live = self.live.load();
            let modes = live.modes.iter().map(|(id, mode)| (id.clone(), *mode)).collect();
            self.probe.tell(Seen::World { world: Arc::clone(&live.world), modes });
        }
    }
}
