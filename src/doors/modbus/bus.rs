//! The shared south link: one for each device, with a fair queue in front of it.
//!
//! Permits never lie here. A connection says how much it could send and is given turns; with a turn it redeems its own permits in
//! the poll in which they leave, under its own session's lock, as on a link of its own. So what is revoked, expired or forbidden
//! while it waits is not sent, and what waits for a connection that is gone goes with it.
//!
//! A task of the bus hears the device; connections move it on as well, whenever they have something to send, so that a single
//! client waits for nobody. It lives as long as a connection is there.

mod berth;
mod turns;
mod units;
mod wire;

use std::collections::BTreeMap;
use std::future::{Future as _, poll_fn};
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bulkhead_core::decision::Reason;
use bulkhead_core::journal::record::Outcome;
use bulkhead_core::moment::BootMs;
use bulkhead_core::names::{AssetId, SubjectId};
use bulkhead_core::policy::model::{Priority, UnitZero};
use bulkhead_core::wire::modbus::Matched;
use tokio::time::Sleep;

use super::alarms::{Alarms, Kind};
use super::asset::Asset;
use super::classify::head;
use super::forward::Socket;
use super::inbox::Inbox;
use super::ms;
use super::serve::Common;
use crate::service::House;
use crate::service::sessions::Session;
use crate::telemetry::Fault;
pub(super) use berth::Berth;
use turns::Turns;
use units::Units;
use wire::{Asked, Whose, Wire};

/// Requests under way at once on a link whose device echoes transaction ids. A device that does not, or of which that is not
/// known, has one.
const ON_THE_WIRE: usize = 4;
/// Time-outs in a row, with nothing heard between, after which the link is opened anew: it may lead nowhere.
const SILENCES: u32 = 3;
/// How long an answer to a broadcast may be waited for: mostly there is none.
const TURNAROUND: u64 = 150;
/// Doubts that one connection's requests may raise within [`DOUBTS_WITHIN`] before it has to pause for [`DOUBTS_PAUSE`].
const DOUBTS: u32 = 3;
/// See [`DOUBTS`].
const DOUBTS_WITHIN: u64 = 60_000;
/// See [`DOUBTS`].
const DOUBTS_PAUSE: u64 = 2_000;
/// Between two looks whether the device has closed the socket that we have left.
const LEAVING: u64 = 50;
/// The bus adapter of a converter says that a unit does not answer.
const UNIT_SILENT: u8 = 0x0B;

/// The buses of a door, by device.
#[derive(Debug, Default)]
pub(super) struct Buses(Mutex<BTreeMap<SocketAddr, Weak<Bus>>>);

impl Buses {
    /// The bus to a device.
    pub(super) fn to(&self, device: SocketAddr, house: &Arc<House>, common: &Common) -> Arc<Bus> {
        let mut buses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bus) = buses.get(&device).and_then(Weak::upgrade) {
            return bus;
        }
        // INVARIANT: the map holds buses with connections, and at most one that has none any more for each device of a policy.
        buses.retain(|_, bus| bus.strong_count() > 0);
        let bus = Arc::new(Bus {
            house: Arc::clone(house),
            alarms: Arc::clone(&common.alarms),
            device,
            state: Mutex::new(State {
                socket: Socket::new(Arc::clone(house), Arc::clone(&common.links)),
                replies: Inbox::new(),
                wire: Wire::default(),
                turns: Turns::new(),
                units: Units::default(),
                members: BTreeMap::new(),
                next: 0,
                alone: false,
                long_frames: false,
                connections: 1,
                silences: 0,
                doubts: 0,
                blocked: false,
                task: None,
                timer: None,
            }),
        });
        buses.insert(device, Arc::downgrade(&bus));
        bus
    }
}

/// One device, and all who share the link to it.
pub(super) struct Bus {
    house: Arc<House>,
    alarms: Arc<Alarms>,
    device: SocketAddr,
    state: Mutex<State>,
}

/// Who a connection's turns count for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Flow {
    Subject(SubjectId),
    Source(IpAddr),
}

/// What the policy says about a connection's asset and subject.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Terms {
    asset: Option<AssetId>,
    flow: Flow,
    priority: Priority,
    tells_apart: bool,
    long_frames: bool,
    /// Several units lie behind it.
    is_bus: bool,
    connections: u16,
    within: u64,
}

