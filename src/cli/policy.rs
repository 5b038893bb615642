//! `policy lint`, `diff` and `decide` on files, `activate` in the daemon.

use std::path::Path;

use bulkhead_core::policy::{Finding, Severity};
use serde::Serialize;

use super::{Answer, Context, Exit, files};

#[derive(Serialize)]
struct Linted<'a> {
    ok: bool,
    file: &'a Path,
    hash: String,
    findings: &'a [Finding],
}

/// Says what is wrong or unwise in a policy file.
pub(super) fn lint(file: &Path, context: &mut Context<'_>) -> Answer {
    let (_, loaded) = files::policy(file)?;
    let policy = &loaded.policy;
    let linted = Linted { ok: true, file, hash: policy.hash.to_string(), findings: &loaded.findings };
    context.out.value(&linted)?;
    for finding in &loaded.findings {
        context.out.line(finding_line(Some(file), finding))?;
    }
    let rules: usize = policy.conduits.values().map(|conduit| conduit.allow.len()).sum();
    context.out.line(format!(
        "{}: the policy is sound: plant {}, {}, {}, {}, {}; hash {}",
        file.display(),
        policy.plant.name,
        files::counted(policy.assets.len(), "asset"),
        files::counted(policy.subjects.len(), "subject"),
        files::counted(policy.conduits.len(), "conduit"),
        files::counted(rules, "rule"),
        policy.hash.short(),
    ))?;
    Ok(Exit::Ok)
}

/// `FILE:LINE:COLUMN: warning: message [id] in object; help`.
pub(super) fn finding_line(file: Option<&Path>, finding: &Finding) -> String {
    let severity = match finding.severity {
        Severity::Note => "note",
        Severity::Warning => "warning",
        Severity::Accepted => "accepted",
        Severity::Blocking => "blocking",
        Severity::Error => "error",
    };
    let file = file.map_or_else(String::new, |file| format!("{}:", file.display()));
    format!("{severity}: {file}{}", finding.problem)
}
