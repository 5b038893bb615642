//! What may be typed, and the help that says why one would.

mod journal;
mod policy;
mod registry;

use std::path::PathBuf;

use bulkhead_core::moment::ClockTrust;
use bulkhead_core::policy::explain::By;
use clap::{Args, Parser, Subcommand};

pub(super) use journal::{Journal, JournalShow, JournalVerify};
pub(super) use policy::{
    Activate, Policy, PolicyDiff, PolicyDocument, PolicyReplay, PolicyShadow, Restore, SheetFormat,
};
pub(super) use registry::{
    Ca, CaCrl, CaInit, CaInstall, CaList, CaRequest, CaRetire, CaSign, Device, DeviceAdd, DeviceImport, DeviceRemove,
    Shown, Subject,
};

use super::exit;
use crate::config::DEFAULT_FILE;

/// The wall between a zone of PLCs and everything else.
#[derive(Debug, Parser)]
#[command(
    name = "bulkhead",
    version,
    about = "An identity-aware gateway between PLCs and everything else",
    long_about = "Bulkhead stands between a zone of PLCs and everything else. It knows who is asking, decides whether that \
                  person or device may do that operation on that point, and keeps a record of it.",
    after_help = FIRST_DAY,
    subcommand_required = true,
    arg_required_else_help = true,
    disable_help_subcommand = true
)]
pub(super) struct Cli {
    /// The gateway's configuration
    #[arg(long, global = true, display_order = 900, value_name = "FILE", default_value = DEFAULT_FILE)]
    pub(super) config: PathBuf,
    /// Answer in JSON, one value a line
    #[arg(long, global = true, display_order = 901)]
    pub(super) json: bool,
    #[command(subcommand)]
    pub(super) verb: Verb,
}

const FIRST_DAY: &str = concat!(
    "The first day:\n",
    "  bulkhead init --site riverside --policy plant.toml   make state, keys and the first policy\n",
    "  bulkhead check                                       is the configuration sound?\n",
    "  bulkhead run                                         the daemon, in the foreground\n",
    "  bulkhead observe scada-to-filling                    every byte passes; see what would be refused\n",
    "  bulkhead journal show --last 20                      what happened\n",
    "  bulkhead enforce scada-to-filling --watch 10m        refusals count; goes back by itself if they are many\n",
    "\n",
    "Exit codes: 0 yes or done, 1 no or refused, 64 usage, 70 internal, 78 configuration",
);

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Make the state folder, the keys and the first policy
    #[command(after_help = "Examples:\n  bulkhead init\n  bulkhead init --site riverside --policy plant.toml\n\n\
        It never overwrites anything. The keys are software keys: whoever copies the disk has them.")]
    Init(Init),
    /// Run the daemon in the foreground
    #[command(
        after_help = "It starts with the last known good policy of the state folder. SIGTERM stops it in order, SIGHUP reads\n\
        the `policy` file of the configuration again (a file with a problem changes nothing).\n\n\
        Example:\n  bulkhead --config /etc/bulkhead/bulkhead.toml run"
    )]
    Run,
    /// Check the configuration, or a policy file
    #[command(after_help = "Problems are told as FILE:LINE:COLUMN: message [id]; what to write instead.\n\n\
        Examples:\n  bulkhead check                 the configuration, and the policy that it names\n  bulkhead check plant.toml      a policy file")]
    Check(Check),
    /// Look for what will go wrong: routes past the gateway, disk, clock, keys
    #[command(
        after_help = "Every finding comes with the command that mends it. The exit code is 1 when something must be mended.\n\n\
        Example:\n  bulkhead doctor"
    )]
    Doctor,
    /// What the gateway does now
    #[command(after_help = "Examples:\n  bulkhead status\n  bulkhead status --json | jq .journal")]
    Status,
    /// Why something is allowed or refused
    #[command(after_help = "Examples:\n  bulkhead explain --as scada --on filler-plc --do \"write speed 900\"\n  \
        bulkhead explain --as scada --on filler-plc --do \"write speed 900\" --at 03:10 --policy plant.toml\n  \
        bulkhead explain --as anna --by address --on filler-plc --do \"write speed 900\"\n  \
        bulkhead explain --last        the newest decision in the journal\n  \
        bulkhead explain --record 4711\n\n\
        Without --policy the last known good policy of the state folder is asked. No daemon is needed.")]
    Explain(Explain),
    /// Let every byte of a conduit pass, and alarm on what would be refused
    #[command(
        after_help = "The order is a recorded local override. It lasts until a policy changes the mode of this conduit.\n\n\
        Example:\n  bulkhead observe scada-to-filling"
    )]
    Observe(Observe),
    /// Let the refusals of a conduit count
    #[command(
        after_help = "With --watch the conduit goes back to observe by itself when more than 0.1 % of its requests are refused\n\
        or a heartbeat is lost.\n\n\
        Examples:\n  bulkhead enforce scada-to-filling --watch 10m\n  bulkhead enforce scada-to-filling"
    )]
    Enforce(Enforce),
    /// Look at policies, and put one in force
    #[command(subcommand)]
    Policy(Policy),
    /// Who may act, and who may not any more
    #[command(subcommand)]
    Subject(Subject),
    /// The registry: who is known by which key or address, and whether it may act
    #[command(subcommand)]
    Device(Device),
    /// The gateway's own CA: certificates with roles, from requests made on the devices
    #[command(subcommand)]
    Ca(Ca),
    /// What happened, and whether anybody changed it since
    #[command(subcommand)]
    Journal(Journal),
}

