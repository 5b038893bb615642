//! Time as a value: every `now` in the product is a [`Moment`], handed in by whoever owns a clock.

use serde::{Deserialize, Serialize};

/// Milliseconds since 1970 UTC, by a clock that anybody may have set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixMs(pub i64);

/// Milliseconds since this process started. Never jumps: deadlines within one life use it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BootMs(pub u64);

/// Milliseconds this gateway has run in all its lives together: what must end although the clock lies is measured by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RanMs(pub u64);

/// How far the wall clock may be believed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClockTrust {
    /// Nobody vouches for it: behind the persisted floor, or never set.
    #[default]
    Doubtful,
    /// Not behind the last time this gateway is known to have run; judged like proven.
    Floor,
    /// Set by a source that the plant trusts.
    Proven,
}

/// One moment as the gateway knows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// The wall clock.
    pub wall: UnixMs,
    /// Time since this process started.
    pub boot: BootMs,
    /// Time run in all lives.
    pub ran: RanMs,
    /// What the wall clock is worth.
    pub trust: ClockTrust,
    /// The wall clock cannot be earlier than this. Records do not carry it: they say what the clock was worth.
    #[serde(skip)]
    pub floor: UnixMs,
}

impl Moment {
    /// True when a date has surely come. A clock that nobody vouches for proves nothing by itself: then the floor speaks.
    pub fn is_past(&self, end: UnixMs) -> bool {
        match self.trust {
            ClockTrust::Doubtful => self.floor >= end,
            ClockTrust::Floor | ClockTrust::Proven => self.wall >= end,
        }
    }

    /// True when a date has surely not come yet. Under a doubtful clock it may have: nobody loses by a boot in 1970.
    pub fn is_before(&self, begin: UnixMs) -> bool {
        match self.trust {
            ClockTrust::Doubtful => false,
            ClockTrust::Floor | ClockTrust::Proven => self.wall < begin,
        }
    }
}
