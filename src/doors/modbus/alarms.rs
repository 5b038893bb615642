//! Alarms of the door, each at most once a minute per source, and the two patterns that it looks for.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bulkhead_core::moment::BootMs;

use super::ms;

/// How long one alarm stands for all of its kind.
const QUIET: Duration = Duration::from_mins(1);
/// Sources remembered at once. A flood from more than these raises no further alarms of its own: it is counted.
const SOURCES: usize = 1_024;
/// Function codes refused to one source within a minute that make a scan.
const SCAN: u32 = 3;

/// What may be wrong, as the journal names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Bytes that are no Modbus/TCP, or a third malformed request.
    Malformed,
    /// Several function codes refused in a row.
    FunctionScan,
    /// Device identification without a grant.
    Reconnaissance,
    /// A reply that nobody asked for.
    UnsolicitedReply,
    /// The device's bytes are no Modbus/TCP.
    MalformedReply,
    /// A shared link brought something that is not the reply of one request under way: it was closed and is dialled anew.
    DoubtfulLink,
    /// The same transaction id with another request.
    ReusedId,
    /// A conduit went to `enforce` while the framing of a connection was lost.
    FramingLost,
    /// The hardware address behind a source has changed.
    MacChanged,
    /// A certificate has a role extension that is no role.
    BadRole,
}

impl Kind {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::FunctionScan => "function-scan",
            Self::Reconnaissance => "reconnaissance",
            Self::UnsolicitedReply => "unsolicited-reply",
            Self::MalformedReply => "malformed-reply",
            Self::DoubtfulLink => "doubtful-shared-link",
            Self::ReusedId => "reused-transaction-id",
            Self::FramingLost => "framing-lost",
            Self::MacChanged => "mac-changed",
            Self::BadRole => "bad-role",
        }
    }
}

/// What the sources did in the last minute. Bounded, whatever they do.
#[derive(Debug, Default)]
pub(super) struct Alarms(Mutex<Memory>);

#[derive(Debug, Default)]
struct Memory {
    said: BTreeMap<(IpAddr, Kind), BootMs>,
    refused: BTreeMap<IpAddr, (BootMs, u128)>,
}

impl Alarms {
    /// Whether this is to be said now.
    pub(super) fn due(&self, source: IpAddr, kind: Kind, now: BootMs) -> bool {
        let mut memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let since = |then: BootMs| now.0.saturating_sub(then.0);
        let said = &mut memory.said;
        if said.get(&(source, kind)).is_some_and(|then| since(*then) < ms(QUIET)) {
            return false;
        }
        if said.len() >= SOURCES {
            said.retain(|_, then| since(*then) < ms(QUIET));
        }
        said.len() < SOURCES && said.insert((source, kind), now).is_none_or(|then| since(then) >= ms(QUIET))
    }

    /// A function code was refused to a source; true when it makes a scan.
    pub(super) fn refused(&self, source: IpAddr, function: u8, now: BootMs) -> bool {
        let mut memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = |start: BootMs| now.0.saturating_sub(start.0) < ms(QUIET);
        let refused = &mut memory.refused;
        if refused.len() >= SOURCES {
            refused.retain(|_, (start, _)| fresh(*start));
            if refused.len() >= SOURCES && !refused.contains_key(&source) {
                return false;
            }
        }
        let (start, codes) = refused.entry(source).or_insert((now, 0));
        if !fresh(*start) {
            (*start, *codes) = (now, 0);
        }
        *codes |= 1_u128 << (function & 0x7F);
        codes.count_ones() >= SCAN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    #[test]
    fn one_alarm_a_minute_for_each_source_and_kind() {
        let alarms = Alarms::default();
        assert!(alarms.due(source(1), Kind::Malformed, BootMs(1_000)));
        assert!(!alarms.due(source(1), Kind::Malformed, BootMs(60_999)));
        assert!(alarms.due(source(1), Kind::FunctionScan, BootMs(1_000)));
        assert!(alarms.due(source(2), Kind::Malformed, BootMs(1_000)));
        assert!(alarms.due(source(1), Kind::Malformed, BootMs(61_000)));
    }

    #[test]
    fn three_different_codes_in_a_minute_are_a_scan() {
        let alarms = Alarms::default();
        for at in 0..10 {
            assert!(!alarms.refused(source(1), 6, BootMs(at)), "one code again and again is no scan");
        }
        assert!(!alarms.refused(source(1), 5, BootMs(20)));
        assert!(!alarms.refused(source(2), 7, BootMs(21)));
        assert!(alarms.refused(source(1), 8, BootMs(22)));
        assert!(!alarms.refused(source(1), 90, BootMs(60_000)), "a minute later it starts anew");
    }

    #[test]
    fn a_flood_of_sources_takes_bounded_memory() {
        let alarms = Alarms::default();
        for number in 0..10_000_u32 {
            let source = IpAddr::from(number.to_be_bytes());
            let _first = alarms.due(source, Kind::Malformed, BootMs(0));
            let _scan = alarms.refused(source, 6, BootMs(0));
        }
        let memory = alarms.0.lock().unwrap();
        assert!(memory.said.len() <= SOURCES && memory.refused.len() <= SOURCES);
    }
}
