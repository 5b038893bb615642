//! `explain` of a record: one screen, every line a fact that stands in it.

use bulkhead_core::decision::Effect;
use bulkhead_core::identity::Assurance;
use bulkhead_core::journal::record::{DecisionRecord, Outcome, Record, Seq};
use bulkhead_core::policy::model::Mode;
use jiff::tz::TimeZone;

use crate::cli::when;

/// The screen of one decision. `outcome` is what became of it, where the journal says so.
pub(crate) fn screen(
    record: &Record,
    decision: &DecisionRecord,
    outcome: Option<(Outcome, bool)>,
    zone: &TimeZone,
) -> Vec<String> {
    let verdict = match (decision.effect, decision.mode) {
        (Effect::Allow, _) => "ALLOWED",
        (Effect::Deny, Mode::Enforce) => "REFUSED",
        (Effect::Deny, Mode::Observe) => "PASSED (observe); enforce would refuse it",
    };
    let Seq(seq) = record.seq;
    let mut lines = vec![format!("record #{seq}: {verdict}")];
    let mut fact = |name: &str, text: String| lines.push(format!("  {name:<9} {text}"));
    fact(
        "when",
        format!("{} {} (clock: {})", when::stamp(record.at.wall, zone), zone_name(zone), when::trust(record.at.trust)),
    );
    fact("who", format!("{}, by {}", super::who(decision), worth(decision.assurance)));
    fact("from", from(decision));
    fact("to", to(decision));
    for access in &decision.accesses {
        let points = if access.points.is_empty() { String::new() } else { format!(" ({})", access.target) };
        fact("asked", format!("{}{points}", super::access(access)));
        match (&access.last, access.last_age) {
            (Some(last), Some(age)) => {
                fact("", format!("last seen {} here {} before", super::numbers(last), when::span(age)));
            }
            (None, _) if access.new.is_some() => fact("", "no value of it was seen here before".to_owned()),
            (Some(_) | None, _) => {}
        }
    }
    let frame = decision.frame;
    fact("frame", format!("function {}, unit {}, transaction {}", frame.function, frame.unit, frame.id));
    fact("why", why(decision));
    if decision.doubtful {
        fact("", "the clock was doubtful: a time word counted as true, for people on site".to_owned());
    }
    fact("policy", decision.policy.to_string());
    match (decision.effect, decision.mode, outcome) {
        (Effect::Deny, Mode::Enforce, _) => fact("outcome", "nothing was sent to the device".to_owned()),
        (_, _, Some((outcome, late))) => {
            fact("outcome", format!("{}{}", super::became(outcome), super::late_note(late)));
        }
        (_, _, None) => fact("outcome", "not recorded (yet)".to_owned()),
    }
    lines
}

fn zone_name(zone: &TimeZone) -> String {
    zone.iana_name().unwrap_or("UTC").to_owned()
}

/// What evidence is worth, honestly.
pub(crate) fn worth(assurance: Assurance) -> String {
    let what = match assurance.0 {
        0 => "no proof",
        1 => "address alone, which anybody in the segment can take over",
        2 => "a person's grant or a shared key",
        _ => "a key of its own",
    };
    format!("{what} (assurance {})", assurance.0)
}

fn from(decision: &DecisionRecord) -> String {
    let mac = decision.mac.map_or_else(String::new, |mac| format!(", hardware address {mac}"));
    let zone =
        decision.zone.as_ref().map_or_else(|| ", no zone of the policy".to_owned(), |zone| format!(", zone {zone}"));
    format!("{}{mac}{zone}", decision.source)
}

fn to(decision: &DecisionRecord) -> String {
    let asset = decision.asset.as_ref().map_or_else(|| "no asset".to_owned(), ToString::to_string);
    let conduit =
        decision.conduit.as_ref().map_or_else(|| "no conduit".to_owned(), |conduit| format!("conduit {conduit}"));
    format!("{asset} at {} through {conduit} ({})", decision.listener, super::mode_word(decision.mode))
}

fn why(decision: &DecisionRecord) -> String {
    match (decision.effect, &decision.rule, decision.reason) {
        (Effect::Allow, Some(rule), _) => format!("{rule} allows it"),
        (Effect::Allow, None, _) => "allowed; no rule recorded".to_owned(),
        (Effect::Deny, Some(rule), Some(reason)) => format!("{} ({}); nearest: {rule}", reason.says(), reason.name()),
        (Effect::Deny, None, Some(reason)) => format!("{} ({})", reason.says(), reason.name()),
        (Effect::Deny, _, None) => "denied; no reason recorded".to_owned(),
    }
}
