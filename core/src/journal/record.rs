//! One line of the journal.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::access::Verb;
use crate::decision::{Effect, Reason};
use crate::digest::Sha256;
use crate::identity::{Assurance, Attributes, Edit, Mac};
use crate::moment::{Moment, RanMs, UnixMs};
use crate::names::{AssetId, ConduitId, Role, RuleId, SubjectId, ZoneId};
use crate::policy::model::Mode;

/// The number of a record, from 1, without gaps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seq(pub u64);

/// One line of the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The version of this shape: 1.
    pub v: u16,
    /// Its number.
    pub seq: Seq,
    /// The digest of the line before, without its newline; zeroes for the first.
    pub previous: Sha256,
    /// When it was made, and what the time is worth.
    pub at: Moment,
    /// What happened.
    pub event: Event,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// Something was asked for and decided.
    Decision(Box<DecisionRecord>),
    /// What became of an allowed request.
    Outcome {
        /// The decision's record.
        of: Seq,
        /// What became of it.
        outcome: Outcome,
        /// The decision's record could not be made durable in time, and the write went on (`on_stall = "continue"`, law 1).
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        late: bool,
    },
    /// The same again, unchanged, so many times.
    Repeated {
        /// The record that it is like.
        like: Seq,
        /// How often.
        count: u64,
    },
    /// Denials of one kind beyond the first ten of a minute.
    Denied {
        /// Who, or from where.
        who: String,
        /// Of what.
        asset: Option<AssetId>,
        /// Why.
        reason: Reason,
        /// How many more.
        count: u64,
    },
    /// A session began or ended.
    Session(SessionRecord),
    /// Something about the gateway itself.
    Gateway(GatewayRecord),
    /// Old segments went; verification starts behind `until`.
    Trimmed {
        /// The last record that is gone.
        until: Seq,
        /// Its digest.
        digest: Sha256,
    },
    /// The head of the chain, signed.
    Checkpoint {
        /// The last record covered.
        seq: Seq,
        /// Its digest.
        digest: Sha256,
        /// The key's id.
        key: String,
        /// The signature over `bulkhead-checkpoint-v1 || seq (8 bytes, big-endian) || digest`, in hex.
        signature: String,
    },
}

/// A decision, with everything that `explain` needs to say why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecisionRecord {
    /// Allow or deny.
    pub effect: Effect,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// What the conduit did with it: in `observe` a denial is an alarm and the bytes passed.
    pub mode: Mode,
    /// Who, if anybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<SubjectId>,
    /// The roles that counted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<Role>,
    /// What the evidence was worth.
    pub assurance: Assurance,
    /// Where the bytes came from.
    pub source: SocketAddr,
    /// The hardware address, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<Mac>,
    /// Where they arrived.
    pub listener: SocketAddr,
    /// The zone of the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<ZoneId>,
    /// The conduit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conduit: Option<ConduitId>,
    /// The asset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asset: Option<AssetId>,
    /// The rule that decided, or that came nearest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<RuleId>,
    /// The policy that decided.
    pub policy: Sha256,
    /// The function code, unit and transaction id of the frame.
    pub frame: FrameRecord,
    /// Each access in wire order.
    pub accesses: Vec<AccessRecord>,
    /// The proofs that the session had shown; none where it was its address alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proofs: Option<Vec<ProofRecord>>,
    /// A time word counted as true although the clock is doubtful (law 2).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub doubtful: bool,
}

/// A proof that a session had shown, as far as a decision depends on it: keys and tokens are not in the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum ProofRecord {
    /// The source address and the hardware address of the record.
    Address,
    /// A certificate of the subject.
    Certificate {
        /// Its role extension, when there was exactly one good one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        role: Option<Role>,
        /// The end of its validity, in milliseconds since 1970 UTC.
        not_after: UnixMs,
    },
    /// A token.
    Token {
        /// For whom.
        subject: SubjectId,
        /// The roles that it carried.
        roles: BTreeSet<Role>,
        /// It was bound to a key.
        bound: bool,
        /// Its end.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires: Option<UnixMs>,
        /// Its claims.
        claims: Attributes,
    },
    /// An open session grant.
    SessionGrant {
        /// For whom.
        subject: SubjectId,
        /// The role that opened it.
        by: Role,
        /// Its end by the wall clock.
        ends: UnixMs,
        /// Its end by time run.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ends_ran: Option<RanMs>,
    },
}

