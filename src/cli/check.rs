//! `check`: the configuration with the policy that it names, or a policy file. Opens no key and no socket.

use std::path::Path;

use serde::Serialize;

use super::args::Check;
use super::{Answer, Context, Exit, files, policy};
use crate::config;

#[derive(Serialize)]
struct Checked<'a> {
    ok: bool,
    file: &'a Path,
    warnings: Vec<String>,
}

pub(super) fn run(arguments: &Check, context: &mut Context<'_>) -> Answer {
    match &arguments.file {
        Some(file) if is_configuration(file) => configuration(file, context),
        Some(file) => policy::lint(file, context),
        None => {
            let file = context.config.clone();
            configuration(&file, context)
        }
    }
}

/// A configuration named like a policy is a natural slip: tell them apart by what only a configuration has.
fn is_configuration(file: &Path) -> bool {
    file.file_name().is_some_and(|name| name == "bulkhead.toml")
}

fn configuration(file: &Path, context: &mut Context<'_>) -> Answer {
    let settings = files::settings(file)?;
    let warnings: Vec<String> = config::exposed(file)
        .map(|what| format!("{what}: whoever writes it owns the gateway; mend it: chmod go-w {}", file.display()))
        .into_iter()
        .collect();
    let exit = if warnings.is_empty() { Exit::Ok } else { Exit::Config };
    context.out.value(&Checked { ok: exit == Exit::Ok, file, warnings: warnings.clone() })?;
    for warning in &warnings {
        context.out.line(warning)?;
    }
    if exit == Exit::Ok {
        let shown =
            if file.exists() { file.display().to_string() } else { format!("{} (absent: defaults)", file.display()) };
        context.out.line(format!("{shown}: the configuration is sound"))?;
    }
    let policy = match &settings.policy {
        Some(source) => policy::lint(source, context)?,
        None => Exit::Ok,
    };
    Ok(if exit == Exit::Ok { policy } else { exit })
}
