//! The checked settings: what the rest of the gateway sees of its configuration.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bulkhead_core::policy::Problem;
use toml::Spanned;

use super::raw::{self, Raw};
use super::size;

/// The longest path that the kernel takes for a Unix socket, in bytes.
const SOCKET_PATH: usize = 107;
/// The journal needs room for the segment it writes, the next one and a past worth keeping.
const JOURNAL_LEAST: u64 = 64 << 20;
/// More than any gateway's disk: a slip of the finger.
const JOURNAL_MOST: u64 = 1 << 40;

/// Days that a name may rest: ten years.
const HOLD_MOST: u64 = 3_650;

/// What the log tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Our faults alone.
    Error,
    /// Things to look at.
    Warn,
    /// Denials and changes.
    #[default]
    Info,
    /// Allowed requests too.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    const ALL: [Self; 5] = [Self::Error, Self::Warn, Self::Info, Self::Debug, Self::Trace];

    /// The word in the file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// `[journal]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalSettings {
    /// The most bytes that it may take on the disk.
    pub max: u64,
}

/// `[local]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalSettings {
    /// The group whose members may give orders besides root and the daemon's own user.
    pub group: Option<String>,
}

/// `[registry]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegistrySettings {
    /// How long a revoked name rests before it can be registered anew.
    pub hold: Duration,
}

/// The whole configuration, checked. All paths are absolute if that of the file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where it was read.
    pub file: PathBuf,
    /// The state folder.
    pub state: PathBuf,
    /// The control socket.
    pub socket: PathBuf,
    /// The policy's source, read at `init` and SIGHUP.
    pub policy: Option<PathBuf>,
    /// What the log tells.
    pub log: LogLevel,
    /// `[journal]`.
    pub journal: JournalSettings,
    /// `[local]`.
    pub local: LocalSettings,
    /// `[registry]`.
    pub registry: RegistrySettings,
}

impl Settings {
    /// The store.
    pub fn store_file(&self) -> PathBuf {
        self.state.join("state.db")
    }

    /// The folder of the journal's segments.
    pub fn journal_folder(&self) -> PathBuf {
        self.state.join("journal")
    }

    /// The folder of the software keys.
    pub fn keys_folder(&self) -> PathBuf {
        self.state.join("keys")
    }

    /// The key that signs the journal's checkpoints; its public half lies beside it with the extension `pub`.
    pub fn checkpoint_key(&self) -> PathBuf {
        self.keys_folder().join("checkpoint.key")
    }

    /// What the gateway's own CA shows others: its certificate and its list of what was taken back.
    pub fn authority_folder(&self) -> PathBuf {
        self.state.join("ca")
    }

    /// The last known good policy.
    pub fn active_policy(&self) -> PathBuf {
        self.state.join("policy").join("active.toml")
    }

    /// The folder of the policies that were in force, `000001.toml` the oldest.
    pub fn kept_policies(&self) -> PathBuf {
        self.state.join("policy").join("kept")
    }

    /// The name of the site, a text file that `init` writes.
    pub fn site_file(&self) -> PathBuf {
        self.state.join("site")
    }
}

/// The number of a file in [`Settings::kept_policies`]; none for what is not ours.
pub fn kept_number(file: &Path) -> Option<u32> {
    let name = file.file_name()?.to_str()?.strip_suffix(".toml")?;
    (name.len() >= 6 && name.bytes().all(|byte| byte.is_ascii_digit())).then(|| name.parse().ok())?
}

