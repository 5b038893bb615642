//! The event log of one run: stamped, hashed, and checked as it grows.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use bulkhead::ports::clock::Clock;
use bulkhead_core::moment::{BootMs, UnixMs};
use tokio::time::Instant;

use super::check::Violation;
use super::event::Event;
use super::model::Model;

/// One line of the log.
pub(crate) type Line = (u64, Event);

#[derive(Debug)]
pub(crate) struct Log {
    start: Instant,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
pub(crate) struct Inner {
    pub(crate) lines: Vec<Line>,
    pub(crate) model: Model,
    pub(crate) violation: Option<Violation>,
    pub(crate) hash: u64,
    text: String,
}

impl Log {
    /// An empty log that starts now; it checks every promise, or one only.
    pub(crate) fn new(only: Option<&'static str>) -> Arc<Self> {
        let inner = Mutex::new(Inner { model: Model::new(only), ..Inner::default() });
        Arc::new(Self { start: Instant::now(), inner })
    }

    /// Milliseconds since the start.
    pub(crate) fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap()
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    /// Adds an event and checks every invariant.
    pub(crate) fn tell(&self, event: Event) {
        let at = self.now();
        let inner = &mut *self.lock();
        inner.text.clear();
        write!(inner.text, "{at} {event:?}").unwrap();
        for byte in inner.text.bytes() {
            inner.hash = (inner.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
        }
        if inner.violation.is_none() {
            inner.violation = inner.model.step(at, &event);
        }
        inner.lines.push((at, event));
    }
}

/// The gateway's clock: the wall can be set, the time since boot cannot.
#[derive(Debug)]
pub(crate) struct SimClock {
    pub(crate) start: Instant,
    pub(crate) boot: Instant,
    pub(crate) offset: Arc<AtomicI64>,
}

/// 2026-11-24 13:59:48 UTC in milliseconds: the early shift ends twelve seconds later.
pub(crate) const EPOCH: i64 = 1_795_528_788_000;
/// The early shift, in milliseconds of the day.
pub(crate) const SHIFT_START: i64 = 6 * 3_600_000;
/// Its end.
pub(crate) const SHIFT_END: i64 = 14 * 3_600_000;

impl Clock for SimClock {
    fn read(&self) -> (UnixMs, BootMs) {
        let millis = |since: Instant| u64::try_from(since.elapsed().as_millis()).unwrap();
        let offset = self.offset.load(Ordering::Relaxed);
        let wall = EPOCH.saturating_add_unsigned(millis(self.start)).saturating_add(offset);
        (UnixMs(wall), BootMs(millis(self.boot)))
    }
}
