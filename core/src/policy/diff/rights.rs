//! The rights of each subject on each asset, cut at every address where one of two policies changes its mind.

use std::collections::{BTreeMap, BTreeSet};

use super::Right;
use crate::access::Bank;
use crate::names::{AssetId, PointName, Role, SubjectId};
use crate::policy::Policy;
use crate::policy::model::{
    Asset, Can, Condition, Conduit, Forbidden, From, Function, Listen, Point, Rule, SubjectEntry,
};
use crate::policy::show::BankWord;
use crate::policy::table::codes;

type Terms = BTreeSet<String>;
type Code = (u8, Option<u16>);

/// What one subject may do on one asset under one policy.
#[derive(Default)]
struct Rights<'p> {
    reads: Vec<Held<'p>>,
    writes: Vec<Held<'p>>,
    functions: BTreeMap<Code, Terms>,
    broadcast: Terms,
}

struct Held<'p> {
    name: &'p PointName,
    point: &'p Point,
    terms: Terms,
}

/// Every right that one of two policies gives, with the terms of both; equal ones too.
pub(super) fn compare(old: &Policy, new: &Policy) -> Vec<Right> {
    let subjects: BTreeSet<&SubjectId> = old.subjects.keys().chain(new.subjects.keys()).collect();
    let assets: BTreeSet<&AssetId> = old.assets.keys().chain(new.assets.keys()).collect();
    let mut all = Vec::new();
    for subject in subjects {
        for asset in &assets {
            let before = rights(old, subject, asset, new);
            let after = rights(new, subject, asset, old);
            let right = |verb: String, before: Terms, after: Terms| Right {
                subject: subject.clone(),
                asset: (*asset).clone(),
                verb,
                point: None,
                addresses: None,
                before,
                after,
            };
            for (verb, before, after) in
                [("read", &before.reads, &after.reads), ("write", &before.writes, &after.writes)]
            {
                all.extend(overlay(before, after).into_iter().map(|piece| Right {
                    point: Some(piece.name.clone()),
                    addresses: Some(piece.addresses()),
                    ..right(verb.to_owned(), piece.before, piece.after)
                }));
            }
            let codes: BTreeSet<&Code> = before.functions.keys().chain(after.functions.keys()).collect();
            for code in codes {
                let of = |rights: &Rights<'_>| rights.functions.get(code).cloned().unwrap_or_default();
                all.push(right(word(*code).to_string(), of(&before), of(&after)));
            }
            all.push(right("broadcast".to_owned(), before.broadcast, after.broadcast));
        }
    }
    all
}

/// Addresses that both policies treat alike from end to end.
struct Piece<'p> {
    name: &'p PointName,
    bank: Bank,
    first: u16,
    last: u16,
    before: Terms,
    after: Terms,
}

impl Piece<'_> {
    fn addresses(&self) -> String {
        let bank = BankWord(self.bank);
        if self.first == self.last {
            format!("{bank} {}", self.first)
        } else {
            format!("{bank} {}-{}", self.first, self.last)
        }
    }
}

