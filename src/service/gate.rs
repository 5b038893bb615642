//! The gate: judges every request, has the record written, and alone makes permits.
//!
//! A permit is not an answer for ever: `redeem` looks once more, in the poll in which the bytes leave. Nothing is sent after
//! `Sessions::cut` has returned, whatever was under way.

mod permit;

use std::net::IpAddr;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use bulkhead_core::access::{Accesses, Bank, Values, Verb};
use bulkhead_core::decision::{Decision, Effect, Keep, Reason};
use bulkhead_core::journal::record::FrameRecord;
use bulkhead_core::moment::Moment;
use bulkhead_core::names::AssetId;
use bulkhead_core::policy::model::{Mode, OnStall};
use bulkhead_core::policy::table::decide;

use super::repeats::{Range, plain_write, writes};
use super::sessions::{Footing, Session};
use super::shared::{Shared, name_of};
use super::tally::Counters;
use crate::telemetry::Fault;
pub use permit::{Denial, Hold, Left, Permit, Receipt};
use permit::{Ground, Open};

/// How long a write may wait for the disk before `on_stall` decides.
pub const STALL: Duration = Duration::from_millis(50);

/// A request that says itself what it asks for: nobody can judge one thing and forward another.
pub trait Request {
    /// All that it would do, in wire order.
    fn accesses(&self) -> Accesses<'_>;

    /// What the record says about the frame.
    fn frame(&self) -> FrameRecord;
}

/// Bytes that pass in `observe` as they are, judged by nobody.
#[derive(Clone, Copy, Debug)]
pub struct Raw<'b>(&'b [u8]);

impl<'b> Raw<'b> {
    /// The bytes.
    pub fn bytes(&self) -> &'b [u8] {
        self.0
    }
}

impl Request for Raw<'_> {
    fn accesses(&self) -> Accesses<'_> {
        Accesses::new()
    }

    fn frame(&self) -> FrameRecord {
        FrameRecord::default()
    }
}

/// The gate.
#[derive(Clone, Debug)]
pub struct Gate {
    shared: Arc<Shared>,
}

/// The gate's first word.
#[derive(Debug)]
#[must_use]
pub enum Verdict<T> {
    /// May go on.
    Pass(Permit<T>),
    /// Its record must be on the disk first: hand it to [`Gate::commit`].
    Hold(Hold<T>),
    /// No.
    Refuse(Denial),
}

impl Gate {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    fn ask<T: Request>(&self, session: &Session, request: &T, now: Moment) -> (Arc<Footing>, Decision) {
        let footing = session.footing_at(now);
        let mut decision = if session.is_cut() && self.shared.fault != Fault::RevokeLeavesSessions {
            Decision::deny(Reason::Revoked)
        } else {
            decide(&footing.standing.table, &request.accesses(), now)
        };
        if self.shared.fault == Fault::SafeNotWaived && decision.waived {
            decision = Decision::deny(Reason::Condition);
        }
        (footing, decision)
    }

    /// Whether it would be allowed now. Records nothing, draws nothing.
    pub fn would<T: Request>(&self, session: &Arc<Session>, request: &T) -> bool {
        self.ask(session, request, self.shared.time.now()).1.allows()
    }

    /// Judges a request. Never waits; may be called under a foreign lock. Reads are never held.
    pub fn judge<T: Request>(&self, session: &Arc<Session>, request: T) -> Verdict<T> {
        let now = self.shared.time.now();
        let (footing, decision) = self.ask(session, &request, now);
        self.shared.beside(session, &footing, &request, &decision, now);
        if decision.effect == Effect::Deny {
            return Verdict::Refuse(self.deny(session, &footing, &request, &decision, now));
        }
        let limited = decision.limited && !decision.waived && self.shared.fault != Fault::LimitIgnored;
        if limited && !self.draw(session, &footing, &request, now) {
            let limit = Decision { rule: decision.rule, ..Decision::deny(Reason::Limit) };
            return Verdict::Refuse(self.deny(session, &footing, &request, &limit, now));
        }
        let on_stall = footing.standing.table.conduit().map_or(OnStall::Deny, |conduit| conduit.on_stall);
        // A write that does not wait for its record (`record = "written"`) still goes by the disk's trouble, once that is known.
        let unkept = decision.keep == Keep::Later && acts(&request) && self.shared.journal.trouble().is_some();
        let ignored = self.shared.fault == Fault::WrittenIgnoresDisk;
        if unkept && !decision.waived && on_stall == OnStall::Deny && !ignored {
            let unkept = Decision { rule: decision.rule, ..Decision::deny(Reason::Journal) };
            return Verdict::Refuse(self.deny(session, &footing, &request, &unkept, now));
        }
        let mut receipt = match decision.keep {
            Keep::Count => Receipt::none(),
            Keep::Later | Keep::Before => match self.record(session, &footing, &request, &decision, now) {
                Ok(receipt) => receipt,
                Err(reason) => {
                    let busy = Decision { rule: decision.rule, ..Decision::deny(reason) };
                    return Verdict::Refuse(self.deny(session, &footing, &request, &busy, now));
                }
            },
        };
        if unkept && !ignored {
            receipt.late();
        }
        self.shared.tally.allow(footing.standing.table.conduit());
        let hold = decision.keep == Keep::Before && receipt.open.is_some() && !receipt.is_late();
        let permit = Permit {
            request,
            session: Arc::clone(session),
            shared: Arc::clone(&self.shared),
            receipt,
            rule: decision.rule,
            generation: footing.standing.generation,
            ground: Ground::Judged(Arc::clone(&footing)),
            waived: decision.waived,
        };
        if !hold || self.shared.fault == Fault::ForwardBeforeCommit {
            return Verdict::Pass(permit);
        }
        Verdict::Hold(Hold { permit, on_stall })
    }

