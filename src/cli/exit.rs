//! The exit codes, in one place. They are an interface: scripts and systemd read them.

use std::process::ExitCode;

/// How the program ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Exit {
    /// Done; the answer is yes.
    #[default]
    Ok,
    /// Done; the answer is no, or the order was refused.
    No,
    /// The arguments make no sense (`EX_USAGE`).
    Usage,
    /// Our fault, or the machine's (`EX_SOFTWARE`).
    Internal,
    /// The configuration, the policy or the state folder must be mended first (`EX_CONFIG`).
    Config,
}

impl Exit {
    /// The number that the caller sees.
    pub const fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::No => 1,
            Self::Usage => 64,
            Self::Internal => 70,
            Self::Config => 78,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// For the end of each help text.
pub(super) const HELP: &str = "Exit codes: 0 yes or done, 1 no or refused, 64 usage, 70 internal, 78 configuration";
