//! `[conduits.X]` and their allow rules.

use std::collections::BTreeMap;

use super::plant::ON_EXPIRY;
use super::roles::Roles;
use super::{Names, parsed, unknown, wrong};
use crate::names::{RuleId, ZoneId};
use crate::policy::model::{
    ApprovalTerms, Can, Condition, Conduit, Detail, From, Mode, OnExpiry, OnFailure, OnStall, RecordKind, Rule, Zone,
    ZoneKind,
};
use crate::policy::report::Report;
use crate::policy::tree::{Section, Text, is_name};
use crate::policy::words::{self, Wrong};
use crate::policy::{lint, suggest};

pub(super) fn conduit<'a>(
    mut section: Section<'a>,
    names: &Names<'a>,
    zones: &BTreeMap<ZoneId, Zone>,
    roles: &mut Roles<'a>,
    out: &mut Report<'_>,
) -> Option<Conduit> {
    section.require("from", "from = \"control-room\"");
    section.require("to", "to = \"filling\"");
    let path = section.path.clone();
    let from = section.text("from", out).and_then(|text| from(&path, text, names, out));
    let to = section.text("to", out);
    if let Some(to) = to.filter(|to| !names.zones.contains(to.value)) {
        unknown("conduit-zone", &path, "zone", &to, names.zones.iter().copied(), out);
    }
    let modes = [("observe", Mode::Observe), ("enforce", Mode::Enforce)];
    let mode = section.word("mode", &modes, out).unwrap_or_default();
    let records = [("durable", RecordKind::Durable), ("written", RecordKind::Written)];
    let record = section.word("record", &records, out).unwrap_or_default();
    let stalls = [("continue", OnStall::Continue), ("deny", OnStall::Deny)];
    let on_stall = section.word("on_stall", &stalls, out);
    let failures = [("close", OnFailure::Close), ("wire", OnFailure::Wire)];
    let on_failure = section.word("on_failure", &failures, out).unwrap_or_default();
    let details = [("writes", Detail::Writes), ("full", Detail::Full)];
    let detail = section.word("detail", &details, out).unwrap_or_default();
    out.mark(format!("{path}.on_expiry"), section.at_key("on_expiry"));
    let on_expiry = section.word("on_expiry", &ON_EXPIRY, out);
    let hours = section.text("hours", out).and_then(|text| parsed("conduit-hours", &path, text, words::hours, out));
    out.mark(format!("{path}.hours"), section.at_key("hours"));
    out.mark(format!("{path}.approval"), section.at_key("approval"));
    let approval = section.table("approval", out).and_then(|section| approval(section, roles, out));
    let allow = section.list("allow", out).into_iter().filter_map(|rule| self::rule(rule, names, roles, out)).collect();
    let place = out.source.place(section.at());
    section.finish(out);
    let (from, to) = (from?, ZoneId::from(to?.value));
    let control = |zone: &ZoneId| zones.get(zone).is_some_and(|zone| zone.kind == ZoneKind::Control);
    let both = matches!(&from, From::Zone(from) if control(from)) && control(&to);
    let remote = matches!(from, From::Remote(_));
    Some(Conduit {
        on_stall: on_stall.unwrap_or(if both { OnStall::Continue } else { OnStall::Deny }),
        // A remote conduit ends with the bundle in any case, unless it is to keep its reads.
        on_expiry: on_expiry.unwrap_or(if remote { OnExpiry::Close } else { OnExpiry::Keep }),
        from,
        to,
        mode,
        record,
        on_failure,
        detail,
        hours,
        approval,
        allow,
        place,
    })
}

fn from(path: &str, text: Text<'_>, names: &Names<'_>, out: &mut Report<'_>) -> Option<From> {
    if let Some(remote) = text.value.strip_prefix("remote:") {
        if is_name(remote) {
            return Some(From::Remote(remote.into()));
        }
        let help = Some("write for example `remote:acme-service`".to_owned());
        out.error("name", path, text.at, format!("`{remote}` in `{}` cannot be a name", text.value), help);
        return None;
    }
    if !names.zones.contains(text.value) {
        let remotes: Vec<String> = names.remotes.iter().map(|remote| format!("remote:{remote}")).collect();
        let all = names.zones.iter().copied().chain(remotes.iter().map(String::as_str)).chain(["remote:NAME"]);
        unknown("conduit-zone", path, "zone", &text, all, out);
    }
    Some(From::Zone(text.value.into()))
}

fn approval<'a>(mut section: Section<'a>, roles: &mut Roles<'a>, out: &mut Report<'_>) -> Option<ApprovalTerms> {
    section.require("by", "by = \"Supervisor\"");
    section.require("minutes", "minutes = 120");
    let by = section.text("by", out);
    if let Some(by) = by {
        roles.used(&section.path, by, out);
    }
    let minutes = section.whole("minutes", 1..=10_080, out);
    section.finish(out);
    Some(ApprovalTerms { by: by?.value.into(), minutes: u16::try_from(minutes?).ok()? })
}

