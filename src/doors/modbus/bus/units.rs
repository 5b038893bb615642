//! Units that do not answer. One dead slave must not stall the bus: after two time-outs in a row its requests are answered for
//! it, and now and then one is let through to see whether it is back.

use std::collections::BTreeMap;

use bulkhead_core::moment::BootMs;

/// Time-outs in a row after which a unit is given no more than a try now and then.
const SILENT_AFTER: u32 = 2;
/// Between two tries.
const PAUSE: u64 = 2_000;
/// The longest pause between two tries.
const LONGEST_PAUSE: u64 = 60_000;
/// On a link where nothing else moves meanwhile, a try takes no more than one part in so many of the time.
const SHARE: u64 = 25;
/// A try waits this long at least.
const PATIENCE: u64 = 80;

/// Which request is meant: the connection and its transaction id.
pub(super) type Asker = (u64, u16);

/// The units that failed of late. Bounded by the number of unit ids.
#[derive(Debug, Default)]
pub(super) struct Units {
    failing: BTreeMap<u8, Unit>,
    /// How long the slowest answer of late took.
    slowest: u64,
}

#[derive(Debug, Default)]
struct Unit {
    failures: u32,
    /// No try before.
    not_before: BootMs,
    /// Who may try.
    trying: Option<Asker>,
}

impl Units {
    /// Whether a request to a unit is to be answered for it. If not, and the unit is silent, this request is the try.
    pub(super) fn is_deaf(&mut self, unit: u8, asker: Asker, now: BootMs) -> bool {
        let Some(one) = self.failing.get_mut(&unit).filter(|one| one.failures >= SILENT_AFTER) else { return false };
        if one.trying == Some(asker) {
            return false;
        }
        if now < one.not_before {
            return true;
        }
        // Another try, should this one never be sent.
        one.not_before = BootMs(now.0.saturating_add(PAUSE));
        one.trying = Some(asker);
        false
    }

    /// How long a request to a unit that is silent may wait; none where the usual deadline counts.
    pub(super) fn patience(&self, unit: u8) -> Option<u64> {
        let one = self.failing.get(&unit).filter(|one| one.failures >= SILENT_AFTER)?;
        let usual = self.slowest.saturating_mul(4).max(PATIENCE);
        // A unit that came back slow is found all the same, a little later.
        let grown = usual << (one.failures - SILENT_AFTER).min(10);
        Some(grown.min(usual.max(LONGEST_PAUSE / SHARE)))
    }

    /// A unit has answered after `took` milliseconds.
    pub(super) fn answered(&mut self, unit: u8, took: u64) {
        self.slowest = took.max(self.slowest - self.slowest / 64);
        self.failing.remove(&unit);
    }

    /// A unit has not answered for `took` milliseconds, or a converter says so; `alone` when nothing else could move meanwhile.
    pub(super) fn failed(&mut self, unit: u8, took: u64, alone: bool, now: BootMs) {
        let one = self.failing.entry(unit).or_default();
        one.failures = one.failures.saturating_add(1);
        one.trying = None;
        let first = one.failures <= SILENT_AFTER;
        let pause = if alone && !first { took.saturating_mul(SHARE).clamp(PAUSE, LONGEST_PAUSE) } else { PAUSE };
        one.not_before = BootMs(now.0.saturating_add(pause));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: Asker = (1, 7);
    const OTHER: Asker = (2, 7);

    #[test]
    fn two_silences_shut_a_unit_and_one_request_in_two_seconds_tries_it() {
        let mut units = Units::default();
        units.failed(7, 1_000, true, BootMs(1_000));
        assert!(!units.is_deaf(7, ME, BootMs(1_000)), "once is chance");
        units.failed(7, 1_000, true, BootMs(2_000));
        assert!(units.is_deaf(7, ME, BootMs(3_999)));
        assert!(!units.is_deaf(8, ME, BootMs(3_999)), "another unit is another");
        assert!(!units.is_deaf(7, ME, BootMs(4_000)), "this one tries");
        assert!(units.is_deaf(7, OTHER, BootMs(4_000)), "and no other");
        assert!(!units.is_deaf(7, ME, BootMs(4_100)), "however often it is looked at");
        units.answered(7, 5);
        assert!(!units.is_deaf(7, OTHER, BootMs(4_101)));
    }

    #[test]
    fn a_try_takes_four_percent_of_a_bus_and_grows_until_a_slow_unit_is_found() {
        let mut units = Units::default();
        let mut now = BootMs(0);
        for _ in 0..2 {
            units.failed(7, 6_000, true, now);
        }
        let (mut blocked, mut tries) = (0, Vec::new());
        while tries.len() < 8 {
            now = BootMs(now.0 + 1);
            if !units.is_deaf(7, ME, now) {
                let patience = units.patience(7).unwrap();
                blocked += patience;
                now = BootMs(now.0 + patience);
                units.failed(7, patience, true, now);
                tries.push(patience);
            }
        }
        assert_eq!(tries, [80, 160, 320, 640, 1_280, 2_400, 2_400, 2_400]);
        assert!(blocked * 20 < now.0, "{blocked} ms of {now:?}");
    }

    #[test]
    fn a_try_that_was_never_sent_is_followed_by_another() {
        let mut units = Units::default();
        units.failed(7, 10, false, BootMs(0));
        units.failed(7, 10, false, BootMs(0));
        assert!(!units.is_deaf(7, ME, BootMs(2_000)));
        assert!(units.is_deaf(7, OTHER, BootMs(3_999)));
        assert!(!units.is_deaf(7, OTHER, BootMs(4_000)));
    }
}
