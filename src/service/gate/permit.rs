//! What the gate gives out: permits and holds, the receipt that says what became of one, and the denial that cannot leak.
//!
//! Only the gate makes a permit: its fields are the gate's. A door can look at what it permits and redeem it, once.

use std::fmt;
use std::sync::{Arc, PoisonError};

use bulkhead_core::decision::{Class, Reason};
use bulkhead_core::journal::record::{Outcome, Seq};
use bulkhead_core::moment::Moment;
use bulkhead_core::names::{AssetId, RuleId};
use bulkhead_core::policy::model::{Mode, OnStall};
use smallvec::SmallVec;

use super::super::repeats::Range;
use super::super::sessions::{Footing, Session};
use super::super::shared::Shared;
use super::{Gate, Request};
use crate::ports::journal::{Slot, Ticket};
use crate::telemetry::{Fault, Seen};

/// What may be forwarded, if `redeem` still agrees. Only the gate makes one.
#[must_use]
pub struct Permit<T> {
    pub(super) request: T,
    pub(super) session: Arc<Session>,
    pub(super) shared: Arc<Shared>,
    pub(super) receipt: Receipt,
    pub(super) rule: Option<RuleId>,
    pub(super) generation: u64,
    pub(super) ground: Ground,
    /// It sets a value that was declared safe, or a heartbeat.
    pub(super) waived: bool,
}

/// What a permit rests on.
pub(super) enum Ground {
    /// The judgement of this footing. Another one (an end has come, the evidence or the world has changed) judges anew.
    Judged(Arc<Footing>),
    /// The conduit's mode.
    Observed,
}

/// A permit whose record is on its way to the disk.
#[derive(Debug)]
#[must_use]
pub struct Hold<T> {
    pub(super) permit: Permit<T>,
    pub(super) on_stall: OnStall,
}

/// A refusal. It tells its class and nothing else: it cannot leak the reason to a peer.
pub struct Denial {
    reason: Reason,
}

impl Denial {
    pub(crate) fn new(reason: Reason) -> Self {
        Self { reason }
    }

    /// All that the peer may learn.
    pub fn class(&self) -> Class {
        self.reason.class()
    }
}

impl fmt::Debug for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Denial({:?})", self.class())
    }
}

impl<T> fmt::Debug for Permit<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Permit({:?}, rule {:?})", self.session, self.rule)
    }
}

/// A request that has left, with its receipt; or why it did not.
pub type Left<T> = Result<(T, Receipt), Denial>;

/// What became of a permit. Dropped before anything was sent it says `NotSent`, sent and unsettled it says `Unknown`.
#[derive(Debug)]
pub struct Receipt {
    pub(super) open: Option<Open>,
    /// The record that this write repeats.
    pub(super) covered: Option<Seq>,
}

/// A recorded decision that still lacks its outcome.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) slot: Slot,
    pub(super) ticket: Ticket,
    pub(super) shared: Arc<Shared>,
    pub(super) session: Arc<Session>,
    pub(super) asset: Option<AssetId>,
    /// What it writes; true where the wire says the values that will be there.
    pub(super) writes: SmallVec<[(Range, bool); 1]>,
    pub(super) sent: bool,
    pub(super) late: bool,
    pub(super) refused: Option<Reason>,
}

impl Open {
    /// What an outcome says about values: a write that took effect may be repeated uncounted, one whose effect nobody knows
    /// leaves its range unknown.
    fn learn(&self, outcome: Outcome, now: Moment) {
        let applied = outcome == Outcome::Applied;
        let doubtful = matches!(outcome, Outcome::NoAnswer | Outcome::Unknown);
        for (range, plain) in &self.writes {
            let mut repeats = self.session.repeats.lock().unwrap_or_else(PoisonError::into_inner);
            if applied && *plain {
                continue;
            }
            let said = repeats.forget(range);
            drop(repeats);
            if let Some(event) = said {
                self.shared.say(event, now);
            }
            if let Some(asset) = self.asset.as_ref().filter(|_| doubtful || applied) {
                self.shared.values.forget(asset, (range.0, range.1), range.2, range.3);
            }
        }
    }
}

impl Receipt {
    pub(super) const fn none() -> Self {
        Self { open: None, covered: None }
    }

    /// The device's answer, or the lack of one.
    pub fn settle(mut self, outcome: Outcome) {
        self.say(outcome);
    }

    fn say(&mut self, outcome: Outcome) {
        let Some(open) = self.open.take() else { return };
        let now = open.shared.time.now();
        if outcome == Outcome::NoAnswer {
            open.shared.silent(&open.session, now);
        }
        open.learn(outcome, now);
        open.slot.outcome(open.ticket, now, outcome, open.late);
    }

    pub(super) fn sent(&mut self) {
        if let Some(open) = &mut self.open {
            open.sent = true;
        }
    }

    pub(super) fn late(&mut self) {
        if let Some(open) = &mut self.open {
            open.late = true;
            open.shared.tally.late();
        }
    }

    pub(super) fn is_late(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.late)
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        let outcome = match &self.open {
            Some(open) if open.sent => Outcome::Unknown,
            Some(open) => Outcome::NotSent(open.refused.unwrap_or(Reason::Abandoned)),
            None => return,
        };
        self.say(outcome);
    }
}

impl<T> Hold<T> {
    /// What it holds.
    pub fn peek(&self) -> &T {
        &self.permit.request
    }

