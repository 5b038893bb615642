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

/// The world, and how it came to be: the plant's word and the local overrides of conduit modes.
#[derive(Clone, Debug)]
pub struct Live {
    /// Policy, registry and facts. Its policy has the overrides in it: whatever follows from a conduit's mode (what waits for
    /// the disk, what is refused) follows from the mode in force, and nobody can forget to ask for the override.
    pub world: Arc<World>,
    /// The policy as the plant wrote it.
    pub plant: Arc<Policy>,
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
    /// What a conduit does now; one that is gone refuses.
    pub fn mode(&self, conduit: &ConduitId) -> Mode {
        mode(&self.policy, conduit).unwrap_or(Mode::Enforce)
    }
}

fn mode(policy: &Policy, conduit: &ConduitId) -> Option<Mode> {
    policy.conduits.get(conduit).map(|conduit| conduit.mode)
}

/// The plant's policy with the overrides in it; the same value where they change nothing. Its digest is that of the plant's text.
fn in_force(plant: &Arc<Policy>, modes: &BTreeMap<ConduitId, Mode>) -> Arc<Policy> {
    let mut policy = Arc::clone(plant);
    for (id, wanted) in modes.iter().filter(|(id, wanted)| mode(plant, id).is_some_and(|own| own != **wanted)) {
        if let Some(conduit) = Arc::make_mut(&mut policy).conduits.get_mut(id) {
            conduit.mode = *wanted;
        }
    }
    policy
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
            policy: in_force(&policy, &modes),
            registry: Arc::new(registry),
            facts: bulkhead_core::identity::Attributes::default(),
        };
        let worlds = Self {
            live: ArcSwap::from_pointee(Live { world: Arc::new(world), plant: policy, modes }),
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
    pub fn derive(&self, evidence: &Evidence, now: Moment) -> Standing {
        let live = self.live.load();
        let mut cache = self.change.lock().unwrap_or_else(PoisonError::into_inner);
        derive_with(&live.world, evidence, now, &mut cache)
    }

    /// The overrides that end with a policy: those of conduits whose own mode it changes.
    pub fn overrides_ended_by(&self, policy: &Policy) -> Vec<ConduitId> {
        let live = self.live.load();
        live.modes.keys().filter(|id| mode(&live.plant, id) != mode(policy, id)).cloned().collect()
    }

    /// Puts another policy in force, and ends the overrides that end with it.
    pub fn swap_policy(&self, policy: Arc<Policy>) {
        let ended = self.overrides_ended_by(&policy);
        self.change(|live| {
            live.modes.retain(|id, _| !ended.contains(id));
            live.plant = policy;
        });
    }

    /// Changes the registry.
    pub fn set_registry(&self, alter: impl FnOnce(&mut Registry)) {
        self.change(|live| alter(Arc::make_mut(&mut Arc::make_mut(&mut live.world).registry)));
    }

    /// Sets a subject's life.
    pub fn set_life(&self, subject: &SubjectId, life: Life, at: Moment) {
        self.set_registry(|registry| registry.set_life(subject, life, at));
    }

    /// Overrides a conduit's mode, or ends the override.
    pub fn set_mode(&self, conduit: &ConduitId, mode: Option<Mode>) {
        self.change(|live| match mode {
            Some(mode) => drop(live.modes.insert(conduit.clone(), mode)),
            None => drop(live.modes.remove(conduit)),
        });
    }

    fn change(&self, alter: impl FnOnce(&mut Live)) {
        let mut cache = self.change.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = Live::clone(&self.live.load());
        alter(&mut next);
        let generation = self.generation() + 1;
        let world = Arc::make_mut(&mut next.world);
        (world.generation, world.policy) = (generation, in_force(&next.plant, &next.modes));
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

#[cfg(test)]
mod tests {
    use bulkhead_core::policy;

    use super::*;

    #[test]
    fn an_override_is_in_the_policy_in_force_and_ends_where_the_plant_changes_its_word() {
        let plant = include_str!("../../config/examples/bottling/plant.toml");
        let load = |text: &str| Arc::new(policy::load(text).unwrap().policy);
        let observing = load(plant);
        let id = ConduitId::from("scada-to-filling");
        let worlds = Worlds::new(Arc::clone(&observing), Registry::default(), BTreeMap::new(), Arc::new(()));
        let now = || (worlds.current().mode(&id), worlds.current().policy.conduits[&id].mode);
        assert_eq!(now(), (Mode::Observe, Mode::Observe));
        worlds.set_mode(&id, Some(Mode::Enforce));
        assert_eq!(now(), (Mode::Enforce, Mode::Enforce));
        assert_eq!(worlds.current().plant.conduits[&id].mode, Mode::Observe);
        assert_eq!(worlds.current().policy.hash, observing.hash);
        worlds.swap_policy(load(&plant.replace("values 0..1200", "values 0..600")));
        assert_eq!(now(), (Mode::Enforce, Mode::Enforce));
        worlds.swap_policy(load(&plant.replace("mode = \"observe\"", "mode = \"enforce\"")));
        assert!(worlds.current().modes.is_empty());
        worlds.swap_policy(observing);
        assert_eq!(now(), (Mode::Observe, Mode::Observe));
    }
}