impl Terms {
    fn of(asset: &Asset, session: &Session) -> Self {
        Self {
            asset: asset.id.clone(),
            flow: session.subject().map_or_else(|| Flow::Source(session.peer().ip()), Flow::Subject),
            priority: asset.priority,
            tells_apart: asset.tells_apart,
            long_frames: asset.long_frames,
            is_bus: asset.zero == UnitZero::Broadcast,
            connections: asset.connections,
            within: ms(asset.answer_within),
        }
    }
}

/// One connection on the bus.
#[derive(Debug)]
struct Member {
    terms: Terms,
    waker: Option<Waker>,
    /// There is mail, or something was given up: the connection looks at it without the bus's lock.
    news: Arc<AtomicBool>,
    /// Whole reply frames, with the client's own transaction ids. Bounded by what it has under way.
    mail: Vec<u8>,
    /// Requests that will have no reply, and what is known of them.
    given_up: Vec<(u16, Outcome)>,
    /// Why nothing can be sent.
    refused: Option<Reason>,
    /// Its requests whose answers put the link in doubt, since when, and until when it pauses.
    doubts: (u32, BootMs, BootMs),
}

impl Member {
    /// An answer to one of its requests put the link of all in doubt.
    fn doubted(&mut self, now: BootMs) {
        let (count, since, pause) = &mut self.doubts;
        if now.0.saturating_sub(since.0) >= DOUBTS_WITHIN {
            (*count, *since) = (0, now);
        }
        *count += 1;
        if *count >= DOUBTS {
            *pause = BootMs(now.0.saturating_add(DOUBTS_PAUSE));
        }
    }

    fn wake(&self) {
        if let Some(waker) = &self.waker {
            waker.wake_by_ref();
        }
    }

    fn tell(&self) {
        self.news.store(true, Ordering::Release);
        self.wake();
    }
}

struct State {
    socket: Socket,
    replies: Inbox,
    wire: Wire,
    turns: Turns<Flow>,
    units: Units,
    members: BTreeMap<u64, Member>,
    next: u64,
    /// One request at a time: replies cannot be told apart.
    alone: bool,
    long_frames: bool,
    connections: u16,
    silences: u32,
    doubts: u64,
    /// Somebody has a turn, and the socket took nothing.
    blocked: bool,
    /// The task of the bus, while it runs.
    task: Option<Task>,
    timer: Option<(BootMs, Pin<Box<Sleep>>)>,
}

/// How the task of a bus is woken; none before its first poll.
#[derive(Debug, Default)]
struct Task(Option<Waker>);

impl Bus {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn join(self: &Arc<Self>, terms: Terms, news: Arc<AtomicBool>) -> u64 {
        let mut state = self.lock();
        let seat = state.next;
        state.next += 1;
        state.turns.join(seat, terms.flow.clone(), terms.priority);
        let member = Member {
            terms,
            waker: None,
            news,
            mail: Vec::new(),
            given_up: Vec::new(),
            refused: None,
            doubts: Default::default(),
        };
        state.members.insert(seat, member);
        state.settle_terms();
        self.ensure_task(&mut state);
        seat
    }

    fn ensure_task(self: &Arc<Self>, state: &mut State) {
        if state.task.is_none() {
            state.task = Some(Task::default());
            self.house.tasks.spawn(run(Arc::clone(self)));
        }
    }

    fn leave(&self, seat: u64) {
        let mut state = self.lock();
        state.wire.disown(seat);
        state.turns.leave(seat);
        state.members.remove(&seat);
        state.settle_terms();
        if state.members.is_empty() {
            // The task leaves the device in order.
            state.wake_task();
        } else {
            state.move_on(self);
        }
    }

    fn now(&self) -> BootMs {
        self.house.time.now().boot
    }
}

/// Hears the device for as long as a connection is there.
async fn run(bus: Arc<Bus>) {
    let _end = End(&bus);
    poll_fn(|cx| {
        let mut state = bus.lock();
        state.task = Some(Task(Some(cx.waker().clone())));
        if state.members.is_empty() {
            state.socket.leave();
            return Poll::Ready(());
        }
        state.pump(&bus, cx);
        Poll::Pending
    })
    .await;
}

/// Without its task a bus is nothing: whoever waits has to know, and the next one starts it again.
struct End<'a>(&'a Bus);

impl Drop for End<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.task = None;
        state.timer = None;
        state.lose(false);
        state.members.values().for_each(Member::wake);
    }
}

