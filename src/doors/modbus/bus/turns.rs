//! Whose turn it is on a shared link: a fair queue that knows nothing of sockets, clocks or frames.
//!
//! A flow is one subject, or one source without a subject: who opens ten connections gets no more than who opens one. Each turn
//! moves its flow's virtual time on by the flow's stride; the flow that is furthest behind is next, and within it the connection
//! that was served longest ago. Strides are 1, 2 and 4 for high, normal and low: while all want, a high flow gets two turns for
//! each of a normal one and four for each of a low one, and nobody gets none. A flow that wanted nothing has saved nothing up.

use std::collections::BTreeMap;

use bulkhead_core::policy::model::Priority;

/// Requests that may wait for one device. Beyond, a flow that has its share of them already is answered Busy.
pub(super) const WAITING: usize = 256;

/// All who share one link.
#[derive(Debug)]
pub(super) struct Turns<F> {
    flows: BTreeMap<F, Flow>,
    seats: BTreeMap<u64, Seat<F>>,
    /// The virtual time of the flow that was served last.
    clock: u64,
    /// Turns so far.
    served: u64,
    /// Turns that were given and not yet used.
    granted: usize,
    /// Requests that wait, of all.
    waiting: usize,
    /// Turns in a row that went to who has a way to safe to send.
    hurried: usize,
}

/// Ways to safe go first, but not for ever: heartbeats are among them.
const HURRIED: usize = 4;

#[derive(Debug)]
struct Flow {
    time: u64,
    priority: Priority,
    seats: usize,
}

#[derive(Debug)]
struct Seat<F> {
    flow: F,
    /// Requests that could be sent at once.
    wants: usize,
    /// Requests that are not sent yet.
    waiting: usize,
    granted: usize,
    /// The first of its requests is a way to safe.
    urgent: bool,
    /// When it was served last, in turns.
    last: u64,
}

const fn stride(priority: Priority) -> u64 {
    match priority {
        Priority::High => 1,
        Priority::Normal => 2,
        Priority::Low => 4,
    }
}

impl<F: Clone + Ord> Turns<F> {
    pub(super) fn new() -> Self {
        Self { flows: BTreeMap::new(), seats: BTreeMap::new(), clock: 0, served: 0, granted: 0, waiting: 0, hurried: 0 }
    }

    /// A connection comes. The last word about a flow's priority counts.
    pub(super) fn join(&mut self, seat: u64, flow: F, priority: Priority) {
        let one = self.flows.entry(flow.clone()).or_insert(Flow { time: self.clock, priority, seats: 0 });
        one.priority = priority;
        one.seats += 1;
        self.seats.insert(seat, Seat { flow, wants: 0, waiting: 0, granted: 0, urgent: false, last: self.served });
    }

    /// A connection goes; what it waited for is forgotten.
    pub(super) fn leave(&mut self, seat: u64) {
        self.want(seat, 0, 0);
        let Some(gone) = self.seats.remove(&seat) else { return };
        if let Some(flow) = self.flows.get_mut(&gone.flow) {
            flow.seats -= 1;
            if flow.seats == 0 {
                self.flows.remove(&gone.flow);
            }
        }
    }

    /// What a connection could send now, and what it holds unsent. Turns that it was given and no longer wants are taken back.
    pub(super) fn want(&mut self, seat: u64, wants: usize, waiting: usize) {
        let clock = self.clock;
        let Some(one) = self.seats.get_mut(&seat) else { return };
        self.waiting = self.waiting - one.waiting + waiting;
        one.waiting = waiting;
        one.wants = wants;
        let unused = one.granted.saturating_sub(wants);
        one.granted -= unused;
        self.granted -= unused;
        let flow = one.flow.clone();
        let idle = one.granted == 0;
        if let Some(flow) = self.flows.get_mut(&flow) {
            let back = u64::try_from(unused).unwrap_or(u64::MAX).saturating_mul(stride(flow.priority));
            flow.time = flow.time.saturating_sub(back);
            if wants > 0 && idle {
                flow.time = flow.time.max(clock);
            }
        }
    }

