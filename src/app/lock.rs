//! One daemon a state folder. Two writers of one journal would break its chain, and each would see the other's lines as damage.

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// The state folder, held as long as this lives. The kernel lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub(super) struct Lock(#[expect(dead_code, reason = "held, not read: the lock is the open file")] File);

/// Why the state folder is not ours.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotOurs {
    /// Another daemon holds it.
    #[error("another daemon runs with it")]
    Taken,
    /// It cannot be opened or locked.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Takes the folder, or says at once that somebody else has it.
pub(super) fn take(folder: &Path) -> Result<Lock, NotOurs> {
    let file = File::open(folder)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Lock(file)),
        Err(Errno::WOULDBLOCK) => Err(NotOurs::Taken),
        Err(error) => Err(NotOurs::Io(error.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_held_by_one_until_it_lets_go() {
        let folder = std::env::temp_dir().join(format!("bulkhead-lock-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let first = take(&folder).unwrap();
        assert!(matches!(take(&folder), Err(NotOurs::Taken)));
        drop(first);
        take(&folder).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(matches!(take(&folder), Err(NotOurs::Io(_))));
    }
}
