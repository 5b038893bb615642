//! Who a session is, proof by proof.

use std::sync::Arc;

use super::*;
use crate::policy::riverside::{FILLER, PANEL_IP, SCADA_IP, at, certificate, evidence, key_of, policy, world};

fn now() -> Moment {
    at("2026-03-10 10:00")
}

fn token(subject: &str, role: &str, claims: Attributes) -> Proof {
    Proof::Token { subject: subject.into(), roles: [Role::from(role)].into(), claims, bound_to: None, expires: None }
}

/// Name, assurance and roles.
fn who(evidence: &Evidence) -> Option<(String, u8, Vec<String>)> {
    match name(&world(policy()), evidence, now()) {
        Naming::Named(named) => {
            let roles = named.subject.roles.iter().map(ToString::to_string).collect();
            Some((named.subject.id.to_string(), named.assurance.0, roles))
        }
        Naming::Barred(..) | Naming::Nobody => None,
    }
}

#[expect(clippy::unnecessary_wraps, reason = "compared with what may be nobody")]
fn is(name: &str, assurance: u8, roles: &[&str]) -> Option<(String, u8, Vec<String>)> {
    Some((name.to_owned(), assurance, roles.iter().map(|role| (*role).to_owned()).collect()))
}

#[test]
fn the_proof_of_highest_assurance_names_and_only_its_roles_count() {
    let mut several = evidence(FILLER, SCADA_IP, None);
    assert_eq!(who(&several), is("station", 1, &["Operator"]));
    several.proofs.push(token("lead", "Supervisor", Attributes::default()));
    assert_eq!(who(&several), is("lead", 2, &["Supervisor"]));
    let not_after = UnixMs(i64::MAX);
    several.proofs.push(Proof::Certificate {
        spki: key_of("scada"),
        role: Some("Operator".into()),
        not_before: UnixMs(i64::MIN),
        not_after,
    });
    assert_eq!(who(&several), is("scada", 3, &["Operator"]));
    several.proofs.reverse();
    assert_eq!(who(&several), is("scada", 3, &["Operator"]), "in any order");
}

#[test]
fn a_token_is_cut_to_the_declared_role_and_a_certificate_needs_it() {
    let mut lead = evidence(FILLER, "10.10.9.50", None);
    lead.proofs.push(token("lead", "Engineer", Attributes::default()));
    assert_eq!(who(&lead), is("lead", 2, &[]));
    assert_eq!(who(&certificate(FILLER, "scada", Some("Supervisor"))), is("scada", 3, &[]));
    assert_eq!(who(&certificate(FILLER, "scada", None)), is("scada", 3, &[]));
}

#[test]
fn a_key_that_is_not_registered_and_a_name_that_is_not_declared_show_nobody() {
    assert_eq!(who(&certificate(FILLER, "copy-of-scada", Some("Operator"))), None);
    let mut unknown = evidence(FILLER, "10.10.9.50", None);
    unknown.proofs.push(token("visitor", "Supervisor", Attributes::default()));
    assert_eq!(who(&unknown), None);
}

#[test]
fn a_proof_counts_only_in_the_zone_of_its_subject() {
    let mut away = policy();
    away.subjects.get_mut("station").unwrap().zone = "filling".into();
    let named = name(&world(away), &evidence(FILLER, SCADA_IP, None), now());
    assert!(matches!(named, Naming::Nobody));
}

#[test]
fn a_panel_is_its_address_with_its_mac() {
    for (ip, mac, known) in [
        (PANEL_IP, Some("02:1f:5a:00:10:31"), true),
        ("::ffff:10.10.9.31", Some("02:1f:5a:00:10:31"), true),
        (PANEL_IP, None, false),
        (PANEL_IP, Some("02:1f:5a:00:10:32"), false),
        ("10.10.9.32", Some("02:1f:5a:00:10:31"), false),
    ] {
        assert_eq!(who(&evidence(FILLER, ip, mac)).is_some(), known, "{ip} {mac:?}");
    }
    // A grant shown from elsewhere opens nothing.
    let grant = Grant {
        id: "g".into(),
        subject: "old-panel".into(),
        by: "Operator".into(),
        ends: UnixMs(i64::MAX),
        ends_ran: None,
    };
    let mut stolen = evidence(FILLER, "10.10.9.32", Some("02:1f:5a:00:10:31"));
    stolen.proofs.push(Proof::SessionGrant { grant: Arc::new(grant) });
    assert_eq!(who(&stolen), None);
}

