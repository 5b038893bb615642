//! `policy history` and `policy restore`: the policies that were in force, kept in the state folder by the daemon.

use std::path::PathBuf;

use bulkhead_core::digest::Sha256;
use serde::Serialize;

use super::args::Restore;
use super::{Answer, Context, Exit, Failure, files, orders, out};
use crate::config::Settings;

/// One policy that was in force.
#[derive(Debug, Serialize)]
struct Kept {
    number: u32,
    hash: String,
    in_force: bool,
    file: PathBuf,
}

/// All that are kept, oldest first. What is no policy of ours in that folder is passed over.
fn kept(settings: &Settings) -> Result<Vec<Kept>, Failure> {
    let folder = settings.kept_policies();
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => {
            let cause = format!("the kept policies in {} cannot be read: {error}", folder.display());
            return Err(Failure::config(cause, "use sudo"));
        }
    };
    let active = files::active_policy(settings).and_then(|file| files::policy_text(&file));
    let active = active.ok().map(|text| Sha256::of(text.as_bytes()));
    let mut all = Vec::new();
    for file in entries.flatten().map(|entry| entry.path()) {
        let Some(number) = crate::config::kept_number(&file) else { continue };
        let hash = Sha256::of(files::policy_text(&file)?.as_bytes());
        all.push(Kept { number, hash: hash.to_string(), in_force: active == Some(hash), file });
    }
    all.sort_by_key(|kept| kept.number);
    Ok(all)
}

/// `policy history`.
pub(super) fn list(context: &mut Context<'_>) -> Answer {
    let all = kept(&files::settings(&context.config)?)?;
    for kept in &all {
        context.out.value(kept)?;
    }
    if all.is_empty() {
        context.out.line("no policy was activated yet; put one in force: bulkhead policy activate FILE")?;
        return Ok(Exit::Ok);
    }
    let heading = ["NUMBER", "HASH", "", "FILE"].map(str::to_owned).to_vec();
    let row = |kept: &Kept| {
        let mark = if kept.in_force { "in force" } else { "" };
        let hash = kept.hash.chars().take(12).collect();
        vec![kept.number.to_string(), hash, mark.to_owned(), kept.file.display().to_string()]
    };
    let rows: Vec<Vec<String>> = std::iter::once(heading).chain(all.iter().map(row)).collect();
    for line in out::table(&rows) {
        context.out.line(line)?;
    }
    Ok(Exit::Ok)
}

/// `policy restore [NUMBER] [--dry-run]`.
pub(super) fn restore(arguments: &Restore, context: &mut Context<'_>) -> Answer {
    let all = kept(&files::settings(&context.config)?)?;
    let wanted = |kept: &&Kept| arguments.number.map_or(!kept.in_force, |number| kept.number == number);
    let Some(found) = all.iter().rev().find(wanted) else {
        let cause = arguments.number.map_or_else(
            || "no other policy is kept than the one in force".to_owned(),
            |number| format!("no policy with number {number} is kept"),
        );
        return Err(Failure::usage(cause, "see which are kept: bulkhead policy history").into());
    };
    if arguments.dry_run {
        orders::try_policy(&found.file, context)
    } else {
        orders::put_in_force(&found.file, context)
    }
}
