//! Makes a failing plan smaller: removes acts as long as the same invariant still breaks. This works because chance is drawn
//! by component and moment, so that removing one act leaves the rest as it was.

use super::faults::Planted;
use super::plan::Plan;
use super::run::run;

/// The smallest plan found that breaks invariant `id`.
pub(crate) fn shrink(plan: &Plan, fault: Planted, id: &str) -> Plan {
    let mut best = plan.clone();
    let mut size = best.acts.len().div_ceil(2).max(1);
    loop {
        let mut at = 0;
        let before = best.acts.len();
        while at < best.acts.len() {
            let mut smaller = best.clone();
            smaller.acts.drain(at..(at + size).min(best.acts.len()));
            let broken = run(&smaller, fault).violation;
            if broken.as_ref().is_some_and(|violation| violation.id == id) {
                best = smaller;
            } else {
                at += size;
            }
        }
        if size == 1 && best.acts.len() == before {
            return best;
        }
        size = (size / 2).max(1);
    }
}
