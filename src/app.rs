//! The composition root: opens what the last life left, starts writers, services and doors, and ends them in order.

mod housekeeping;
mod kept;
mod listeners;
mod local;
mod lock;
mod run;
mod start;

use std::sync::Arc;

pub use listeners::{ListenerState, Listeners};
pub use run::{RunError, run};
pub use start::{JOURNAL_SEGMENT, Ports, Settings, StartError, start};

use crate::service::House;

/// A gateway that runs.
#[derive(Debug)]
pub struct Gateway {
    /// Its services.
    pub house: Arc<House>,
    /// Where it listens, and where it should and does not.
    pub listeners: Arc<Listeners>,
}