    /// Nothing can be sent to the device: a connection is told so, and asks anew when it still wants to.
    pub(super) fn turn_away(&mut self, seat: u64) {
        let waiting = self.seats.get(&seat).map_or(0, |one| one.waiting);
        self.want(seat, 0, waiting);
    }

    /// What a connection would send first is a way to safe, or not.
    pub(super) fn hurry(&mut self, seat: u64, urgent: bool) {
        if let Some(one) = self.seats.get_mut(&seat) {
            one.urgent = urgent;
        }
    }

    /// Takes all turns back that are not used: what may be sent has changed.
    pub(super) fn recall(&mut self) {
        self.seats.values_mut().for_each(|one| one.granted = 0);
        self.granted = 0;
    }

    /// Whether one request more may wait; it is counted if so.
    pub(super) fn admit(&mut self, seat: u64, always: bool) -> bool {
        let flows = self.flows.len().max(1);
        let Some(flow) = self.seats.get(&seat).map(|one| one.flow.clone()) else { return true };
        let of_flow = || self.seats.values().filter(|one| one.flow == flow).map(|one| one.waiting).sum::<usize>();
        if !always && self.waiting >= WAITING && of_flow() >= WAITING / flows {
            return false;
        }
        self.waiting += 1;
        if let Some(one) = self.seats.get_mut(&seat) {
            one.waiting += 1;
        }
        true
    }

    /// Gives the next turn; the connection keeps it until it has sent, or wants nothing any more.
    pub(super) fn next(&mut self) -> Option<u64> {
        let time = |flow: &F| self.flows.get(flow).map_or(u64::MAX, |flow| flow.time);
        let wanting = self.seats.iter().filter(|(_, one)| one.wants > one.granted);
        let waits = |one: &Seat<F>| !(one.urgent && one.granted == 0 && self.hurried < HURRIED);
        let key = |(seat, one): &(&u64, &Seat<F>)| (waits(one), time(&one.flow), one.last, **seat);
        let (seat, hurried) = wanting.min_by_key(key).map(|(seat, one)| (*seat, !waits(one)))?;
        self.hurried = if hurried { self.hurried + 1 } else { 0 };
        self.served += 1;
        self.granted += 1;
        let one = self.seats.get_mut(&seat)?;
        one.granted += 1;
        one.last = self.served;
        if let Some(flow) = self.flows.get_mut(&one.flow) {
            self.clock = self.clock.max(flow.time);
            flow.time = flow.time.saturating_add(stride(flow.priority));
        }
        Some(seat)
    }

    /// A connection has used this many of its turns.
    pub(super) fn used(&mut self, seat: u64, turns: usize) {
        let Some(one) = self.seats.get_mut(&seat) else { return };
        let used = turns.min(one.granted);
        one.granted -= used;
        one.wants = one.wants.saturating_sub(turns);
        self.granted -= used;
        let sent = turns.min(one.waiting);
        one.waiting -= sent;
        self.waiting -= sent;
    }

    /// Turns that a connection has now.
    pub(super) fn of(&self, seat: u64) -> usize {
        self.seats.get(&seat).map_or(0, |one| one.granted)
    }

    /// Turns that are given and not used.
    pub(super) fn granted(&self) -> usize {
        self.granted
    }

    /// Who holds turns.
    pub(super) fn holders(&self) -> impl Iterator<Item = u64> + '_ {
        self.seats.iter().filter(|(_, one)| one.granted > 0).map(|(seat, _)| *seat)
    }

    /// Who wants to send.
    pub(super) fn wanting(&self) -> impl Iterator<Item = u64> + '_ {
        self.seats.iter().filter(|(_, one)| one.wants > 0).map(|(seat, _)| *seat)
    }
}

#[cfg(test)]
mod tests;
