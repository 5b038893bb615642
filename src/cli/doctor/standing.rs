//! The policy in force: what lint says of it, what somebody answers for and until when, and what is not enforced.

use bulkhead_core::moment::UnixMs;
use bulkhead_core::policy::model::Mode;
use bulkhead_core::policy::{Policy, Severity, check, lint};
use jiff::{Timestamp, ToSpan as _};

use super::Finding;
use crate::cli::{Failure, files};
use crate::config::Settings;
use crate::service::commands::Status;

/// An acceptance that ends within so many days is told.
const SOON_DAYS: i64 = 30;

/// The policy in force, if there is one, and its findings.
pub(super) fn policy(settings: &Settings, now: UnixMs) -> (Option<Policy>, Vec<Finding>) {
    let file = settings.active_policy();
    let shown = file.display();
    if !file.is_file() {
        let mend = format!("bulkhead --config {} init --policy FILE", settings.file.display());
        let text = format!("none is in force: {shown} does not exist");
        return (None, vec![Finding::bad("policy-missing", shown, text).mend(mend)]);
    }
    match files::policy_text(&file) {
        Ok(text) => {
            let (policy, findings) = judged(&text, &shown.to_string(), now);
            (Some(policy), findings)
        }
        Err(Failure { cause, next, .. }) => (None, vec![Finding::bad("policy-unreadable", shown, cause).mend(next)]),
    }
}

fn judged(text: &str, file: &str, now: UnixMs) -> (Policy, Vec<Finding>) {
    let checked = check(text);
    let mut findings = Vec::new();
    let mend = format!("bulkhead policy lint {file}");
    let blocking = checked.blocking().count();
    if blocking > 0 {
        let text = format!("it does not load: {}", files::counted(blocking, "problem"));
        findings.push(Finding::bad("policy-broken", file, text).mend(&mend));
    }
    for finding in checked.findings.iter().filter(|finding| finding.severity == Severity::Warning) {
        let problem = &finding.problem;
        let place = format!("{file}:{}:{}", problem.place.line, problem.place.column);
        let text = format!("{} [{}] in {}", problem.message, problem.id, problem.object);
        findings.push(
            Finding::weak("policy-warning", place, text)
                .mend(format!("{mend}; mend it, or answer for it in [[accept]]")),
        );
    }
    let policy = checked.policy;
    findings.extend(acceptances(&policy, file, now));
    if findings.is_empty() {
        findings.push(Finding::ok("policy-ok", file, format!("{} is sound", policy.hash.short())));
    }
    (policy, findings)
}

/// Who answered for a finding until when: passed, or about to.
fn acceptances(policy: &Policy, file: &str, now: UnixMs) -> Vec<Finding> {
    let Ok(time) = Timestamp::from_millisecond(now.0) else { return Vec::new() };
    let today = time.to_zoned(policy.plant.timezone.clone()).date();
    let Ok(soon) = today.checked_add(SOON_DAYS.days()) else { return Vec::new() };
    let place = |at: bulkhead_core::policy::problem::Place| format!("{file}:{}:{}", at.line, at.column);
    let mend = format!("bulkhead policy lint {file}; mend it, or have somebody answer for it again");
    let passed = lint::expired(policy, today)
        .into_iter()
        .map(|old| Finding::weak("policy-acceptance-ended", place(old.problem.place), old.problem.message).mend(&mend));
    let ending = policy.accepts.iter().filter(|accept| accept.until >= today && accept.until < soon).map(|accept| {
        let text =
            format!("`{}` at `{}` is accepted by {} until {} only", accept.finding, accept.at, accept.by, accept.until);
        Finding::weak("policy-acceptance-ends", place(accept.place), text).mend(&mend)
    });
    passed.chain(ending).collect()
}

/// What the conduits do now, by the daemon's word; without it, by the policy's.
pub(super) fn conduits(policy: &Policy, status: Option<&Status>) -> Vec<Finding> {
    let Some(status) = status else {
        let observed = policy.conduits.iter().filter(|(_, conduit)| conduit.mode == Mode::Observe);
        return observed.map(|(id, _)| observes(id)).collect();
    };
    let mut findings = Vec::new();
    for line in &status.conduits {
        let id = &line.conduit;
        if line.mode == Mode::Observe && line.policy_mode == Mode::Observe {
            findings.push(observes(id));
        } else if line.mode == Mode::Observe {
            let text = format!("{id} observes by an order given here; the policy says enforce");
            findings.push(Finding::weak("conduit-opened", id, text).mend(format!("bulkhead enforce {id} --watch 10m")));
        } else if line.policy_mode == Mode::Observe {
            let text = format!(
                "{id} is enforced by an order given here; the policy says observe, and the next one may undo it"
            );
            let mend = format!("write mode = \"enforce\" for {id}, then: bulkhead policy activate FILE");
            findings.push(Finding::note("conduit-overridden", id, text).mend(mend));
        }
        if !line.served {
            let text = format!("nothing listens for {id} yet: its rules have no effect");
            findings.push(Finding::note("conduit-unserved", id, text).mend("bulkhead status"));
        }
    }
    findings
}

