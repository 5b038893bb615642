//! The rulings once more: address by address and rule by rule, without intervals, tables or caches.

use super::people::Person;
use crate::access::{Access, Bank, Target, Values, Verb};
use crate::decision::{Effect, Keep, Reason};
use crate::moment::{ClockTrust, Moment};
use crate::names::{PointName, Role};
use crate::policy::Policy;
use crate::policy::model::{
    Can, Condition, Conduit, Detail, Forbidden, From, Function, Mode, Never, Number, OnClockDoubt, Point, RecordKind,
    Rule, UnitZero, WordOrder,
};

/// What the oracle says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) effect: Effect,
    pub(super) reason: Option<Reason>,
    pub(super) rule: Option<String>,
    pub(super) keep: Keep,
    pub(super) waived: bool,
    pub(super) limited: bool,
    pub(super) doubtful: bool,
}

pub(super) struct Judge<'a> {
    pub(super) policy: &'a Policy,
    pub(super) who: &'a Person,
    pub(super) now: Moment,
}

/// What one allowed part adds.
#[expect(clippy::struct_excessive_bools, reason = "independent facts, added up")]
struct Part {
    rule: String,
    keep: Keep,
    waived: bool,
    write: bool,
    limited: bool,
    doubtful: bool,
}

type Denied = (Reason, Option<String>);
type Verdict = Result<Part, Denied>;

