//! Three tools, one answer: what `diff` says of two policies, what `shadow` says of a frame and what `replay` says of its record.

use std::collections::BTreeSet;

use super::people::{frame, moment, person};
use super::plant::{Random, plant};
use super::{HERE, diff, load, world};
use crate::access::{Access, Target, Values};
use crate::decision::{Decision, Reason};
use crate::digest::Sha256;
use crate::identity::{Attributes, Evidence, Grant, Proof};
use crate::journal::record::{AccessRecord, DecisionRecord, Event, FrameRecord, ProofRecord, Record, Seq};
use crate::journal::target;
use crate::moment::{Moment, UnixMs};
use crate::policy::diff::{Diff, Right};
use crate::policy::differences::{Difference, Gathering, Judged, Request as Asked, Turn};
use crate::policy::model::{Mode, UnitZero};
use crate::policy::replay::Replay;
use crate::policy::riverside::{at, evidence, key_of};
use crate::policy::table::decide;
use crate::wire::modbus::Request;
use crate::world::{World, derive};

/// A policy and one that somebody has edited: rights, values, conditions, limits and `never`, but no setting.
fn pair(random: &mut Random) -> (World, World) {
    let text = plant(random);
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for _ in 0..=random.below(3) {
        let kind = random.below(5);
        let fits = |line: &str| match kind {
            0 => line.starts_with("can = [") && line.contains(", \""),
            1 => line.contains(" values 0.."),
            2 => line.starts_with("when = ["),
            3 => line.starts_with("limit = "),
            _ => line.starts_with("who = [\"Operator\""),
        };
        let places: Vec<usize> = (0..lines.len()).filter(|at| fits(&lines[*at])).collect();
        if places.is_empty() {
            continue;
        }
        let line = &mut lines[random.one(&places)];
        *line = match kind {
            // The first right goes.
            0 => format!("can = [{}", line.split_once(", ").unwrap().1),
            1 => line.replace(" values 0..300", " values 0..2").replace(" values 0..9", " values 0..300"),
            2 => random.one(&["when = []", "when = [\"assurance 1\"]", "when = [\"on shift\"]"]).to_owned(),
            3 => "limit = \"7 writes per minute\"".to_owned(),
            _ => line.replace("\"Operator\"", "\"Engineer\"").replace("\"Engineer\", \"Engineer\"", "\"Engineer\""),
        };
    }
    let edited = lines.join("\n");
    let pair = (world(load(&text)), world(load(&edited)));
    if random.chance(50) { pair } else { (pair.1, pair.0) }
}

