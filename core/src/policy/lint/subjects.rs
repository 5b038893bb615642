//! Subjects and what their proofs are worth.

use std::net::IpAddr;

use super::listed;
use crate::identity::Mac;
use crate::policy::model::{Policy, SubjectEntry, SubjectProof};
use crate::policy::report::Report;

/// The longest session grant that design asks no questions about, in minutes.
const GRANT_CAP: u16 = 480;

/// The highest zone target level (SL-T) that a way of proving identity supports on plain and on protected lines.
pub(super) fn level(proof: &SubjectProof) -> u8 {
    match proof {
        SubjectProof::Certificate => 3,
        SubjectProof::Token => 2,
        SubjectProof::Address { .. } | SubjectProof::SessionGrant { .. } => 1,
    }
}

/// The word of a proof.
pub(super) fn word(proof: &SubjectProof) -> &'static str {
    match proof {
        SubjectProof::Certificate => "certificate",
        SubjectProof::Token => "token",
        SubjectProof::Address { .. } => "address",
        SubjectProof::SessionGrant { .. } => "session-grant",
    }
}

fn bound(subject: &SubjectEntry) -> Option<(IpAddr, Option<Mac>)> {
    match &subject.proof {
        SubjectProof::Certificate | SubjectProof::Token => None,
        SubjectProof::Address { address, mac } | SubjectProof::SessionGrant { address, mac, .. } => {
            Some((*address, *mac))
        }
    }
}

pub(super) fn check(policy: &Policy, out: &mut Report<'_>) {
    for (id, subject) in &policy.subjects {
        let object = format!("subjects.{id}");
        if let SubjectProof::SessionGrant { mac, grant, .. } = &subject.proof {
            if mac.is_none() {
                let message = "session grant without `mac`: whoever takes the address takes the grant".to_owned();
                out.find("grant-mac", &object, &object, message, Some("write `mac = \"..\"`".to_owned()));
            }
            if grant.minutes > GRANT_CAP {
                let message = format!("`minutes = {}` is longer than a shift", grant.minutes);
                let help = Some(format!("write at most {GRANT_CAP}"));
                out.find("grant-long", &object, &format!("{object}.grant"), message, help);
            }
        }
        let Some((address, mac)) = bound(subject) else { continue };
        if let Some(zone) = policy.zones.get(&subject.zone)
            && out.is_clean(&format!("zones.{}", subject.zone))
            && !zone.networks.iter().any(|network| network.contains(address))
        {
            let message = format!("`{address}` is outside the networks of zone `{}`", subject.zone);
            let help = Some(format!("its networks are {}", listed(&zone.networks)));
            out.find("subject-address", &object, &format!("{object}.address"), message, help);
        }
        for (other, before) in policy.subjects.range(..id.clone()) {
            let same = bound(before)
                .is_some_and(|(ip, other)| ip == address && (other == mac || other.is_none() || mac.is_none()));
            if same && before.zone == subject.zone && word(&before.proof) == word(&subject.proof) {
                let message = format!("`{address}` already stands for subject `{other}`");
                let help = Some("give each its own address, or tell them apart by `mac`".to_owned());
                out.find("subject-twice", &object, &format!("{object}.address"), message, help);
            }
        }
    }
}
