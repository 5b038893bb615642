//! `policy document`: the zone and conduit sheet of IEC 62443-3-2 (ZCR 3, 4 and 6), written from the checked model, so that what an
//! assessor reads is what is enforced. The same policy gives the same bytes.

use serde::Serialize;

use super::lint::subjects::level;
use super::model::{
    Accept, Asset, Conduit, Detail, From, Hours, Mode, OnFailure, OnStall, Point, Priority, RecordKind, Rule,
    SubjectEntry, SubjectProof, UnitZero, ZoneKind,
};
use super::problem::{Finding, Loaded, Severity};
use crate::names::{AssetId, ConduitId, PointName, Role, SubjectId, ZoneId};

/// One table of the sheet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Section {
    /// Its title.
    pub title: &'static str,
    /// The columns; the first names the object.
    pub columns: Vec<&'static str>,
    /// A row for each object.
    pub rows: Vec<Vec<String>>,
}

/// The whole sheet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Document {
    /// The plant's name.
    pub plant: String,
    /// The digest of the policy's text, in hex.
    pub policy: String,
    /// The tables, in the order of the sheet.
    pub sections: Vec<Section>,
}

/// Writes the sheet of a policy.
pub fn document(loaded: &Loaded) -> Document {
    let policy = &loaded.policy;
    let sections = vec![
        zones(loaded),
        assets(loaded),
        points(loaded),
        conduits(loaded),
        rights(loaded),
        levels(loaded),
        subjects(loaded),
        never(loaded),
        shifts(loaded),
        findings(loaded),
    ];
    Document { plant: policy.plant.name.to_string(), policy: policy.hash.to_string(), sections }
}

fn section(title: &'static str, columns: &[&'static str], rows: Vec<Vec<String>>) -> Section {
    Section { title, columns: columns.to_vec(), rows }
}

fn or_dash(text: Option<impl ToString>) -> String {
    text.map_or_else(|| "-".to_owned(), |text| text.to_string())
}

fn list<T: ToString>(all: impl IntoIterator<Item = T>) -> String {
    let all: Vec<String> = all.into_iter().map(|one| one.to_string()).collect();
    if all.is_empty() { "-".to_owned() } else { all.join(", ") }
}

fn zones(loaded: &Loaded) -> Section {
    let row = |(id, zone): (&ZoneId, &super::model::Zone)| {
        let kind = match zone.kind {
            ZoneKind::Control => "control",
            ZoneKind::It => "it",
        };
        let assets = loaded.policy.assets.iter().filter(|(_, asset)| asset.zone == *id).map(|(id, _)| id);
        vec![
            id.to_string(),
            or_dash(zone.about.as_ref()),
            kind.to_owned(),
            list(&zone.networks),
            or_dash(zone.target_level),
            or_dash(zone.sheet.island.as_ref()),
            or_dash(zone.sheet.owner.as_ref()),
            or_dash(zone.sheet.boundary.as_ref()),
            list(assets),
        ]
    };
    let rows = loaded.policy.zones.iter().map(row).collect();
    let columns =
        ["Zone", "What it is", "Kind", "Networks", "Target level (SL-T)", "Island", "Owner", "Boundary", "Assets"];
    section("Zones", &columns, rows)
}

fn assets(loaded: &Loaded) -> Section {
    let row = |(id, asset): (&AssetId, &Asset)| {
        let unit_zero = match asset.profile.unit_zero {
            UnitZero::Itself => "",
            UnitZero::Broadcast => ", unit 0 is a broadcast",
        };
        let units = if asset.units.is_empty() { "1".to_owned() } else { list(&asset.units) };
        let listen = asset.listen.iter().map(|listen| {
            let spoken = if listen.tls { " (TLS)" } else { "" };
            format!("{}{spoken}", listen.at)
        });
        let link = if asset.share_upstream { "shared" } else { "one each" };
        vec![
            id.to_string(),
            asset.zone.to_string(),
            list(listen),
            asset.connect.to_string(),
            format!("{}{unit_zero}", asset.profile.name),
            units,
            format!("{} ({link})", asset.connections),
            if asset.safety { "SAFETY: read only" } else { "no" }.to_owned(),
        ]
    };
    let rows = loaded.policy.assets.iter().map(row).collect();
    let columns =
        ["Asset", "Zone", "Reached at", "Device", "Profile", "Units", "Connections of the device", "Safety system"];
    section("Assets", &columns, rows)
}

fn points(loaded: &Loaded) -> Section {
    let of = |(id, asset): (&AssetId, &Asset)| -> Vec<Vec<String>> {
        let mut points: Vec<(&PointName, &Point)> = asset.points.iter().collect();
        points.sort_by_key(|(_, point)| (point.bank, point.first, point.last));
        points.into_iter().map(|(name, point)| vec![format!("{id}/{name}"), point.to_string()]).collect()
    };
    section("Points", &["Point", "Addresses and values"], loaded.policy.assets.iter().flat_map(of).collect())
}

