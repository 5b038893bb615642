//! The machine's clocks, read in one place.

use std::fmt;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use bulkhead_core::moment::{BootMs, UnixMs};

/// What a clock can tell by itself. Time run and trust are added by `service::time`.
pub trait Clock: fmt::Debug + Send + Sync {
    /// The wall clock and the time since start.
    fn read(&self) -> (UnixMs, BootMs);
}

/// The machine's clocks.
#[derive(Clone, Copy, Debug)]
pub struct MachineClock(Instant);

impl MachineClock {
    /// A clock whose boot is now.
    #[expect(clippy::disallowed_methods, reason = "the one reader of the clocks")]
    pub fn start() -> Self {
        Self(Instant::now())
    }
}

impl Clock for MachineClock {
    #[expect(clippy::disallowed_methods, reason = "the one reader of the clocks")]
    fn read(&self) -> (UnixMs, BootMs) {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
        let boot = self.0.elapsed().as_millis();
        (UnixMs(i64::try_from(wall).unwrap_or(i64::MAX)), BootMs(u64::try_from(boot).unwrap_or(u64::MAX)))
    }
}