/// What both say about one frame, as `shadow` gathers it.
fn shadow(
    found: &mut Gathering,
    old: &World,
    new: &World,
    evidence: &Evidence,
    accesses: &[Access<'_>],
    now: Moment,
) -> (Decision, Decision) {
    let (was, is) = (derive(old, evidence, now), derive(new, evidence, now));
    let (before, after) = (decide(&was.table, accesses, now), decide(&is.table, accesses, now));
    let asked = Asked { accesses, source: evidence.source, at: now.wall, weight: 1 };
    found.add(&asked, Judged { standing: &was, decision: &before }, Judged { standing: &is, decision: &after });
    (before, after)
}

fn range(addresses: &str) -> (String, BTreeSet<u16>) {
    let (bank, range) = addresses.rsplit_once(' ').unwrap();
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    (bank.to_owned(), (first.parse().unwrap()..=last.parse().unwrap()).collect())
}

/// Whether an entry of a diff speaks of what a line of `shadow` speaks of.
fn covers(right: &Right, line: &Difference) -> bool {
    let same = line.subject.as_ref() == Some(&right.subject) && line.asset.as_ref() == Some(&right.asset);
    let verb = line.verb == right.verb || line.verb.starts_with(&format!("{}/", right.verb));
    let place = match (&right.addresses, &line.addresses) {
        (Some(right), Some(line)) => {
            let ((bank, some), (other, more)) = (range(right), range(line));
            bank == other && !some.is_disjoint(&more)
        }
        (None, _) | (_, None) => right.addresses.is_none() && line.addresses.is_none(),
    };
    same && verb && place
}

fn covered(diff: &Diff, line: &Difference) -> bool {
    let sure = if line.turn == Turn::Gained { &diff.gained } else { &diff.lost };
    let sure = if line.turn == Turn::Terms { &diff.changed } else { sure };
    sure.iter().chain(&diff.changed).any(|right| covers(right, line))
}

#[test]
fn every_request_that_is_decided_otherwise_is_covered_by_an_entry_of_the_diff() {
    let mut random = Random(0x6A09_E667_F3BC_C908);
    let mut turned = [0_u32; 3];
    for _ in 0..220 {
        let (old, new) = pair(&mut random);
        let zero = old.policy.assets["plc"].profile.unit_zero;
        let diff = diff(&old.policy, &new.policy);
        assert!(diff.settings.is_empty(), "{diff}");
        for _ in 0..60 {
            let now = moment(&mut random);
            let (who, facts, _) = person(&mut random, now);
            let with = |world: &World| World { facts: facts.clone(), ..world.clone() };
            let (old, new) = (with(&old), with(&new));
            for _ in 0..4 {
                let (unit, pdu) = frame(&mut random);
                let request = Request::decode(&pdu).unwrap();
                let accesses = request.accesses(unit, zero);
                let mut found = Gathering::default();
                let (before, after) = shadow(&mut found, &old, &new, &who.evidence, &accesses, now);
                let report = found.report();
                assert_eq!(before.allows() != after.allows(), report.lost + report.gained > 0, "{pdu:02x?}");
                for line in &report.lines {
                    assert!(covered(&diff, line), "{line}\n{pdu:02x?} unit {unit}\n{diff}");
                    turned[line.turn as usize] += 1;
                }
            }
        }
    }
    assert!(turned.iter().all(|count| *count > 30), "{turned:?}");
}

/// Everything that a condition can ask for.
fn favourable() -> Attributes {
    Attributes {
        plant_mode: Some("maintenance".into()),
        work_order: Some(true),
        second_factor: Some(true),
        line: Some("one".into()),
        location: None,
        shift: None,
        logged_in: Some(at("2026-03-11 09:50").wall),
    }
}

/// Every way in which a subject of the plants can show itself at its best, and moments at which time words differ.
fn showings(subject: &str) -> Vec<Evidence> {
    let station = || evidence(HERE, "10.0.1.21", None);
    let elsewhere = || evidence(HERE, "10.0.1.99", None);
    let claims = favourable();
    let token = |role: &str, bound: bool| Proof::Token {
        subject: subject.into(),
        roles: [role.into()].into(),
        claims: claims.clone(),
        bound_to: bound.then(|| key_of("bound")),
        expires: None,
    };
    let proof = |proof| {
        let mut evidence = elsewhere();
        evidence.proofs.push(proof);
        evidence
    };
    match subject {
        "station" => vec![station()],
        "key" | "both" => {
            let certificate = Proof::Certificate {
                spki: key_of(subject),
                role: Some(if subject == "key" { "Engineer" } else { "Operator" }.into()),
                not_before: UnixMs(i64::MIN),
                not_after: UnixMs(i64::MAX),
            };
            let mut secure = proof(certificate);
            secure.listener = super::SECURE.parse().unwrap();
            vec![secure]
        }
        "bearer" => vec![proof(token("Supervisor", false)), proof(token("Supervisor", true))],
        "panel" => ["Operator", "Supervisor"]
            .into_iter()
            .map(|by| {
                let mut evidence = evidence(HERE, "10.0.1.31", Some("02:00:00:00:00:01"));
                let ends = UnixMs(i64::MAX);
                let grant = Grant { id: "g".into(), subject: subject.into(), by: by.into(), ends, ends_ran: None };
                evidence.proofs.push(Proof::SessionGrant { grant: grant.into() });
                evidence
            })
            .collect(),
        _ => {
            let mut far = proof(token("Vendor", true));
            far.remote = Some("far".into());
            let at = at("2026-03-11 09:50").wall;
            far.approvals.push(crate::identity::Approval { by: "Supervisor".into(), at });
            vec![far]
        }
    }
}

/// Frames that exercise a right.
fn frames(right: &Right, policy: &crate::policy::Policy) -> Vec<Vec<u8>> {
    let Some(addresses) = &right.addresses else {
        return match right.verb.as_str() {
            "broadcast" => Vec::new(),
            "diagnostics identify" => vec![vec![43, 14, 1, 0]],
            "diagnostics restart" => vec![vec![8, 0, 1, 0, 0]],
            "diagnostics listen-only" => vec![vec![8, 0, 4, 0, 0]],
            verb => {
                let number = verb.strip_prefix("function ").unwrap();
                let (code, sub) = number.split_once('/').map_or((number, None), |(code, sub)| (code, Some(sub)));
                let code: u8 = code.parse().unwrap();
                match (code, sub) {
                    (8, sub) => vec![vec![8, 0, sub.unwrap_or("0").parse().unwrap(), 0, 0]],
                    (43, sub) => vec![vec![43, sub.unwrap_or("14").parse().unwrap(), 1, 0]],
                    (90, _) => vec![vec![90, 0, 1]],
                    (code, _) => vec![vec![code]],
                }
            }
        };
    };
    let (bank, all) = range(addresses);
    let mut spans = vec![(*all.first().unwrap(), *all.last().unwrap())];
    // A part of a wide element says nothing by itself: the whole point is asked for too.
    let point = right.point.as_ref().and_then(|name| policy.assets["plc"].points.get(name));
    spans.extend(point.map(|point| (point.first, point.last)));
    let mut frames = Vec::new();
    for (first, last) in spans {
        let [high, low] = first.to_be_bytes();
        let count = u8::try_from(last - first + 1).unwrap();
        match (bank.as_str(), right.verb.as_str()) {
            ("holding", "read") => frames.push(vec![3, high, low, 0, count]),
            ("input", _) => frames.push(vec![4, high, low, 0, count]),
            ("discrete", _) => frames.push(vec![2, high, low, 0, count]),
            ("coils", "read") => frames.push(vec![1, high, low, 0, count]),
            ("holding", _) => {
                for value in [0, 1] {
                    let values = [0, value].repeat(usize::from(count));
                    frames.push([vec![16, high, low, 0, count, count * 2], values].concat());
                    if count == 1 {
                        frames.push(vec![6, high, low, 0, value]);
                    }
                }
            }
            (_, _) => {
                for value in [0, 0xff] {
                    let packed = if value == 0 { 0 } else { u8::MAX >> (8 - count) };
                    frames.push(vec![15, high, low, 0, count, 1, packed]);
                }
            }
        }
    }
    frames
}

#[test]
fn every_right_that_the_diff_takes_or_gives_has_a_request_that_shadow_lists() {
    let mut random = Random(0xBB67_AE85_84CA_A73B);
    let (mut witnessed, mut impossible) = (0_u32, 0_u32);
    for _ in 0..120 {
        let (old, new) = pair(&mut random);
        let [old, new] = [old, new].map(|world| World { facts: favourable(), ..world });
        let profile = &old.policy.assets["plc"].profile;
        let (zero, unit) = (profile.unit_zero, old.policy.assets["plc"].units[0]);
        let diff = diff(&old.policy, &new.policy);
        let sides = [(&diff.lost, Turn::Lost, &old, &new), (&diff.gained, Turn::Gained, &new, &old)];
        for (right, turn, has, lacks) in sides
            .into_iter()
            .flat_map(|(rights, turn, has, lacks)| rights.iter().map(move |right| (right, turn, has, lacks)))
        {
            if right.verb == "broadcast" {
                continue;
            }
            let mut allowed = false;
            let mut listed = false;
            for evidence in showings(right.subject.as_str()) {
                for now in ["2026-03-11 10:00", "2026-03-11 10:20", "2026-03-11 23:00", "2026-03-14 10:00"].map(at) {
                    for pdu in frames(right, &has.policy) {
                        let request = Request::decode(&pdu).unwrap();
                        let accesses = request.accesses(unit, zero);
                        if !decide(&derive(has, &evidence, now).table, &accesses, now).allows() {
                            continue;
                        }
                        allowed = true;
                        let mut found = Gathering::default();
                        let (old, new) = if turn == Turn::Lost { (has, lacks) } else { (lacks, has) };
                        shadow(&mut found, old, new, &evidence, &accesses, now);
                        let report = found.report();
                        let line = report.lines.iter().find(|line| line.turn == turn && covers(right, line));
                        assert!(line.is_some(), "{right}: {pdu:02x?} lists {:?}\n{diff}", report.lines);
                        listed |= line.is_some_and(|line| line.point == right.point);
                    }
                }
            }
            assert!(!allowed || listed, "{right}\n{diff}");
            witnessed += u32::from(listed);
            impossible += u32::from(!allowed);
        }
    }
    assert!(witnessed > 300 && impossible * 4 < witnessed, "{witnessed} witnessed, {impossible} that nobody can use");
}

/// The record that the gateway writes of a frame.
fn record(
    seq: u64,
    world: &World,
    evidence: &Evidence,
    (unit, pdu): (u8, &[u8]),
    accesses: &[Access<'_>],
    now: Moment,
) -> Record {
    let standing = derive(world, evidence, now);
    let decision = decide(&standing.table, accesses, now);
    let element = |values: Values<'_>, at: usize| match values {
        Values::None | Values::Mask { .. } => None,
        Values::Registers(bytes) => Some(u16::from_be_bytes([bytes[2 * at], bytes[2 * at + 1]])),
        Values::Coil(on) => Some(u16::from(on)),
        Values::Coils(bits) => Some(u16::from(bits[at / 8] >> (at % 8) & 1)),
    };
    let one = |access: &Access<'_>| {
        let (mut new, mut mask) = (None, None);
        if let Target::Registers { count, values, .. } = access.target
            && values != Values::None
        {
            new = (0..usize::from(count.get())).map(|at| element(values, at)).collect();
            if let Values::Mask { and, or } = values {
                mask = Some([and, or]);
            }
        }
        let text = target::text(access.target);
        AccessRecord { verb: access.verb, points: vec![], target: text, last: None, last_age: None, new, mask }
    };
    let mac = evidence.proofs.iter().find_map(|proof| if let Proof::Address { mac, .. } = proof { *mac } else { None });
    let proofs = evidence.proofs.iter().map(|proof| match proof {
        Proof::Address { .. } => ProofRecord::Address,
        Proof::Certificate { role, not_after, .. } => {
            ProofRecord::Certificate { role: role.clone(), not_after: *not_after }
        }
        Proof::Token { subject, roles, claims, bound_to, expires } => ProofRecord::Token {
            subject: subject.clone(),
            roles: roles.clone(),
            bound: bound_to.is_some(),
            expires: *expires,
            claims: claims.clone(),
        },
        Proof::SessionGrant { grant } => ProofRecord::SessionGrant {
            subject: grant.subject.clone(),
            by: grant.by.clone(),
            ends: grant.ends,
            ends_ran: grant.ends_ran,
        },
    });
    let alone = evidence.proofs.iter().all(|proof| matches!(proof, Proof::Address { .. }));
    let decision = DecisionRecord {
        effect: decision.effect,
        reason: decision.reason,
        mode: Mode::Enforce,
        subject: standing.subject.as_ref().map(|subject| subject.id.clone()),
        roles: Vec::new(),
        assurance: standing.assurance,
        source: (evidence.source, 40_000).into(),
        mac,
        listener: evidence.listener,
        zone: None,
        conduit: None,
        asset: standing.table.asset().cloned(),
        rule: decision.rule,
        policy: world.policy.hash,
        frame: FrameRecord { id: 1, unit, function: pdu[0] },
        accesses: accesses.iter().map(one).collect(),
        proofs: (!alone).then(|| proofs.collect()),
        doubtful: decision.doubtful,
    };
    Record { v: 1, seq: Seq(seq), previous: Sha256::default(), at: now, event: Event::Decision(Box::new(decision)) }
}