fn rule<'a>(mut section: Section<'a>, names: &Names<'a>, roles: &mut Roles<'a>, out: &mut Report<'_>) -> Option<Rule> {
    section.require("who", "who = [\"Operator\"]");
    section.require("on", "on = \"filler-plc\"");
    section.require("can", "can = [\"read status\"]");
    let path = section.path.clone();
    let who = section.texts("who", out);
    for role in who.iter().flatten() {
        roles.used(&path, *role, out);
        out.mark(format!("{path}.who.{}", role.value), role.at);
    }
    let on = section.text("on", out);
    if let Some(on) = on {
        out.mark(format!("{path}.on"), on.at);
        if !names.assets.contains(on.value) {
            unknown("rule-asset", &path, "asset", &on, names.assets.iter().copied(), out);
        }
    }
    let rights = section.texts("can", out);
    for (key, list) in [("who", &who), ("can", &rights)] {
        if list.as_ref().is_some_and(Vec::is_empty) && !section.at_key(key).eq(&section.at()) {
            let help = Some("a rule without it allows nothing: fill it or drop the rule".to_owned());
            out.error("empty", &path, section.at_key(key), format!("`{key} = []` is empty"), help);
        }
    }
    let mut can = Vec::new();
    for text in rights.into_iter().flatten() {
        let right = right(&path, text, on.map(|on| on.value), names, out);
        if let Some(right) = right {
            out.mark(format!("{path}.can.{right}"), text.at);
            can.push(right);
        }
    }
    let mut when = Vec::new();
    for text in section.texts("when", out).unwrap_or_default() {
        if let Some(condition) = condition(&path, text, names, out) {
            out.mark(format!("{path}.when.{condition}"), text.at);
            when.push(condition);
        }
    }
    out.mark(format!("{path}.limit"), section.at_key("limit"));
    let limit = section.text("limit", out).and_then(|text| parsed("limit-syntax", &path, text, words::limit, out));
    let place = out.source.place(section.at());
    section.finish(out);
    let on = on.filter(|on| names.assets.contains(on.value))?;
    let who = who?.iter().map(|role| role.value.into()).collect();
    Some(Rule { id: RuleId::from(path), who, on: on.value.into(), can, when, limit, place })
}

/// One entry of `can`.
fn right(path: &str, text: Text<'_>, on: Option<&str>, names: &Names<'_>, out: &mut Report<'_>) -> Option<Can> {
    let (verb, point) = text.value.split_once(' ').unwrap_or((text.value, ""));
    if matches!(verb, "read" | "write") {
        let on = on.filter(|on| names.assets.contains(on))?;
        if !names.points_of(on).any(|known| known == point) {
            let at = text.at_byte(verb.len() + 1);
            let help = suggest::help(point, names.points_of(on));
            out.error("rule-point", path, at, format!("{on} has no point `{point}`"), help);
            return None;
        }
        return Some(if verb == "read" { Can::Read(point.into()) } else { Can::Write(point.into()) });
    }
    if text.value == "broadcast" {
        return Some(Can::Broadcast);
    }
    match words::function(text.value) {
        Some(Ok(function)) => match words::grantable(function) {
            Ok(()) => Some(Can::Function(function)),
            Err(help) => {
                let message = format!("`{}` cannot be granted by its number", text.value);
                out.error("rule-function", path, text.at, message, Some(help));
                None
            }
        },
        Some(Err(mistake)) => {
            wrong("rule-function", path, &text, mistake, out);
            None
        }
        None => {
            let points = names.points_of(on.unwrap_or_default());
            let known: Vec<String> = words::FUNCTION_WORDS
                .iter()
                .map(|word| (*word).to_owned())
                .chain(points.flat_map(|point| [format!("read {point}"), format!("write {point}")]))
                .collect();
            let near = suggest::nearest(text.value, known.iter().map(String::as_str));
            let help = near
                .map_or("write `read POINT`, `write POINT`, a function word or `function N`".to_owned(), |near| {
                    format!("did you mean `{near}`?")
                });
            out.error("rule-right", path, text.at, format!("`{}` is no right", text.value), Some(help));
            None
        }
    }
}

/// One entry of `when`.
fn condition(path: &str, text: Text<'_>, names: &Names<'_>, out: &mut Report<'_>) -> Option<Condition> {
    let condition = match words::condition(text.value) {
        Ok(condition) => condition,
        Err(mistake) => {
            wrong(lint::ids::CONDITION_UNKNOWN, path, &text, nearer(mistake, &text, names), out);
            return None;
        }
    };
    match &condition {
        Condition::OnShift if names.shifts.is_empty() => {
            let message = "`on shift` is never true: the file has no shifts".to_owned();
            out.error("shift-unknown", path, text.at, message, Some("write a `[shifts.early]` table".to_owned()));
            None
        }
        Condition::ShiftIs(shift) if !names.shifts.contains(shift.as_str()) => {
            let at = text.at_byte("shift is ".len());
            let help = suggest::help(shift.as_str(), names.shifts.iter().copied());
            out.error("shift-unknown", path, at, format!("there is no shift named `{shift}`"), help);
            None
        }
        Condition::OnShift
        | Condition::ShiftIs(_)
        | Condition::LineIs(_)
        | Condition::LocationIs(_)
        | Condition::SecondFactor
        | Condition::WorkOrderOpen
        | Condition::LoggedInWithin(_)
        | Condition::Assurance(_)
        | Condition::PlantModeIs(_) => Some(condition),
    }
}

/// A condition that looks like `shift is` one of the plant's shifts.
fn nearer(mistake: Wrong, text: &Text<'_>, names: &Names<'_>) -> Wrong {
    let shifts: Vec<String> = names.shifts.iter().map(|shift| format!("shift is {shift}")).collect();
    match suggest::nearest(text.value, shifts.iter().map(String::as_str)) {
        Some(near) if !mistake.help.as_ref().is_some_and(|help| help.starts_with("did")) => {
            Wrong { help: Some(format!("did you mean `{near}`?")), ..mistake }
        }
        _ => mistake,
    }
}
