//! Time, as people at the plant say it: in the plant's zone, with what the clock is worth.

use bulkhead_core::moment::{ClockTrust, Moment, UnixMs};
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

use crate::ports::clock::{Clock as _, MachineClock};

/// The wall clock now: for reading words such as `today`, never for a decision.
pub(super) fn now() -> UnixMs {
    MachineClock::start().read().0
}

/// `2026-11-24 03:09:58`, in the zone.
pub(super) fn stamp(at: UnixMs, zone: &TimeZone) -> String {
    match Timestamp::from_millisecond(at.0) {
        Ok(time) => time.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string(),
        Err(_) => format!("{} ms", at.0),
    }
}

/// `2026-11-24 03:09:58 (time: doubtful)`: the trust stands beside the time, unless nobody need worry.
pub(super) fn moment(at: Moment, zone: &TimeZone) -> String {
    let stamp = stamp(at.wall, zone);
    match at.trust {
        ClockTrust::Proven => stamp,
        ClockTrust::Floor | ClockTrust::Doubtful => format!("{stamp} (time: {})", trust(at.trust)),
    }
}

/// What a clock is worth, in words.
pub(super) const fn trust(trust: ClockTrust) -> &'static str {
    match trust {
        ClockTrust::Proven => "proven",
        ClockTrust::Floor => "RTC, not proven",
        ClockTrust::Doubtful => "doubtful",
    }
}

/// Reads `03:10`, `03:10 today`, `03:10 yesterday`, `2026-11-24T03:10`, `2026-11-24 03:10:00`, or RFC 3339.
pub(super) fn parse(text: &str, now: UnixMs, zone: &TimeZone) -> Option<UnixMs> {
    let text = text.trim();
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(UnixMs(time.as_millisecond()));
    }
    let today = Timestamp::from_millisecond(now.0).ok()?.to_zoned(zone.clone()).date();
    let at = match text.split_once(' ') {
        Some((time, "today")) => today.to_datetime(clock(time)?),
        Some((time, "yesterday")) => today.checked_sub(1.day()).ok()?.to_datetime(clock(time)?),
        Some((date, time)) => date.parse::<Date>().ok()?.to_datetime(clock(time)?),
        None if text.contains('T') => text.parse::<DateTime>().ok()?,
        None => today.to_datetime(clock(text)?),
    };
    Some(UnixMs(at.to_zoned(zone.clone()).ok()?.timestamp().as_millisecond()))
}

fn clock(text: &str) -> Option<Time> {
    let digits = text.bytes().all(|b| b.is_ascii_digit() || b == b':');
    (digits && text.contains(':')).then(|| text.parse().ok())?
}

/// `30s`, `10m`, `2h`, `1d` as seconds; nothing else.
pub(super) fn seconds(text: &str) -> Option<u64> {
    let unit = text.chars().last()?;
    let factor = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return None,
    };
    let digits = text.strip_suffix(unit)?;
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| digits.parse::<u64>().ok()?.checked_mul(factor))?
}

/// `38 ms`, `12 s`, `4 min`, `3 h`, `12 days`: how long something lasted, for a screen.
pub(super) fn span(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..120_000 => format!("{} s", ms / 1_000),
        120_000..7_200_000 => format!("{} min", ms / 60_000),
        7_200_000..172_800_000 => format!("{} h", ms / 3_600_000),
        _ => format!("{} days", ms / 86_400_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn berlin() -> TimeZone {
        TimeZone::get("Europe/Berlin").unwrap()
    }

    #[test]
    fn words_for_a_time_are_read_in_the_plants_zone() {
        let now = parse("2026-11-24T12:00:00Z", UnixMs(0), &berlin()).unwrap();
        let table = [
            ("03:10", "2026-11-24 03:10:00"),
            ("03:10 today", "2026-11-24 03:10:00"),
            ("23:59 yesterday", "2026-11-23 23:59:00"),
            ("2026-11-20T03:10", "2026-11-20 03:10:00"),
            ("2026-11-20 03:10:07", "2026-11-20 03:10:07"),
            ("2026-11-20T03:10:00Z", "2026-11-20 04:10:00"),
        ];
        for (words, stamped) in table {
            assert_eq!(
                parse(words, now, &berlin()).map(|at| stamp(at, &berlin())).as_deref(),
                Some(stamped),
                "{words}"
            );
        }
        for words in ["", "3", "25:00", "03:10 tomorrow", "yesterday", "2026-13-01T00:00", "now"] {
            assert_eq!(parse(words, now, &berlin()), None, "{words}");
        }
    }

    #[test]
    fn a_watch_is_a_number_with_a_unit() {
        assert_eq!(["30s", "10m", "2h", "1d"].map(seconds), [Some(30), Some(600), Some(7_200), Some(86_400)]);
        assert_eq!(["", "m", "10", "10 m", "-1m", "1.5h", "10min", "99999999999999999999d"].map(seconds), [None; 8]);
    }

    #[test]
    fn a_doubtful_clock_is_said_beside_the_time() {
        let at = Moment { wall: UnixMs(0), trust: ClockTrust::Doubtful, ..Moment::default() };
        assert_eq!(moment(at, &TimeZone::UTC), "1970-01-01 00:00:00 (time: doubtful)");
        assert_eq!(moment(Moment { trust: ClockTrust::Proven, ..at }, &TimeZone::UTC), "1970-01-01 00:00:00");
    }
}
