//! The one place where a refusal becomes bytes. It sees the class and nothing of the reason: every cause looks the same.

use bulkhead_core::decision::Class;
use bulkhead_core::journal::record::FrameRecord;
use bulkhead_core::wire::modbus::{HEADER, exception};

/// Where the PDU of a frame begins.
pub(super) const PDU: usize = HEADER;

/// Why a request is answered by us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The gate, or the door, said no.
    Denied(Class),
    /// It was sent, and the device did not answer in time.
    NoAnswer,
}

/// The bare exception to a request.
pub(super) const fn refusal(frame: FrameRecord, why: Refusal) -> [u8; 9] {
    let code = match why {
        Refusal::Denied(Class::Refused) => 0x01,
        Refusal::Denied(Class::Malformed) => 0x03,
        Refusal::Denied(Class::Busy) => 0x06,
        Refusal::Denied(Class::Unavailable) => 0x0A,
        Refusal::NoAnswer => 0x0B,
    };
    exception(frame.id, frame.unit, frame.function, code)
}

#[cfg(test)]
mod tests {
    use bulkhead_core::decision::Reason;

    use super::*;

    #[test]
    fn every_reason_of_one_class_gives_identical_bytes() {
        let frame = FrameRecord { id: 7, unit: 1, function: 6 };
        let of = |reason: Reason| refusal(frame, Refusal::Denied(reason.class()));
        for reason in Reason::ALL {
            let code = match reason {
                Reason::Malformed => 3,
                Reason::Busy | Reason::Journal => 6,
                Reason::AssetDown | Reason::Abandoned => 10,
                Reason::Revoked
                | Reason::NoSubject
                | Reason::NoConduit
                | Reason::Ended
                | Reason::Never
                | Reason::NoRule
                | Reason::Range
                | Reason::Condition
                | Reason::Clock
                | Reason::Limit => 1,
            };
            assert_eq!(of(reason), [0, 7, 0, 0, 0, 3, 1, 0x86, code], "{reason:?}");
        }
        assert_eq!(refusal(frame, Refusal::NoAnswer), [0, 7, 0, 0, 0, 3, 1, 0x86, 11]);
    }
}