    fn draw<T: Request>(&self, session: &Session, footing: &Footing, request: &T, now: Moment) -> bool {
        let who = name_of(footing.standing.subject.as_ref().map(|subject| &subject.id), session.peer());
        self.shared.draw(&who, &footing.standing.table.charges(&request.accesses(), now), now)
    }

    /// Queues the record of an allowed request and reserves the place of its outcome.
    fn record<T: Request>(
        &self,
        session: &Arc<Session>,
        footing: &Footing,
        request: &T,
        decision: &Decision,
        now: Moment,
    ) -> Result<Receipt, Reason> {
        let accesses = request.accesses();
        let write = plain_write(&accesses);
        if let Some((range, values)) = write {
            let unchanged = self.unchanged(footing, range, values, now);
            let mut repeats = session.repeats.lock().unwrap_or_else(PoisonError::into_inner);
            // A record that nobody waits for is written at once, unless the disk is in trouble.
            let journal = &self.shared.journal;
            let written = |ticket| journal.seq_of(ticket).filter(|_| journal.trouble().is_none());
            if unchanged && let Some(seq) = repeats.repeat_of(range, values, written) {
                self.shared.tally.repeat();
                return Ok(Receipt { open: None, covered: Some(seq) });
            }
        }
        let Some(slot) = self.shared.journal.reserve() else {
            return self.without_record(decision);
        };
        let ticket = self.shared.journal.ticket();
        let event = super::records::decision(&self.shared, session, footing, request, decision, now);
        if !self.shared.journal.record(ticket, now, event, decision.keep) {
            return self.without_record(decision);
        }
        if let Some((range, values)) = write {
            let said = session.repeats.lock().unwrap_or_else(PoisonError::into_inner).wrote(
                range,
                values,
                ticket,
                decision.keep,
            );
            if let Some(event) = said {
                self.shared.say(event, now);
            }
        }
        let open = Open {
            slot,
            ticket,
            shared: Arc::clone(&self.shared),
            session: Arc::clone(session),
            asset: footing.standing.table.asset().cloned(),
            writes: writes(&accesses),
            sent: false,
            late: false,
            refused: None,
        };
        Ok(Receipt { open: Some(open), covered: None })
    }

    /// Law 1: the way to safe passes a full queue too; the journal counts what it could not keep.
    fn without_record(&self, decision: &Decision) -> Result<Receipt, Reason> {
        if decision.waived {
            self.shared.journal.lost();
            self.shared.tally.late();
            return Ok(Receipt::none());
        }
        Err(Reason::Busy)
    }

    /// Whether the asset is known to hold these values already.
    fn unchanged(&self, footing: &Footing, range: Range, values: Values<'_>, now: Moment) -> bool {
        let (unit, bank, first, count) = range;
        let Some(asset) = footing.standing.table.asset() else { return false };
        let last = self.shared.values.last(asset, (unit, bank), first, count, now.boot);
        last.is_some_and(|(last, _)| {
            (0..count).zip(last).all(|(at, old)| super::values::element(values, at) == Some(old))
        })
    }

    fn deny<T: Request>(
        &self,
        session: &Arc<Session>,
        footing: &Footing,
        request: &T,
        decision: &Decision,
        now: Moment,
    ) -> Denial {
        let reason = decision.reason.unwrap_or(Reason::NoRule);
        self.shared.tally.refuse(footing.standing.table.conduit(), reason);
        let who = name_of(footing.standing.subject.as_ref().map(|subject| &subject.id), session.peer());
        if self.shared.count_denial(&who, footing.standing.table.asset(), reason, now) {
            self.shared.say(super::records::decision(&self.shared, session, footing, request, decision, now), now);
        }
        Denial::new(reason)
    }

