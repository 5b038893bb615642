//! What is wrong with a policy, said so that a tired person can mend it: place, text, suggestion.

use std::fmt;

use serde::Serialize;

/// A place in the policy file, counted from 1 as editors do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// The line.
    pub line: u32,
    /// The column, in characters.
    pub column: u32,
}

/// Why a policy does not load.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// The finding's stable id, such as `rule-point`, or `syntax`.
    pub id: &'static str,
    /// The object, such as `conduits.scada-to-filling.allow[2]`.
    pub object: String,
    /// What is wrong, with the offending text in backticks.
    pub message: String,
    /// What to write instead, where that can be said.
    pub help: Option<String>,
}

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Good to know.
    Note,
    /// Worth a second look; may be accepted.
    Warning,
    /// Was blocking or a warning, and somebody answers for it in `[[accept]]`.
    Accepted,
    /// Does not load until somebody accepts it.
    Blocking,
    /// Does not load.
    Error,
}

/// Something that the static analysis says about a policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// What it is about.
    #[serde(flatten)]
    pub problem: Problem,
}

/// A policy that may be used, and what lint says about it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The policy.
    pub policy: super::Policy,
    /// Notes, warnings and accepted findings.
    pub findings: Vec<Finding>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} [{}]", self.place, self.message, self.id)?;
        if !self.object.is_empty() {
            write!(f, " in {}", self.object)?;
        }
        match &self.help {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}