/// The frame that was judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FrameRecord {
    /// The transaction id.
    pub id: u16,
    /// The unit id.
    pub unit: u8,
    /// The function code.
    pub function: u8,
}

/// One access, for people and for replay.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessRecord {
    /// What was done.
    pub verb: Verb,
    /// The points touched; empty when the addresses have no name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub points: Vec<String>,
    /// `holding 100-101`, `coils 16`, `function 8/1`.
    pub target: String,
    /// The last value seen through the gateway, register by register, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Vec<u16>>,
    /// How old that was, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_age: Option<u64>,
    /// The value to be written, register by register (coils as 0 and 1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new: Option<Vec<u16>>,
    /// The AND and the OR mask of a mask write (function 22), whose new value the wire does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask: Option<[u16; 2]>,
}

/// What became of an allowed request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The device answered.
    Applied,
    /// The device answered with this exception.
    Refused(u32),
    /// The device did not answer in time.
    NoAnswer,
    /// Nothing was sent.
    NotSent(Reason),
    /// It was sent, and nobody knows.
    Unknown,
}

/// A session began or ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionRecord {
    /// What happened.
    pub what: SessionEvent,
    /// Who, if anybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<SubjectId>,
    /// From where.
    pub source: SocketAddr,
    /// To where.
    pub listener: SocketAddr,
    /// What the evidence is worth.
    pub assurance: Assurance,
    /// SHA-256 of the public key of the certificate that was shown, where one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Sha256>,
    /// The serial number of that certificate, in hex; where it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
}

/// What happened to a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SessionEvent {
    /// It began.
    Opened,
    /// It was not let in.
    Refused(Reason),
    /// It ended by itself.
    Closed,
    /// It was cut.
    Cut,
    /// It was closed for malformed bytes.
    Malformed,
    /// It was closed for being slow.
    TimedOut,
    /// It never began: the TLS handshake came to nothing.
    Handshake(HandshakeFailure),
}

/// Why a TLS handshake came to nothing. The peer gets the alert that the standard has for it, never this word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HandshakeFailure {
    /// The client showed no certificate.
    NoCertificate,
    /// Nobody whom this gateway believes has signed it.
    UnknownIssuer,
    /// Its end has come.
    Expired,
    /// Its beginning has not come.
    NotYetValid,
    /// It is not for clients.
    WrongUsage,
    /// Its issuer has taken it back.
    Revoked,
    /// A signature is wrong, or of a kind that is not accepted.
    Signature,
    /// No TLS, or none as the standard has it.
    Malformed,
    /// Nothing from TLS 1.2 up is offered.
    Version,
    /// No cipher suite or group in common.
    Cipher,
    /// The client does not believe this gateway, or ended the handshake for a reason of its own.
    Untrusted,
    /// It was not over in time.
    TimedOut,
    /// The client went.
    Closed,
    /// Too many are under way.
    Busy,
    /// This gateway has no certificate, or none that can be used.
    NoMaterial,
}

impl HandshakeFailure {
    /// In words, for people.
    pub const fn says(self) -> &'static str {
        match self {
            Self::NoCertificate => "the client showed no certificate",
            Self::UnknownIssuer => "its certificate is signed by nobody whom this gateway believes",
            Self::Expired => "its certificate is over",
            Self::NotYetValid => "its certificate is not valid yet",
            Self::WrongUsage => "its certificate is not for clients",
            Self::Revoked => "its certificate was revoked by its issuer",
            Self::Signature => "a signature of it is wrong or of a kind that is not accepted",
            Self::Malformed => "what it sent is no TLS",
            Self::Version => "it offers nothing from TLS 1.2 up",
            Self::Cipher => "no cipher suite or group in common",
            Self::Untrusted => "the client ended it: it may not believe this gateway's certificate",
            Self::TimedOut => "it was not over in time",
            Self::Closed => "the client went",
            Self::Busy => "too many are under way",
            Self::NoMaterial => "this gateway has no certificate that it can use; `bulkhead ca init` makes one",
        }
    }
}

