//! `policy replay`: a journal judged again under another policy, offline.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bulkhead_core::names::ConduitId;
use bulkhead_core::policy::replay::{Replay, Replayed};
use jiff::tz::TimeZone;

use super::args::PolicyReplay;
use super::journal::{Found, each, segments};
use super::{Answer, Context, Exit, Failure, differences, files, when};

pub(super) fn run(arguments: &PolicyReplay, context: &mut Context<'_>) -> Answer {
    let old = match &arguments.old {
        Some(file) => file.clone(),
        None => files::active_policy(&files::settings(&context.config)?)?,
    };
    let ((_, old), (_, new)) = (files::policy(&old)?, files::policy(&arguments.new)?);
    let zone = new.policy.plant.timezone.clone();
    let parts = parts(&arguments.journal)?;
    let mut replay = Replay::new(Arc::new(old.policy), Arc::new(new.policy));
    // Twice: what a record stands for is said behind it.
    for part in &parts {
        each(part, &mut |found| {
            match &found {
                Found::Record(record, _) => replay.count(record),
                Found::Bad(_) => replay.unreadable(),
            }
            true
        })?;
    }
    for part in &parts {
        each(part, &mut |found| {
            if let Some(record) = found.record() {
                replay.judge(record);
            }
            true
        })?;
    }
    let replayed = replay.finish();
    context.out.value(&replayed)?;
    for line in screen(&replayed, &zone) {
        context.out.line(line)?;
    }
    Ok(if replayed.differences.lost > 0 { Exit::No } else { Exit::Ok })
}

/// The segments of a folder, or the one file.
fn parts(journal: &Path) -> Result<Vec<PathBuf>, Failure> {
    if journal.is_file() {
        return Ok(vec![journal.to_owned()]);
    }
    let found = segments(journal)?;
    if found.is_empty() {
        return Err(Failure::config(
            format!("{} holds no journal", journal.display()),
            "name the folder with the files NNNN.jsonl, or a file with its lines",
        ));
    }
    Ok(found)
}

fn screen(found: &Replayed, zone: &TimeZone) -> Vec<String> {
    let count = |number: u64, what: &str| files::counted(usize::try_from(number).unwrap_or(usize::MAX), what);
    let (old, new) = (found.old.short(), found.new.short());
    let span = found.span.map_or_else(String::new, |(first, last)| {
        format!(", {} .. {}", when::stamp(first, zone), when::stamp(last, zone))
    });
    let mut lines = vec![
        format!("policy {new} on what policy {old} decided: {}{span}", count(found.records, "recorded decision")),
        format!("self-test: {} decided again by {old}, and alike", count(found.checked, "record")),
    ];
    if found.unreproduced > 0 {
        lines.push(format!("{} CANNOT BE REPRODUCED and count for nothing:", count(found.unreproduced, "record")));
        lines.extend(found.told.iter().map(|one| format!("  #{}: {}", one.seq.0, one.why)));
    }
    lines.extend(differences::screen(&found.differences, zone));
    lines.push("what the journal cannot tell:".to_owned());
    lines.extend(blind(found).into_iter().map(|line| format!("  {line}")));
    lines
}

fn blind(found: &Replayed) -> Vec<String> {
    let blind = &found.blind;
    let count = |number: u64, what: &str| files::counted(usize::try_from(number).unwrap_or(usize::MAX), what);
    let mut lines = Vec::new();
    if !blind.reads_unrecorded.is_empty() {
        let names: Vec<&str> = blind.reads_unrecorded.iter().map(ConduitId::as_str).collect();
        lines.push(format!(
            "allowed reads of {}: only `detail = \"full\"` records them ({} here); what reads would lose says \
             `policy diff`, and `policy shadow` on live traffic",
            names.join(", "),
            count(found.reads, "recorded read")
        ));
    }
    let mut say = |number: u64, what: String| {
        if number > 0 {
            lines.push(what);
        }
    };
    let (n, more) = (blind.unattributed, count(blind.unattributed, "refusal"));
    say(n, format!("{more} beyond the first ten of a minute: of which operation is not known"));
    say(blind.without_access, format!("{} of which no operation is known", count(blind.without_access, "frame")));
    say(blind.revoked, format!("{} of revoked subjects: no policy changes that", count(blind.revoked, "refusal")));
    for (policy, records) in &blind.unchecked {
        let what = count(*records, "record");
        say(
            *records,
            format!("{what} decided by policy {policy}, which was not given: taken as they are, not checked"),
        );
    }
    say(blind.lost, format!("{} that could not be kept", count(blind.lost, "record")));
    if let Some(until) = blind.trimmed {
        say(1, format!("the records up to #{} were removed to make room", until.0));
    }
    let unread = count(blind.unreadable, "line");
    say(blind.unreadable, format!("{unread} that cannot be read: see `bulkhead journal verify`"));
    lines.push("what a limit would refuse: limits are counted by use, and are told as other terms only".to_owned());
    lines
}
