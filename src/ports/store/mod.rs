//! The API that the services expect; its owner replaces this file.
use bulkhead_core::{digest::Sha256, identity::Life, journal::record::Seq, moment::*, names::*, policy::model::Mode};
/// c
#[derive(Debug)]
pub enum Change {
    /// x
    Life { subject: SubjectId, life: Life, seq: Seq, at: Moment },
    /// x
    Mode { conduit: ConduitId, mode: Option<Mode>, seq: Seq },
    /// x
    Policy { text: String, hash: Sha256, seq: Seq, at: Moment, ended: Vec<ConduitId> },
    /// x
    Ran { ran: RanMs, floor: UnixMs },
}
/// s
#[derive(Clone, Debug)]
pub struct Store;
/// e
#[derive(Debug, thiserror::Error)]
#[error("x")]
pub struct StoreError;
impl Store {
    /// c
    pub async fn commit(&self, _c: Change) -> Result<(), StoreError> {
        Err(StoreError)
    }
}
