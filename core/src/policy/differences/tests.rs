//! What a person reads while a candidate is judged: exactly what would be lost and gained, once each.

use std::net::IpAddr;

use super::*;
use crate::access::Accesses;
use crate::identity::Evidence;
use crate::policy::model::UnitZero;
use crate::policy::riverside::{FILLER, SCADA_IP, at, evidence, load, text, world};
use crate::policy::table::decide;
use crate::wire::modbus::Request as Wire;
use crate::world::derive;

/// One frame, by unit and PDU.
fn ask(gathering: &mut Gathering, new: &str, evidence: &Evidence, (unit, pdu): (u8, &[u8]), when: &str) {
    let now = at(when);
    let request = Wire::decode(pdu).unwrap();
    let accesses: Accesses<'_> = request.accesses(unit, UnitZero::Itself);
    let standing = |text: &str| derive(&world(load(text)), evidence, now);
    let (old, new) = (standing(&text()), standing(new));
    let (before, after) = (decide(&old.table, &accesses, now), decide(&new.table, &accesses, now));
    let request = Request { accesses: &accesses, source: evidence.source, at: now.wall, weight: 1 };
    gathering.judged(1);
    let (before, after) = (Judged { standing: &old, decision: &before }, Judged { standing: &new, decision: &after });
    gathering.add(&request, before, after);
}

fn station() -> Evidence {
    evidence(FILLER, SCADA_IP, None)
}

fn lines(gathering: &Gathering) -> Vec<String> {
    gathering.report().lines.iter().map(|line| format!("{line} [{}]", line.count)).collect()
}

fn changed(from: &str, to: &str) -> String {
    let text = text();
    assert!(text.contains(from), "{from}");
    text.replace(from, to)
}

const NOON: &str = "2026-03-10 12:00:00";

#[test]
fn a_value_that_the_candidate_no_longer_takes_is_one_line_with_both_reasons() {
    let new = changed("values 0..1200 safe 0", "values 0..600 safe 0");
    let mut found = Gathering::default();
    for value in [500_u16, 700, 900] {
        let [high, low] = value.to_be_bytes();
        ask(&mut found, &new, &station(), (1, &[6, 0, 100, high, low]), NOON);
    }
    let rule = "conduits.scada-to-filling.allow[2]";
    let wanted = format!(
        "- station write filler-plc/speed (holding 100) = 900: allowed by {rule} -> refused, range by {rule} [2]"
    );
    assert_eq!(lines(&found), [wanted]);
    let report = found.report();
    assert_eq!((report.judged, report.lost, report.gained, report.differ()), (3, 2, 0, 2));
}

#[test]
fn a_read_across_two_points_names_only_the_one_that_is_lost() {
    let new = changed("\"read status\", \"read counters\", \"read speed\"", "\"read status\", \"read speed\"");
    let mut found = Gathering::default();
    ask(&mut found, &new, &station(), (1, &[3, 0, 0, 0, 10]), NOON);
    // Addresses beyond the point are refused by both: no difference.
    ask(&mut found, &new, &station(), (1, &[3, 0, 0, 0, 12]), NOON);
    let rule = "conduits.scada-to-filling.allow[1]";
    let wanted = format!("- station read filler-plc/counters (holding 0-9): allowed by {rule} -> refused, no-rule [1]");
    assert_eq!(lines(&found), [wanted]);
}

#[test]
fn a_frame_that_reads_and_writes_loses_each_half_by_itself() {
    let new = changed("\"read speed\", \"read setpoint\"", "\"read setpoint\"").replace("\"write speed\", ", "");
    let mut found = Gathering::default();
    ask(&mut found, &new, &station(), (1, &[23, 0, 100, 0, 1, 0, 100, 0, 1, 2, 1, 44]), NOON);
    let report = found.report();
    let told: Vec<_> = report.lines.iter().map(|line| (line.verb.as_str(), line.sample.as_deref())).collect();
    assert_eq!(told, [("read", None), ("write", Some("300"))]);
    assert_eq!(report.lost, 1, "one request");
}

#[test]
fn what_the_candidate_gives_is_gained_by_its_name_there_or_by_its_addresses() {
    let new = changed("valves   = \"coils 0-15\"", "valves   = \"coils 0-15\"\nspare = \"holding 500-509\"")
        .replace("\"read speed\", \"read setpoint\"]", "\"read speed\", \"read setpoint\", \"read spare\"]");
    let mut found = Gathering::default();
    for first in [0, 4] {
        ask(&mut found, &new, &station(), (1, &[3, 1, 244 + first, 0, 2]), NOON);
    }
    let rule = "conduits.scada-to-filling.allow[1]";
    let wanted =
        format!("+ station read filler-plc/spare (holding 500-505): refused, no-rule -> allowed by {rule} [2]");
    assert_eq!(lines(&found), [wanted]);

    let mut back = Gathering::default();
    ask_between(&mut back, &new, &text());
    let lost = back.report().lines;
    assert_eq!((lost[0].turn, lost[0].point.as_ref().map(PointName::as_str)), (Turn::Lost, Some("spare")));
}

