//! Static analysis of a policy: what contradicts itself, is unreachable, over-broad or weaker than it looks.
//!
//! Exact, because everything is finite: intervals and sets, no solver. It also runs over a policy with mistakes, as far as
//! that could be read; what only follows from a mistake is not said again.

mod accept;
mod assets;
mod conduits;
pub mod ids;
mod never;
mod rules;
pub(super) mod subjects;
mod time;
mod zones;

use super::model::Policy;
use super::report::Report;
pub use accept::expired;

pub(super) fn run(policy: &Policy, out: &mut Report<'_>) {
    zones::check(policy, out);
    assets::check(policy, out);
    subjects::check(policy, out);
    conduits::check(policy, out);
    rules::check(policy, out);
    never::check(policy, out);
    accept::check(policy, out);
}

/// Words for a list of names in a message.
fn listed<T: std::fmt::Display>(names: impl IntoIterator<Item = T>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests;
