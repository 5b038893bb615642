//! What the gateway decides and keeps: the world, live sessions, the gate, and the orders that change them.
//!
//! Doors call `Sessions` and `Gate`; orders come through `commands`. Ports are named here and nowhere to the right of here.

pub mod ca;
pub mod commands;
pub mod gate;
pub mod orders;
mod reach;
mod records;
pub mod registry;
mod repeats;
pub mod sessions;
pub mod shadow;
mod shared;
pub mod tally;
pub mod time;
pub mod trust;
mod values;
pub mod world;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bulkhead_core::moment::RanMs;
use bulkhead_core::names::ConduitId;
use ca::Ca;
use gate::Gate;
use orders::Orders;
use sessions::Sessions;
use shared::Shared;
use tally::Tally;
use time::Time;
use trust::Trust;
use values::LastValues;
use world::Worlds;

use crate::entropy::Entropy;
use crate::net::Network;
use crate::ports::journal::Journal;
use crate::ports::keys::Vault;
use crate::ports::store::{Change, Found, Store};
use crate::tasks::Tasks;
use crate::telemetry::{Fault, Probe};

/// All services of one life, as doors and commands see them.
#[derive(Debug)]
pub struct House {
    /// The world in force.
    pub world: Arc<Worlds>,
    /// Who is connected.
    pub sessions: Arc<Sessions>,
    /// Judges and permits.
    pub gate: Gate,
    /// Changes of the world: policy, lives, modes.
    pub orders: Arc<Orders>,
    /// The plant's own CA.
    pub ca: Arc<Ca>,
    /// The one source of `now`.
    pub time: Arc<Time>,
    /// The network.
    pub net: Arc<dyn Network>,
    /// Jitter.
    pub entropy: Arc<dyn Entropy>,
    /// The one way to start work.
    pub tasks: Tasks,
    /// What TLS listeners show and believe.
    pub trust: Arc<Trust>,
    /// Conduits that the last life watched and whose watch is not over, with its end by time run.
    pub(crate) watched: BTreeMap<ConduitId, RanMs>,
    /// The evidence: for `status`; doors never name it.
    pub journal: Journal,
    shared: Arc<Shared>,
}

/// What a house is built from.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) world: Worlds,
    pub(crate) time: Arc<Time>,
    pub(crate) journal: Journal,
    pub(crate) store: Store,
    pub(crate) net: Arc<dyn Network>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) tasks: Tasks,
    pub(crate) probe: Arc<dyn Probe>,
    pub(crate) fault: Fault,
    pub(crate) watched: BTreeMap<ConduitId, RanMs>,
    pub(crate) hold: Duration,
    pub(crate) vault: Arc<dyn Vault>,
    pub(crate) found: Found,
    pub(crate) unfinished: Vec<Change>,
}

impl House {
    pub(crate) fn new(parts: Parts) -> Self {
        let (world, time) = (Arc::new(parts.world), parts.time);
        let shared = Arc::new(Shared {
            worlds: Arc::clone(&world),
            time: Arc::clone(&time),
            journal: parts.journal.clone(),
            probe: parts.probe,
            tally: Tally::default(),
            values: LastValues::default(),
            reach: reach::Reach::default(),
            fault: parts.fault,
            shadow: shadow::Shadow::default(),
            buckets: Mutex::new(BTreeMap::new()),
        });
        let sessions = Arc::new(Sessions::new(Arc::clone(&shared)));
        let orders = Arc::new(Orders::new(Arc::clone(&shared), Arc::clone(&sessions), parts.store, parts.hold));
        let trust = Arc::new(Trust::of(Arc::clone(&sessions)));
        let ca = Ca::new(
            Arc::clone(&orders),
            Arc::clone(&trust),
            parts.tasks.clone(),
            parts.vault,
            &parts.found,
            &parts.unfinished,
        );
        Self {
            orders,
            ca: Arc::new(ca),
            gate: Gate::new(Arc::clone(&shared)),
            world,
            sessions,
            time,
            net: parts.net,
            entropy: parts.entropy,
            tasks: parts.tasks,
            trust,
            watched: parts.watched,
            journal: parts.journal,
            shared,
        }
    }

    /// The mistake that the simulated plant has asked for; none on a real gateway.
    pub(crate) fn fault(&self) -> Fault {
        self.shared.fault
    }

    /// Who is told what happens; nobody on a real gateway.
    pub(crate) fn probe(&self) -> &dyn Probe {
        &*self.shared.probe
    }

    /// What has to be done once a second: standings that have come to an end, counts that want to be said.
    pub(crate) fn tick(&self, minute: bool) {
        let now = self.time.now();
        self.sessions.refresh(now);
        for event in self.shared.tally.flush(now.boot) {
            self.shared.say(event, now);
        }
        if minute {
            for session in self.sessions.all() {
                self.shared.flush_repeats(&session, now);
            }
        }
    }
}
