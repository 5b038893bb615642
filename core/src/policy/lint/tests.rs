//! Every finding, on the riverside plant broken in one known way.

use std::collections::BTreeSet;

use crate::policy::problem::{Finding, Severity};
use crate::policy::{check, load};

const PLANT: &str = include_str!("../../../../config/examples/riverside/plant.toml");

/// What the mutations of a case did not mean to ask.
const BESIDES: [&str; 4] = ["rule-values", "point-unused", "limit-unreachable", "accept-where"];

struct Case {
    name: &'static str,
    want: &'static [&'static str],
    steps: &'static [(&'static str, &'static str)],
}

const fn case(
    name: &'static str,
    want: &'static [&'static str],
    steps: &'static [(&'static str, &'static str)],
) -> Case {
    Case { name, want, steps }
}

const FIRST_CAN: &str = "can = [\"write alive\", \"write speed\", \"write jog\", \"write setpoint\"]";
const FIRST_WHEN: &str = "when = [\"on shift\", \"line is line-1\"]";
const FIRST_ON: &str = "on = \"filler-plc\"\ncan = [\"write alive\"";
const FIRST_WHO: &str = "who = [\"Operator\", \"Supervisor\"]\non = \"filler-plc\"\ncan = [\"write alive\"";
const SPEED: &str = "holding 100 values 0..1200 safe 0";
const PLC_LISTEN: &str = "listen = [\"10.10.9.20:502\", \"10.10.9.20:802\"]";
const NEVER: &str = "what = [\"diagnostics restart\", \"diagnostics listen-only\", \"programming\", \"broadcast\"]";

