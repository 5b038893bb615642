//! One life of a gateway, from what the last one left to open doors.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bulkhead_core::journal::record::{Event, GatewayRecord};
use bulkhead_core::moment::UnixMs;
use bulkhead_core::policy::{self, Policy, Problem};

use super::listeners::{self, Listeners};
use super::{Gateway, housekeeping};
use crate::entropy::Entropy;
use crate::net::Network;
use crate::ports::clock::Clock;
use crate::ports::disk::{Disk, Medium};
use crate::ports::journal::{self, JournalError};
use crate::ports::keys::{Keys, Vault};
use crate::ports::store::{self, StoreError};
use crate::service::time::Time;
use crate::service::world::Worlds;
use crate::service::{House, Parts};
use crate::tasks::Tasks;
use crate::telemetry::{Fault, Probe};

/// The world outside, as handed in by `run` or by the simulated plant.
pub struct Ports {
    /// Sockets.
    pub net: Arc<dyn Network>,
    /// Clocks.
    pub clock: Arc<dyn Clock>,
    /// Jitter.
    pub entropy: Arc<dyn Entropy>,
    /// Who watches.
    pub probe: Arc<dyn Probe>,
    /// Where work runs.
    pub tasks: Tasks,
    /// The journal's segments.
    pub disk: Box<dyn Disk>,
    /// The store's database.
    pub medium: Box<dyn Medium>,
    /// The gateway's keys.
    pub keys: Arc<dyn Keys>,
    /// The keys of its own CA and TLS listeners.
    pub vault: Arc<dyn Vault>,
    /// The store was damaged and a copy was opened: what happened, in words.
    pub restored: Option<String>,
}

impl fmt::Debug for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ports").field("net", &self.net).field("disk", &self.disk).finish_non_exhaustive()
    }
}

/// Bytes of a journal segment, unless somebody needs small ones.
pub const JOURNAL_SEGMENT: u64 = 16 << 20;

/// What a life starts with besides what it finds.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The policy of the first life; later ones find the activated one in the store.
    pub policy: String,
    /// Where that came from, for messages.
    pub policy_name: String,
    /// The most bytes of journal.
    pub journal_max: u64,
    /// The bytes of one journal segment.
    pub journal_segment: u64,
    /// How long a revoked name rests before it can be registered anew.
    pub hold: Duration,
    /// A mistake to make on purpose; the simulation's alone.
    pub fault: Fault,
}

