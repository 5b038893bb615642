//! What can be wrong with the journal.

use std::io;

/// Why a record is not durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Trouble {
    /// The queue is full.
    #[error("the journal's queue is full")]
    Busy,
    /// The disk does not answer in time.
    #[error("the journal's disk is stalled")]
    Stalled,
    /// The disk, or the quota on it, is full.
    #[error("the journal's disk is full")]
    Full,
    /// The disk is mounted read-only.
    #[error("the journal's disk is read-only")]
    ReadOnly,
    /// The disk refuses for another reason.
    #[error("the journal's disk fails")]
    Failed,
    /// The writer has ended.
    #[error("the journal is closed")]
    Closed,
}

impl Trouble {
    /// The word in records and on the screen.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::Stalled => "stalled",
            Self::Full => "full",
            Self::ReadOnly => "read-only",
            Self::Failed => "failed",
            Self::Closed => "closed",
        }
    }

    pub(super) const fn code(self) -> u8 {
        match self {
            Self::Busy => 1,
            Self::Stalled => 2,
            Self::Full => 3,
            Self::ReadOnly => 4,
            Self::Failed => 5,
            Self::Closed => 6,
        }
    }

    pub(super) const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Busy),
            2 => Some(Self::Stalled),
            3 => Some(Self::Full),
            4 => Some(Self::ReadOnly),
            5 => Some(Self::Failed),
            6 => Some(Self::Closed),
            _ => None,
        }
    }
}

impl From<&io::Error> for Trouble {
    fn from(error: &io::Error) -> Self {
        let kind = error.kind();
        if matches!(kind, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge) {
            Self::Full
        } else if kind == io::ErrorKind::ReadOnlyFilesystem {
            Self::ReadOnly
        } else {
            Self::Failed
        }
    }
}
