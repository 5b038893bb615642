//! A day at the riverside plant, Tuesday 10 March 2026: who asks what when, and what the gateway answers. Written by hand
//! from the rulings, so that a person of the plant can read and dispute each line.

use crate::decision::Decision;
use crate::identity::{Approval, Attributes, Evidence, Proof};
use crate::moment::{ClockTrust, Moment};
use crate::names::Role;
use crate::policy::ask::Ask;
use crate::policy::model::UnitZero;
use crate::policy::riverside::{DOSING, FILLER, SCADA_IP, at, certificate, evidence, panel, policy, world};
use crate::policy::table::decide;
use crate::wire::modbus::Request;
use crate::world::{World, derive};

/// time | clock | who | asks | answer | rule
///
/// `S2` = `conduits.scada-to-filling.allow[2]`, `V1` = `conduits.vendor-service.allow[1]`, `N1` = `never[1]`. `dosing:` asks
/// the drives on the bus instead of the filler. Words in `[ ]` are a frame in hex, its unit id first.
const DAY: &str = "
    03:10     | proven   | station            | read counters          | allow counted         | S1
    03:10     | proven   | station            | write speed 900        | allow on disk         | S2
    05:59     | proven   | lead with factor   | write recipe[12] 520   | allow on disk         | S4
    06:00     | proven   | lead               | write recipe[12] 520   | condition             | S4
    06:01     | proven   | lead with factor   | write valves 0         | allow on disk         | S4
    06:05     | proven   | station            | write recipe[12] 520   | no-rule               | -
    06:05     | proven   | station            | write speed 1200       | allow on disk         | S2
    06:05     | proven   | station            | write speed 1201       | range                 | S2
    06:05     | proven   | station            | write speed 0          | allow waived          | S2
    06:06     | proven   | station            | write alive 7          | allow waived          | S2
    06:07     | proven   | station            | write setpoint 90000   | allow on disk         | S2
    06:07     | proven   | station            | write setpoint 90001   | range                 | S2
    06:07     | proven   | station            | [01 06 01 2c 00 00]    | range                 | S2
    06:07     | proven   | station            | [01 10 01 2b 00 02 04 00 00 00 00] | no-rule   | -
    06:08     | proven   | station            | [01 16 00 64 00 00 03 84] | allow on disk      | S2
    06:08     | proven   | station            | [01 16 00 64 ff 00 00 84] | range              | S2
    06:09     | proven   | station            | [01 17 00 00 00 0a 00 64 00 01 02 03 84] | allow on disk | S1
    06:09     | proven   | station            | [01 17 00 c8 00 01 00 64 00 01 02 03 84] | no-rule | -
    06:10     | proven   | station            | [00 03 00 00 00 0a]    | allow counted         | S1
    06:10     | proven   | station            | [ff 03 00 00 00 0a]    | allow counted         | S1
    06:10     | proven   | station            | [02 03 00 00 00 0a]    | no-rule               | -
    06:10     | proven   | station            | [02 08 00 01 00 00]    | never                 | N1
    06:11     | proven   | station            | [01 03 00 00 00 0b]    | no-rule               | -
    06:12     | proven   | station            | diagnostics identify   | no-rule               | -
    06:12     | proven   | station            | diagnostics restart    | never                 | N1
    06:12     | proven   | lead with factor   | function 90            | never                 | N1
    06:13     | proven   | scada              | write speed 900        | allow on disk         | S2
    06:13     | proven   | scada as Supervisor| read counters          | no-rule               | -
    06:13     | proven   | stranger           | read counters          | no-subject            | -
    07:00     | proven   | panel              | read speed             | allow counted         | S1
    07:00     | proven   | panel              | read recipe            | condition             | S4
    07:00     | proven   | panel              | write jog 1            | ended                 | -
    07:00     | proven   | panel              | write jog 0            | allow waived          | S2
    07:00     | proven   | panel              | write alive 1          | allow waived          | S2
    07:00     | proven   | panel              | diagnostics identify   | ended                 | -
    07:00     | proven   | panel              | diagnostics restart    | ended                 | -
    07:00     | proven   | panel, other mac   | read speed             | no-subject            | -
    13:59     | proven   | panel until 14:15  | write jog 1            | allow on disk         | S2
    14:14     | proven   | panel until 14:15  | write jog 1            | allow on disk         | S2
    14:14     | proven   | panel until 14:15  | write valves 1         | no-rule               | -
    14:15     | proven   | panel until 14:15  | write jog 1            | ended                 | -
    14:15     | proven   | panel until 14:15  | write jog 0            | allow waived          | S2
    14:15     | doubtful | panel until 14:15  | write jog 1            | ended                 | -
    10:00     | proven   | station            | dosing: write rate 500 | allow on disk         | S3
    10:00     | proven   | station            | dosing: [04 06 00 00 01 f4] | allow on disk    | S3
    10:00     | proven   | station            | dosing: [05 06 00 00 01 f4] | no-rule          | -
    10:00     | proven   | station            | dosing: [00 06 00 00 00 00] | never            | N1
    10:00     | proven   | station            | dosing: [00 04 00 00 00 04] | no-rule          | -
    10:00     | proven   | vendor             | diagnostics identify   | allow recorded        | V1
    10:00     | proven   | vendor             | read recipe            | allow recorded        | V1
    10:00     | proven   | vendor             | write recipe 0         | no-rule               | -
    11:29     | proven   | vendor             | read counters          | allow recorded        | V1
    11:30     | proven   | vendor             | read counters          | condition             | V1
    10:00     | doubtful | vendor             | read counters          | clock                 | V1
    10:00     | doubtful | station            | write speed 900        | allow on disk, doubt  | S2
    10:00     | floor    | station            | write speed 900        | allow on disk         | S2
    23:59     | proven   | vendor at night    | read counters          | condition             | V1