/// Why a gateway does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The journal does not open.
    #[error("journal: {0}")]
    Journal(#[from] JournalError),
    /// The store does not open.
    #[error("store: {0}")]
    Store(#[from] StoreError),
    /// A writer's thread does not start.
    #[error("a writer does not start: {0}")]
    Writer(#[from] io::Error),
    /// The policy does not load.
    #[error("policy {name}:{}", first(.problems))]
    Policy {
        /// Where it came from.
        name: String,
        /// What is wrong with it.
        problems: Vec<Problem>,
    },
}

fn first(problems: &[Problem]) -> String {
    problems.first().map(ToString::to_string).unwrap_or_default()
}

/// Opens what the last life left and starts everything. When it returns the gateway judges; listeners open beside it.
///
/// # Errors
/// What is missing or damaged beyond repair. A policy that was active and does not load any more is no error: the gateway then
/// serves nothing and says so, so that a person can give it another.
pub async fn start(ports: Ports, settings: Settings) -> Result<Gateway, StartError> {
    let opened = store::open(ports.medium).await?;
    let found = opened.found().clone();
    let journal = journal::open(ports.disk, found.settled).await?;
    let floor = if found.floor == UnixMs::default() { ports.clock.read().0 } else { found.floor };
    let time = Arc::new(Time::new(Arc::clone(&ports.clock), found.ran, floor));
    let now = time.now();

    let (name, text) = match &found.policy {
        Some(kept) => ("(active)".to_owned(), &kept.value.text),
        None => (settings.policy_name.clone(), &settings.policy),
    };
    let loaded = policy::load(text).map_err(|problems| StartError::Policy { name: name.clone(), problems })?;
    let hash = loaded.policy.hash;

    // A revocation whose record is there and whose row is missing was under way when the last life ended: it is in force.
    let unfinished = store::reconcile(&found, journal.orders(), journal.head().seq);
    let world = world(&found, &unfinished, loaded.policy, &ports.probe);

    let cut = journal.cut();
    let clock = Arc::clone(&time);
    let (max, segment) = (settings.journal_max, settings.journal_segment);
    let numbers = journal::Settings { max, segment, ..journal::Settings::default() };
    let journal = journal.start(&ports.tasks, ports.keys, journal::Now(Arc::new(move || clock.now())), numbers)?;
    let store = opened.start(&ports.tasks)?;

    let started = GatewayRecord::Started {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        policy: hash,
        file: name,
        cut: cut.bytes,
    };
    journal.note(now, Event::Gateway(started));
    for of in &unfinished.abandoned {
        journal.note(now, Event::Gateway(GatewayRecord::Abandoned { of: *of }));
    }
    let alarm = |what: &str, text: &String| {
        tracing::error!(what, text);
        GatewayRecord::Alarm { what: what.to_owned(), source: None, asset: None, text: text.clone() }
    };
    let foreign = unfinished.alarms.iter().map(|text| alarm("row-without-record", text));
    let restored = ports.restored.iter().map(|text| alarm("store-restored", text));
    for event in foreign.chain(restored) {
        journal.note(now, Event::Gateway(event));
    }
    let parts = Parts {
        world,
        time,
        journal,
        store,
        net: ports.net,
        entropy: ports.entropy,
        tasks: ports.tasks,
        probe: ports.probe,
        fault: settings.fault,
        watched: found.watches.clone(),
        hold: settings.hold,
        vault: ports.vault,
        unfinished: unfinished.apply.clone(),
        found: found.clone(),
    };
    let house = Arc::new(House::new(parts));
    if let Some(shadow) = found.shadow.and_then(|row| row.value) {
        house.resume_shadow(shadow, now);
    }
    let gateway = Gateway { listeners: Arc::new(Listeners::default()), house };
    let tasks = &gateway.house.tasks;
    // Beside the doors, and before any order: a disk in trouble delays neither.
    let orders = Arc::clone(&gateway.house);
    tasks.spawn(async move { orders.orders.settle(unfinished.apply, unfinished.settled).await });
    tasks.spawn(listeners::follow(Arc::clone(&gateway.house), Arc::clone(&gateway.listeners)));
    tasks.spawn(housekeeping::tick(Arc::clone(&gateway.house)));
    tasks.spawn(housekeeping::heartbeat(Arc::clone(&gateway.house)));
    tasks.spawn(housekeeping::authority(Arc::clone(&gateway.house)));
    Ok(gateway)
}

fn world(found: &store::Found, unfinished: &store::Reconciled, policy: Policy, probe: &Arc<dyn Probe>) -> Worlds {
    let mut registry = found.registry.clone();
    for change in &unfinished.apply {
        match change {
            store::Change::Life { subject, life, at, .. } => registry.set_life(subject, *life, *at),
            store::Change::Spent { spki, .. } => registry.spend(*spki),
            store::Change::Registry { .. }
            | store::Change::Certificate { .. }
            | store::Change::Chain { .. }
            | store::Change::List { .. }
            | store::Change::Shadow { .. }
            | store::Change::ShadowEnded
            | store::Change::Mode { .. }
            | store::Change::Policy { .. }
            | store::Change::Ran { .. }
            | store::Change::Settled(_) => {}
        }
    }
    let modes = found.modes.iter().filter_map(|(conduit, row)| row.value.map(|mode| (conduit.clone(), mode)));
    Worlds::new(Arc::new(policy), registry, modes.collect(), Arc::clone(probe))
}

impl Gateway {
    /// Ends in order: the last record is durable when it returns.
    pub async fn stop(&self) {
        let now = self.house.time.now();
        self.house.pause_shadow(now);
        self.house.journal.note(now, Event::Gateway(GatewayRecord::Stopped));
        self.house.orders.heartbeat().await;
        self.house.tasks.abort_work();
        if let Err(trouble) = self.house.journal.close(Duration::from_secs(3)).await {
            tracing::error!(%trouble, "the journal did not end in order");
        }
    }
}
