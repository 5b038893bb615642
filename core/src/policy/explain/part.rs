//! One access: the points it touches, and what each rule that names it says.

use std::collections::BTreeSet;

use super::{Asked, Considered};
use crate::access::{Access, Bank, Target, Values, Verb};
use crate::decision::Reason;
use crate::identity::Evidence;
use crate::moment::Moment;
use crate::names::{AssetId, ConduitId, PointName, Role};
use crate::policy::calendar::Calendar;
use crate::policy::conditions::{Circumstances, Truth, is_local};
use crate::policy::model::{
    Asset, Can, Condition, Conduit, Forbidden, From, OnClockDoubt, Point, Policy, Rule, UnitZero,
};
use crate::policy::naming::Named;
use crate::policy::show::BankWord;
use crate::policy::table::codes;
use crate::policy::values::{Fit, Part};
use crate::world::World;

/// Everything that an explanation looks at.
pub(super) struct View<'a> {
    pub(super) world: &'a World,
    pub(super) evidence: &'a Evidence,
    pub(super) named: Option<&'a Named>,
    pub(super) id: &'a AssetId,
    pub(super) asset: &'a Asset,
    pub(super) conduits: &'a [(&'a ConduitId, &'a Conduit)],
    pub(super) calendar: &'a Calendar,
    pub(super) now: Moment,
}

/// The part of an access that lies inside one point.
#[derive(Clone, Copy)]
struct Piece<'a> {
    name: &'a PointName,
    point: &'a Point,
    part: Part<'a>,
}