impl State {
    /// What all connections together allow.
    fn settle_terms(&mut self) {
        let was_alone = self.alone;
        self.alone = self.members.values().any(|member| !member.terms.tells_apart);
        self.long_frames = self.members.values().any(|member| member.terms.long_frames);
        self.connections = self.members.values().map(|member| member.terms.connections).min().unwrap_or(1);
        if self.alone && !was_alone {
            // Whatever is under way was told apart by ids that count no longer.
            self.lose(false);
            self.turns.recall();
        }
    }

    /// Requests that may be under way at once.
    fn most(&self) -> usize {
        if self.alone { 1 } else { ON_THE_WIRE }
    }

    fn wake_task(&self) {
        if let Some(Task(Some(waker))) = &self.task {
            waker.wake_by_ref();
        }
    }

    /// As [`Self::pump`], from a connection's poll: what has to be waited for wakes the task of the bus.
    fn move_on(&mut self, bus: &Bus) {
        if let Some(Task(Some(waker))) = &self.task {
            let waker = waker.clone();
            self.pump(bus, &mut Context::from_waker(&waker));
        }
    }

    /// Moves everything on as far as it goes.
    fn pump(&mut self, bus: &Bus, cx: &mut Context<'_>) {
        let now = bus.now();
        loop {
            let mut moved = self.hear(bus, cx, now);
            moved |= self.give_up(cx, now);
            moved |= self.dial(bus, cx);
            if !moved {
                break;
            }
        }
        self.give_turns(cx, None);
        self.arm(cx, now);
    }

    fn hear(&mut self, bus: &Bus, cx: &mut Context<'_>, now: BootMs) -> bool {
        let Poll::Ready(count) = self.socket.poll_fill(&mut self.replies, cx) else { return false };
        if !matches!(count, Ok(1..)) {
            self.lose(true);
            return true;
        }
        self.silences = 0;
        loop {
            let frame = match self.replies.frame(self.long_frames) {
                Ok(Some(frame)) => frame,
                Ok(None) => return true,
                Err(error) => {
                    self.doubt(bus, now, &format!("the device sent a {error}"));
                    return true;
                }
            };
            let whole = frame.len();
            match self.wire.whose(frame, !self.alone) {
                Whose::Of(asked, matched) => self.deliver(bus, &asked, matched, whole, now),
                Whose::Late(unit) => self.units.answered(unit, 0),
                Whose::Doubt(owner) => {
                    if let Some(member) = owner.and_then(|owner| self.members.get_mut(&owner)) {
                        member.doubted(now);
                    }
                    let about = head(frame);
                    let what = format!("a reply from unit {} to function {}", about.unit, about.function);
                    self.doubt(bus, now, &format!("{what} belongs to no request under way"));
                    return true;
                }
            }
            self.replies.consume(whole);
        }
    }

    /// Hands the first `whole` bytes of the replies to whom they belong.
    fn deliver(&mut self, bus: &Bus, asked: &Asked, matched: Matched, whole: usize, now: BootMs) {
        let took = now.0.saturating_sub(asked.sent.0);
        match matched {
            Matched::Exception(UNIT_SILENT) => self.units.failed(asked.unit(), Some(took), self.alone, now),
            Matched::Normal | Matched::Exception(_) | Matched::Foreign => self.units.answered(asked.unit(), took),
        }
        // Nobody waits: swallowed.
        let Some(mut owner) = asked.owner else { return };
        let mut id = asked.id();
        if bus.house.fault() == Fault::SharedReplyToNext
            && let Some((next, theirs)) = self.wire.next_owner()
        {
            (owner, id) = (next, theirs);
        }
        self.wire.disown_one(owner, id);
        let Some(member) = self.members.get_mut(&owner) else { return };
        let frame = self.replies.bytes().get(..whole).unwrap_or_default();
        member.mail.extend_from_slice(&id.to_be_bytes());
        // A direct device may have called itself by another of its names.
        member.mail.extend_from_slice(frame.get(2..6).unwrap_or_default());
        member.mail.push(asked.unit());
        member.mail.extend_from_slice(frame.get(7..).unwrap_or_default());
        member.tell();
    }

    /// The stream cannot be believed any more: nobody gets anything from it.
    fn doubt(&mut self, bus: &Bus, now: BootMs, why: &str) {
        self.doubts += 1;
        let (device, count) = (bus.device, self.doubts);
        if bus.alarms.due(device.ip(), Kind::DoubtfulLink, now) {
            let asset = self.members.values().find_map(|member| member.terms.asset.clone());
            let text = format!(
                "{why}: the shared link to {device} was closed and is dialled anew, {count} time(s) so far. \
                 If the device makes up transaction ids, set `echoes_ids = false` in its profile"
            );
            bus.house.gate.alarm(Kind::DoubtfulLink.name(), Some(device.ip()), asset.as_ref(), text);
        }
        self.lose(false);
    }

