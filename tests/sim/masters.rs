//! The masters: they poll, they write values that occur once in a run, they send the safe value, they pipeline, they repeat
//! what is not answered, and now and then they send what no policy allows.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bulkhead::net::{Network as _, Stream};
use tokio::io::{AsyncWriteExt as _, ReadHalf, WriteHalf, split};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::chance::Rng;
use super::event::{Answer, Event};
use super::log::Log;
use super::modbus::{Ask, Frame, Table};
use super::policies::{Plc, Who};
use super::wire::Net;

/// A master may start requests once in each slot, in milliseconds.
const SLOT: u64 = 400;
/// When a request that is not answered is sent again.
const PATIENCE: Duration = Duration::from_millis(700);
/// When a master gives a connection up.
const GIVE_UP: Duration = Duration::from_secs(5);

/// One connection of one master.
pub(crate) struct Master {
    pub(crate) who: Who,
    pub(crate) plc: Plc,
    pub(crate) net: Net,
    pub(crate) log: Arc<Log>,
    pub(crate) seed: u64,
    /// Less than 16, and no two are equal.
    pub(crate) index: u64,
}

/// An open connection, and the ids that were sent twice on it: a second answer to them may come at any time.
struct Line {
    input: ReadHalf<Stream>,
    output: WriteHalf<Stream>,
    repeated: BTreeSet<u16>,
}

impl Master {
    /// Works for ever.
    pub(crate) async fn work(self) {
        loop {
            let dialled = timeout(Duration::from_secs(3), self.net.dial(self.who.door(self.plc))).await;
            if let Ok(Ok(stream)) = dialled {
                self.talk(stream).await;
            }
            self.next_slot().await;
        }
    }

    /// Sleeps until requests are due. When and what depends on the slot alone, and not on what was before: after a
    /// disturbance the plant falls back into its step.
    async fn next_slot(&self) -> (u64, Rng) {
        let slot = self.log.now() / SLOT + 1;
        let mut rng = Rng::at(self.seed, "master", slot * 16 + self.index);
        let at = slot * SLOT + rng.range(0, SLOT);
        sleep(Duration::from_millis(at - self.log.now())).await;
        (slot * 64 + self.index * 4, rng)
    }

    async fn talk(&self, stream: Stream) {
        let (input, output) = split(stream);
        let mut line = Line { input, output, repeated: BTreeSet::new() };
        loop {
            let (first, mut rng) = self.next_slot().await;
            // One request, or some at once.
            let count = if rng.one_in(5) { rng.range(2, 5) } else { 1 };
            let asked: Vec<Frame> = (first..first + count).map(|n| self.request(n, &mut rng)).collect();
            if !self.exchange(asked, &mut rng, &mut line).await {
                return;
            }
        }
    }

    fn request(&self, n: u64, rng: &mut Rng) -> Frame {
        let id = u16::try_from(n).unwrap();
        let ask = match self.plc {
            Plc::Filler => self.filler(id, rng),
            Plc::Drive => drive(id, rng),
        };
        let unit = match self.plc {
            Plc::Filler if rng.one_in(10) => rng.pick(&[0, 255]),
            _ if rng.one_in(60) => 9,
            plc => plc.unit(),
        };
        Frame { id, unit, pdu: ask.pdu() }
    }

    fn filler(&self, id: u16, rng: &mut Rng) -> Ask {
        let holding = |first, values| Ask::Write { table: Table::Holding, first, values };
        let unique = 1 + id * 12;
        let (bench, note) = (rng.word(60, 70), rng.word(80, 90));
        match (self.who, rng.range(0, 24)) {
            (_, 0) if rng.one_in(8) => Ask::Odd,
            // The way to safe, by everybody.
            (Who::Technician, 1..=2) => holding(bench, vec![0]),
            (_, 1) => holding(rng.word(20, 40), vec![0]),
            (_, 2) => Ask::Write { table: Table::Coils, first: rng.word(0, 8), values: vec![0] },
            (_, 3) => holding(10, vec![unique]),
            (Who::Technician, 4..=14) => holding(bench, vec![unique]),
            (Who::Office, 4..=14) => holding(note, vec![unique]),
            (_, 4..=8) => holding(rng.word(20, 40), vec![unique]),
            (_, 9) => holding(rng.word(18, 40), vec![unique, unique + 1, unique + 2]),
            (_, 10) => holding(40 + id % 10, vec![unique]),
            (_, 11) => {
                holding(50, if rng.one_in(2) { vec![u16::from(rng.one_in(2)), unique / 2] } else { vec![unique] })
            }
            (_, 12) => Ask::Write { table: Table::Coils, first: rng.word(0, 9), values: vec![1] },
            (_, 13) => Ask::Both { first: rng.word(0, 60), count: 2, to: rng.word(19, 40), values: vec![unique] },
            (_, 14) => holding(rng.word(20, 40), vec![60_001 + id]),
            (_, 15) => Ask::Read { table: Table::Input, first: rng.word(0, 10), count: rng.word(1, 4) },
            (_, 16) => Ask::Read { table: Table::Coils, first: rng.word(0, 6), count: rng.word(1, 4) },
            (Who::Technician, 17..=19) => Ask::Read { table: Table::Holding, first: bench, count: 1 },
            _ => Ask::Read { table: Table::Holding, first: rng.word(0, 54), count: rng.word(1, 6) },
        }
    }

