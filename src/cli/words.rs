//! Records of the journal in words: one line each for `journal show`, one screen for `explain`.

mod screen;

use bulkhead_core::access::Verb;
use bulkhead_core::decision::Effect;
use bulkhead_core::identity::{Credential, Edit, Life};
use bulkhead_core::journal::record::{
    AccessRecord, DecisionRecord, Event, GatewayRecord, Outcome, Record, SessionEvent, SessionRecord,
};
use bulkhead_core::names::SubjectId;
use bulkhead_core::policy::model::Mode;
use jiff::tz::TimeZone;

use super::when;

pub(super) use screen::screen;

/// One record, one line: `#4711 2026-11-24 03:09:58  scada (Operator, address) from 10.10.9.5: write filler-plc/speed 340 -> 520 ALLOWED ...`
pub(super) fn line(record: &Record, zone: &TimeZone) -> String {
    let head = format!("#{} {}", record.seq.0, when::moment(record.at, zone));
    format!("{head}  {}", event(&record.event))
}

fn event(event: &Event) -> String {
    match event {
        Event::Decision(decision) => {
            let accesses: Vec<String> = decision.accesses.iter().map(access).collect();
            let asked = if accesses.is_empty() { frame(decision) } else { accesses.join(", ") };
            format!("{} from {}: {asked} {}", who(decision), decision.source.ip(), verdict(decision))
        }
        Event::Outcome { of, outcome, late } => format!("#{} {}{}", of.0, became(*outcome), late_note(*late)),
        Event::Repeated { like, count } => format!("#{} again, unchanged, {count} times", like.0),
        Event::Denied { who, asset, reason, count } => {
            let on = asset.as_ref().map_or_else(String::new, |asset| format!(" on {asset}"));
            format!("{who}{on}: {count} more refused, {}", reason.says())
        }
        Event::Session(record) => session(record),
        Event::Gateway(record) => gateway(record),
        Event::Trimmed { until, .. } => format!("journal: the records up to #{} were removed to make room", until.0),
        Event::Checkpoint { seq, key, .. } => format!("journal: signed up to #{} with key {key}", seq.0),
    }
}

/// `scada (Operator)`, or what is known of somebody without a name.
pub(super) fn who(decision: &DecisionRecord) -> String {
    let roles: Vec<&str> = decision.roles.iter().map(bulkhead_core::names::Role::as_str).collect();
    match (&decision.subject, roles.is_empty()) {
        (Some(subject), true) => subject.to_string(),
        (Some(subject), false) => format!("{subject} ({})", roles.join(", ")),
        (None, _) => "unknown".to_owned(),
    }
}

fn named(subject: Option<&SubjectId>) -> &str {
    subject.map_or("unknown", SubjectId::as_str)
}

fn verdict(decision: &DecisionRecord) -> String {
    let rule = decision.rule.as_ref().map_or_else(String::new, |rule| format!(" by {rule}"));
    let reason = decision.reason.map_or("no reason recorded", bulkhead_core::decision::Reason::says);
    let mut text = match (decision.effect, decision.mode) {
        (Effect::Allow, _) => format!("ALLOWED{rule}"),
        (Effect::Deny, Mode::Enforce) => format!("REFUSED{rule}: {reason}"),
        (Effect::Deny, Mode::Observe) => format!("PASSED, enforce would refuse{rule}: {reason}"),
    };
    if decision.doubtful {
        text.push_str(" [clock doubtful: a time word counted as true]");
    }
    text
}

fn frame(decision: &DecisionRecord) -> String {
    format!("function {} unit {}", decision.frame.function, decision.frame.unit)
}

/// `write filler-plc/speed 340 -> 520`.
pub(super) fn access(access: &AccessRecord) -> String {
    let target = if access.points.is_empty() { access.target.clone() } else { access.points.join(" + ") };
    let values = match (&access.last, &access.new) {
        (Some(last), Some(new)) => format!(" {} -> {}", numbers(last), numbers(new)),
        (None, Some(new)) => format!(" ? -> {}", numbers(new)),
        (_, None) => String::new(),
    };
    let verb = match access.verb {
        Verb::Read => "read ",
        Verb::Write => "write ",
        Verb::Function => "",
        Verb::Broadcast => "broadcast ",
    };
    format!("{verb}{target}{values}")
}

/// Registers as decimals; a long list is cut for people (the record has it whole).
pub(super) fn numbers(registers: &[u16]) -> String {
    const SHOWN: usize = 8;
    let shown: Vec<String> = registers.iter().take(SHOWN).map(u16::to_string).collect();
    match registers.len() {
        1 => shown.join(""),
        n if n > SHOWN => format!("[{} .. {n} values]", shown.join(" ")),
        _ => format!("[{}]", shown.join(" ")),
    }
}

fn became(outcome: Outcome) -> String {
    match outcome {
        Outcome::Applied => "was done: the device answered".to_owned(),
        Outcome::Refused(code) => format!("was refused by the device itself, exception {code:02X}"),
        Outcome::NoAnswer => "the device did not answer in time".to_owned(),
        Outcome::NotSent(reason) => format!("was not sent: {}", reason.says()),
        Outcome::Unknown => "was sent; whether the device did it is not known".to_owned(),
    }
}

const fn late_note(late: bool) -> &'static str {
    if late { " [late: the record was not on the disk when the write went on]" } else { "" }
}

