//! What may be typed, and the help that says why one would.

use std::path::PathBuf;

use bulkhead_core::moment::ClockTrust;
use bulkhead_core::policy::explain::By;
use clap::{Args, Parser, Subcommand};

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

#[derive(Debug, Subcommand)]
pub(super) enum Policy {
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
pub(super) struct PolicyFile {
    /// The policy file
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct Activate {
    /// The policy file
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    /// Say what would change, and change nothing
    #[arg(long)]
    pub(super) dry_run: bool,
}

#[derive(Debug, Args)]
pub(super) struct Restore {
    /// Its number in `policy history`; the newest that differs from the one in force unless set
    #[arg(value_name = "NUMBER")]
    pub(super) number: Option<u32>,
    /// Say what would change, and change nothing
    #[arg(long)]
    pub(super) dry_run: bool,
}

#[derive(Debug, Args)]
pub(super) struct PolicyDocument {
    /// The policy file; the one in force unless set
    #[arg(value_name = "FILE")]
    pub(super) file: Option<PathBuf>,
    /// In which form
    #[arg(long, value_name = "FORMAT", default_value = "md")]
    pub(super) format: SheetFormat,
}

/// The form of a zone sheet.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(super) enum SheetFormat {
    /// Markdown
    Md,
    /// Comma-separated values: section, object, field, value
    Csv,
}

#[derive(Debug, Args)]
pub(super) struct PolicyReplay {
    /// The journal's folder, or a file with its lines
    #[arg(value_name = "JOURNAL")]
    pub(super) journal: PathBuf,
    /// The new policy
    #[arg(long = "with", value_name = "NEW")]
    pub(super) new: PathBuf,
    /// The policy that decided; the one in force unless set
    #[arg(long = "policy", value_name = "OLD")]
    pub(super) old: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct PolicyShadow {
    /// The candidate; without it, the state of the one that is judged
    #[arg(value_name = "NEW")]
    pub(super) file: Option<PathBuf>,
    /// For so long (10s, 2h, 3d; at most 30d)
    #[arg(long = "for", value_name = "TIME", default_value = "3d", requires = "file")]
    pub(super) lasts: String,
    /// Judge it no longer
    #[arg(long, conflicts_with = "file")]
    pub(super) stop: bool,
}

#[derive(Debug, Args)]
pub(super) struct PolicyDiff {
    /// The policy before
    #[arg(value_name = "OLD")]
    pub(super) old: PathBuf,
    /// The policy after
    #[arg(value_name = "NEW")]
    pub(super) new: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(super) enum Subject {
    /// Everybody that the policy names, how they show it, and who is connected
    #[command(after_help = "Example:\n  bulkhead subject list")]
    List,
    /// Take all rights from a subject, now and for good
    #[command(
        after_help = "It answers when the record is on the disk and every connection of the subject is cut: nothing of it reaches\n\
        a PLC after that.\n\nExample:\n  bulkhead subject revoke scada"
    )]
    Revoke(SubjectName),
}

#[derive(Debug, Args)]
pub(super) struct SubjectName {
    /// The subject's name
    #[arg(value_name = "SUBJECT")]
    pub(super) subject: String,
}

#[derive(Debug, Subcommand)]
pub(super) enum Device {
    /// Register a device, or give a registered one another key or address
    #[command(
        after_help = "A device is a name; what it may do stands in the policy. A key or address shows one device alone.\n\n\
        Examples:\n  bulkhead device add scada --certificate scada.pem\n  \
        bulkhead device add old-panel --address 10.10.9.31 --mac 02:1f:5a:00:10:31\n  \
        bulkhead device add spare --registered        known, and may do nothing yet"
    )]
    Add(DeviceAdd),
    /// Everybody who is registered
    #[command(after_help = "Example:\n  bulkhead device list")]
    List,
    /// One device: life, keys, addresses, what the policy says
    #[command(after_help = "Example:\n  bulkhead device show scada")]
    Show(DeviceName),
    /// Take all rights from a device until it is resumed, and cut its connections
    #[command(after_help = "Example:\n  bulkhead device suspend scada")]
    Suspend(DeviceName),
    /// Let a suspended or registered device act
    #[command(after_help = "Example:\n  bulkhead device resume scada")]
    Resume(DeviceName),
    /// Take all rights from a device, now and for good; as `subject revoke`
    #[command(
        after_help = "Its keys never come back, and its name rests for the time that `registry.hold` of the configuration says.\n\n\
        Example:\n  bulkhead device revoke scada"
    )]
    Revoke(DeviceName),
    /// Take one key or address from a device; a key never comes back
    #[command(after_help = "Example:\n  bulkhead device remove scada --certificate old.pem")]
    Remove(DeviceRemove),
    /// Write the registry as a sheet, comma-separated
    #[command(after_help = "Example:\n  bulkhead device export devices.csv")]
    Export(DeviceFile),
    /// Register what a sheet says, all of it or nothing
    #[command(
        after_help = "The first line is subject,life,credential,value,mac; a row is one key or address. A sheet adds, and moves lives\n\
        between registered, active and suspended; nothing is revoked by it. Mistakes are told as FILE:LINE: what; what to write.\n\n\
        Examples:\n  bulkhead device import devices.csv --dry-run\n  bulkhead device import devices.csv"
    )]
    Import(DeviceImport),
}

