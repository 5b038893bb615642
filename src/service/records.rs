//! What a decision looks like in the journal: everything that `explain` needs to say why.

use bulkhead_core::access::{Access, Target, Values};
use bulkhead_core::decision::Decision;
use bulkhead_core::identity::Proof;
use bulkhead_core::journal::record::{AccessRecord, DecisionRecord, Event, ProofRecord};
use bulkhead_core::journal::target;
use bulkhead_core::moment::Moment;

use super::gate::Request;
use super::sessions::{Footing, Session};
use super::shared::Shared;
use super::values::element;

/// The record of a decision about `request`.
pub(crate) fn decision<T: Request>(
    shared: &Shared,
    session: &Session,
    footing: &Footing,
    request: &T,
    decision: &Decision,
    now: Moment,
) -> Event {
    let standing = &footing.standing;
    let world = shared.worlds.current();
    let mac = session.with_proofs(|proof| match proof {
        Proof::Address { mac, .. } => *mac,
        Proof::Certificate { .. } | Proof::Token { .. } | Proof::SessionGrant { .. } => None,
    });
    let accesses = request.accesses();
    Event::Decision(Box::new(DecisionRecord {
        effect: decision.effect,
        reason: decision.reason,
        mode: footing.mode(),
        subject: standing.subject.as_ref().map(|subject| subject.id.clone()),
        roles: standing.subject.iter().flat_map(|subject| subject.roles.iter().cloned()).collect(),
        assurance: standing.assurance,
        source: session.peer(),
        mac,
        listener: session.listener(),
        zone: world.policy.zone_of(session.listener().ip()).cloned(),
        conduit: standing.table.conduit().map(|conduit| conduit.id.clone()),
        asset: standing.table.asset().cloned(),
        rule: decision.rule.clone(),
        policy: world.policy.hash,
        frame: request.frame(),
        accesses: accesses.iter().map(|access| one(shared, footing, access, now)).collect(),
        doubtful: decision.doubtful,
        proofs: session.read_proofs(proofs),
    }))
}

/// What was shown beside the address, as far as judging again needs it.
fn proofs(shown: &[Proof]) -> Option<Vec<ProofRecord>> {
    let address = |proof: &Proof| matches!(proof, Proof::Address { .. });
    if !shown.is_empty() && shown.iter().all(address) {
        return None;
    }
    let record = |proof: &Proof| match proof {
        Proof::Address { .. } => ProofRecord::Address,
        Proof::Certificate { role, not_after, .. } => {
            ProofRecord::Certificate { role: role.clone(), not_after: *not_after }
        }
        Proof::Token { subject, roles, claims, bound_to, expires } => ProofRecord::Token {
            subject: subject.clone(),
            roles: roles.clone(),
            bound: bound_to.is_some(),
            expires: *expires,
            claims: claims.clone(),
        },
        Proof::SessionGrant { grant } => ProofRecord::SessionGrant {
            subject: grant.subject.clone(),
            by: grant.by.clone(),
            ends: grant.ends,
            ends_ran: grant.ends_ran,
        },
    };
    Some(shown.iter().map(record).collect())
}

fn one(shared: &Shared, footing: &Footing, access: &Access<'_>, now: Moment) -> AccessRecord {
    let table = &footing.standing.table;
    let points = table.touched(std::slice::from_ref(access));
    let mut record = AccessRecord {
        verb: access.verb,
        points: points.iter().map(|touched| format!("{}/{}", touched.asset, touched.point)).collect(),
        target: target::text(access.target),
        last: None,
        last_age: None,
        new: None,
        mask: None,
    };
    if let Target::Registers { unit, bank, first, count, values } = access.target
        && values != Values::None
    {
        let last =
            table.asset().and_then(|asset| shared.values.last(asset, (unit, bank), first, count.get(), now.boot));
        (record.last, record.last_age) = last.unzip();
        record.new = (0..count.get()).map(|at| element(values, at)).collect();
        if let Values::Mask { and, or } = values {
            record.mask = Some([and, or]);
        }
    }
    record
}
