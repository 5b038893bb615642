//! What a start finds in the journal: the end of its chain, what a crash left behind it, and the orders since a record.

use std::io;
use std::sync::Arc;

use bulkhead_core::journal::chain::{Chain, Lines, parse};
use bulkhead_core::journal::record::{Event, GatewayRecord, Record, Seq};
use bulkhead_core::moment::Moment;
use tokio::sync::mpsc;

use super::bell::Hand;
use super::tail::{Ready, Tail};
use super::writer::Writer;
use super::{Journal, Now, Settings, Shared};
use crate::ports::disk::{Disk, Segment};
use crate::ports::keys::Keys;
use crate::tasks::Tasks;

/// So many orders are found at most; the newest stay.
const ORDERS: usize = 65_536;

/// Why the journal could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The disk refused.
    #[error("the journal's segments cannot be read: {0}")]
    Disk(#[from] io::Error),
}

/// A change of state that the journal knows: a revocation, a mode, a policy, or that one of them was abandoned.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    /// Its record.
    pub seq: Seq,
    /// When it was made.
    pub at: Moment,
    /// What it was.
    pub what: GatewayRecord,
}

/// A crash leaves at most so many bytes that were not durable: what may wait for the disk, and one group.
const UNSYNCED: u64 = 2 << 20;

/// What stands behind the last sound record. The remains of a crash are cut before the first new record is written; damage
/// never is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cut {
    /// So many bytes.
    pub bytes: u64,
    /// So many sound records among them: after a power cut possible (the middle of a group was lost), but also what a
    /// damaged disk leaves. The bytes are kept beside the segment.
    pub records: u64,
    /// These bytes were durable once: there are more of them than a crash can leave, or a checkpoint among them covers what
    /// is damaged. They stay where they are, the journal goes on in the next segment, and verification names the place.
    pub damage: bool,
}

/// A journal that was read and not yet started.
#[derive(Debug)]
pub struct Opened {
    tail: Tail,
    cut: Cut,
    orders: Vec<Order>,
    /// The last record that a checkpoint covers, as far as it was read.
    checkpoint: Seq,
}

/// Reads the journal's end: the last segment wholly, and back to record `since` for the orders behind it.
pub async fn open(mut disk: Box<dyn Disk>, since: Seq) -> Result<Opened, JournalError> {
    let segments = disk.list().await?;
    let mut found = Found::default();
    // From the newest segment backwards until both the chain's end and the start of the orders are found.
    for segment in segments.iter().rev() {
        let bytes = read(&mut disk, segment).await?;
        if found.take(segment, &bytes, since) {
            break;
        }
    }
    let last = segments.last().copied();
    let (mut offset, mut ready) = (0, Ready::Make);
    if let Some(last) = last {
        offset = if found.last.is_some_and(|(number, _)| number == last.number) { found.offset } else { 0 };
        // A segment without its preallocated room (sealed by an orderly end) gets it back the same way.
        ready = if found.cut.damage { Ready::Make } else { Ready::Cut };
        if found.cut.bytes > 0 && !found.cut.damage {
            let rest = disk.read(last.number, offset, usize::try_from(found.cut.bytes).unwrap_or(usize::MAX)).await?;
            // Nothing stops because the remains could not be kept: they were never acknowledged.
            drop(disk.keep_aside(last.number, &rest).await);
        }
    }
    let mut number = last.map_or(1, |segment| segment.number);
    if found.cut.damage {
        (number, offset) = (number.saturating_add(1), 0);
    }
    let chain = found.last.map(|(_, chain)| chain).unwrap_or_default();
    let tail = Tail {
        disk,
        number,
        segments,
        ready,
        offset,
        unsynced: Vec::new(),
        written: 0,
        chain,
        durable: chain,
        room: 0,
    };
    found.orders.sort_by_key(|order| order.seq);
    let surplus = found.orders.len().saturating_sub(ORDERS);
    found.orders.drain(..surplus);
    Ok(Opened { tail, cut: found.cut, orders: found.orders, checkpoint: found.checkpoint })
}

async fn read(disk: &mut Box<dyn Disk>, segment: &Segment) -> io::Result<Vec<u8>> {
    disk.read(segment.number, 0, usize::try_from(segment.length).unwrap_or(usize::MAX)).await
}

#[derive(Default)]
struct Found {
    /// The segment with the last sound record, and that record.
    last: Option<(u64, Chain)>,
    /// Where the last sound line of the newest segment ends.
    offset: u64,
    cut: Cut,
    orders: Vec<Order>,
    checkpoint: Seq,
    newest_seen: bool,
}