impl Judge<'_> {
    pub(super) fn frame(&self, accesses: &[Access<'_>]) -> Said {
        let deny = |reason, rule| Said {
            effect: Effect::Deny,
            reason: Some(reason),
            rule,
            keep: Keep::Later,
            waived: false,
            limited: false,
            doubtful: false,
        };
        if let Some(reason) = self.who.life {
            return deny(reason, None);
        }
        if self.conduits().next().is_none() {
            return deny(Reason::NoConduit, None);
        }
        let mut parts = Vec::new();
        for (at, access) in accesses.iter().enumerate() {
            let announced = at > 0 && accesses[at - 1].verb == Verb::Broadcast;
            for verdict in self.access(access, announced) {
                match verdict {
                    Ok(part) => parts.extend(part),
                    Err((reason, rule)) => return deny(reason, rule),
                }
            }
        }
        let acts = || parts.iter().filter(|part| part.write);
        Said {
            effect: Effect::Allow,
            reason: None,
            rule: parts.first().map(|part| part.rule.clone()),
            keep: parts.iter().map(|part| part.keep).max().unwrap(),
            waived: acts().next().is_some() && acts().all(|part| part.waived),
            limited: parts.iter().any(|part| part.limited),
            doubtful: parts.iter().any(|part| part.doubtful),
        }
    }

    fn conduits(&self) -> impl Iterator<Item = &Conduit> {
        self.policy.conduits.values().filter(|conduit| match &conduit.from {
            From::Zone(zone) => !self.who.remote && zone.as_str() == "room",
            From::Remote(_) => self.who.remote,
        })
    }

    /// The verdicts about an access, part by part; `Ok(None)` is a gap that may be read over.
    fn access(&self, access: &Access<'_>, announced: bool) -> Vec<Result<Option<Part>, Denied>> {
        match access.target {
            Target::Function { unit, .. } => vec![self.function(access, unit).map(Some)],
            Target::Registers { .. } if access.verb == Verb::Broadcast => vec![self.broadcast(access).map(Some)],
            Target::Registers { unit, bank, first, count, values } => {
                let own = self.own(unit) || announced && unit == 0;
                let mut verdicts = Vec::new();
                let all: Vec<u16> = (first..first + count.get()).collect();
                let mut rest = &all[..];
                while let Some(start) = rest.first() {
                    let point = self.point(bank, *start);
                    let same =
                        |address: &u16| self.point(bank, *address).map(|(name, _)| name) == point.map(|(name, _)| name);
                    let length = rest.iter().take_while(|address| same(address)).count();
                    let (part, after) = rest.split_at(length);
                    rest = after;
                    let skip = usize::from(start - first);
                    let inner = *start != first && !rest.is_empty();
                    let gaps = self.policy.assets["plc"].profile.read_gaps;
                    if access.verb == Verb::Read
                        && point.is_none()
                        && inner
                        && gaps
                        && own
                        && self.never(access, None).is_none()
                    {
                        verdicts.push(Ok(None));
                        continue;
                    }
                    verdicts.push(self.part(access, own, point, part, values, skip).map(Some));
                }
                verdicts
            }
        }
    }

    fn part(
        &self,
        access: &Access<'_>,
        own: bool,
        point: Option<(&PointName, &Point)>,
        part: &[u16],
        values: Values<'_>,
        skip: usize,
    ) -> Verdict {
        let write = access.verb == Verb::Write;
        let wanted = |can: &Can, name: &PointName| match can {
            Can::Read(of) => !write && of == name,
            Can::Write(of) => write && of == name,
            Can::Broadcast | Can::Function(_) => false,
        };
        let judged = point.map(|(_, point)| written(point, part, values, skip));
        let named = |keeps: bool| -> Vec<(&Conduit, &Rule)> {
            let Some((name, _)) = point else { return vec![] };
            self.rules(keeps, |can| wanted(can, name))
        };
        let waiver = named(true).into_iter().find(|(conduit, _)| self.approved(conduit));
        let waiver = waiver.filter(|_| write && own && judged == Some((true, true)));
        if self.who.ended && write && waiver.is_none() {
            return Err((Reason::Ended, None));
        }
        if let Some(never) = self.never(access, point.map(|(name, _)| name)) {
            return Err((Reason::Never, Some(never.id.to_string())));
        }
        if let Some((conduit, rule)) = waiver.filter(|_| own) {
            let (rule, keep) = (rule.id.to_string(), keep(conduit, true));
            return Ok(Part { rule, keep, waived: true, write, limited: false, doubtful: false });
        }
        let candidates = named(!write);
        if !own || candidates.is_empty() {
            return Err((Reason::NoRule, None));
        }
        if write && judged.is_some_and(|(inside, _)| !inside) {
            return Err((Reason::Range, Some(candidates[0].1.id.to_string())));
        }
        self.furthest(&candidates, write, !write, Some(if write { "writes" } else { "reads" }))
    }

    fn function(&self, access: &Access<'_>, unit: u8) -> Verdict {
        if self.who.ended {
            return Err((Reason::Ended, None));
        }
        if let Some(never) = self.never(access, None) {
            return Err((Reason::Never, Some(never.id.to_string())));
        }
        let candidates = self.rules(false, |can| matches!(can, Can::Function(word) if means(*word, access)));
        if !self.own(unit) || candidates.is_empty() {
            return Err((Reason::NoRule, None));
        }
        let identify = matches!(access.target, Target::Function { code: 43, sub: Some(14), .. });
        let mut part = self.furthest(&candidates, !identify, false, None)?;
        part.write = true;
        Ok(part)
    }

    fn broadcast(&self, access: &Access<'_>) -> Verdict {
        let Target::Registers { bank, first, count, values, .. } = access.target else { panic!() };
        let safe = (first..first + count.get()).all(|address| {
            let Some((name, point)) = self.point(bank, address) else { return false };
            let part: Vec<u16> = (first..first + count.get())
                .filter(|other| self.point(bank, *other).map(|(name, _)| name) == Some(name))
                .collect();
            written(point, &part, values, usize::from(part[0] - first)) == (true, true)
                && self
                    .rules(true, |can| *can == Can::Write(name.clone()))
                    .iter()
                    .any(|(conduit, _)| self.approved(conduit))
        });
        let waiver =
            self.rules(true, |can| *can == Can::Broadcast).into_iter().find(|(conduit, _)| self.approved(conduit));
        let waiver = waiver.filter(|_| safe);
        if self.who.ended && waiver.is_none() {
            return Err((Reason::Ended, None));
        }
        if let Some(never) = self.never(access, None) {
            return Err((Reason::Never, Some(never.id.to_string())));
        }
        if let Some((conduit, rule)) = waiver {
            let (rule, keep) = (rule.id.to_string(), keep(conduit, true));
            return Ok(Part { rule, keep, waived: true, write: true, limited: false, doubtful: false });
        }
        let candidates = self.rules(false, |can| *can == Can::Broadcast);
        if candidates.is_empty() {
            return Err((Reason::NoRule, None));
        }
        let mut part = self.furthest(&candidates, true, false, None)?;
        part.write = true;
        Ok(part)
    }

    /// The first rule that allows, or the first of those that came furthest.
    fn furthest(&self, candidates: &[(&Conduit, &Rule)], write: bool, keeps: bool, counts: Option<&str>) -> Verdict {
        let stages: Vec<Option<(Reason, bool)>> =
            candidates.iter().map(|(conduit, rule)| self.stage(conduit, rule, keeps)).collect();
        let allowing: Vec<usize> = (0..stages.len()).filter(|at| stages[*at].is_none_or(|(_, doubt)| doubt)).collect();
        if let Some(first) = allowing.first() {
            let (conduit, rule) = candidates[*first];
            let limited = |at: &usize| {
                candidates[*at].1.limit.is_some_and(|limit| counts.is_some_and(|of| limit.to_string().contains(of)))
            };
            return Ok(Part {
                rule: rule.id.to_string(),
                keep: keep(conduit, write),
                waived: false,
                write,
                limited: allowing.iter().all(limited),
                doubtful: allowing.iter().all(|at| stages[*at].is_some()),
            });
        }
        let clock = stages.iter().position(|stage| matches!(stage, Some((Reason::Clock, _))));
        let at = clock.unwrap_or(0);
        Err((stages[at].unwrap().0, Some(candidates[at].1.id.to_string())))
    }

    /// None: all conditions hold. `(_, true)`: they hold by doubt. Else why not.
    fn stage(&self, conduit: &Conduit, rule: &Rule, keeps: bool) -> Option<(Reason, bool)> {
        let matched = |role: &str| rule.who.iter().any(|who| who.as_str() == role);
        let roles = self.who.roles.iter().chain(self.who.keeps.iter().filter(|_| keeps)).filter(|role| matched(role));
        let mut local = false;
        for role in roles {
            local |= ["Operator", "Supervisor", "Controller"].contains(role);
        }
        local &= !self.who.remote && self.policy.plant.on_clock_doubt == OnClockDoubt::AllowLocal;
        let doubtful = self.now.trust == ClockTrust::Doubtful;
        let known = &self.who.attributes;
        let (mut failed, mut by_doubt, mut clock) = (false, false, false);
        let mut timed = |datum: bool, holds: bool| {
            if !datum {
                failed = true;
            } else if doubtful && local {
                by_doubt = true;
            } else if doubtful {
                clock = true;
            } else if !holds {
                failed = true;
            }
        };
        let mut plain = true;
        for word in &rule.when {
            match word {
                Condition::OnShift => match known.shift.as_deref() {
                    Some(shift) => timed(true, self.runs(shift)),
                    None => timed(true, self.runs("early") || self.runs("night")),
                },
                Condition::ShiftIs(name) => {
                    let datum = known.shift.as_deref().is_none_or(|shift| shift == name.as_str());
                    timed(datum, self.runs(name.as_str()));
                }
                Condition::LoggedInWithin(minutes) => {
                    let ago = known.logged_in.map(|at| self.now.wall.0 - at.0);
                    timed(ago.is_some(), ago.is_some_and(|ago| (0..=i64::from(*minutes) * 60_000).contains(&ago)));
                }
                Condition::LineIs(line) => plain &= known.line.as_ref() == Some(line),
                Condition::LocationIs(location) => plain &= known.location.as_ref() == Some(location),
                Condition::SecondFactor => plain &= known.second_factor == Some(true),
                Condition::WorkOrderOpen => plain &= known.work_order == Some(true),
                Condition::Assurance(level) => plain &= self.who.assurance >= *level,
                Condition::PlantModeIs(mode) => plain &= known.plant_mode.as_ref() == Some(mode),
            }
        }
        if conduit.hours.is_some() {
            let (day, minute) = self.wall();
            timed(true, day < 5 && (420..1020).contains(&minute));
        }
        if failed || !plain || !self.approved(conduit) {
            return Some((Reason::Condition, false));
        }
        if clock {
            return Some((Reason::Clock, false));
        }
        by_doubt.then_some((Reason::Clock, true))
    }

    /// The day (0 = Monday) and the minute of the day, by the wall of the plant in winter.
    fn wall(&self) -> (i64, i64) {
        let minutes = (self.now.wall.0 + 3_600_000).div_euclid(60_000);
        ((minutes.div_euclid(1440) + 3).rem_euclid(7), minutes.rem_euclid(1440))
    }

    fn runs(&self, shift: &str) -> bool {
        let (day, minute) = self.wall();
        match shift {
            "early" => day < 5 && (360..855).contains(&minute),
            _ => matches!(day, 0 | 2) && minute >= 1320 || matches!(day, 1 | 3) && minute < 390,
        }
    }

    fn approved(&self, conduit: &Conduit) -> bool {
        conduit.approval.is_none()
            || self
                .who
                .evidence
                .approvals
                .iter()
                .any(|approval| (0..60 * 60_000).contains(&(self.now.wall.0 - approval.at.0)))
    }

    fn rules(&self, keeps: bool, named: impl Fn(&Can) -> bool) -> Vec<(&Conduit, &Rule)> {
        let is = |role: &Role, of: &[&str]| of.contains(&role.as_str());
        self.conduits()
            .flat_map(|conduit| conduit.allow.iter().map(move |rule| (conduit, rule)))
            .filter(|(_, rule)| {
                rule.who.iter().any(|role| is(role, &self.who.roles) || keeps && is(role, &self.who.keeps))
                    && rule.can.iter().any(&named)
            })
            .collect()
    }

    fn own(&self, unit: u8) -> bool {
        let asset = &self.policy.assets["plc"];
        asset.units.contains(&unit) || asset.profile.unit_zero == UnitZero::Itself && (unit == 0 || unit == 255)
    }

    fn point(&self, bank: Bank, address: u16) -> Option<(&PointName, &Point)> {
        self.policy.assets["plc"].points.iter().find(|(_, p)| p.bank == bank && (p.first..=p.last).contains(&address))
    }

    fn never(&self, access: &Access<'_>, point: Option<&PointName>) -> Option<&Never> {
        self.policy.never.iter().find(|never| {
            never.what.iter().any(|what| match what {
                Forbidden::Function(word) => means(*word, access),
                Forbidden::Broadcast => access.verb == Verb::Broadcast,
                Forbidden::Write(_, name) => access.verb == Verb::Write && Some(name) == point,
                Forbidden::Asset(_) => true,
            })
        })
    }
}

