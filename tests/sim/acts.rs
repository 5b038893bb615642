//! What each act of a plan does to the plant.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bulkhead::net::Network as _;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::event::Event;
use super::log::Log;
use super::plan::{Act, Mood};
use super::policies::{Plc, Who};
use super::run::Plant;
use super::wire::Wire;

impl Plant {
    pub(crate) fn perform(&mut self, act: Act) {
        let at = |time: u64| self.log.now() + time;
        match act {
            Act::Order(order) => {
                self.orders += 1;
                self.crew.spawn(self.office.clone().give(self.orders, order));
            }
            Act::Hold { host, time } => {
                self.wire.hold(host, "gateway", Duration::from_millis(time));
                self.log.tell(Event::LinkHeld { host, until: at(time) });
            }
            Act::Crash { dark, down } => self.crash(dark, down),
            Act::Fuse { effects, dark, down } => {
                self.fuse = (dark, down);
                self.power.set_fuse(effects);
            }
            Act::Clock { by } => {
                self.offset.fetch_add(by, Ordering::Relaxed);
                self.log.tell(Event::ClockSet { by });
            }
            Act::Stall { time } => {
                self.platter.stall(Duration::from_millis(time));
                self.log.tell(Event::DiskStalled { until: at(time) });
            }
            Act::Full { time } => {
                self.platter.fill(true, &self.log);
                let (platter, log) = (Arc::clone(&self.platter), Arc::clone(&self.log));
                self.later(time, move || platter.fill(false, &log));
            }
            Act::Mood { plc, mood, time } => {
                let (set, wire) = (Arc::clone(self.mood(plc)), Arc::clone(&self.wire));
                *set.lock().unwrap() = mood;
                self.log.tell(Event::Mood { plc, well: false });
                let log = Arc::clone(&self.log);
                wire.refuse(plc.socket(), mood == Mood::Off);
                self.later(time, move || {
                    *set.lock().unwrap() = Mood::Well;
                    wire.refuse(plc.socket(), false);
                    log.tell(Event::Mood { plc, well: true });
                });
            }
            Act::Stop { down } => self.stop(down),
            Act::Flood { count } => self.flood(count),
            Act::Mac { time } => {
                take_address(&self.wire, &self.log, true);
                let (wire, log) = (Arc::clone(&self.wire), Arc::clone(&self.log));
                self.later(time, move || take_address(&wire, &log, false));
            }
            Act::Compare => self.compare(),
        }
    }

    /// Ends the gateway as a service manager does; the driver sees the end when the last record is on the disk.
    fn stop(&mut self, down: u64) {
        let Some(gateway) = self.office.life.take() else { return };
        self.fuse = (false, down);
        self.log.tell(Event::Stopping);
        let power = Arc::clone(&self.power);
        self.crew.spawn(async move {
            // As the daemon does: an end that takes longer is cut short.
            drop(timeout(Duration::from_secs(5), gateway.stop()).await);
            power.blow();
        });
    }

    /// Many connections at once that ask for nothing, and go after a while.
    fn flood(&self, count: u64) {
        let net = self.wire.host(Who::Stranger.host(), &[Who::Stranger.ip()], Arc::default());
        for _ in 0..count {
            let net = net.clone();
            self.crew.spawn(async move {
                let link = net.dial(Who::Stranger.door(Plc::Filler)).await;
                sleep(Duration::from_secs(2)).await;
                drop(link);
            });
        }
    }

    fn mood(&self, plc: Plc) -> &Arc<std::sync::Mutex<Mood>> {
        match plc {
            Plc::Filler => &self.moods[0],
            Plc::Drive => &self.moods[1],
        }
    }

    fn later(&self, time: u64, work: impl FnOnce() + Send + 'static) {
        let at = Instant::now() + Duration::from_millis(time);
        self.crew.spawn(async move {
            sleep_until(at).await;
            work();
        });
    }

    fn compare(&self) {
        let quiet = self.office.open.load(Ordering::Relaxed) == 0 && self.power.is_on();
        let now = self.log.now();
        let inner = self.log.lock();
        // An order of the last life may still wait for the disk.
        let quiet = quiet && inner.model.orders.is_empty() && !inner.model.troubled(now.saturating_sub(1_000), now);
        let world = inner.model.worlds.last().map(|(_, world)| world.clone());
        drop(inner);
        if let Some(world) = world.filter(|_| quiet && self.office.life.get().is_some()) {
            let differs = super::evidence::differs(&self.platter, &world);
            self.log.tell(Event::Compared { differs });
        }
    }
}

fn take_address(wire: &Wire, log: &Log, wrong: bool) {
    let taken = &mut wire.lock().taken;
    let changed = if wrong { taken.insert(Who::Hmi.ip()) } else { taken.remove(&Who::Hmi.ip()) };
    if changed {
        log.tell(Event::Mac { wrong });
    }
}
