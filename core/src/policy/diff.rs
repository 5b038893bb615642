//! What a new policy gives and takes: who may do what on which point, before and after. Exact, because every set in a policy
//! is finite: addresses are cut into intervals, functions into codes, and each is compared with its terms.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use super::Policy;
use crate::names::{AssetId, PointName, SubjectId};

pub(super) mod rights;
mod settings;

/// All differences between two policies.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Diff {
    /// Rights that the new policy adds.
    pub gained: Vec<Right>,
    /// Rights that it takes away.
    pub lost: Vec<Right>,
    /// Rights whose terms differ: conditions, limits, values.
    pub changed: Vec<Right>,
    /// Everything else that bears on decisions: modes, calendars, addresses.
    pub settings: Vec<Setting>,
}

/// One right of one subject.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Right {
    /// Who.
    pub subject: SubjectId,
    /// On what.
    pub asset: AssetId,
    /// `read`, `write`, `broadcast`, or a function as the policy writes it.
    pub verb: String,
    /// The point, by the newer name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub point: Option<PointName>,
    /// The addresses, such as `holding 100-101`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub addresses: Option<String>,
    /// The alternatives under which the old policy allows it; empty where it does not.
    pub before: BTreeSet<String>,
    /// The alternatives under which the new one does.
    pub after: BTreeSet<String>,
}

/// A setting that differs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Setting {
    /// Which, such as `conduits.scada-to-filling.mode`.
    pub what: String,
    /// Before; none where it is new.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// After; none where it is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// Compares two policies.
pub fn diff(old: &Policy, new: &Policy) -> Diff {
    let mut diff = Diff { settings: settings::compare(old, new), ..Diff::default() };
    for right in rights::compare(old, new) {
        match (right.before.is_empty(), right.after.is_empty()) {
            (true, true) => {}
            (true, false) => diff.gained.push(right),
            (false, true) => diff.lost.push(right),
            (false, false) if right.before == right.after => {}
            (false, false) => diff.changed.push(right),
        }
    }
    diff
}

impl Diff {
    /// True when the two policies decide alike.
    pub fn is_empty(&self) -> bool {
        self.gained.is_empty() && self.lost.is_empty() && self.changed.is_empty() && self.settings.is_empty()
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.subject, self.verb, self.asset)?;
        if let Some(point) = &self.point {
            write!(f, "/{point}")?;
        }
        match &self.addresses {
            Some(addresses) => write!(f, " ({addresses})"),
            None => Ok(()),
        }
    }
}

impl Diff {
    /// Each difference in a line: `+` gained, `-` lost, `~` under other terms.
    pub fn lines(&self) -> Vec<String> {
        let or = |terms: &BTreeSet<String>| terms.iter().map(String::as_str).collect::<Vec<_>>().join(" | ");
        let gained = self.gained.iter().map(|right| format!("+ {right}: {}", or(&right.after)));
        let lost = self.lost.iter().map(|right| format!("- {right}"));
        let changed =
            self.changed.iter().map(|right| format!("~ {right}: {} -> {}", or(&right.before), or(&right.after)));
        let settings = self.settings.iter().map(|setting| match (&setting.before, &setting.after) {
            (Some(before), Some(after)) => format!("~ {}: {before} -> {after}", setting.what),
            (None, Some(after)) => format!("+ {}: {after}", setting.what),
            (Some(before), None) => format!("- {}: {before}", setting.what),
            (None, None) => setting.what.clone(),
        });
        gained.chain(lost).chain(changed).chain(settings).collect()
    }
}

impl fmt::Display for Diff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() { f.write_str("no difference") } else { f.write_str(&self.lines().join("\n")) }
    }
}

#[cfg(test)]
mod tests;
