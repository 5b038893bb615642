//! `journal verify`: is every record there, in order, unchanged, and up to where is that proven.

use std::fs;
use std::path::{Path, PathBuf};

use bulkhead_core::journal::verify::{Broken, Head, PublicKey, Report, Verifier};
use serde::Serialize;

use super::read;
use crate::cli::args::JournalVerify;
use crate::cli::{Answer, Context, Exit, Failure, files};

#[derive(Serialize)]
struct Sound {
    ok: bool,
    records: u64,
    first: u64,
    last: u64,
    segments: u64,
    checkpoints: u64,
    unchecked: u64,
    signed_to: Option<u64>,
    complete_to: Option<u64>,
    unfinished_bytes: u64,
}

#[derive(Serialize)]
struct Wrong<'a> {
    ok: bool,
    segment: &'a str,
    offset: u64,
    record: u64,
    why: String,
}

pub(crate) fn run(arguments: JournalVerify, context: &mut Context<'_>) -> Answer {
    let settings = files::settings(&context.config)?;
    let keys = match &arguments.key {
        Some(file) => vec![key(file)?],
        None => own_keys(&settings.keys_folder()),
    };
    let head = arguments.head.as_deref().map(head).transpose()?;
    let folder = files::journal_folder(arguments.folder, &settings)?;
    let no_keys = keys.is_empty();
    match prove(&folder, keys, head)? {
        Ok(report) => sound(&folder, &report, no_keys, context),
        Err(broken) => wrong(&broken, context),
    }
}

fn prove(folder: &Path, keys: Vec<PublicKey>, head: Option<Head>) -> Result<Result<Report, Broken>, Failure> {
    let mut verifier = Verifier::new(keys, head);
    for path in read::segments(folder)? {
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        if let Err(broken) = verifier.segment(&name, &read::bytes(&path)?, &mut |_| ()) {
            return Ok(Err(broken));
        }
    }
    Ok(verifier.finish())
}

fn sound(folder: &Path, report: &Report, no_keys: bool, context: &mut Context<'_>) -> Answer {
    let out = &mut context.out;
    let unfinished = report.unfinished.as_ref();
    out.value(&Sound {
        ok: true,
        records: report.records,
        first: report.first.0,
        last: report.last.seq.0,
        segments: report.segments,
        checkpoints: report.checkpoints,
        unchecked: report.unchecked,
        signed_to: report.signed_to.map(|seq| seq.0),
        complete_to: report.complete_to.map(|seq| seq.0),
        unfinished_bytes: unfinished.map_or(0, |rest| rest.length),
    })?;
    let range = match report.records {
        0 => String::new(),
        _ => format!(" (#{} to #{})", report.first.0, report.last.seq.0),
    };
    out.line(format!("{}: {} records{range}, no gap, nothing changed", folder.display(), report.records))?;
    let unchecked = match (report.unchecked, no_keys) {
        (0, _) => String::new(),
        (n, true) => format!("; {n} checkpoints not checked: no key was given (--key FILE)"),
        (n, false) => format!("; {n} checkpoints by a key that was not given"),
    };
    match report.signed_to {
        Some(seq) => {
            out.line(format!("  signed     up to #{}, {} checkpoints{unchecked}", seq.0, report.checkpoints))?;
        }
        None => out.line(format!("  signed     not proven{unchecked}"))?,
    }
    match report.complete_to {
        Some(seq) => out.line(format!("  complete   up to #{}, by the head that was kept elsewhere", seq.0))?,
        None => out.line("  complete   not proven: a journal says nothing about its own end (--head FILE)")?,
    }
    if let Some(rest) = unfinished {
        out.line(format!(
            "  unfinished {} bytes behind the last record, in {} at byte {}: a record that was being written",
            rest.length, rest.segment, rest.offset
        ))?;
    }
    Ok(Exit::Ok)
}

fn wrong(broken: &Broken, context: &mut Context<'_>) -> Answer {
    let out = &mut context.out;
    let (segment, why) = (broken.segment.as_str(), broken.why.to_string());
    out.value(&Wrong { ok: false, segment, offset: broken.offset, record: broken.seq.0, why })?;
    out.line(format!("BROKEN: {broken}"))?;
    if let Some(before) = broken.seq.0.checked_sub(1).filter(|before| *before > 0) {
        out.line(format!("  up to record {before} everything follows on"))?;
    }
    out.line("  next: keep this copy as it is, compare it with another one, and ask who could write the disk")?;
    Ok(Exit::No)
}

fn head(file: &Path) -> Result<Head, Failure> {
    text(file, "head")?.parse().map_err(|error| {
        Failure::config(
            format!("{}: {error}", file.display()),
            "a head is the newest checkpoint line: bulkhead journal show --json | grep checkpoint | tail -1",
        )
    })
}

fn key(file: &Path) -> Result<PublicKey, Failure> {
    text(file, "key")?.parse().map_err(|error| {
        Failure::config(format!("{}: {error}", file.display()), "take keys/checkpoint.pub of the gateway")
    })
}

fn text(file: &Path, what: &str) -> Result<String, Failure> {
    fs::read_to_string(file).map_err(|error| {
        Failure::config(
            format!("the {what} {} cannot be read: {error}", file.display()),
            "name a file that you may read",
        )
    })
}

/// The public keys of this gateway; none where there is no gateway.
fn own_keys(folder: &Path) -> Vec<PublicKey> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    let public = paths.iter().filter(|path| path.extension().is_some_and(|extension| extension == "pub"));
    public.filter_map(|path| fs::read_to_string(path).ok()?.parse().ok()).collect()
}
