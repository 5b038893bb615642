//! `policy shadow`: a candidate policy judged beside the one in force.

use jiff::tz::TimeZone;

use super::args::PolicyShadow;
use super::{Answer, Context, Exit, Failure, client, differences, files, orders, when};
use crate::service::commands::{Answer as Said, Command, SHADOW, ShadowSeen};

pub(super) fn run(arguments: &PolicyShadow, context: &mut Context<'_>) -> Answer {
    let answer = match &arguments.file {
        None if arguments.stop => client::ask(context, Command::ShadowStop)?,
        None => client::ask(context, Command::ShadowShow)?,
        Some(file) => {
            let seconds = when::seconds(&arguments.lasts).filter(|seconds| SHADOW.contains(seconds));
            let seconds = seconds.ok_or_else(|| {
                Failure::usage(
                    format!("`{}` is no time for a candidate", arguments.lasts),
                    "10s to 30d, such as --for 3d",
                )
            })?;
            // Read here, judged there: the daemon trusts no check but its own.
            let text = files::policy_text(file)?;
            let order = Command::PolicyShadow { name: file.display().to_string(), text, seconds };
            client::ask(context, order).map_err(|failure| orders::named(failure, file))?
        }
    };
    context.out.value(&answer)?;
    let Said::Shadow(seen) = answer else { return Err(client::unexpected().into()) };
    let Some(seen) = seen else {
        context.out.line("no candidate policy is judged; begin with one: bulkhead policy shadow FILE --for 3d")?;
        return Ok(Exit::Ok);
    };
    let begun = arguments.file.is_some();
    for line in screen(&seen, begun) {
        context.out.line(line)?;
    }
    Ok(if seen.differences.lost > 0 { Exit::No } else { Exit::Ok })
}

fn screen(seen: &ShadowSeen, begun: bool) -> Vec<String> {
    let zone = seen.timezone.as_deref().and_then(|name| TimeZone::get(name).ok()).unwrap_or(TimeZone::UTC);
    let state = match (&seen.ended, seen.left) {
        (Some((why, at)), _) => format!("ended at {} ({why})", when::stamp(*at, &zone)),
        (None, Some(left)) => format!("for {} more, then it ends by itself", when::span(left)),
        (None, None) => "ended".to_owned(),
    };
    let mut lines = vec![
        format!("candidate {} ({}) beside policy {}: {state}", seen.policy.short(), seen.name, seen.against.short()),
        format!("counted since {}; nothing that the candidate says changes anything", when::stamp(seen.since, &zone)),
    ];
    if begun {
        lines.push("see what it finds: bulkhead policy shadow".to_owned());
        return lines;
    }
    lines.extend(differences::screen(&seen.differences, &zone));
    lines
        .push("limits are not counted for the candidate: what a limit would refuse is not among the losses".to_owned());
    lines
}
