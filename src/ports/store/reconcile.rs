//! Comparing what the store holds with what the journal says, at a start.

use std::collections::BTreeSet;

use bulkhead_core::digest::Sha256;
use bulkhead_core::identity::{Credential, Edit, Life};
use bulkhead_core::journal::record::{GatewayRecord, Seq};
use bulkhead_core::names::SubjectId;

use super::{AuthorityPart, CertificateRow, Change, Found};
use crate::ports::journal::Order;

/// What has to be done before the gateway opens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reconciled {
    /// Revocations and suspensions that are on record and have no row: a crash came between the two, or an older copy of the store is open.
    pub apply: Vec<Change>,
    /// Other orders that are on record and have no row: they were never answered, and each gets an `Abandoned` record.
    pub abandoned: Vec<Seq>,
    /// Rows whose order is not on record: somebody has cut the journal, or has put a foreign store here. In words.
    pub alarms: Vec<String>,
    /// Behind all this everything up to here is settled.
    pub settled: Seq,
}

/// The numbers that an order of the CA had taken are never used again, although nobody got what they stood for; what it took back
/// stays taken back.
fn used_up(done: &mut Reconciled, found: &Found, order: &Order) {
    let seq = order.seq;
    match &order.what {
        GatewayRecord::Certificate { serial, subject, spki, role, not_before, not_after, .. } => {
            let row = CertificateRow {
                serial: serial.clone(),
                subject: subject.clone(),
                spki: *spki,
                role: role.clone(),
                not_before: *not_before,
                not_after: *not_after,
                // An older copy of the store may be open: then it left. One that nobody has does no harm.
                issued: true,
                revoked: None,
                seq,
            };
            done.apply.push(Change::Certificate { row, leaf: None });
        }
        GatewayRecord::List { number, revoked, .. } if *number > found.list => {
            let revoked = revoked.iter().map(|serial| (serial.clone(), order.at.wall.max(order.at.floor))).collect();
            done.apply.push(Change::List { number: *number, pem: None, revoked, gone: Vec::new(), seq });
        }
        GatewayRecord::List { .. }
        | GatewayRecord::Authority { .. }
        | GatewayRecord::Started { .. }
        | GatewayRecord::Stopped
        | GatewayRecord::Policy { .. }
        | GatewayRecord::PolicyRefused { .. }
        | GatewayRecord::ShadowStarted { .. }
        | GatewayRecord::ShadowGoesOn { .. }
        | GatewayRecord::ShadowEnded { .. }
        | GatewayRecord::Mode { .. }
        | GatewayRecord::Revoked { .. }
        | GatewayRecord::Registry { .. }
        | GatewayRecord::Abandoned { .. }
        | GatewayRecord::Disk { .. }
        | GatewayRecord::Alarm { .. } => {}
    }
}

/// Applies again what takes rights away from a subject, unless a later order has its row.
fn again(done: &mut Reconciled, found: &Found, order: &Order, subject: &SubjectId, life: Life) {
    if found.lives.get(subject).is_none_or(|row| row.seq < order.seq) {
        done.apply.push(Change::Life { subject: subject.clone(), life, seq: order.seq, at: order.at });
    }
}

/// A key that was taken away stays away.
fn without(done: &mut Reconciled, found: &Found, order: &Order, subject: &SubjectId, spki: Sha256) {
    if !found.registry.spent.contains(&spki) {
        done.apply.push(Change::Spent { subject: subject.clone(), spki, seq: order.seq, at: order.at });
    }
}

/// Compares. `orders` are the journal's orders behind `found.settled`, `head` is its last record.
pub fn reconcile(found: &Found, orders: &[Order], head: Seq) -> Reconciled {
    let mut done = Reconciled { settled: head.max(found.settled), ..Reconciled::default() };
    let mut on_record = BTreeSet::new();
    let mut known = BTreeSet::new();
    for order in orders {
        if let GatewayRecord::Abandoned { of } = order.what {
            known.insert(of);
        }
    }
    for order in orders {
        let row = match &order.what {
            GatewayRecord::Revoked { subject, .. } => found.lives.get(subject).map(|row| row.seq),
            // The rows of one order went down together: the one that is furthest behind speaks for them.
            GatewayRecord::Registry { edits, .. } => {
                edits.iter().map(|edit| found.lives.get(edit.subject()).map(|row| row.seq)).min().flatten()
            }
            GatewayRecord::Authority { .. } => found.authority.get(&AuthorityPart::Chain).map(|row| row.seq),
            GatewayRecord::Certificate { serial, .. } => found.certificates.get(serial).map(|row| row.seq),
            GatewayRecord::List { .. } => found.authority.get(&AuthorityPart::List).map(|row| row.seq),
            GatewayRecord::Mode { conduit, .. } => found.modes.get(conduit).map(|row| row.seq),
            GatewayRecord::Policy { .. } => found.policy.as_ref().map(|row| row.seq),
            GatewayRecord::ShadowStarted { .. } => found.shadow.as_ref().map(|row| row.seq),
            GatewayRecord::Started { .. }
            | GatewayRecord::Stopped
            | GatewayRecord::PolicyRefused { .. }
            | GatewayRecord::ShadowGoesOn { .. }
            | GatewayRecord::ShadowEnded { .. }
            | GatewayRecord::Abandoned { .. }
            | GatewayRecord::Disk { .. }
            | GatewayRecord::Alarm { .. } => continue,
        };
        on_record.insert(order.seq);
        if let GatewayRecord::Registry { edits, .. } = &order.what {
            // Whatever was ordered about the subject later: a key that was taken away stays away.
            for edit in edits {
                if let Edit::Removed { subject, credential: Credential::Key(spki) } = edit {
                    without(&mut done, found, order, subject, *spki);
                }
            }
        }
        // A later order of the same thing has taken the place of an earlier one.
        if row.is_some_and(|row| row >= order.seq) {
            continue;
        }
        // What takes rights away is in force although nobody was told; what gives them is not.
        let mut whole = false;
        if let GatewayRecord::Revoked { subject, .. } = &order.what {
            again(&mut done, found, order, subject, Life::Revoked);
            whole = true;
        } else if let GatewayRecord::Registry { edits, .. } = &order.what {
            whole = edits.iter().all(Edit::takes_away);
            for edit in edits.iter().filter(|edit| edit.takes_away()) {
                match edit {
                    Edit::Life { subject, life } => again(&mut done, found, order, subject, *life),
                    Edit::Removed { .. } | Edit::Added { .. } => {}
                }
            }
        }
        used_up(&mut done, found, order);
        if !whole && !known.contains(&order.seq) {
            done.abandoned.push(order.seq);
        }
    }
    if head < found.settled {
        let (end, known) = (head.0, found.settled.0);
        done.alarms
            .push(format!("the journal ends at record {end}, and record {known} was durable: its end is missing"));
    }
    let missing = |seq: Seq| seq > found.settled && !on_record.contains(&seq);
    let lives = found.lives.iter().map(|(subject, row)| (format!("the life of `{subject}`"), row.seq));
    let modes = found.modes.iter().map(|(conduit, row)| (format!("the mode of `{conduit}`"), row.seq));
    let policy = found.policy.iter().map(|row| ("the policy in force".to_owned(), row.seq));
    let shadow = found.shadow.iter().map(|row| ("the candidate policy".to_owned(), row.seq));
    for (what, seq) in lives.chain(modes).chain(policy).chain(shadow).filter(|(_, seq)| missing(*seq)) {
        done.alarms.push(format!("{what} was changed by order {}, and the journal has no such record", seq.0));
    }
    done
}