fn observes(id: &bulkhead_core::names::ConduitId) -> Finding {
    let text = format!("{id} observes: every byte passes, refusals are alarms only");
    Finding::weak("conduit-observes", id, text)
        .mend(format!("bulkhead journal show --refused, then: bulkhead enforce {id} --watch 10m"))
}

#[cfg(test)]
mod tests {
    use super::super::host::fixture::NOW;
    use super::super::tests::{lines, status};
    use super::*;
    use crate::service::commands::ConduitLine;

    const SOUND: &str = "[plant]\nname = \"p\"\ntimezone = \"UTC\"\n";

    #[test]
    fn a_policy_that_is_missing_broken_or_warned_of_is_told() {
        let of = |text: &str| lines(&judged(text, "p.toml", NOW).1);
        assert_eq!(of(SOUND), ["ok policy-ok"]);
        assert_eq!(of("[plant]\nname = 1\n"), ["bad policy-broken"]);
        let host = super::super::host::fixture::host(&[("state/x", "")]);
        let mut settings = crate::config::defaults().unwrap();
        settings.state = host.path("state");
        assert_eq!(lines(&policy(&settings, NOW).1), ["bad policy-missing"]);
        std::fs::create_dir_all(settings.active_policy().parent().unwrap()).unwrap();
        std::fs::write(settings.active_policy(), [0xFF_u8, 0xFE]).unwrap();
        assert_eq!(lines(&policy(&settings, NOW).1), ["bad policy-unreadable"]);
    }

    /// A conduit whose rule names nobody: a warning with a place.
    const WARNED: &str = "[plant]\nname = \"p\"\ntimezone = \"UTC\"\n[zones.a]\nnetworks = [\"10.0.1.0/24\"]\n[zones.b]\nnetworks = [\"10.0.2.0/24\"]\n\
        [assets.plc]\nzone = \"a\"\nlisten = [\"127.0.0.1:1502\"]\nconnect = \"modbus://10.0.1.2:502\"\nunits = [1]\n[assets.plc.points]\nspeed = \"holding 0\"\n\
        [conduits.c]\nfrom = \"b\"\nto = \"a\"\nmode = \"enforce\"\n[[conduits.c.allow]]\nwho = [\"Operator\"]\non = \"plc\"\ncan = [\"write speed\"]\n";

    #[test]
    fn each_warning_has_its_place_and_an_acceptance_its_end() {
        let (_, found) = judged(WARNED, "p.toml", NOW);
        assert!(!found.is_empty() && found.iter().all(|finding| finding.id == "policy-warning"), "{found:?}");
        let first = &found[0];
        assert!(first.place.starts_with("p.toml:"), "{first:?}");
        let checked = check(WARNED);
        let warning = checked.findings.iter().find(|finding| finding.severity == Severity::Warning).unwrap();
        let accepted = |until: &str| {
            let accept = format!(
                "[[accept]]\nfinding = \"{}\"\nwhere = \"{}\"\nreason = \"r\"\nby = \"b\"\nuntil = {until}\n",
                warning.problem.id, warning.problem.object
            );
            let found = judged(&format!("{WARNED}{accept}"), "p.toml", NOW).1;
            found.iter().filter(|finding| finding.id != "policy-warning").map(|finding| finding.id).collect::<Vec<_>>()
        };
        assert_eq!(accepted("2026-11-24"), ["policy-acceptance-ended"]);
        assert_eq!(accepted("2026-11-25"), ["policy-acceptance-ends"], "on the day itself it still holds");
        assert_eq!(accepted("2026-12-24"), ["policy-acceptance-ends"]);
        assert!(!accepted("2026-12-25").contains(&"policy-acceptance-ends"));
    }

    #[test]
    fn a_conduit_that_is_not_enforced_is_told_with_who_said_so() {
        let line = status().conduits.remove(0);
        let of = |mode, policy_mode, served| {
            let conduits = vec![ConduitLine { mode, policy_mode, served, ..line.clone() }];
            lines(&conduits_of(&Status { conduits, ..status() }))
        };
        assert_eq!(of(Mode::Enforce, Mode::Enforce, true), [""; 0]);
        assert_eq!(of(Mode::Observe, Mode::Observe, true), ["weak conduit-observes"]);
        assert_eq!(of(Mode::Observe, Mode::Enforce, true), ["weak conduit-opened"]);
        assert_eq!(of(Mode::Enforce, Mode::Observe, true), ["note conduit-overridden"]);
        assert_eq!(of(Mode::Enforce, Mode::Enforce, false), ["note conduit-unserved"]);
        let offline = check(&WARNED.replace("\"enforce\"", "\"observe\"")).policy;
        assert_eq!(lines(&conduits(&offline, None)), ["weak conduit-observes"]);
    }

    fn conduits_of(status: &Status) -> Vec<Finding> {
        conduits(&check(SOUND).policy, Some(status))
    }
}
