//! The way to the journal. Callers never wait for the disk unless they ask to, and never for a full queue; sequence and chain
//! belong to the writer alone.
//!
//! Who may be let through only when it is on record takes a [`Slot`] first, so that what became of it can always be said,
//! hands the decision over with [`Journal::record`], and awaits [`Journal::commit`], which gathers everybody who waits at
//! that moment into one write and one sync.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bulkhead_core::decision::Keep;
use bulkhead_core::journal::record::{Event, Outcome, Seq};
use bulkhead_core::moment::Moment;
use tokio::sync::{mpsc, oneshot};

use bell::{Bell, Hand};

mod bell;
mod open;
mod settings;
mod tail;
#[cfg(test)]
mod tests;
mod trouble;
mod writer;

pub use open::{Cut, JournalError, Opened, Order, open};
pub use settings::{Now, Settings};
pub use trouble::Trouble;

/// So many tickets are remembered; of more the oldest is forgotten.
const TICKETS: usize = 8_192;

/// Stands for a record whose number is not known yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(u64);

/// What `status` shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// The last record that was given a number.
    pub last: Seq,
    /// The last durable record.
    pub durable: Seq,
    /// The last record covered by a signed checkpoint.
    pub checkpoint: Seq,
    /// What is wrong with the disk, if anything.
    pub trouble: Option<Trouble>,
    /// Since when.
    pub since: Option<Moment>,
    /// Records of this life that could not be kept.
    pub lost: u64,
    /// The room that the segments take, in bytes.
    pub bytes: u64,
    /// How many segments there are.
    pub segments: u64,
}

#[derive(Debug)]
enum Entry {
    Record { ticket: Option<Ticket>, at: Moment, event: Event },
    Outcome { of: Ticket, at: Moment, outcome: Outcome, late: bool },
    Commit(oneshot::Sender<Result<Seq, Trouble>>),
    Checkpoint,
    Close(oneshot::Sender<Result<Seq, Trouble>>),
}

/// The way to the journal's writer; cheap to clone.
#[derive(Clone, Debug)]
pub struct Journal {
    // The way into the queue goes before the hand that rings at the end.
    queue: mpsc::Sender<Entry>,
    shared: Arc<Shared>,
    hand: Arc<Hand>,
}

/// A place in the queue for one outcome. Dropped unused, the place is free again.
pub struct Slot {
    place: mpsc::OwnedPermit<Entry>,
    hand: Arc<Hand>,
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Slot")
    }
}

impl Slot {
    /// Says what became of the request whose decision has this ticket, and whether it went on before the decision was
    /// durable. Cannot fail and does not wait.
    pub fn outcome(self, of: Ticket, at: Moment, outcome: Outcome, late: bool) {
        self.place.send(Entry::Outcome { of, at, outcome, late });
        self.hand.0.bell.soon();
    }
}

/// What callers and the writer both look at.
#[derive(Debug)]
struct Shared {
    now: Now,
    bell: Bell,
    next: AtomicU64,
    trouble: AtomicU8,
    lost: AtomicU64,
    state: Mutex<State>,
    seqs: Mutex<BTreeMap<Ticket, Seq>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn new(now: Now) -> Self {
        Self {
            now,
            bell: Bell::default(),
            next: AtomicU64::new(0),
            trouble: AtomicU8::new(0),
            lost: AtomicU64::new(0),
            state: Mutex::default(),
            seqs: Mutex::default(),
        }
    }

    fn trouble(&self) -> Option<Trouble> {
        Trouble::from_code(self.trouble.load(Ordering::Acquire))
    }

    fn set_trouble(&self, trouble: Option<Trouble>) {
        self.trouble.store(trouble.map_or(0, Trouble::code), Ordering::Release);
    }

    /// A caller has waited too long. Not over a trouble that the writer itself has met.
    fn stalled(&self) {
        let stalled = Trouble::Stalled.code();
        if self.trouble.compare_exchange(0, stalled, Ordering::AcqRel, Ordering::Acquire).is_ok() {
            let now = (self.now.0)();
            lock(&self.state).since = Some(now);
        }
    }

    /// The disk answers again; true when that was the end of a stall.
    fn moves(&self) -> bool {
        let stalled = Trouble::Stalled.code();
        let ended = self.trouble.compare_exchange(stalled, 0, Ordering::AcqRel, Ordering::Acquire).is_ok();
        if ended {
            lock(&self.state).since = None;
        }
        ended
    }

    fn lose(&self, count: u64) {
        self.lost.fetch_add(count, Ordering::Relaxed);
    }

    fn remember(&self, ticket: Ticket, seq: Seq) {
        let mut seqs = lock(&self.seqs);
        if seqs.len() >= TICKETS {
            seqs.pop_first();
        }
        seqs.insert(ticket, seq);
    }
}

impl Journal {
    /// A place in the queue for one outcome; `None` when the queue is full, and the caller is busy.
    pub fn reserve(&self) -> Option<Slot> {
        let place = self.queue.clone().try_reserve_owned().ok()?;
        Some(Slot { place, hand: Arc::clone(&self.hand) })
    }

