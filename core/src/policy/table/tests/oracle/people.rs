//! Random people, frames and moments.

use super::plant::Random;
use super::{HERE, SECURE};
use crate::decision::Reason;
use crate::identity::{Approval, Attributes, Evidence, Grant, Proof};
use crate::moment::{ClockTrust, Moment, UnixMs};
use crate::names::Role;
use crate::policy::riverside::{at, evidence, key_of};

/// Who asks, as the oracle sees it: written down where the evidence is made, never derived from it.
pub(super) struct Person {
    pub(super) evidence: Evidence,
    pub(super) life: Option<Reason>,
    pub(super) roles: Vec<&'static str>,
    pub(super) keeps: Vec<&'static str>,
    pub(super) panel: bool,
    pub(super) ended: bool,
    pub(super) assurance: u8,
    pub(super) attributes: Attributes,
    pub(super) remote: bool,
}

#[expect(clippy::too_many_lines, reason = "one list of people")]
pub(super) fn person(random: &mut Random, now: Moment) -> (Person, Attributes, bool) {
    let known = |random: &mut Random| Attributes {
        plant_mode: random.chance(40).then(|| "maintenance".into()),
        work_order: random.one(&[None, Some(true), Some(false)]),
        second_factor: random.one(&[None, Some(true), Some(false)]),
        line: random.chance(30).then(|| "one".into()),
        location: None,
        shift: random.one(&[None, None, Some("early"), Some("night")]).map(Into::into),
        logged_in: random
            .one(&[None, Some(0), Some(30 * 60_000), Some(30 * 60_000 + 1), Some(-1)])
            .map(|ago: i64| UnixMs(now.wall.0 - ago)),
    };
    let facts = known(random);
    let claims = known(random);
    let both = |first: Attributes, then: &Attributes| Attributes {
        plant_mode: first.plant_mode.or_else(|| then.plant_mode.clone()),
        work_order: first.work_order.or(then.work_order),
        second_factor: first.second_factor.or(then.second_factor),
        line: first.line.or_else(|| then.line.clone()),
        location: first.location.or_else(|| then.location.clone()),
        shift: first.shift.or_else(|| then.shift.clone()),
        logged_in: first.logged_in.or(then.logged_in),
    };
    let nobody = |ip: &str, mac: Option<&str>| Person {
        evidence: evidence(HERE, ip, mac),
        life: Some(Reason::NoSubject),
        roles: vec![],
        keeps: vec![],
        panel: false,
        ended: false,
        assurance: 0,
        attributes: facts.clone(),
        remote: false,
    };
    let token = |subject: &str, role: &str| Proof::Token {
        subject: subject.into(),
        roles: [Role::from(role)].into(),
        claims: claims.clone(),
        bound_to: None,
        expires: None,
    };
    let mut revoked = false;
    let kind = random.below(10);
    let mut who = match kind {
        0 => nobody("10.0.1.99", None),
        1 => nobody("10.0.1.31", Some("02:00:00:00:00:02")),
        2 | 3 => {
            let mut station = nobody("10.0.1.21", None);
            station.roles = vec!["Operator"];
            station.assurance = 1;
            let own = Attributes { line: Some("one".into()), shift: Some("early".into()), ..Attributes::default() };
            station.attributes = both(own, &facts);
            station.life = None;
            revoked = random.chance(10);
            if revoked {
                station.life = Some(Reason::Revoked);
            }
            station
        }
        // One name by the registry's address or by its certificate; the registry's address of a name that the policy knows by
        // its certificate alone shows nobody.
        10 | 11 => match random.below(3) {
            0 => nobody("10.0.1.42", None),
            by => {
                let mut both = nobody("10.0.1.41", None);
                both.roles = vec!["Operator"];
                both.assurance = 1;
                both.life = None;
                if by == 2 {
                    let not_after = UnixMs(i64::MAX);
                    let role = Some("Operator".into());
                    both.evidence.proofs.push(Proof::Certificate {
                        spki: key_of("both"),
                        role,
                        not_before: UnixMs(0),
                        not_after,
                    });
                    both.assurance = 3;
                }
                both
            }
        },
        4 => {
            let mut key = nobody("10.0.1.21", None);
            let role = random.one(&[None, Some("Engineer"), Some("Operator")]);
            let not_after = UnixMs(i64::MAX);
            key.evidence.proofs.push(Proof::Certificate {
                spki: key_of("key"),
                role: role.map(Role::from),
                not_before: UnixMs(i64::MIN),
                not_after,
            });
            key.roles = if role == Some("Engineer") { vec!["Engineer"] } else { vec![] };
            key.assurance = 3;
            key.life = None;
            key
        }
        5 | 6 => {
            let mut bearer = nobody("10.0.1.99", None);
            bearer.evidence.proofs.push(token("bearer", "Supervisor"));
            bearer.roles = vec!["Supervisor"];
            bearer.assurance = 2;
            bearer.attributes = both(claims.clone(), &facts);
            bearer.life = None;
            bearer
        }
        7 | 8 => {
            let mut panel = nobody("10.0.1.31", Some("02:00:00:00:00:01"));
            let by = random.one(&["Operator", "Supervisor", "Engineer"]);
            let left = random.one(&[-1, 0, 1, 60_000]);
            let ends = UnixMs(now.wall.0 + left);
            let grant = Grant { id: "g".into(), subject: "panel".into(), by: by.into(), ends, ends_ran: None };
            panel.evidence.proofs.insert(0, Proof::SessionGrant { grant: grant.into() });
            let valid = left > 0 && by != "Engineer";
            panel.roles = if valid { vec![by] } else { vec![] };
            panel.keeps = vec!["Operator", "Supervisor"];
            panel.panel = true;
            panel.ended = !valid;
            panel.assurance = if valid { 2 } else { 1 };
            panel.life = None;
            panel
        }
        _ => {
            let mut far = nobody("192.0.2.1", None);
            far.evidence.remote = Some("far".into());
            far.evidence.proofs.push(token("far", "Vendor"));
            let ago = random.one(&[0_i64, 59, 60, 61, -1]) * 60_000;
            far.evidence.approvals.push(Approval { by: "Supervisor".into(), at: UnixMs(now.wall.0 - ago) });
            far.roles = vec!["Vendor"];
            far.assurance = 2;
            far.attributes = both(claims.clone(), &facts);
            far.remote = true;
            far.life = None;
            far
        }
    };
    who.evidence.source = "10.0.1.1".parse().unwrap();
    if random.chance(8) {
        who.evidence.listener = SECURE.parse().unwrap();
        if kind != 4 {
            // Whatever else was shown, nobody has shown a certificate.
            let Person { evidence, attributes, remote, .. } = who;
            who = Person { evidence, attributes, remote, ..nobody("10.0.1.1", None) };
        }
    }
    (who, facts, revoked)
}

