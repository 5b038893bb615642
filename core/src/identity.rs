//! Who acts, and what shows it: subjects, proofs, the evidence of a session, and the registry of lives.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::digest::Sha256;
use crate::moment::{RanMs, UnixMs};
use crate::names::{GrantId, RemoteName, Role, SubjectId, ZoneId};

mod registry;
pub mod sheet;

pub use registry::{
    ADDRESSES_EACH, Credential, Edit, KEYS_EACH, Life, MAX_KEYS, MAX_SUBJECTS, Registry, RegistryError,
};

/// What evidence is worth, 0 (nothing) to 3 (certificate, bound token, signed command).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Assurance(pub u8);

impl Assurance {
    /// No proof.
    pub const NONE: Self = Self(0);
    /// An address, with or without MAC.
    pub const ADDRESS: Self = Self(1);
    /// A session grant, bearer token or shared key.
    pub const PERSON: Self = Self(2);
    /// A certificate, bound token or signed command.
    pub const KEY: Self = Self(3);
}

/// A hardware address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac(pub [u8; 6]);

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            write!(f, "{}{byte:02x}", if index == 0 { "" } else { ":" })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mac({self})")
    }
}

/// The text is not six hex pairs with colons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not six hex pairs with colons, such as 02:1f:5a:00:10:31")]
pub struct NotAMac;

impl FromStr for Mac {
    type Err = NotAMac;

    fn from_str(text: &str) -> Result<Self, NotAMac> {
        let mut out = [0; 6];
        let mut parts = text.split(':');
        for byte in &mut out {
            let part = parts.next().filter(|part| part.len() == 2 && part.bytes().all(|b| b.is_ascii_hexdigit()));
            *byte = part.and_then(|part| u8::from_str_radix(part, 16).ok()).ok_or(NotAMac)?;
        }
        if parts.next().is_some() { Err(NotAMac) } else { Ok(Self(out)) }
    }
}

impl Serialize for Mac {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Mac {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What is known about a subject or about the plant at this moment: the one closed list of keys of claims and facts
/// (`notes: Batch decisions`). A missing value makes every condition on it false.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Attributes {
    /// `plant mode is X`.
    #[serde(rename = "plant mode", skip_serializing_if = "Option::is_none")]
    pub plant_mode: Option<Arc<str>>,
    /// `work order open`.
    #[serde(rename = "work order", skip_serializing_if = "Option::is_none")]
    pub work_order: Option<bool>,
    /// `second factor`.
    #[serde(rename = "second factor", skip_serializing_if = "Option::is_none")]
    pub second_factor: Option<bool>,
    /// `line is X`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<Arc<str>>,
    /// `location is X`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<Arc<str>>,
    /// The shift that the subject belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shift: Option<Arc<str>>,
    /// When the person logged in, for `logged in within N minutes`.
    #[serde(rename = "logged in", skip_serializing_if = "Option::is_none")]
    pub logged_in: Option<UnixMs>,
}

/// Who acts, as established by the best proof of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Its name.
    pub id: SubjectId,
    /// The roles that count: those of the naming proof, cut to what the policy declares.
    pub roles: BTreeSet<Role>,
    /// Its zone.
    pub home: ZoneId,
    /// On whose behalf, where somebody acts for somebody else.
    pub actor: Option<SubjectId>,
    /// What is known about it.
    pub attributes: Attributes,
}

/// A time-boxed right of one subject, opened by a person (session grant) or issued as a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Its number.
    pub id: GrantId,
    /// For whom.
    pub subject: SubjectId,
    /// The role that opened it, whose rights it adds.
    pub by: Role,
    /// The end by the wall clock, overlap included: ended when `at >= ends`.
    pub ends: UnixMs,
    /// The end by time run, whatever any clock says.
    pub ends_ran: Option<RanMs>,
}

/// One showing of a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// Where it comes from.
    Address {
        /// The source address.
        ip: IpAddr,
        /// Its neighbour's hardware address, where the path is not routed.
        mac: Option<Mac>,
    },
    /// A client certificate, matched by the hash of its public key and never by its name.
    Certificate {
        /// SHA-256 of the subject public key info.
        spki: Sha256,
        /// The Modbus role extension, when there is exactly one good one.
        role: Option<Role>,
        /// The beginning of its validity: under a doubtful clock one may be let in whose time has not come.
        not_before: UnixMs,
        /// The end of its validity.
        not_after: UnixMs,
    },
    /// A verified token of ours.
    Token {
        /// For whom.
        subject: SubjectId,
        /// The roles it carries.
        roles: BTreeSet<Role>,
        /// Its verified claims.
        claims: Attributes,
        /// The key it is bound to.
        bound_to: Option<Sha256>,
        /// Its end.
        expires: Option<UnixMs>,
    },
    /// An open session grant.
    SessionGrant {
        /// The grant.
        grant: Arc<Grant>,
    },
}

/// A site approval of a remote conduit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// The role that approved.
    pub by: Role,
    /// When.
    pub at: UnixMs,
}

/// All proofs of a session, and where they were shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The local address that was dialled: it selects zone and asset.
    pub listener: SocketAddr,
    /// Where the bytes come from.
    pub source: IpAddr,
    /// The remote end, for conduits `from = "remote:NAME"`.
    pub remote: Option<RemoteName>,
    /// Site approvals that are at hand.
    pub approvals: Vec<Approval>,
    /// The proofs shown so far.
    pub proofs: Vec<Proof>,
}
