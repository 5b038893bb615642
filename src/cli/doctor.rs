//! `doctor`: what will go wrong, each with the command that mends it. It looks at this machine, at the state folder, and asks
//! the daemon where it runs. One file a subject; the machine is an argument, so that each finding has its test.

mod bypass;
mod certificates;
mod clock;
mod disk;
mod finding;
mod host;
mod keys;
mod listeners;
mod profiles;
mod routes;
mod service;
mod standing;
#[cfg(test)]
mod tests;

use bulkhead_core::journal::record::Record;
use bulkhead_core::moment::ClockTrust;

use super::{Answer, Context, Exit, Failure, client, files, journal};
use crate::config::{self, Settings};
use crate::service::commands::{Answer as Said, CertificateLine, Command, Status};
use finding::{Finding, Grade};
use host::Host;

pub(super) fn run(context: &mut Context<'_>) -> Answer {
    let settings = files::settings(&context.config)?;
    let (host, answer) = (Host::this(), status(context));
    let mut findings = examine(&host, &settings, &answer);
    if let Ok(status) = &answer {
        let doubtful = status.clock.trust == ClockTrust::Doubtful;
        let issued = issued(context);
        findings.extend(certificates::findings(status.authority.as_deref(), &issued, host.now, doubtful));
    }
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.grade));
    for finding in &findings {
        context.out.value(finding)?;
        context.out.line(finding)?;
    }
    let bad = findings.iter().any(|finding| finding.grade == Grade::Bad);
    Ok(if bad { Exit::No } else { Exit::Ok })
}

fn status(context: &Context<'_>) -> Result<Status, Failure> {
    let Said::Status(status) = client::ask(context, Command::Status)? else { return Err(client::unexpected()) };
    Ok(*status)
}

/// What the CA has issued; nothing where there is none.
fn issued(context: &Context<'_>) -> Vec<CertificateLine> {
    match client::ask(context, Command::CaCertificates { subject: None }) {
        Ok(Said::Certificates { lines, .. }) => lines,
        Ok(_) | Err(_) => Vec::new(),
    }
}

fn examine(host: &Host, settings: &Settings, answer: &Result<Status, Failure>) -> Vec<Finding> {
    let status = answer.as_ref().ok();
    let mut findings = configuration(settings);
    let (policy, told) = standing::policy(settings, host.now);
    findings.extend(told);
    findings.extend(keys::findings(settings));
    findings.extend(disk::findings(host, settings));
    findings.extend(clock::findings(host, status.map(|status| status.clock.trust)));
    findings.extend(bypass::findings(host));
    findings.extend(service::machine(host, settings));
    findings.extend(service::daemon(answer));
    if let Some(policy) = &policy {
        findings.extend(routes::findings(host, policy));
        findings.extend(listeners::findings(host, policy, status));
        findings.extend(standing::conduits(policy, status));
        findings.extend(service::limits(host, policy, service::pid(settings)));
        if let Ok(records) = newest(settings) {
            let activate = format!("bulkhead --config {} policy activate FILE", settings.file.display());
            findings.extend(profiles::findings(policy, &records, &activate));
        }
    }
    findings
}

fn configuration(settings: &Settings) -> Vec<Finding> {
    let file = settings.file.display();
    let exposed = config::exposed(&settings.file);
    exposed
        .map(|text| Finding::bad("config-mode", &file, text).mend(format!("chmod go-w {file}")))
        .into_iter()
        .collect()
}

fn newest(settings: &Settings) -> Result<Vec<Record>, Failure> {
    let found = journal::newest(&settings.journal_folder(), profiles::LOOK_AT, &mut |found| found.record().is_some())?;
    Ok(found.iter().filter_map(|found| found.record().cloned()).collect())
}
