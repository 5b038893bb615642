//! From text to the checked [`Policy`]: syntax, then shape and words with every reference resolved, then lint.
//!
//! Everything that is wrong is said in one run. What cannot be read is left out of the model that lint sees, and what only
//! follows from it is not said again.

mod assets;
mod conduits;
mod never;
mod plant;
mod roles;
mod subjects;

use std::collections::{BTreeMap, BTreeSet};

use toml::de::DeTable;

use super::model::Policy;
use super::problem::{Finding, Loaded, Problem, Severity};
use super::report::Report;
use super::tree::{Section, Text};
use super::words::Wrong;
use super::{lint, suggest, syntax};
use crate::digest::Sha256;
use roles::Roles;

/// The largest policy that is read. The journal's and the store's limits are far above what this can describe.
pub const MAX_BYTES: usize = 4 << 20;

/// A policy as far as it could be read, and all that is wrong with it.
#[derive(Clone, Debug)]
pub struct Checked {
    /// What could be read; to be used only when nothing blocks.
    pub policy: Policy,
    /// Every finding, in file order.
    pub findings: Vec<Finding>,
}

impl Checked {
    /// The findings that keep it from loading.
    pub fn blocking(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.severity >= Severity::Blocking)
    }
}

/// Reads and checks a policy.
///
/// # Errors
/// Every problem that keeps it from loading, in file order: mistakes, and blocking findings that nobody has accepted.
pub fn load(text: &str) -> Result<Loaded, Vec<Problem>> {
    let checked = check(text);
    let problems: Vec<Problem> = checked.blocking().map(|finding| finding.problem.clone()).collect();
    if problems.is_empty() { Ok(Loaded { policy: checked.policy, findings: checked.findings }) } else { Err(problems) }
}

/// Reads a policy and says everything about it: problems, warnings and notes together, also when it does not load.
pub fn check(text: &str) -> Checked {
    let mut out = Report::new(text);
    let mut policy = Policy { hash: Sha256::of(text.as_bytes()), ..Policy::default() };
    if text.len() > MAX_BYTES {
        let message = format!("the policy has `{}` bytes", text.len());
        out.error("size", "", 0, message, Some(format!("at most {MAX_BYTES} are read")));
        return Checked { policy, findings: out.into_findings() };
    }
    let (document, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        read(document.get_ref(), &mut policy, &mut out);
        lint::run(&policy, &mut out);
    } else {
        syntax::report(&errors, &mut out);
    }
    Checked { policy, findings: out.into_findings() }
}

fn read<'a>(document: &'a DeTable<'a>, policy: &mut Policy, out: &mut Report<'_>) {
    let names = Names::of(document);
    let mut roles = Roles::default();
    let mut root = Section::root(document);
    root.require("plant", "[plant]");
    if let Some(section) = root.table("plant", out) {
        policy.plant = plant::plant(section, out);
    }
    for section in root.named("shifts", out) {
        let name = section.name.value.into();
        policy.shifts.extend(plant::shift(section, out).map(|shift| (name, shift)));
    }
    for section in root.named("zones", out) {
        let name = section.name.value.into();
        policy.zones.insert(name, plant::zone(section, out));
    }
    let profiles = assets::profiles(root.named("profiles", out), out);
    for section in root.named("assets", out) {
        let name = section.name.value.into();
        policy.assets.extend(assets::asset(section, &names, &profiles, out).map(|asset| (name, asset)));
    }
    for section in root.named("subjects", out) {
        let name = section.name.value.into();
        policy.subjects.extend(subjects::subject(section, &names, &mut roles, out).map(|subject| (name, subject)));
    }
    let zones = std::mem::take(&mut policy.zones);
    for section in root.named("conduits", out) {
        let name = section.name.value.into();
        policy
            .conduits
            .extend(conduits::conduit(section, &names, &zones, &mut roles, out).map(|conduit| (name, conduit)));
    }
    policy.zones = zones;
    for section in root.list("never", out) {
        policy.never.push(never::never(section, &names, out));
    }
    for section in root.list("accept", out) {
        policy.accepts.extend(never::accept(section, out));
    }
    root.finish(out);
    roles.check(out);
}

/// Every name that something can refer to, also of things that have mistakes of their own.
#[derive(Debug, Default)]
struct Names<'a> {
    zones: BTreeSet<&'a str>,
    shifts: BTreeSet<&'a str>,
    assets: BTreeSet<&'a str>,
    points: BTreeMap<&'a str, BTreeSet<&'a str>>,
    remotes: BTreeSet<&'a str>,
}

impl<'a> Names<'a> {
    fn of(document: &'a DeTable<'a>) -> Self {
        let table = |key: &str| document.get(key).and_then(|value| value.get_ref().as_table());
        let keys = |table: Option<&'a DeTable<'a>>| {
            table.into_iter().flatten().map(|(key, _)| key.get_ref().as_ref()).collect::<BTreeSet<&'a str>>()
        };
        let assets = table("assets").into_iter().flatten().map(|(name, asset)| {
            let points = asset.get_ref().as_table().and_then(|asset| asset.get("points")?.get_ref().as_table());
            (name.get_ref().as_ref(), keys(points))
        });
        let from = |conduit: &'a DeTable<'a>| conduit.get("from")?.get_ref().as_str()?.strip_prefix("remote:");
        let conduits = table("conduits").into_iter().flatten();
        Self {
            zones: keys(table("zones")),
            shifts: keys(table("shifts")),
            assets: keys(table("assets")),
            points: assets.collect(),
            remotes: conduits.filter_map(|(_, conduit)| conduit.get_ref().as_table().and_then(from)).collect(),
        }
    }

    fn points_of(&self, asset: &str) -> impl Iterator<Item = &'a str> + Clone + '_ {
        self.points.get(asset).into_iter().flatten().copied()
    }
}

/// Says that a text is wrong, at the part of it that is.
fn wrong(id: &'static str, object: &str, text: &Text<'_>, wrong: Wrong, out: &mut Report<'_>) {
    out.error(id, object, text.at_byte(wrong.at), wrong.message, wrong.help);
}

/// Reads a text with one of the small grammars.
fn parsed<T>(
    id: &'static str,
    object: &str,
    text: Text<'_>,
    read: impl FnOnce(&str) -> Result<T, Wrong>,
    out: &mut Report<'_>,
) -> Option<T> {
    read(text.value).map_err(|mistake| wrong(id, object, &text, mistake, out)).ok()
}

/// Says that a name refers to nothing.
fn unknown<'n>(
    id: &'static str,
    object: &str,
    kind: &str,
    text: &Text<'_>,
    known: impl IntoIterator<Item = &'n str> + Clone,
    out: &mut Report<'_>,
) {
    // The likeness costs time, and a report that is full drops it.
    let help = if out.is_full() { None } else { suggest::help(text.value, known) };
    out.error(id, object, text.at, format!("there is no {kind} named `{}`", text.value), help);
}

#[cfg(test)]
mod mistyped;
#[cfg(test)]
mod tests;
