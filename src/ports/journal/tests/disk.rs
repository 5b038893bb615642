//! A disk in memory: it fails on order, remembers what is durable, and logs each effect for replays of a power cut.

use std::collections::BTreeMap;

use super::*;

/// What the disk does instead of what it is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Fault {
    #[default]
    None,
    /// No new segment and no growing one.
    Full,
    /// Nothing can be changed.
    ReadOnly,
    /// Writes fail, half written.
    Write,
    /// Syncs fail, and what was written is thrown away although later syncs succeed.
    Sync,
    /// Nothing answers.
    Stall,
    /// A sync says that it is done and does nothing.
    Lie,
}

/// One effect on the disk, as a power cut may find it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    Create(u64, u64),
    Write(u64, u64, Vec<u8>),
    Sync(u64),
    Resize(u64, u64),
    Remove(u64),
}

#[derive(Debug, Default)]
pub(super) struct Inner {
    pub(super) files: BTreeMap<u64, Vec<u8>>,
    pub(super) durable: BTreeMap<u64, Vec<u8>>,
    pub(super) aside: BTreeMap<u64, Vec<u8>>,
    pub(super) log: Vec<Effect>,
    fault: Fault,
    syncs: u64,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Platter(Arc<Mutex<Inner>>);

impl Platter {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn of(files: BTreeMap<u64, Vec<u8>>) -> Self {
        let platter = Self::new();
        platter.inner().durable = files.clone();
        platter.inner().files = files;
        platter
    }

    pub(super) fn disk(&self) -> Box<dyn Disk> {
        Box::new(self.clone())
    }

    pub(super) fn inner(&self) -> MutexGuard<'_, Inner> {
        lock(&self.0)
    }

    pub(super) fn fail(&self, fault: Fault) {
        self.inner().fault = fault;
    }

    pub(super) fn syncs(&self) -> u64 {
        self.inner().syncs
    }

    pub(super) fn segments(&self) -> BTreeMap<u64, Vec<u8>> {
        self.inner().files.clone()
    }

    /// Only what was synced stays.
    pub(super) fn power_cut(&self) {
        let inner = &mut *self.inner();
        inner.files = inner.durable.clone();
    }

    async fn act<T>(&self, what: impl FnOnce(&mut Inner, Fault) -> io::Result<T>) -> io::Result<T> {
        while self.inner().fault == Fault::Stall {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let inner = &mut *self.inner();
        let fault = inner.fault;
        what(inner, fault)
    }
}

fn missing() -> io::Error {
    io::Error::from(io::ErrorKind::NotFound)
}

fn at(offset: u64) -> usize {
    usize::try_from(offset).unwrap()
}

/// Applies an effect other than a sync to the bytes of the files.
pub(super) fn apply(files: &mut BTreeMap<u64, Vec<u8>>, effect: &Effect) {
    match effect {
        Effect::Create(number, length) => drop(files.insert(*number, vec![0; at(*length)])),
        Effect::Write(number, offset, bytes) => {
            let file = files.get_mut(number).unwrap();
            let end = at(*offset) + bytes.len();
            file.resize(file.len().max(end), 0);
            file[at(*offset)..end].copy_from_slice(bytes);
        }
        Effect::Sync(_) => {}
        Effect::Resize(number, length) => files.get_mut(number).unwrap().resize(at(*length), 0),
        Effect::Remove(number) => drop(files.remove(number)),
    }
}

impl Inner {
    fn may_change(fault: Fault, grows: bool) -> io::Result<()> {
        if fault == Fault::ReadOnly {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        if fault == Fault::Full && grows { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn log(&mut self, effect: Effect) {
        apply(&mut self.files, &effect);
        self.log.push(effect);
    }

    fn keep(&mut self, number: u64) {
        match self.files.get(&number) {
            Some(bytes) => drop(self.durable.insert(number, bytes.clone())),
            None => drop(self.durable.remove(&number)),
        }
    }
}

impl Disk for Platter {
    fn list(&mut self) -> Later<'_, io::Result<Vec<Segment>>> {
        let segment = |(number, bytes): (&u64, &Vec<u8>)| Segment {
            number: *number,
            length: u64::try_from(bytes.len()).unwrap(),
        };
        let list = self.inner().files.iter().map(segment).collect();
        Box::pin(std::future::ready(Ok(list)))
    }

    fn create(&mut self, number: u64, length: u64) -> Later<'_, io::Result<()>> {
        Box::pin(self.act(move |inner, fault| {
            Inner::may_change(fault, true)?;
            inner.log(Effect::Create(number, length));
            inner.keep(number);
            Ok(())
        }))
    }

    fn read(&mut self, number: u64, offset: u64, length: usize) -> Later<'_, io::Result<Vec<u8>>> {
        Box::pin(self.act(move |inner, _| {
            let file = inner.files.get(&number).ok_or_else(missing)?;
            let start = at(offset).min(file.len());
            Ok(file[start..(start + length.min(file.len() - start))].to_vec())
        }))
    }

    fn write<'a>(&'a mut self, number: u64, offset: u64, bytes: &'a [u8]) -> Later<'a, io::Result<()>> {
        Box::pin(self.act(move |inner, fault| {
            let grows = at(offset) + bytes.len() > inner.files.get(&number).ok_or_else(missing)?.len();
            Inner::may_change(fault, grows)?;
            if fault == Fault::Write {
                inner.log(Effect::Write(number, offset, bytes[..bytes.len() / 2].to_vec()));
                return Err(io::Error::other("bad sector"));
            }
            inner.log(Effect::Write(number, offset, bytes.to_vec()));
            Ok(())
        }))
    }

    fn sync(&mut self, number: u64) -> Later<'_, io::Result<()>> {
        Box::pin(self.act(move |inner, fault| {
            Inner::may_change(fault, false)?;
            if fault == Fault::Sync {
                // As kernels do: the pages are marked clean and may be dropped, so a later sync would prove nothing.
                let durable = inner.durable.get(&number).cloned().unwrap_or_default();
                inner.files.insert(number, durable);
                return Err(io::Error::other("write-back failed"));
            }
            if fault != Fault::Lie {
                inner.syncs += 1;
                inner.log(Effect::Sync(number));
                inner.keep(number);
            }
            Ok(())
        }))
    }

    fn resize(&mut self, number: u64, length: u64) -> Later<'_, io::Result<()>> {
        Box::pin(self.act(move |inner, fault| {
            let grows = at(length) > inner.files.get(&number).ok_or_else(missing)?.len();
            Inner::may_change(fault, grows)?;
            inner.log(Effect::Resize(number, length));
            inner.keep(number);
            Ok(())
        }))
    }

    fn remove(&mut self, number: u64) -> Later<'_, io::Result<()>> {
        Box::pin(self.act(move |inner, fault| {
            Inner::may_change(fault, false)?;
            inner.log(Effect::Remove(number));
            inner.keep(number);
            Ok(())
        }))
    }

    fn keep_aside<'a>(&'a mut self, number: u64, bytes: &'a [u8]) -> Later<'a, io::Result<()>> {
        self.inner().aside.insert(number, bytes.to_vec());
        Box::pin(std::future::ready(Ok(())))
    }
}
