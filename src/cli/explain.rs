//! `explain`: why something would be allowed or refused (from a policy), or why it was (from the journal).

use std::path::Path;
use std::sync::Arc;

use bulkhead_core::decision::Effect;
use bulkhead_core::identity::Attributes;
use bulkhead_core::journal::record::{Event, Outcome, Seq};
use bulkhead_core::moment::{BootMs, Moment, RanMs, UnixMs};
use bulkhead_core::names::Role;
use bulkhead_core::policy::explain::{By, Who, question};
use bulkhead_core::world::World;
use serde::Serialize;

use super::args::{Clock, Explain, ShownBy};
use super::journal::{Found, each, newest, segments};
use super::{Answer, Context, Exit, Failure, client, files, when, words};
use crate::service::commands::{Answer as Said, Command};

/// The most decisions that `--last` tells.
const MOST: usize = 1_000;

pub(super) fn run(arguments: &Explain, context: &mut Context<'_>) -> Answer {
    match (arguments.last, arguments.record) {
        (Some(count), _) => last(count, context),
        (None, Some(seq)) => record(Seq(seq), context),
        (None, None) => asked(arguments, context),
    }
}

#[derive(Serialize)]
struct Told<'a> {
    record: &'a bulkhead_core::journal::record::Record,
    outcome: Option<Outcome>,
    late: bool,
}

fn last(count: usize, context: &mut Context<'_>) -> Answer {
    let settings = files::settings(&context.config)?;
    let folder = files::journal_folder(None, &settings)?;
    let is_decision =
        |found: &Found| matches!(found, Found::Record(record, _) if matches!(record.event, Event::Decision(_)));
    let found = newest(&folder, count.clamp(1, MOST), &mut |found| is_decision(found))?;
    if found.is_empty() {
        return Err(Failure::no("the journal holds no decision yet", "see all of it: bulkhead journal show").into());
    }
    tell(&found, &folder, context)
}

fn record(seq: Seq, context: &mut Context<'_>) -> Answer {
    let settings = files::settings(&context.config)?;
    let folder = files::journal_folder(None, &settings)?;
    let found = newest(&folder, 1, &mut |found| matches!(found, Found::Record(record, _) if record.seq == seq))?;
    if found.is_empty() {
        let next = "see what there is: bulkhead journal show --last 20";
        return Err(Failure::no(format!("the journal holds no record {}", seq.0), next).into());
    }
    tell(&found, &folder, context)
}

fn tell(found: &[Found], folder: &Path, context: &mut Context<'_>) -> Answer {
    let settings = files::settings(&context.config)?;
    let zone = files::zone(&settings);
    let wanted: Vec<Seq> = found.iter().filter_map(|found| found.record().map(|record| record.seq)).collect();
    let outcomes = outcomes(&wanted, folder)?;
    for record in found.iter().filter_map(Found::record) {
        let outcome = outcomes.iter().find(|(of, ..)| *of == record.seq).map(|(_, outcome, late)| (*outcome, *late));
        let (became, late) = (outcome.map(|(outcome, _)| outcome), outcome.is_some_and(|(_, late)| late));
        context.out.value(&Told { record, outcome: became, late })?;
        match &record.event {
            Event::Decision(decision) => {
                for line in words::screen(record, decision, outcome, &zone) {
                    context.out.line(line)?;
                }
            }
            Event::Outcome { of, .. } | Event::Repeated { like: of, .. } => {
                context.out.line(words::line(record, &zone))?;
                context.out.line(format!("  the decision: bulkhead explain --record {}", of.0))?;
            }
            Event::Denied { .. }
            | Event::Session(_)
            | Event::Gateway(_)
            | Event::Trimmed { .. }
            | Event::Checkpoint { .. } => context.out.line(words::line(record, &zone))?,
        }
    }
    Ok(Exit::Ok)
}

/// What became of these decisions: outcomes stand behind them, mostly near.
fn outcomes(wanted: &[Seq], folder: &Path) -> Result<Vec<(Seq, Outcome, bool)>, Failure> {
    let mut outcomes = Vec::new();
    let first = wanted.iter().min().copied().unwrap_or_default();
    for path in segments(folder)?.iter().rev() {
        let mut before = false;
        each(path, &mut |found| {
            let Some(record) = found.record() else { return true };
            before |= record.seq < first;
            if let Event::Outcome { of, outcome, late } = record.event
                && wanted.contains(&of)
            {
                outcomes.push((of, outcome, late));
            }
            true
        })?;
        if before {
            break;
        }
    }
    Ok(outcomes)
}

/// Asks the daemon, whose world knows the time and who is revoked; none when it does not run or may not be asked.
fn live(
    subject: &str,
    asset: &str,
    words: &str,
    by: Option<By>,
    context: &mut Context<'_>,
) -> anyhow::Result<Option<Exit>> {
    let order = Command::ExplainLive { subject: subject.into(), asset: asset.into(), words: words.to_owned(), by };
    match client::ask_if_reachable(context, order)? {
        Some(Said::Explained(explained)) => {
            context.out.value(&explained.explanation)?;
            for line in &explained.lines {
                context.out.line(line)?;
            }
            Ok(Some(if explained.allowed { Exit::Ok } else { Exit::No }))
        }
        Some(_) => Err(client::unexpected().into()),
        None => Ok(None),
    }
}

/// Asks a policy file, or the last known good one.
fn asked(arguments: &Explain, context: &mut Context<'_>) -> Answer {
    let (Some(subject), Some(asset), Some(words)) = (&arguments.subject, &arguments.asset, &arguments.words) else {
        return Err(Failure::usage("who asks for what is missing", "explain --as SUBJECT --on ASSET --do WORDS").into());
    };
    let by = arguments.by.map(ShownBy::proof);
    let plain = arguments.policy.is_none() && arguments.at.is_none() && arguments.grant.is_none();
    if plain && matches!(arguments.clock, Clock::Proven) {
        match live(subject, asset, words, by, context)? {
            Some(exit) => return Ok(exit),
            None => context.out.line("(the daemon was not asked: who is revoked is not known here)")?,
        }
    }
    let file = match &arguments.policy {
        Some(file) => file.clone(),
        None => files::active_policy(&files::settings(&context.config)?)?,
    };
    let (_, loaded) = files::policy(&file)?;
    let zone = loaded.policy.plant.timezone.clone();
    let wall = match &arguments.at {
        Some(text) => when::parse(text, when::now(), &zone).ok_or_else(|| {
            Failure::usage(format!("`{text}` is no time"), "write 03:10, \"03:10 yesterday\" or 2026-11-24T03:10")
        })?,
        None => when::now(),
    };
    let now = Moment { wall, boot: BootMs(0), ran: RanMs(0), trust: arguments.clock.trust(), floor: UnixMs(0) };
    let world = World {
        generation: 0,
        policy: Arc::new(loaded.policy),
        registry: Arc::default(),
        facts: Attributes::default(),
    };
    let (subject, asset, grant) =
        (subject.as_str().into(), asset.as_str().into(), arguments.grant.as_deref().map(Role::from));
    let who = Who { subject: &subject, grant: grant.as_ref(), by };
    let explained = question(&world, who, &asset, words, now)
        .map_err(|error| Failure::usage(error, format!("the names stand in {}", file.display())))?;
    context.out.value(&explained)?;
    context.out.line(explained.to_string().trim_end())?;
    Ok(if explained.effect == Effect::Allow { Exit::Ok } else { Exit::No })
}
