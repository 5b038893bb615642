//! The files that verbs read: the configuration, policies, the journal's folder. Each trouble is told with its next step.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use bulkhead_core::policy::{self, Loaded, Problem};
use jiff::tz::TimeZone;

use super::failure::Failure;
use crate::config::{self, ConfigError, Settings};

/// The largest policy that is read, in bytes: as much as an order over the socket holds.
const POLICY_MAX: u64 = 900 * 1024;

/// The configuration. Without a file at the default place, the reference counts.
pub(super) fn settings(file: &Path) -> Result<Settings, Failure> {
    match config::load(file) {
        Ok(settings) => Ok(settings),
        Err(ConfigError::Missing(_)) if file == Path::new(config::DEFAULT_FILE) => {
            config::defaults().map_err(|error| Failure::internal(error, "report this: the reference is broken"))
        }
        Err(error @ ConfigError::Missing(_)) => Err(Failure::config(
            error,
            format!("make it from the commented reference: bulkhead --config {} init", file.display()),
        )),
        Err(error @ ConfigError::Unreadable { .. }) => {
            Err(Failure::config(error, "use sudo, or mend the file's owner and mode"))
        }
        Err(error @ ConfigError::Wrong { .. }) => {
            Err(Failure::config(error, format!("mend the line, then: bulkhead --config {} check", file.display())))
        }
    }
}

/// The text of a policy file.
pub(super) fn policy_text(file: &Path) -> Result<String, Failure> {
    let shown = file.display();
    let cannot = |why: &dyn std::fmt::Display| {
        Failure::config(
            format!("the policy file {shown} cannot be read: {why}"),
            "name a policy file that you may read",
        )
    };
    let size = fs::metadata(file).map_err(|error| cannot(&error))?.len();
    if size > POLICY_MAX {
        return Err(cannot(&format!("it has {size} bytes, at most {POLICY_MAX} are read")));
    }
    fs::read_to_string(file).map_err(|error| {
        if error.kind() == io::ErrorKind::InvalidData { cannot(&"it is not UTF-8 text") } else { cannot(&error) }
    })
}

/// A policy file, loaded. The failure tells every problem, a line each.
pub(super) fn policy(file: &Path) -> Result<(String, Loaded), Failure> {
    let text = policy_text(file)?;
    match policy::load(&text) {
        Ok(loaded) => Ok((text, loaded)),
        Err(problems) => Err(Failure::config(
            problem_lines(file, &problems).join("\n"),
            format!("mend {}, then: bulkhead check {}", counted(problems.len(), "problem"), file.display()),
        )),
    }
}

/// The last known good policy of the state folder.
pub(super) fn active_policy(settings: &Settings) -> Result<PathBuf, Failure> {
    let file = settings.active_policy();
    if file.is_file() {
        return Ok(file);
    }
    Err(Failure::config(
        format!("no policy is in force: {} does not exist", file.display()),
        "name one: --policy FILE; or make the gateway: bulkhead init --policy FILE",
    ))
}

/// `FILE:LINE:COLUMN: message [id] in object; help`, a line each.
pub(super) fn problem_lines(file: &Path, problems: &[Problem]) -> Vec<String> {
    problems.iter().map(|problem| format!("{}:{problem}", file.display())).collect()
}

/// `1 problem`, `2 problems`.
pub(super) fn counted(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

/// The plant's zone by the last known good policy, else UTC: for showing times, never for deciding.
pub(super) fn zone(settings: &Settings) -> TimeZone {
    fs::read_to_string(settings.active_policy())
        .ok()
        .and_then(|text| policy::load(&text).ok())
        .map_or(TimeZone::UTC, |loaded| loaded.policy.plant.timezone)
}

/// The journal's folder that was named, or the gateway's own.
pub(super) fn journal_folder(named: Option<PathBuf>, settings: &Settings) -> Result<PathBuf, Failure> {
    let own = named.is_none();
    let folder = named.unwrap_or_else(|| settings.journal_folder());
    match fs::read_dir(&folder) {
        Ok(_) => Ok(folder),
        Err(error) => {
            let next = match (error.kind() == io::ErrorKind::NotFound, own) {
                (true, true) => "make it with `bulkhead init`, or name the configuration: --config FILE",
                (true, false) => "name the folder with the files NNNN.jsonl",
                (false, _) => "use sudo, or read a copy that is yours",
            };
            Err(Failure::config(format!("the journal {} cannot be read: {error}", folder.display()), next))
        }
    }
}