#[test]
fn a_replay_lists_what_shadow_lists_and_the_policy_that_decided_differs_in_nothing() {
    let mut random = Random(0x3C6E_F372_FE94_F82B);
    let (mut listed, mut checked) = (0, 0);
    for _ in 0..120 {
        let (old, new) = pair(&mut random);
        let zero = old.policy.assets["plc"].profile.unit_zero;
        let mut found = Gathering::default();
        let mut replay = Replay::new(old.policy.clone(), new.policy.clone());
        let mut same = Replay::new(old.policy.clone(), old.policy.clone());
        let mut seq = 0;
        for _ in 0..60 {
            let now = moment(&mut random);
            let (mut who, ..) = person(&mut random, now);
            // An address is shown by coming from it.
            let shown = who.evidence.proofs.iter().find_map(|proof| match proof {
                Proof::Address { ip, .. } => Some(*ip),
                Proof::Certificate { .. } | Proof::Token { .. } | Proof::SessionGrant { .. } => None,
            });
            who.evidence.source = shown.unwrap_or(who.evidence.source);
            // No door leads to the far end of a remote conduit yet, and none writes such records.
            if who.evidence.remote.is_some() {
                continue;
            }
            for _ in 0..4 {
                let (unit, pdu) = frame(&mut random);
                let request = Request::decode(&pdu).unwrap();
                let accesses = request.accesses(unit, zero);
                let (before, _) = shadow(&mut found, &old, &new, &who.evidence, &accesses, now);
                assert_ne!(before.reason, Some(Reason::Revoked));
                seq += 1;
                let record = record(seq, &old, &who.evidence, (unit, &pdu), &accesses, now);
                replay.judge(&record);
                same.judge(&record);
            }
        }
        let (replayed, same) = (replay.finish(), same.finish());
        assert_eq!((replayed.told, replayed.checked), (vec![], seq));
        assert_eq!(replayed.differences.lines, found.report().lines);
        assert_eq!((same.told, same.differences.lines), (vec![], vec![]));
        listed += replayed.differences.lines.len();
        checked += same.checked;
    }
    assert!(listed > 60 && checked > 10_000, "{listed} in {checked}");
}

