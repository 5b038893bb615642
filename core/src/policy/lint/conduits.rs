//! Conduits as a whole.

use super::{subjects, time};
use crate::names::ConduitId;
use crate::policy::model::{Conduit, From, OnExpiry, Policy, SubjectProof};
use crate::policy::report::Report;

pub(super) fn check(policy: &Policy, out: &mut Report<'_>) {
    if policy.plant.on_expiry != OnExpiry::Keep {
        let help = Some("write `keep` here, and `on_expiry` on a remote conduit".to_owned());
        let message = format!(
            "only a remote conduit may end or shrink at expiry, and `on_expiry = \"{}\"` is for all",
            word(policy.plant.on_expiry)
        );
        out.find("expiry-local", "plant", "plant.on_expiry", message, help);
    }
    for (id, conduit) in &policy.conduits {
        let object = format!("conduits.{id}");
        if conduit.allow.is_empty() && out.is_clean(&object) {
            let help = Some(format!("write a `[[{object}.allow]]` table or drop the conduit"));
            out.find("conduit-empty", &object, &object, "no allow rule: nothing can ever pass".to_owned(), help);
        }
        twice(policy, id, &object, conduit, out);
        if let Some(hours) = conduit.hours.filter(|hours| !time::some_shift(policy, *hours)) {
            let message = format!("the hours `{hours}` are outside every shift: nobody is at work then");
            let help = Some("change the hours, or declare the shift".to_owned());
            out.find("hours-outside-shift", &object, &format!("{object}.hours"), message, help);
        }
        match &conduit.from {
            From::Remote(_) => remote(&object, conduit, out),
            From::Zone(_) => local(policy, id, &object, conduit, out),
        }
    }
}

/// The rights of two conduits between the same ends add up, but there is one way to treat a refusal or a record.
fn twice(policy: &Policy, id: &ConduitId, object: &str, conduit: &Conduit, out: &mut Report<'_>) {
    let settings =
        |conduit: &Conduit| (conduit.mode, conduit.record, conduit.on_stall, conduit.on_failure, conduit.detail);
    let same = |other: &Conduit| other.from == conduit.from && other.to == conduit.to;
    let first = policy.conduits.iter().find(|(_, other)| same(other));
    if let Some((first, _)) = first.filter(|(first, other)| *first != id && settings(other) != settings(conduit)) {
        let message =
            format!("`{first}` has the same ends and other settings: its `mode`, `record` and `on_stall` count");
        let help = Some("give both the same settings, or make them one conduit".to_owned());
        out.find("conduit-twice", object, object, message, help);
    }
}

fn word(on_expiry: OnExpiry) -> &'static str {
    match on_expiry {
        OnExpiry::Keep => "keep",
        OnExpiry::KeepReads => "keep-reads",
        OnExpiry::Close => "close",
    }
}

fn remote(object: &str, conduit: &Conduit, out: &mut Report<'_>) {
    if conduit.hours.is_none() {
        let help = Some("write for example `hours = \"Mon-Fri 07:00-17:00\"`".to_owned());
        out.find("remote-hours", object, object, "remote conduit without `hours` (SR 1.13)".to_owned(), help);
    }
    if conduit.approval.is_none() {
        let help = Some("write for example `approval = { by = \"Supervisor\", minutes = 120 }`".to_owned());
        out.find("remote-approval", object, object, "remote conduit without `approval` (SR 1.13)".to_owned(), help);
    }
}

fn local(policy: &Policy, id: &ConduitId, object: &str, conduit: &Conduit, out: &mut Report<'_>) {
    if conduit.on_expiry != OnExpiry::Keep {
        let message = format!(
            "only a remote conduit may end or shrink at expiry, not `{}` with `{}`",
            id,
            word(conduit.on_expiry)
        );
        let help = Some("write `keep`: people on site lose nothing".to_owned());
        out.find("expiry-local", object, &format!("{object}.on_expiry"), message, help);
    }
    if conduit.approval.is_some() {
        let message = format!("`approval` is for remote conduits, and `{}` starts in zone `{}`", id, conduit.from);
        let help = Some("use `when = [\"second factor\"]` or a shift instead".to_owned());
        out.find("approval-local", object, &format!("{object}.approval"), message, help);
    }
    levels(policy, object, conduit, out);
}

/// A zone's target level asks for proofs that can carry it.
fn levels(policy: &Policy, object: &str, conduit: &Conduit, out: &mut Report<'_>) {
    let From::Zone(from) = &conduit.from else { return };
    let level = |zone| policy.zones.get(zone).and_then(|zone| zone.target_level).unwrap_or(1);
    let wanted = level(from).max(level(&conduit.to));
    let weak = policy.subjects.iter().filter(|(_, subject)| subject.zone == *from && subjects::level(subject) < wanted);
    let weak: Vec<_> = weak.collect();
    let Some((id, subject)) = weak.first() else { return };
    let carried = subjects::level(subject);
    let others = match weak.len() - 1 {
        0 => String::new(),
        1 => " (and one more)".to_owned(),
        more => format!(" (and {more} more)"),
    };
    let message = format!(
        "SL-T {wanted}, but subject `{id}`{others} proves itself {} by {}, which carries SL {carried}",
        if subject.proofs.len() > 1 { "also" } else { "only" },
        subject.weakest().map_or("nothing", SubjectProof::word)
    );
    let help = format!(
        "give it a stronger proof, or accept it: [[accept]] finding = \"level-proof\", where = \"{object}\", reason, by, until"
    );
    out.find("level-proof", object, object, message, Some(help));
}
