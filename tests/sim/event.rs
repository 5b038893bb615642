//! What happened, in one list: told by the plant (outside), by the disk, and by the gateway's probe.

use std::collections::BTreeSet;

use super::modbus::Frame;
use super::policies::{Plc, Who};

/// What a master received for its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The values or the echo that belong to the request.
    Good,
    /// The device's or the gateway's exception.
    Exception(u8),
    /// Not what belongs to the request.
    Foreign,
}

/// What the plant's people ask of the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Takes every right from a subject, for good.
    Revoke { who: Who },
    /// Takes policy `number` into force; one of them is broken.
    Policy { number: u8 },
    /// Puts the conduit to the drive into observe, or into enforce.
    Mode { observe: bool },
}

/// The world as the model understands it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Which of the plant's policies.
    pub(crate) policy: u8,
    /// The names that are revoked.
    pub(crate) revoked: Vec<String>,
    /// The conduit to the drive observes.
    pub(crate) observe: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    // the plant
    Asked {
        who: Who,
        plc: Plc,
        frame: Frame,
        again: bool,
    },
    Answered {
        who: Who,
        id: u16,
        answer: Answer,
    },
    Closed {
        who: Who,
        id: u16,
    },
    GaveUp {
        who: Who,
        id: u16,
    },
    /// An answer that nobody waits for.
    Unasked {
        who: Who,
        plc: Plc,
        frame: Frame,
    },
    PlcGot {
        plc: Plc,
        frame: Frame,
    },
    PlcSaid {
        plc: Plc,
        id: u16,
    },
    Ordered {
        id: u64,
        order: Order,
    },
    OrderAnswered {
        id: u64,
        order: Order,
        subject: Option<String>,
        done: bool,
    },
    LinkHeld {
        host: &'static str,
        until: u64,
    },
    Crashed {
        dark: bool,
    },
    Started,
    ClockSet {
        by: i64,
    },
    /// The PLC behaves, or does not.
    Mood {
        plc: Plc,
        well: bool,
    },
    /// Another hardware address than its own answers for the HMI, or its own again.
    Mac {
        wrong: bool,
    },
    Stopping,
    DiskStalled {
        until: u64,
    },
    DiskFull {
        full: bool,
    },
    // the disk, read by the simulator and not by the gateway
    Removed {
        segment: u64,
    },
    Durable {
        seq: u64,
    },
    Compared {
        differs: Option<String>,
    },
    Reopened {
        records: u64,
        wrong: Option<String>,
        writes: Writes,
    },
    // the gateway
    /// A request has another id on the link that masters share.
    Renamed {
        plc: Plc,
        id: u16,
        name: u16,
    },
    World(Seen),
    /// `raw`: bytes of a conduit that observes, of which nothing else is known.
    Forwarded {
        raw: bool,
        who: Option<Who>,
        subject: Option<String>,
        id: u16,
        unit: u8,
        function: u8,
        seq: Option<u64>,
        late: bool,
    },
    /// The gateway could not start, or ended by itself.
    Ended {
        why: String,
    },
}

/// The writes that a journal tells of: who, and the first value. As text only their number, for the log.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Writes(pub(crate) BTreeSet<(Who, u16)>);

impl std::fmt::Debug for Writes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} writes", self.0.len())
    }
}
