//! Units that do not answer. One dead slave must not stall the bus: after two time-outs in a row its requests are answered for
//! it, and now and then one is let through to see whether it is back.
//!
//! Where nothing else moves while a request is under way, short tries take 4 % of the bus's time, and long ones, for a unit that
//! came back slow, another 1 %.

use std::collections::{BTreeMap, VecDeque};

use bulkhead_core::moment::BootMs;

/// Time-outs in a row after which a unit is given no more than a try now and then.
const SILENT_AFTER: u32 = 2;
/// Between two tries.
const PAUSE: u64 = 2_000;
/// The longest pause between two tries.
const LONGEST_PAUSE: u64 = 60_000;
/// A short try takes no more than one part in so many of the time.
const SHARE: u64 = 25;
/// A try waits this long at least.
const PATIENCE: u64 = 80;
/// A long try is one part in so many of the time since the last one.
const LONG_SHARE: u64 = 100;
/// Ways to safe that one silent unit is known to have been sent of late.
const SAFE: usize = 4;

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
    /// How long this try may take.
    patience: u64,
    /// After so long a converter said by itself that the unit is silent; the bus is its own until then.
    said_after: u64,
    /// The last long try, and how long the next one may take.
    long: (BootMs, u64),
    /// Ways to safe that it was sent of late.
    safe: VecDeque<(BootMs, Box<[u8]>)>,
}

impl Units {
    /// Whether a request to a unit is to be answered for it. If not, and the unit is silent, this request is the try.
    /// A unit is waited for `within` milliseconds at the longest.
    pub(super) fn is_deaf(&mut self, unit: u8, asker: Asker, within: u64, now: BootMs) -> bool {
        let usual = self.usual();
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
        one.patience = usual.max(one.said_after * 2);
        let (last, next) = one.long;
        if now.0.saturating_sub(last.0) / LONG_SHARE >= next.max(one.patience) {
            one.patience = next.max(one.patience);
            one.long = (now, (next * 2).min(within));
        }
        false
    }

    /// Whether a way to safe, of these bytes, need not be sent to a silent unit: it was, less than a pause ago. A heartbeat that
    /// goes on must not take the bus from the other units.
    pub(super) fn is_told(&self, unit: u8, bytes: &[u8], now: BootMs) -> bool {
        let silent = self.failing.get(&unit).filter(|one| one.failures >= SILENT_AFTER);
        let same = |(then, told): &(BootMs, Box<[u8]>)| now.0.saturating_sub(then.0) < PAUSE && **told == *bytes;
        silent.is_some_and(|one| one.safe.iter().any(same))
    }

    /// A request of these bytes was sent to a unit, silent or not.
    pub(super) fn sent(&mut self, unit: u8, bytes: &[u8], now: BootMs) {
        let Some(one) = self.failing.get_mut(&unit).filter(|one| one.failures >= SILENT_AFTER) else { return };
        one.safe.retain(|(_, told)| **told != *bytes);
        if one.safe.len() >= SAFE {
            one.safe.pop_front();
        }
        one.safe.push_back((now, bytes.into()));
    }

    /// How long a request to a unit that is silent may wait; none where the usual deadline counts.
    pub(super) fn patience(&self, unit: u8, asker: Asker) -> Option<u64> {
        let one = self.failing.get(&unit).filter(|one| one.failures >= SILENT_AFTER)?;
        Some(if one.trying == Some(asker) { one.patience } else { self.usual().max(one.said_after * 2) })
    }

    fn usual(&self) -> u64 {
        self.slowest.saturating_mul(4).max(PATIENCE)
    }

    /// A unit has answered after `took` milliseconds.
    pub(super) fn answered(&mut self, unit: u8, took: u64) {
        self.slowest = took.max(self.slowest - self.slowest / 64);
        self.failing.remove(&unit);
    }

