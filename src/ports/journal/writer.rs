//! The journal's one writer: gathers what waits, writes it in one piece, syncs, answers.
//!
//! On a real gateway it runs on its own thread and blocks on the disk; in the simulation it is a task. A disk in trouble never
//! stops it: it answers everybody with the trouble, keeps what it can hold, counts the rest, and tries again.

use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bulkhead_core::journal::chain::Chain;
use bulkhead_core::journal::record::{Event, GatewayRecord, Seq};
use bulkhead_core::journal::verify::{checkpoint_message, to_hex};
use bulkhead_core::moment::Moment;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Sleep, sleep, timeout};

use super::tail::Tail;
use super::{Entry, Settings, Shared, State, Trouble, lock};
use crate::net::Later;
use crate::ports::keys::{KeyError, Keys};

type Timer = Option<Pin<Box<Sleep>>>;
type Answer = oneshot::Sender<Result<Seq, Trouble>>;
type Signed = (Chain, Result<Vec<u8>, KeyError>);

/// The last signature of an orderly end is waited for so long.
const LAST_SIGNATURE: Duration = Duration::from_secs(2);

/// So many bytes wait at most beyond the backlog: the writer's own records.
const OWN: usize = 64 << 10;

pub(super) struct Writer {
    tail: Tail,
    queue: mpsc::Receiver<Entry>,
    shared: Arc<Shared>,
    keys: Arc<dyn Keys>,
    settings: Settings,
    /// The trouble that the writer itself has met.
    trouble: Option<Trouble>,
    /// So many lost records are recorded as lost.
    told: u64,
    /// The last record that a checkpoint covers.
    covered: Seq,
    /// The last record that is a checkpoint itself.
    signed_at: Seq,
    /// So many stalls are to be recorded.
    stalls: u32,
    /// A checkpoint is wanted as soon as the gap allows it.
    wanted: bool,
}

/// The writer's clocks; none of them runs when nothing is due.
#[derive(Default)]
struct Timers {
    linger: Timer,
    sync: Timer,
    retry: Timer,
    quiet: Timer,
    interval: Timer,
    gap: Timer,
}

enum Next {
    Look,
    Rung,
    Signed(Signed),
    Sync,
    Retry,
    Quiet,
    Interval,
    Gap,
}

async fn due(timer: &mut Timer) {
    match timer {
        Some(running) => {
            running.as_mut().await;
            *timer = None;
        }
        None => pending().await,
    }
}

async fn ready<T>(work: &mut Option<Later<'static, T>>) -> T {
    match work {
        Some(running) => {
            let done = running.as_mut().await;
            *work = None;
            done
        }
        None => pending().await,
    }
}

fn after(time: Duration) -> Pin<Box<Sleep>> {
    Box::pin(sleep(time))
}

impl Writer {
    pub(super) fn new(
        tail: Tail,
        queue: mpsc::Receiver<Entry>,
        shared: Arc<Shared>,
        keys: Arc<dyn Keys>,
        settings: Settings,
        covered: Seq,
    ) -> Self {
        let writer = Self {
            tail,
            queue,
            shared,
            keys,
            settings,
            trouble: None,
            told: 0,
            covered,
            signed_at: Seq(0),
            stalls: 0,
            wanted: false,
        };
        writer.publish();
        writer
    }

    pub(super) async fn run(mut self) {
        let mut timers = Timers { interval: Some(after(self.settings.checkpoint)), ..Timers::default() };
        let mut signing: Option<Later<'static, Signed>> = None;
        let mut more = false;
        loop {
            let next = tokio::select! {
                biased;
                signed = ready(&mut signing) => Next::Signed(signed),
                () = due(&mut timers.sync) => Next::Sync,
                () = due(&mut timers.retry) => Next::Retry,
                () = due(&mut timers.quiet) => Next::Quiet,
                () = due(&mut timers.interval) => Next::Interval,
                () = due(&mut timers.gap) => Next::Gap,
                () = due(&mut timers.linger) => Next::Look,
                () = std::future::ready(()), if more => Next::Look,
                waits = self.shared.bell.rung() => if waits { Next::Look } else { Next::Rung },
            };
            match next {
                Next::Rung => timers.linger = timers.linger.or_else(|| Some(after(self.settings.linger))),
                Next::Look => {
                    self.shared.bell.answered();
                    timers.linger = None;
                    match self.queue.try_recv() {
                        Ok(first) => {
                            if let Some(close) = self.group(first).await {
                                return self.close(close).await;
                            }
                            more = !self.queue.is_empty();
                            // Where something came, more comes: whoever only leaves something need not ring.
                            timers.linger = Some(after(self.settings.linger));
                            self.shared.bell.lingers();
                        }
                        Err(TryRecvError::Empty) => more = false,
                        // Every way to the writer is gone; what is written becomes durable, and nobody is left to be told.
                        Err(TryRecvError::Disconnected) => return drop(self.tail.put(true).await),
                    }
                }
                Next::Signed((head, signature)) => self.checkpoint(head, signature).await,
                Next::Sync => self.put(true).await,
                Next::Retry => self.retry().await,
                Next::Quiet => self.tell(&mut timers.quiet).await,
                Next::Interval => self.wanted = true,
                Next::Gap => {}
            }
            self.arm(&mut timers, &mut signing).await;
            self.publish();
        }
    }

