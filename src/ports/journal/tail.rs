//! The end of the journal on the disk: the segment that is written, and the lines that are not durable yet.
//!
//! INVARIANT: `unsynced` holds every line behind `offset`, so that after any failure the same bytes are written again at the
//! same place. A sync that failed once proves nothing later: the kernel may have thrown the pages away.

use std::io;

use bulkhead_core::journal::chain::{Chain, Lines, parse};
use bulkhead_core::journal::record::{Event, Seq};
use bulkhead_core::moment::Moment;

use crate::ports::disk::{Disk, Segment};

/// So much of a segment is read to find its first line.
const FIRST_LINE: usize = 256 << 10;

#[derive(Debug)]
pub(super) struct Tail {
    pub(super) disk: Box<dyn Disk>,
    /// All segments, the one that is written last.
    pub(super) segments: Vec<Segment>,
    /// The number of the one that is written.
    pub(super) number: u64,
    /// The segment's state on the disk.
    pub(super) ready: Ready,
    /// Everything before it is durable.
    pub(super) offset: u64,
    /// The lines behind it.
    pub(super) unsynced: Vec<u8>,
    /// So many bytes of them are written.
    pub(super) written: usize,
    /// The end of the chain.
    pub(super) chain: Chain,
    /// Its durable end.
    pub(super) durable: Chain,
    /// The room of one segment.
    pub(super) room: u64,
}

/// What must be done to a segment before lines can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ready {
    /// Nothing.
    Yes,
    /// It has to be made.
    Make,
    /// What a crash left behind its last line has to go.
    Cut,
}

impl Tail {
    /// Gives an event its number and its line. On an error nothing has changed.
    pub(super) fn push(&mut self, at: Moment, event: Event) -> Result<Seq, serde_json::Error> {
        self.chain.push(at, event, &mut self.unsynced)
    }

    /// The room that all segments take.
    pub(super) fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.length).sum()
    }

    /// Writes what is not written; with `sync` it is durable afterwards.
    pub(super) async fn put(&mut self, sync: bool) -> io::Result<()> {
        let put = self.try_put(sync).await;
        if put.is_err() {
            self.written = 0;
        }
        put
    }

    async fn try_put(&mut self, sync: bool) -> io::Result<()> {
        self.prepare().await?;
        let behind = u64::try_from(self.written).unwrap_or(u64::MAX);
        if let Some(rest) = self.unsynced.get(self.written..).filter(|rest| !rest.is_empty()) {
            self.disk.write(self.number, self.offset.saturating_add(behind), rest).await?;
            self.written = self.unsynced.len();
        }
        if sync && !self.unsynced.is_empty() {
            self.disk.sync(self.number).await?;
            self.offset = self.offset.saturating_add(u64::try_from(self.written).unwrap_or(u64::MAX));
            self.unsynced.clear();
            self.written = 0;
            self.durable = self.chain;
            let (number, offset) = (self.number, self.offset);
            if let Some(segment) = self.segments.last_mut().filter(|segment| segment.number == number) {
                segment.length = segment.length.max(offset);
            }
        }
        Ok(())
    }

    async fn prepare(&mut self) -> io::Result<()> {
        match self.ready {
            Ready::Yes => return Ok(()),
            Ready::Make => {
                self.disk.create(self.number, self.room).await?;
                self.segments.push(Segment { number: self.number, length: self.room });
            }
            Ready::Cut => {
                self.disk.resize(self.number, self.offset).await?;
                let length = self.room.max(self.offset);
                // Without room the lines find it one by one, or hear that the disk is full.
                let grown = self.disk.resize(self.number, length).await.is_ok();
                if let Some(segment) = self.segments.last_mut() {
                    segment.length = if grown { length } else { self.offset };
                }
            }
        }
        self.ready = Ready::Yes;
        Ok(())
    }

    /// Ends the segment; the next line begins a new one. Everything must be durable.
    pub(super) async fn seal(&mut self) {
        // Preallocated zeroes at its end do no harm: every reader knows them.
        if self.disk.resize(self.number, self.offset).await.is_ok()
            && let Some(segment) = self.segments.last_mut()
        {
            segment.length = self.offset;
        }
    }

    /// As [`Tail::seal`], and the next line begins a new segment.
    pub(super) async fn turn(&mut self) {
        self.seal().await;
        self.number += 1;
        self.offset = 0;
        self.ready = Ready::Make;
    }

    /// Until where the journal can be trimmed when its oldest segment goes: how many segments that are, and the last record
    /// in them with its digest, as the first record behind them tells it. `None` when nothing can go.
    pub(super) async fn oldest(&mut self) -> io::Result<Option<(usize, Chain)>> {
        let behind: Vec<u64> = self.segments.iter().skip(1).map(|segment| segment.number).collect();
        for (place, number) in behind.into_iter().enumerate() {
            let start = self.disk.read(number, 0, FIRST_LINE).await?;
            let first = Lines::new(&start).next().and_then(|(_, line)| parse(line).ok());
            // A segment with a damaged start cannot become the journal's start: then it goes as well.
            if let Some(first) = first {
                let seq = Seq(first.record.seq.0.saturating_sub(1));
                return Ok(Some((place + 1, Chain { seq, digest: first.record.previous })));
            }
        }
        Ok(None)
    }

    /// Removes the `count` oldest segments.
    pub(super) async fn remove(&mut self, count: usize) -> io::Result<()> {
        for _ in 0..count {
            let Some(oldest) = self.segments.first().copied() else { break };
            self.disk.remove(oldest.number).await?;
            self.segments.remove(0);
        }
        Ok(())
    }
}
