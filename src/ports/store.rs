//! State that must be there after a crash: rows in `SQLite`, one writer, group commit, an answer only when it is durable.
//!
//! An order is a record in the journal first, then a row here that carries the record's number, then an answer. What a start
//! finds is compared with the journal by [`reconcile()`].

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use bulkhead_core::digest::Sha256;
use bulkhead_core::identity::{Life, Mac, Registry};
use bulkhead_core::journal::record::Seq;
use bulkhead_core::moment::{Moment, RanMs, UnixMs};
use bulkhead_core::names::{ConduitId, SubjectId};
use bulkhead_core::policy::model::Mode;
use rusqlite::ErrorCode;
use tokio::sync::{mpsc, oneshot};

use super::disk::Medium;
use crate::tasks::Tasks;

mod authority;
mod reconcile;
mod rows;
mod schema;
#[cfg(test)]
mod tests;
mod writer;

pub use authority::{AuthorityPart, CertificateRow};
pub use reconcile::{Reconciled, reconcile};

/// So many changes wait at most.
const QUEUE: usize = 256;

/// The good copy is made so often.
const COPY: Duration = Duration::from_hours(1);

/// One change of state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A subject's life.
    Life {
        /// Whose.
        subject: SubjectId,
        /// What it is now.
        life: Life,
        /// The order's record.
        seq: Seq,
        /// When.
        at: Moment,
    },
    /// What an order of the registry leaves: every row of the subjects that it touched.
    Registry {
        /// Each subject that was touched, whole.
        subjects: Vec<SubjectRows>,
        /// Keys that show nobody any more, for ever.
        spent: Vec<Sha256>,
        /// When.
        at: Moment,
    },
    /// A key of a subject shows nobody any more.
    Spent {
        /// Whose it was.
        subject: SubjectId,
        /// Which.
        spki: Sha256,
        /// The order's record.
        seq: Seq,
        /// When.
        at: Moment,
    },
    /// A certificate that is about to leave: its serial number must not be there. With it, if it is the gateway's own, its PEM.
    Certificate {
        /// Its row.
        row: CertificateRow,
        /// The gateway's own leaf, as PEM.
        leaf: Option<String>,
    },
    /// The CA was made, or a plant CA has signed it.
    Chain {
        /// Its certificate and what leads to the root, as PEM.
        pem: String,
        /// The order's record.
        seq: Seq,
    },
    /// Certificates were taken back, and a list says so.
    List {
        /// The list's number: later ones are greater, whatever happens to this one.
        number: u64,
        /// The list, as PEM; none where only its number was used up.
        pem: Option<String>,
        /// Serial numbers that were taken back, and when.
        revoked: Vec<(String, UnixMs)>,
        /// Serial numbers that are forgotten, long after their end.
        gone: Vec<String>,
        /// The order's record.
        seq: Seq,
    },
    /// A local override of a conduit's mode.
    Mode {
        /// Of which conduit.
        conduit: ConduitId,
        /// What it does now; `None` ends the override.
        mode: Option<Mode>,
        /// Until when `enforce --watch` watches it, by time run; a watch of before ends.
        watch: Option<RanMs>,
        /// The order's record.
        seq: Seq,
    },
    /// Another policy is in force.
    Policy {
        /// Its text, as it was handed in.
        text: String,
        /// The digest of the text.
        hash: Sha256,
        /// The order's record.
        seq: Seq,
        /// When.
        at: Moment,
        /// Conduits whose override it ends.
        ended: Vec<ConduitId>,
    },
    /// A candidate policy is judged no longer. Nothing rests on it: it keeps the number of the order that began it.
    ShadowEnded,
    /// A candidate policy is judged beside the one in force.
    Shadow {
        /// The candidate.
        shadow: StoredShadow,
        /// The order's record.
        seq: Seq,
        /// Time run: a row with a deadline brings it along.
        ran: RanMs,
    },
    /// How long the gateway has run in all its lives, and the floor of its wall clock.
    Ran {
        /// Time run.
        ran: RanMs,
        /// The floor.
        floor: UnixMs,
    },
    /// Every order up to this record has its row, or was told that it failed: the next start looks at later ones only. Never
    /// goes back.
    Settled(Seq),
}

/// All that the registry knows of one subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectRows {
    /// Its name.
    pub subject: SubjectId,
    /// Its life.
    pub life: Life,
    /// Its keys.
    pub keys: Vec<Sha256>,
    /// Its addresses.
    pub addresses: Vec<(IpAddr, Option<Mac>)>,
    /// The order's record.
    pub seq: Seq,
}

impl SubjectRows {
    /// All that the registry knows of some subjects, each with the record that changed it. One pass, however many they are.
    pub fn of(registry: &Registry, subjects: BTreeMap<SubjectId, Seq>) -> Vec<Self> {
        let bare = |(subject, seq): (SubjectId, Seq)| {
            let life = registry.life(&subject);
            (subject.clone(), Self { subject, life, keys: Vec::new(), addresses: Vec::new(), seq })
        };
        let mut rows: BTreeMap<SubjectId, Self> = subjects.into_iter().map(bare).collect();
        for (spki, owner) in &registry.keys {
            if let Some(row) = rows.get_mut(owner) {
                row.keys.push(*spki);
            }
        }
        for (place, owner) in &registry.addresses {
            if let Some(row) = rows.get_mut(owner) {
                row.addresses.push(*place);
            }
        }
        rows.into_values().collect()
    }
}

