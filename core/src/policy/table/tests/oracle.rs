//! A second opinion: random small plants and random frames are judged by the tables and by a naive reading of the rulings.

use std::collections::{BTreeMap, BTreeSet};

use crate::decision::{Decision, Reason};
use crate::identity::{Attributes, Life};
use crate::moment::{Moment, UnixMs};
use crate::policy::Policy;
use crate::policy::diff::{Right, diff};
use crate::policy::explain::explain;
use crate::policy::model::{Forbidden, Never};
use crate::policy::riverside::{load, world};
use crate::policy::table::{TableCache, decide};
use crate::wire::modbus::Request;
use crate::world::{World, derive, derive_with};

use judge::{Judge, Said};
use people::{frame, moment, person};
use plant::{Random, plant};

mod judge;
mod people;
mod plant;
mod tools;

const HERE: &str = "10.0.1.9:502";
/// The same device where TLS is spoken.
const SECURE: &str = "10.0.1.9:802";

fn said(decision: &Decision) -> Said {
    Said {
        effect: decision.effect,
        reason: decision.reason,
        rule: decision.rule.as_ref().map(ToString::to_string),
        keep: decision.keep,
        waived: decision.waived,
        limited: decision.limited,
        doubtful: decision.doubtful,
    }
}

fn a_world(random: &mut Random) -> World {
    world(load(&plant(random)))
}

fn with_facts(world: &World, facts: Attributes, revoked: bool) -> World {
    let mut world = World { facts, ..world.clone() };
    // The registry knows an address of one that the policy admits by it, and of one that it does not.
    let addresses = [("10.0.1.41", "both"), ("10.0.1.42", "key")];
    let registry = std::sync::Arc::make_mut(&mut world.registry);
    registry.addresses.extend(addresses.map(|(ip, name)| ((ip.parse().unwrap(), None), name.into())));
    if revoked {
        let mut registry = (*world.registry).clone();
        registry.lives.insert("station".into(), Life::Revoked);
        world.registry = registry.into();
    }
    world
}

#[test]
fn tables_and_a_naive_reading_of_the_rulings_agree_on_30_000_frames() {
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let (mut asked, mut plants) = (0, 0);
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    while asked < 30_000 {
        let text = plant(&mut random);
        plants += 1;
        let base = world(load(&text));
        let zero = base.policy.assets["plc"].profile.unit_zero;
        for _ in 0..20 {
            let now = moment(&mut random);
            let (who, facts, revoked) = person(&mut random, now);
            let world = with_facts(&base, facts, revoked);
            let standing = derive(&world, &who.evidence, now);
            for _ in 0..10 {
                let (unit, pdu) = frame(&mut random);
                let request = Request::decode(&pdu).unwrap();
                let accesses = request.accesses(unit, zero);
                let decision = decide(&standing.table, &accesses, now);
                let wanted = Judge { policy: &world.policy, who: &who, now }.frame(&accesses);
                assert_eq!(said(&decision), wanted, "{text}\n{pdu:02x?} unit {unit} at {now:?} by {:?}", who.evidence);
                assert_eq!(standing.assurance.0, who.assurance);
                let charged = !standing.table.charges(&accesses, now).is_empty();
                assert_eq!(charged && decision.allows(), decision.limited, "{text}\n{pdu:02x?}");
                let word = decision.reason.map_or(if decision.waived { "waived" } else { "allow" }, Reason::name);
                *seen.entry(word.to_owned()).or_default() += 1;
                asked += 1;
            }
        }
    }
    // Agreement about nothing would be no evidence.
    for word in ["allow", "waived", "revoked", "no-subject", "ended", "never", "no-rule", "range", "condition", "clock"]
    {
        assert!(seen.get(word).is_some_and(|count| *count >= 50), "{word}: {seen:?} in {plants} plants");
    }
}

#[test]
fn deny_wins_order_is_nothing_and_less_never_allows_more() {
    let mut random = Random(0xD1B5_4A32_D192_ED03);
    let mut removed = 0;
    for _ in 0..150 {
        let base = a_world(&mut random);
        let zero = base.policy.assets["plc"].profile.unit_zero;
        let change = |edit: &dyn Fn(&mut Policy)| {
            let mut policy = (*base.policy).clone();
            edit(&mut policy);
            World { policy: policy.into(), ..base.clone() }
        };
        let backwards = change(&|policy| policy.conduits.values_mut().for_each(|conduit| conduit.allow.reverse()));
        let drop = random.below(4) as usize;
        let fewer = change(&|policy| {
            policy.conduits.values_mut().for_each(|conduit| {
                let keep = conduit.allow.len().saturating_sub(drop);
                conduit.allow.truncate(keep);
            });
        });
        let forbidding = change(&|policy| {
            policy.never.push(Never {
                id: "never[9]".into(),
                what: vec![Forbidden::Asset("plc".into())],
                why: None,
                place: crate::policy::problem::Place::default(),
            });
        });
        for _ in 0..60 {
            let now = moment(&mut random);
            let (who, facts, _) = person(&mut random, now);
            let (unit, pdu) = frame(&mut random);
            let request = Request::decode(&pdu).unwrap();
            let judged = |world: &World| {
                let world = with_facts(world, facts.clone(), false);
                decide(&derive(&world, &who.evidence, now).table, &request.accesses(unit, zero), now)
            };
            let (now_is, turned) = (judged(&base), judged(&backwards));
            assert_eq!((now_is.effect, now_is.reason), (turned.effect, turned.reason));
            let less = judged(&fewer);
            assert!(!less.allows() || now_is.allows(), "fewer rules allow more");
            removed += u32::from(now_is.allows() && !less.allows());
            assert!(!judged(&forbidding).allows(), "never wins");
        }
    }
    assert!(removed > 100, "rules were dropped that mattered: {removed}");
}

