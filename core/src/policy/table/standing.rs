//! Evidence in a world at a moment -> who it is, what that is worth, and the table it has.

use super::build::{Candidate, Plan};
use super::{Table, TableCache};
use crate::decision::Reason;
use crate::identity::{Assurance, Evidence};
use crate::moment::{Moment, UnixMs};
use crate::names::{AssetId, ConduitId};
use crate::policy::Policy;
use crate::policy::conditions::{Circumstances, Truth, is_local};
use crate::policy::model::{Asset, Conduit, From};
use crate::policy::naming::{Named, Naming, Origin, name};
use crate::world::{Standing, Until, World};

pub(crate) fn standing(world: &World, evidence: &Evidence, now: Moment, cache: &mut TableCache) -> Standing {
    let policy = &world.policy;
    let (named, life) = match name(world, evidence, now) {
        Naming::Nobody => (None, Some(Reason::NoSubject)),
        Naming::Barred(named, reason) => (named, Some(reason)),
        Naming::Named(named) => (Some(named), None),
    };
    let mut until = named.as_ref().map_or_else(Until::default, |named| named.until);
    let table = match policy.asset_at(evidence.listener) {
        None => Table::refusing(None, Vec::new(), Reason::NoConduit),
        Some((id, asset)) => {
            let conduits = leading(policy, evidence, asset);
            let refuse = life.or_else(|| conduits.is_empty().then_some(Reason::NoConduit));
            let mut plan = Plan {
                asset: id.clone(),
                conduits: conduits.iter().map(|(id, _)| (*id).clone()).collect(),
                refuse,
                ended: false,
                keeps_reads: false,
                candidates: Vec::new(),
            };
            if let (Some(named), None) = (&named, refuse) {
                plan.ended = named.ended;
                plan.keeps_reads = named.panel;
                let calendar = cache.calendar(world.generation, policy, now.wall);
                let circumstances = Circumstances {
                    calendar,
                    on_clock_doubt: policy.plant.on_clock_doubt,
                    attributes: &named.subject.attributes,
                    assurance: named.assurance,
                    approvals: &evidence.approvals,
                    now,
                };
                let (candidates, changes) = candidates(&circumstances, named, id, &conduits);
                plan.candidates = candidates;
                until.wall = until.wall.into_iter().chain(changes).min();
            }
            cache.table(world.generation, policy, plan)
        }
    };
    Standing {
        assurance: named.as_ref().map_or(Assurance::NONE, |named| named.assurance),
        subject: named.map(|named| named.subject),
        table,
        valid_until: until,
        generation: world.generation,
    }
}

/// The conduits from where the evidence was shown to the asset's zone.
pub(crate) fn leading<'p>(
    policy: &'p Policy,
    evidence: &'p Evidence,
    asset: &Asset,
) -> Vec<(&'p ConduitId, &'p Conduit)> {
    let origin = Origin::of(policy, evidence);
    let from_here = |conduit: &Conduit| match (&conduit.from, origin.remote) {
        (From::Zone(zone), None) => origin.zone == Some(zone),
        (From::Remote(name), Some(remote)) => name == remote,
        (From::Zone(_), Some(_)) | (From::Remote(_), None) => false,
    };
    policy.conduits.iter().filter(|(_, conduit)| conduit.to == asset.zone && from_here(conduit)).collect()
}

/// The rules for one of the subject's roles on the asset, in order, and the first moment at which one may answer
/// differently.
fn candidates(
    circumstances: &Circumstances<'_>,
    named: &Named,
    asset: &AssetId,
    conduits: &[(&ConduitId, &Conduit)],
) -> (Vec<Candidate>, Option<UnixMs>) {
    let full = &named.subject.roles;
    let mut candidates = Vec::new();
    let mut changes = None;
    for (at, (id, conduit)) in conduits.iter().enumerate() {
        let remote = matches!(conduit.from, From::Remote(_));
        for (index, rule) in conduit.allow.iter().enumerate().filter(|(_, rule)| rule.on == *asset) {
            let is_full = !rule.who.is_disjoint(full);
            if !is_full && rule.who.is_disjoint(&named.keeps) {
                continue;
            }
            // Local is the role by which the rule matched; nobody is local at the far end of a remote conduit.
            let full_local = !remote && rule.who.intersection(full).any(is_local);
            let read_local = full_local || !remote && rule.who.intersection(&named.keeps).any(is_local);
            let full = circumstances.rule(id, conduit, rule, full_local);
            let read = if read_local == full_local { full } else { circumstances.rule(id, conduit, rule, read_local) };
            candidates.push(Candidate {
                conduit: at,
                rule: index,
                read,
                full: is_full.then_some(full),
                approved: circumstances.approval(conduit) == Truth::Holds,
            });
            changes = changes.into_iter().chain(circumstances.changes(id, conduit, rule)).min();
        }
    }
    (candidates, changes)
}
