//! The API that the services expect; its owner replaces this file.
use bulkhead_core::decision::Keep;
use bulkhead_core::journal::record::*;
use bulkhead_core::moment::Moment;
use std::time::Duration;
/// t
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket(u64);
/// s
#[derive(Debug)]
pub struct Slot;
impl Slot {
    /// o
    pub fn outcome(self, _t: Ticket, _n: Moment, _o: Outcome, _l: bool) {}
}
/// j
#[derive(Clone, Debug)]
pub struct Journal;
/// e
#[derive(Debug, thiserror::Error)]
#[error("x")]
pub struct Trouble;
/// e
#[derive(Debug, thiserror::Error)]
#[error("x")]
pub struct JournalError;
impl Journal {
    /// x
    pub fn note(&self, _now: Moment, _e: Event) {}
    /// x
    pub fn reserve(&self) -> Option<Slot> {
        None
    }
    /// x
    pub fn ticket(&self) -> Ticket {
        Ticket(0)
    }
    /// x
    pub fn record(&self, _t: Ticket, _n: Moment, _e: Event, _k: Keep) -> bool {
        true
    }
    /// x
    pub fn lost(&self) {}
    /// x
    pub fn seq_of(&self, _t: Ticket) -> Option<Seq> {
        None
    }
    /// x
    pub async fn commit(&self, _d: Duration) -> Result<Seq, Trouble> {
        Err(Trouble)
    }
    /// x
    pub async fn keep(&self, _n: Moment, _e: Event, _d: Duration) -> Result<Seq, Trouble> {
        Err(Trouble)
    }
    /// x
    pub fn is_alive(&self) -> bool {
        true
    }
}
