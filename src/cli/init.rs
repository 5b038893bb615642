//! `init`: makes what the daemon needs, says what kind of keys it made, and never overwrites anything.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use bulkhead_core::policy::{self, Loaded};
use serde::Serialize;

use super::args::Init;
use super::{Answer, Context, Exit, Failure, files};
use crate::config::{self, Settings};
use crate::ports::keys::{Keys as _, SoftwareKey};

#[derive(Serialize)]
struct Made {
    state: PathBuf,
    site: Option<String>,
    keys: &'static str,
    key: String,
    policy: Option<PathBuf>,
    hash: String,
    conduits: usize,
}

pub(super) fn run(arguments: &Init, context: &mut Context<'_>) -> Answer {
    if let Some(site) = arguments.site.as_deref().filter(|site| !is_name(site)) {
        let cause = format!("`{site}` is no name of a site");
        return Err(Failure::usage(cause, "1 to 64 letters, digits, `-`, `_` and `.`").into());
    }
    if write_reference(&context.config)? {
        context.out.line(format!("{} is the commented reference; change it as you like", context.config.display()))?;
    }
    let settings = files::settings(&context.config)?;
    let source = arguments.policy.clone().or_else(|| settings.policy.clone());
    // Everything that may be refused is refused before anything is made.
    let (text, loaded) = first_policy(source.as_deref(), arguments.site.as_deref())?;
    refuse_to_overwrite(&settings)?;

    make(&settings.state, 0o750)?;
    for folder in [settings.journal_folder(), policy_folder(&settings)] {
        make(&folder, 0o750)?;
    }
    make(&settings.keys_folder(), 0o700)?;
    let key = SoftwareKey::load_or_create(&settings.checkpoint_key())
        .map_err(|error| Failure::internal(error, "see that the state folder is yours and its disk is writable"))?;
    if let Some(site) = &arguments.site {
        keep(&settings.site_file(), &format!("{site}\n"))?;
    }
    if !settings.active_policy().exists() {
        keep(&settings.active_policy(), &text)?;
    }

    let made = Made {
        state: settings.state.clone(),
        site: arguments.site.clone(),
        keys: "software",
        key: key.id(),
        policy: source,
        hash: loaded.policy.hash.to_string(),
        conduits: loaded.policy.conduits.len(),
    };
    context.out.value(&made)?;
    tell(&made, &loaded, context)?;
    Ok(Exit::Ok)
}

fn tell(made: &Made, loaded: &Loaded, context: &mut Context<'_>) -> io::Result<()> {
    let out = &mut context.out;
    out.line(format!("state      {}", made.state.display()))?;
    if let Some(site) = &made.site {
        out.line(format!("site       {site}"))?;
    }
    out.line(format!("KEYS       SOFTWARE KEYS (no TPM): whoever copies this disk has them. Key {}", made.key))?;
    match &made.policy {
        Some(file) => out.line(format!("policy     {} from {}", short(&made.hash), file.display()))?,
        None => out.line("policy     none yet: nothing listens beyond this machine, nothing passes")?,
    }
    for finding in &loaded.findings {
        out.line(format!("           {}", super::policy::finding_line(made.policy.as_deref(), finding)))?;
    }
    out.line("Nothing is enforced and nothing listens until the daemon runs.")?;
    out.line(match &made.policy {
        Some(_) => "next: bulkhead run (or systemctl start bulkhead), then: bulkhead status",
        None => "next: write a policy, then: bulkhead check FILE, bulkhead run, bulkhead policy activate FILE",
    })
}

fn short(hash: &str) -> String {
    hash.chars().take(8).collect()
}

/// An absent configuration that was named becomes the reference, so that there is something to change.
fn write_reference(file: &Path) -> Result<bool, Failure> {
    if file.exists() || file == Path::new(config::DEFAULT_FILE) && !file.parent().is_some_and(Path::is_dir) {
        return Ok(false);
    }
    let made = OpenOptions::new().write(true).create_new(true).mode(0o644).open(file);
    made.and_then(|mut file| file.write_all(config::REFERENCE.as_bytes())).map(|()| true).map_err(|error| {
        Failure::config(format!("cannot write {}: {error}", file.display()), "use sudo, or --config FILE")
    })
}

fn first_policy(file: Option<&Path>, site: Option<&str>) -> Result<(String, Loaded), Failure> {
    if let Some(file) = file {
        return files::policy(file);
    }
    // Nobody is allowed anything: the default value of a policy, under the site's name.
    let text = format!(
        "# Made by `bulkhead init` without a policy: nothing is allowed, nothing listens.\n[plant]\nname = \"{}\"\ntimezone = \"UTC\"\n",
        site.unwrap_or("unnamed")
    );
    let loaded = policy::load(&text).map_err(|problems| {
        let cause = problems.first().map_or_else(String::new, ToString::to_string);
        Failure::internal(format!("the empty policy does not load: {cause}"), "name one: bulkhead init --policy FILE")
    })?;
    Ok((text, loaded))
}

/// The policy is written last: where it is, the gateway was made. What a broken first try left behind is used.
fn refuse_to_overwrite(settings: &Settings) -> Result<(), Failure> {
    let (key, policy) = (settings.checkpoint_key(), settings.active_policy());
    if !(policy.exists() && key.exists()) {
        return Ok(());
    }
    Err(Failure::no(
        format!("{} exists: this gateway was made before, and init overwrites nothing", policy.display()),
        "to change the policy: bulkhead policy activate FILE; for a new gateway choose another `state` folder",
    ))
}

fn policy_folder(settings: &Settings) -> PathBuf {
    settings.active_policy().parent().map_or_else(|| settings.state.clone(), Path::to_owned)
}

fn make(folder: &Path, mode: u32) -> Result<(), Failure> {
    DirBuilder::new().recursive(true).mode(mode).create(folder).map_err(|error| {
        Failure::config(format!("cannot make {}: {error}", folder.display()), "use sudo, or set `state`")
    })
}

/// Writes a file that is there wholly or not at all.
fn keep(path: &Path, text: &str) -> Result<(), Failure> {
    let aside = path.with_extension("new");
    let written = (|| {
        let mut file = File::create(&aside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&aside, path)?;
        path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    })();
    written.map_err(|error: io::Error| {
        Failure::internal(format!("cannot write {}: {error}", path.display()), "see `df` and the folder's owner")
    })
}

fn is_name(text: &str) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (1..=64).contains(&text.len()) && text.chars().all(good)
}