fn conduits(loaded: &Loaded) -> Section {
    let row = |(id, conduit): (&ConduitId, &Conduit)| {
        let mode = match conduit.mode {
            Mode::Observe => "OBSERVE: nothing is refused",
            Mode::Enforce => "enforce",
        };
        let record = match conduit.record {
            RecordKind::Durable => "durable",
            RecordKind::Written => "written (a power cut may take 50 ms)",
        };
        let detail = match conduit.detail {
            Detail::Writes => "writes",
            Detail::Full => "reads and writes",
        };
        let on_stall = match conduit.on_stall {
            OnStall::Continue => "continue",
            OnStall::Deny => "deny",
        };
        let on_failure = match conduit.on_failure {
            OnFailure::Close => "close",
            OnFailure::Wire => "WIRE: both sides are joined",
        };
        let approval = conduit.approval.as_ref().map(|terms| format!("{} for {} minutes", terms.by, terms.minutes));
        vec![
            id.to_string(),
            conduit.from.to_string(),
            conduit.to.to_string(),
            mode.to_owned(),
            or_dash(conduit.hours.map(hours)),
            or_dash(approval),
            format!("{record}, {detail}"),
            on_stall.to_owned(),
            on_failure.to_owned(),
        ]
    };
    let rows = loaded.policy.conduits.iter().map(row).collect();
    let columns =
        ["Conduit", "From", "To", "Mode", "Hours", "Approval on site", "Records", "Disk in trouble", "Gateway gone"];
    section("Conduits", &columns, rows)
}

fn hours(hours: Hours) -> String {
    hours.to_string()
}

fn rights(loaded: &Loaded) -> Section {
    let row = |rule: &Rule| {
        let when = if rule.when.is_empty() {
            "always".to_owned()
        } else {
            rule.when.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ")
        };
        let who = rule.who.iter().map(Role::as_str).collect::<Vec<_>>().join(" or ");
        vec![rule.id.to_string(), who, list(&rule.can), rule.on.to_string(), when, or_dash(rule.limit)]
    };
    let rows = loaded.policy.conduits.values().flat_map(|conduit| &conduit.allow).map(row).collect();
    let columns = ["Rule", "Who", "May", "On", "When", "How often, a subject and point"];
    section("What may pass (everything else is refused and recorded)", &columns, rows)
}

/// What the proofs of those who may come by a conduit support, against what its zones ask for.
fn levels(loaded: &Loaded) -> Section {
    let policy = &loaded.policy;
    let target = |zone: &ZoneId| policy.zones.get(zone).and_then(|zone| zone.target_level);
    let row = |(id, conduit): (&ConduitId, &Conduit)| {
        let here = |subject: &&SubjectEntry| match &conduit.from {
            From::Zone(zone) => subject.zone == *zone,
            From::Remote(name) => subject.zone.as_str().strip_prefix("remote:") == Some(name.as_str()),
        };
        let wanted = match &conduit.from {
            From::Zone(zone) => target(zone).max(target(&conduit.to)),
            From::Remote(_) => target(&conduit.to),
        };
        let (mut by, mut lowest) = (Vec::new(), None);
        for (name, subject) in policy.subjects.iter().filter(|(_, subject)| here(subject)) {
            by.push(format!("{name}: {} by {}", level(subject), subject.proof_words()));
            lowest = Some(lowest.map_or(level(subject), |known: u8| known.min(level(subject))));
        }
        let verdict = match (wanted, lowest) {
            (_, None) => "nobody can come by it",
            (None, Some(_)) => "no target level",
            (Some(wanted), Some(lowest)) if lowest >= wanted => "reached",
            (Some(_), Some(_)) => "NOT REACHED",
        };
        let object = format!("conduits.{id}");
        let about = |accept: &&Accept| *accept.at == *object;
        let accepted = policy.accepts.iter().filter(about).map(accepted);
        vec![id.to_string(), or_dash(wanted), or_dash(lowest), list(by), verdict.to_owned(), list(accepted)]
    };
    let rows = policy.conduits.iter().map(row).collect();
    let columns = ["Conduit", "Target level", "Level of the weakest proof", "By subject", "Verdict", "Accepted"];
    section("Levels", &columns, rows)
}

fn accepted(accept: &Accept) -> String {
    format!("{}: {} (by {}, until {})", accept.finding, accept.reason, accept.by, accept.until)
}