    /// The link is gone, or must go: whatever the device had gets no answer. What waits stays for the next link.
    fn lose(&mut self, by_device: bool) {
        self.socket.close(by_device);
        self.replies.clear();
        self.silences = 0;
        for asked in self.wire.lost() {
            self.tell_given_up(&asked, Outcome::Unknown);
        }
    }

    fn tell_given_up(&mut self, asked: &Asked, outcome: Outcome) {
        if let Some(member) = asked.owner.and_then(|owner| self.members.get_mut(&owner)) {
            member.given_up.push((asked.id(), outcome));
            member.tell();
        }
    }

    /// Ends the wait for what is not waited for by a connection's own deadline: answers for those who are gone, and tries.
    fn give_up(&mut self, cx: &mut Context<'_>, now: BootMs) -> bool {
        let Some((due, timer)) = &mut self.timer else { return false };
        if now < *due && !timer.is_elapsed() || timer.as_mut().poll(cx).is_pending() {
            return false;
        }
        self.timer = None;
        while let Some(asked) = self.wire.expired(now) {
            self.tell_given_up(&asked, Outcome::NoAnswer);
            self.unanswered(&asked, now);
        }
        true
    }

    /// A request has had its time.
    fn unanswered(&mut self, asked: &Asked, now: BootMs) {
        if asked.is_broadcast() {
            return;
        }
        self.units.failed(asked.unit(), None, self.alone, now);
        self.silences = self.silences.saturating_add(1);
        // Its late answer could not be told from the next one; or nothing comes any more.
        if self.alone || !self.wire.remember_late(asked) || self.silences >= SILENCES {
            self.lose(false);
        }
    }

    /// Dials where somebody wants to send.
    fn dial(&mut self, bus: &Bus, cx: &mut Context<'_>) -> bool {
        if self.socket.is_up() || self.turns.wanting().next().is_none() {
            return false;
        }
        match self.socket.poll_ready(cx, Some(bus.device), self.connections) {
            Poll::Pending => false,
            Poll::Ready(Ok(())) => true,
            // The device has not yet closed a socket that we have left: it is a matter of moments.
            Poll::Ready(Err(Reason::Busy)) if self.socket.is_leaving(bus.device) => {
                let due = BootMs(bus.now().0.saturating_add(LEAVING));
                if self.timer.as_ref().is_none_or(|(armed, _)| due < *armed) {
                    self.set_timer(cx, due, Duration::from_millis(LEAVING));
                }
                false
            }
            Poll::Ready(Err(reason)) => {
                let wanting: Vec<_> = self.turns.wanting().collect();
                for seat in wanting {
                    self.turns.turn_away(seat);
                    if let Some(member) = self.members.get_mut(&seat) {
                        member.refused = Some(reason);
                        member.wake();
                    }
                }
                true
            }
        }
    }

    /// Gives the turns that are free, and wakes whoever has one; `here` is looking already.
    fn give_turns(&mut self, cx: &mut Context<'_>, here: Option<u64>) {
        if !self.socket.is_up() {
            return;
        }
        while self.wire.len() + self.turns.granted() < self.most() {
            let Some(seat) = self.turns.next() else { break };
            if here != Some(seat)
                && let Some(member) = self.members.get(&seat)
            {
                member.wake();
            }
        }
        if self.blocked && self.socket.poll_ready(cx, None, 0).is_ready() {
            self.blocked = false;
            for seat in self.turns.holders() {
                if let Some(member) = self.members.get(&seat) {
                    member.wake();
                }
            }
        }
    }

    /// The timer is armed for the first end of a wait, and not moved back when that is met in time.
    fn arm(&mut self, cx: &mut Context<'_>, now: BootMs) {
        let Some(due) = self.wire.due() else { return };
        if self.timer.as_ref().is_some_and(|(armed, _)| *armed <= due) {
            return;
        }
        self.set_timer(cx, due, Duration::from_millis(due.0.saturating_sub(now.0).max(1)));
    }

    fn set_timer(&mut self, cx: &mut Context<'_>, due: BootMs, wait: Duration) {
        let mut timer = Box::pin(tokio::time::sleep(wait));
        if timer.as_mut().poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
        self.timer = Some((due, timer));
    }
}
