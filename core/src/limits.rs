//! Token buckets: `N writes per minute` is a bucket of N tokens that refills evenly. Integers only, so that no fraction is lost
//! however often it is asked.

use crate::moment::BootMs;
use crate::policy::model::Limit;

/// A bucket for one subject, point and limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Filled so far, in token-milliseconds: one token is `period` of them.
    level: u64,
    /// When `level` was right.
    at: BootMs,
    count: u64,
    period: u64,
}

impl Bucket {
    /// A full bucket.
    pub fn full(limit: &Limit, now: BootMs) -> Self {
        let (count, period) = (u64::from(limit.count.get()), u64::from(limit.seconds) * 1000);
        Self { level: count * period, at: now, count, period }
    }

    fn level_at(&self, now: BootMs) -> u64 {
        let gained = now.0.saturating_sub(self.at.0).saturating_mul(self.count);
        self.level.saturating_add(gained).min(self.count * self.period)
    }

    /// Whether a token is there.
    pub fn has(&self, now: BootMs) -> bool {
        self.level_at(now) >= self.period
    }

    /// Takes a token if there is one.
    pub fn take(&mut self, now: BootMs) -> bool {
        let level = self.level_at(now);
        let enough = level >= self.period;
        self.level = if enough { level - self.period } else { level };
        self.at = BootMs(self.at.0.max(now.0));
        enough
    }

    /// Whether it is as good as new, so that it may be forgotten.
    pub fn is_full(&self, now: BootMs) -> bool {
        self.level_at(now) == self.count * self.period
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::policy::model::LimitOf;

    fn per_minute(count: u32) -> Limit {
        Limit { count: NonZeroU32::new(count).unwrap(), of: LimitOf::Writes, seconds: 60 }
    }

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let mut bucket = Bucket::full(&per_minute(3), BootMs(0));
        assert_eq!([0, 0, 0, 0].map(|ms| bucket.take(BootMs(ms))), [true, true, true, false]);
        assert!(!bucket.take(BootMs(19_999)));
        assert!(bucket.take(BootMs(20_000)));
        assert!(!bucket.has(BootMs(39_999)));
        assert!(bucket.has(BootMs(40_000)));
    }

    #[test]
    fn refusals_and_frequent_looks_cost_nothing() {
        let mut bucket = Bucket::full(&per_minute(1), BootMs(0));
        assert!(bucket.take(BootMs(0)));
        let passed = (1..=600_000).filter(|ms| bucket.take(BootMs(*ms))).count();
        assert_eq!(passed, 10);
    }

    #[test]
    fn a_clock_that_steps_back_gives_nothing() {
        let mut bucket = Bucket::full(&per_minute(1), BootMs(100_000));
        assert!(bucket.take(BootMs(100_000)));
        assert!(!bucket.take(BootMs(0)));
        assert!(!bucket.take(BootMs(159_999)));
        assert!(bucket.take(BootMs(160_000)));
        assert!(bucket.is_full(BootMs(u64::MAX)));
    }
}