fn overlay<'p>(before: &[Held<'p>], after: &[Held<'p>]) -> Vec<Piece<'p>> {
    let all = || before.iter().chain(after);
    // Where something starts, or ends just before.
    let cuts: BTreeSet<(Bank, u32)> = all()
        .flat_map(|held| {
            let Point { bank, first, last, .. } = *held.point;
            [(bank, u32::from(first)), (bank, u32::from(last) + 1)]
        })
        .collect();
    let mut pieces: Vec<Piece<'p>> = Vec::new();
    for ((bank, first), (next_bank, next)) in cuts.iter().zip(cuts.iter().skip(1)) {
        let (Ok(first), Ok(last)) = (u16::try_from(*first), u16::try_from(next.saturating_sub(1))) else {
            continue;
        };
        let here = |held: &&Held<'_>| held.point.bank == *bank && held.point.first <= first && first <= held.point.last;
        let Some(name) = after.iter().chain(before).find(here).map(|held| held.name).filter(|_| bank == next_bank)
        else {
            continue;
        };
        let terms = |held: &[Held<'p>]| held.iter().filter(here).flat_map(|held| held.terms.iter().cloned()).collect();
        let piece = Piece { name, bank: *bank, first, last, before: terms(before), after: terms(after) };
        match pieces.last_mut() {
            Some(previous)
                if previous.bank == piece.bank
                    && previous.last.checked_add(1) == Some(piece.first)
                    && (previous.name, &previous.before, &previous.after)
                        == (piece.name, &piece.before, &piece.after) =>
            {
                previous.last = piece.last;
            }
            Some(_) | None => pieces.push(piece),
        }
    }
    pieces
}

/// The rights of a subject on an asset. `other` lends its function codes, so that a code which one policy grants alone and
/// the other within a whole function is compared as itself.
fn rights<'p>(policy: &'p Policy, subject: &SubjectId, asset: &AssetId, other: &Policy) -> Rights<'p> {
    let mut rights = Rights::default();
    let (Some(entry), Some((id, asset))) = (policy.subjects.get(subject), policy.assets.get_key_value(asset)) else {
        return rights;
    };
    let mut held: Vec<(&Can, String)> = Vec::new();
    for conduit in policy.conduits.values().filter(|conduit| leads(policy, entry, conduit, asset)) {
        for rule in conduit.allow.iter().filter(|rule| rule.on == *id) {
            for can in &rule.can {
                held.extend(terms(entry, conduit, rule, can).into_iter().map(|terms| (can, terms)));
            }
        }
    }
    let of = |named: &dyn Fn(&Can) -> bool| -> Terms {
        held.iter().filter(|(can, _)| named(can)).map(|(_, terms)| terms.clone()).collect()
    };
    let whole = forbids(policy, |what| matches!(what, Forbidden::Asset(asset) if asset == id));
    if whole {
        return rights;
    }
    for (name, point) in &asset.points {
        let reads = of(&|can| matches!(can, Can::Read(point) if point == name));
        if !reads.is_empty() && !never_reads(policy, asset, point.bank) {
            rights.reads.push(Held { name, point, terms: reads });
        }
        let never =
            forbids(policy, |what| matches!(what, Forbidden::Write(asset, point) if asset == id && point == name));
        let writes = if never { Terms::new() } else { of(&|can| matches!(can, Can::Write(point) if point == name)) };
        if !writes.is_empty() {
            let values = values(point);
            let without = never_codes(policy, asset, point.bank);
            let terms = writes.into_iter().map(|terms| format!("{terms}{values}{without}")).collect();
            rights.writes.push(Held { name, point, terms });
        }
    }
    if !forbids(policy, |what| *what == Forbidden::Broadcast) {
        rights.broadcast = of(&|can| *can == Can::Broadcast);
    }
    for code in function_codes(policy, id).union(&function_codes(other, id)) {
        let covers = |function: Function, asset: &Asset| {
            codes(function, &asset.profile).iter().any(|(of, sub)| *of == code.0 && (sub.is_none() || *sub == code.1))
        };
        if forbids(policy, |what| matches!(what, Forbidden::Function(function) if covers(*function, asset))) {
            continue;
        }
        let terms = of(&|can| matches!(can, Can::Function(function) if covers(*function, asset)));
        if !terms.is_empty() {
            rights.functions.insert(*code, terms);
        }
    }
    rights
}

fn function_codes(policy: &Policy, id: &AssetId) -> BTreeSet<Code> {
    let Some(asset) = policy.assets.get(id) else {
        return BTreeSet::new();
    };
    let granted = policy.conduits.values().flat_map(|conduit| &conduit.allow).flat_map(|rule| &rule.can);
    let granted = granted.filter_map(|can| match can {
        Can::Function(function) => Some(*function),
        Can::Read(_) | Can::Write(_) | Can::Broadcast => None,
    });
    let forbidden = policy.never.iter().flat_map(|never| &never.what).filter_map(|what| match what {
        Forbidden::Function(function) => Some(*function),
        Forbidden::Broadcast | Forbidden::Write(..) | Forbidden::Asset(_) => None,
    });
    granted.chain(forbidden).flat_map(|function| codes(function, &asset.profile)).collect()
}

fn forbids(policy: &Policy, covers: impl Fn(&Forbidden) -> bool) -> bool {
    policy.never.iter().any(|never| never.what.iter().any(&covers))
}