/// The cases of the prototype that this analysis follows, and what is found beyond it. What only follows from another
/// mistake is not said again: a rule about a point or zone that could not be read.
const CASES: &[Case] = &[
    case("as written", &[], &[]),
    case("overlapping networks", &["zone-overlap"], &[("[\"10.10.9.0/24\"]", "[\"10.10.0.0/16\"]")]),
    case("unknown zone", &["asset-zone"], &[("zone = \"filling\"", "zone = \"fillng\"")]),
    case("address elsewhere", &["asset-address"], &[("//10.10.1.20:502", "//10.10.2.20:502")]),
    case("unreadable point", &["point-syntax"], &[(SPEED, "register 100")]),
    case("40001 style address", &["point-4xxxx"], &[(SPEED, "holding 40101 values 0..1200 safe 0")]),
    case(
        "overlapping points",
        &["point-overlap"],
        &[("valves   = \"coils 0-15\"", "valves = \"coils 0-15\"\nall = \"holding 0-199\"")],
    ),
    case("overlapping inputs", &["point-overlap"], &[("valves   =", "all = \"input 40-60\"\nvalves   =")]),
    case("grant without MAC", &["grant-mac"], &[("mac = \"02:1f:5a:00:10:31\"\n", "")]),
    case("level not accepted", &["level-proof"], &[("finding = \"level-proof\"", "finding = \"grant-mac\"")]),
    case(
        "accepted elsewhere",
        &["level-proof"],
        &[("where = \"conduits.scada-to-filling\"", "where = \"conduits.other\"")],
    ),
    case("safe value excluded", &["safe-excluded"], &[(SPEED, "holding 100 values 10..1200 safe 0")]),
    case("safe on an input", &["safe-readonly", "safe-unreachable"], &[("input 0-49", "input 0-49 safe 0")]),
    case("heartbeat on an input", &["safe-readonly"], &[("input 0-49", "input 0-49 heartbeat")]),
    case("safe nobody can write", &["safe-unreachable"], &[(FIRST_CAN, "can = [\"write speed\"]")]),
    case("write to a safety PLC", &["safety-write"], &[("connections = 4", "safety = true\nconnections = 4")]),
    case("odd registers for u32", &["point-syntax"], &[("holding 300-301", "holding 300-302")]),
    case("unknown shift", &["shift-unknown"], &[(FIRST_WHEN, "when = [\"shift is erly\"]")]),
    case("unreadable hours", &["shift-hours"], &[("06:00-14:00", "6 to 14")]),
    case("line nobody has", &["condition-token-only"], &[(FIRST_WHEN, "when = [\"line is line-2\"]")]),
    case("line mistyped", &["condition-unlike"], &[(FIRST_WHEN, "when = [\"line is lien-1\"]")]),
    case("location nobody has", &["condition-token-only"], &[(FIRST_WHEN, "when = [\"location is hall-2\"]")]),
    case(
        "nobody is that",
        &["rule-unreachable", "condition-token-only"],
        &[(FIRST_WHO, "who = [\"Maintainer\"]\non = \"filler-plc\"\ncan = [\"write alive\"")],
    ),
    case(
        "only by token",
        &["rule-token-only"],
        &[(FIRST_WHO, "who = [\"Operator\", \"Maintainer\"]\non = \"filler-plc\"\ncan = [\"write alive\"")],
    ),
    case(
        "unknown asset",
        &["rule-asset", "safe-unreachable"],
        &[(FIRST_ON, "on = \"filler\"\ncan = [\"write alive\"")],
    ),
    case("unknown point", &["rule-point", "safe-unreachable"], &[(FIRST_CAN, "can = [\"read sped\"]")]),
    case("write an input", &["rule-readonly", "safe-unreachable"], &[(FIRST_CAN, "can = [\"write status\"]")]),
    case(
        "over-broad",
        &["rule-broad", "safe-unreachable"],
        &[("valves   =", "spare = \"holding 1000-9999\"\nvalves   ="), (FIRST_CAN, "can = [\"read spare\"]")],
    ),
    case(
        "duplicate",
        &["rule-duplicate"],
        &[("can = [\"read recipe\", \"write recipe\", \"write valves\"]", "can = [\"read status\"]")],
    ),
    case("free text condition", &["condition-unknown"], &[(FIRST_WHEN, "when = [\"during the day\"]")]),
    case("wrong end", &["rule-end"], &[("to = \"filling\"", "to = \"control-room\"")]),
    case("never over a safe value", &["never-safe", "rule-never"], &[(NEVER, "what = [\"write filler-plc/speed\"]")]),
    case("never over a heartbeat", &["never-safe", "rule-never"], &[(NEVER, "what = [\"write filler-plc/alive\"]")]),
    case("never of nothing", &["never-unknown"], &[(NEVER, "what = [\"restart\"]")]),
    case("no listener", &["asset-listen"], &[(PLC_LISTEN, "listen = []")]),
    case("listener forgotten", &["asset-listen"], &[(PLC_LISTEN, "")]),
    case("one listener, two assets", &["listen-twice"], &[(PLC_LISTEN, "listen = [\"10.10.9.30:502\"]")]),
    case("one listener twice", &["listen-twice"], &[(PLC_LISTEN, "listen = [\"10.10.9.20:502\", \"10.10.9.20:502\"]")]),
    case(
        "listener in no zone",
        &["listen-zone", "level-proof"],
        &[
            ("listen = [\"10.10.9.30:502\"]", "listen = [\"10.11.9.30:502\"]"),
            ("from = \"remote:acme-service\"", "from = \"control-room\""),
            ("hours = \"Mon-Fri 07:00-17:00\"\napproval = { by = \"Supervisor\", minutes = 120 }\n", ""),
            ("who = [\"Vendor\"]", "who = [\"Supervisor\"]"),
            (
                "can = [\"read status\", \"read counters\", \"read recipe\", \"diagnostics identify\"]",
                "can = [\"diagnostics identify\"]",
            ),
            ("detail = \"full\"", ""),
            ("on_stall = \"deny\"", ""),
        ],
    ),
    case("unknown profile", &["profile-unknown"], &[("profile = \"direct\"", "profile = \"siemens\"")]),
    case("local rights end at expiry", &["expiry-local"], &[("on_expiry = \"keep\"", "on_expiry = \"keep-reads\"")]),
    case(
        "local conduit ends at expiry",
        &["expiry-local"],
        &[("to = \"filling\"", "to = \"filling\"\non_expiry = \"close\"")],
    ),
    case(
        "local approval",
        &["approval-local"],
        &[("to = \"filling\"", "to = \"filling\"\napproval = { by = \"Supervisor\", minutes = 5 }")],
    ),
    case("unreadable limit", &["limit-syntax"], &[("600 writes per minute", "often")]),
    case("unreadable days", &["shift-days"], &[("days  = \"Mon-Sun\"", "days  = \"weekdays\"")]),
    case(
        "undeclared end",
        &["conduit-zone"],
        &[(
            "from = \"remote:acme-service\"         # WireGuard peer or cloud-issued token\nto = \"filling\"",
            "from = \"remote:acme-service\"\nto = \"packing\"",
        )],
    ),
    case(
        "careless vendor",
        &["remote-hours", "remote-approval", "remote-second-factor", "rule-never"],
        &[
            ("hours = \"Mon-Fri 07:00-17:00\"\napproval = { by = \"Supervisor\", minutes = 120 }\n", ""),
            ("when = [\"second factor\", \"work order open\"]", ""),
            (
                "can = [\"read status\", \"read counters\", \"read recipe\", \"diagnostics identify\"]",
                "can = [\"diagnostics restart\"]",
            ),
        ],
    ),
    // Beyond the prototype.
    case("never over an asset with a safe value", &["never-safe", "rule-never"], &[(NEVER, "what = [\"dosing\"]")]),
    case("never over a write function", &["never-safe"], &[(NEVER, "what = [\"function 16\"]")]),
    case("never over a read function", &[], &[(NEVER, "what = [\"function 3\"]")]),
    case("never over one function of a word", &["rule-never"], &[(NEVER, "what = [\"function 43\"]")]),
    case("opaque function", &["function-opaque"], &[("\"diagnostics identify\"]", "\"function 100\"]")]),
    case(
        "programming by number",
        &["function-opaque", "rule-never"],
        &[("\"diagnostics identify\"]", "\"function 90\"]")],
    ),
    case("write by number", &["rule-function"], &[("\"diagnostics identify\"]", "\"function 16\"]")]),
    case(
        "hours outside the shift",
        &["hours-outside-shift"],
        &[
            ("\"second factor\", \"work order open\"]", "\"second factor\", \"shift is night\"]"),
            ("hours = \"Mon-Fri 07:00-17:00\"", "hours = \"Mon-Fri 07:00-17:00\" "),
        ],
    ),
    case(
        "hours that touch the shift's overlap",
        &[],
        &[
            ("\"second factor\", \"work order open\"]", "\"second factor\", \"shift is night\"]"),
            ("hours = \"Mon-Fri 07:00-17:00\"", "hours = \"Mon-Fri 06:14-17:00\""),
        ],
    ),
    case(
        "hours outside every shift",
        &["hours-outside-shift"],
        &[
            ("[shifts.night]\ndays  = \"Mon-Sun\"\nhours = \"22:00-06:00\"\n", ""),
            ("hours = \"Mon-Fri 07:00-17:00\"", "hours = \"Mon-Fri 22:15-06:00\""),
        ],
    ),
    case(
        "hours within a shift's overlap",
        &[],
        &[
            ("[shifts.night]\ndays  = \"Mon-Sun\"\nhours = \"22:00-06:00\"\n", ""),
            ("hours = \"Mon-Fri 07:00-17:00\"", "hours = \"Mon-Fri 22:14-06:00\""),
        ],
    ),
    case("grant for days", &["grant-long"], &[("minutes = 480", "minutes = 900")]),
    case("subject elsewhere", &["subject-address"], &[("address = \"10.10.9.31\"", "address = \"10.10.8.31\"")]),
    case(
        "two subjects at one address",
        &["subject-twice"],
        &[(
            "[subjects.old-panel]",
            "[subjects.a]\nzone = \"control-room\"\nproof = \"address\"\naddress = \"10.10.9.40\"\nrole = \"Operator\"\n[subjects.b]\nzone = \"control-room\"\nproof = \"address\"\naddress = \"10.10.9.40\"\nrole = \"Supervisor\"\n[subjects.old-panel]",
        )],
    ),
    case(
        "parallel conduits",
        &["conduit-twice", "rule-shadowed", "level-proof"],
        &[(
            "[[never]]",
            "[conduits.also]\nfrom = \"control-room\"\nto = \"filling\"\nmode = \"observe\"\n[[conduits.also.allow]]\nwho = [\"Operator\", \"Supervisor\"]\non = \"filler-plc\"\ncan = [\"write speed\"]\n[[never]]",
        )],
    ),
    case(
        "an acceptance of nothing",
        &["accept-unused"],
        &[(
            "[[accept]]",
            "[[accept]]\nfinding = \"grant-mac\"\nwhere = \"subjects.old-panel\"\nreason = \"x\"\nby = \"x\"\nuntil = 2030-01-01\n[[accept]]",
        )],
    ),
    case(
        "an accepted error",
        &["accept-error", "asset-address"],
        &[
            ("//10.10.1.20:502", "//10.10.2.20:502"),
            (
                "[[accept]]",
                "[[accept]]\nfinding = \"asset-address\"\nwhere = \"assets.filler-plc\"\nreason = \"x\"\nby = \"x\"\nuntil = 2030-01-01\n[[accept]]",
            ),
        ],
    ),
    case("a finding that does not exist", &["accept-unknown", "level-proof"], &[("\"level-proof\"", "\"level-prof\"")]),
];

