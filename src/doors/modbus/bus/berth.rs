//! A connection's place on a bus.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

use bulkhead_core::decision::Reason;
use bulkhead_core::journal::record::Outcome;
use bulkhead_core::moment::BootMs;

use super::super::asset::Asset;
use super::super::classify::{Frame, head};
use super::super::forward::Sent;
use super::super::inbox::Inbox;
use super::super::reply::PDU;
use super::wire::Asked;
use super::{Bus, State, TURNAROUND, Task, Terms};
use crate::service::gate::Permit;
use crate::service::sessions::Session;
use crate::telemetry::Seen;

/// Given back when dropped: what is under way is then awaited and swallowed.
pub(in super::super) struct Berth {
    bus: Arc<Bus>,
    seat: u64,
    /// What the bus was told last: how many requests could be sent, and how many are not sent.
    told: Option<(usize, usize)>,
    /// Set by the bus when there is mail.
    news: Arc<AtomicBool>,
    /// Whom the bus wakes.
    waker: Option<Waker>,
}

impl Berth {
    pub(in super::super) fn take(bus: Arc<Bus>, asset: &Asset, session: &Session) -> Self {
        let news = Arc::new(AtomicBool::new(false));
        let seat = bus.join(Terms::of(asset, session), Arc::clone(&news));
        Self { bus, seat, told: None, news, waker: None }
    }

