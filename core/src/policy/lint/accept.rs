//! Acceptance: somebody answers for a finding, by its id and object, with a reason and until a date.

use jiff::civil::Date;

use super::ids;
use crate::policy::model::{Accept, Policy};
use crate::policy::problem::{Finding, Problem, Severity};
use crate::policy::report::Report;
use crate::policy::suggest;

pub(super) fn check(policy: &Policy, out: &mut Report<'_>) {
    for accept in &policy.accepts {
        // Unreadable ones are not in the list, so the number is that of the place.
        let paths = (1..).map(|number| format!("accept[{number}]"));
        let object =
            paths.take_while(|path| out.spot(path).is_some()).find(|path| out.spot(path) == Some(accept.place));
        let object = object.unwrap_or_default();
        let mut found = false;
        let mut error = false;
        for finding in out.findings_mut() {
            if finding.problem.id == &*accept.finding && finding.problem.object == *accept.at {
                match finding.severity {
                    Severity::Note | Severity::Warning | Severity::Accepted | Severity::Blocking => {
                        finding.severity = Severity::Accepted;
                        let Accept { by, until, reason, .. } = accept;
                        finding.problem.help = Some(format!("accepted by {by} until {until}: {reason}"));
                        found = true;
                    }
                    Severity::Error => error = true,
                }
            }
        }
        if error || ids::severity(&accept.finding) == Severity::Error {
            let message = format!("`{}` is an error and cannot be accepted", accept.finding);
            let help = Some("mend what it says".to_owned());
            out.find("accept-error", &object, &format!("{object}.finding"), message, help);
        } else if !found {
            unused(accept, &object, out);
        }
    }
}

fn unused(accept: &Accept, object: &str, out: &mut Report<'_>) {
    let spot = format!("{object}.where");
    if out.objects().contains(&*accept.at) {
        let message = format!("`{}` is not found at `{}` (any more)", accept.finding, accept.at);
        out.find("accept-unused", object, &spot, message, Some("drop the acceptance".to_owned()));
    } else {
        let near = suggest::nearest(&accept.at, out.objects().iter().map(String::as_str));
        let help = near.map_or("write the object as the finding does, such as `conduits.NAME`".to_owned(), |near| {
            format!("did you mean `{near}`?")
        });
        let message = format!("there is no object `{}`", accept.at);
        out.find("accept-where", object, &spot, message, Some(help));
    }
}

/// Acceptances whose date has passed: warnings, which never keep a policy from loading. `today` is the date in the plant's
/// time zone; on the day itself an acceptance still holds.
pub fn expired(policy: &Policy, today: Date) -> Vec<Finding> {
    let old = policy.accepts.iter().zip(1..).filter(|(accept, _)| accept.until < today);
    old.map(|(accept, number)| Finding {
        severity: Severity::Warning,
        problem: Problem {
            place: accept.place,
            id: "accept-expired",
            object: format!("accept[{number}]"),
            message: format!(
                "`{}` at `{}` was accepted by {} until `{}`, which has passed",
                accept.finding, accept.at, accept.by, accept.until
            ),
            help: Some("mend it, or have somebody answer for it again".to_owned()),
        },
    })
    .collect()
}
