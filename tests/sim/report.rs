//! What a failing seed prints: what broke and why, the smallest plan, the last events, and how to see it again.

use std::fmt::Write as _;

use super::check::Violation;
use super::faults::Planted;
use super::plan::plan;
use super::run::{Outcome, run};
use super::shrink::shrink;

const LAST: usize = 14;

/// The whole story of a seed that breaks a promise, with its smallest plan.
pub(crate) fn story(seed: u64, planted: Planted, violation: &Violation) -> String {
    let whole = plan(seed);
    let small = shrink(&whole, planted, violation.id);
    let Outcome { lines, violation, .. } = run(&small, planted);
    let violation = violation.unwrap();
    let mut out = String::new();
    let at = violation.at;
    writeln!(out, "seed {seed} breaks {} at {at} ms: {}\n  because {}", violation.id, violation.says, violation.why)
        .unwrap();
    writeln!(out, "smallest plan ({} of {} acts):", small.acts.len(), whole.acts.len()).unwrap();
    for (at, act) in &small.acts {
        writeln!(out, "  {at:>7} {act:?}").unwrap();
    }
    writeln!(out, "last events:").unwrap();
    let end = lines.iter().rposition(|(when, _)| *when <= at).map_or(0, |index| index + 1);
    for (at, event) in &lines[end.saturating_sub(LAST)..end] {
        let text: String = format!("{event:?}").chars().take(200).collect();
        writeln!(out, "  {at:>7} {text}").unwrap();
    }
    writeln!(out, "again: SEED={seed} cargo test --test sim    (LOG=1 prints every event)").unwrap();
    out
}
