//! Allow rules, one by one and against each other.

use std::collections::{BTreeMap, BTreeSet};

use super::assets::writable;
use super::{listed, time};
use crate::access::Bank;
use crate::names::{AssetId, ConduitId, Role, RuleId, ZoneId};
use crate::policy::model::{
    Asset, Can, Condition, Conduit, Forbidden, From, Function, LimitOf, Policy, Rule, SubjectEntry,
};
use crate::policy::report::Report;
use crate::policy::show::BankWord;
use crate::policy::suggest;

/// More addresses in one right are worth a second look.
const BROAD: u32 = 1000;

pub(super) fn check(policy: &Policy, out: &mut Report<'_>) {
    let forbidden: BTreeSet<&Forbidden> = policy.never.iter().flat_map(|never| &never.what).collect();
    let mut seen = BTreeMap::new();
    for (id, conduit) in &policy.conduits {
        for rule in &conduit.allow {
            let one = One { policy, id, conduit, rule, object: rule.id.as_str() };
            one.roles(out);
            one.conditions(out);
            one.limit(out);
            one.end(out);
            for can in &rule.can {
                let spot = format!("{}.can.{can}", one.object);
                one.right(can, &spot, &forbidden, out);
                one.twice(can, &spot, &mut seen, out);
            }
        }
    }
    shadowed(policy, out);
}

/// One rule and all that it stands in.
struct One<'p> {
    policy: &'p Policy,
    id: &'p ConduitId,
    conduit: &'p Conduit,
    rule: &'p Rule,
    object: &'p str,
}

type Seen<'p> = BTreeMap<(&'p ConduitId, &'p Role, &'p AssetId, &'p Can), &'p RuleId>;

impl<'p> One<'p> {
    fn roles(&self, out: &mut Report<'_>) {
        let From::Zone(from) = &self.conduit.from else { return };
        if !self.policy.zones.contains_key(from) {
            return;
        }
        let there = self.policy.roles_in(from);
        let missing: Vec<&Role> = self.rule.who.iter().filter(|role| !there.contains(*role)).collect();
        let Some(first) = missing.first() else { return };
        let spot = format!("{}.who.{first}", self.object);
        let names = listed(&missing);
        if missing.len() == self.rule.who.len() {
            let help = Some(format!("the roles of its subjects are {}; a token could carry others", listed(&there)));
            let message = format!("nobody in zone `{from}` can be {names}");
            out.find("rule-unreachable", self.object, &spot, message, help);
        } else {
            let message = format!("no declared subject can be {names}, only a token holder");
            out.find("rule-token-only", self.object, &spot, message, None);
        }
    }

    fn conditions(&self, out: &mut Report<'_>) {
        let remote = matches!(self.conduit.from, From::Remote(_));
        if remote && !self.rule.when.contains(&Condition::SecondFactor) {
            let message = "remote rule without `second factor` (SR 1.1 RE 2)".to_owned();
            let help = Some("write `when = [\"second factor\", ..]`".to_owned());
            out.find("remote-second-factor", self.object, self.object, message, help);
        }
        for condition in &self.rule.when {
            let spot = format!("{}.when.{condition}", self.object);
            if let From::Zone(from) = &self.conduit.from {
                self.attribute(condition, from, &spot, out);
            }
            if let Some(hours) = self.conduit.hours
                && !time::can_meet(self.policy, condition, hours)
            {
                let message = format!("`{condition}` is never true within the conduit's hours `{hours}`");
                let help = Some("change the hours or the shift: nothing can pass".to_owned());
                out.find("hours-outside-shift", self.object, &spot, message, help);
            }
        }
    }

