//! The journal's numbers.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bulkhead_core::moment::Moment;

/// Tells the time for the records that the writer makes itself.
#[derive(Clone)]
pub struct Now(pub Arc<dyn Fn() -> Moment + Send + Sync>);

impl fmt::Debug for Now {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Now")
    }
}

/// The journal's numbers; a plant sets `max` alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The room that all segments may take, in bytes: the oldest goes before a new one would be too much. Two always stay.
    pub max: u64,
    /// The room of one segment, in bytes.
    pub segment: u64,
    /// A new segment begins when less than this is free, in bytes: room for one group of records.
    pub spare: u64,
    /// So many entries wait at most.
    pub queue: usize,
    /// What nobody waits for lies in the queue so long at most.
    pub linger: Duration,
    /// So many entries go down in one write.
    pub group: usize,
    /// So many bytes wait at most for a disk in trouble; further records are counted as lost.
    pub backlog: usize,
    /// Records that nobody waits for are durable after this time.
    pub soon: Duration,
    /// A disk in trouble is tried again after this time.
    pub retry: Duration,
    /// What repeats itself about the disk is recorded at most so often.
    pub quiet: Duration,
    /// A checkpoint is signed after this time, if there is anything new,
    pub checkpoint: Duration,
    /// or after so many records.
    pub checkpoint_records: u64,
    /// Checkpoints that are asked for come at most so often.
    pub checkpoint_gap: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max: 1 << 30,
            segment: 16 << 20,
            spare: 64 << 10,
            queue: 4096,
            linger: Duration::from_millis(2),
            group: 256,
            backlog: 1 << 20,
            soon: Duration::from_millis(50),
            retry: Duration::from_millis(500),
            quiet: Duration::from_secs(10),
            checkpoint: Duration::from_mins(15),
            checkpoint_records: 10_000,
            checkpoint_gap: Duration::from_secs(10),
        }
    }
}
