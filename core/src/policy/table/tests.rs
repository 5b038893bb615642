//! The table in small: one right at a time.

mod day;
mod oracle;

use std::sync::Arc;

use crate::access::Verb;
use crate::decision::{Decision, Keep, Reason};
use crate::identity::{Approval, Attributes, Evidence, Grant, Life, Proof};
use crate::moment::{ClockTrust, Moment, RanMs, UnixMs};
use crate::names::Role;
use crate::policy::model::{Can, SubjectEntry, SubjectProof, UnitZero};
use crate::policy::riverside::{DOSING, FILLER, SCADA_IP, at, evidence, load, panel, policy, text, world};
use crate::wire::modbus::Request;
use crate::world::{World, derive, derive_with};

use super::{TableCache, decide};

/// What a frame gets: the unit id and the PDU.
fn ask(world: &World, evidence: &Evidence, now: Moment, unit: u8, pdu: &[u8]) -> Decision {
    let zero = world.policy.asset_at(evidence.listener).map_or(UnitZero::Itself, |(_, asset)| asset.profile.unit_zero);
    let request = Request::decode(pdu).unwrap();
    decide(&derive(world, evidence, now).table, &request.accesses(unit, zero), now)
}

#[test]
fn an_empty_table_and_an_empty_frame_deny() {
    let read = Request::decode(&[3, 0, 0, 0, 1]).unwrap();
    let nothing = super::Table::default();
    assert!(!decide(&nothing, &read.accesses(1, UnitZero::Itself), Moment::default()).allows());
    let standing = derive(&world(policy()), &evidence(FILLER, SCADA_IP, None), at("2026-03-10 10:00"));
    assert_eq!(decide(&standing.table, &[], Moment::default()).reason, Some(Reason::Malformed));
}

#[test]
fn a_station_reads_its_counters_and_writes_the_speed() {
    let (world, scada, now) = (world(policy()), evidence(FILLER, SCADA_IP, None), at("2026-03-10 10:00"));
    let read = ask(&world, &scada, now, 1, &[3, 0, 0, 0, 10]);
    assert!(read.allows() && read.keep == Keep::Count && !read.limited, "{read:?}");
    let write = ask(&world, &scada, now, 1, &[6, 0, 100, 0x03, 0x84]);
    assert!(write.allows() && write.keep == Keep::Before && write.limited && !write.waived, "{write:?}");
    let over = ask(&world, &scada, now, 1, &[6, 0, 100, 0x05, 0x14]);
    assert_eq!(over.reason, Some(Reason::Range));
    assert_eq!(over.rule.unwrap().as_str(), "conduits.scada-to-filling.allow[2]");
    let half = ask(&world, &scada, now, 1, &[6, 0x01, 0x2c, 0, 1]);
    assert_eq!(half.reason, Some(Reason::Range));
    let recipe = ask(&world, &scada, now, 1, &[6, 0, 200, 0, 1]);
    assert_eq!((recipe.reason, recipe.rule), (Some(Reason::NoRule), None));
}

#[test]
fn a_panel_without_a_grant_keeps_reads_heartbeat_and_the_way_to_safe() {
    let (world, now) = (world(policy()), at("2026-03-10 10:00"));
    let bare = panel(FILLER, None);
    assert!(ask(&world, &bare, now, 1, &[3, 0, 100, 0, 1]).allows());
    assert!(ask(&world, &bare, now, 1, &[6, 0, 10, 0x12, 0x34]).waived);
    assert!(ask(&world, &bare, now, 1, &[5, 0, 16, 0, 0]).waived);
    assert_eq!(ask(&world, &bare, now, 1, &[5, 0, 16, 0xff, 0]).reason, Some(Reason::Ended));
    let open = panel(FILLER, Some(("Operator", "2026-03-10 14:15")));
    assert!(ask(&world, &open, now, 1, &[5, 0, 16, 0xff, 0]).allows());
    assert_eq!(ask(&world, &open, at("2026-03-10 14:15"), 1, &[5, 0, 16, 0xff, 0]).reason, Some(Reason::Ended));
}

