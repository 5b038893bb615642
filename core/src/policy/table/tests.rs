//! The table in small: one right at a time.

mod day;
mod oracle;

use crate::decision::{Decision, Keep, Reason};
use crate::identity::Evidence;
use crate::moment::Moment;
use crate::policy::model::UnitZero;
use crate::policy::riverside::{DOSING, FILLER, SCADA_IP, at, evidence, panel, policy, world};
use crate::wire::modbus::Request;
use crate::world::{World, derive};

use super::decide;

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
    assert!(ask(&world(policy), &scada, now, 3, &safe).waived);
}
