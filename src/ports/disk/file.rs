//! The machine's disk: segments are files `NNNN.jsonl` in one folder.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;

use super::{Disk, Segment};
use crate::net::Later;

/// The journal's folder.
#[derive(Debug)]
pub struct FileDisk {
    folder: PathBuf,
    /// The segment that is being written, kept open: an append must not cost an `open`.
    open: Option<(u64, File)>,
}

impl FileDisk {
    /// Opens the folder, making it (0750) when it is not there.
    pub fn open(folder: &Path) -> io::Result<Self> {
        if !folder.is_dir() {
            fs::DirBuilder::new().recursive(true).mode(0o750).create(folder)?;
            if let Some(parent) = folder.parent().filter(|parent| !parent.as_os_str().is_empty()) {
                File::open(parent)?.sync_all()?;
            }
        }
        Ok(Self { folder: folder.to_owned(), open: None })
    }

    /// The segments of a folder and their files, by number. Other files are none of ours.
    pub fn segments(folder: &Path) -> io::Result<Vec<(Segment, PathBuf)>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if let Some(number) = number_of(&path) {
                found.push((Segment { number, length: fs::metadata(&path)?.len() }, path));
            }
        }
        found.sort();
        Ok(found)
    }

    fn path(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{number:04}.jsonl"))
    }

    fn aside(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{number:04}.cut"))
    }

    fn sync_folder(&self) -> io::Result<()> {
        File::open(&self.folder)?.sync_all()
    }

    fn file(&mut self, number: u64) -> io::Result<&File> {
        let open = match self.open.take() {
            Some((open, file)) if open == number => (open, file),
            _ => (number, OpenOptions::new().read(true).write(true).open(self.path(number))?),
        };
        Ok(&self.open.insert(open).1)
    }

    fn make(&mut self, number: u64, length: u64) -> io::Result<()> {
        let path = self.path(number);
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).mode(0o640).open(&path)?;
        let made = allocate(&file, length).and_then(|()| file.sync_all()).and_then(|()| self.sync_folder());
        if made.is_err() {
            // A half-made segment holds nothing; that it cannot be removed either changes nothing, the next try starts over.
            drop(fs::remove_file(&path));
            return made;
        }
        self.open = Some((number, file));
        Ok(())
    }

    fn set_length(&mut self, number: u64, length: u64) -> io::Result<()> {
        let file = self.file(number)?;
        if file.metadata()?.len() < length {
            allocate(file, length)?;
        } else {
            file.set_len(length)?;
        }
        file.sync_all()
    }

    fn unlink(&mut self, number: u64) -> io::Result<()> {
        self.open.take_if(|(open, _)| *open == number);
        fs::remove_file(self.path(number))?;
        // Most segments have nothing beside them.
        drop(fs::remove_file(self.aside(number)));
        self.sync_folder()
    }
}

fn number_of(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?.strip_suffix(".jsonl")?;
    name.parse().ok().filter(|number| *number > 0 && format!("{number:04}") == name)
}

/// Real room, not a hole: then "full" is met when a segment is made, never in the middle of one.
fn allocate(file: &File, length: u64) -> io::Result<()> {
    if length == 0 {
        return Ok(());
    }
    match fallocate(file, FallocateFlags::empty(), 0, length) {
        // A file system that cannot promise room (NFS, some overlays) still gets the length.
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => file.set_len(length),
        other => other.map_err(io::Error::from),
    }
}

fn read_at(file: &File, offset: u64, length: usize) -> io::Result<Vec<u8>> {
    let rest = file.metadata()?.len().saturating_sub(offset);
    let mut bytes = vec![0; usize::try_from(rest).unwrap_or(usize::MAX).min(length)];
    file.read_exact_at(&mut bytes, offset)?;
    Ok(bytes)
}

impl Disk for FileDisk {
    fn list(&mut self) -> Later<'_, io::Result<Vec<Segment>>> {
        let found = Self::segments(&self.folder);
        Box::pin(async move { Ok(found?.into_iter().map(|(segment, _)| segment).collect()) })
    }

    fn create(&mut self, number: u64, length: u64) -> Later<'_, io::Result<()>> {
        Box::pin(async move { self.make(number, length) })
    }

    fn read(&mut self, number: u64, offset: u64, length: usize) -> Later<'_, io::Result<Vec<u8>>> {
        Box::pin(async move { read_at(&File::open(self.path(number))?, offset, length) })
    }

    fn write<'a>(&'a mut self, number: u64, offset: u64, bytes: &'a [u8]) -> Later<'a, io::Result<()>> {
        Box::pin(async move { self.file(number)?.write_all_at(bytes, offset) })
    }

    fn sync(&mut self, number: u64) -> Later<'_, io::Result<()>> {
        Box::pin(async move { self.file(number)?.sync_data() })
    }

    fn resize(&mut self, number: u64, length: u64) -> Later<'_, io::Result<()>> {
        Box::pin(async move { self.set_length(number, length) })
    }

    fn remove(&mut self, number: u64) -> Later<'_, io::Result<()>> {
        Box::pin(async move { self.unlink(number) })
    }

    fn keep_aside<'a>(&'a mut self, number: u64, bytes: &'a [u8]) -> Later<'a, io::Result<()>> {
        Box::pin(async move { fs::write(self.aside(number), bytes) })
    }
}
