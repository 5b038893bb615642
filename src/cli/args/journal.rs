//! `journal`: what may be typed.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Journal {
    /// Prove that no record was changed, dropped or added
    #[command(
        after_help = "Examples:\n  bulkhead journal verify\n  bulkhead journal verify /media/copy --head head.json\n\n\
        A copy alone proves nothing about a cut tail: --head is the newest checkpoint that was kept elsewhere.\n\
        The exit code is 1 when something is wrong; the place is named."
    )]
    Verify(JournalVerify),
    /// Read the records, in words
    #[command(
        after_help = "Examples:\n  bulkhead journal show --last 20\n  bulkhead journal show --point filler-plc/recipe --around \"03:10 today\"\n  \
        bulkhead journal show --from 4711 --json"
    )]
    Show(JournalShow),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct JournalVerify {
    /// The journal's folder; the gateway's own unless set
    #[arg(value_name = "DIR")]
    pub(in crate::cli) folder: Option<PathBuf>,
    /// The newest signed checkpoint that was kept elsewhere
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) head: Option<PathBuf>,
    /// The public key of the gateway, for a copy that is read elsewhere; this gateway's own unless set
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) key: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct JournalShow {
    /// The journal's folder; the gateway's own unless set
    #[arg(value_name = "DIR")]
    pub(in crate::cli) folder: Option<PathBuf>,
    /// The newest N that fit; 50 unless set or bounded otherwise
    #[arg(long, value_name = "N")]
    pub(in crate::cli) last: Option<usize>,
    /// Only what touches ASSET/POINT, or ASSET
    #[arg(long, value_name = "ASSET/POINT")]
    pub(in crate::cli) point: Option<String>,
    /// Only what this subject did
    #[arg(long, value_name = "SUBJECT")]
    pub(in crate::cli) subject: Option<String>,
    /// Only refusals and alarms
    #[arg(long)]
    pub(in crate::cli) refused: bool,
    /// From this record on
    #[arg(long, value_name = "SEQ")]
    pub(in crate::cli) from: Option<u64>,
    /// Up to this record
    #[arg(long, value_name = "SEQ")]
    pub(in crate::cli) to: Option<u64>,
    /// Ten minutes before and after: "03:10 today", "03:10", 2026-11-24T03:10
    #[arg(long, value_name = "TIME")]
    pub(in crate::cli) around: Option<String>,
}