#[test]
fn a_broadcast_is_an_access_of_its_own() {
    let (mut policy, now) = (policy(), at("2026-03-10 10:00"));
    let scada = evidence(DOSING, SCADA_IP, None);
    let safe = [6, 0, 0, 0, 0];
    assert_eq!(ask(&world(policy.clone()), &scada, now, 0, &safe).reason, Some(Reason::Never));
    policy.never.clear();
    assert_eq!(ask(&world(policy.clone()), &scada, now, 0, &safe).reason, Some(Reason::NoRule));
    assert!(ask(&world(policy.clone()), &scada, now, 3, &safe).waived);
    // A door that forgets to ask for the broadcast gets no further: unit 0 of a bus is nobody's unit.
    policy.conduits.get_mut("scada-to-filling").unwrap().allow[2].can.push(Can::Broadcast);
    let world = world(policy);
    assert!(ask(&world, &scada, now, 0, &safe).waived);
    let request = Request::decode(&safe).unwrap();
    let write = &request.accesses(0, UnitZero::Broadcast)[1..];
    assert_eq!(write[0].verb, Verb::Write);
    assert_eq!(decide(&derive(&world, &scada, now).table, write, now).reason, Some(Reason::NoRule));
}

#[test]
fn ten_thousand_sensors_of_one_kind_hold_one_table() {
    let mut sensors = policy();
    let station = sensors.subjects["station"].clone();
    for sensor in 0..10_000_u32 {
        let address = std::net::Ipv4Addr::from(0x0a0a_0000 | sensor << 16 >> 16).into();
        let proofs = vec![SubjectProof::Address { address: Some(address), mac: None }];
        sensors.subjects.insert(format!("sensor-{sensor}").as_str().into(), SubjectEntry { proofs, ..station.clone() });
    }
    let (world, now) = (world(sensors), at("2026-03-10 10:00"));
    let mut cache = TableCache::default();
    let tables: Vec<_> = (0..10_000_u32)
        .step_by(97)
        .map(|sensor| {
            let ip = std::net::Ipv4Addr::from(0x0a0a_0000 | sensor).to_string();
            derive_with(&world, &evidence(FILLER, &ip, None), now, &mut cache).table
        })
        .collect();
    assert!(tables.windows(2).all(|pair| Arc::ptr_eq(&pair[0], &pair[1])));
    assert_eq!(cache.len(), 1);
    let next = World { generation: 2, ..world };
    derive_with(&next, &evidence(FILLER, "10.10.0.1", None), now, &mut cache);
    assert_eq!(cache.len(), 1, "an older generation is forgotten");
}

#[test]
fn limits_are_charged_once_a_point_and_never_for_a_safe_value() {
    let world = world(policy());
    let (scada, now) = (evidence(FILLER, SCADA_IP, None), at("2026-03-10 10:00"));
    let table = derive(&world, &scada, now).table;
    let charges = |pdu: &[u8]| -> Vec<String> {
        let request = Request::decode(pdu).unwrap();
        let accesses = request.accesses(1, UnitZero::Itself);
        assert_eq!(decide(&table, &accesses, now).limited, !table.charges(&accesses, now).is_empty());
        let charge = |charge: super::Charge| {
            let rules: Vec<String> =
                charge.alternatives.iter().map(|(rule, limit)| format!("{rule} {limit}")).collect();
            format!("{}: {}", charge.point.point, rules.join(" or "))
        };
        table.charges(&accesses, now).into_iter().map(charge).collect()
    };
    let rule = "conduits.scada-to-filling.allow[2] 600 writes per minute";
    assert_eq!(charges(&[6, 0, 100, 3, 132]), [format!("speed: {rule}")]);
    assert_eq!(charges(&[15, 0, 16, 0, 2, 1, 3]), [format!("jog: {rule}")]);
    assert!(charges(&[6, 0, 100, 0, 0]).is_empty(), "safe");
    assert!(charges(&[6, 0, 10, 1, 1]).is_empty(), "heartbeat");
    assert!(charges(&[3, 0, 100, 0, 1]).is_empty(), "a read");
}