impl Found {
    /// Takes the next older segment; true when no older one is needed.
    fn take(&mut self, segment: &Segment, bytes: &[u8], since: Seq) -> bool {
        let newest = !std::mem::replace(&mut self.newest_seen, true);
        let (mut lines, mut sound) = (Lines::new(bytes), 0);
        let (mut first, mut end): (Option<Seq>, Option<Chain>) = (None, None);
        for (offset, line) in lines.by_ref() {
            let Ok(line) = parse(line) else { break };
            let follows =
                end.is_none_or(|end| line.record.seq.0 == end.seq.0 + 1 && line.record.previous == end.digest);
            if !follows {
                break;
            }
            end = Some(Chain { seq: line.record.seq, digest: line.digest });
            first = first.or(Some(line.record.seq));
            sound = offset;
            self.note(line.record, since);
        }
        // The end of the last sound line is the next newline behind its start.
        let end_of_sound = match end {
            Some(_) => {
                bytes.iter().skip(sound).position(|byte| *byte == b'\n').map_or(sound, |length| sound + length + 1)
            }
            None => 0,
        };
        if newest {
            self.offset = u64::try_from(end_of_sound).unwrap_or(u64::MAX);
            self.cut = remains(bytes.get(end_of_sound..).unwrap_or_default(), end.unwrap_or_default().seq);
        }
        if self.last.is_none() {
            self.last = end.map(|end| (segment.number, end));
        }
        self.last.is_some() && first.is_some_and(|first| first.0 <= since.0 + 1)
    }

    fn note(&mut self, record: Record, since: Seq) {
        match record.event {
            Event::Checkpoint { seq, .. } => self.checkpoint = self.checkpoint.max(seq),
            Event::Gateway(
                what @ (GatewayRecord::Policy { .. }
                | GatewayRecord::ShadowStarted { .. }
                | GatewayRecord::Mode { .. }
                | GatewayRecord::Revoked { .. }
                | GatewayRecord::Registry { .. }
                | GatewayRecord::Authority { .. }
                | GatewayRecord::Certificate { .. }
                | GatewayRecord::List { .. }
                | GatewayRecord::Abandoned { .. }),
            ) if record.seq > since => self.orders.push(Order { seq: record.seq, at: record.at, what }),
            Event::Gateway(_)
            | Event::Decision(_)
            | Event::Outcome { .. }
            | Event::Repeated { .. }
            | Event::Denied { .. }
            | Event::Session(_)
            | Event::Trimmed { .. } => {}
        }
    }
}

fn remains(rest: &[u8], sound: Seq) -> Cut {
    let Some(last) = rest.iter().rposition(|byte| *byte != 0) else { return Cut::default() };
    let bytes = u64::try_from(last + 1).unwrap_or(u64::MAX);
    let mut cut = Cut { bytes, records: 0, damage: bytes > UNSYNCED };
    let whole = rest.split_inclusive(|byte| *byte == b'\n').filter_map(|line| line.strip_suffix(b"\n"));
    for line in whole.filter_map(|line| parse(line).ok()) {
        cut.records += 1;
        // Only durable records are ever covered by a checkpoint.
        cut.damage |= matches!(line.record.event, Event::Checkpoint { seq, .. } if seq > sound);
    }
    cut
}

impl Opened {
    /// The end of the chain.
    pub fn head(&self) -> Chain {
        self.tail.chain
    }

    /// What a crash left behind it.
    pub fn cut(&self) -> Cut {
        self.cut
    }

    /// The orders behind `since`, oldest first.
    pub fn orders(&self) -> &[Order] {
        &self.orders
    }

    /// Starts the writer.
    pub fn start(
        mut self,
        tasks: &Tasks,
        keys: Arc<dyn Keys>,
        now: Now,
        settings: Settings,
    ) -> Result<Journal, JournalError> {
        self.tail.room = settings.segment;
        let (sender, queue) = mpsc::channel(settings.queue);
        let shared = Arc::new(Shared::new(now));
        let writer = Writer::new(self.tail, queue, Arc::clone(&shared), keys, settings, self.checkpoint);
        tasks.writer("journal", writer.run())?;
        let hand = Arc::new(Hand(Arc::clone(&shared)));
        Ok(Journal { queue: sender, shared, hand })
    }
}
