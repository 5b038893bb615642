//! The answer to an access, and the closed lists that reply, metric, log and journal share.

use serde::{Deserialize, Serialize};

use crate::names::RuleId;

/// Allow or deny. Deny is the default, the missing and the error value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// Not allowed.
    #[default]
    Deny,
    /// Allowed.
    Allow,
}

/// Why something was refused. Closed: a new reason is a variant, a metric label, a test and a line in the guide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// The bytes are no request.
    Malformed,
    /// The subject was revoked.
    Revoked,
    /// Nobody that the policy knows.
    NoSubject,
    /// No conduit leads from there to the asset.
    NoConduit,
    /// The grant has ended, or none is open.
    Ended,
    /// A `never` rule covers it.
    Never,
    /// No rule names it.
    NoRule,
    /// A rule names it, but not this value or this part of a value.
    Range,
    /// A rule names it, but a condition does not hold.
    Condition,
    /// A rule names it, but a time word is false because the clock is in doubt.
    Clock,
    /// The rule's limit is used up.
    Limit,
    /// The gateway is at a cap.
    Busy,
    /// The record could not be kept.
    Journal,
    /// The asset cannot be reached.
    AssetDown,
    /// The gateway stopped before an answer.
    Abandoned,
}

/// All that a peer may learn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// No.
    Refused,
    /// Not a request.
    Malformed,
    /// Not now.
    Busy,
    /// Nobody there.
    Unavailable,
}

impl Reason {
    /// Every reason, in order.
    pub const ALL: [Self; 15] = [
        Self::Malformed,
        Self::Revoked,
        Self::NoSubject,
        Self::NoConduit,
        Self::Ended,
        Self::Never,
        Self::NoRule,
        Self::Range,
        Self::Condition,
        Self::Clock,
        Self::Limit,
        Self::Busy,
        Self::Journal,
        Self::AssetDown,
        Self::Abandoned,
    ];

    /// What the peer may learn of it.
    pub const fn class(self) -> Class {
        match self {
            Self::Malformed => Class::Malformed,
            Self::Busy | Self::Journal => Class::Busy,
            Self::AssetDown | Self::Abandoned => Class::Unavailable,
            Self::Revoked
            | Self::NoSubject
            | Self::NoConduit
            | Self::Ended
            | Self::Never
            | Self::NoRule
            | Self::Range
            | Self::Condition
            | Self::Clock
            | Self::Limit => Class::Refused,
        }
    }

    /// The name in journal, metric, log and batch answers: lower case with hyphens.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Revoked => "revoked",
            Self::NoSubject => "no-subject",
            Self::NoConduit => "no-conduit",
            Self::Ended => "ended",
            Self::Never => "never",
            Self::NoRule => "no-rule",
            Self::Range => "range",
            Self::Condition => "condition",
            Self::Clock => "clock",
            Self::Limit => "limit",
            Self::Busy => "busy",
            Self::Journal => "journal",
            Self::AssetDown => "asset-down",
            Self::Abandoned => "abandoned",
        }
    }

    /// One sentence for a person.
    pub const fn says(self) -> &'static str {
        match self {
            Self::Malformed => "the bytes are not a valid request",
            Self::Revoked => "the subject is revoked or suspended",
            Self::NoSubject => "the source is no subject that the policy knows in this zone",
            Self::NoConduit => "no conduit leads from this zone to the asset",
            Self::Ended => "the session grant has ended, or none is open",
            Self::Never => "a `never` rule covers it",
            Self::NoRule => "no rule allows it",
            Self::Range => "a rule names it, but not this value, or it is part of a wide value",
            Self::Condition => "a rule names it, but a condition does not hold",
            Self::Clock => "a rule names it, but a time word cannot be trusted while the clock is doubtful",
            Self::Limit => "the rule's limit is used up",
            Self::Busy => "the gateway is at a cap",
            Self::Journal => "the record could not be kept",
            Self::AssetDown => "the asset cannot be reached",
            Self::Abandoned => "the gateway stopped before an answer",
        }
    }
}

/// How surely the record of an access must be kept before it goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Keep {
    /// Counted only.
    #[default]
    Count,
    /// Recorded, and not waited for.
    Later,
    /// On the disk before anything is sent.
    Before,
}

/// What was decided about all accesses of one frame.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// Allow or deny.
    pub effect: Effect,
    /// Why not.
    pub reason: Option<Reason>,
    /// The rule that allowed the first access, or that came nearest; the `never` that refused.
    pub rule: Option<RuleId>,
    /// How surely it must be recorded.
    pub keep: Keep,
    /// Every write of the frame is a declared safe or heartbeat value: it passes queue, disk and limits alike (law 1).
    pub waived: bool,
    /// At least one allowing rule carries a limit: `Table::charges` names the buckets.
    pub limited: bool,
    /// A time word counted as true only because the clock is in doubt and the subject is local (law 2).
    pub doubtful: bool,
}

impl Decision {
    /// A refusal without a rule.
    pub const fn deny(reason: Reason) -> Self {
        Self {
            effect: Effect::Deny,
            reason: Some(reason),
            rule: None,
            keep: Keep::Later,
            waived: false,
            limited: false,
            doubtful: false,
        }
    }

    /// True when everything asked for is allowed.
    pub fn allows(&self) -> bool {
        self.effect == Effect::Allow
    }
}
