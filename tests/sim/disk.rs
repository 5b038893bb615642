//! The disk under both writers. What a power cut leaves: of the journal everything synced, and of each sector written since
//! then the new bytes, the old ones, zeroes or newlines; of `SQLite` the image of the last durable commit, or of the one in
//! flight.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bulkhead::net::Later;
use bulkhead::ports::disk::{Disk, Segment};
use tokio::time::{Instant, sleep, sleep_until};

use super::chance::Rng;
use super::event::Event;
use super::log::Log;
use super::power::Power;

const SECTOR: usize = 512;

/// What outlives the process.
#[derive(Debug)]
pub(crate) struct Platter(Mutex<State>);

#[derive(Debug)]
pub(crate) struct State {
    segments: BTreeMap<u64, Written>,
    /// What was removed: the plant keeps copies, as a collector of logs would.
    removed: BTreeMap<u64, Vec<u8>>,
    pub(crate) image: Vec<u8>,
    pub(crate) in_flight: Option<Vec<u8>>,
    /// So many things fill it.
    pub(crate) full: u32,
    stalled: Instant,
    start: Instant,
    seed: u64,
}

/// One segment: its bytes as the process sees them, and what is not durable of them.
#[derive(Debug, Default)]
struct Written {
    bytes: Vec<u8>,
    /// The end of what was ever written.
    high: usize,
    /// By sector: what stood there at the last sync, and which of its bytes were written since.
    dirty: BTreeMap<usize, (Vec<u8>, usize, usize)>,
}

impl Written {
    fn write(&mut self, offset: usize, bytes: &[u8]) {
        let end = offset + bytes.len();
        if end > self.bytes.len() {
            self.bytes.resize(end, 0);
        }
        let mut at = offset;
        while at < end {
            let sector = at / SECTOR;
            let (first, last) = (sector * SECTOR, ((sector + 1) * SECTOR).min(self.bytes.len()));
            let to = end.min((sector + 1) * SECTOR);
            let old = &self.bytes[first..last];
            let entry = self.dirty.entry(sector).or_insert_with(|| (old.to_vec(), at - first, to - first));
            entry.1 = entry.1.min(at - first);
            entry.2 = entry.2.max(to - first);
            at = to;
        }
        self.bytes[offset..end].copy_from_slice(bytes);
        self.high = self.high.max(end);
    }

    fn cut_power(&mut self, rng: &mut Rng) {
        for (sector, (old, low, high)) in std::mem::take(&mut self.dirty) {
            let (low, high) = (low, high.min(self.bytes.len().saturating_sub(sector * SECTOR)));
            let Some(now) = self.bytes.get_mut(sector * SECTOR + low..sector * SECTOR + high) else { continue };
            match rng.range(0, 6) {
                0 => now.fill(0),
                1 => now.fill(b'\n'),
                2..=3 => now.iter_mut().zip(old[low.min(old.len())..].iter()).for_each(|(now, old)| *now = *old),
                _ => {}
            }
        }
    }

    /// The number of the last whole record.
    fn last(&self) -> Option<u64> {
        let end = self.bytes[..self.high].iter().rposition(|byte| *byte == b'\n')?;
        let start = self.bytes[..end].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let line = std::str::from_utf8(&self.bytes[start..end]).ok()?;
        let digits = line.split_once("\"seq\":")?.1;
        digits[..digits.find(|letter: char| !letter.is_ascii_digit())?].parse().ok()
    }
}

impl State {
    fn chance(&self) -> Rng {
        Rng::at(self.seed, "disk", u64::try_from(self.start.elapsed().as_millis()).unwrap())
    }
}