#[derive(Debug, Args)]
pub(super) struct DeviceName {
    /// The device's name
    #[arg(value_name = "DEVICE")]
    pub(super) device: String,
}

/// One key or address.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("shown").args(["key", "certificate", "address"]))]
pub(super) struct Shown {
    /// The SHA-256 of its public key (its subject public key info), 64 hex digits
    #[arg(long, value_name = "SPKI")]
    pub(super) key: Option<String>,
    /// A certificate with its public key, PEM or DER
    #[arg(long, value_name = "FILE")]
    pub(super) certificate: Option<PathBuf>,
    /// Its address: the weakest proof there is
    #[arg(long, value_name = "IP")]
    pub(super) address: Option<String>,
    /// The hardware address that must match
    #[arg(long, value_name = "MAC", requires = "address")]
    pub(super) mac: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct DeviceAdd {
    /// The device's name: the one that the policy uses
    #[arg(value_name = "DEVICE")]
    pub(super) device: String,
    #[command(flatten)]
    pub(super) shown: Shown,
    /// A new name may do nothing until it is resumed
    #[arg(long)]
    pub(super) registered: bool,
}

#[derive(Debug, Args)]
pub(super) struct DeviceRemove {
    /// The device's name
    #[arg(value_name = "DEVICE")]
    pub(super) device: String,
    #[command(flatten)]
    pub(super) shown: Shown,
}

#[derive(Debug, Args)]
pub(super) struct DeviceFile {
    /// The sheet; the standard output unless set
    #[arg(value_name = "FILE")]
    pub(super) file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct DeviceImport {
    /// The sheet, or - for the standard input
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    /// Say what would change, and change nothing
    #[arg(long)]
    pub(super) dry_run: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum Ca {
    /// Make the CA: a key, and a certificate that it signs for itself
    #[command(after_help = "Examples:\n  bulkhead ca init\n  bulkhead ca init --name \"Riverside Bulkhead CA\"")]
    Init(CaInit),
    /// Write the request by which a plant CA signs this one
    #[command(after_help = "Example:\n  bulkhead ca csr -o bulkhead-ca.csr")]
    Csr(CaRequest),
    /// Take in what a plant CA has made of the request
    #[command(
        after_help = "One PEM file: our certificate first, then each issuer up to the root. What was issued before stays good and leads to\n\
        the plant CA from now on.\n\nExample:\n  bulkhead ca install chain.pem"
    )]
    Install(CaInstall),
    /// What the CA is, and its certificate
    #[command(after_help = "Example:\n  bulkhead ca show")]
    Show,
    /// Issue a certificate to a subject of the policy, from the request of its own key
    #[command(
        after_help = "The role comes from the policy, never from the request. The key is registered for the subject. A renewal is the same,\n\
        before the end or behind it, with the old key or a new one.\n\nExamples:\n  \
        openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout scada.key -subj /CN=scada -out scada.csr\n  \
        bulkhead ca sign --subject scada --csr scada.csr -o scada.pem"
    )]
    Sign(CaSign),
    /// Write the newest list of what was taken back (CRL)
    #[command(
        after_help = "The same list lies in the state folder as ca/crl.pem.\n\nExample:\n  bulkhead ca crl -o crl.pem"
    )]
    Crl(CaCrl),
    /// The certificates that were issued, the newest first
    #[command(after_help = "Examples:\n  bulkhead ca list\n  bulkhead ca list --subject scada")]
    List(CaList),
    /// Take one certificate back; its subject and key stay
    #[command(after_help = "Example:\n  bulkhead ca retire 5A11C0DE5A11C0DE5A11C0DE5A11C0DE")]
    Retire(CaRetire),
}