    /// A place that no declared subject of these roles has.
    fn attribute(&self, condition: &Condition, from: &ZoneId, spot: &str, out: &mut Report<'_>) {
        let (key, value) = match condition {
            Condition::LineIs(line) => ("line", line),
            Condition::LocationIs(location) => ("location", location),
            Condition::OnShift
            | Condition::ShiftIs(_)
            | Condition::SecondFactor
            | Condition::WorkOrderOpen
            | Condition::LoggedInWithin(_)
            | Condition::Assurance(_)
            | Condition::PlantModeIs(_) => return,
        };
        let here = self.policy.subjects.values().filter(|subject| subject.zone == *from);
        let of = |subject: &'p SubjectEntry| {
            let attributes = &subject.attributes;
            if key == "line" { attributes.line.as_deref() } else { attributes.location.as_deref() }
        };
        let held: BTreeSet<&str> = here
            .filter(|subject| subject.possible_roles().any(|role| self.rule.who.contains(role)))
            .filter_map(of)
            .collect();
        if held.contains(&**value) {
            return;
        }
        // A word that nobody has and that looks like one that somebody has, once in the file, is a mistyped one.
        let all: BTreeSet<&str> = self.policy.subjects.values().filter_map(of).collect();
        let uses = self.policy.rules().flat_map(|(_, rule)| &rule.when).filter(|other| *other == condition).count();
        let near =
            all.iter().find(|known| suggest::alike(value, known)).filter(|_| uses == 1 && !all.contains(&**value));
        if let Some(near) = near {
            let message = format!("no declared subject has {key} = `{value}`");
            let help = Some(format!("did you mean `{key} is {near}`?"));
            out.find("condition-unlike", self.object, spot, message, help);
        } else {
            let message = format!("no declared subject of these roles has {key} = `{value}`, only a token can say so");
            out.find("condition-token-only", self.object, spot, message, None);
        }
    }

    fn end(&self, out: &mut Report<'_>) {
        let Some(asset) = self.policy.assets.get(&self.rule.on) else { return };
        let known = |zone| self.policy.zones.contains_key(zone);
        if asset.zone != self.conduit.to && known(&asset.zone) && known(&self.conduit.to) {
            let message = format!(
                "`{}` is in zone `{}`, and conduit `{}` ends in `{}`",
                self.rule.on, asset.zone, self.id, self.conduit.to
            );
            let there = self.policy.assets.iter().filter(|(_, asset)| asset.zone == self.conduit.to).map(|(id, _)| id);
            let help = Some(format!("the assets in `{}` are {}", self.conduit.to, listed(there)));
            out.find("rule-end", self.object, &format!("{}.on", self.object), message, help);
        }
    }

    /// A limit counts only rights of its kind, and heartbeats are exempt.
    fn limit(&self, out: &mut Report<'_>) {
        let (Some(limit), Some(asset)) = (self.rule.limit, self.policy.assets.get(&self.rule.on)) else { return };
        let counted = self.rule.can.iter().any(|can| match (can, limit.of) {
            (Can::Read(_), LimitOf::Reads) => true,
            (Can::Write(point), LimitOf::Writes) => asset.points.get(point).is_none_or(|point| !point.heartbeat),
            (Can::Read(_) | Can::Write(_) | Can::Broadcast | Can::Function(_), _) => false,
        });
        if !counted && !self.rule.can.is_empty() {
            let of = if limit.of == LimitOf::Reads { "reads" } else { "writes" };
            let message = format!("`{limit}` never counts anything: no right of this rule has {of} that are counted");
            let help = Some("drop the limit or count the other kind; heartbeats are exempt".to_owned());
            out.find("limit-unreachable", self.object, &format!("{}.limit", self.object), message, help);
        }
    }

    fn right(&self, can: &'p Can, spot: &str, forbidden: &BTreeSet<&Forbidden>, out: &mut Report<'_>) {
        if self.is_forbidden(can, forbidden) {
            let message = format!("`{can}` is in a never rule: this can never apply");
            out.find("rule-never", self.object, spot, message, Some("drop one of the two".to_owned()));
        }
        if let Can::Function(function @ Function::Code { .. }) = can {
            let message = format!("`{function}` passes with any data: nobody judges what it does");
            let help = Some("grant points instead where the device allows it".to_owned());
            out.find("function-opaque", self.object, spot, message, help);
        }
        let Some(asset) = self.policy.assets.get(&self.rule.on) else { return };
        match can {
            Can::Read(name) => {
                if let Some(point) = asset.points.get(name) {
                    self.broad(can, u32::from(point.last - point.first) + 1, spot, out);
                }
            }
            Can::Write(name) => self.write(can, name.as_str(), asset, spot, out),
            Can::Broadcast | Can::Function(_) => {}
        }
    }

    fn broad(&self, can: &Can, size: u32, spot: &str, out: &mut Report<'_>) {
        if size > BROAD {
            let help = Some("name the parts that are needed as points of their own".to_owned());
            out.find("rule-broad", self.object, spot, format!("`{can}` covers {size} addresses"), help);
        }
    }

    fn write(&self, can: &Can, name: &str, asset: &Asset, spot: &str, out: &mut Report<'_>) {
        if asset.safety {
            let message = format!("`{can}`, but `{}` belongs to a safety system: it can only be read", self.rule.on);
            out.find("safety-write", self.object, spot, message, Some("drop the right".to_owned()));
        }
        let Some(point) = asset.points.get(name) else { return };
        let size = u32::from(point.last - point.first) + 1;
        if !writable(point.bank) {
            let message =
                format!("`{can}`, but `{name}` is in a table that cannot be written: {}", BankWord(point.bank));
            let help = Some(format!("write `read {name}`, or name a coil or holding register"));
            out.find("rule-readonly", self.object, spot, message, help);
        }
        if point.bank == Bank::Holding && point.values.is_none() {
            let message =
                format!("`{can}`: no value limits on {size} {}", if size == 1 { "register" } else { "registers" });
            out.find("rule-values", self.object, spot, message, Some("add `values LOW..HIGH` to the point".to_owned()));
        }
        self.broad(can, size, spot, out);
    }

    fn is_forbidden(&self, can: &Can, forbidden: &BTreeSet<&Forbidden>) -> bool {
        let whole = forbidden.contains(&Forbidden::Asset(self.rule.on.clone()));
        whole
            || match can {
                Can::Read(_) => false,
                Can::Write(point) => forbidden.contains(&Forbidden::Write(self.rule.on.clone(), point.clone())),
                Can::Broadcast => forbidden.contains(&Forbidden::Broadcast),
                Can::Function(function) => self.covers(*function, forbidden),
            }
    }

    /// A never covers a function by its word, its number, or the number without its sub-function.
    fn covers(&self, function: Function, forbidden: &BTreeSet<&Forbidden>) -> bool {
        let named = |function| forbidden.contains(&Forbidden::Function(function));
        let code = |code, sub| named(Function::Code { code, sub }) || named(Function::Code { code, sub: None });
        let asset = self.policy.assets.get(&self.rule.on);
        let programming = |code| {
            [40, 42, 90, 125, 126].contains(&code)
                || asset.is_some_and(|asset| asset.profile.programming.contains(&code))
        };
        named(function)
            || match function {
                Function::Programming => false,
                Function::Identify => code(43, Some(14)),
                Function::Restart => code(8, Some(1)),
                Function::ListenOnly => code(8, Some(4)),
                Function::Code { code: number, sub } => {
                    code(number, sub) || (programming(number) && named(Function::Programming))
                }
            }
    }

    fn twice(&self, can: &'p Can, spot: &str, seen: &mut Seen<'p>, out: &mut Report<'_>) {
        for role in &self.rule.who {
            let before = *seen.entry((self.id, role, &self.rule.on, can)).or_insert(&self.rule.id);
            if *before != self.rule.id {
                let message =
                    format!("`{role}` already has `{can}` from {before}: the conditions are alternatives, not added");
                let help = Some("put all conditions into one rule if all must hold".to_owned());
                out.find("rule-duplicate", self.object, spot, message, help);
            }
        }
    }
}

