//! `[subjects.X]`.

use std::net::IpAddr;
use std::sync::Arc;

use super::roles::Roles;
use super::{Names, parsed, unknown};
use crate::identity::{Attributes, Mac};
use crate::moment::UnixMs;
use crate::policy::model::{GrantTerms, Priority, SubjectEntry, SubjectProof};
use crate::policy::report::Report;
use crate::policy::suggest;
use crate::policy::tree::{Section, Text};
use crate::policy::words::Wrong;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Certificate,
    Token,
    SessionGrant,
    Address,
}

const KINDS: [(&str, Kind); 4] = [
    ("certificate", Kind::Certificate),
    ("token", Kind::Token),
    ("session-grant", Kind::SessionGrant),
    ("address", Kind::Address),
];

const PRIORITIES: [(&str, Priority); 3] =
    [("high", Priority::High), ("normal", Priority::Normal), ("low", Priority::Low)];

pub(super) fn subject<'a>(
    mut section: Section<'a>,
    names: &Names<'a>,
    roles: &mut Roles<'a>,
    out: &mut Report<'_>,
) -> Option<SubjectEntry> {
    section.require("zone", "zone = \"control-room\"");
    section.require("proof", "proof = \"certificate\"");
    let zone = section.text("zone", out).map(|zone| known_zone(&section.path, zone, names, out));
    let kinds = section.one_or_more("proof", &KINDS, out);
    belongs(&mut section, &kinds, out);
    let role = section.text("role", out);
    if let Some(role) = role {
        roles.declared(&section.path, role, out);
    }
    let path = section.path.clone();
    let has_address = section.has("address");
    let address = section.text("address", out).and_then(|text| parsed("address", &path, text, address, out));
    let mac = section.text("mac", out).and_then(|text| parsed("mac", &path, text, mac, out));
    let grant = section.table("grant", out).and_then(|grant| terms(grant, roles, out));
    let priority = section.word("priority", &PRIORITIES, out).unwrap_or_default();
    let attributes =
        section.table("attributes", out).map(|section| attributes(section, names, out)).unwrap_or_default();
    let place = out.source.place(section.at());
    section.finish(out);
    let is_panel = kinds.contains(&Kind::SessionGrant);
    let mut proofs = Vec::new();
    for kind in &kinds {
        proofs.push(match kind {
            Kind::Certificate => SubjectProof::Certificate,
            Kind::Token => SubjectProof::Token,
            // One that has an address that cannot be read is not known by the registry instead.
            Kind::Address if has_address && address.is_none() => return None,
            Kind::Address => SubjectProof::Address { address, mac },
            Kind::SessionGrant => SubjectProof::SessionGrant { address: address?, mac, grant: grant.clone()? },
        });
    }
    if proofs.is_empty() {
        return None;
    }
    let role = role.filter(|_| !is_panel).map(|role| role.value.into());
    Some(SubjectEntry { zone: zone?.into(), proofs, role, priority, attributes, place })
}

/// People of a remote conduit have no zone of the plant: their home is the far end, written as the conduit does.
fn known_zone<'a>(path: &str, zone: Text<'a>, names: &Names<'_>, out: &mut Report<'_>) -> &'a str {
    let known = match zone.value.strip_prefix("remote:") {
        Some(remote) => names.remotes.contains(remote),
        None => names.zones.contains(zone.value),
    };
    if !known {
        let remotes: Vec<String> = names.remotes.iter().map(|remote| format!("remote:{remote}")).collect();
        let all = names.zones.iter().copied().chain(remotes.iter().map(String::as_str));
        unknown("subject-zone", path, "zone", &zone, all, out);
    }
    zone.value
}