#[test]
fn a_far_end_is_known_at_its_own_conduit_only() {
    let at_remote = |remote: Option<&str>| {
        let mut far = Evidence { remote: remote.map(RemoteName::from), ..evidence(FILLER, "192.0.2.7", None) };
        far.proofs.push(token("acme", "Vendor", Attributes::default()));
        who(&far)
    };
    assert_eq!(at_remote(Some("acme-service")), is("acme", 2, &["Vendor"]));
    assert_eq!(at_remote(Some("other-service")), None);
    assert_eq!(at_remote(None), None);
}

#[test]
fn where_tls_is_spoken_a_certificate_alone_names_somebody() {
    let tls = FILLER.replace("502", "802");
    let mut both = evidence(&tls, SCADA_IP, None);
    assert_eq!(who(&both), None, "an address");
    both.proofs.push(token("lead", "Supervisor", Attributes::default()));
    assert_eq!(who(&both), None, "a token");
    both.proofs.push(Proof::Certificate {
        spki: key_of("nobody"),
        role: None,
        not_before: UnixMs(i64::MIN),
        not_after: UnixMs(i64::MAX),
    });
    assert_eq!(who(&both), None, "a key that is not registered");
    both.proofs.extend(certificate(&tls, "scada", Some("Operator")).proofs);
    assert_eq!(who(&both), is("scada", 3, &["Operator"]));
}

#[test]
fn a_certificate_past_its_end_is_over_and_a_doubtful_clock_ends_one_by_its_floor_alone() {
    let mut old = certificate(FILLER, "scada", Some("Operator"));
    old.proofs.pop();
    let not_after = now().wall;
    old.proofs.push(Proof::Certificate {
        spki: key_of("scada"),
        role: Some("Operator".into()),
        not_before: UnixMs(i64::MIN),
        not_after,
    });
    let ended = |now: Moment| match name(&world(policy()), &old, now) {
        Naming::Named(named) => named.ended,
        Naming::Barred(..) | Naming::Nobody => panic!("nobody"),
    };
    assert!(ended(now()));
    assert!(!ended(Moment { wall: UnixMs(not_after.0 - 1), ..now() }));
    let doubtful = Moment { trust: ClockTrust::Doubtful, floor: UnixMs(not_after.0 - 5), ..now() };
    assert!(!ended(doubtful));
    assert!(ended(Moment { wall: UnixMs(0), floor: not_after, ..doubtful }));
    let Naming::Named(named) = name(&world(policy()), &old, doubtful) else { panic!("nobody") };
    assert_eq!(named.until.boot, Some(BootMs(doubtful.boot.0 + 5)), "looked at again when the floor has come to it");
}

#[test]
fn what_the_policy_says_of_a_subject_wins_over_claims_and_claims_over_facts() {
    let text = |text: &str| Some(Arc::from(text));
    let claims = Attributes { line: text("line-2"), location: text("hall-2"), ..Attributes::default() };
    let facts = Attributes {
        line: text("line-3"),
        location: text("hall-3"),
        plant_mode: text("maintenance"),
        ..Attributes::default()
    };
    let mut lead = evidence(FILLER, "10.10.9.50", None);
    lead.proofs.push(token("lead", "Supervisor", claims));
    // Another's token lends nothing.
    let other = Attributes { second_factor: Some(true), ..Attributes::default() };
    lead.proofs.push(token("acme", "Vendor", other));
    let world = World { facts, ..world(policy()) };
    let Naming::Named(named) = name(&world, &lead, now()) else { panic!("nobody") };
    let known = named.subject.attributes;
    assert_eq!((known.line, known.location, known.plant_mode), (text("line-1"), text("hall-2"), text("maintenance")));
    assert_eq!(known.second_factor, None);
}

const BOTH: &str = r#"
[subjects.both]
zone = "control-room"
proof = ["certificate", "address"]
role = "Operator"
[subjects.roaming]
zone = "control-room"
proof = "address"
role = "Operator"
"#;

/// A world in which the registry knows an address of `both`, of `roaming` and of `scada`.
fn both() -> World {
    let policy = crate::policy::riverside::load(&format!("{}{BOTH}", crate::policy::riverside::text()));
    let mut world = world(policy);
    let registry = Arc::make_mut(&mut world.registry);
    for (ip, name) in [("10.10.9.60", "both"), ("10.10.9.61", "roaming"), ("10.10.9.62", "scada")] {
        registry.addresses.insert((ip.parse().unwrap(), None), name.into());
    }
    let bound = ("10.10.9.63".parse().unwrap(), "02:1f:5a:00:10:63".parse().ok());
    registry.addresses.insert(bound, "roaming".into());
    world
}