/// True when the one function that reads a bank is forbidden. Holding registers have two, so that one is left.
fn never_reads(policy: &Policy, asset: &Asset, bank: Bank) -> bool {
    let code = match bank {
        Bank::Coils => 1,
        Bank::Discrete => 2,
        Bank::Input => 4,
        Bank::Holding => 3,
        Bank::File(_) => 20,
    };
    never_code(policy, asset, code)
}

fn never_code(policy: &Policy, asset: &Asset, code: u8) -> bool {
    forbids(policy, |what| match what {
        Forbidden::Function(function) => codes(*function, &asset.profile).contains(&(code, None)),
        Forbidden::Broadcast | Forbidden::Write(..) | Forbidden::Asset(_) => false,
    })
}

/// `, never by function 6, 16`: the writing functions that are left out.
fn never_codes(policy: &Policy, asset: &Asset, bank: Bank) -> String {
    let writing: &[u8] = match bank {
        Bank::Coils => &[5, 15],
        Bank::Holding => &[6, 16, 22, 23],
        Bank::File(_) => &[21],
        Bank::Discrete | Bank::Input => &[],
    };
    let never: Vec<String> =
        writing.iter().filter(|code| never_code(policy, asset, **code)).map(ToString::to_string).collect();
    if never.is_empty() { String::new() } else { format!(", never by function {}", never.join(", ")) }
}

/// True when the conduit leads from where the subject may show itself to the asset.
fn leads(policy: &Policy, entry: &SubjectEntry, conduit: &Conduit, asset: &Asset) -> bool {
    conduit.to == asset.zone
        && match &conduit.from {
            From::Zone(zone) => {
                // Where TLS is spoken, a certificate alone counts.
                let shows = |listen: &Listen| !listen.tls || entry.admits_certificate();
                *zone == entry.zone
                    && asset.listen.iter().any(|listen| policy.zone_of(listen.at.ip()) == Some(zone) && shows(listen))
            }
            From::Remote(name) => entry.zone.as_str().strip_prefix("remote:") == Some(name.as_str()),
        }
}

/// The terms under which a rule gives a right to a subject: none where it is not for it; a panel has one set without and one
/// with each grant.
fn terms(entry: &SubjectEntry, conduit: &Conduit, rule: &Rule, can: &Can) -> Vec<String> {
    let base = conditions(conduit, rule, can);
    match entry.panel() {
        Some(grant) => {
            let openers: Vec<&Role> = rule.who.intersection(&grant.opened_by).collect();
            if openers.is_empty() {
                Vec::new()
            } else if matches!(can, Can::Read(_)) {
                vec![base]
            } else {
                openers.into_iter().map(|role| format!("{base}, grant of {role}")).collect()
            }
        }
        None => entry.role.iter().filter(|role| rule.who.contains(*role)).map(|_| base.clone()).collect(),
    }
}

fn conditions(conduit: &Conduit, rule: &Rule, can: &Can) -> String {
    let mut words: Vec<&Condition> = rule.when.iter().collect();
    words.sort_unstable();
    words.dedup();
    let mut all: Vec<String> = words.into_iter().map(ToString::to_string).collect();
    all.extend(conduit.hours.map(|hours| format!("hours {hours}")));
    all.extend(
        conduit.approval.as_ref().map(|terms| format!("approval of {} for {} minutes", terms.by, terms.minutes)),
    );
    let counts = matches!(can, Can::Read(_) | Can::Write(_));
    all.extend(rule.limit.filter(|_| counts).map(|limit| limit.to_string()));
    if all.is_empty() { "always".to_owned() } else { all.join(", ") }
}

/// What a write may leave in a point, as the policy writes it.
fn values(point: &Point) -> String {
    let text = point.to_string();
    let terms = text.split(' ').skip_while(|word| !["as", "values", "safe", "heartbeat"].contains(word));
    let terms = terms.collect::<Vec<_>>().join(" ");
    if terms.is_empty() { terms } else { format!(", {terms}") }
}

/// A function as the policy writes it.
pub(in crate::policy) fn word((code, sub): Code) -> Function {
    match (code, sub) {
        (43, Some(14)) => Function::Identify,
        (8, Some(1)) => Function::Restart,
        (8, Some(4)) => Function::ListenOnly,
        (code, sub) => Function::Code { code, sub },
    }
}
