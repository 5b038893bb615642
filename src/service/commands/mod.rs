//! The one verb set of the gateway, and what it answers. The command line reaches it over the local door; the admin API
//! and signed commands will reach the same one. Shapes only: `run` carries them out.

mod answer;
mod authority;
mod devices;
mod run;
mod watch;

use bulkhead_core::identity::{Credential, Life};
use bulkhead_core::names::{AssetId, ConduitId, SubjectId};
use bulkhead_core::policy::explain::By as ShownBy;
use serde::{Deserialize, Serialize};

use crate::net::Later;

pub use answer::{
    Answer, AssetLine, AssetState, AuthorityLine, CertificateAnswer, CertificateLine, ClockLine, ConduitLine,
    Explained, JournalLine, KeysLine, ListenerLine, PolicyLine, ShadowLine, ShadowSeen, Status, StoreLine, SubjectLine,
    Tried,
};
pub use devices::{DEVICES, DeviceChanged, DeviceLine, Imported};
pub use run::{About, Desk, Premises};

/// The version of the shapes below. A gateway and a command line that differ say so instead of guessing.
pub const VERSION: u16 = 1;

/// The longest line in either direction, in bytes. A policy of 2,000 rules has a quarter of it.
pub const MAX_LINE: usize = 1 << 20;

/// The shortest and the longest `--watch`, in seconds.
pub const WATCH: std::ops::RangeInclusive<u64> = 10..=86_400;

/// The shortest and the longest `policy shadow --for`, in seconds.
pub const SHADOW: std::ops::RangeInclusive<u64> = 10..=2_592_000;

/// One order or question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub enum Command {
    /// What the gateway does now.
    Status,
    /// Everybody that the policy names.
    SubjectList,
    /// Takes all rights from a subject, for good.
    SubjectRevoke {
        /// Who.
        subject: SubjectId,
    },
    /// Registers a name, or gives a registered one more credentials.
    DeviceAdd {
        /// Who.
        subject: SubjectId,
        /// A new name begins so: `active`, or `registered` (known, and may do nothing yet).
        life: Life,
        /// What it shows itself by, besides what it has.
        credentials: Vec<Credential>,
    },
    /// The names of the registry, in order.
    DeviceList {
        /// Those behind this one.
        after: Option<SubjectId>,
    },
    /// One name.
    DeviceShow {
        /// Who.
        subject: SubjectId,
    },
    /// Takes all rights from a subject until it is resumed, and cuts its connections.
    DeviceSuspend {
        /// Who.
        subject: SubjectId,
    },
    /// Lets a suspended or registered subject act.
    DeviceResume {
        /// Who.
        subject: SubjectId,
    },
    /// Takes a credential from a subject. A key never comes back.
    DeviceRemove {
        /// From whom.
        subject: SubjectId,
        /// Which.
        credential: Credential,
    },
    /// Makes the registry hold what a sheet says besides what it holds: all of it or nothing.
    DeviceImport {
        /// The whole sheet, comma-separated values.
        text: String,
        /// Says what would change, and changes nothing.
        dry_run: bool,
    },
    /// Makes the gateway's own CA.
    CaInit {
        /// Its name.
        name: Option<String>,
    },
    /// The request by which a plant CA signs it.
    CaRequest,
    /// Takes in what a plant CA has made of the request.
    CaInstall {
        /// The chain, PEM.
        pem: String,
    },
    /// What the CA is.
    CaShow,
    /// Issues a certificate.
    CaSign {
        /// To whom.
        subject: SubjectId,
        /// Its request, PEM.
        request: String,
        /// For how many days.
        days: Option<u32>,
    },
    /// The newest list of what was taken back.
    CaList,
    /// Certificates that were issued.
    CaCertificates {
        /// To whom; to anybody unless set.
        subject: Option<SubjectId>,
    },
    /// Takes one certificate back.
    CaRetire {
        /// Its serial number, hex.
        serial: String,
    },
    /// Every byte of a conduit passes.
    Observe {
        /// Which.
        conduit: ConduitId,
    },
    /// The refusals of a conduit count.
    Enforce {
        /// Which.
        conduit: ConduitId,
        /// For so many seconds it is watched, and goes back to `observe` by itself.
        watch: Option<u64>,
    },
    /// Puts a policy in force.
    PolicyActivate {
        /// Where it came from, for the record.
        name: String,
        /// The whole file.
        text: String,
    },
    /// Says what putting a policy in force would change, and changes nothing.
    PolicyTry {
        /// The whole file.
        text: String,
    },
    /// Judges a candidate policy beside the one in force, on the same traffic. Nothing that it says changes anything.
    PolicyShadow {
        /// Where it came from, for the screen.
        name: String,
        /// The whole file.
        text: String,
        /// For so many seconds.
        seconds: u64,
    },
    /// What the candidate would have decided otherwise so far.
    ShadowShow,
    /// Judges the candidate no longer.
    ShadowStop,
    /// Asks the world in force, without recording.
    ExplainLive {
        /// Who asks.
        subject: SubjectId,
        /// Of what.
        asset: AssetId,
        /// What, in the words of the policy.
        words: String,
        /// The proof that it is taken to show.
        #[serde(default)]
        by: Option<ShownBy>,
    },
}

/// A line from the command line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// [`VERSION`].
    pub v: u16,
    /// What is asked.
    pub order: Command,
}

/// A line from the gateway.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reply {
    /// [`VERSION`].
    pub v: u16,
    /// What is answered.
    pub answer: Result<Answer, Refusal>,
}

impl Reply {
    /// Of this version.
    pub fn new(answer: Result<Answer, Refusal>) -> Self {
        Self { v: VERSION, answer }
    }
}

/// Whose fault it is that an order was not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefusalKind {
    /// The line is no order of this version.
    Malformed,
    /// The caller may not give orders.
    Forbidden,
    /// There is no such thing, or it cannot be done in this state.
    Refused,
    /// The policy has problems.
    Policy,
    /// Not now.
    Busy,
    /// Our fault, or the machine's.
    Internal,
}

/// Why an order was not carried out: cause, place and next step, as everywhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{cause}")]
#[serde(deny_unknown_fields)]
pub struct Refusal {
    /// Whose fault it is.
    pub kind: RefusalKind,
    /// What is wrong and where.
    pub cause: String,
    /// What to do now.
    pub next: String,
    /// Every problem of a policy, as `LINE:COLUMN: message [id]; help`. At most 100.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
}

impl Refusal {
    /// Without problems.
    pub fn new(kind: RefusalKind, cause: impl Into<String>, next: impl Into<String>) -> Self {
        Self { kind, cause: cause.into(), next: next.into(), problems: Vec::new() }
    }
}

/// Who gives an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// A user of this machine, by the kernel's word.
    Uid(u32),
    /// A signal to the daemon.
    Signal,
    /// The watcher of `enforce --watch`.
    Watch,
}

impl std::fmt::Display for By {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Uid(uid) => write!(f, "uid {uid}"),
            Self::Signal => f.write_str("signal"),
            Self::Watch => f.write_str("watch"),
        }
    }
}

/// Carries orders out. An implementation journals first, then changes, then answers.
pub trait Carry: std::fmt::Debug + Send + Sync {
    /// Carries out one order. The future is run to its end, whether anybody waits for the answer or not.
    fn carry(self: std::sync::Arc<Self>, order: Command, by: By) -> Later<'static, Result<Answer, Refusal>>;
}