/// Why a change was not kept. It did not happen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Too much waits already.
    #[error("the store's queue is full")]
    Busy,
    /// No room on the disk, or in the database's own bound.
    #[error("the store's disk is full")]
    Full,
    /// The disk is mounted read-only.
    #[error("the store's disk is read-only")]
    ReadOnly,
    /// The writer has ended.
    #[error("the store is closed")]
    Closed,
    /// A later version of the program has changed the tables.
    #[error(
        "the store has schema {found}, and this program knows up to {known}: use the newer program, or `state.v{known}.db`"
    )]
    Newer {
        /// The database's schema.
        found: u32,
        /// The newest known one.
        known: u32,
    },
    /// Anything else.
    #[error("the store fails: {0}")]
    Failed(String),
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::ReadOnly) => Self::ReadOnly,
            Some(_) | None => Self::Failed(error.to_string()),
        }
    }
}

impl From<std::io::Error> for StoreError {
    fn from(error: std::io::Error) -> Self {
        match super::journal::Trouble::from(&error) {
            super::journal::Trouble::Full => Self::Full,
            super::journal::Trouble::ReadOnly => Self::ReadOnly,
            super::journal::Trouble::Busy
            | super::journal::Trouble::Stalled
            | super::journal::Trouble::Failed
            | super::journal::Trouble::Closed => Self::Failed(error.to_string()),
        }
    }
}

/// A value and the record of the order that set it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row<T> {
    /// The value.
    pub value: T,
    /// The order's record.
    pub seq: Seq,
}

/// The policy in force, as it was activated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPolicy {
    /// Its text.
    pub text: String,
    /// The digest of the text.
    pub hash: Sha256,
}

/// A candidate policy that is judged beside the one in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredShadow {
    /// Where it came from.
    pub name: String,
    /// Its text.
    pub text: String,
    /// The digest of the text.
    pub hash: Sha256,
    /// Its end, by time run.
    pub until: RanMs,
}

/// What a start finds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Time run in earlier lives.
    pub ran: RanMs,
    /// The floor of the wall clock; 0 when there is none.
    pub floor: UnixMs,
    /// Up to here every order has its row.
    pub settled: Seq,
    /// Lives that were ever changed.
    pub lives: BTreeMap<SubjectId, Row<Life>>,
    /// The same lives, and every credential.
    pub registry: Registry,
    /// Certificates of the gateway's own CA, by serial number in upper-case hex.
    pub certificates: BTreeMap<String, CertificateRow>,
    /// The CA itself, as PEM.
    pub authority: BTreeMap<AuthorityPart, Row<String>>,
    /// The number of the newest list.
    pub list: u64,
    /// Overrides of modes; `None` for one that has ended.
    pub modes: BTreeMap<ConduitId, Row<Option<Mode>>>,
    /// Conduits that are watched, with the end by time run.
    pub watches: BTreeMap<ConduitId, RanMs>,
    /// The policy that was last activated.
    pub policy: Option<Row<StoredPolicy>>,
    /// The candidate policy that was last ordered; `None` in the row for one that was ended.
    pub shadow: Option<Row<Option<StoredShadow>>>,
}

#[derive(Debug)]
struct Job {
    change: Change,
    done: oneshot::Sender<Result<(), StoreError>>,
}

/// The way to the store's writer; cheap to clone.
#[derive(Clone, Debug)]
pub struct Store(mpsc::Sender<Job>);

impl Store {
    /// Makes a change, durably. On an error it did not happen.
    pub async fn commit(&self, change: Change) -> Result<(), StoreError> {
        let (done, answer) = oneshot::channel();
        self.0.try_send(Job { change, done }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => StoreError::Busy,
            mpsc::error::TrySendError::Closed(_) => StoreError::Closed,
        })?;
        answer.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Whether the writer still runs.
    pub fn is_alive(&self) -> bool {
        !self.0.is_closed()
    }
}

/// A store that was read and not yet started.
pub struct Opened {
    medium: Box<dyn Medium>,
    found: Found,
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opened").field("found", &self.found).finish_non_exhaustive()
    }
}

/// Brings the tables up to date and reads them.
pub async fn open(mut medium: Box<dyn Medium>) -> Result<Opened, StoreError> {
    schema::migrate(medium.as_mut(), schema::STEPS).await?;
    let found = rows::load(medium.connection())?;
    Ok(Opened { medium, found })
}

impl Opened {
    /// What the last life left.
    pub fn found(&self) -> &Found {
        &self.found
    }

    /// Starts the writer.
    pub fn start(self, tasks: &Tasks) -> std::io::Result<Store> {
        let (sender, jobs) = mpsc::channel(QUEUE);
        tasks.writer("store", writer::run(self.medium, jobs))?;
        Ok(Store(sender))
    }
}
