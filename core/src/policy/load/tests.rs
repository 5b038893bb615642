//! The whole language as it comes out, and how its mistakes read.

use std::collections::BTreeSet;
use std::time::Duration;

use super::*;
use crate::access::Bank;
use crate::moment::UnixMs;
use crate::policy::model::*;

const PLANT: &str = include_str!("../../../../config/examples/riverside/plant.toml");
const EVERYTHING: &str = include_str!("everything.toml");

fn loaded(text: &str) -> Loaded {
    load(text).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

/// The plant with one change, which has to be there to be changed.
fn changed(from: &str, to: &str) -> String {
    assert!(PLANT.contains(from), "the plant has no `{from}`");
    PLANT.replacen(from, to, 1)
}

fn said(text: &str) -> Vec<String> {
    load(text).err().into_iter().flatten().map(|problem| problem.to_string()).collect()
}

#[test]
fn a_subject_has_a_priority_on_shared_links_and_another_word_is_refused() {
    let policy = check(EVERYTHING).policy;
    assert_eq!(policy.subjects["robot"].priority, Priority::Low);
    assert_eq!(policy.subjects["tablet"].priority, Priority::Normal);
    let said = said(&EVERYTHING.replace("priority = \"low\"", "priority = \"lowest\""));
    assert!(
        said.iter().any(|line| line.contains("`priority` cannot be `lowest` [word] in subjects.robot; write `high`")),
        "{said:?}"
    );
}

#[test]
fn the_reference_plant_loads_with_the_findings_that_it_accepts() {
    let Loaded { policy, findings } = loaded(PLANT);
    let ids: Vec<_> = findings.iter().map(|finding| (finding.severity, finding.problem.id)).collect();
    let note = (Severity::Note, "rule-values");
    assert_eq!(ids, [(Severity::Accepted, "level-proof"), note, note]);
    assert_eq!(policy.hash, Sha256::of(PLANT.as_bytes()));
    assert_eq!(policy.plant.timezone.iana_name(), Some("Europe/Berlin"));
    let shift = policy.shifts["night"];
    assert_eq!((shift.hours.to_string().as_str(), shift.overlap), ("Mon-Sun 22:00-06:00", 15));
    let plc = &policy.assets["filler-plc"];
    assert_eq!(plc.listen.iter().map(|listen| listen.tls).collect::<Vec<_>>(), [false, true]);
    assert_eq!((plc.connect.to_string().as_str(), plc.connections, plc.in_order), ("10.10.1.20:502", 4, true));
    assert_eq!((plc.answer_within, plc.profile.unit_zero), (Duration::from_secs(6), UnitZero::Itself));
    let speed = &plc.points["speed"];
    assert_eq!((speed.bank, speed.first, speed.last), (Bank::Holding, 100, 100));
    assert_eq!((speed.values, speed.safe, speed.number), (Some((0.0, 1200.0)), Some(0.0), None));
    assert!(plc.points["alive"].heartbeat);
    assert_eq!(plc.points["setpoint"].number, Some(Number::U32));
    let dosing = &policy.assets["dosing"];
    assert_eq!((dosing.profile.unit_zero, dosing.profile.echoes_ids), (UnitZero::Broadcast, None));
    assert_eq!((dosing.answer_within, &dosing.units[..]), (Duration::from_secs(12), &[3, 4][..]));
    let scada = &policy.conduits["scada-to-filling"];
    assert_eq!((scada.mode, scada.on_stall, scada.detail), (Mode::Enforce, OnStall::Continue, Detail::Writes));
    let second = &scada.allow[1];
    assert_eq!(second.id.as_str(), "conduits.scada-to-filling.allow[2]");
    assert_eq!(second.when, [Condition::OnShift, Condition::LineIs("line-1".into())]);
    assert_eq!(second.limit.map(|limit| limit.to_string()).as_deref(), Some("600 writes per minute"));
    let vendor = &policy.conduits["vendor-service"];
    assert_eq!(vendor.from, From::Remote("acme-service".into()));
    assert_eq!(vendor.approval, Some(ApprovalTerms { by: "Supervisor".into(), minutes: 120 }));
    assert_eq!(vendor.on_expiry, OnExpiry::Close);
    assert_eq!(policy.never[0].what.len(), 4);
    let [SubjectProof::SessionGrant { grant, mac, .. }] = policy.subjects["old-panel"].proofs.as_slice() else {
        panic!()
    };
    assert_eq!((grant.opened_by.len(), grant.minutes, grant.overlap, mac.is_some()), (2, 480, 15, true));
}

#[test]
fn every_key_of_the_language_is_read() {
    let Loaded { policy, .. } = loaded(&format!("{PLANT}\n{EVERYTHING}"));
    assert_eq!((policy.shifts["weekend"].overlap, policy.shifts["odd"].hours.days), (30, Days(0b001_1101)));
    let office = &policy.zones["office"];
    assert_eq!((office.kind, office.networks.len(), office.target_level), (ZoneKind::It, 2, Some(1)));
    let sheet = &office.sheet;
    assert_eq!(
        [&sheet.island, &sheet.owner, &sheet.boundary].map(|text| text.as_deref().unwrap_or("")),
        ["north", "j.roth", "switch 7"]
    );
    let mixer = &policy.assets["mixer"];
    let written: Vec<_> = mixer.listen.iter().map(ToString::to_string).collect();
    assert_eq!(written, ["[fd00:20::20]:502", "10.20.9.30:1502", "mbaps://10.20.9.30:1802"]);
    assert_eq!(mixer.connect, "[fd00:20::99]:502".parse().unwrap());
    assert_eq!(
        mixer.profile,
        Profile {
            name: "converter".into(),
            unit_zero: UnitZero::Broadcast,
            long_frames: true,
            echoes_ids: Some(false),
            repeats_ids: true,
            read_gaps: true,
            programming: BTreeSet::from([65, 66]),
            order: WordOrder::LittleWordSwapped,
        }
    );
    assert_eq!((mixer.answer_within, mixer.in_order, mixer.share_upstream), (Duration::from_millis(800), false, true));
    let level = &mixer.points["level"];
    assert_eq!((level.number, level.values, level.safe), (Some(Number::F32), Some((-1.5, 2.25)), Some(-0.5)));
    assert_eq!(level.order, WordOrder::LittleWordSwapped, "the profile's order where the point says none");
    let order = |name: &str| mixer.points[name].order;
    assert_eq!([order("count"), order("total")], [WordOrder::BigWord, WordOrder::BigWordSwapped]);
    assert_eq!(mixer.points["notes"].bank, Bank::File(4));
    assert_eq!(policy.assets["panel"].answer_within, Duration::from_mins(2));
    assert_eq!(policy.assets["panel"].connections, 1000);
    let known = &policy.subjects["robot"].attributes;
    assert_eq!((known.work_order, known.second_factor), (Some(true), Some(false)));
    assert_eq!((known.shift.as_deref(), known.plant_mode.as_deref()), (Some("weekend"), Some("maintenance")));
    assert_eq!(known.logged_in, Some(UnixMs(1_785_729_600_000)));
    assert_eq!(policy.subjects["fitter"].zone.as_str(), "remote:acme-service");
    let office = &policy.conduits["office-to-office"];
    assert_eq!((office.mode, office.record, office.on_failure), (Mode::Observe, RecordKind::Written, OnFailure::Wire));
    assert_eq!(office.on_stall, OnStall::Deny, "an office is no control zone");
    let back: Vec<String> = office.allow[0].can.iter().map(ToString::to_string).collect();
    assert!(
        EVERYTHING.contains(&format!("can = [\"{}\"]", back.join("\", \""))),
        "rights print as they were written: {back:?}"
    );
    let back: Vec<String> = office.allow[0].when.iter().map(ToString::to_string).collect();
    assert!(EVERYTHING.contains(&format!("when = [\"{}\"]", back.join("\", \""))), "conditions too: {back:?}");
    assert_eq!(office.hours.map(|hours| hours.to_string()).as_deref(), Some("Mon,Sat,Sun 22:00-06:00"));
    assert_eq!(policy.conduits["acme-office"].on_expiry, OnExpiry::KeepReads);
    assert_eq!(policy.conduits["acme-office"].mode, Mode::Enforce, "the default");
}

#[test]
fn points_print_as_they_are_written() {
    let Loaded { policy, .. } = loaded(&format!("{PLANT}\n{EVERYTHING}"));
    for (asset, name, text) in [
        ("filler-plc", "status", "input 0-49"),
        ("filler-plc", "speed", "holding 100 values 0..1200 safe 0"),
        ("filler-plc", "alive", "holding 10 heartbeat"),
        ("filler-plc", "setpoint", "holding 300-301 as u32 big-word values 0..90000"),
        ("mixer", "level", "holding 0-3 as f32 little-word swapped values -1.5..2.25 safe -0.5"),
        ("mixer", "notes", "file 4 0-99"),
    ] {
        assert_eq!(policy.assets[asset].points[name].to_string(), text);
    }
}

#[test]
fn typical_mistakes_read_like_this() {
    for (from, to, said_is) in [
        (
            "to = \"filling\"",
            "to = filling",
            "77:6: `filling` is neither a text nor a number [syntax]; put text in quotes: `\"filling\"`",
        ),
        (
            "to = \"filling\"",
            "to = \"fillng\"",
            "77:6: there is no zone named `fillng` [conduit-zone] in conduits.scada-to-filling; did you mean `filling`?",
        ),
        (
            "networks = [\"10.10.1",
            "netwroks = [\"10.10.1",
            "25:1: unknown key `netwroks` [unknown-key] in zones.filling; did you mean `networks`?",
        ),
        (
            "zone = \"filling\"\n",
            "",
            "33:9: `zone` is missing [missing-key] in assets.filler-plc; for example `zone = \"filling\"`",
        ),
        (
            "units = [1]",
            "units = [300]",
            "38:10: `units` cannot be `300` [number] in assets.filler-plc; write a number from 1 to 255",
        ),
        (
            "target_level = 2",
            "target_level = \"2\"",
            "26:16: `target_level` must be a whole number, not the text `\"2\"` [wrong-type] in zones.filling; write it without quotes",
        ),
        ("[shifts.late]", "[shifts.early]", "15:9: `early` stands here a second time [syntax]; keep one of them"),
        (
            "write sp",
            "write ps",
            "89:30: filler-plc has no point `pseed` [rule-point] in conduits.scada-to-filling.allow[2]; did you mean `speed`?",
        ),
        (
            "on = \"filler-plc\"",
            "on = \"filer-plc\"",
            "84:6: there is no asset named `filer-plc` [rule-asset] in conduits.scada-to-filling.allow[1]; did you mean `filler-plc`?",
        ),
        (
            "\"on shift\"",
            "\"on shfit\"",
            "90:10: `on shfit` is not a condition [condition-unknown] in conduits.scada-to-filling.allow[2]; did you mean `on shift`?",
        ),
        (
            "mode = \"enforce\"",
            "mode = \"enforc\"",
            "78:8: `mode` cannot be `enforc` [word] in conduits.scada-to-filling; did you mean `enforce`?",
        ),
        (
            "600 writes per minute",
            "600 writes per minit",
            "91:25: `minit` is no word of a limit, in `600 writes per minit` [limit-syntax] in conduits.scada-to-filling.allow[2]; did you mean `minute`?",
        ),
        (
            "input 0-49",
            "inptu 0-49",
            "41:13: `inptu` is no table of Modbus addresses [point-syntax] in assets.filler-plc.points.status; did you mean `input`?",
        ),
        (
            "coils 16-17",
            "coils 17-16",
            "45:19: `17-16` runs backwards [point-syntax] in assets.filler-plc.points.jog; did you mean `16-17`?",
        ),
        (
            "\"10.10.1.0/24\"",
            "\"10.10.1.5/24\"",
            "25:14: `10.10.1.5/24` has bits set behind its prefix [network] in zones.filling; did you mean `10.10.1.0/24`?",
        ),
        (
            "who = [\"Operator\", \"Sup",
            "who = [\"Operater\", \"Sup",
            "83:8: nobody else in this file is `Operater` [role-unknown] in conduits.scada-to-filling.allow[1]; did you mean `Operator`?",
        ),
        (
            "22:00-06:00",
            "22:00-24:00",
            "20:16: `24:00` is no time of day [shift-hours] in shifts.night; midnight is `00:00`",
        ),
        (
            "where = \"conduits.scada",
            "where = \"conduits.scad",
            "123:9: there is no object `conduits.scad-to-filling` [accept-where] in accept[1]; did you mean `conduits.scada-to-filling`?",
        ),
    ] {
        let all = said(&changed(from, to));
        assert!(all.iter().any(|said| said == said_is), "wanted {said_is}, said {all:#?}");
    }
}

#[test]
fn all_mistakes_are_said_in_one_run_and_none_twice() {
    let text = changed("networks = [\"10.10.1", "netwroks = [\"10.10.1")
        .replacen("units = [1]", "units = [0]", 1)
        .replacen("on = \"dosing\"", "on = \"dozing\"", 1)
        .replacen("why  =", "whi  =", 1)
        .replacen("hours = \"06:00-14:00\"", "hours = \"6-14\"", 1);
    let ids: Vec<&str> = load(&text).err().into_iter().flatten().map(|problem| problem.id).collect();
    assert_eq!(ids, ["shift-hours", "unknown-key", "number", "rule-asset", "unknown-key"]);
}

#[test]
fn every_syntax_mistake_of_a_file_is_said() {
    let text = changed("zone = \"filling\"", "zone = filling").replacen("units = [1]", "units = [1", 1);
    assert!(said(&text).len() >= 2, "{:#?}", said(&text));
}

#[test]
fn keys_of_another_proof_are_refused() {
    for (from, to, key) in [
        ("proof = \"session-grant\"", "proof = \"address\"", "grant"),
        ("proof = \"session-grant\"", "proof = \"certificate\"", "address"),
        ("proof = \"certificate\"\n", "proof = \"session-grant\"\n", "role"),
        ("address = \"10.10.9.31\"\n", "", "address"),
    ] {
        let all = said(&changed(from, to));
        assert!(all.iter().any(|said| said.contains(&format!("`{key}`"))), "{to}: {all:#?}");
    }
}

#[test]
fn a_flood_of_mistakes_is_bounded() {
    let text = (0..100_000).fold(String::from(PLANT), |text, number| text + &format!("\n[x{number}]"));
    let problems = load(&text).unwrap_err();
    assert!(problems.len() <= 200);
    assert_eq!(load(&" ".repeat(MAX_BYTES + 1)).unwrap_err().len(), 1);
}

#[test]
fn an_empty_policy_says_what_it_needs_and_one_with_a_plant_allows_nothing() {
    assert_eq!(said(""), ["1:1: `plant` is missing [missing-key]; for example `[plant]`"]);
    let least = loaded("[plant]\nname = \"x\"\ntimezone = \"UTC\"\n");
    assert!(least.policy.conduits.is_empty());
}

#[test]
fn every_shipped_policy_loads_without_an_open_warning() {
    for (name, text) in
        [("bottling", include_str!("../../../../config/examples/bottling/plant.toml")), ("riverside", PLANT)]
    {
        let Loaded { findings, .. } = load(text).unwrap_or_else(|problems| panic!("{name}: {problems:#?}"));
        let open: Vec<_> = findings.iter().filter(|finding| finding.severity == Severity::Warning).collect();
        assert!(open.is_empty(), "{name}: {open:#?}");
    }
}

#[test]
fn two_thousand_rules_load_with_all_their_findings() {
    let rule = |number: usize| {
        format!(
            "[[conduits.scada-to-filling.allow]]\nwho = [\"Operator\"]\non = \"filler-plc\"\ncan = [\"read n{number}\", \"write n{number}\"]\n"
        )
    };
    let point = |number: usize| {
        format!(
            "n{number} = \"holding {}\"
",
            1000 + number
        )
    };
    let points = (0..2000).map(point).collect::<Vec<_>>().concat();
    let rules = (0..2000).map(rule).collect::<Vec<_>>().concat();
    let text = changed("valves   =", &format!("{points}valves   ="));
    let Loaded { policy, findings } = loaded(&format!("{text}\n{rules}"));
    assert_eq!(policy.conduits["scada-to-filling"].allow.len(), 2004);
    assert_eq!(findings.len(), 1002, "1,000 remarks, one that is accepted, and one that says how many more");
    assert_eq!(findings.last().map(|finding| finding.problem.id), Some("more"));
    // Remarks must not push out what keeps a policy from loading.
    let blocked = format!("{text}\n{rules}").replace("finding = \"level-proof\"", "finding = \"grant-mac\"");
    assert_eq!(load(&blocked).unwrap_err().iter().map(|problem| problem.id).collect::<Vec<_>>(), ["level-proof"]);
    let wrong = format!("{text}\n{rules}[[never]]\nwhat = [\"write dosing/rate\"]\n");
    assert_eq!(load(&wrong).unwrap_err().iter().map(|problem| problem.id).collect::<Vec<_>>(), ["never-safe"]);
}

/// What the reader says of a subject with these lines, without its place.
fn of_subject(lines: &str) -> Vec<String> {
    let text = format!("{PLANT}\n[subjects.tried]\nzone = \"control-room\"\n{lines}\n");
    said(&text).iter().map(|line| line.split_once(": ").map_or(line.clone(), |(_, rest)| rest.to_owned())).collect()
}

#[test]
fn a_subject_may_prove_itself_in_several_ways_and_each_mistake_in_them_is_named() {
    let good = "proof = [\"certificate\", \"address\"]\nrole = \"Operator\"\n";
    assert_eq!(of_subject(good), [""; 0]);
    assert_eq!(of_subject(&format!("{good}address = \"10.10.9.77\"\nmac = \"02:1f:5a:00:10:77\"")), [""; 0]);
    assert_eq!(of_subject("proof = \"address\"\nrole = \"Operator\""), [""; 0], "its address is in the registry");
    for (lines, wanted) in [
        ("proof = []\nrole = \"Operator\"", "`proof` is empty: `[]` [empty] in subjects.tried; write `certificate`"),
        (
            "proof = [\"certificat\"]\nrole = \"Operator\"",
            "`proof` cannot be `certificat` [word] in subjects.tried; did you mean `certificate`?",
        ),
        (
            "proof = [\"token\", \"token\"]\nrole = \"Operator\"",
            "`token` stands in `proof` twice [twice] in subjects.tried; keep one",
        ),
        (
            "proof = [\"certificate\", \"session-grant\"]\naddress = \"10.10.9.77\"\ngrant = { opened_by = [\"Operator\"], minutes = 9 }",
            "a panel has one way of proving itself, not `certificate`, `session-grant` [proof-mix]",
        ),
        (
            "proof = [\"certificate\", \"token\"]\nrole = \"Operator\"\naddress = \"10.10.9.77\"",
            "`address` does not belong to a subject with the proofs `certificate`, `token` [proof-key]",
        ),
        (
            "proof = \"address\"\nrole = \"Operator\"\nmac = \"02:1f:5a:00:10:77\"",
            "`mac` without `address` [proof-key]",
        ),
        (
            "proof = [\"address\"]\nrole = \"Operator\"\naddress = \"10.10.9\"",
            "`10.10.9` is no address of a machine [address]",
        ),
    ] {
        let all = of_subject(lines);
        assert!(all.iter().any(|line| line.starts_with(wanted)), "{lines}: {all:?}");
    }
}

#[test]
fn the_weakest_way_of_several_decides_what_level_a_zone_may_have() {
    let both =
        "[subjects.tried]\nzone = \"control-room\"\nproof = [\"certificate\", \"address\"]\nrole = \"Operator\"\n";
    let accepts = PLANT.find("[[accept]]").unwrap();
    let text = format!("{}{both}", &PLANT[..accepts]);
    let alone = text.replace("proof = [\"certificate\", \"address\"]", "proof = \"certificate\"");
    let level = |text: &str| said(text).into_iter().filter(|line| line.contains("level-proof")).collect::<Vec<_>>();
    let weak: Vec<_> = level(&text).iter().map(|line| line.contains("(and one more)")).collect();
    assert_eq!((weak, level(&alone).iter().any(|line| line.contains("more)"))), (vec![true], false));
    let panel = text.find("[subjects.old-panel]").unwrap();
    let end = panel + text[panel..].find("\n[").unwrap();
    let without = format!("{}{}", &text[..panel], &text[end..]);
    let said = level(&without);
    assert!(said[0].contains("subject `tried` proves itself also by address, which carries SL 1"), "{said:?}");
}