    /// Has this task woken when there is anything for it. A connection is one task: the bus is told once.
    fn watch(&mut self, cx: &Context<'_>) {
        if self.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            return;
        }
        self.waker = Some(cx.waker().clone());
        if let Some(member) = self.bus.lock().members.get_mut(&self.seat) {
            member.waker.clone_from(&self.waker);
        }
    }

    /// The policy has changed.
    pub(in super::super) fn follow(&mut self, asset: &Asset, session: &Session) {
        let terms = Terms::of(asset, session);
        let mut state = self.bus.lock();
        let Some(member) = state.members.get_mut(&self.seat) else { return };
        if member.terms == terms {
            return;
        }
        member.terms = terms.clone();
        state.turns.leave(self.seat);
        state.turns.join(self.seat, terms.flow, terms.priority);
        state.settle_terms();
        // What it wanted is asked for anew; turns that it had go on.
        self.told = None;
        state.move_on(&self.bus);
    }

    /// Whether one request more may wait for the device. One that `always` may is counted only.
    pub(in super::super) fn admit(&mut self, always: bool) -> bool {
        self.told = None;
        self.bus.lock().turns.admit(self.seat, always)
    }

    /// Asks for turns: `wants` requests could be sent at once, `waiting` are not sent. Resolves with the number that may be sent
    /// in this poll.
    ///
    /// # Errors
    /// `Busy` when the device has no socket left, `AssetDown` when it cannot be reached.
    pub(in super::super) fn poll_turn(
        &mut self,
        cx: &Context<'_>,
        wants: usize,
        waiting: usize,
        urgent: bool,
    ) -> Poll<Result<usize, Reason>> {
        self.watch(cx);
        let mut state = self.bus.lock();
        if let Some(reason) = state.members.get_mut(&self.seat).and_then(|member| member.refused.take()) {
            self.told = Some((0, waiting));
            state.turns.want(self.seat, 0, waiting);
            return Poll::Ready(Err(reason));
        }
        let now = self.bus.now();
        if state.members.get(&self.seat).is_some_and(|member| now < member.doubts.2) {
            self.told = Some((0, waiting));
            state.turns.want(self.seat, 0, waiting);
            state.move_on(&self.bus);
            return Poll::Ready(Err(Reason::AssetDown));
        }
        self.told = Some((wants, waiting));
        state.turns.want(self.seat, wants, waiting);
        state.turns.hurry(self.seat, urgent);
        self.bus.ensure_task(&mut state);
        let Some(Task(Some(task))) = &state.task else { return Poll::Pending };
        let task = task.clone();
        // What the link has to say wakes the bus, which wakes whoever has a turn.
        let mut cx = Context::from_waker(&task);
        if state.socket.is_up() {
            state.give_turns(&mut cx, Some(self.seat));
        } else {
            state.pump(&self.bus, &mut cx);
        }
        let turns = state.turns.of(self.seat).min(state.most().saturating_sub(state.wire.len()));
        if turns == 0 {
            return Poll::Pending;
        }
        match state.socket.poll_ready(&mut cx, None, 0) {
            Poll::Ready(Ok(())) => Poll::Ready(Ok(turns)),
            Poll::Ready(Err(_)) | Poll::Pending => {
                state.blocked = true;
                Poll::Pending
            }
        }
    }

    /// Nothing could be sent now; `waiting` requests wait for something else than a turn.
    pub(in super::super) fn rest(&mut self, waiting: usize) {
        if self.told.replace((0, waiting)) == Some((0, waiting)) {
            return;
        }
        let mut state = self.bus.lock();
        let unused = state.turns.of(self.seat) > 0;
        state.turns.want(self.seat, 0, waiting);
        if let Some(member) = state.members.get_mut(&self.seat) {
            member.refused = None;
        }
        if unused {
            state.move_on(&self.bus);
        }
    }

    /// Sends, with turns that [`Self::poll_turn`] has given in this very poll.
    pub(in super::super) fn send(&mut self, permits: Vec<Permit<Frame>>) -> Vec<Sent> {
        self.told = None;
        let mut state = self.bus.lock();
        let state = &mut *state;
        let Some(Task(Some(task))) = &state.task else { return permits.iter().map(|_| Sent::Nothing).collect() };
        let task = task.clone();
        let mut cx = Context::from_waker(&task);
        let frames: Vec<_> = permits.iter().map(|permit| permit.peek().clone()).collect();
        let State { socket, wire, .. } = state;
        let (device, probe) = (self.bus.device, self.bus.house.probe());
        let sent = socket.send(&mut cx, permits, |frame| {
            let name = wire.fresh();
            if probe.listens() {
                probe.tell(Seen::Renamed { device, id: frame.id(), name });
            }
            name
        });
        let now = self.bus.now();
        state.turns.used(self.seat, sent.len());
        let terms = state.members.get(&self.seat).map(|member| (member.terms.within, member.terms.is_bus));
        let (within, is_bus) = terms.unwrap_or_default();
        let mut failed = false;
        for (frame, sent) in frames.into_iter().zip(&sent) {
            match sent {
                Sent::Whole(_, name) => {
                    let owner = Some(self.seat);
                    let mut asked = Asked { name: *name, owner, frame, sent: now, until: now, direct: !is_bus };
                    let asker = (self.seat, asked.id());
                    let wait = if asked.is_broadcast() {
                        TURNAROUND.min(within)
                    } else {
                        let patience = state.units.patience(asked.unit(), asker).filter(|_| is_bus);
                        patience.map_or(within, |patience| patience.min(within))
                    };
                    asked.until = BootMs(now.0.saturating_add(wait));
                    state.units.sent(asked.unit(), asked.frame.bytes().get(PDU..).unwrap_or_default(), now);
                    state.wire.push(asked);
                }
                Sent::Refused(_) => {}
                Sent::Nothing | Sent::Part => failed = true,
            }
        }
        if failed {
            state.lose(true);
        }
        if failed || sent.iter().any(|sent| matches!(sent, Sent::Refused(_))) {
            // Turns that were not used go on.
            state.pump(&self.bus, &mut cx);
        }
        state.arm(&mut cx, now);
        sent
    }

    /// Takes replies; how many bytes.
    pub(in super::super) fn poll_mail(&mut self, cx: &Context<'_>, inbox: &mut Inbox) -> Poll<usize> {
        self.watch(cx);
        if !self.news.load(Ordering::Acquire) {
            return Poll::Pending;
        }
        let mut state = self.bus.lock();
        let Some(member) = state.members.get_mut(&self.seat) else { return Poll::Pending };
        let count = inbox.add(&member.mail);
        member.mail.drain(..count);
        if member.mail.is_empty() {
            member.mail.shrink_to(1024);
        }
        self.news.store(!member.mail.is_empty() || !member.given_up.is_empty(), Ordering::Release);
        if count == 0 { Poll::Pending } else { Poll::Ready(count) }
    }

    /// A request that will have no reply.
    pub(in super::super) fn given_up(&self) -> Option<(u16, Outcome)> {
        if !self.news.load(Ordering::Acquire) {
            return None;
        }
        self.bus.lock().members.get_mut(&self.seat)?.given_up.pop()
    }

    /// The client was answered for the device: its time was over. The device may have more of it, since this one waited its
    /// turn: its answer is awaited and swallowed, and its silence is judged by the time that it had.
    pub(in super::super) fn expired(&self, id: u16) {
        self.bus.lock().wire.disown_one(self.seat, id);
    }

    /// Whether a request to this unit is to be answered at once, since the unit is silent. A device that is no bus has nobody
    /// else on it to be spared.
    pub(in super::super) fn is_deaf(&self, frame: &Frame, safe: bool) -> bool {
        let (mut state, now) = (self.bus.lock(), self.bus.now());
        let unit = head(frame.bytes()).unit;
        let terms = state.members.get(&self.seat).map(|member| (member.terms.is_bus, member.terms.within));
        let Some((true, within)) = terms.filter(|_| unit != 0) else { return false };
        if safe && !state.units.is_told(unit, frame.bytes().get(PDU..).unwrap_or_default(), now) {
            return false;
        }
        state.units.is_deaf(unit, (self.seat, frame.id()), within, now)
    }

    pub(in super::super) fn is_up(&self) -> bool {
        self.bus.lock().socket.is_up()
    }
}

impl Drop for Berth {
    fn drop(&mut self) {
        self.bus.leave(self.seat);
    }
}