#[test]
fn points_that_are_touched_are_named_whatever_is_decided() {
    let world = world(policy());
    let table = derive(&world, &evidence(FILLER, "10.10.9.77", None), at("2026-03-10 10:00")).table;
    let touched = |pdu: &[u8]| -> Vec<String> {
        let request = Request::decode(pdu).unwrap();
        let accesses = request.accesses(1, UnitZero::Itself);
        assert!(!decide(&table, &accesses, Moment::default()).allows());
        table.touched(&accesses).into_iter().map(|touched| format!("{}/{}", touched.asset, touched.point)).collect()
    };
    assert_eq!(touched(&[3, 0, 9, 0, 2]), ["filler-plc/counters", "filler-plc/alive"]);
    assert_eq!(touched(&[6, 0, 200, 0, 1]), ["filler-plc/recipe"]);
    assert!(touched(&[3, 0, 50, 0, 1]).is_empty());
}

#[test]
fn file_records_are_points_like_any_other() {
    let plant = text()
        .replace("valves   = ", "log = \"file 4 1-9 values 0..7\"\nvalves   = ")
        .replace("\"write setpoint\"]", "\"write setpoint\", \"read log\", \"write log\"]");
    let (world, scada, now) = (world(load(&plant)), evidence(FILLER, SCADA_IP, None), at("2026-03-10 10:00"));
    let read =
        |file: u8, record: u8, count: u8| ask(&world, &scada, now, 1, &[20, 7, 6, 0, file, 0, record, 0, count]).reason;
    assert_eq!(read(4, 1, 9), None);
    assert_eq!(
        (read(4, 1, 10), read(4, 0, 1), read(5, 1, 1)),
        (Some(Reason::NoRule), Some(Reason::NoRule), Some(Reason::NoRule))
    );
    let write = |value: u8| ask(&world, &scada, now, 1, &[21, 9, 6, 0, 4, 0, 2, 0, 1, 0, value]).reason;
    assert_eq!((write(7), write(8)), (None, Some(Reason::Range)));
}

#[test]
fn the_last_address_is_an_address() {
    let plant = text()
        .replace("recipe   = \"holding 200-239\"", "recipe = \"holding 65534-65535\"")
        .replace("\"read setpoint\"]", "\"read setpoint\", \"read recipe\"]");
    let (world, scada, now) = (world(load(&plant)), evidence(FILLER, SCADA_IP, None), at("2026-03-10 10:00"));
    assert!(ask(&world, &scada, now, 1, &[3, 0xff, 0xff, 0, 1]).allows());
    assert!(ask(&world, &scada, now, 1, &[3, 0xff, 0xfe, 0, 2]).allows());
    assert_eq!(ask(&world, &scada, now, 1, &[3, 0xff, 0xfd, 0, 3]).reason, Some(Reason::NoRule));
}

#[test]
fn a_never_may_name_a_function_with_a_layout() {
    let plant =
        text().replace("[[accept]]", "[[never]]\nwhat = [\"function 16\", \"function 3\"]\nwhy = \"x\"\n[[accept]]");
    // `never-safe` would refuse it for the filler, so the model is asked directly.
    let mut policy = crate::policy::check(&plant).policy;
    policy.never.retain(|never| !never.what.is_empty());
    let (world, scada, now) = (world(policy), evidence(FILLER, SCADA_IP, None), at("2026-03-10 10:00"));
    let reason = |pdu: &[u8]| ask(&world, &scada, now, 1, pdu).reason;
    assert_eq!(reason(&[16, 0, 100, 0, 1, 2, 0, 9]), Some(Reason::Never));
    assert_eq!(reason(&[6, 0, 100, 0, 9]), None);
    assert_eq!(reason(&[3, 0, 100, 0, 1]), Some(Reason::Never));
    assert_eq!(reason(&[4, 0, 0, 0, 1]), None);
}