fn subjects(loaded: &Loaded) -> Section {
    let row = |(id, subject): (&SubjectId, &SubjectEntry)| {
        let place = subject.bound().map(|(address, mac)| match mac {
            Some(mac) => format!("{address} with {mac}"),
            None => address.to_string(),
        });
        let assurance = |proof: &SubjectProof| format!("{} ({})", proof.assurance().0, proof.word());
        let grant = subject.panel().map(|grant| {
            let by = grant.opened_by.iter().map(Role::as_str).collect::<Vec<_>>().join(" or ");
            format!("opened by {by}, {} minutes and {} of overlap", grant.minutes, grant.overlap)
        });
        let priority = match subject.priority {
            Priority::High => "high",
            Priority::Normal => "normal",
            Priority::Low => "low",
        };
        vec![
            id.to_string(),
            subject.zone.to_string(),
            or_dash(subject.role.as_ref()),
            list(subject.proofs.iter().map(assurance)),
            or_dash(place),
            or_dash(grant),
            priority.to_owned(),
        ]
    };
    let rows = loaded.policy.subjects.iter().map(row).collect();
    let columns =
        ["Subject", "Zone", "Role", "Assurance 0..3 (proof)", "Address of the policy", "Session grant", "Priority"];
    section("Subjects", &columns, rows)
}

fn never(loaded: &Loaded) -> Section {
    let rows = loaded
        .policy
        .never
        .iter()
        .map(|never| vec![never.id.to_string(), list(&never.what), or_dash(never.why.as_ref())]);
    section("Never (wins over every rule and override)", &["Item", "What", "Why"], rows.collect())
}

fn shifts(loaded: &Loaded) -> Section {
    let rows = loaded
        .policy
        .shifts
        .iter()
        .map(|(name, shift)| vec![name.to_string(), hours(shift.hours), format!("{} minutes", shift.overlap)]);
    section("Shifts", &["Shift", "Runs", "Overlap at its end"], rows.collect())
}

/// What lint says and who answers for it.
fn findings(loaded: &Loaded) -> Section {
    let policy = &loaded.policy;
    let row = |finding: &Finding| {
        let problem = &finding.problem;
        let word = match finding.severity {
            Severity::Note => "note",
            Severity::Warning => "WARNING",
            Severity::Accepted => "accepted",
            Severity::Blocking => "BLOCKING",
            Severity::Error => "ERROR",
        };
        let answers = |accept: &&Accept| *accept.finding == *problem.id && *accept.at == *problem.object;
        let accepted = policy.accepts.iter().find(answers).filter(|_| finding.severity == Severity::Accepted);
        vec![
            problem.id.to_owned(),
            problem.object.clone(),
            word.to_owned(),
            problem.message.clone(),
            or_dash(accepted.map(|accept| format!("{} (by {}, until {})", accept.reason, accept.by, accept.until))),
        ]
    };
    let rows = loaded.findings.iter().map(row).collect();
    section("Findings", &["Finding", "Where", "Severity", "What it says", "Answered for"], rows)
}

impl Document {
    /// As Markdown.
    pub fn markdown(&self) -> String {
        let mut text = format!(
            "# Zones and conduits of {}\n\nFor IEC 62443-3-2, from the policy that is enforced: SHA-256 `{}`.\n",
            cell(&self.plant),
            self.policy
        );
        for section in &self.sections {
            text.push_str("\n## ");
            text.push_str(section.title);
            text.push_str("\n\n");
            if section.rows.is_empty() {
                text.push_str("None.\n");
                continue;
            }
            let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
            text.push_str(&line(section.columns.iter().map(|column| cell(column)).collect()));
            text.push_str(&line(section.columns.iter().map(|_| "---".to_owned()).collect()));
            for row in &section.rows {
                text.push_str(&line(row.iter().map(|one| cell(one)).collect()));
            }
        }
        text
    }

    /// As comma-separated values (RFC 4180), one line for each field: section, object, field, value.
    pub fn csv(&self) -> String {
        let mut text = "section,object,field,value\r\n".to_owned();
        let mut line = |cells: [&str; 4]| {
            text.push_str(&cells.map(quoted).join(","));
            text.push_str("\r\n");
        };
        line(["Plant", &self.plant, "Policy (SHA-256)", &self.policy]);
        for section in &self.sections {
            for row in &section.rows {
                let object = row.first().map_or("", String::as_str);
                for (column, value) in section.columns.iter().zip(row).skip(1) {
                    line([section.title, object, column, value]);
                }
            }
        }
        text
    }
}

/// A bar would end the cell, a line break the row.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace(['\n', '\r'], " ")
}

/// Quoted where it must be; what a spreadsheet would take for a formula is text.
fn quoted(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '@', '\t', '\r']) || text.starts_with('-') && text.len() > 1;
    let text = if formula { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests;
