//! One life of the product in the plant: its ports, and what its probe tells.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use bulkhead::app::{Ports, Settings, start as start_gateway};
use bulkhead::ports::keys::NoVault;
use bulkhead::telemetry::{Fault, Probe, Seen as Told};
use bulkhead_core::digest::Sha256;
use bulkhead_core::identity::Life;
use bulkhead_core::policy::Policy;
use bulkhead_core::policy::model::Mode;
use tokio::time::Instant;

use super::chance::{Rng, Seeded};
use super::disk::SimDisk;
use super::event::{Event, Seen};
use super::faults::Planted;
use super::image::SimMedium;
use super::key::SimKey;
use super::log::{Log, SimClock};
use super::policies::{OBSERVED, POLICIES, Plc, Who, text};
use super::power::Power;
use super::run::Plant;
use super::wire::Net;

/// Bytes of one segment: a run fills some.
const JOURNAL_SEGMENT: u64 = 112 << 10;
/// Bytes of journal: the busier half of the runs removes the oldest segment.
const JOURNAL_MAX: u64 = 3 * JOURNAL_SEGMENT;

/// What one life of the gateway may tell: nothing after its power is off.
struct Witness {
    log: Arc<Log>,
    power: Arc<Power>,
    twice: bool,
    /// The plant's policies by digest.
    known: BTreeMap<Sha256, u8>,
}

impl fmt::Debug for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Witness")
    }
}

impl Witness {
    fn number(&self, policy: &Policy) -> u8 {
        self.known.get(&policy.hash).copied().unwrap_or(u8::MAX)
    }

    fn understand(&self, told: Told) -> Event {
        match told {
            Told::Forwarded { subject, source, frame, rule, seq, late, .. } => Event::Forwarded {
                raw: rule.is_none(),
                who: Who::at(source.ip()),
                subject: subject.map(|subject| subject.to_string()),
                id: frame.id,
                unit: frame.unit,
                function: frame.function,
                seq: seq.map(|seq| seq.0),
                late,
            },
            Told::Renamed { device, id, name } => {
                let plc = Plc::ALL.into_iter().find(|plc| plc.socket() == device).unwrap();
                Event::Renamed { plc, id, name }
            }
            Told::World { world, modes } => {
                let told = modes.iter().find(|(id, _)| id.as_str() == OBSERVED).map(|(_, mode)| *mode);
                let own = world.policy.conduits.get(OBSERVED).map(|conduit| conduit.mode);
                let lives = &world.registry.lives;
                let gone = lives.iter().filter(|(_, life)| **life == Life::Revoked);
                Event::World(Seen {
                    policy: self.number(&world.policy),
                    revoked: gone.map(|(id, _)| id.to_string()).collect(),
                    observe: told.or(own) == Some(Mode::Observe),
                })
            }
        }
    }
}

impl Probe for Witness {
    fn tell(&self, told: Told) {
        if self.power.is_on() {
            let event = self.understand(told);
            if self.twice && matches!(event, Event::Forwarded { .. }) {
                self.log.tell(event.clone());
            }
            self.log.tell(event);
        }
    }
}

/// Starts the product on what the last life left.
pub(crate) fn start(plant: &Plant, net: Net) {
    if plant.planted == Planted::Bypass {
        return super::bypass::start(&net, &plant.tasks);
    }
    let (power, log, platter) = (&plant.power, &plant.log, &plant.platter);
    let known = (0..POLICIES).map(|number| (Sha256::of(text(number).as_bytes()), number)).collect();
    let rng = Rng::stream(plant.seed, &format!("gateway {}", plant.lives));
    let ports = Ports {
        net: Arc::new(net),
        clock: Arc::new(SimClock { start: plant.start, boot: Instant::now(), offset: Arc::clone(&plant.offset) }),
        entropy: Arc::new(Seeded(Mutex::new(rng))),
        probe: Arc::new(Witness {
            log: Arc::clone(log),
            power: Arc::clone(power),
            twice: plant.planted == Planted::ToldTwice,
            known,
        }),
        tasks: plant.tasks.clone(),
        disk: Box::new(SimDisk {
            platter: Arc::clone(platter),
            power: Arc::clone(power),
            log: Arc::clone(log),
            lies: plant.planted == Planted::DiskLies,
        }),
        medium: Box::new(SimMedium::new(Arc::clone(platter), Arc::clone(power))),
        keys: Arc::new(SimKey::new()),
        vault: Arc::new(NoVault),
        restored: None,
    };
    let settings = Settings {
        policy: text(if plant.planted == Planted::NoPolicy { POLICIES } else { 0 }),
        policy_name: "plant.toml".to_owned(),
        journal_max: JOURNAL_MAX,
        journal_segment: JOURNAL_SEGMENT,
        hold: std::time::Duration::from_hours(24 * 365),
        fault: match plant.planted {
            Planted::Product(fault) => fault,
            Planted::Nothing
            | Planted::DiskLies
            | Planted::Bypass
            | Planted::ToldTwice
            | Planted::Blind
            | Planted::NoPolicy => Fault::None,
        },
    };
    let (life, tasks, log, power) =
        (plant.office.life.clone(), plant.tasks.clone(), Arc::clone(log), Arc::clone(power));
    plant.tasks.spawn(async move {
        match start_gateway(ports, settings).await {
            Ok(gateway) if power.is_on() => life.set(Some((Arc::new(gateway), tasks))),
            Ok(_) => {}
            Err(error) => {
                if power.is_on() {
                    log.tell(Event::Ended { why: error.to_string() });
                }
            }
        }
    });
}
