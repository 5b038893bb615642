//! What a person reads.

use super::*;
use crate::policy::riverside::{FILLER, at, evidence, policy, world};
use crate::wire::modbus::Request;

fn ask(subject: &str, grant: Option<&str>, words: &str, now: Moment) -> Explanation {
    let (subject, grant) = (subject.into(), grant.map(Role::from));
    let who = Who { subject: &subject, grant: grant.as_ref(), by: None };
    question(&world(policy()), who, &"filler-plc".into(), words, now).unwrap()
}

/// The screen without its last line, which carries the hash of the example.
fn screen(explanation: &Explanation) -> String {
    let text = explanation.to_string();
    text.rsplit_once("\n  policy ").unwrap().0.to_owned()
}

#[test]
fn a_refusal_fits_a_screen_and_names_the_rule_that_came_nearest() {
    let it = ask("station", None, "write speed 1300", at("2026-03-10 10:00"));
    assert_eq!(
        screen(&it),
        "\
REFUSED (range): a rule names it, but not this value, or it is part of a wide value
  who      station (Operator) by address, assurance 1
  when     2026-03-10 10:00:00 +01:00, clock proven
  path     control-room > scada-to-filling > filling > filler-plc
  write speed = 1300 (holding 100)
    - conduits.scada-to-filling.allow[2] (line 86): 1300 is outside 0..1200  <- nearest
  until    2026-03-10 14:15:00 +01:00"
    );
}

#[test]
fn an_allowed_write_says_how_it_is_recorded_and_limited() {
    let it = ask("station", None, "write speed 900", at("2026-03-10 10:00"));
    assert_eq!(
        screen(&it),
        "\
ALLOWED by conduits.scada-to-filling.allow[2]
  who      station (Operator) by address, assurance 1
  when     2026-03-10 10:00:00 +01:00, clock proven
  path     control-room > scada-to-filling > filling > filler-plc
  write speed = 900 (holding 100)
    + conduits.scada-to-filling.allow[2] (line 86): allows it, 600 writes per minute
  record   on the disk before it is sent, counts against a limit
  until    2026-03-10 14:15:00 +01:00"
    );
    let json = serde_json::to_value(&it).unwrap();
    assert_eq!((&json["effect"], &json["asked"][0]["rules"][0]["place"]["line"]), (&"allow".into(), &86.into()));
}

#[test]
fn each_way_of_being_refused_has_its_words() {
    let day = at("2026-03-10 10:00");
    let doubtful = Moment { trust: ClockTrust::Doubtful, ..day };
    for (subject, grant, words, now, wanted) in [
        ("station", None, "write recipe[3] 5", day, "allow[4] (line 96): is for Supervisor"),
        ("station", None, "write recipe[3] 5", day, "nearest  none: no rule names it for these roles"),
        ("lead", None, "write recipe[3] 5", day, "`second factor`: none was shown  <- nearest"),
        ("old-panel", None, "write jog 1", day, "would need an open grant of Operator, Supervisor"),
        ("old-panel", None, "write jog 1", day, "no grant is open: reads, heartbeat and safe values of Operator"),
        ("old-panel", None, "write jog 0", day, "a safe or heartbeat value is never refused"),
        ("old-panel", Some("Operator"), "write jog 1", day, "a grant is open"),
        (
            "station",
            None,
            "diagnostics restart",
            day,
            "`never[1]` forbids `diagnostics restart` to everybody: PLC stop",
        ),
        ("station", None, "function 100", day, "no rule of the conduit names it"),
        ("station", None, "write speed 900", doubtful, "allows it: the clock is doubtful, and the role works on site"),
        ("acme", None, "read counters", doubtful, "`second factor`: none was shown"),
    ] {
        let screen = screen(&ask(subject, grant, words, now));
        assert!(screen.contains(wanted), "{subject} {words}:\n{screen}");
    }
}

#[test]
fn who_nobody_knows_and_addresses_without_a_name_are_said() {
    let world = world(policy());
    let frame = Request::decode(&[3, 0, 8, 0, 4]).unwrap();
    let accesses = frame.accesses(7, crate::policy::model::UnitZero::Itself);
    let it = explain(&world, &evidence(FILLER, "10.10.9.77", None), &accesses, at("2026-03-10 10:00"));
    let screen = screen(&it);
    for wanted in [
        "REFUSED (no-subject)",
        "nobody that the policy knows",
        "nothing shown from 10.10.9.77 (no known MAC) names a subject of this zone",
        "read counters (holding 8-9)",
        "read alive (holding 10)",
        "read holding 11\n    no point has these addresses",
        "unit 7 is not one of `filler-plc`",
    ] {
        assert!(screen.contains(wanted), "{wanted}:\n{screen}");
    }
}

#[test]
fn a_mistyped_subject_or_asset_is_told_with_the_nearest_name() {
    let who = |name: &str| ask_error(name, "filler-plc");
    assert_eq!(who("statoin"), "there is no subject named `statoin`; did you mean `station`?");
    assert_eq!(ask_error("station", "filer-plc"), "there is no asset named `filer-plc`; did you mean `filler-plc`?");
}

fn ask_error(subject: &str, asset: &str) -> String {
    let subject = subject.into();
    let who = Who { subject: &subject, grant: None, by: None };
    let now = at("2026-03-10 10:00");
    question(&world(policy()), who, &asset.into(), "read speed", now).unwrap_err().to_string()
}

#[test]
fn a_question_says_which_proof_it_assumes_and_can_assume_another() {
    let text = format!(
        "{}\n[subjects.both]\nzone = \"control-room\"\nproof = [\"certificate\", \"address\"]\naddress = \"10.10.9.70\"\n\
         role = \"Operator\"\nattributes = {{ line = \"line-1\" }}\n",
        crate::policy::riverside::text().replacen("when = [\"on shift\"", "when = [\"assurance 3\", \"on shift\"", 1)
    );
    let world = world(crate::policy::riverside::load(&text));
    let (subject, asset) = ("both".into(), "filler-plc".into());
    let said = |by| {
        let who = Who { subject: &subject, grant: None, by };
        question(&world, who, &asset, "write speed 900", at("2026-03-10 10:00")).map(|said| said.to_string())
    };
    let strongest = said(None).unwrap();
    assert!(strongest.starts_with("ALLOWED"), "{strongest}");
    assert!(strongest.contains("both (Operator) by certificate, assurance 3"), "{strongest}");
    assert!(strongest.contains("taken to be shown by certificate (assurance 3); for another answer: --by address"));
    assert_eq!(said(Some(By::Certificate)), said(None));
    let weaker = said(Some(By::Address)).unwrap();
    assert!(weaker.starts_with("REFUSED (condition)") && weaker.contains("assurance 3"), "{weaker}");
    assert!(weaker.contains("both (Operator) by address, assurance 1"), "{weaker}");
    let refused = said(Some(By::Token)).unwrap_err().to_string();
    assert_eq!(refused, "`both` cannot show itself by token: the policy lets it show itself by certificate or address");
}
