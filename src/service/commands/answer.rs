//! What the gateway answers to an order.

use std::net::SocketAddr;

use bulkhead_core::digest::Sha256;
use bulkhead_core::identity::{Assurance, Life};
use bulkhead_core::journal::record::Seq;
use bulkhead_core::moment::{ClockTrust, UnixMs};
use bulkhead_core::names::{AssetId, ConduitId, Role, SubjectId, ZoneId};
use bulkhead_core::policy::differences::Differences;
use bulkhead_core::policy::model::Mode;
use serde::{Deserialize, Serialize};

use super::devices::{DeviceChanged, DeviceLine, Imported};

/// What an order came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Answer {
    /// To `status`.
    Status(Box<Status>),
    /// To `subject list`.
    Subjects(Vec<SubjectLine>),
    /// The record is durable and every connection of the subject is cut.
    Revoked {
        /// Who.
        subject: SubjectId,
        /// Connections cut.
        cut: u32,
        /// The record.
        seq: Seq,
    },
    /// What an order about a device came to.
    Device(Box<DeviceChanged>),
    /// To `device list` and `device show`.
    Devices {
        /// At most 1,000.
        devices: Vec<DeviceLine>,
        /// There are more behind the last one.
        more: bool,
    },
    /// To `device import`.
    Imported(Imported),
    /// The conduit's mode counts from the next frame on.
    Mode {
        /// Which.
        conduit: ConduitId,
        /// Its mode now.
        mode: Mode,
        /// So many seconds it is watched.
        watch: Option<u64>,
    },
    /// The policy is in force and kept as the last known good one.
    Activated {
        /// The digest of the one before.
        from: Sha256,
        /// The digest of the one now.
        to: Sha256,
        /// The world's generation with it.
        generation: u64,
        /// Lint's warnings, as `LINE:COLUMN: message [id]; help`. At most 100.
        warnings: Vec<String>,
    },
    /// To `policy activate --dry-run`.
    Tried(Box<Tried>),
    /// To `policy shadow`: the candidate of now, else the last one of this life; none where there was none.
    Shadow(Option<Box<ShadowSeen>>),
    /// The CA; none before `ca init`.
    Authority(Option<Box<AuthorityLine>>),
    /// To `ca csr`: the request, PEM.
    Request(String),
    /// A certificate that may leave.
    Certificate(Box<CertificateAnswer>),
    /// To `ca list`: the newest certificates.
    Certificates {
        /// So many at most.
        lines: Vec<CertificateLine>,
        /// Older ones that are not shown.
        more: u64,
    },
    /// To `ca crl` and `ca retire`.
    List {
        /// The list's number.
        number: u64,
        /// Certificates on it.
        count: u64,
        /// The list, PEM; empty to `retire`.
        pem: String,
    },
    /// To `explain`.
    Explained(Explained),
}

/// What an activation would change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tried {
    /// The digest of the policy in force.
    pub from: Sha256,
    /// The digest of the one that was asked about.
    pub to: Sha256,
    /// Lint's warnings, as `LINE:COLUMN: message [id]; help`. At most 100.
    pub warnings: Vec<String>,
    /// Who would gain and lose what, a line each as `policy diff` says it. At most 1,000.
    pub changes: Vec<String>,
    /// How many changes there are.
    pub changed: u64,
    /// Conduits whose local override it would end.
    pub ends: Vec<ConduitId>,
}

/// Why the world in force would allow or refuse something.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Explained {
    /// Whether it would be allowed.
    pub allowed: bool,
    /// The steps, a line each.
    pub lines: Vec<String>,
    /// The same for programs, as `explain --json` tells it.
    pub explanation: serde_json::Value,
}

/// A candidate policy that is judged beside the one in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShadowSeen {
    /// Where it came from.
    pub name: String,
    /// SHA-256 of its text.
    pub policy: Sha256,
    /// The policy in force that it is compared with.
    pub against: Sha256,
    /// Since when requests are counted: the order, the last restart, or the last activation.
    pub since: UnixMs,
    /// Milliseconds that it has left; none once it has ended.
    pub left: Option<u64>,
    /// Why and when it ended.
    pub ended: Option<(String, UnixMs)>,
    /// The IANA name of the plant's time zone.
    pub timezone: Option<String>,
    /// The differences.
    pub differences: Differences,
}

/// A candidate policy, on one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShadowLine {
    /// SHA-256 of its text.
    pub policy: Sha256,
    /// Milliseconds that it has left.
    pub left: u64,
    /// Requests judged.
    pub judged: u64,
    /// Requests of which something would be lost.
    pub lost: u64,
    /// Requests of which something would be gained.
    pub gained: u64,
    /// Requests under another limit.
    pub terms: u64,
}

/// What the gateway does now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Status {
    /// The product's version.
    pub version: String,
    /// The site's name.
    pub site: Option<String>,
    /// Milliseconds since the daemon started.
    pub running: u64,
    /// The clock.
    pub clock: ClockLine,
    /// The policy in force.
    pub policy: PolicyLine,
    /// The candidate policy that is judged beside it, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<ShadowLine>,
    /// Each conduit.
    pub conduits: Vec<ConduitLine>,
    /// Each listener.
    pub listeners: Vec<ListenerLine>,
    /// Each asset.
    pub assets: Vec<AssetLine>,
    /// Open connections.
    pub sessions: u64,
    /// Requests allowed since the start.
    pub allowed: u64,
    /// Requests refused since the start; in `observe`, those that enforce would refuse.
    pub refused: u64,
    /// TLS handshakes that came to nothing since the start.
    pub handshakes: u64,
    /// What identity rests on here, honestly.
    pub identity: String,
    /// Subjects that may not act, with their life.
    pub revoked: Vec<(SubjectId, Life)>,
    /// The journal.
    pub journal: JournalLine,
    /// The store.
    pub store: StoreLine,
    /// The keys.
    pub keys: KeysLine,
    /// The gateway's own CA; none before `ca init`.
    #[serde(default)]
    pub authority: Option<Box<AuthorityLine>>,
    /// The cloud identity service: `none configured`.
    pub cloud: String,
}