    /// Sends requests and waits for their answers; false when the connection is no more.
    async fn exchange(&self, asked: Vec<Frame>, rng: &mut Rng, line: &mut Line) -> bool {
        let Line { input, output, repeated } = line;
        let who = self.who;
        let mut waiting: BTreeMap<u16, Frame> = BTreeMap::new();
        let mut bytes = Vec::new();
        for frame in asked {
            self.log.tell(Event::Asked { who, plc: self.plc, frame: frame.clone(), again: false });
            bytes.extend_from_slice(&frame.bytes());
            waiting.insert(frame.id, frame);
        }
        let closed = |waiting: &BTreeMap<u16, Frame>| {
            for id in waiting.keys() {
                self.log.tell(Event::Closed { who, id: *id });
            }
            false
        };
        // Sometimes in two pieces.
        let cut = if rng.one_in(8) { rng.length(1, bytes.len()) } else { bytes.len() };
        let sent = async {
            output.write_all(&bytes[..cut]).await?;
            sleep(Duration::from_millis(if cut < bytes.len() { 3 } else { 0 })).await;
            output.write_all(&bytes[cut..]).await
        };
        if sent.await.is_err() {
            return closed(&waiting);
        }
        let patient = rng.one_in(2);
        let (repeat, give_up) = (Instant::now() + PATIENCE, Instant::now() + GIVE_UP);
        let mut calm = patient;
        while !waiting.is_empty() {
            let mut read = pin!(Frame::read(input));
            let reply = loop {
                tokio::select! {
                    biased;
                    reply = &mut read => break reply,
                    () = sleep_until(repeat), if !calm => {
                        calm = true;
                        for frame in waiting.values() {
                            self.log.tell(Event::Asked { who, plc: self.plc, frame: frame.clone(), again: true });
                            if output.write_all(&frame.bytes()).await.is_err() {
                                return closed(&waiting);
                            }
                        }
                        repeated.extend(waiting.keys());
                    }
                    () = sleep_until(give_up) => {
                        for id in waiting.keys() {
                            self.log.tell(Event::GaveUp { who, id: *id });
                        }
                        return false;
                    }
                }
            };
            let Ok(reply) = reply else { return closed(&waiting) };
            if let Some(request) = waiting.remove(&reply.id) {
                self.log.tell(Event::Answered { who, id: reply.id, answer: understand(&request, &reply) });
            } else if !repeated.contains(&reply.id) {
                self.log.tell(Event::Unasked { who, plc: self.plc, frame: reply });
            }
        }
        true
    }
}

fn drive(id: u16, rng: &mut Rng) -> Ask {
    match rng.range(0, 10) {
        0 => Ask::Write { table: Table::Holding, first: rng.word(0, 4), values: vec![0] },
        1..=3 => Ask::Write { table: Table::Holding, first: rng.word(0, 4), values: vec![1 + id * 12] },
        // Nobody's, but for a conduit that observes.
        4 => Ask::Write { table: Table::Holding, first: rng.word(4, 6), values: vec![1 + id * 12] },
        5 => Ask::Odd,
        6..=7 => Ask::Read { table: Table::Input, first: rng.word(0, 3), count: 1 },
        _ => Ask::Read { table: Table::Holding, first: rng.word(0, 5), count: 1 },
    }
}

fn understand(request: &Frame, reply: &Frame) -> Answer {
    let expected = Ask::of(&request.pdu).reply();
    match reply.pdu.as_slice() {
        _ if reply.unit != request.unit => Answer::Foreign,
        [code, exception] if *code == request.pdu[0] | 0x80 => Answer::Exception(*exception),
        pdu if pdu == expected => Answer::Good,
        _ => Answer::Foreign,
    }
}