    /// Makes the records of all holds durable with one commit, then judges each again. Same order.
    pub async fn commit<T: Request>(&self, holds: Vec<Hold<T>>) -> Vec<Result<Permit<T>, Denial>> {
        let durable = self.shared.journal.commit(STALL).await;
        holds.into_iter().map(|hold| self.committed(hold, durable.is_ok())).collect()
    }

    fn committed<T: Request>(&self, hold: Hold<T>, durable: bool) -> Result<Permit<T>, Denial> {
        let Hold { mut permit, on_stall } = hold;
        if durable {
            permit.kept();
        } else if permit.waived || (on_stall == OnStall::Continue && self.shared.fault != Fault::StallRefuses) {
            permit.receipt.late();
        } else {
            return Err(self.turn_down(permit, Reason::Journal));
        }
        permit.again()
    }

    fn turn_down<T: Request>(&self, mut permit: Permit<T>, reason: Reason) -> Denial {
        let now = self.shared.time.now();
        if let Some(open) = &mut permit.receipt.open {
            open.refused = Some(reason);
        }
        if reason == Reason::AssetDown {
            self.shared.silent(&permit.session, now);
        }
        let who = name_of(permit.session.subject().as_ref(), permit.session.peer());
        // Its record stands already and its outcome will say why it was not sent: it is counted only.
        self.shared.count_denial(&who, None, reason, now);
        Denial::new(reason)
    }

    /// Lets bytes pass unjudged where the conduit is in `observe`; none elsewhere.
    pub fn pass<'b>(&self, session: &Arc<Session>, bytes: &'b [u8]) -> Option<Permit<Raw<'b>>> {
        if session.is_cut() || session.mode() != Mode::Observe {
            return None;
        }
        Some(Permit {
            request: Raw(bytes),
            session: Arc::clone(session),
            shared: Arc::clone(&self.shared),
            receipt: Receipt::none(),
            rule: None,
            generation: self.shared.worlds.generation(),
            ground: Ground::Observed,
            waived: false,
        })
    }

    /// Judges a copy of what passes in `observe`: what `enforce` would refuse becomes an alarm, what it would record a record.
    /// What was recorded waits for its outcome.
    ///
    /// # Errors
    /// `enforce` would refuse it. It passes all the same.
    pub fn watch<T: Request>(&self, session: &Arc<Session>, request: &T) -> Result<Option<Receipt>, Denial> {
        let now = self.shared.time.now();
        let (footing, decision) = self.ask(session, request, now);
        self.shared.beside(session, &footing, request, &decision, now);
        if decision.effect == Effect::Deny {
            return Err(self.deny(session, &footing, request, &decision, now));
        }
        self.shared.tally.allow(footing.standing.table.conduit());
        if decision.keep == Keep::Count {
            return Ok(None);
        }
        // `observe` never waits for the disk: a record that finds no place is counted as lost by the journal.
        let later = Decision { keep: Keep::Later, ..decision };
        let mut receipt = self.record(session, &footing, request, &later, now).ok();
        receipt.iter_mut().for_each(Receipt::sent);
        Ok(receipt)
    }

    /// A refusal that the door found by itself: malformed bytes, a cap, a device that cannot be reached.
    pub fn refuse(&self, session: &Arc<Session>, reason: Reason, frame: FrameRecord) -> Denial {
        let now = self.shared.time.now();
        let footing = session.footing_at(now);
        if reason == Reason::AssetDown {
            self.shared.silent(session, now);
        }
        self.deny(session, &footing, &Bare(frame), &Decision::deny(reason), now)
    }

    /// Something that a person should look at.
    pub fn alarm(&self, what: &str, source: Option<IpAddr>, asset: Option<&AssetId>, text: String) {
        self.shared.alarm(what, source, asset, text, self.shared.time.now());
    }

    /// Values that an asset was seen to hold: from a reply to a read, or from a write that it confirmed.
    pub fn saw(&self, asset: &AssetId, unit: u8, bank: Bank, first: u16, count: u16, values: Values<'_>) {
        self.shared.reach.answered(asset);
        self.shared.values.saw(asset, (unit, bank), first, count, values, self.shared.time.now().boot);
    }

    /// The counters of now.
    pub fn counters(&self) -> Counters {
        self.shared.tally.counters()
    }
}

/// Whether a request would do more than read.
fn acts<T: Request>(request: &T) -> bool {
    request.accesses().iter().any(|access| access.verb != Verb::Read)
}

/// A frame of which nothing but its head is known.
struct Bare(FrameRecord);

impl Request for Bare {
    fn accesses(&self) -> Accesses<'_> {
        Accesses::new()
    }

    fn frame(&self) -> FrameRecord {
        self.0
    }
}