/// Something about the gateway itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GatewayRecord {
    /// A life began.
    Started {
        /// The product's version.
        version: String,
        /// The policy in force.
        policy: Sha256,
        /// Where the policy came from.
        file: String,
        /// The journal ended in the middle of a line or of a group: so many bytes were cut.
        cut: u64,
    },
    /// A life ended in order.
    Stopped,
    /// Another policy is in force.
    Policy {
        /// The one before.
        from: Sha256,
        /// The one now.
        to: Sha256,
    },
    /// A policy was offered and refused.
    PolicyRefused {
        /// Its digest.
        policy: Sha256,
        /// How many problems it has.
        problems: u32,
        /// The first of them.
        first: String,
    },
    /// A candidate policy is judged beside the one in force; nothing that it says changes anything.
    ShadowStarted {
        /// The candidate.
        policy: Sha256,
        /// The one in force.
        against: Sha256,
        /// For so many seconds at most.
        seconds: u64,
        /// Who ordered it: `uid N`.
        by: String,
    },
    /// A candidate goes on to be judged after a restart, or after another policy came in force. The counts begin anew.
    ShadowGoesOn {
        /// The candidate.
        policy: Sha256,
        /// The one in force now.
        against: Sha256,
        /// For so many seconds at most.
        seconds: u64,
    },
    /// A candidate policy is judged no longer, or against another one from now on.
    ShadowEnded {
        /// The candidate.
        policy: Sha256,
        /// The one that it was compared with.
        against: Sha256,
        /// Why: `uid N`, `time`, `activated`, `replaced`, `policy`, `stop`.
        why: String,
        /// Requests judged by both.
        judged: u64,
        /// Requests of which something would be lost.
        lost: u64,
        /// Requests of which something would be gained.
        gained: u64,
        /// Requests under another limit.
        terms: u64,
        /// Distinct differences, by subject, operation and point.
        lines: u64,
        /// Occurrences beyond the most that are listed.
        left_out: u64,
    },
    /// A local override of a conduit's mode.
    Mode {
        /// The conduit.
        conduit: ConduitId,
        /// What it does now.
        mode: Mode,
        /// Who ordered it: `uid N`, or `watch`.
        by: String,
    },
    /// A subject may not act any more.
    Revoked {
        /// Who.
        subject: SubjectId,
        /// Who ordered it.
        by: String,
        /// How many sessions were cut.
        cut: u32,
    },
    /// The registry was changed: names, lives, credentials. A long import is several records, and one commit of their rows.
    Registry {
        /// What was changed, in order.
        edits: Vec<Edit>,
        /// Who ordered it.
        by: String,
        /// How many sessions were cut.
        #[serde(default)]
        cut: u32,
    },
    /// The gateway's own CA was made, or a plant CA has signed it.
    Authority {
        /// The SHA-256 of its key's `SubjectPublicKeyInfo`.
        spki: Sha256,
        /// Its end.
        not_after: UnixMs,
        /// The name of the root above it; none when it has signed itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        root: Option<String>,
        /// Who ordered it.
        by: String,
    },
    /// The gateway's own CA issues a certificate.
    Certificate {
        /// Its serial number, in upper-case hex; never used before or after.
        serial: String,
        /// Whose; none for the gateway's own leaf.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        subject: Option<SubjectId>,
        /// The SHA-256 of its key's `SubjectPublicKeyInfo`.
        spki: Sha256,
        /// The Modbus role in it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        role: Option<Role>,
        /// Valid from.
        not_before: UnixMs,
        /// Valid to.
        not_after: UnixMs,
        /// Who ordered it: `uid N`, or `gateway`.
        by: String,
    },
    /// The gateway's own CA says which certificates were taken back (CRL).
    List {
        /// The list's number.
        number: u64,
        /// Certificates on it.
        count: u32,
        /// The first of those that are new on it, by serial number.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        revoked: Vec<String>,
        /// Who ordered it: `uid N`, or `gateway`.
        by: String,
    },
    /// A request whose record is here and whose row is missing: it was never answered.
    Abandoned {
        /// Its record.
        of: Seq,
    },
    /// The journal's disk is in trouble, or well again.
    Disk {
        /// `stalled`, `full`, `read-only`, `failed`, `ok`.
        state: String,
        /// Records that could not be kept meanwhile.
        lost: u64,
    },
    /// Something that a person should look at.
    Alarm {
        /// A stable word: `function-scan`, `reconnaissance`, `malformed`, `unsolicited-reply`, `store-restored`, ...
        what: String,
        /// From where.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        source: Option<IpAddr>,
        /// On what.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        asset: Option<AssetId>,
        /// In words.
        text: String,
    },
}
