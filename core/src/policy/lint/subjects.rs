//! Subjects and what their proofs are worth.

use super::listed;
use crate::policy::model::{Policy, SubjectEntry, SubjectProof};
use crate::policy::report::Report;

/// The longest session grant that design asks no questions about, in minutes.
const GRANT_CAP: u16 = 480;

/// The highest zone target level (SL-T) that a way of proving identity supports on plain and on protected lines.
/// Of several the weakest counts: whoever may come by the other way is not kept out by the better one.
pub(in crate::policy) fn level(subject: &SubjectEntry) -> u8 {
    let of = |proof: &SubjectProof| match proof {
        SubjectProof::Certificate => 3,
        SubjectProof::Token => 2,
        SubjectProof::Address { .. } | SubjectProof::SessionGrant { .. } => 1,
    };
    subject.proofs.iter().map(of).min().unwrap_or(0)
}

pub(super) fn check(policy: &Policy, out: &mut Report<'_>) {
    for (id, subject) in &policy.subjects {
        let object = format!("subjects.{id}");
        let place = subject.bound();
        if let Some(grant) = subject.panel() {
            if place.is_none_or(|(_, mac)| mac.is_none()) {
                let message = "session grant without `mac`: whoever takes the address takes the grant".to_owned();
                out.find("grant-mac", &object, &object, message, Some("write `mac = \"..\"`".to_owned()));
            }
            if grant.minutes > GRANT_CAP {
                let message = format!("`minutes = {}` is longer than a shift", grant.minutes);
                let help = Some(format!("write at most {GRANT_CAP}"));
                out.find("grant-long", &object, &format!("{object}.grant"), message, help);
            }
        }
        let Some((address, mac)) = place else { continue };
        if let Some(zone) = policy.zones.get(&subject.zone)
            && out.is_clean(&format!("zones.{}", subject.zone))
            && !zone.networks.iter().any(|network| network.contains(address))
        {
            let message = format!("`{address}` is outside the networks of zone `{}`", subject.zone);
            let help = Some(format!("its networks are {}", listed(&zone.networks)));
            out.find("subject-address", &object, &format!("{object}.address"), message, help);
        }
        for (other, before) in policy.subjects.range(..id.clone()) {
            let same = before
                .bound()
                .is_some_and(|(ip, other)| ip == address && (other == mac || other.is_none() || mac.is_none()));
            if same && before.zone == subject.zone && before.panel().is_some() == subject.panel().is_some() {
                let message = format!("`{address}` already stands for subject `{other}`");
                let help = Some("give each its own address, or tell them apart by `mac`".to_owned());
                out.find("subject-twice", &object, &format!("{object}.address"), message, help);
            }
        }
    }
}