impl View<'_> {
    pub(super) fn access(&self, access: &Access<'_>) -> Vec<Asked> {
        let (unit, all) = match access.target {
            Target::Function { unit, code, sub } => {
                let sub = sub.map_or_else(String::new, |sub| format!("/{sub}"));
                let what = format!("function {code}{sub}");
                let can = |can: &Can| match can {
                    Can::Function(word) => codes(*word, &self.asset.profile)
                        .iter()
                        .any(|(of, only)| *of == code && (only.is_none() || *only == self::sub(access))),
                    Can::Read(_) | Can::Write(_) | Can::Broadcast => false,
                };
                (unit, vec![self.asked(what, access, None, can)])
            }
            Target::Registers { unit, .. } if access.verb == Verb::Broadcast => {
                (unit, vec![self.asked("broadcast".to_owned(), access, None, |can| *can == Can::Broadcast)])
            }
            Target::Registers { unit, bank, first, count, values } => {
                (unit, self.registers(access, bank, first, first.saturating_add(count.get() - 1), values))
            }
        };
        let foreign = self.foreign(unit, access.verb);
        all.into_iter()
            .map(|mut asked| {
                asked.note = asked.note.or_else(|| foreign.clone());
                asked
            })
            .collect()
    }

    fn registers(&self, access: &Access<'_>, bank: Bank, first: u16, last: u16, values: Values<'_>) -> Vec<Asked> {
        let mut points: Vec<(&PointName, &Point)> =
            self.asset.points.iter().filter(|(_, p)| p.bank == bank && p.first <= last && first <= p.last).collect();
        points.sort_by_key(|(_, point)| point.first);
        let verb = if access.verb == Verb::Read { "read" } else { "write" };
        let mut all: Vec<Asked> = Vec::new();
        let mut next = u32::from(first);
        for (name, point) in points {
            if u32::from(point.first) > next {
                all.push(nameless(verb, bank, next, u32::from(point.first) - 1));
            }
            next = next.max(u32::from(point.last) + 1);
            let start = point.first.max(first);
            let part = Part { values, skip: start.saturating_sub(first), first: start, last: point.last.min(last) };
            let piece = Piece { name, point, part };
            let what = format!("{verb} {name}{} ({})", written(verb, piece), range(bank, start, part.last));
            all.push(self.asked(what, access, Some(piece), |can| match can {
                Can::Read(point) => verb == "read" && point == name,
                Can::Write(point) => verb == "write" && point == name,
                Can::Broadcast | Can::Function(_) => false,
            }));
        }
        if next <= u32::from(last) {
            all.push(nameless(verb, bank, next, u32::from(last)));
        }
        all
    }

    fn asked(
        &self,
        what: String,
        access: &Access<'_>,
        piece: Option<Piece<'_>>,
        names: impl Fn(&Can) -> bool,
    ) -> Asked {
        let mut rules = Vec::new();
        for (id, conduit) in self.conduits {
            for rule in conduit.allow.iter().filter(|rule| rule.on == *self.id && rule.can.iter().any(&names)) {
                let (stage, because) = self.rule((id, conduit), rule, access, piece);
                rules.push(Considered { rule: rule.id.clone(), place: rule.place, stage, because });
            }
        }
        let never = self.never(access, piece);
        let nobody = rules.is_empty().then(|| "no rule of the conduit names it".to_owned());
        Asked { what, note: never.or(nobody), rules }
    }

    /// The stage at which a rule stops, and why.
    fn rule(
        &self,
        (id, conduit): (&ConduitId, &Conduit),
        rule: &Rule,
        access: &Access<'_>,
        piece: Option<Piece<'_>>,
    ) -> (Option<Reason>, String) {
        let Some(named) = self.named else {
            return (Some(Reason::NoRule), format!("is for {}", list(&rule.who)));
        };
        let waivable = matches!(access.verb, Verb::Write | Verb::Broadcast);
        let keeps = access.verb == Verb::Read || waivable;
        let matched: BTreeSet<&Role> = rule.who.intersection(&named.subject.roles).collect();
        let kept: BTreeSet<&Role> = rule.who.intersection(&named.keeps).filter(|_| keeps).collect();
        if matched.is_empty() && kept.is_empty() {
            return (Some(Reason::NoRule), format!("is for {}", list(&rule.who)));
        }
        let circumstances = self.circumstances(named);
        let fit = piece.map(|piece| piece.point.fit(piece.part));
        if access.verb == Verb::Write && fit == Some(Fit::Waived) && circumstances.approval(conduit) == Truth::Holds {
            return (
                None,
                "allows it: a safe or heartbeat value is never refused to those who may write it".to_owned(),
            );
        }
        if matched.is_empty() && access.verb != Verb::Read {
            return (Some(Reason::Ended), format!("would need an open grant of {}", list(&rule.who)));
        }
        if let Some(piece) = piece.filter(|_| access.verb == Verb::Write)
            && let Some(why) = piece.point.misfit(piece.part)
        {
            return (Some(Reason::Range), why);
        }
        let local = conduit_is_local(conduit) && matched.iter().chain(&kept).any(|role| is_local(role));
        match self.first_failed(&circumstances, (id, conduit), rule, local) {
            Some((reason, why)) => (Some(reason), why),
            None if circumstances.rule(id, conduit, rule, local) == Truth::HoldsByDoubt => {
                (None, "allows it: the clock is doubtful, and the role works on site".to_owned())
            }
            None => (None, rule.limit.map_or_else(|| "allows it".to_owned(), |limit| format!("allows it, {limit}"))),
        }
    }

    fn circumstances<'b>(&'b self, named: &'b Named) -> Circumstances<'b> {
        Circumstances {
            calendar: self.calendar,
            on_clock_doubt: self.world.policy.plant.on_clock_doubt,
            attributes: &named.subject.attributes,
            assurance: named.assurance,
            approvals: &self.evidence.approvals,
            now: self.now,
        }
    }

    /// The first condition that does not hold: those that no clock can mend first, as in the decision.
    fn first_failed(
        &self,
        circumstances: &Circumstances<'_>,
        (id, conduit): (&ConduitId, &Conduit),
        rule: &Rule,
        local: bool,
    ) -> Option<(Reason, String)> {
        let doubt = || match self.world.policy.plant.on_clock_doubt {
            OnClockDoubt::Refuse => "the clock is doubtful, and the plant refuses time words then",
            OnClockDoubt::AllowLocal => "the clock is doubtful, and the role does not work on site",
        };
        let mut failed = Vec::new();
        for word in &rule.when {
            match circumstances.word(word, local) {
                Truth::Fails => {
                    failed.push((Reason::Condition, format!("`{word}`: {}", self.why(circumstances, word))));
                }
                Truth::FailsByDoubt => failed.push((Reason::Clock, format!("`{word}`: {}", doubt()))),
                Truth::Holds | Truth::HoldsByDoubt => {}
            }
        }
        if let Some(hours) = conduit.hours {
            match circumstances.hours(id, conduit, local) {
                Truth::Fails => {
                    failed.push((Reason::Condition, format!("it is outside the conduit's hours `{hours}`")));
                }
                Truth::FailsByDoubt => failed.push((Reason::Clock, format!("hours `{hours}`: {}", doubt()))),
                Truth::Holds | Truth::HoldsByDoubt => {}
            }
        }
        if let (Some(terms), Truth::Fails) = (&conduit.approval, circumstances.approval(conduit)) {
            let why = format!("no approval by {} in the last {} minutes", terms.by, terms.minutes);
            failed.push((Reason::Condition, why));
        }
        let condition = failed.iter().position(|(reason, _)| *reason == Reason::Condition);
        (!failed.is_empty()).then(|| failed.swap_remove(condition.unwrap_or(0)))
    }

    fn why(&self, circumstances: &Circumstances<'_>, word: &Condition) -> String {
        let known = circumstances.attributes;
        let is = |what: &str, value: Option<&str>| match value {
            Some(value) => format!("its {what} is `{value}`"),
            None => format!("its {what} is not known"),
        };
        match word {
            Condition::OnShift => match &known.shift {
                Some(shift) => format!("its shift `{shift}` does not run now"),
                None => "no shift runs now".to_owned(),
            },
            Condition::ShiftIs(name) => match &known.shift {
                Some(shift) if **shift != *name.as_str() => format!("its shift is `{shift}`"),
                Some(_) | None => format!("`{name}` does not run now"),
            },
            Condition::LineIs(_) => is("line", known.line.as_deref()),
            Condition::LocationIs(_) => is("location", known.location.as_deref()),
            Condition::SecondFactor => "none was shown".to_owned(),
            Condition::WorkOrderOpen => "none is known to be open".to_owned(),
            Condition::LoggedInWithin(_) => match known.logged_in {
                None => "when it logged in is not known".to_owned(),
                Some(at) if at > self.now.wall => "the log-in lies in the future".to_owned(),
                Some(at) => format!("it logged in {} minutes ago", (self.now.wall.0 - at.0) / 60_000),
            },
            Condition::Assurance(_) => format!("its assurance is {}", circumstances.assurance.0),
            Condition::PlantModeIs(_) => match &known.plant_mode {
                Some(mode) => format!("the plant mode is `{mode}`"),
                None => "the plant mode is not known".to_owned(),
            },
        }
    }

    fn never(&self, access: &Access<'_>, piece: Option<Piece<'_>>) -> Option<String> {
        let code = match access.target {
            Target::Function { code, .. } => code,
            Target::Registers { .. } => access.function,
        };
        let covers = |what: &Forbidden| match what {
            Forbidden::Function(word) => codes(*word, &self.asset.profile)
                .iter()
                .any(|(of, only)| *of == code && (only.is_none() || *only == sub(access))),
            Forbidden::Broadcast => access.verb == Verb::Broadcast,
            Forbidden::Write(asset, point) => {
                access.verb == Verb::Write && asset == self.id && piece.is_some_and(|piece| piece.name == point)
            }
            Forbidden::Asset(asset) => asset == self.id,
        };
        let policy: &Policy = &self.world.policy;
        let (never, what) =
            policy.never.iter().find_map(|never| Some((never, never.what.iter().find(|what| covers(what))?)))?;
        let why = never.why.as_ref().map_or_else(String::new, |why| format!(": {why}"));
        Some(format!("`{}` forbids `{what}` to everybody{why}", never.id))
    }

    fn foreign(&self, unit: u8, verb: Verb) -> Option<String> {
        let own = match (self.asset.profile.unit_zero, unit) {
            (UnitZero::Itself, 0 | 255) => true,
            (UnitZero::Broadcast, 0) => matches!(verb, Verb::Broadcast | Verb::Write),
            (UnitZero::Itself, unit) => self.asset.units.contains(&unit) || self.asset.units.is_empty() && unit == 1,
            (UnitZero::Broadcast, unit) => self.asset.units.contains(&unit),
        };
        (!own).then(|| format!("unit {unit} is not one of `{}`", self.id))
    }
}

