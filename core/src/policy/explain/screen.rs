//! An explanation as lines for a screen.

use std::fmt;

use super::Explanation;
use crate::decision::{Effect, Keep, Reason};
use crate::moment::ClockTrust;
use crate::names::Role;

pub(super) fn show(it: &Explanation, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match (it.effect, it.reason) {
        (Effect::Allow, _) => {
            writeln!(f, "ALLOWED{}", it.rule.as_ref().map_or_else(String::new, |r| format!(" by {r}")))?;
        }
        (Effect::Deny, Some(reason)) => writeln!(f, "REFUSED ({}): {}", reason.name(), reason.says())?,
        (Effect::Deny, None) => writeln!(f, "REFUSED")?,
    }
    let who = it.subject.as_ref().map_or("nobody that the policy knows", |subject| subject.as_str());
    let roles = it.roles.iter().map(Role::as_str).collect::<Vec<_>>().join(", ");
    let roles = if roles.is_empty() { "no role".to_owned() } else { roles };
    let by = it.shown_by.map_or_else(String::new, |by| format!(" by {}", by.word()));
    writeln!(f, "  who      {who} ({roles}){by}, assurance {}", it.assurance.0)?;
    let clock = match it.clock {
        ClockTrust::Doubtful => "doubtful",
        ClockTrust::Floor => "floor",
        ClockTrust::Proven => "proven",
    };
    writeln!(f, "  when     {}, clock {clock}", it.at)?;
    let from = it.from.as_deref().unwrap_or("no zone");
    let conduits = it.conduits.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let conduits = if conduits.is_empty() { "no conduit".to_owned() } else { conduits };
    let to = it.zone.as_ref().map_or("-", |zone| zone.as_str());
    let asset = it.asset.as_ref().map_or("no asset", |asset| asset.as_str());
    writeln!(f, "  path     {from} > {conduits} > {to} > {asset}")?;
    for note in &it.notes {
        writeln!(f, "  note     {note}")?;
    }
    for asked in &it.asked {
        writeln!(f, "  {}", asked.what)?;
        if let Some(note) = &asked.note {
            writeln!(f, "    {note}")?;
        }
        for rule in &asked.rules {
            let mark = if rule.stage.is_none() { "+" } else { "-" };
            let nearest = it.reason.is_some() && it.rule.as_ref() == Some(&rule.rule);
            let line = if rule.place.line > 0 { format!(" (line {})", rule.place.line) } else { String::new() };
            let nearest = if nearest { "  <- nearest" } else { "" };
            writeln!(f, "    {mark} {}{line}: {}{nearest}", rule.rule, rule.because)?;
        }
    }
    let record = match it.keep {
        Keep::Count => "counted",
        Keep::Later => "recorded",
        Keep::Before => "on the disk before it is sent",
    };
    if it.effect == Effect::Allow {
        let limit = if it.limited { ", counts against a limit" } else { "" };
        let waived = if it.waived { ", safe or heartbeat value" } else { "" };
        let doubt = if it.doubtful { ", by doubt about the clock" } else { "" };
        writeln!(f, "  record   {record}{limit}{waived}{doubt}")?;
    } else if it.reason == Some(Reason::NoRule) && it.rule.is_none() {
        writeln!(f, "  nearest  none: no rule names it for these roles")?;
    }
    if let Some(until) = &it.valid_until {
        writeln!(f, "  until    {until}")?;
    }
    write!(f, "  policy   {}", it.policy.short())
}