    /// Starts what has become due.
    async fn arm(&mut self, timers: &mut Timers, signing: &mut Option<Later<'static, Signed>>) {
        if self.trouble.is_some() {
            timers.sync = None;
            if timers.retry.is_none() {
                timers.retry = Some(after(self.settings.retry));
            }
            return;
        }
        timers.retry = None;
        if timers.quiet.is_none() {
            self.tell(&mut timers.quiet).await;
        }
        if self.tail.unsynced.is_empty() {
            timers.sync = None;
        } else if timers.sync.is_none() {
            timers.sync = Some(after(self.settings.soon));
        }
        if timers.interval.is_none() {
            timers.interval = Some(after(self.settings.checkpoint));
        }
        self.wanted |= self.tail.durable.seq.0.saturating_sub(self.covered.0) >= self.settings.checkpoint_records;
        // Only what is durable is signed, else a power cut could leave a signature over a record that was never there; and
        // what asked for the checkpoint is to be under it.
        let durable = self.tail.unsynced.is_empty();
        if self.wanted && signing.is_none() && timers.gap.is_none() && durable {
            self.wanted = false;
            if self.tail.durable.seq > self.signed_at {
                timers.gap = Some(after(self.settings.checkpoint_gap));
                timers.interval = Some(after(self.settings.checkpoint));
                *signing = Some(self.sign());
            }
        }
    }

