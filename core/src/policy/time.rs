//! Shifts and hours on the plant's wall, nights of the clock change included.
//!
//! A window belongs to the day it starts on. A start in the gap of spring moves forward and one in the fold of autumn is the
//! first of the two; an end takes the later instant. Both fall together for windows that follow each other: no hole, ever.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::model::{DayMinute, Hours, Shift};
use crate::moment::UnixMs;

/// Days looked back: a window is at most one day long, its overlap under two (`u16` minutes are 45 days, but lint caps it).
const BACK: i64 = 3;
/// Days looked ahead for the next start: each weekday once, and one more for luck with date lines.
const AHEAD: i64 = 8;

/// Whether a window is open, and until when that can be relied on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// Open; it ends at `until`, which is excluded.
    Open {
        /// The end, overlap included.
        until: UnixMs,
    },
    /// Closed; it opens at `next`.
    Closed {
        /// The next start, if there is one within eight days.
        next: Option<UnixMs>,
    },
}

impl Window {
    /// True when it is open.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Open { .. })
    }

    /// When this answer ends.
    pub const fn changes(self) -> Option<UnixMs> {
        match self {
            Self::Open { until } => Some(until),
            Self::Closed { next } => next,
        }
    }
}

impl Shift {
    /// Whether the shift runs at an instant, its overlap included.
    pub fn window(&self, zone: &TimeZone, at: UnixMs) -> Window {
        window(self.hours, self.overlap, zone, at)
    }
}

impl Hours {
    /// Whether the hours hold at an instant. Hours have no overlap.
    pub fn window(&self, zone: &TimeZone, at: UnixMs) -> Window {
        window(*self, 0, zone, at)
    }
}

fn window(hours: Hours, overlap: u16, zone: &TimeZone, at: UnixMs) -> Window {
    let Ok(now) = Timestamp::from_millisecond(at.0) else {
        return Window::Closed { next: None };
    };
    let today = zone.to_datetime(now).date();
    let back = BACK + i64::from(overlap) / (24 * 60);
    let mut next = None;
    for offset in -back..=AHEAD {
        let Some((start, end)) = today.checked_add(offset.days()).ok().and_then(|day| on_day(hours, zone, day)) else {
            continue;
        };
        let end = end.0.saturating_add(i64::from(overlap) * 60_000);
        if start.0 <= at.0 && at.0 < end {
            return Window::Open { until: UnixMs(end) };
        }
        if start.0 > at.0 && start.0 < end && next.is_none() {
            next = Some(start);
        }
    }
    Window::Closed { next }
}

/// The window that starts on a day: its start and its end, overlap not included.
fn on_day(hours: Hours, zone: &TimeZone, day: Date) -> Option<(UnixMs, UnixMs)> {
    let weekday = day.weekday().to_monday_zero_offset();
    if hours.days.0 >> weekday & 1 == 0 {
        return None;
    }
    let last = if hours.end <= hours.start { day.tomorrow().ok()? } else { day };
    let start = zone.to_ambiguous_timestamp(at_minute(day, hours.start)?).compatible().ok()?;
    let end = zone.to_ambiguous_timestamp(at_minute(last, hours.end)?).later().ok()?;
    Some((UnixMs(start.as_millisecond()), UnixMs(end.as_millisecond())))
}

fn at_minute(day: Date, minute: DayMinute) -> Option<jiff::civil::DateTime> {
    let hour = i8::try_from(minute.0 / 60).ok()?;
    let minute = i8::try_from(minute.0 % 60).ok()?;
    Some(day.to_datetime(jiff::civil::Time::new(hour, minute, 0, 0).ok()?))
}

#[cfg(test)]
mod tests;