#[derive(Debug, Args)]
pub(super) struct Init {
    /// The name of the site, for screens and records
    #[arg(long, value_name = "NAME")]
    pub(super) site: Option<String>,
    /// The first policy; without it, the `policy` of the configuration, else none
    #[arg(long, value_name = "FILE")]
    pub(super) policy: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Check {
    /// A policy file; without it, the configuration
    #[arg(value_name = "FILE")]
    pub(super) file: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("what").required(true).args(["subject", "last", "record"]))]
pub(super) struct Explain {
    /// Who asks
    #[arg(long = "as", value_name = "SUBJECT", requires_all = ["asset", "words"])]
    pub(super) subject: Option<String>,
    /// Of which asset
    #[arg(long = "on", value_name = "ASSET")]
    pub(super) asset: Option<String>,
    /// What, in the words of the policy: "read speed", "write speed 900", "programming", "function 8/1"
    #[arg(long = "do", value_name = "WORDS")]
    pub(super) words: Option<String>,
    /// When: HH:MM (today), or a date and time such as 2026-11-24T03:10; now unless set
    #[arg(long, value_name = "TIME", requires = "subject")]
    pub(super) at: Option<String>,
    /// What the clock is worth then
    #[arg(long, value_name = "TRUST", default_value = "proven", requires = "subject")]
    pub(super) clock: Clock,
    /// For a panel: the role that opened a grant on it
    #[arg(long, value_name = "ROLE", requires = "subject")]
    pub(super) grant: Option<String>,
    /// Of several proofs that the policy admits: the one that is shown; the strongest unless set
    #[arg(long, value_name = "PROOF", requires = "subject")]
    pub(super) by: Option<ShownBy>,
    /// The policy to ask; the one in force unless set
    #[arg(long, value_name = "FILE")]
    pub(super) policy: Option<PathBuf>,
    /// The newest N decisions of the journal
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "1")]
    pub(super) last: Option<usize>,
    /// One record of the journal
    #[arg(long, value_name = "SEQ")]
    pub(super) record: Option<u64>,
}

/// How somebody shows who it is.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(super) enum ShownBy {
    Address,
    Certificate,
    Token,
    SessionGrant,
}

impl ShownBy {
    /// In the words of a question.
    pub(super) const fn proof(self) -> By {
        match self {
            Self::Address => By::Address,
            Self::Certificate => By::Certificate,
            Self::Token => By::Token,
            Self::SessionGrant => By::SessionGrant,
        }
    }
}

/// What the clock is worth.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(super) enum Clock {
    Proven,
    Floor,
    Doubtful,
}

impl Clock {
    /// In the words of a decision.
    pub(super) const fn trust(self) -> ClockTrust {
        match self {
            Self::Proven => ClockTrust::Proven,
            Self::Floor => ClockTrust::Floor,
            Self::Doubtful => ClockTrust::Doubtful,
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct Observe {
    /// The conduit's name
    #[arg(value_name = "CONDUIT")]
    pub(super) conduit: String,
}

#[derive(Debug, Args)]
pub(super) struct Enforce {
    /// The conduit's name
    #[arg(value_name = "CONDUIT")]
    pub(super) conduit: String,
    /// Watch it for so long (30s, 10m, 2h), and go back to observe if it goes wrong
    #[arg(long, value_name = "TIME")]
    pub(super) watch: Option<String>,
}

/// The exit codes close each help page.
pub(super) fn command() -> clap::Command {
    use clap::CommandFactory as _;
    fn close(command: clap::Command) -> clap::Command {
        let names: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
        let command = names.into_iter().fold(command, |command, name| command.mut_subcommand(name, close));
        match command.get_after_help().map(ToString::to_string) {
            Some(help) if !help.contains("Exit codes") => command.after_help(format!("{help}\n\n{}", exit::HELP)),
            Some(_) | None => command,
        }
    }
    close(Cli::command())
}