    /// A new ticket.
    pub fn ticket(&self) -> Ticket {
        Ticket(self.shared.next.fetch_add(1, Ordering::Relaxed))
    }

    /// Hands over a record whose number is asked for later, by [`Journal::seq_of`] or by an outcome. False when the queue is
    /// full: then the caller is busy, or goes on without a record and says so with [`Journal::lost`]. What is kept before it
    /// goes on is about to be committed, and waits for that.
    pub fn record(&self, ticket: Ticket, at: Moment, event: Event, keep: Keep) -> bool {
        let entry = Entry::Record { ticket: Some(ticket), at, event };
        match keep {
            Keep::Count => true,
            Keep::Later => self.hand_over(entry),
            Keep::Before => {
                let taken = self.queue.try_send(entry).is_ok();
                self.shared.bell.soon();
                taken
            }
        }
    }

    /// Hands over a record that nothing refers to: a denial, a session, an alarm. What the queue cannot take is counted as
    /// lost.
    pub fn note(&self, at: Moment, event: Event) {
        if !self.hand_over(Entry::Record { ticket: None, at, event }) {
            self.lost();
        }
    }

    fn hand_over(&self, entry: Entry) -> bool {
        let taken = self.queue.try_send(entry).is_ok();
        self.shared.bell.now();
        taken
    }

    /// Records an order and waits until it is durable. On an error it may still become durable later: at the next start it is
    /// then found without its row.
    pub async fn keep(&self, at: Moment, event: Event, deadline: Duration) -> Result<Seq, Trouble> {
        let ticket = self.ticket();
        if !self.record(ticket, at, event, Keep::Before) {
            return Err(self.trouble().unwrap_or(Trouble::Busy));
        }
        let kept = self.commit(deadline).await;
        let seq = lock(&self.shared.seqs).remove(&ticket);
        // INVARIANT: a commit that is answered has given every record before it a number.
        kept.and_then(|_| seq.ok_or(Trouble::Failed))
    }

    /// Waits until everything that this caller has handed over is durable, at most until `deadline`. While the disk is known
    /// to be in trouble it answers at once; the records stay in the queue and are kept as soon as the disk takes them.
    pub async fn commit(&self, deadline: Duration) -> Result<Seq, Trouble> {
        if let Some(trouble) = self.shared.trouble() {
            return Err(trouble);
        }
        let (done, mut answer) = oneshot::channel();
        self.queue.try_send(Entry::Commit(done)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Trouble::Busy,
            mpsc::error::TrySendError::Closed(_) => Trouble::Closed,
        })?;
        self.shared.bell.now();
        if let Ok(answer) = tokio::time::timeout(deadline, &mut answer).await {
            return answer.unwrap_or(Err(Trouble::Closed));
        }
        self.shared.stalled();
        // The writer answers first and then ends the stall: one that was answered in this very moment is no stall.
        let Ok(answer) = answer.try_recv() else { return Err(Trouble::Stalled) };
        self.shared.moves();
        answer
    }

    /// The number of a record that was handed over with a ticket: known once it is written, at the latest when a commit behind
    /// it has answered.
    pub fn seq_of(&self, ticket: Ticket) -> Option<Seq> {
        lock(&self.shared.seqs).get(&ticket).copied()
    }

    /// Counts a record that a caller could not even hand over.
    pub fn lost(&self) {
        self.shared.lose(1);
    }

    /// Whether the writer still runs. It does while the disk is in trouble.
    pub fn is_alive(&self) -> bool {
        !self.queue.is_closed()
    }

    /// What is wrong with the disk, if anything: cheap enough to ask for each frame.
    pub fn trouble(&self) -> Option<Trouble> {
        if self.is_alive() { self.shared.trouble() } else { Some(Trouble::Closed) }
    }

    /// Asks for a signed checkpoint; at most one in ten seconds is made. Policy changes and revocations ask by themselves.
    pub fn checkpoint(&self) {
        // With a full queue the next interval makes it.
        drop(self.queue.try_send(Entry::Checkpoint));
        self.shared.bell.now();
    }

    /// What `status` shows.
    pub fn state(&self) -> State {
        let trouble = self.trouble();
        let state = *lock(&self.shared.state);
        let since = state.since.filter(|_| trouble.is_some());
        State { trouble, since, lost: self.shared.lost.load(Ordering::Relaxed), ..state }
    }

    /// Ends the writer in order: everything handed over is durable and covered by a checkpoint when it answers.
    pub async fn close(&self, deadline: Duration) -> Result<Seq, Trouble> {
        let (done, answer) = oneshot::channel();
        let closing = async {
            self.queue.send(Entry::Close(done)).await.map_err(|_| Trouble::Closed)?;
            self.shared.bell.now();
            answer.await.unwrap_or(Err(Trouble::Closed))
        };
        tokio::time::timeout(deadline, closing).await.unwrap_or(Err(Trouble::Stalled))
    }
}
