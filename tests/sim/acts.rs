//! What each act of a plan does to the plant.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::event::Event;
use super::plan::{Act, Mood};
use super::policies::Plc;
use super::run::Plant;

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
                let set = Arc::clone(self.mood(plc));
                *set.lock().unwrap() = mood;
                self.later(time, move || *set.lock().unwrap() = Mood::Well);
            }
            Act::Compare => self.compare(),
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
