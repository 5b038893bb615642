//! `doctor`: what will go wrong, each with the command that mends it. It looks at this machine, and at the daemon where it runs.

mod machine;
mod routes;

use std::fmt;

use serde::Serialize;

use super::{Answer, Context, Exit, client, files};
use crate::config::{self, Settings};
use crate::service::commands::{Answer as Said, Command, Status};

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Grade {
    /// As it should be.
    Ok,
    /// A weakness that somebody should know of.
    Weak,
    /// Must be mended.
    Bad,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) grade: Grade,
    pub(super) about: &'static str,
    pub(super) text: String,
    /// The command, or what to do, where there is something to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) mend: Option<String>,
}

impl Finding {
    pub(super) fn ok(about: &'static str, text: impl Into<String>) -> Self {
        Self { grade: Grade::Ok, about, text: text.into(), mend: None }
    }

    pub(super) fn weak(about: &'static str, text: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { grade: Grade::Weak, about, text: text.into(), mend: Some(mend.into()) }
    }

    pub(super) fn bad(about: &'static str, text: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { grade: Grade::Bad, about, text: text.into(), mend: Some(mend.into()) }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let grade = match self.grade {
            Grade::Ok => "ok  ",
            Grade::Weak => "WEAK",
            Grade::Bad => "BAD ",
        };
        write!(f, "{grade} {:<8} {}", self.about, self.text)?;
        self.mend.as_ref().map_or(Ok(()), |mend| write!(f, "\n              -> {mend}"))
    }
}

pub(super) fn run(context: &mut Context<'_>) -> Answer {
    let settings = files::settings(&context.config)?;
    let config = context.config.display().to_string();
    let exposed = config::exposed(&context.config);
    let mut findings: Vec<Finding> =
        exposed.map(|text| Finding::bad("config", text, format!("chmod go-w {config}"))).into_iter().collect();
    let policy = policy(&settings, &config, &mut findings);
    findings.extend(machine::keys(&settings, &config));
    findings.extend(machine::disk(&settings));
    findings.push(machine::clock(super::when::now()));
    findings.push(machine::forwarding());
    if let Some(policy) = &policy {
        findings.extend(routes::findings(policy));
    }
    findings.extend(daemon(context));

    findings.sort_by_key(|finding| std::cmp::Reverse(finding.grade));
    for finding in &findings {
        context.out.value(finding)?;
        context.out.line(finding)?;
    }
    let bad = findings.iter().any(|finding| finding.grade == Grade::Bad);
    Ok(if bad { Exit::No } else { Exit::Ok })
}

fn policy(settings: &Settings, config: &str, findings: &mut Vec<Finding>) -> Option<bulkhead_core::policy::Policy> {
    let file = settings.active_policy();
    if !file.is_file() {
        let mend = format!("bulkhead --config {config} init --policy FILE");
        findings.push(Finding::bad("policy", format!("none is in force: {} does not exist", file.display()), mend));
        return None;
    }
    let text = match files::policy_text(&file) {
        Ok(text) => text,
        Err(failure) => {
            findings.push(Finding::bad("policy", failure.cause, failure.next));
            return None;
        }
    };
    let checked = bulkhead_core::policy::check(&text);
    let (blocking, mend) = (checked.blocking().count(), format!("bulkhead policy lint {}", file.display()));
    let loud = |finding: &&bulkhead_core::policy::Finding| finding.severity == bulkhead_core::policy::Severity::Warning;
    let warnings = checked.findings.iter().filter(loud).count();
    findings.push(match (blocking, warnings) {
        (0, 0) => Finding::ok("policy", format!("{} is sound", checked.policy.hash.short())),
        (0, n) => Finding::weak(
            "policy",
            format!("{} has {}", checked.policy.hash.short(), files::counted(n, "warning")),
            mend,
        ),
        (n, _) => Finding::bad("policy", format!("it does not load: {}", files::counted(n, "problem")), mend),
    });
    Some(checked.policy)
}

/// What only the daemon knows.
fn daemon(context: &Context<'_>) -> Vec<Finding> {
    match client::ask(context, Command::Status) {
        Ok(Said::Status(status)) => living(&status),
        Ok(_) => {
            vec![Finding::bad("daemon", "it answers something else than was asked", "restart it after an upgrade")]
        }
        Err(failure) => vec![Finding::bad("daemon", failure.cause, failure.next)],
    }
}

fn living(status: &Status) -> Vec<Finding> {
    let mut findings = vec![Finding::ok("daemon", format!("bulkhead {} runs", status.version))];
    if status.version != env!("CARGO_PKG_VERSION") {
        let text = format!("the daemon is version {}, this command {}", status.version, env!("CARGO_PKG_VERSION"));
        findings.push(Finding::weak("daemon", text, "systemctl restart bulkhead"));
    }
    for listener in &status.listeners {
        if let Some(trouble) = &listener.trouble {
            let text = format!("{} for {} does not listen: {trouble}", listener.at, listener.asset);
            let mend = format!("ss -ltnp | grep {}; ip address add {}/32 dev INTERFACE", listener.at, listener.at.ip());
            findings.push(Finding::bad("listener", text, mend));
        } else if listener.blank {
            let text = format!(
                "{} for {} speaks TLS and the gateway has no certificate: it closes every connection",
                listener.at, listener.asset
            );
            findings.push(Finding::bad("listener", text, "bulkhead ca init"));
        } else {
            let speaks = if listener.tls { "TLS: certificates alone count" } else { "plain Modbus: addresses count" };
            findings.push(Finding::ok("listener", format!("{} for {} speaks {speaks}", listener.at, listener.asset)));
        }
    }
    if let Some(trouble) = &status.journal.trouble {
        findings.push(Finding::bad(
            "journal",
            format!("its disk is {trouble}"),
            "df -h; dmesg | tail; mount | grep ' ro,'",
        ));
    }
    if status.journal.lost > 0 {
        let text = format!("{} records could not be kept", status.journal.lost);
        findings.push(Finding::bad("journal", text, "bulkhead journal show --last 200 | grep 'journal disk'"));
    }
    if let Some(trouble) = &status.store.trouble {
        findings.push(Finding::weak(
            "store",
            trouble.clone(),
            "bulkhead subject list; bulkhead journal show --last 20",
        ));
    }
    if status.clock.trust == bulkhead_core::moment::ClockTrust::Doubtful {
        findings.push(Finding::bad(
            "clock",
            "it stands before a time at which this gateway has run",
            "timedatectl set-time",
        ));
    }
    findings
}
