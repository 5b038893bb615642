//! One run: builds the plant, carries out the plan, and returns what happened.

use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bulkhead::app::Gateway;
use bulkhead::tasks::{Tasks, Writers};
use tokio::time::{Instant, sleep_until};

use super::check::Violation;
use super::disk::Platter;
use super::event::Event;
use super::faults::Planted;
use super::log::{Line, Log};
use super::masters::Master;
use super::office::Office;
use super::plan::{Mood, Plan};
use super::plc::Device;
use super::policies::{GATEWAY, Plc, Who};
use super::power::Power;
use super::wire::Wire;
use super::{evidence, gateway};

/// What a run leaves.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) hash: u64,
    pub(crate) lines: Vec<Line>,
    pub(crate) violation: Option<Violation>,
}

/// The gateway that is up, as those see it who give it orders.
#[derive(Clone, Default)]
pub(crate) struct Life(Arc<Mutex<Option<Up>>>);

type Up = (Arc<Gateway>, Tasks);

impl Life {
    pub(crate) fn get(&self) -> Option<Up> {
        self.0.lock().unwrap().clone()
    }

    /// Takes it: no more orders reach it.
    pub(crate) fn take(&self) -> Option<Arc<Gateway>> {
        self.0.lock().unwrap().take().map(|(gateway, _)| gateway)
    }

    pub(crate) fn set(&self, life: Option<Up>) {
        *self.0.lock().unwrap() = life;
    }
}

pub(crate) struct Plant {
    pub(crate) seed: u64,
    pub(crate) planted: Planted,
    pub(crate) start: Instant,
    pub(crate) wire: Arc<Wire>,
    pub(crate) platter: Arc<Platter>,
    pub(crate) log: Arc<Log>,
    pub(crate) offset: Arc<AtomicI64>,
    /// The tasks of everybody but the gateway.
    pub(crate) crew: Tasks,
    pub(crate) power: Arc<Power>,
    pub(crate) tasks: Tasks,
    pub(crate) moods: [Arc<Mutex<Mood>>; 2],
    pub(crate) office: Office,
    pub(crate) orders: u64,
    pub(crate) lives: u64,
    /// When the gateway comes back, while it is down; and what the next blown fuse means.
    back: Option<Instant>,
    pub(crate) fuse: (bool, u64),
}

/// Who has a connection to what. The SCADA station has two to the filler.
const MASTERS: [(Who, Plc); 9] = [
    (Who::Scada, Plc::Filler),
    (Who::Scada, Plc::Filler),
    (Who::Hmi, Plc::Filler),
    (Who::Panel, Plc::Filler),
    (Who::Technician, Plc::Filler),
    (Who::Office, Plc::Filler),
    (Who::Stranger, Plc::Filler),
    (Who::Scada, Plc::Drive),
    (Who::Hmi, Plc::Drive),
];

/// Runs `plan` on a gateway with a planted bug, or without.
pub(crate) fn run(plan: &Plan, planted: Planted) -> Outcome {
    run_for(plan, planted, None)
}

/// The same, with all promises looking away but one.
pub(crate) fn run_for(plan: &Plan, planted: Planted, only: Option<&'static str>) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let mut plant = Plant::build(plan.seed, planted, only);
        plant.drive(plan).await;
        let inner = &mut *plant.log.lock();
        let (lines, violation) = (std::mem::take(&mut inner.lines), inner.violation.take());
        Outcome { hash: inner.hash, lines, violation }
    })
}

impl Plant {
    fn build(seed: u64, planted: Planted, only: Option<&'static str>) -> Self {
        let (wire, log, crew) = (Wire::new(seed), Log::new(only), Tasks::new(Writers::Inline));
        let mains = Arc::new(Power::default());
        let moods = [Mood::Well; 2].map(|mood| Arc::new(Mutex::new(mood)));
        for (plc, mood) in Plc::ALL.into_iter().zip(&moods) {
            let net = wire.host(plc.host(), &[plc.socket().ip()], Arc::clone(&mains));
            let (log, tasks, mood) = (Arc::clone(&log), crew.clone(), Arc::clone(mood));
            crew.spawn(Device { plc, net, log, tasks, mood, seed }.serve());
        }
        for (index, (who, plc)) in (0..).zip(MASTERS) {
            let net = wire.host(who.host(), &[who.ip()], Arc::clone(&mains));
            crew.spawn(Master { who, plc, net, log: Arc::clone(&log), seed, index }.work());
        }
        let office = Office { log: Arc::clone(&log), life: Life::default(), open: Arc::default() };
        Self {
            seed,
            planted,
            start: Instant::now(),
            platter: Platter::new(seed),
            offset: Arc::new(AtomicI64::new(0)),
            power: Arc::default(),
            tasks: Tasks::new(Writers::Inline),
            orders: 0,
            lives: 0,
            back: Some(Instant::now()),
            fuse: (false, 0),
            wire,
            log,
            crew,
            moods,
            office,
        }
    }

    async fn drive(&mut self, plan: &Plan) {
        let mut acts = plan.acts.iter().peekable();
        let end = self.start + Duration::from_millis(plan.length);
        while self.log.lock().violation.is_none() {
            let next = acts.peek().map_or(end, |(at, _)| self.start + Duration::from_millis(*at));
            let (power, back) = (Arc::clone(&self.power), self.back);
            tokio::select! {
                biased;
                () = power.blown() => self.crash(self.fuse.0, self.fuse.1),
                () = sleep_until(back.unwrap_or(end)), if back.is_some() => self.begin(),
                () = sleep_until(next) => match acts.next() {
                    Some((_, act)) => self.perform(*act),
                    None => break,
                },
            }
        }
        // At the end everything written must be sound, without a start to mend it.
        self.crash(false, 0);
        self.reopen();
        self.crew.abort_all();
    }

    /// A new life of the gateway, on what the last one left.
    fn begin(&mut self) {
        self.back = None;
        self.lives += 1;
        self.reopen();
        self.power = Arc::default();
        self.tasks = Tasks::new(Writers::Inline);
        let mut net = self.wire.host("gateway", &GATEWAY, Arc::clone(&self.power));
        net.blind = self.planted == Planted::Blind;
        self.log.tell(Event::Started);
        gateway::start(self, net);
    }

    pub(crate) fn crash(&mut self, dark: bool, down: u64) {
        if self.back.is_some() {
            return;
        }
        self.power.off(dark);
        self.office.life.set(None);
        self.tasks.abort_all();
        self.wire.crash("gateway", dark);
        self.platter.crash(dark);
        self.log.tell(Event::Crashed { dark });
        self.back = Some(Instant::now() + Duration::from_millis(down));
    }

    /// Reads the journal as the next life will find it.
    fn reopen(&self) {
        let (records, wrong, writes) = evidence::read(&self.platter.journal());
        self.log.tell(Event::Reopened { records, wrong, writes });
    }
}