    fn sign(&self) -> Later<'static, Signed> {
        let (keys, head) = (Arc::clone(&self.keys), self.tail.durable);
        Box::pin(async move {
            let message = checkpoint_message(head.seq, &head.digest);
            let signature = keys.sign(&message).await;
            (head, signature)
        })
    }

    /// Takes what waits, up to one group, and puts it on the disk. Gives back who asked for the end.
    async fn group(&mut self, first: Entry) -> Option<Answer> {
        let mut entries = vec![first];
        while entries.len() < self.settings.group {
            let Ok(entry) = self.queue.try_recv() else { break };
            entries.push(entry);
        }
        let (mut waiting, mut close) = (Vec::new(), None);
        if self.trouble.is_none() && self.full_segment() {
            self.roll().await;
        }
        for entry in entries {
            match entry {
                Entry::Record { ticket, at, event } => {
                    self.wanted |= wants_checkpoint(&event);
                    if let (Some(seq), Some(ticket)) = (self.push(at, event), ticket) {
                        self.shared.remember(ticket, seq);
                    }
                }
                Entry::Outcome { of, at, outcome, late } => {
                    let decision = lock(&self.shared.seqs).get(&of).copied();
                    match decision {
                        Some(of) => drop(self.push(at, Event::Outcome { of, outcome, late })),
                        // The decision itself was lost.
                        None => self.shared.lose(1),
                    }
                }
                Entry::Commit(done) => waiting.push(done),
                Entry::Checkpoint => self.wanted = true,
                Entry::Close(done) => close = Some(done),
            }
        }
        if self.trouble.is_none() {
            self.put(!waiting.is_empty()).await;
        }
        let answer = match self.trouble {
            Some(trouble) => Err(trouble),
            None => Ok(self.tail.durable.seq),
        };
        for done in waiting {
            // A caller that stopped waiting has heard of the stall already.
            let _gone = done.send(answer);
        }
        if self.trouble.is_none() && self.shared.moves() {
            self.stalls += 1;
        }
        close
    }

    fn full_segment(&self) -> bool {
        self.tail.offset.saturating_add(self.settings.spare) > self.settings.segment
    }

    /// Gives an event its line, if there is room for it.
    fn push(&mut self, at: Moment, event: Event) -> Option<Seq> {
        let room = self.tail.unsynced.len() < self.settings.backlog;
        let seq = if room { self.tail.push(at, event).ok() } else { None };
        if seq.is_none() {
            self.shared.lose(1);
        }
        seq
    }

    /// A record of the writer's own. It has room of its own, so that the end of a trouble can always be told.
    fn say(&mut self, event: Event) -> Option<Seq> {
        let room = self.tail.unsynced.len() < self.settings.backlog.saturating_add(OWN);
        let now = (self.shared.now.0)();
        if room { self.tail.push(now, event).ok() } else { None }
    }

    fn say_disk(&mut self, state: &str, lost: u64) {
        self.say(Event::Gateway(GatewayRecord::Disk { state: state.to_owned(), lost }));
    }

    /// Writes; with `sync` what was written is durable unless there is trouble afterwards.
    async fn put(&mut self, sync: bool) {
        // So much at once waits for no timer.
        let sync = sync || self.tail.unsynced.len() >= self.settings.backlog / 2;
        if let Err(error) = self.tail.put(sync).await {
            self.fail(&error);
        }
    }

    fn fail(&mut self, error: &std::io::Error) {
        let trouble = Trouble::from(error);
        if self.trouble != Some(trouble) {
            self.trouble = Some(trouble);
            self.shared.set_trouble(Some(trouble));
            let now = (self.shared.now.0)();
            lock(&self.shared.state).since.get_or_insert(now);
            self.say_disk(trouble.word(), 0);
        }
    }

    async fn retry(&mut self) {
        if let Err(error) = self.tail.put(true).await {
            return self.fail(&error);
        }
        self.trouble = None;
        let lost = self.untold();
        self.say_disk("ok", lost);
        self.put(true).await;
        if self.trouble.is_none() {
            self.shared.set_trouble(None);
            lock(&self.shared.state).since = None;
        }
    }

    fn untold(&mut self) -> u64 {
        let lost = self.shared.lost.load(Ordering::Relaxed);
        lost.saturating_sub(std::mem::replace(&mut self.told, lost))
    }

    /// Records stalls, and what a full queue has lost, at most once in a while.
    async fn tell(&mut self, quiet: &mut Timer) {
        if self.trouble.is_some() {
            return;
        }
        let (stalls, lost) = (std::mem::take(&mut self.stalls), self.untold());
        if stalls > 0 {
            self.say_disk(Trouble::Stalled.word(), 0);
        }
        if stalls > 0 || lost > 0 {
            self.say_disk("ok", lost);
            self.put(false).await;
            *quiet = Some(after(self.settings.quiet));
        }
    }

    /// Ends a full segment, after the oldest one has made room where it must.
    async fn roll(&mut self) {
        while self.tail.bytes().saturating_add(self.settings.segment) > self.settings.max
            && self.tail.segments.len() > 1
        {
            if !self.trim().await {
                break;
            }
        }
        self.put(true).await;
        if self.trouble.is_none() {
            self.tail.turn().await;
        }
    }

    /// Lets the oldest segment go, behind a durable record that says so. False when that was not possible now.
    async fn trim(&mut self) -> bool {
        let Ok(Some((count, Chain { seq: until, digest }))) = self.tail.oldest().await else { return false };
        self.say(Event::Trimmed { until, digest });
        self.wanted = true;
        self.put(true).await;
        self.trouble.is_none() && self.tail.remove(count).await.is_ok()
    }

    async fn checkpoint(&mut self, head: Chain, signature: Result<Vec<u8>, KeyError>) {
        match signature {
            Ok(signature) => {
                let (key, signature) = (self.keys.id(), to_hex(&signature));
                let Chain { seq, digest } = head;
                let event = Event::Checkpoint { seq, digest, key, signature };
                if let Some(own) = self.say(event) {
                    (self.covered, self.signed_at) = (seq, own);
                }
            }
            Err(error) => {
                let text = format!("no checkpoint could be signed: {error}");
                let what = "checkpoint".to_owned();
                self.say(Event::Gateway(GatewayRecord::Alarm { what, source: None, asset: None, text }));
            }
        }
        if self.trouble.is_none() {
            self.put(false).await;
        }
    }

    async fn close(mut self, close: Answer) {
        while let Ok(entry) = self.queue.try_recv() {
            // A second one who asks for the end hears that it has come.
            drop(self.group(entry).await);
        }
        self.retry_if_troubled().await;
        self.put(true).await;
        if self.trouble.is_none() && self.tail.durable.seq > self.signed_at {
            if let Ok((head, signature)) = timeout(LAST_SIGNATURE, self.sign()).await {
                self.checkpoint(head, signature).await;
            }
            self.put(true).await;
            self.tail.seal().await;
        }
        self.publish();
        let answer = match self.trouble {
            Some(trouble) => Err(trouble),
            None => Ok(self.tail.durable.seq),
        };
        let _gone = close.send(answer);
    }

    async fn retry_if_troubled(&mut self) {
        if self.trouble.is_some() {
            self.retry().await;
        }
    }

    fn publish(&self) {
        let mut state = lock(&self.shared.state);
        *state = State {
            last: self.tail.chain.seq,
            durable: self.tail.durable.seq,
            checkpoint: self.covered,
            bytes: self.tail.bytes(),
            segments: u64::try_from(self.tail.segments.len()).unwrap_or(u64::MAX),
            ..*state
        };
    }
}

fn wants_checkpoint(event: &Event) -> bool {
    matches!(
        event,
        Event::Gateway(GatewayRecord::Policy { .. } | GatewayRecord::Revoked { .. } | GatewayRecord::Registry { .. })
    )
}
