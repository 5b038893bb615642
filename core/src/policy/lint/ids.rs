//! The findings' stable ids. A site accepts a finding by its id, so an id is never reused or renamed.

use crate::policy::problem::Severity;

/// `condition-unknown`.
pub(in crate::policy) const CONDITION_UNKNOWN: &str = "condition-unknown";

/// Every id, its severity, and what it says.
pub const ALL: &[(&str, Severity, &str)] = &[
    // What the reader refuses.
    ("syntax", Severity::Error, "the text is not TOML"),
    ("size", Severity::Error, "the text is too large"),
    ("unknown-key", Severity::Error, "a key that the language does not have"),
    ("missing-key", Severity::Error, "a key that has to be there"),
    ("wrong-type", Severity::Error, "a text, number, list or table where another of them belongs"),
    ("empty", Severity::Error, "an empty text or list"),
    ("number", Severity::Error, "a number outside its range"),
    ("word", Severity::Error, "not one of the words that the key takes"),
    ("name", Severity::Error, "a name that rules cannot write"),
    ("twice", Severity::Error, "the same thing twice in one list"),
    ("timezone", Severity::Error, "not an IANA time zone"),
    ("network", Severity::Error, "not an address block"),
    ("address", Severity::Error, "not an address"),
    ("mac", Severity::Error, "not a hardware address"),
    ("duration", Severity::Error, "not a duration"),
    ("listen-syntax", Severity::Error, "not an address and port to listen on"),
    ("connect-syntax", Severity::Error, "not an address of a device"),
    ("point-syntax", Severity::Error, "not a point"),
    ("limit-syntax", Severity::Error, "not a limit"),
    ("shift-hours", Severity::Error, "not hours of a shift"),
    ("shift-days", Severity::Error, "not days of a shift"),
    ("conduit-hours", Severity::Error, "not days and hours of a conduit"),
    ("proof-mix", Severity::Error, "ways of proving that do not go together"),
    ("proof-key", Severity::Error, "a key that does not belong to the subject's way of proving itself"),
    // References.
    ("asset-zone", Severity::Error, "an asset in a zone that is not declared"),
    ("subject-zone", Severity::Error, "a subject in a zone that is not declared"),
    ("conduit-zone", Severity::Error, "a conduit to or from a zone that is not declared"),
    ("profile-unknown", Severity::Error, "a profile that is neither built in nor declared"),
    ("shift-unknown", Severity::Error, "a shift that is not declared"),
    ("role-unknown", Severity::Error, "a role that looks like a mistyped one"),
    ("rule-asset", Severity::Error, "a rule about an asset that is not declared"),
    ("rule-point", Severity::Error, "a rule about a point that the asset does not have"),
    ("rule-right", Severity::Error, "not a right"),
    ("rule-function", Severity::Error, "a function that cannot be granted by its number"),
    (CONDITION_UNKNOWN, Severity::Error, "not a condition"),
    ("condition-unlike", Severity::Error, "a line or location that looks like a mistyped one"),
    ("never-unknown", Severity::Error, "nothing that could be forbidden"),
    ("accept-unknown", Severity::Error, "the acceptance of a finding that does not exist"),
    ("accept-where", Severity::Error, "the acceptance of a finding at an object that does not exist"),
    ("accept-error", Severity::Error, "the acceptance of an error"),
    // What contradicts itself or a law of the plant.
    ("zone-overlap", Severity::Error, "an address would have two zones"),
    ("asset-address", Severity::Error, "an asset outside the networks of its zone"),
    ("asset-listen", Severity::Error, "an asset that no master can reach"),
    ("listen-twice", Severity::Error, "one listener for two assets"),
    ("safe-excluded", Severity::Error, "a safe value outside the values that may be written"),
    ("safe-readonly", Severity::Error, "a safe value or heartbeat in a table that cannot be written"),
    ("safety-write", Severity::Error, "a write to an asset of a safety system"),
    ("rule-end", Severity::Error, "a rule about an asset outside the conduit's zone"),
    ("rule-readonly", Severity::Error, "a write to a table that cannot be written"),
    ("never-safe", Severity::Error, "a never that covers a safe or heartbeat value"),
    ("expiry-local", Severity::Error, "people on site would lose rights at the end of a bundle"),
    ("approval-local", Severity::Error, "an approval on a conduit that is not remote"),
    ("subject-twice", Severity::Error, "two subjects that cannot be told apart"),
    // Blocking until somebody accepts them.
    ("level-proof", Severity::Blocking, "a target level above what the proofs support"),
    ("point-4xxxx", Severity::Blocking, "an address that looks like a 40001 number"),
    // Worth a second look.
    ("point-overlap", Severity::Warning, "points that share addresses; an error where they can be written"),
    ("grant-mac", Severity::Warning, "a session grant without a hardware address"),
    ("grant-long", Severity::Warning, "a session grant of more than eight hours"),
    ("subject-address", Severity::Warning, "a subject's address outside the networks of its zone"),
    ("listen-zone", Severity::Warning, "a listener in no zone: no conduit can start there"),
    ("conduit-empty", Severity::Warning, "a conduit without a rule"),
    ("conduit-twice", Severity::Warning, "two conduits between the same ends with other settings"),
    ("rule-unreachable", Severity::Warning, "a rule for roles that nobody in the zone can have"),
    ("rule-never", Severity::Warning, "a right that a never takes away"),
    ("rule-broad", Severity::Warning, "a right over more than 1000 addresses"),
    ("rule-shadowed", Severity::Warning, "a right that another conduit gives without conditions"),
    ("function-opaque", Severity::Warning, "a function whose data nobody judges"),
    ("limit-unreachable", Severity::Warning, "a limit that never counts anything"),
    ("hours-outside-shift", Severity::Warning, "hours that no shift, or not the shift of the rule, ever meets"),
    ("remote-hours", Severity::Warning, "a remote conduit without hours"),
    ("remote-approval", Severity::Warning, "a remote conduit without approval"),
    ("remote-second-factor", Severity::Warning, "a remote rule without a second factor"),
    ("safe-unreachable", Severity::Warning, "a safe value that nobody may write"),
    ("accept-unused", Severity::Warning, "the acceptance of something that is not found any more"),
    ("accept-expired", Severity::Warning, "an acceptance whose date has passed"),
    // Good to know.
    ("condition-token-only", Severity::Note, "a condition that only a token can make true"),
    ("rule-values", Severity::Note, "a write without value limits"),
    ("rule-token-only", Severity::Note, "a role that only a token can carry"),
    ("rule-duplicate", Severity::Note, "a right that the same role already has: alternatives, not additions"),
    ("point-unused", Severity::Note, "a point that no rule names"),
    ("more", Severity::Note, "more findings than are shown"),
];

/// Whether an id exists.
pub fn is_known(id: &str) -> bool {
    ALL.iter().any(|(known, ..)| *known == id)
}

/// Every id.
pub fn all() -> impl Iterator<Item = &'static str> + Clone {
    ALL.iter().map(|(id, ..)| *id)
}

/// The severity of an id; an error where it is not known.
pub fn severity(id: &str) -> Severity {
    ALL.iter().find(|(known, ..)| *known == id).map_or(Severity::Error, |(_, severity, _)| *severity)
}