/// One read of 500 under two texts.
fn ask_between(found: &mut Gathering, old: &str, new: &str) {
    let (now, evidence) = (at(NOON), station());
    let request = Wire::decode(&[3, 1, 244, 0, 1]).unwrap();
    let accesses = request.accesses(1, UnitZero::Itself);
    let standing = |text: &str| derive(&world(load(text)), &evidence, now);
    let (old, new) = (standing(old), standing(new));
    let (before, after) = (decide(&old.table, &accesses, now), decide(&new.table, &accesses, now));
    let request = Request { accesses: &accesses, source: evidence.source, at: now.wall, weight: 1 };
    let (before, after) = (Judged { standing: &old, decision: &before }, Judged { standing: &new, decision: &after });
    found.add(&request, before, after);
}

#[test]
fn another_limit_is_told_as_other_terms_and_the_same_limit_is_not() {
    let mut found = Gathering::default();
    let write = (1, &[6, 0, 100, 0, 7][..]);
    ask(&mut found, &changed("600 writes per minute", "60 writes per minute"), &station(), write, NOON);
    let rule = "conduits.scada-to-filling.allow[2]";
    let wanted = format!(
        "~ station write filler-plc/speed (holding 100) = 7: allowed by {rule}, 600 writes per minute -> allowed by {rule}, 60 \
         writes per minute [1]"
    );
    assert_eq!(lines(&found), [wanted]);
    let mut found = Gathering::default();
    ask(&mut found, &text(), &station(), write, NOON);
    assert_eq!(lines(&found), [""; 0]);
}

#[test]
fn tables_with_equal_limits_are_known_as_such_and_others_are_not() {
    let table = |text: &str| derive(&world(load(text)), &station(), at(NOON)).table;
    let now = table(&text());
    assert!(now.same_limits(&table(&changed("values 0..1200", "values 0..600"))));
    // The same addresses in two points, and the same limit by two rules.
    let cut = changed("jog      = \"coils 16-17 safe 0\"", "jog = \"coils 16 safe 0\"\njog-two = \"coils 17 safe 0\"");
    assert!(now.same_limits(&table(&cut.replace("\"write jog\"", "\"write jog\", \"write jog-two\""))));
    assert!(!now.same_limits(&table(&changed("600 writes per minute", "60 writes per minute"))));
    assert!(!now.same_limits(&table(&changed("limit = \"600 writes per minute\"", ""))));
    assert!(!now.same_limits(&table(&changed("\"write jog\", ", ""))));
}

#[test]
fn nobody_under_both_policies_is_named_by_the_source_address() {
    let stranger = evidence(FILLER, "10.10.9.77", None);
    let mut found = Gathering::default();
    let new = format!(
        "{}\n[subjects.tablet]\nzone = \"control-room\"\nproof = \"address\"\naddress = \"10.10.9.77\"\nrole = \"Operator\"\n",
        text()
    );
    ask(&mut found, &new, &stranger, (1, &[4, 0, 0, 0, 1]), NOON);
    let report = found.report();
    assert_eq!(report.lines[0].subject.as_ref().map(SubjectId::as_str), Some("tablet"));
    assert_eq!(report.lines[0].before.reason, Some(Reason::NoSubject));
    let without = changed("[subjects.station]", "[subjects.station-two]").replace("10.10.9.11", "10.10.9.12");
    let mut found = Gathering::default();
    ask(&mut found, &without, &station(), (1, &[4, 0, 0, 0, 1]), NOON);
    let report = found.report();
    assert_eq!((report.lines[0].turn, report.lines[0].after.reason), (Turn::Lost, Some(Reason::NoSubject)));
    assert_eq!(report.lines[0].source, None::<IpAddr>, "the one who loses has a name");
}

#[test]
fn a_full_list_says_how_much_is_not_on_it() {
    let without = changed("[subjects.station]", "[subjects.station-two]").replace("10.10.9.11", "10.10.9.12");
    let mut found = Gathering::new(2);
    for point in [0, 100, 44, 0] {
        let bank = if point == 44 { 4 } else { 3 };
        ask(&mut found, &without, &station(), (1, &[bank, 0, point, 0, 1]), NOON);
    }
    let report = found.report();
    assert_eq!((report.lines.len(), report.left_out, report.lost), (2, 1, 4));
    assert_eq!(report.lines.iter().map(|line| line.count).sum::<u64>(), 3);
}
