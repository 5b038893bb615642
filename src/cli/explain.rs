//! `explain`: why something would be allowed or refused (from a policy), or why it was (from the journal).

use std::path::Path;

use bulkhead_core::journal::record::{Event, Outcome, Seq};
use serde::Serialize;

use super::args::Explain;
use super::journal::{Found, each, newest, segments};
use super::{Answer, Context, Exit, Failure, files, words};

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

fn asked(_arguments: &Explain, _context: &mut Context<'_>) -> Answer {
    Err(Failure::internal("not built yet", "explain --last").into())
}
