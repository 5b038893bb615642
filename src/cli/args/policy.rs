//! `policy`: what may be typed.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Policy {
    /// Say what is wrong or unwise in a policy
    #[command(
        after_help = "Example:\n  bulkhead policy lint plant.toml\n\nThe exit code is 78 when the policy does not load; warnings alone are 0."
    )]
    Lint(PolicyFile),
    /// Say who gains and who loses what
    #[command(
        after_help = "Example:\n  bulkhead policy diff active.toml plant.toml\n\nThe exit code is 0 when nothing changes, 1 when something does."
    )]
    Diff(PolicyDiff),
    /// Decide requests from the standard input, one JSON object a line
    #[command(
        after_help = "Example:\n  bulkhead policy decide plant.toml < requests.jsonl > answers.jsonl\n\nNo daemon and no state: for oracles, what-if tools and support."
    )]
    Decide(PolicyFile),
    /// Write the zone and conduit sheet of IEC 62443-3-2 from a policy
    #[command(
        after_help = "Zones, assets, points, conduits, who may do what, levels reached by proof against SL-T, findings and who answers\n\
        for them, and the policy's hash. From the checked model: what an assessor reads is what is enforced.\n\n\
        Examples:\n  bulkhead policy document > zones.md\n  bulkhead policy document plant.toml --format csv > zones.csv"
    )]
    Document(PolicyDocument),
    /// Judge recorded traffic again, under a new policy
    #[command(
        after_help = "Each record is judged at its own moment, first under the policy that decided it: what does not come to the\n\
        same is told, never hidden. Then the list says who would lose and gain which operation on which point.\n\
        No daemon is needed.\n\n\
        Examples:\n  bulkhead policy replay /var/lib/bulkhead/journal --with new.toml\n  \
        bulkhead policy replay /media/copy --with new.toml --policy active.toml\n  \
        bulkhead journal show --last 100000 --json > export.jsonl; bulkhead policy replay export.jsonl --with new.toml\n\n\
        The exit code is 1 when something would be lost."
    )]
    Replay(PolicyReplay),
    /// Judge a candidate policy beside the one in force, on live traffic
    #[command(
        after_help = "Nothing that the candidate says changes anything: each request is judged by both, and the screen lists who\n\
        would lose and gain which operation on which point. It ends by itself, and goes on after a restart.\n\n\
        Examples:\n  bulkhead policy shadow new.toml --for 3d\n  bulkhead policy shadow            what it has found so far\n  \
        bulkhead policy shadow --stop\n\n\
        The exit code is 1 when something would be lost. Limits are not counted for the candidate."
    )]
    Shadow(PolicyShadow),
    /// Put a policy in force in the running daemon
    #[command(
        after_help = "The daemon checks it, keeps a record, swaps it in without dropping a connection, and keeps it as the last\n\
        known good one. A policy with a problem changes nothing.\n\nExamples:\n  bulkhead policy activate plant.toml\n  bulkhead policy activate plant.toml --dry-run     who would gain and lose what"
    )]
    Activate(Activate),
    /// The policies that were in force
    #[command(
        after_help = "The newest ten are kept in the state folder. No daemon is needed.\n\nExample:\n  bulkhead policy history"
    )]
    History,
    /// Put a policy in force again that was in force before
    #[command(
        after_help = "It is activated like any other: checked, recorded, swapped in without dropping a connection. Nothing that was\n\
        revoked comes back with it.\n\nExamples:\n  bulkhead policy restore               the one before\n  bulkhead policy restore 3 --dry-run   number 3 of `policy history`"
    )]
    Restore(Restore),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct PolicyFile {
    /// The policy file
    #[arg(value_name = "FILE")]
    pub(in crate::cli) file: PathBuf,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Activate {
    /// The policy file
    #[arg(value_name = "FILE")]
    pub(in crate::cli) file: PathBuf,
    /// Say what would change, and change nothing
    #[arg(long)]
    pub(in crate::cli) dry_run: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Restore {
    /// Its number in `policy history`; the newest that differs from the one in force unless set
    #[arg(value_name = "NUMBER")]
    pub(in crate::cli) number: Option<u32>,
    /// Say what would change, and change nothing
    #[arg(long)]
    pub(in crate::cli) dry_run: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct PolicyDocument {
    /// The policy file; the one in force unless set
    #[arg(value_name = "FILE")]
    pub(in crate::cli) file: Option<PathBuf>,
    /// In which form
    #[arg(long, value_name = "FORMAT", default_value = "md")]
    pub(in crate::cli) format: SheetFormat,
}

/// The form of a zone sheet.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(in crate::cli) enum SheetFormat {
    /// Markdown
    Md,
    /// Comma-separated values: section, object, field, value
    Csv,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct PolicyReplay {
    /// The journal's folder, or a file with its lines
    #[arg(value_name = "JOURNAL")]
    pub(in crate::cli) journal: PathBuf,
    /// The new policy
    #[arg(long = "with", value_name = "NEW")]
    pub(in crate::cli) new: PathBuf,
    /// The policy that decided; the one in force unless set
    #[arg(long = "policy", value_name = "OLD")]
    pub(in crate::cli) old: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct PolicyShadow {
    /// The candidate; without it, the state of the one that is judged
    #[arg(value_name = "NEW")]
    pub(in crate::cli) file: Option<PathBuf>,
    /// For so long (10s, 2h, 3d; at most 30d)
    #[arg(long = "for", value_name = "TIME", default_value = "3d", requires = "file")]
    pub(in crate::cli) lasts: String,
    /// Judge it no longer
    #[arg(long, conflicts_with = "file")]
    pub(in crate::cli) stop: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct PolicyDiff {
    /// The policy before
    #[arg(value_name = "OLD")]
    pub(in crate::cli) old: PathBuf,
    /// The policy after
    #[arg(value_name = "NEW")]
    pub(in crate::cli) new: PathBuf,
}
