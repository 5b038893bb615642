//! What an observer is told: names of spans and counters, and the witness that the simulated plant listens with.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use bulkhead_core::journal::record::{FrameRecord, Seq};
use bulkhead_core::names::{ConduitId, RuleId, SubjectId};
use bulkhead_core::policy::model::Mode;
use bulkhead_core::world::World;

/// Something that happened inside, at the moment it happened.
#[derive(Clone, Debug)]
pub enum Seen {
    /// A frame is written to an asset in this very poll.
    Forwarded {
        /// Whose, if anybody's.
        subject: Option<SubjectId>,
        /// From where.
        source: SocketAddr,
        /// The frame.
        frame: FrameRecord,
        /// The rule that allowed it; none in `observe`.
        rule: Option<RuleId>,
        /// Its record once that is durable; for a repeat of an unchanged value, the record that it repeats.
        seq: Option<Seq>,
        /// Its record could not be made durable in time.
        late: bool,
        /// The generation of the world that allowed it.
        generation: u64,
    },
    /// A frame that is about to be forwarded has another transaction id on a shared link.
    Renamed {
        /// The device.
        device: SocketAddr,
        /// The client's.
        id: u16,
        /// The link's.
        name: u16,
    },
    /// Another world is in force.
    World {
        /// The world.
        world: Arc<World>,
        /// Local overrides of conduit modes.
        modes: Vec<(ConduitId, Mode)>,
    },
}

/// An observer. In production nobody listens; in the simulation this is the event log.
pub trait Probe: fmt::Debug + Send + Sync {
    /// Something happened, now.
    fn tell(&self, seen: Seen);

    /// Whether anybody listens: nothing is built for nobody.
    fn listens(&self) -> bool {
        true
    }
}

impl Probe for () {
    fn tell(&self, _: Seen) {}

    fn listens(&self) -> bool {
        false
    }
}

/// Mistakes that the simulated plant asks for, to show that it would see them. A real gateway makes none: `app::run` cannot
/// set them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// None.
    #[default]
    None,
    /// A write goes on before its record is durable.
    ForwardBeforeCommit,
    /// A session keeps the table that it started with.
    StaleTable,
    /// A revocation does not reach the sessions that are open.
    RevokeLeavesSessions,
    /// A revocation is answered before it is durable.
    RevokeNotDurable,
    /// A safe value is judged like any other.
    SafeNotWaived,
    /// A disk in trouble refuses writes, whatever the conduit says.
    StallRefuses,
    /// Limits are not counted.
    LimitIgnored,
    /// A write that does not wait for its record goes on when records cannot be kept.
    WrittenIgnoresDisk,
    /// A reply on a shared link goes to whoever is next in line.
    SharedReplyToNext,
}