#[test]
fn nothing_changes_before_valid_until_and_shared_tables_decide_alike() {
    let mut random = Random(0xA24B_AED4_963E_E407);
    let mut ends = 0;
    for _ in 0..60 {
        let base = a_world(&mut random);
        let zero = base.policy.assets["plc"].profile.unit_zero;
        let mut cache = TableCache::default();
        for round in 0..40 {
            let now = moment(&mut random);
            let (who, facts, _) = person(&mut random, now);
            let world = World { generation: round / 10, ..with_facts(&base, facts, false) };
            let standing = derive_with(&world, &who.evidence, now, &mut cache);
            let fresh = derive(&world, &who.evidence, now);
            let later = standing.valid_until.wall.map_or(now.wall.0 + 86_400_000, |end| end.0 - 1);
            ends += u32::from(standing.valid_until.wall.is_some());
            assert!(later >= now.wall.0);
            let last = Moment { wall: UnixMs(later), ..now };
            let then = derive(&world, &who.evidence, last);
            for _ in 0..5 {
                let (unit, pdu) = frame(&mut random);
                let request = Request::decode(&pdu).unwrap();
                let accesses = request.accesses(unit, zero);
                let decision = decide(&standing.table, &accesses, now);
                assert_eq!(decision, decide(&fresh.table, &accesses, now));
                assert_eq!(decision, decide(&then.table, &accesses, last), "{now:?} to {last:?}");
            }
        }
    }
    assert!(ends > 300, "{ends}");
}

#[test]
fn an_explanation_names_the_stage_that_the_decision_names() {
    let mut random = Random(0x2545_F491_4F6C_DD1D);
    let mut checked = 0;
    for _ in 0..200 {
        let base = a_world(&mut random);
        let zero = base.policy.assets["plc"].profile.unit_zero;
        for _ in 0..30 {
            let now = moment(&mut random);
            let (who, facts, revoked) = person(&mut random, now);
            let world = with_facts(&base, facts, revoked);
            let (unit, pdu) = frame(&mut random);
            let request = Request::decode(&pdu).unwrap();
            let accesses = request.accesses(unit, zero);
            let decision = decide(&derive(&world, &who.evidence, now).table, &accesses, now);
            let explanation = explain(&world, &who.evidence, &accesses, now);
            assert_eq!((explanation.effect, explanation.reason), (decision.effect, decision.reason));
            let stage = match decision.reason {
                Some(reason @ (Reason::Range | Reason::Condition | Reason::Clock)) => Some(reason),
                None => None,
                Some(_) => continue,
            };
            let said = explanation.asked.iter().flat_map(|asked| &asked.rules);
            let mut said = said.filter(|considered| Some(&considered.rule) == decision.rule.as_ref());
            assert!(said.any(|considered| considered.stage == stage), "{pdu:02x?} {explanation}");
            assert!(explanation.to_string().lines().count() < 60, "one screen");
            checked += 1;
        }
    }
    assert!(checked > 500, "{checked}");
}

/// Every address of a bank that a station has the right to, by asking for each.
fn rights(world: &World, bank: &str, verb: &str) -> BTreeSet<u16> {
    let now = crate::policy::riverside::at("2026-03-10 10:00");
    let evidence = crate::policy::riverside::evidence(HERE, "10.0.1.21", None);
    let table = derive(world, &evidence, now).table;
    let unit = world.policy.assets["plc"].units[0];
    let zero = world.policy.assets["plc"].profile.unit_zero;
    let may = |address: &u16| {
        let [high, low] = address.to_be_bytes();
        let pdu: &[u8] = match (bank, verb) {
            ("holding", "read") => &[3, high, low, 0, 1],
            ("coils", "read") => &[1, high, low, 0, 1],
            ("holding", _) => &[6, high, low, 0, 0],
            _ => &[5, high, low, 0, 0],
        };
        let accesses = Request::decode(pdu).unwrap().accesses(unit, zero);
        let reason = decide(&table, &accesses, now).reason;
        !matches!(reason, Some(Reason::NoRule | Reason::Never))
    };
    (0..64).filter(may).collect()
}

/// The addresses in a list of differences, such as `holding 3-5`.
fn addresses(rights: &[Right], bank: &str, verb: &str) -> BTreeSet<u16> {
    let of_station = rights.iter().filter(|right| right.subject.as_str() == "station" && right.verb == verb);
    let ranges = of_station.filter_map(|right| right.addresses.as_deref()?.strip_prefix(bank)?.strip_prefix(' '));
    let range = |range: &str| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        first.parse::<u16>().unwrap()..=last.parse::<u16>().unwrap()
    };
    ranges.flat_map(range).collect()
}

#[test]
fn a_diff_is_exact_to_the_address() {
    let mut random = Random(0x1D87_2B41_9A5F_0C63);
    let mut differing = 0;
    for _ in 0..150 {
        let (old, new) = (a_world(&mut random), a_world(&mut random));
        let found = diff(&old.policy, &new.policy);
        for (bank, verb) in [("holding", "read"), ("holding", "write"), ("coils", "read"), ("coils", "write")] {
            let (before, after) = (rights(&old, bank, verb), rights(&new, bank, verb));
            let gained: BTreeSet<u16> = after.difference(&before).copied().collect();
            let lost: BTreeSet<u16> = before.difference(&after).copied().collect();
            assert_eq!(addresses(&found.gained, bank, verb), gained, "{bank} {verb}\n{found}");
            assert_eq!(addresses(&found.lost, bank, verb), lost, "{bank} {verb}\n{found}");
            differing += gained.len() + lost.len();
        }
        assert!(diff(&new.policy, &new.policy).is_empty());
    }
    assert!(differing > 1000, "{differing}");
}
