//! The machine as an argument: what `/proc`, `/sys` and `/etc` say, or a folder that stands for them in a test.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use bulkhead_core::moment::UnixMs;

use crate::cli::when;

/// The longest file of the kernel's that is read, in bytes: a route table of 10,000 lines.
const LONGEST: u64 = 1 << 20;

/// One machine.
#[derive(Clone, Debug)]
pub(super) struct Host {
    /// `/`, or the folder that stands for it.
    root: PathBuf,
    /// What its clock shows.
    pub(super) now: UnixMs,
    /// Free bytes on the disk of the state folder; none to ask the kernel.
    room: Option<u64>,
}

impl Host {
    /// The machine that this runs on.
    pub(super) fn this() -> Self {
        Self { root: PathBuf::from("/"), now: when::now(), room: None }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// A file as text; empty when it cannot be read.
    pub(super) fn text(&self, path: &str) -> String {
        let read = || -> io::Result<String> {
            let mut bytes = Vec::new();
            File::open(self.path(path))?.take(LONGEST).read_to_end(&mut bytes)?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        read().unwrap_or_default()
    }

    /// Whether there is such a file or folder.
    pub(super) fn has(&self, path: &str) -> bool {
        self.path(path).exists()
    }

    /// The names in a folder, in order; none when there is no such folder.
    pub(super) fn names(&self, path: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path(path)) else { return Vec::new() };
        let mut names: Vec<String> =
            entries.filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned())).collect();
        names.sort();
        names
    }

    /// Whether a switch of the kernel's is on.
    pub(super) fn on(&self, path: &str) -> bool {
        let text = self.text(path);
        !matches!(text.trim(), "" | "0")
    }

    /// Bytes that may still be written where this folder is.
    pub(super) fn room(&self, folder: &Path) -> io::Result<u64> {
        if let Some(room) = self.room {
            return Ok(room);
        }
        let stat = rustix::fs::statvfs(folder)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

#[cfg(test)]
pub(super) mod fixture {
    //! A machine made of files.

    use super::*;

    /// It is removed when it goes.
    #[derive(Debug)]
    pub(in crate::cli::doctor) struct Fixture {
        pub(in crate::cli::doctor) host: Host,
    }

    /// 2026-11-25 in the morning.
    pub(in crate::cli::doctor) const NOW: UnixMs = UnixMs(1_795_593_600_000);

    /// A machine with these files.
    pub(in crate::cli::doctor) fn host(files: &[(&str, &str)]) -> Fixture {
        use std::sync::atomic::{AtomicU32, Ordering};
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let root = std::env::temp_dir().join(format!("bulkhead-doctor-{}-{number}", std::process::id()));
        let fixture = Fixture { host: Host { root, now: NOW, room: Some(8 << 30) } };
        fs::create_dir_all(&fixture.host.root).unwrap();
        for (path, text) in files {
            let path = fixture.host.path(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        fixture
    }

    impl Fixture {
        pub(in crate::cli::doctor) fn path(&self, path: &str) -> PathBuf {
            self.host.path(path)
        }

        pub(in crate::cli::doctor) fn with_room(mut self, room: u64) -> Self {
            self.host.room = Some(room);
            self
        }

        pub(in crate::cli::doctor) fn at(mut self, now: UnixMs) -> Self {
            self.host.now = now;
            self
        }
    }

    impl Drop for Fixture {
        fn drop(&mut self) {
            let _left_behind = fs::remove_dir_all(&self.host.root);
        }
    }
}