pub(super) fn frame(random: &mut Random) -> (u8, Vec<u8>) {
    let unit = random.one(&[1, 1, 1, 3, 3, 0, 255, 9]);
    let at = u8::try_from(random.below(44)).unwrap();
    let count = u8::try_from(1 + random.below(5)).unwrap();
    let value = |random: &mut Random| -> [u8; 2] {
        random.one(&[[0, 0], [0, 0], [0, 1], [0, 2], [0, 3], [1, 44], [1, 45], [0xff, 0xff], [0x80, 0], [0x7f, 0xc0]])
    };
    let pdu = match random.below(13) {
        0 => vec![1, 0, at % 24, 0, count],
        1 => vec![2, 0, at % 10, 0, count],
        2 | 3 => vec![3, 0, at, 0, count],
        4 => vec![4, 0, at % 12, 0, count],
        5 => vec![5, 0, at % 24, random.one(&[0, 0xff]), 0],
        6 | 7 => {
            let [high, low] = value(random);
            vec![6, 0, at, high, low]
        }
        8 => vec![15, 0, at % 24, 0, count, 1, random.one(&[0, 0, 1, 0x1f, 0xe0])],
        9 | 10 => {
            let mut pdu = vec![16, 0, at, 0, count, count * 2];
            let all_zero = random.chance(30);
            (0..count).for_each(|_| pdu.extend(if all_zero { [0, 0] } else { value(random) }));
            pdu
        }
        11 => {
            let [high, low] = value(random);
            let and = random.one(&[0, 0, 0xff]);
            vec![22, 0, at, and, and, high, low]
        }
        _ => match random.below(6) {
            0 => {
                let [high, low] = value(random);
                vec![23, 0, random.byte() % 44, 0, count, 0, at, 0, 1, 2, high, low]
            }
            1 => vec![8, 0, random.one(&[0, 1, 4, 9]), 0, 0],
            2 => vec![43, 14, 1, 0],
            3 => vec![90, 0, 1],
            4 => vec![100],
            _ => vec![43, 13, 1],
        },
    };
    (unit, pdu)
}

/// Monday 9 March 2026 and the week behind it, at the edges of shifts and hours and between.
pub(super) fn moment(random: &mut Random) -> Moment {
    let day = 9 + random.below(7);
    let minute = random.one(&[0, 389, 390, 359, 360, 420, 600, 854, 855, 1020, 1019, 1320, 1319, 1439]);
    let wall = at(&format!("2026-03-{day:02} {:02}:{:02}", minute / 60, minute % 60)).wall;
    let trust = random.one(&[ClockTrust::Proven, ClockTrust::Proven, ClockTrust::Floor, ClockTrust::Doubtful]);
    Moment { wall, trust, ..Moment::default() }
}