/// A right of one conduit that another conduit between the same ends gives without any condition.
fn shadowed(policy: &Policy, out: &mut Report<'_>) {
    for (id, conduit) in &policy.conduits {
        for (other_id, other) in &policy.conduits {
            if id == other_id || other.from != conduit.from || other.to != conduit.to || other.hours.is_some() {
                continue;
            }
            let free: Vec<&Rule> =
                other.allow.iter().filter(|rule| rule.when.is_empty() && rule.limit.is_none()).collect();
            for rule in &conduit.allow {
                let bound = conduit.hours.is_some() || !rule.when.is_empty() || rule.limit.is_some();
                // Of two equal rights the later conduit's is the one that adds nothing.
                if !bound && id < other_id {
                    continue;
                }
                for can in &rule.can {
                    let by = free.iter().find(|free| {
                        free.on == rule.on
                            && free.can.contains(can)
                            && rule.who.iter().all(|role| free.who.contains(role))
                    });
                    if let Some(by) = by {
                        let message = format!("`{can}` is given without conditions by {}", by.id);
                        let help = Some("one of the two is too much: what is bound here is free there".to_owned());
                        let object = rule.id.as_str();
                        out.find("rule-shadowed", object, &format!("{object}.can.{can}"), message, help);
                    }
                }
            }
        }
    }
}

impl Policy {
    /// The roles that the declared subjects of a zone can have, by themselves or by a grant.
    pub fn roles_in(&self, zone: &ZoneId) -> BTreeSet<&Role> {
        self.subjects.values().filter(|subject| subject.zone == *zone).flat_map(SubjectEntry::possible_roles).collect()
    }

    /// Every allow rule with its conduit, in name and file order.
    pub fn rules(&self) -> impl Iterator<Item = (&ConduitId, &Rule)> {
        self.conduits.iter().flat_map(|(id, conduit)| conduit.allow.iter().map(move |rule| (id, rule)))
    }
}

impl SubjectEntry {
    /// The roles that it can have, by itself or by a grant.
    pub fn possible_roles(&self) -> impl Iterator<Item = &Role> {
        let opened_by = self.panel().map(|terms| &terms.opened_by);
        self.role.iter().chain(opened_by.into_iter().flatten())
    }
}