    /// As [`Permit::is_safe`].
    pub fn is_safe(&self) -> bool {
        self.permit.waived
    }
}

impl<T: Request> Hold<T> {
    /// As [`Permit::refuse`].
    pub fn refuse(self, reason: Reason) -> Denial {
        self.permit.refuse(reason)
    }
}

impl<T: Request> Permit<T> {
    /// What it permits.
    pub fn peek(&self) -> &T {
        &self.request
    }

    /// Whether it is the way to safe, or a heartbeat (law 1): it passes every queue.
    pub fn is_safe(&self) -> bool {
        self.waived
    }

    /// Its record is durable: repeats of the same value may be counted from now on.
    pub(super) fn kept(&mut self) -> Option<Seq> {
        let open = self.receipt.open.as_ref()?;
        let seq = self.shared.journal.seq_of(open.ticket)?;
        open.session.repeats.lock().unwrap_or_else(PoisonError::into_inner).kept(open.ticket, seq);
        Some(seq)
    }

    /// Judges once more if the world has moved since, or an end has come.
    pub(super) fn again(mut self) -> Result<Self, Denial> {
        let now = self.shared.time.now();
        let footing = self.session.footing_at(now);
        let holds = match &self.ground {
            Ground::Observed if footing.mode() != Mode::Observe || self.session.is_cut() => {
                return Err(Denial::new(Reason::Abandoned));
            }
            Ground::Observed => true,
            Ground::Judged(stood_on) => Arc::ptr_eq(stood_on, &footing) && !self.session.is_cut(),
        };
        if holds || self.shared.fault == Fault::RevokeLeavesSessions {
            return Ok(self);
        }
        let gate = Gate { shared: Arc::clone(&self.shared) };
        let (footing, decision) = gate.ask(&self.session, &self.request, now);
        if decision.allows() {
            self.generation = footing.standing.generation;
            self.ground = Ground::Judged(footing);
            self.rule = decision.rule;
            return Ok(self);
        }
        Err(gate.turn_down(self, decision.reason.unwrap_or(Reason::NoRule)))
    }

    /// Last look, then `send` (one non-blocking write) under the session's lock: `cut` cannot return between the two.
    ///
    /// # Errors
    /// The world has moved, and refuses now. Nothing was sent.
    pub fn redeem<R>(self, send: impl FnOnce(&T) -> R) -> Result<(R, T, Receipt), Denial> {
        let me = self.again()?;
        let session = Arc::clone(&me.session);
        let live = session.live.read().unwrap_or_else(PoisonError::into_inner);
        if !*live && me.shared.fault != Fault::RevokeLeavesSessions {
            drop(live);
            let gate = Gate { shared: Arc::clone(&me.shared) };
            return Err(gate.turn_down(me, Reason::Revoked));
        }
        let (request, receipt) = me.leave();
        let sent = send(&request);
        drop(live);
        Ok((sent, request, receipt))
    }

    /// As [`Self::redeem`], for permits of one session whose bytes leave in one write. The answers have the order of the permits;
    /// `send` gets those that are still allowed, and is not called when there are none.
    pub fn redeem_all<R>(permits: Vec<Self>, send: impl FnOnce(&[&T]) -> R) -> (Option<R>, Vec<Left<T>>) {
        let permits: Vec<_> = permits.into_iter().map(Self::again).collect();
        let Some(session) = permits.iter().flatten().next().map(|permit| Arc::clone(&permit.session)) else {
            return (None, permits.into_iter().filter_map(Result::err).map(Err).collect());
        };
        let live = session.live.read().unwrap_or_else(PoisonError::into_inner);
        let leaving: Vec<_> = permits
            .into_iter()
            .map(|permit| {
                let permit = permit?;
                // A permit of another session is not covered by this lock: it does not leave.
                let ours = Arc::ptr_eq(&permit.session, &session);
                if ours && (*live || permit.shared.fault == Fault::RevokeLeavesSessions) {
                    return Ok(permit.leave());
                }
                Err(permit.refuse(if ours { Reason::Revoked } else { Reason::Abandoned }))
            })
            .collect();
        let requests: Vec<&T> = leaving.iter().flatten().map(|(request, _)| request).collect();
        let sent = (!requests.is_empty()).then(|| send(&requests));
        drop(live);
        (sent, leaving)
    }

    /// Gives it up: the door finds that it cannot be sent. The record of the request, where it has one, gets this reason as its
    /// outcome; a request without a record gets one.
    pub fn refuse(self, reason: Reason) -> Denial {
        let gate = Gate { shared: Arc::clone(&self.shared) };
        if self.receipt.open.is_none() && self.receipt.covered.is_none() {
            return gate.refuse(&self.session, reason, self.request.frame());
        }
        gate.turn_down(self, reason)
    }

    /// From here on it counts as sent. The caller holds the session's lock and writes in this very poll.
    fn leave(self) -> (T, Receipt) {
        let Self { request, shared, mut receipt, rule, generation, session, .. } = self;
        receipt.sent();
        if shared.probe.listens() {
            let own = receipt.open.as_ref().and_then(|open| shared.journal.seq_of(open.ticket));
            let seq = own.or(receipt.covered);
            let (subject, source) = (session.subject(), session.peer());
            let late = receipt.is_late();
            shared.probe.tell(Seen::Forwarded { subject, source, frame: request.frame(), rule, seq, late, generation });
        }
        (request, receipt)
    }
}