/// The clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockLine {
    /// What it shows.
    pub wall: UnixMs,
    /// What it is worth.
    pub trust: ClockTrust,
    /// Milliseconds run in all lives.
    pub ran: u64,
}

/// The policy in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyLine {
    /// The plant's name; empty when no policy is in force.
    pub plant: String,
    /// SHA-256 of its text.
    pub hash: Sha256,
    /// The world's generation.
    pub generation: u64,
    /// The IANA name of the plant's time zone.
    pub timezone: Option<String>,
}

/// One conduit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConduitLine {
    /// Its name.
    pub conduit: ConduitId,
    /// Where it starts, a zone or `remote:NAME`.
    pub from: String,
    /// Where it leads.
    pub to: ZoneId,
    /// What it does now.
    pub mode: Mode,
    /// What the policy says; another word means a local override.
    pub policy_mode: Mode,
    /// Seconds that it is still watched.
    pub watch: Option<u64>,
    /// Whether anything listens for it: remote conduits have no door yet.
    pub served: bool,
    /// Records survive a power cut (`durable`), or 50 ms may be lost (`written`).
    pub record: String,
}

/// One listener.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListenerLine {
    /// Its address.
    pub at: SocketAddr,
    /// The asset that it stands for.
    pub asset: AssetId,
    /// Modbus/TCP Security is spoken there.
    pub tls: bool,
    /// TLS is spoken there, and this gateway has no certificate yet: every connection is closed.
    pub blank: bool,
    /// Why it does not listen.
    pub trouble: Option<String>,
}

/// Whether a device answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AssetState {
    /// Nobody has asked it yet.
    #[default]
    Idle,
    /// It answered the last time.
    Up,
    /// It did not answer the last time.
    Down,
}

/// One asset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AssetLine {
    /// Its name.
    pub asset: AssetId,
    /// Where it is.
    pub connect: SocketAddr,
    /// Whether it answers.
    pub state: AssetState,
    /// Milliseconds that it has been down.
    pub down_for: Option<u64>,
}

/// The journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JournalLine {
    /// The newest record made.
    pub seq: Seq,
    /// The newest record that a power cut cannot take.
    pub durable: Seq,
    /// `stalled`, `full`, `read-only` or `failed`, while there is trouble.
    pub trouble: Option<String>,
    /// Writes that went on before their record was durable.
    pub late: u64,
    /// Records that could not be kept.
    pub lost: u64,
    /// Bytes on the disk.
    pub bytes: u64,
    /// The most bytes that it may take.
    pub max: u64,
}

/// The store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreLine {
    /// Why it does not work, or what happened to it.
    pub trouble: Option<String>,
}

/// The keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeysLine {
    /// `software` or `tpm`.
    pub kind: String,
    /// The checkpoint key's id.
    pub id: String,
}

/// One subject.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubjectLine {
    /// Its name.
    pub subject: SubjectId,
    /// Its zone.
    pub zone: Option<ZoneId>,
    /// How it shows who it is: `address`, `certificate`, `token`, `session-grant`; empty when the policy names it no more.
    pub proof: String,
    /// What that is worth at best.
    pub assurance: Assurance,
    /// Its role.
    pub role: Option<Role>,
    /// Its life.
    pub life: Life,
    /// Its open connections.
    pub sessions: u32,
}

/// Certificates in one answer.
pub(super) const CERTIFICATES: usize = 1_000;

/// The gateway's own CA.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthorityLine {
    /// Its name.
    pub name: String,
    /// The root above it; none when it has signed itself.
    pub root: Option<String>,
    /// Valid from.
    pub not_before: UnixMs,
    /// The first end in its chain.
    pub not_after: UnixMs,
    /// Its certificate and what leads to its root, PEM; empty in `status`.
    pub pem: String,
    /// Certificates in force.
    pub certificates: u64,
    /// Certificates on its newest list.
    pub taken_back: u64,
    /// The next end of a subject's newest certificate.
    pub next_end: Option<UnixMs>,
    /// Whose.
    pub next: Option<SubjectId>,
    /// What is wrong.
    pub trouble: Option<String>,
}

/// A certificate that may leave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateAnswer {
    /// What it says.
    pub line: CertificateLine,
    /// The kind of its key.
    pub kind: String,
    /// The key was registered with it.
    pub registered: bool,
    /// The life of the subject.
    pub life: Life,
    /// It and what leads to its root, PEM.
    pub pem: String,
}

/// One certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateLine {
    /// Its serial number, in upper-case hex.
    pub serial: String,
    /// Whose; none for the gateway's own leaf.
    pub subject: Option<SubjectId>,
    /// SHA-256 of the `SubjectPublicKeyInfo` in it.
    pub spki: Sha256,
    /// The Modbus role in it.
    pub role: Option<Role>,
    /// Valid from.
    pub not_before: UnixMs,
    /// Valid to.
    pub not_after: UnixMs,
    /// When it was taken back.
    pub revoked: Option<UnixMs>,
}