/// Each way of proving has its own keys.
fn belongs(section: &mut Section<'_>, kinds: &[Kind], out: &mut Report<'_>) {
    if kinds.is_empty() {
        return;
    }
    let word = |kind: &Kind| KINDS.iter().find(|(_, known)| known == kind).map_or("", |(word, _)| *word);
    let words = kinds.iter().map(|kind| format!("`{}`", word(kind))).collect::<Vec<_>>().join(", ");
    let is_grant = kinds.contains(&Kind::SessionGrant);
    let by_address = is_grant || kinds.contains(&Kind::Address);
    if is_grant && kinds.len() > 1 {
        let message = format!("a panel has one way of proving itself, not {words}");
        let help = Some("write `proof = \"session-grant\"`, and another subject for the other ways".to_owned());
        out.error("proof-mix", &section.path, section.at_key("proof"), message, help);
    }
    for (key, allowed, why) in [
        ("address", by_address, "only `session-grant` and `address` are bound to an address"),
        ("mac", by_address, "only `session-grant` and `address` are bound to a hardware address"),
        ("grant", is_grant, "only `session-grant` is opened by somebody"),
        ("role", !is_grant, "a panel has the roles of `grant.opened_by`"),
    ] {
        if section.has(key) && !allowed {
            let message = match kinds {
                [_] => format!("`{key}` does not belong to a subject with `proof = \"{}\"`", words.trim_matches('`')),
                _ => format!("`{key}` does not belong to a subject with the proofs {words}"),
            };
            out.error("proof-key", &section.path, section.at_key(key), message, Some(why.to_owned()));
        }
    }
    if by_address && section.has("mac") && !section.has("address") {
        let message = "`mac` without `address`".to_owned();
        let help = Some("write its address too, or register both: bulkhead device add NAME --address IP --mac MAC");
        out.error("proof-key", &section.path, section.at_key("mac"), message, help.map(str::to_owned));
    }
    if is_grant {
        section.require("address", "address = \"10.10.9.31\"");
        section.require("grant", "grant = { opened_by = [\"Operator\"], minutes = 480 }");
    } else {
        section.require("role", "role = \"Operator\"");
    }
}

fn terms<'a>(mut section: Section<'a>, roles: &mut Roles<'a>, out: &mut Report<'_>) -> Option<GrantTerms> {
    section.require("opened_by", "opened_by = [\"Operator\"]");
    section.require("minutes", "minutes = 480");
    let opened_by = section.texts("opened_by", out);
    if opened_by.as_ref().is_some_and(Vec::is_empty) {
        let help = Some("name a role, such as `Operator`".to_owned());
        out.error(
            "empty",
            &section.path,
            section.at_key("opened_by"),
            "nobody opens it: `opened_by = []`".to_owned(),
            help,
        );
    }
    for role in opened_by.iter().flatten() {
        roles.declared(&section.path, *role, out);
    }
    let minutes = section.whole("minutes", 1..=1440, out);
    let overlap = section.whole("overlap", 0..=720, out).unwrap_or(15);
    section.finish(out);
    Some(GrantTerms {
        opened_by: opened_by?.iter().map(|role| role.value.into()).collect(),
        minutes: u16::try_from(minutes?).ok()?,
        overlap: u16::try_from(overlap).ok()?,
    })
}

fn attributes(mut section: Section<'_>, names: &Names<'_>, out: &mut Report<'_>) -> Attributes {
    let shared = |text: Option<Text<'_>>| text.map(|text| Arc::from(text.value));
    let shift = section.text("shift", out);
    if let Some(shift) = shift.filter(|shift| !names.shifts.contains(shift.value)) {
        unknown("shift-unknown", &section.path, "shift", &shift, names.shifts.iter().copied(), out);
    }
    let mode = section.text("plant mode", out);
    if let Some(mode) = mode.filter(|mode| suggest::alike(mode.value, "maintenance")) {
        let help = Some("did you mean `maintenance`?".to_owned());
        out.error("word", &section.path, mode.at, format!("no condition asks for plant mode `{}`", mode.value), help);
    }
    let attributes = Attributes {
        plant_mode: shared(mode),
        work_order: section.flag("work order", out),
        second_factor: section.flag("second factor", out),
        line: shared(section.text("line", out)),
        location: shared(section.text("location", out)),
        shift: shared(shift),
        logged_in: section.moment("logged in", out).map(UnixMs),
    };
    section.finish(out);
    attributes
}

fn address(text: &str) -> Result<IpAddr, Wrong> {
    let found = text.parse::<IpAddr>().map(|ip| ip.to_canonical()).ok();
    let found = found.filter(|ip| !ip.is_unspecified() && !ip.is_multicast());
    found.ok_or_else(|| {
        let help = if text.contains('/') { "write one address, without a prefix" } else { "write it as `10.10.9.31`" };
        Wrong::new(0, format!("`{text}` is no address of a machine"), help)
    })
}

fn mac(text: &str) -> Result<Mac, Wrong> {
    text.parse().map_err(|wrong: crate::identity::NotAMac| Wrong {
        at: 0,
        message: format!("`{text}` is no hardware address"),
        help: Some(wrong.to_string().replace("not ", "write ")),
    })
}