    /// A unit has not answered. `said_after`: a converter said so, after so many milliseconds. `alone` when nothing else could
    /// move meanwhile.
    pub(super) fn failed(&mut self, unit: u8, said_after: Option<u64>, alone: bool, now: BootMs) {
        let usual = self.usual();
        let one = self.failing.entry(unit).or_default();
        one.failures = one.failures.saturating_add(1);
        one.trying = None;
        one.said_after = said_after.unwrap_or(one.said_after);
        if one.failures == SILENT_AFTER {
            one.long = (now, usual * 2);
        }
        let cost = if one.said_after > 0 { one.said_after } else { usual };
        let pause = if alone { cost.saturating_mul(SHARE).clamp(PAUSE, LONGEST_PAUSE) } else { PAUSE };
        one.not_before = BootMs(now.0.saturating_add(pause));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: Asker = (1, 7);
    const OTHER: Asker = (2, 7);

    fn silent(units: &mut Units, now: BootMs) {
        units.failed(7, None, true, now);
        units.failed(7, None, true, now);
    }

    #[test]
    fn two_silences_shut_a_unit_and_one_request_in_two_seconds_tries_it() {
        let mut units = Units::default();
        units.failed(7, None, true, BootMs(1_000));
        assert!(!units.is_deaf(7, ME, 6_000, BootMs(1_000)), "once is chance");
        units.failed(7, None, true, BootMs(2_000));
        assert!(units.is_deaf(7, ME, 6_000, BootMs(3_999)));
        assert!(!units.is_deaf(8, ME, 6_000, BootMs(3_999)), "another unit is another");
        assert!(!units.is_deaf(7, ME, 6_000, BootMs(4_000)), "this one tries");
        assert!(units.is_deaf(7, OTHER, 6_000, BootMs(4_000)), "and no other");
        assert!(!units.is_deaf(7, ME, 6_000, BootMs(4_100)), "however often it is looked at");
        units.answered(7, 5);
        assert!(!units.is_deaf(7, OTHER, 6_000, BootMs(4_101)));
    }

    /// Tries for ten minutes: how much of the time they took, the longest try and the longest pause.
    fn ten_minutes(mut units: Units, took: impl Fn(u64) -> (u64, Option<u64>)) -> (u64, u64, u64) {
        const WITHIN: u64 = 6_000;
        let (mut now, mut blocked, mut longest, mut last, mut pause) = (BootMs(0), 0, 0, 0, 0);
        silent(&mut units, now);
        while now.0 < 600_000 {
            now = BootMs(now.0 + 1);
            if units.is_deaf(7, ME, WITHIN, now) {
                continue;
            }
            pause = pause.max(now.0 - last);
            let (time, said) = took(units.patience(7, ME).unwrap());
            (blocked, longest) = (blocked + time, longest.max(time));
            now = BootMs(now.0 + time);
            last = now.0;
            units.failed(7, said, true, now);
        }
        (blocked * 1_000 / now.0, longest, pause)
    }

    #[test]
    fn tries_take_five_percent_of_a_bus_find_a_slow_unit_and_come_every_two_seconds() {
        let (share, longest, pause) = ten_minutes(Units::default(), |patience| (patience, None));
        assert!(share <= 50, "{share} of a thousand");
        assert!(longest >= 1_000, "a unit that takes a second is found in ten minutes");
        assert_eq!(pause, PAUSE);
    }

    #[test]
    fn a_converter_that_takes_half_a_second_to_say_so_is_asked_less_often() {
        let mut units = Units::default();
        units.failed(7, Some(500), true, BootMs(0));
        let (share, _, pause) = ten_minutes(units, |patience| {
            assert!(patience >= 500, "its word is waited for");
            (500, Some(500))
        });
        assert!(share <= 50 && pause <= 13_000, "{share} of a thousand, {pause} ms");
    }

    #[test]
    fn the_way_to_safe_is_sent_to_a_silent_unit_and_a_heartbeat_once_in_two_seconds() {
        let mut units = Units::default();
        units.sent(7, &[6, 0, 0], BootMs(0));
        assert!(!units.is_told(7, &[6, 0, 0], BootMs(0)), "it is well");
        silent(&mut units, BootMs(0));
        assert!(
            !units.is_told(7, &[6, 0, 0], BootMs(100)) && !units.is_told(7, &[6, 0, 0], BootMs(100)),
            "not sent yet"
        );
        units.sent(7, &[6, 0, 0], BootMs(100));
        assert!(units.is_told(7, &[6, 0, 0], BootMs(2_099)));
        assert!(!units.is_told(7, &[6, 0, 9], BootMs(2_099)), "another value");
        assert!(!units.is_told(7, &[6, 0, 0], BootMs(2_100)));
        assert_eq!(units.patience(7, ME), Some(PATIENCE), "none of them waits long");
    }

    #[test]
    fn a_try_that_was_never_sent_is_followed_by_another() {
        let mut units = Units::default();
        units.failed(7, None, false, BootMs(0));
        units.failed(7, None, false, BootMs(0));
        assert!(!units.is_deaf(7, ME, 6_000, BootMs(2_000)));
        assert!(units.is_deaf(7, OTHER, 6_000, BootMs(3_999)));
        assert!(!units.is_deaf(7, OTHER, 6_000, BootMs(4_000)));
    }
}