fn conduit_is_local(conduit: &Conduit) -> bool {
    matches!(conduit.from, From::Zone(_))
}

fn sub(access: &Access<'_>) -> Option<u16> {
    match access.target {
        Target::Function { sub, .. } => sub,
        Target::Registers { .. } => None,
    }
}

fn nameless(verb: &str, bank: Bank, first: u32, last: u32) -> Asked {
    let narrow = |at: u32| u16::try_from(at).unwrap_or(u16::MAX);
    Asked {
        what: format!("{verb} {}", range(bank, narrow(first), narrow(last))),
        note: Some("no point has these addresses".to_owned()),
        rules: Vec::new(),
    }
}

fn range(bank: Bank, first: u16, last: u16) -> String {
    let bank = BankWord(bank);
    if first == last { format!("{bank} {first}") } else { format!("{bank} {first}-{last}") }
}

/// ` = 900`, ` = 1, 2, 3 ..`, or nothing where the values are not known.
fn written(verb: &str, piece: Piece<'_>) -> String {
    let numbers = if verb == "write" { piece.point.numbers(piece.part) } else { Vec::new() };
    if numbers.is_empty() || piece.point.fit(piece.part) == Fit::Outside && piece.point.values.is_none() {
        return String::new();
    }
    let shown = numbers.iter().take(4).map(ToString::to_string).collect::<Vec<_>>().join(", ");
    format!(" = {shown}{}", if numbers.len() > 4 { " .." } else { "" })
}

fn list(roles: &BTreeSet<Role>) -> String {
    roles.iter().map(Role::as_str).collect::<Vec<_>>().join(", ")
}