fn session(record: &SessionRecord) -> String {
    let what = match record.what {
        SessionEvent::Opened => "connected".to_owned(),
        SessionEvent::Refused(reason) => format!("connection REFUSED: {}", reason.says()),
        SessionEvent::Closed => "disconnected".to_owned(),
        SessionEvent::Cut => "connection CUT".to_owned(),
        SessionEvent::Malformed => "closed for malformed bytes".to_owned(),
        SessionEvent::TimedOut => "closed for being too slow".to_owned(),
        SessionEvent::Handshake(failure) => format!("TLS handshake REFUSED: {}", failure.says()),
    };
    let key = record.key.map_or_else(String::new, |key| format!(", key {}", key.short()));
    let serial = record.serial.as_ref().map_or_else(String::new, |serial| format!(", serial {serial}"));
    let who = named(record.subject.as_ref());
    format!("{who} from {} at {}: {what}{key}{serial}", record.source, record.listener)
}

fn gateway(record: &GatewayRecord) -> String {
    match record {
        GatewayRecord::Started { version, policy, file, cut } => {
            let torn =
                if *cut == 0 { String::new() } else { format!("; {cut} bytes of an unfinished record were cut") };
            format!("gateway: bulkhead {version} started with policy {} from {file}{torn}", policy.short())
        }
        GatewayRecord::Stopped => "gateway: stopped in order".to_owned(),
        GatewayRecord::Policy { from, to } => {
            format!("gateway: policy {} in force, before it {}", to.short(), from.short())
        }
        GatewayRecord::PolicyRefused { policy, problems, first } => {
            let problems = if *problems == 1 { "1 problem".to_owned() } else { format!("{problems} problems") };
            format!("gateway: policy {} REFUSED, {problems}; the first: {first}", policy.short())
        }
        GatewayRecord::ShadowStarted { policy, against, seconds, by } => {
            let span = when::span(seconds.saturating_mul(1_000));
            let (policy, against) = (policy.short(), against.short());
            format!("gateway: candidate {policy} is judged beside policy {against} for {span}, by {by}")
        }
        GatewayRecord::ShadowGoesOn { policy, against, seconds } => {
            let span = when::span(seconds.saturating_mul(1_000));
            format!("gateway: candidate {} goes on beside policy {} for {span}", policy.short(), against.short())
        }
        GatewayRecord::ShadowEnded { policy, against, why, judged, lost, gained, terms, lines, left_out } => {
            let beyond = if *left_out == 0 { String::new() } else { format!(", {left_out} occurrences beyond them") };
            format!(
                "gateway: candidate {} was judged beside policy {}, ended by {why}: {judged} requests, {lost} would be lost, \
                 {gained} gained, {terms} under another limit; {lines} differences{beyond}",
                policy.short(),
                against.short()
            )
        }
        GatewayRecord::Mode { conduit, mode, by } => {
            format!("gateway: conduit {conduit} set to {} by {by}", mode_word(*mode))
        }
        GatewayRecord::Revoked { subject, by, cut } => {
            format!("gateway: {subject} REVOKED by {by}, {cut} connections cut")
        }
        GatewayRecord::Registry { edits, by, cut } => {
            let what = edits.iter().take(EDITS).map(edit).collect::<Vec<_>>().join("; ");
            let more = edits.len().saturating_sub(EDITS);
            let more = if more == 0 { String::new() } else { format!("; and {more} more") };
            let cut = if *cut == 0 { String::new() } else { format!(", {cut} connections cut") };
            format!("gateway: {what}{more} by {by}{cut}")
        }
        GatewayRecord::Authority { spki, root, by, .. } => {
            let how = root.as_ref().map_or_else(|| "signed by itself".to_owned(), |root| format!("chained to {root}"));
            format!("gateway: its CA (key {}) {how}, by {by}", spki.short())
        }
        GatewayRecord::Certificate { serial, subject, spki, role, by, .. } => {
            let whose = subject.as_ref().map_or("this gateway", SubjectId::as_str);
            let role = role.as_ref().map_or_else(String::new, |role| format!(" ({role})"));
            format!("gateway: certificate {serial} for {whose}{role}, key {}, by {by}", spki.short())
        }
        GatewayRecord::List { number, count, revoked, by } => {
            let new = if revoked.is_empty() { String::new() } else { format!(", new: {}", revoked.join(" ")) };
            format!("gateway: CRL {number} with {count} certificates{new}, by {by}")
        }
        GatewayRecord::Abandoned { of } => format!("gateway: #{} was never answered: the gateway stopped before", of.0),
        GatewayRecord::Disk { state, lost } => format!("gateway: journal disk {state}, {lost} records lost"),
        GatewayRecord::Alarm { what, source, asset, text } => {
            let from = source.map_or_else(String::new, |ip| format!(" from {ip}"));
            let on = asset.as_ref().map_or_else(String::new, |asset| format!(" on {asset}"));
            format!("ALARM {what}{from}{on}: {text}")
        }
    }
}

/// Edits of one record that a line shows; the record has them all.
const EDITS: usize = 4;

/// What one edit of the registry did.
pub(super) fn edit(edit: &Edit) -> String {
    let all = |credentials: &[Credential]| credentials.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    match edit {
        Edit::Added { subject, life, again, credentials } => {
            let again = if *again { " anew" } else { "" };
            let with = if credentials.is_empty() { String::new() } else { format!(" with {}", all(credentials)) };
            format!("{subject} registered{again} ({}){with}", life.word())
        }
        Edit::Life { subject, life: Life::Suspended } => format!("{subject} SUSPENDED"),
        Edit::Life { subject, life } => format!("{subject} is {}", life.word()),
        Edit::Removed { subject, credential } => format!("{subject} lost {credential}"),
    }
}

/// `observe` or `enforce`.
pub(super) const fn mode_word(mode: Mode) -> &'static str {
    match mode {
        Mode::Observe => "observe",
        Mode::Enforce => "enforce",
    }
}

#[cfg(test)]
mod tests;
