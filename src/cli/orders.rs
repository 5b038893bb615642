//! The short orders to the daemon: modes, activation, subjects.

use std::path::Path;

use super::args::{Activate, Enforce, Observe};
use super::{Answer, Context, Exit, Failure, client, files, out, when, words};
use crate::service::commands::{Answer as Said, Command, SubjectLine, WATCH};
use bulkhead_core::identity::Life;

/// `observe CONDUIT`.
pub(super) fn observe(arguments: &Observe, context: &mut Context<'_>) -> Answer {
    mode(Command::Observe { conduit: arguments.conduit.as_str().into() }, context)
}

/// `enforce CONDUIT [--watch TIME]`.
pub(super) fn enforce(arguments: &Enforce, context: &mut Context<'_>) -> Answer {
    let watch = match &arguments.watch {
        Some(text) => Some(when::seconds(text).filter(|seconds| WATCH.contains(seconds)).ok_or_else(|| {
            Failure::usage(format!("`{text}` is no time to watch"), "10s to 1d, such as --watch 10m")
        })?),
        None => None,
    };
    mode(Command::Enforce { conduit: arguments.conduit.as_str().into(), watch }, context)
}

fn mode(order: Command, context: &mut Context<'_>) -> Answer {
    let answer = client::ask(context, order)?;
    context.out.value(&answer)?;
    let Said::Mode { conduit, mode, watch } = answer else { return Err(client::unexpected().into()) };
    context.out.line(format!("{conduit} is set to {} from the next frame on", words::mode_word(mode)))?;
    if let Some(seconds) = watch {
        let span = when::span(seconds.saturating_mul(1_000));
        context.out.line(format!(
            "watched for {span}: returns to observe by itself if refusals exceed 0.1 % or a heartbeat is lost"
        ))?;
    }
    Ok(Exit::Ok)
}

/// `policy activate FILE [--dry-run]`.
pub(super) fn activate(arguments: &Activate, context: &mut Context<'_>) -> Answer {
    if arguments.dry_run { try_policy(&arguments.file, context) } else { put_in_force(&arguments.file, context) }
}

/// Asks what would change.
pub(super) fn try_policy(file: &Path, context: &mut Context<'_>) -> Answer {
    let text = files::policy_text(file)?;
    let answer = client::ask(context, Command::PolicyTry { text }).map_err(|failure| named(failure, file))?;
    context.out.value(&answer)?;
    let Said::Tried(tried) = answer else { return Err(client::unexpected().into()) };
    for warning in tried.warnings {
        context.out.line(format!("{}:{warning}", file.display()))?;
    }
    let more = tried.changed.saturating_sub(u64::try_from(tried.changes.len()).unwrap_or(u64::MAX));
    for change in &tried.changes {
        context.out.line(change)?;
    }
    if more > 0 {
        context.out.line(format!("and {more} more: bulkhead policy diff OLD NEW says them all"))?;
    }
    for conduit in tried.ends {
        context.out.line(format!("~ {conduit}: the local override of its mode would end"))?;
    }
    let (from, to) = (tried.from.short(), tried.to.short());
    context.out.line(match tried.changed {
        0 => format!("policy {to} decides as {from}, which is in force; nothing was changed"),
        _ => format!("policy {to} instead of {from}: + gained, - lost, ~ under other terms; nothing was changed"),
    })?;
    Ok(Exit::Ok)
}

/// Puts a policy in force.
pub(super) fn put_in_force(file: &Path, context: &mut Context<'_>) -> Answer {
    // Read here, judged there: the daemon trusts no check but its own.
    let text = files::policy_text(file)?;
    let answer = client::ask(context, Command::PolicyActivate { name: file.display().to_string(), text })
        .map_err(|failure| named(failure, file))?;
    context.out.value(&answer)?;
    let Said::Activated { from, to, generation, warnings } = answer else { return Err(client::unexpected().into()) };
    for warning in warnings {
        context.out.line(format!("{}:{warning}", file.display()))?;
    }
    if from == to {
        context.out.line(format!("policy {} was in force already; nothing changed", to.short()))?;
    } else {
        context.out.line(format!(
            "policy {} is in force (generation {generation}); before it {}",
            to.short(),
            from.short()
        ))?;
    }
    Ok(Exit::Ok)
}

/// The daemon says `LINE:COLUMN: ..`; only we know the file.
pub(super) fn named(failure: Failure, file: &Path) -> Failure {
    let with_file = |line: &str| {
        if line.starts_with(|c: char| c.is_ascii_digit()) {
            format!("{}:{line}", file.display())
        } else {
            line.to_owned()
        }
    };
    Failure { cause: failure.cause.lines().map(with_file).collect::<Vec<_>>().join("\n"), ..failure }
}

/// `subject list`.
pub(super) fn subjects(context: &mut Context<'_>) -> Answer {
    let answer = client::ask(context, Command::SubjectList)?;
    context.out.value(&answer)?;
    let Said::Subjects(lines) = answer else { return Err(client::unexpected().into()) };
    if lines.is_empty() {
        context.out.line("the policy names no subject")?;
        return Ok(Exit::Ok);
    }
    let heading = ["SUBJECT", "ZONE", "ROLE", "PROOF", "ASSURANCE", "LIFE", "CONNECTED"].map(str::to_owned).to_vec();
    let rows: Vec<Vec<String>> = std::iter::once(heading).chain(lines.iter().map(row)).collect();
    for line in out::table(&rows) {
        context.out.line(line)?;
    }
    Ok(Exit::Ok)
}

fn row(line: &SubjectLine) -> Vec<String> {
    let dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let life = match line.life {
        Life::Registered => "registered",
        Life::Active => "active",
        Life::Suspended => "SUSPENDED",
        Life::Revoked => "REVOKED",
    };
    let proof = if line.proof.is_empty() { "not in the policy".to_owned() } else { line.proof.clone() };
    vec![
        line.subject.to_string(),
        dash(line.zone.as_ref().map(ToString::to_string)),
        dash(line.role.as_ref().map(ToString::to_string)),
        proof,
        line.assurance.0.to_string(),
        life.to_owned(),
        line.sessions.to_string(),
    ]
}

/// `subject revoke NAME`.
pub(super) fn revoke(name: &str, context: &mut Context<'_>) -> Answer {
    let answer = client::ask(context, Command::SubjectRevoke { subject: name.into() })?;
    context.out.value(&answer)?;
    let Said::Revoked { subject, cut, seq } = answer else { return Err(client::unexpected().into()) };
    let cut = files::counted(usize::try_from(cut).unwrap_or(usize::MAX), "connection");
    context.out.line(format!("{subject} is revoked for good; {cut} cut; record #{}", seq.0))?;
    context.out.line("nothing of it reaches a device any more")?;
    Ok(Exit::Ok)
}
