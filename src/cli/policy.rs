//! `policy lint`, `diff` and `decide` on files, `activate` in the daemon.

use std::io::{self, BufRead as _, Read as _};
use std::path::Path;
use std::sync::Arc;

use bulkhead_core::policy::batch::Batch;
use bulkhead_core::policy::{self, Finding, Severity};
use serde::Serialize;

use super::args::{PolicyDiff, PolicyDocument, SheetFormat};
use super::{Answer, Context, Exit, Failure, files};

#[derive(Serialize)]
struct Linted<'a> {
    ok: bool,
    file: &'a Path,
    hash: String,
    findings: &'a [Finding],
}

/// Says what is wrong or unwise in a policy file: everything at once, also when it does not load.
pub(super) fn lint(file: &Path, context: &mut Context<'_>) -> Answer {
    let checked = policy::check(&files::policy_text(file)?);
    let (policy, blocking) = (&checked.policy, checked.blocking().count());
    let hash = policy.hash.to_string();
    context.out.value(&Linted { ok: blocking == 0, file, hash, findings: &checked.findings })?;
    for finding in &checked.findings {
        context.out.line(finding_line(Some(file), finding))?;
    }
    if blocking > 0 {
        let counted = files::counted(blocking, "problem");
        context.out.line(format!("{}: the policy does not load: {counted}", file.display()))?;
        return Ok(Exit::Config);
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

/// `FILE:LINE:COLUMN: warning: message [id] in object; help`; an error needs no word.
pub(super) fn finding_line(file: Option<&Path>, finding: &Finding) -> String {
    let severity = match finding.severity {
        Severity::Note => "note: ",
        Severity::Warning => "warning: ",
        Severity::Accepted => "accepted: ",
        Severity::Blocking => "blocking: ",
        Severity::Error => "",
    };
    // Places first, as compilers do: editors and terminals jump to it.
    let (file, problem) = (file.map_or_else(String::new, |file| format!("{}:", file.display())), &finding.problem);
    let words = problem.to_string();
    let message = words.strip_prefix(&format!("{}: ", problem.place)).unwrap_or(&words);
    format!("{file}{}: {severity}{message}", problem.place)
}

/// Says who gains and who loses what.
pub(super) fn diff(arguments: &PolicyDiff, context: &mut Context<'_>) -> Answer {
    let ((_, old), (_, new)) = (files::policy(&arguments.old)?, files::policy(&arguments.new)?);
    let found = policy::diff::diff(&old.policy, &new.policy);
    context.out.value(&found)?;
    context.out.line(&found)?;
    if !found.is_empty() {
        context.out.line("+ gained, - lost, ~ under other terms")?;
    }
    Ok(if found.is_empty() { Exit::Ok } else { Exit::No })
}

/// Writes the zone and conduit sheet.
pub(super) fn document(arguments: &PolicyDocument, context: &mut Context<'_>) -> Answer {
    let file = match &arguments.file {
        Some(file) => file.clone(),
        None => files::active_policy(&files::settings(&context.config)?)?,
    };
    let (_, loaded) = files::policy(&file)?;
    let document = policy::document::document(&loaded);
    if context.out.wants_json() {
        context.out.value(&document)?;
        return Ok(Exit::Ok);
    }
    let text = match arguments.format {
        SheetFormat::Md => document.markdown(),
        SheetFormat::Csv => document.csv(),
    };
    context.out.raw(&text)?;
    Ok(Exit::Ok)
}

/// The longest request line, in bytes: a frame of 1,024 bytes as hex with everything beside it has a tenth.
const REQUEST_MAX: u64 = 64 * 1024;

/// Decides requests from the standard input: one JSON object a line in, one out, in order. The first line that is no request
/// ends it, named by its number, so that no answer is ever missing in the middle.
pub(super) fn decide(file: &Path, context: &mut Context<'_>) -> Answer {
    let (_, loaded) = files::policy(file)?;
    let mut batch = Batch::new(Arc::new(loaded.policy));
    let mut input = io::stdin().lock();
    for number in 1_u64.. {
        let mut line = Vec::new();
        if input.by_ref().take(REQUEST_MAX + 1).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        let wrong = |why: &dyn std::fmt::Display| {
            Failure::usage(
                format!("line {number}: {why}"),
                "one JSON object a line; see `bulkhead policy decide --help`",
            )
        };
        if line.len() > usize::try_from(REQUEST_MAX).unwrap_or(usize::MAX) {
            context.out.finish()?;
            return Err(wrong(&format!("longer than {REQUEST_MAX} bytes")).into());
        }
        let text = std::str::from_utf8(&line).map_err(|_| wrong(&"it is not UTF-8 text"))?.trim();
        if text.is_empty() {
            continue;
        }
        match batch.line(text) {
            Ok(answer) => {
                context.out.raw(&answer)?;
                context.out.raw("\n")?;
            }
            Err(error) => {
                context.out.finish()?;
                return Err(wrong(&error).into());
            }
        }
    }
    Ok(Exit::Ok)
}