fn broken(steps: &[(&str, &str)]) -> String {
    steps.iter().fold(PLANT.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "the plant has no `{from}`");
        text.replacen(from, to, 1)
    })
}

fn open(findings: &[Finding]) -> BTreeSet<&'static str> {
    findings.iter().filter(|finding| finding.severity != Severity::Accepted).map(|finding| finding.problem.id).collect()
}

#[test]
fn each_way_to_break_the_plant_is_found_and_nothing_else() {
    let mut wrong = Vec::new();
    for Case { name, want, steps } in CASES {
        let text = broken(steps);
        let checked = check(&text);
        let mut found = open(&checked.findings);
        for besides in BESIDES.iter().filter(|besides| !want.contains(besides)) {
            found.remove(besides);
        }
        // An acceptance that has lost its finding to the mutation is no news.
        if *name == "level not accepted" {
            found.remove("accept-unused");
        }
        if found != want.iter().copied().collect() {
            wrong.push(format!("{name}: wanted {want:?}, found {found:?}"));
        }
        for finding in &checked.findings {
            assert!(finding.problem.place.line > 0, "{name}: {}", finding.problem);
            assert!(
                finding.problem.message.contains('`') || finding.problem.help.is_some(),
                "{name}: {}",
                finding.problem
            );
        }
        assert_eq!(load(&text).is_err(), checked.blocking().next().is_some(), "{name}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_plant_without_shifts_has_nobody_on_shift() {
    let start = PLANT.find("[shifts.early]").unwrap();
    let end = PLANT.find("[zones.filling]").unwrap();
    let text = format!("{}{}", &PLANT[..start], &PLANT[end..]);
    assert_eq!(open(&check(&text).findings), BTreeSet::from(["shift-unknown", "rule-values"]));
}

#[test]
fn a_conduit_without_rules_passes_nothing() {
    let start = PLANT.find("[[conduits.scada-to-filling.allow]]").unwrap();
    let end = PLANT.find("[conduits.vendor-service]").unwrap();
    let text = format!("{}{}", &PLANT[..start], &PLANT[end..]);
    let found = open(&check(&text).findings);
    assert!(found.is_superset(&BTreeSet::from(["conduit-empty", "safe-unreachable"])), "{found:?}");
}

#[test]
fn unused_points_and_idle_limits_are_named() {
    let text = broken(&[(FIRST_CAN, "can = [\"read speed\"]")]);
    let found = open(&check(&text).findings);
    assert!(found.is_superset(&BTreeSet::from(["point-unused", "limit-unreachable"])), "{found:?}");
    let beats = broken(&[(FIRST_CAN, "can = [\"write alive\"]")]);
    assert!(open(&check(&beats).findings).contains("limit-unreachable"), "heartbeats are exempt from limits");
}

#[test]
fn only_two_findings_wait_for_somebody_and_errors_cannot_be_accepted() {
    let blocking: Vec<&str> =
        super::ids::ALL.iter().filter(|(_, severity, _)| *severity == Severity::Blocking).map(|(id, ..)| *id).collect();
    assert_eq!(blocking, ["level-proof", "point-4xxxx"]);
    let text = broken(&[
        (SPEED, "holding 40101 values 0..1200 safe 0"),
        (
            "[[accept]]",
            "[[accept]]\nfinding = \"point-4xxxx\"\nwhere = \"assets.filler-plc.points.speed\"\nreason = \"it really is\"\nby = \"x\"\nuntil = 2030-01-01\n[[accept]]",
        ),
    ]);
    let findings = load(&text).unwrap().findings;
    let accepted = findings.iter().find(|finding| finding.problem.id == "point-4xxxx").unwrap();
    assert_eq!(accepted.severity, Severity::Accepted);
    assert_eq!(accepted.problem.help.as_deref(), Some("accepted by x until 2030-01-01: it really is"));
}

#[test]
fn points_may_share_addresses_only_where_nothing_is_written() {
    let severity = |point: &str| {
        let text = broken(&[("valves   =", &format!("all = \"{point}\"\nvalves   ="))]);
        let found = check(&text).findings.into_iter().find(|finding| finding.problem.id == "point-overlap");
        found.map(|finding| (finding.severity, finding.problem.message))
    };
    let message = "`all` and `counters` share addresses `9-9` of holding".to_owned();
    assert_eq!(severity("holding 9"), Some((Severity::Error, message)));
    assert_eq!(severity("input 40-60").map(|(severity, _)| severity), Some(Severity::Warning));
    assert_eq!(severity("input 50-60"), None);
    assert_eq!(severity("file 1 0-49"), None);
}

#[test]
fn ids_are_unique() {
    let unique: BTreeSet<&str> = super::ids::all().collect();
    assert_eq!(unique.len(), super::ids::ALL.len());
}

#[test]
fn every_finding_has_a_case() {
    let mut seen: BTreeSet<&str> = CASES.iter().flat_map(|case| case.want).copied().collect();
    // Shown in tests of their own, here and beside the reader.
    seen.extend(BESIDES);
    seen.extend([
        "conduit-empty",
        "accept-expired",
        "more",
        "syntax",
        "size",
        "unknown-key",
        "missing-key",
        "wrong-type",
        "empty",
        "number",
    ]);
    seen.extend([
        "word",
        "name",
        "twice",
        "timezone",
        "network",
        "address",
        "mac",
        "duration",
        "listen-syntax",
        "connect-syntax",
    ]);
    seen.extend(["conduit-hours", "proof-key", "proof-mix", "subject-zone", "role-unknown", "rule-right"]);
    let without: Vec<&str> = super::ids::all().filter(|id| !seen.contains(id)).collect();
    assert!(without.is_empty(), "{without:?}");
}

#[test]
fn a_passed_date_is_a_warning_from_the_next_day_on() {
    let policy = load(PLANT).unwrap().policy;
    let day = |text: &str| text.parse().unwrap();
    assert!(super::expired(&policy, day("2027-06-30")).is_empty());
    let old = super::expired(&policy, day("2027-07-01"));
    assert_eq!(old.len(), 1);
    assert_eq!((old[0].severity, old[0].problem.id), (Severity::Warning, "accept-expired"));
    assert_eq!(
        old[0].problem.to_string(),
        "121:1: `level-proof` at `conduits.scada-to-filling` was accepted by b.lind until `2027-06-30`, which has passed \
         [accept-expired] in accept[1]; mend it, or have somebody answer for it again"
    );
}
