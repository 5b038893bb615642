//! The gateway's time: the machine's clocks, what has run in earlier lives, and what the wall clock is worth.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use bulkhead_core::moment::{ClockTrust, Moment, RanMs, UnixMs};

use crate::ports::clock::Clock;

/// Milliseconds between the moments at which time run is written down: also the most that a deadline gains at a crash.
pub const HEARTBEAT_MS: u64 = 10_000;

/// The one source of `now`.
#[derive(Debug)]
pub struct Time {
    clock: Arc<dyn Clock>,
    /// Time run in earlier lives.
    before: RanMs,
    /// The wall clock cannot be earlier than this, plus what has run in this life.
    floor: AtomicI64,
    /// A source that the plant trusts has set the clock.
    proven: AtomicBool,
}

impl Time {
    /// Time of a life that follows `before` of running, when the wall clock was last known to be at least `floor`.
    pub fn new(clock: Arc<dyn Clock>, before: RanMs, floor: UnixMs) -> Self {
        Self { clock, before, floor: AtomicI64::new(floor.0), proven: AtomicBool::new(false) }
    }

    /// This moment.
    pub fn now(&self) -> Moment {
        let (wall, boot) = self.clock.read();
        let ran = RanMs(self.before.0.saturating_add(boot.0));
        // INVARIANT: the floor rises by time run or by a trusted source only: one jump to 2099 must not poison it.
        let floor = self.floor.load(Ordering::Relaxed).saturating_add(i64::try_from(boot.0).unwrap_or(i64::MAX));
        let trust = if wall.0.saturating_add(SLACK_MS) < floor {
            ClockTrust::Doubtful
        } else if self.proven.load(Ordering::Relaxed) {
            ClockTrust::Proven
        } else {
            ClockTrust::Floor
        };
        Moment { wall, boot, ran, trust, floor: UnixMs(floor) }
    }

    /// The floor as it is to be kept for the next life.
    pub fn floor(&self) -> UnixMs {
        let (_, boot) = self.clock.read();
        let run = i64::try_from(boot.0).unwrap_or(i64::MAX);
        UnixMs(self.floor.load(Ordering::Relaxed).saturating_add(run))
    }
}

/// Clocks are disciplined by small steps: a step back of this much raises no doubt.
const SLACK_MS: i64 = 2_000;

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use bulkhead_core::moment::BootMs;

    use super::*;

    #[derive(Debug, Default)]
    struct Hand(Mutex<(i64, u64)>);

    impl Clock for Hand {
        fn read(&self) -> (UnixMs, BootMs) {
            let (wall, boot) = *self.0.lock().unwrap();
            (UnixMs(wall), BootMs(boot))
        }
    }

    #[test]
    fn a_boot_in_1970_and_a_step_back_are_doubtful_and_a_jump_ahead_does_not_poison() {
        let hand = Arc::new(Hand::default());
        let time = Time::new(Arc::clone(&hand) as Arc<dyn Clock>, RanMs(500), UnixMs(1_000_000));
        let trust = |wall, boot| {
            *hand.0.lock().unwrap() = (wall, boot);
            time.now().trust
        };
        assert_eq!(trust(0, 10), ClockTrust::Doubtful);
        assert_eq!(trust(1_000_000, 10), ClockTrust::Floor);
        assert_eq!(trust(4_000_000_000_000, 10), ClockTrust::Floor);
        assert_eq!(trust(1_000_020, 20), ClockTrust::Floor);
        assert_eq!(trust(1_000_000, 2_000), ClockTrust::Floor);
        assert_eq!(trust(1_000_000, 2_001), ClockTrust::Doubtful);
        assert_eq!(trust(1_000_000, 2_001_000), ClockTrust::Doubtful);
        assert_eq!(time.now().ran, RanMs(2_001_500));
        assert_eq!(time.floor(), UnixMs(3_001_000));
    }
}