fn keep(conduit: &Conduit, write: bool) -> Keep {
    match write {
        false if conduit.detail == Detail::Full => Keep::Later,
        false => Keep::Count,
        true if conduit.record == RecordKind::Written || conduit.mode == Mode::Observe => Keep::Later,
        true => Keep::Before,
    }
}

fn means(word: Function, access: &Access<'_>) -> bool {
    let (code, sub) = match access.target {
        Target::Function { code, sub, .. } => (code, sub),
        Target::Registers { .. } => (access.function, None),
    };
    match word {
        Function::Programming => [40, 42, 90, 125, 126].contains(&code),
        Function::Identify => (code, sub) == (43, Some(14)),
        Function::Restart => (code, sub) == (8, Some(1)),
        Function::ListenOnly => (code, sub) == (8, Some(4)),
        Function::Code { code: of, sub: None } => of == code,
        Function::Code { code: of, sub: only } => of == code && only == sub,
    }
}

/// Whether every element fits, and whether all of it is waived.
fn written(point: &Point, part: &[u16], values: Values<'_>, skip: usize) -> (bool, bool) {
    let mut words = Vec::new();
    let mut known = true;
    for at in skip..skip + part.len() {
        words.push(match values {
            Values::None => return (false, false),
            Values::Coil(on) => u16::from(on),
            Values::Coils(bytes) => u16::from(bytes[at / 8] >> (at % 8) & 1),
            Values::Registers(bytes) => u16::from_be_bytes([bytes[at * 2], bytes[at * 2 + 1]]),
            Values::Mask { and, or } => {
                known &= and == 0;
                or
            }
        });
    }
    let mut numbers: Vec<f64> = Vec::new();
    match point.number {
        None | Some(Number::U16) => numbers.extend(words.iter().map(|word| f64::from(*word))),
        Some(Number::I16) => numbers.extend(words.iter().map(|word| f64::from(word.cast_signed()))),
        Some(Number::U32 | Number::I32 | Number::F32) => {
            let start = usize::from(part[0] - point.first);
            if start % 2 != 0 || words.len() % 2 != 0 || !known {
                return (false, false);
            }
            for pair in words.chunks(2) {
                let (mut high, mut low) = (pair[0], pair[1]);
                if matches!(point.order, WordOrder::LittleWord | WordOrder::LittleWordSwapped) {
                    (high, low) = (low, high);
                }
                if matches!(point.order, WordOrder::BigWordSwapped | WordOrder::LittleWordSwapped) {
                    (high, low) = (high.swap_bytes(), low.swap_bytes());
                }
                let bits = u32::from(high) << 16 | u32::from(low);
                numbers.push(match point.number {
                    Some(Number::I32) => f64::from(bits.cast_signed()),
                    Some(Number::F32) => f64::from(f32::from_bits(bits)),
                    _ => f64::from(bits),
                });
            }
        }
    }
    let limits = |value: f64| value.is_finite() && point.values.is_none_or(|(low, high)| value >= low && value <= high);
    let inside = if known { numbers.iter().all(|value| limits(*value)) } else { point.values.is_none() };
    #[expect(clippy::float_cmp, reason = "one value exactly")]
    let safe = known && point.safe.is_some_and(|safe| numbers.iter().all(|value| *value == safe));
    (inside || safe, safe || point.heartbeat && inside)
}
