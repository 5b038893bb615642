//! The gate: judges every request, has the record written, and alone makes permits.
//!
//! A permit is not an answer for ever: `redeem` looks once more, in the poll in which the bytes leave. Nothing is sent after
//! `Sessions::cut` has returned, whatever was under way.

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use bulkhead_core::access::{Access, Accesses, Bank, Target, Values, Verb};
use bulkhead_core::decision::{Class, Decision, Effect, Keep, Reason};
use bulkhead_core::journal::record::{FrameRecord, Outcome, Seq};
use bulkhead_core::moment::Moment;
use bulkhead_core::names::{AssetId, RuleId};
use bulkhead_core::policy::model::{Mode, OnStall, RecordKind};
use bulkhead_core::policy::table::decide;

use smallvec::SmallVec;

use super::repeats::{Range, plain_write, writes};
use super::sessions::{Footing, Session};
use super::shared::{Shared, name_of};
use super::tally::Counters;
use crate::ports::journal::{Slot, Ticket};
use crate::telemetry::{Fault, Seen};

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

/// What may be forwarded, if `redeem` still agrees. Only the gate makes one.
#[must_use]
pub struct Permit<T> {
    request: T,
    session: Arc<Session>,
    shared: Arc<Shared>,
    receipt: Receipt,
    rule: Option<RuleId>,
    generation: u64,
    ground: Ground,
}

/// What a permit rests on.
enum Ground {
    /// The judgement of this footing. Another one (an end has come, the evidence or the world has changed) judges anew.
    Judged(Arc<Footing>),
    /// The conduit's mode.
    Observed,
}

/// A permit whose record is on its way to the disk.
#[derive(Debug)]
#[must_use]
pub struct Hold<T> {
    permit: Permit<T>,
    waived: bool,
    on_stall: OnStall,
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
    open: Option<Open>,
    /// The record that this write repeats.
    covered: Option<Seq>,
}

/// A recorded decision that still lacks its outcome.
#[derive(Debug)]
struct Open {
    slot: Slot,
    ticket: Ticket,
    shared: Arc<Shared>,
    session: Arc<Session>,
    asset: Option<AssetId>,
    /// What it writes; true where the wire says the values that will be there.
    writes: SmallVec<[(Range, bool); 1]>,
    sent: bool,
    late: bool,
    refused: Option<Reason>,
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
    const fn none() -> Self {
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

    fn sent(&mut self) {
        if let Some(open) = &mut self.open {
            open.sent = true;
        }
    }

    fn late(&mut self) {
        if let Some(open) = &mut self.open {
            open.late = true;
            open.shared.tally.late();
        }
    }

    fn is_late(&self) -> bool {
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
}

/// Whether the record comes first although the table says later: the policy says `observe`, which waits for no disk, and a
/// local override has made it `enforce`. What the conduit promises of its records holds then too.
fn waits_after_all(footing: &Footing, accesses: &[Access<'_>]) -> bool {
    let overridden = footing.standing.table.conduit().is_some_and(|conduit| {
        conduit.mode == Mode::Observe && footing.mode == Mode::Enforce && conduit.record == RecordKind::Durable
    });
    let acts = |access: &Access<'_>| match access.target {
        Target::Registers { .. } => access.verb != Verb::Read,
        Target::Function { code, sub, .. } => (code, sub) != (43, Some(14)),
    };
    overridden && accesses.iter().any(acts)
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
        if decision.keep == Keep::Later && decision.allows() && waits_after_all(&footing, &request.accesses()) {
            decision.keep = Keep::Before;
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
        };
        if !hold || self.shared.fault == Fault::ForwardBeforeCommit {
            return Verdict::Pass(permit);
        }
        Verdict::Hold(Hold { permit, waived: decision.waived, on_stall })
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
        let Hold { mut permit, waived, on_stall } = hold;
        if durable {
            permit.kept();
        } else if waived || (on_stall == OnStall::Continue && self.shared.fault != Fault::StallRefuses) {
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
        })
    }

    /// Judges a copy of what passes in `observe`: what `enforce` would refuse becomes an alarm, what it would record a record.
    /// What was recorded waits for its outcome.
    pub fn watch<T: Request>(&self, session: &Arc<Session>, request: &T) -> Option<Receipt> {
        let now = self.shared.time.now();
        let (footing, decision) = self.ask(session, request, now);
        if decision.effect == Effect::Deny {
            self.deny(session, &footing, request, &decision, now);
            return None;
        }
        self.shared.tally.allow(footing.standing.table.conduit());
        if decision.keep == Keep::Count {
            return None;
        }
        // `observe` never waits for the disk: a record that finds no place is counted as lost by the journal.
        let later = Decision { keep: Keep::Later, ..decision };
        let mut receipt = self.record(session, &footing, request, &later, now).ok()?;
        receipt.sent();
        Some(receipt)
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

impl<T: Request> Permit<T> {
    /// What it permits.
    pub fn peek(&self) -> &T {
        &self.request
    }

    /// Its record is durable: repeats of the same value may be counted from now on.
    fn kept(&mut self) -> Option<Seq> {
        let open = self.receipt.open.as_ref()?;
        let seq = self.shared.journal.seq_of(open.ticket)?;
        open.session.repeats.lock().unwrap_or_else(PoisonError::into_inner).kept(open.ticket, seq);
        Some(seq)
    }

    /// Judges once more if the world has moved since, or an end has come.
    fn again(mut self) -> Result<Self, Denial> {
        let now = self.shared.time.now();
        let footing = self.session.footing_at(now);
        let holds = match &self.ground {
            Ground::Observed if footing.mode != Mode::Observe || self.session.is_cut() => {
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