#[test]
fn a_broadcast_that_is_lost_is_listed_as_such() {
    let mut random = Random(0xA54F_F53A_5F1D_36F1);
    let mut listed = 0;
    for _ in 0..4_000 {
        let text = plant(&mut random);
        if !text.contains("profile = \"serial\"")
            || !text.contains("\"broadcast\"]") && !text.contains("\"broadcast\",")
        {
            continue;
        }
        let old = world(load(&text));
        let new = world(load(&format!("{text}[[never]]\nwhat = [\"broadcast\"]\nwhy = \"so\"\n")));
        let now = at("2026-03-11 10:00");
        for first in 0..40 {
            let pdu = [6, 0, first, 0, 0];
            let request = Request::decode(&pdu).unwrap();
            let accesses = request.accesses(0, UnitZero::Broadcast);
            let mut found = Gathering::default();
            let (before, _) = shadow(&mut found, &old, &new, &evidence(HERE, "10.0.1.21", None), &accesses, now);
            if before.allows() {
                let report = found.report();
                assert_eq!(report.lines.iter().map(|line| line.verb.as_str()).collect::<Vec<_>>(), ["broadcast"]);
                assert_eq!(report.lines[0].after.reason, Some(Reason::Never));
                listed += 1;
            }
        }
        if listed > 20 {
            return;
        }
    }
    panic!("{listed}");
}