impl Platter {
    /// An empty disk.
    pub(crate) fn new(seed: u64) -> Arc<Self> {
        let now = Instant::now();
        Arc::new(Self(Mutex::new(State {
            segments: BTreeMap::new(),
            removed: BTreeMap::new(),
            image: Vec::new(),
            in_flight: None,
            full: 0,
            stalled: now,
            start: now,
            seed,
        })))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// No operation ends before `time` has passed.
    pub(crate) fn stall(&self, time: Duration) {
        let mut state = self.lock();
        state.stalled = state.stalled.max(Instant::now() + time);
    }

    /// Refuses what grows, once more, or once less.
    pub(crate) fn fill(&self, full: bool, log: &Log) {
        let mut state = self.lock();
        let before = state.full > 0;
        state.full = if full { state.full + 1 } else { state.full - 1 };
        let now = state.full > 0;
        drop(state);
        if before != now {
            log.tell(Event::DiskFull { full: now });
        }
    }

    /// All segments that there ever were, without their preallocated rest, for the checker.
    pub(crate) fn journal(&self) -> Vec<(u64, Vec<u8>)> {
        let state = self.lock();
        let live = state.segments.iter().map(|(number, segment)| (*number, segment.bytes[..segment.high].to_vec()));
        state.removed.clone().into_iter().chain(live).collect()
    }

    /// A killed process leaves all it has written; a power cut only what was synced, and some of the rest.
    pub(crate) fn crash(&self, dark: bool) {
        let state = &mut *self.lock();
        let mut rng = state.chance();
        if let Some(image) = state.in_flight.take().filter(|_| rng.one_in(2)) {
            state.image = image;
        }
        for segment in state.segments.values_mut() {
            if dark {
                segment.cut_power(&mut rng);
            }
            segment.dirty.clear();
        }
    }

    /// Takes as long as a disk does.
    pub(crate) async fn work(&self, low: u64, high: u64) {
        let time = self.lock().chance().range(low, high);
        if time > 0 {
            sleep(Duration::from_millis(time)).await;
        }
        let until = self.lock().stalled;
        if until > Instant::now() {
            sleep_until(until).await;
        }
    }
}

/// The journal's segments in one life of the gateway.
#[derive(Debug)]
pub(crate) struct SimDisk {
    pub(crate) platter: Arc<Platter>,
    pub(crate) power: Arc<Power>,
    pub(crate) log: Arc<Log>,
    /// A planted bug of the disk itself: it says that it synced.
    pub(crate) lies: bool,
}

impl SimDisk {
    /// One effect on the outside, after the time that it takes.
    async fn effect(&self, low: u64, high: u64) {
        self.platter.work(low, high).await;
        if !self.power.spend() {
            std::future::pending::<()>().await;
        }
    }
}

fn place(number: u64) -> usize {
    usize::try_from(number).unwrap()
}

impl Disk for SimDisk {
    fn list(&mut self) -> Later<'_, io::Result<Vec<Segment>>> {
        Box::pin(async {
            let length = |segment: &Written| segment.bytes.len() as u64;
            let state = self.platter.lock();
            Ok(state.segments.iter().map(|(number, at)| Segment { number: *number, length: length(at) }).collect())
        })
    }

    fn create(&mut self, number: u64, length: u64) -> Later<'_, io::Result<()>> {
        Box::pin(async move {
            self.effect(1, 5).await;
            let mut state = self.platter.lock();
            if state.full > 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            state.segments.insert(number, Written { bytes: vec![0; place(length)], ..Written::default() });
            Ok(())
        })
    }

    fn read(&mut self, number: u64, offset: u64, length: usize) -> Later<'_, io::Result<Vec<u8>>> {
        Box::pin(async move {
            let state = self.platter.lock();
            let segment = state.segments.get(&number).ok_or(io::ErrorKind::NotFound)?;
            let from = place(offset).min(segment.bytes.len());
            Ok(segment.bytes[from..(from + length).min(segment.bytes.len())].to_vec())
        })
    }

    fn write<'a>(&'a mut self, number: u64, offset: u64, bytes: &'a [u8]) -> Later<'a, io::Result<()>> {
        Box::pin(async move {
            self.effect(0, 2).await;
            let mut state = self.platter.lock();
            // A file system that is out of blocks refuses preallocated ones too now and then (copy on write, quota).
            if state.full > 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            state.segments.get_mut(&number).ok_or(io::ErrorKind::NotFound)?.write(place(offset), bytes);
            Ok(())
        })
    }

    fn sync(&mut self, number: u64) -> Later<'_, io::Result<()>> {
        Box::pin(async move {
            if self.lies {
                return Ok(());
            }
            self.effect(1, 5).await;
            let mut state = self.platter.lock();
            let segment = state.segments.get_mut(&number).ok_or(io::ErrorKind::NotFound)?;
            segment.dirty.clear();
            let last = segment.last();
            drop(state);
            if let Some(seq) = last {
                self.log.tell(Event::Durable { seq });
            }
            Ok(())
        })
    }

    fn resize(&mut self, number: u64, length: u64) -> Later<'_, io::Result<()>> {
        Box::pin(async move {
            self.effect(1, 5).await;
            let mut state = self.platter.lock();
            let segment = state.segments.get_mut(&number).ok_or(io::ErrorKind::NotFound)?;
            segment.bytes.resize(place(length), 0);
            segment.high = segment.high.min(place(length));
            segment.dirty.retain(|sector, _| sector * SECTOR < place(length));
            Ok(())
        })
    }

    fn remove(&mut self, number: u64) -> Later<'_, io::Result<()>> {
        Box::pin(async move {
            self.effect(1, 5).await;
            let mut state = self.platter.lock();
            let segment = state.segments.remove(&number).ok_or(io::ErrorKind::NotFound)?;
            state.removed.insert(number, segment.bytes[..segment.high].to_vec());
            drop(state);
            self.log.tell(Event::Removed { segment: number });
            Ok(())
        })
    }
}