fn assurance(world: &World, evidence: &Evidence) -> Option<(String, u8)> {
    match name(world, evidence, now()) {
        Naming::Named(named) => Some((named.subject.id.to_string(), named.assurance.0)),
        Naming::Barred(..) | Naming::Nobody => None,
    }
}

#[test]
fn the_same_name_is_worth_one_by_its_address_and_three_by_its_certificate() {
    let world = both();
    let by_address = evidence(FILLER, "10.10.9.60", None);
    assert_eq!(assurance(&world, &by_address), Some(("both".to_owned(), 1)));
    assert_eq!(assurance(&world, &certificate(FILLER, "both", Some("Operator"))), Some(("both".to_owned(), 3)));
}

#[test]
fn an_address_of_the_registry_counts_only_where_the_policy_admits_one() {
    let world = both();
    let seen = |ip: &str, mac: Option<&str>| assurance(&world, &evidence(FILLER, ip, mac)).map(|(name, _)| name);
    assert_eq!(seen("10.10.9.61", None).as_deref(), Some("roaming"));
    assert_eq!(seen("10.10.9.62", None), None, "`scada` shows itself by a certificate alone");
    assert_eq!(seen("10.10.9.63", None), None);
    assert_eq!(seen("10.10.9.63", Some("02:1f:5a:00:10:64")), None);
    assert_eq!(seen("10.10.9.63", Some("02:1f:5a:00:10:63")).as_deref(), Some("roaming"));
    // The policy's own word about an address comes first.
    let mut doubled = both();
    Arc::make_mut(&mut doubled.registry).addresses.insert((SCADA_IP.parse().unwrap(), None), "roaming".into());
    assert_eq!(assurance(&doubled, &evidence(FILLER, SCADA_IP, None)).unwrap().0, "station");
}

#[test]
fn a_key_of_a_name_that_the_policy_knows_by_its_address_alone_shows_nobody() {
    assert_eq!(assurance(&both(), &certificate(FILLER, "roaming", Some("Operator"))), None);
}

#[test]
fn one_that_is_registered_and_not_active_is_a_stranger_and_a_spent_key_is_revoked() {
    let mut world = both();
    let registry = Arc::make_mut(&mut world.registry);
    registry.lives.insert("both".into(), Life::Registered);
    registry.lives.insert("roaming".into(), Life::Suspended);
    registry.spent.insert(key_of("lost"));
    let barred = |evidence: &Evidence| match name(&world, evidence, now()) {
        Naming::Barred(named, reason) => Some((named.map(|named| named.subject.id.to_string()), reason)),
        Naming::Named(_) | Naming::Nobody => None,
    };
    let both = Some("both".to_owned());
    assert_eq!(barred(&certificate(FILLER, "both", Some("Operator"))), Some((both, Reason::NoSubject)));
    let roaming = Some("roaming".to_owned());
    assert_eq!(barred(&evidence(FILLER, "10.10.9.61", None)), Some((roaming, Reason::Revoked)));
    assert_eq!(barred(&certificate(FILLER, "lost", Some("Operator"))), Some((None, Reason::Revoked)));
}

#[test]
fn a_certificate_that_a_doubtful_clock_let_in_early_counts_once_its_time_has_come() {
    let (not_before, role) = (UnixMs(now().wall.0 + 1_000), Some("Operator".into()));
    let mut early = certificate(FILLER, "scada", None);
    early.proofs.pop();
    early.proofs.push(Proof::Certificate { spki: key_of("scada"), role, not_before, not_after: UnixMs(i64::MAX) });
    let named = |now: Moment| match name(&world(policy()), &early, now) {
        Naming::Named(named) => named,
        Naming::Barred(..) | Naming::Nobody => panic!("nobody"),
    };
    assert!(!named(Moment { trust: ClockTrust::Doubtful, ..now() }).ended, "it may have come");
    let before = named(now());
    assert_eq!((before.ended, before.until.wall), (true, Some(not_before)), "the clock is believed again: not yet");
    assert!(!named(Moment { wall: not_before, ..now() }).ended);
}
