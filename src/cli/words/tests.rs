//! The words of each kind of record, as a person reads them.

use bulkhead_core::decision::Reason;
use bulkhead_core::digest::Sha256;
use bulkhead_core::identity::Assurance;
use bulkhead_core::journal::record::{FrameRecord, Seq};
use bulkhead_core::moment::{BootMs, ClockTrust, Moment, RanMs, UnixMs};

use super::*;

fn at() -> Moment {
    // 2026-11-24 02:09:58 UTC, 03:09:58 in Berlin.
    Moment {
        wall: UnixMs(1_795_486_198_000),
        boot: BootMs(1),
        ran: RanMs(1),
        trust: ClockTrust::Floor,
        floor: UnixMs(0),
    }
}

fn berlin() -> TimeZone {
    TimeZone::get("Europe/Berlin").unwrap()
}

fn decision() -> DecisionRecord {
    DecisionRecord {
        effect: Effect::Allow,
        reason: None,
        mode: Mode::Enforce,
        subject: Some("scada".into()),
        roles: vec!["Operator".into()],
        assurance: Assurance::ADDRESS,
        source: "10.10.9.5:40000".parse().unwrap(),
        mac: None,
        listener: "10.10.9.20:502".parse().unwrap(),
        zone: Some("control-room".into()),
        conduit: Some("scada-to-filling".into()),
        asset: Some("filler-plc".into()),
        rule: Some("conduits.scada-to-filling.allow[2]".into()),
        policy: Sha256::of(b"policy"),
        frame: FrameRecord { id: 7, unit: 1, function: 6 },
        accesses: vec![AccessRecord {
            verb: Verb::Write,
            points: vec!["filler-plc/speed".to_owned()],
            target: "holding 100".to_owned(),
            last: Some(vec![340]),
            last_age: Some(4_200),
            mask: None,
            new: Some(vec![520]),
        }],
        proofs: None,
        doubtful: false,
    }
}

fn said(event: Event) -> String {
    line(&Record { v: 1, seq: Seq(4711), previous: Sha256::default(), at: at(), event }, &berlin())
}

#[test]
fn a_decision_says_who_what_from_which_to_which_value_and_by_which_rule() {
    let head =
        "#4711 2026-11-24 03:09:58 (time: RTC, not proven)  scada (Operator) from 10.10.9.5: write filler-plc/speed";
    let said_of = |change: fn(&mut DecisionRecord)| {
        let mut decision = decision();
        change(&mut decision);
        said(Event::Decision(Box::new(decision)))
    };
    assert_eq!(said_of(|_| ()), format!("{head} 340 -> 520 ALLOWED by conduits.scada-to-filling.allow[2]"));
    let refused = said_of(|d| (d.effect, d.reason, d.rule) = (Effect::Deny, Some(Reason::Range), None));
    assert_eq!(
        refused,
        format!("{head} 340 -> 520 REFUSED: a rule names it, but not this value, or it is part of a wide value")
    );
    let observed = said_of(|d| {
        (d.effect, d.reason, d.rule, d.mode) = (Effect::Deny, Some(Reason::NoRule), None, Mode::Observe);
        d.accesses[0].last = None;
    });
    assert_eq!(observed, format!("{head} ? -> 520 PASSED, enforce would refuse: no rule allows it"));
    let nobody = said_of(|d| {
        (d.subject, d.roles, d.accesses) = (None, Vec::new(), Vec::new());
        (d.effect, d.reason, d.rule) = (Effect::Deny, Some(Reason::Malformed), None);
    });
    assert!(
        nobody.ends_with("unknown from 10.10.9.5: function 6 unit 1 REFUSED: the bytes are not a valid request"),
        "{nobody}"
    );
}

#[test]
fn a_long_list_of_values_is_cut_for_people() {
    assert_eq!(numbers(&[7]), "7");
    assert_eq!(numbers(&[1, 2]), "[1 2]");
    assert_eq!(numbers(&[1; 100]), "[1 1 1 1 1 1 1 1 .. 100 values]");
}

#[test]
fn what_became_of_a_write_is_never_prettier_than_it_was() {
    for (outcome, late, words) in [
        (Outcome::Applied, false, "#9 was done: the device answered"),
        (
            Outcome::Applied,
            true,
            "#9 was done: the device answered [late: the record was not on the disk when the write went on]",
        ),
        (Outcome::Refused(2), false, "#9 was refused by the device itself, exception 02"),
        (Outcome::NoAnswer, false, "#9 the device did not answer in time"),
        (Outcome::NotSent(Reason::AssetDown), false, "#9 was not sent: the asset cannot be reached"),
        (Outcome::Unknown, false, "#9 was sent; whether the device did it is not known"),
    ] {
        let said = said(Event::Outcome { of: Seq(9), outcome, late });
        assert!(said.ends_with(&format!("  {words}")), "{said}");
    }
}

#[test]
fn the_screen_of_a_refusal_holds_every_fact_of_its_record() {
    let mut refused = decision();
    (refused.effect, refused.reason) = (Effect::Deny, Some(Reason::Range));
    refused.accesses[0].new = Some(vec![1300]);
    let record = Record {
        v: 1,
        seq: Seq(4711),
        previous: Sha256::default(),
        at: at(),
        event: Event::Decision(Box::new(refused.clone())),
    };
    let policy = Sha256::of(b"policy");
    let expected = [
        "record #4711: REFUSED".to_owned(),
        "  when      2026-11-24 03:09:58 Europe/Berlin (clock: RTC, not proven)".to_owned(),
        "  who       scada (Operator), by address alone, which anybody in the segment can take over (assurance 1)".to_owned(),
        "  from      10.10.9.5:40000, zone control-room".to_owned(),
        "  to        filler-plc at 10.10.9.20:502 through conduit scada-to-filling (enforce)".to_owned(),
        "  asked     write filler-plc/speed 340 -> 1300 (holding 100)".to_owned(),
        "            last seen 340 here 4 s before".to_owned(),
        "  frame     function 6, unit 1, transaction 7".to_owned(),
        "  why       a rule names it, but not this value, or it is part of a wide value (range); nearest: conduits.scada-to-filling.allow[2]".to_owned(),
        format!("  policy    {policy}"),
        "  outcome   nothing was sent to the device".to_owned(),
    ];
    assert_eq!(screen(&record, &refused, None, &berlin()), expected);
}