";

fn who(words: &str, listener: &str) -> Option<Evidence> {
    let evidence = match words {
        "station" => evidence(listener, SCADA_IP, None),
        "stranger" => evidence(listener, "10.10.9.77", None),
        "scada" => certificate(listener, "scada", Some("Operator")),
        "scada as Supervisor" => certificate(listener, "scada", Some("Supervisor")),
        "panel" => panel(listener, None),
        "panel until 14:15" => panel(listener, Some(("Operator", "2026-03-10 14:15"))),
        "panel, other mac" => evidence(listener, "10.10.9.31", Some("02:1f:5a:00:10:32")),
        "lead" => token(evidence(listener, "10.10.9.50", None), "lead", "Supervisor", Attributes::default()),
        "lead with factor" => {
            let claims = Attributes { second_factor: Some(true), ..Attributes::default() };
            token(evidence(listener, "10.10.9.50", None), "lead", "Supervisor", claims)
        }
        "vendor" | "vendor at night" => {
            let both = Attributes { second_factor: Some(true), work_order: Some(true), ..Attributes::default() };
            let approved = if words == "vendor" { "2026-03-10 09:30" } else { "2026-03-10 23:30" };
            let approvals = vec![Approval { by: "Supervisor".into(), at: at(approved).wall }];
            let far =
                Evidence { remote: Some("acme-service".into()), approvals, ..evidence(listener, "192.0.2.7", None) };
            token(far, "acme", "Vendor", both)
        }
        _ => return None,
    };
    Some(evidence)
}

fn token(mut evidence: Evidence, subject: &str, role: &str, claims: Attributes) -> Evidence {
    let roles = [Role::from(role)].into();
    evidence.proofs.push(Proof::Token { subject: subject.into(), roles, claims, bound_to: None, expires: None });
    evidence
}

fn asked(world: &World, listener: &str, evidence: &Evidence, words: &str, now: Moment) -> Decision {
    let (id, asset) = world.policy.asset_at(listener.parse().unwrap()).unwrap();
    let table = derive(world, evidence, now).table;
    match words.strip_prefix('[').and_then(|words| words.strip_suffix(']')) {
        Some(hex) => {
            let bytes: Vec<u8> = hex.split(' ').map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect();
            let zero = asset.profile.unit_zero;
            assert!(zero == UnitZero::Broadcast || listener == FILLER);
            decide(&table, &Request::decode(&bytes[1..]).unwrap().accesses(bytes[0], zero), now)
        }
        None => decide(&table, &Ask::parse(id, asset, words).unwrap().accesses(), now),
    }
}

fn said(decision: &Decision) -> String {
    use crate::decision::Keep;
    let keep = match decision.keep {
        Keep::Count => "counted",
        Keep::Later => "recorded",
        Keep::Before => "on disk",
    };
    match (decision.allows(), decision.reason) {
        (true, None) if decision.waived => "allow waived".to_owned(),
        (true, None) => format!("allow {keep}{}", if decision.doubtful { ", doubt" } else { "" }),
        (_, reason) => reason.map_or_else(|| "?".to_owned(), |reason| reason.name().to_owned()),
    }
}

fn short(rule: &str) -> String {
    rule.replace("conduits.scada-to-filling.allow[", "S")
        .replace("conduits.vendor-service.allow[", "V")
        .replace("never[", "N")
        .replace(']', "")
}

#[test]
fn a_day_at_the_plant_is_answered_as_its_people_expect() {
    let world = world(policy());
    let mut wrong = Vec::new();
    let lines: Vec<&str> = DAY.lines().filter(|line| !line.trim().is_empty()).collect();
    assert!(lines.len() >= 40);
    for line in lines {
        let columns: Vec<&str> = line.split('|').map(str::trim).collect();
        let [time, clock, name, words, answer, rule] = columns[..] else { panic!("{line}") };
        let trust = match clock {
            "doubtful" => ClockTrust::Doubtful,
            "floor" => ClockTrust::Floor,
            _ => ClockTrust::Proven,
        };
        let now = Moment { trust, ..at(&format!("2026-03-10 {time}")) };
        let (listener, words) = words.strip_prefix("dosing: ").map_or((FILLER, words), |words| (DOSING, words));
        let evidence = who(name, listener).unwrap_or_else(|| panic!("{line}"));
        let decision = asked(&world, listener, &evidence, words, now);
        let got = (said(&decision), decision.rule.as_ref().map_or("-".to_owned(), |rule| short(rule.as_str())));
        if got != (answer.to_owned(), rule.to_owned()) {
            wrong.push(format!("{line}\n      got {} | {}", got.0, got.1));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