#[test]
fn a_revoked_or_suspended_subject_may_not_even_reach_safe() {
    let (base, scada, now) = (world(policy()), evidence(FILLER, SCADA_IP, None), at("2026-03-10 10:00"));
    for life in [Life::Suspended, Life::Revoked] {
        let mut registry = (*base.registry).clone();
        registry.lives.insert("station".into(), life);
        let world = World { registry: Arc::new(registry), ..base.clone() };
        assert_eq!(ask(&world, &scada, now, 1, &[6, 0, 100, 0, 0]).reason, Some(Reason::Revoked));
        // Its standing still says who it is, so that its sessions are found and cut.
        assert_eq!(derive(&world, &scada, now).subject.unwrap().id.as_str(), "station");
    }
}

#[test]
fn a_proof_past_its_end_leaves_the_way_to_safe_alone() {
    let (world, now) = (world(policy()), at("2026-03-10 10:00"));
    let mut bearer = evidence(FILLER, "10.10.9.50", None);
    let (roles, claims) = ([Role::from("Supervisor")].into(), Attributes::default());
    let expires = Some(UnixMs(now.wall.0));
    bearer.proofs.push(Proof::Token { subject: "lead".into(), roles, claims, bound_to: None, expires });
    assert_eq!(ask(&world, &bearer, now, 1, &[3, 0, 0, 0, 1]).reason, Some(Reason::Ended));
    assert_eq!(ask(&world, &bearer, now, 1, &[6, 0, 100, 0, 9]).reason, Some(Reason::Ended));
    assert!(ask(&world, &bearer, now, 1, &[6, 0, 100, 0, 0]).waived);
    let before = Moment { wall: UnixMs(now.wall.0 - 1), ..now };
    assert!(ask(&world, &bearer, before, 1, &[3, 0, 0, 0, 1]).allows());
    assert_eq!(derive(&world, &bearer, before).valid_until.wall, expires);
}

#[test]
fn a_grant_ends_by_time_run_although_the_clock_stands_still() {
    let (world, now) = (world(policy()), at("2026-03-10 10:00"));
    let mut open = panel(FILLER, None);
    let (ends, ends_ran) = (UnixMs(i64::MAX), Some(RanMs(now.ran.0 + 1000)));
    let grant = Grant { id: "g".into(), subject: "old-panel".into(), by: "Operator".into(), ends, ends_ran };
    open.proofs.push(Proof::SessionGrant { grant: Arc::new(grant) });
    assert!(ask(&world, &open, now, 1, &[5, 0, 16, 0xff, 0]).allows());
    assert_eq!(derive(&world, &open, now).valid_until.ran, ends_ran);
    let later = Moment { ran: RanMs(now.ran.0 + 1000), ..now };
    assert_eq!(ask(&world, &open, later, 1, &[5, 0, 16, 0xff, 0]).reason, Some(Reason::Ended));
}

#[test]
fn nobody_is_local_at_the_far_end_of_a_remote_conduit() {
    let plant = text().replace("[\"Vendor\"]", "[\"Operator\"]").replace("role = \"Vendor\"", "role = \"Operator\"");
    let (world, now) = (world(load(&plant)), at("2026-03-10 10:00"));
    let claims = Attributes { second_factor: Some(true), work_order: Some(true), ..Attributes::default() };
    let approvals = vec![Approval { by: "Supervisor".into(), at: now.wall }];
    let mut far = Evidence { remote: Some("acme-service".into()), approvals, ..evidence(FILLER, "192.0.2.7", None) };
    let roles = [Role::from("Operator")].into();
    far.proofs.push(Proof::Token { subject: "acme".into(), roles, claims, bound_to: None, expires: None });
    assert!(ask(&world, &far, now, 1, &[3, 0, 0, 0, 1]).allows());
    let doubtful = Moment { trust: ClockTrust::Doubtful, ..now };
    assert_eq!(ask(&world, &far, doubtful, 1, &[3, 0, 0, 0, 1]).reason, Some(Reason::Clock));
}