/// Checks what stands in the file; what does not stand there is taken from the reference.
pub(super) fn check(raw: Raw, text: &str, file: &Path) -> Result<Settings, Problem> {
    let reference = raw::read(super::REFERENCE)?;
    let folder = file.parent().unwrap_or(Path::new(""));
    let either = |own: Option<Spanned<String>>, default: Option<Spanned<String>>| match (own, default) {
        (Some(own), _) => Value { span: own.span().start, text: own.into_inner(), source: text },
        (None, Some(default)) => {
            Value { span: default.span().start, text: default.into_inner(), source: super::REFERENCE }
        }
        (None, None) => Value { span: 0, text: String::new(), source: text },
    };
    let (journal, journal_reference) = (raw.journal.unwrap_or_default(), reference.journal.unwrap_or_default());
    let (local, local_reference) = (raw.local.unwrap_or_default(), reference.local.unwrap_or_default());

    let (registry, registry_reference) = (raw.registry.unwrap_or_default(), reference.registry.unwrap_or_default());

    let policy = match raw.policy {
        Some(policy) => Some(either(Some(policy), None).path("policy", folder)?),
        None => None,
    };
    Ok(Settings {
        file: file.to_owned(),
        state: either(raw.state, reference.state).path("state", folder)?,
        socket: either(raw.socket, reference.socket).socket(folder)?,
        policy,
        log: either(raw.log, reference.log).level()?,
        journal: JournalSettings { max: either(journal.max, journal_reference.max).size()? },
        local: LocalSettings { group: either(local.group, local_reference.group).group()? },
        registry: RegistrySettings { hold: either(registry.hold, registry_reference.hold).days()? },
    })
}

struct Value<'a> {
    span: usize,
    text: String,
    source: &'a str,
}

impl Value<'_> {
    fn wrong(&self, key: &str, message: String, help: &str) -> Problem {
        raw::problem(super::place(self.source, self.span), "value", key, message, Some(help.to_owned()))
    }

    fn path(&self, key: &str, folder: &Path) -> Result<PathBuf, Problem> {
        if self.text.trim().is_empty() {
            return Err(self.wrong(key, "the path is empty".to_owned(), "write a path, or leave the key out"));
        }
        if self.text.contains('\0') {
            return Err(self.wrong(key, "the path holds a zero byte".to_owned(), "write a path"));
        }
        Ok(folder.join(&self.text))
    }

    fn socket(&self, folder: &Path) -> Result<PathBuf, Problem> {
        let path = self.path("socket", folder)?;
        let bytes = path.as_os_str().len();
        if bytes > SOCKET_PATH {
            let message = format!("`{}` has {bytes} bytes; a socket's path has at most {SOCKET_PATH}", path.display());
            return Err(self.wrong("socket", message, "choose a shorter one, such as /run/bulkhead/control.sock"));
        }
        Ok(path)
    }

    fn level(&self) -> Result<LogLevel, Problem> {
        LogLevel::ALL.into_iter().find(|level| level.name() == self.text).ok_or_else(|| {
            let names = LogLevel::ALL.map(LogLevel::name);
            let help = raw::nearest(&self.text, &names)
                .map_or_else(|| format!("one of {}", names.join(", ")), |near| format!("did you mean `{near}`?"));
            self.wrong("log", format!("there is no level `{}`", self.text), &help)
        })
    }

    fn size(&self) -> Result<u64, Problem> {
        let bytes = size::parse(&self.text).map_err(|error| {
            self.wrong("journal.max", format!("`{}` is {error}", self.text), "write max = \"1 GiB\"")
        })?;
        if bytes < JOURNAL_LEAST {
            let message = format!("`{}` is too little for a journal", self.text);
            return Err(self.wrong("journal.max", message, "at least 64 MiB"));
        }
        if bytes > JOURNAL_MOST {
            return Err(self.wrong(
                "journal.max",
                format!("`{}` is more than a disk holds", self.text),
                "at most 1024 GiB",
            ));
        }
        Ok(bytes)
    }

    fn days(&self) -> Result<Duration, Problem> {
        let number =
            self.text.strip_suffix('d').map(str::trim_end).filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
        let days = number.and_then(|digits| digits.parse::<u64>().ok()).filter(|days| *days <= HOLD_MOST);
        days.map(|days| Duration::from_hours(days * 24)).ok_or_else(|| {
            let help = format!("from \"0 d\" to \"{HOLD_MOST} d\"");
            self.wrong("registry.hold", format!("`{}` is no number of days", self.text), &help)
        })
    }

    fn group(&self) -> Result<Option<String>, Problem> {
        if self.text.is_empty() {
            return Ok(None);
        }
        let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if self.text.len() > 32 || !self.text.chars().all(good) {
            let message = format!("`{}` is no name of a group", self.text);
            return Err(self.wrong("local.group", message, "letters, digits, `-`, `_` and `.`, or \"\" for nobody"));
        }
        Ok(Some(self.text.clone()))
    }
}