#[derive(Debug, Args)]
pub(super) struct CaInit {
    /// Its name; made of the plant's unless set
    #[arg(long, value_name = "NAME")]
    pub(super) name: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct CaRequest {
    /// Where to; the standard output unless set
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct CaInstall {
    /// The chain, PEM
    #[arg(value_name = "CHAIN")]
    pub(super) file: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct CaSign {
    /// To whom, as the policy names it
    #[arg(long, value_name = "NAME")]
    pub(super) subject: String,
    /// Its request, PEM or DER; the standard input unless set
    #[arg(long, value_name = "FILE", default_value = "-")]
    pub(super) csr: PathBuf,
    /// For how many days; 730 unless set, and never longer than the CA
    #[arg(long, value_name = "N")]
    pub(super) days: Option<u32>,
    /// Where to; the standard output unless set
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct CaCrl {
    /// Where to; the standard output unless set
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct CaList {
    /// To whom; to anybody unless set
    #[arg(long, value_name = "NAME")]
    pub(super) subject: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct CaRetire {
    /// Its serial number, hex
    #[arg(value_name = "SERIAL")]
    pub(super) serial: String,
}

#[derive(Debug, Subcommand)]
pub(super) enum Journal {
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
pub(super) struct JournalVerify {
    /// The journal's folder; the gateway's own unless set
    #[arg(value_name = "DIR")]
    pub(super) folder: Option<PathBuf>,
    /// The newest signed checkpoint that was kept elsewhere
    #[arg(long, value_name = "FILE")]
    pub(super) head: Option<PathBuf>,
    /// The public key of the gateway, for a copy that is read elsewhere; this gateway's own unless set
    #[arg(long, value_name = "FILE")]
    pub(super) key: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct JournalShow {
    /// The journal's folder; the gateway's own unless set
    #[arg(value_name = "DIR")]
    pub(super) folder: Option<PathBuf>,
    /// The newest N that fit; 50 unless set or bounded otherwise
    #[arg(long, value_name = "N")]
    pub(super) last: Option<usize>,
    /// Only what touches ASSET/POINT, or ASSET
    #[arg(long, value_name = "ASSET/POINT")]
    pub(super) point: Option<String>,
    /// Only what this subject did
    #[arg(long, value_name = "SUBJECT")]
    pub(super) subject: Option<String>,
    /// Only refusals and alarms
    #[arg(long)]
    pub(super) refused: bool,
    /// From this record on
    #[arg(long, value_name = "SEQ")]
    pub(super) from: Option<u64>,
    /// Up to this record
    #[arg(long, value_name = "SEQ")]
    pub(super) to: Option<u64>,
    /// Ten minutes before and after: "03:10 today", "03:10", 2026-11-24T03:10
    #[arg(long, value_name = "TIME")]
    pub(super) around: Option<String>,
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
