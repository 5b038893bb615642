//! Who a session is: the proof of highest assurance names the subject, and only its roles count.

use std::collections::BTreeSet;

use super::model::{Policy, SubjectEntry};
use crate::decision::Reason;
use crate::identity::{Assurance, Attributes, Evidence, Grant, Life, Mac, Proof, Subject};
use crate::moment::{BootMs, ClockTrust, Moment, UnixMs};
use crate::names::{RemoteName, Role, SubjectId, ZoneId};
use crate::world::{Until, World};

/// Where a session comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origin<'a> {
    /// The zone whose networks hold the listener's address.
    pub(crate) zone: Option<&'a ZoneId>,
    /// The remote end, which then selects the conduit.
    pub(crate) remote: Option<&'a RemoteName>,
}

impl<'a> Origin<'a> {
    pub(crate) fn of(policy: &'a Policy, evidence: &'a Evidence) -> Self {
        Self { zone: policy.zone_of(evidence.listener.ip()), remote: evidence.remote.as_ref() }
    }

    /// True when a subject of this zone may show itself here.
    fn admits(&self, home: &ZoneId) -> bool {
        self.zone == Some(home)
            || self.remote.is_some_and(|name| home.as_str().strip_prefix("remote:") == Some(name.as_str()))
    }
}

/// What the proofs of a session come to.
#[derive(Clone, Debug)]
pub(crate) enum Naming {
    /// Nobody that the policy knows here.
    Nobody,
    /// Somebody who may not act: revoked, suspended, or registered and not active yet. The subject is `None` where the policy
    /// does not know the name here.
    Barred(Option<Box<Named>>, Reason),
    /// Somebody.
    Named(Box<Named>),
}

/// A named subject.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    pub(crate) subject: Subject,
    pub(crate) assurance: Assurance,
    /// The roles whose safe and heartbeat writes (and reads, for a panel) stay although the proof is over.
    pub(crate) keeps: BTreeSet<Role>,
    /// It is a panel, known by its address.
    pub(crate) panel: bool,
    /// The proof itself is over: a panel without an open grant, a token or certificate past its end.
    pub(crate) ended: bool,
    pub(crate) until: Until,
}

/// One proof that names somebody, before zone, life and rank are looked at.
struct Shown<'a> {
    id: &'a SubjectId,
    assurance: Assurance,
    roles: Option<&'a BTreeSet<Role>>,
    role: Option<&'a Role>,
    grant: Option<&'a Grant>,
    /// Shown by the address of a panel.
    at_panel: bool,
    ended: bool,
    until: Until,
}

pub(crate) fn name(world: &World, evidence: &Evidence, now: Moment) -> Naming {
    let policy = &*world.policy;
    let origin = Origin::of(policy, evidence);
    // Where TLS is spoken the certificate alone speaks, also for a session that was there before TLS was.
    let counts = |proof: &&Proof| matches!(proof, Proof::Certificate { .. }) || !policy.is_tls(evidence.listener);
    let proofs = evidence.proofs.iter().filter(counts);
    let shown: Vec<Shown<'_>> = proofs.flat_map(|proof| show(world, evidence, proof, now)).collect();
    let here = |shown: &Shown<'_>| policy.subjects.get(shown.id).filter(|entry| origin.admits(&entry.zone));
    // The first of the best: a proof that is over names only where none is valid.
    let best = shown
        .iter()
        .filter_map(|shown| Some((shown, here(shown)?)))
        .reduce(|best, next| if rank(next.0) > rank(best.0) { next } else { best });
    let Some((best, entry)) = best else {
        let barred = shown.iter().any(|shown| world.registry.life(shown.id).is_barred()) || is_spent(world, evidence);
        return if barred { Naming::Barred(None, Reason::Revoked) } else { Naming::Nobody };
    };
    let named = Box::new(named(world, evidence, best, entry));
    match world.registry.life(best.id) {
        Life::Active => Naming::Named(named),
        // Known, and nobody yet: what it asks for is refused as a stranger's is.
        Life::Registered => Naming::Barred(Some(named), Reason::NoSubject),
        Life::Suspended | Life::Revoked => Naming::Barred(Some(named), Reason::Revoked),
    }
}

/// A key that was revoked or replaced for good.
fn is_spent(world: &World, evidence: &Evidence) -> bool {
    evidence.proofs.iter().any(|proof| match proof {
        Proof::Certificate { spki, .. } => world.registry.spent.contains(spki),
        Proof::Address { .. } | Proof::Token { .. } | Proof::SessionGrant { .. } => false,
    })
}

fn rank(shown: &Shown<'_>) -> (bool, Assurance) {
    (!shown.ended, shown.assurance)
}

fn named(world: &World, evidence: &Evidence, shown: &Shown<'_>, entry: &SubjectEntry) -> Named {
    // A panel shows nothing but its address, with or without a grant; any other proof of it says its own roles.
    let panel = entry.panel().filter(|_| shown.at_panel).map(|terms| &terms.opened_by);
    let mut roles = match shown.grant {
        Some(grant) => BTreeSet::from([grant.by.clone()]),
        None => entry.role.iter().filter(|role| carries(shown, role)).cloned().collect(),
    };
    let keeps = match panel {
        Some(opened_by) => opened_by.clone(),
        None if shown.ended => std::mem::take(&mut roles),
        None => BTreeSet::new(),
    };
    let claims = evidence.proofs.iter().filter_map(|proof| match proof {
        Proof::Token { subject, claims, .. } if subject == shown.id => Some(claims),
        Proof::Token { .. } | Proof::Address { .. } | Proof::Certificate { .. } | Proof::SessionGrant { .. } => None,
    });
    let attributes = claims.chain([&world.facts]).fold(entry.attributes.clone(), or_else);
    Named {
        subject: Subject { id: shown.id.clone(), roles, home: entry.zone.clone(), actor: None, attributes },
        assurance: shown.assurance,
        keeps,
        panel: panel.is_some(),
        ended: shown.ended,
        until: shown.until,
    }
}

/// True when the proof carries the declared role, or says nothing about roles.
fn carries(shown: &Shown<'_>, declared: &Role) -> bool {
    shown.roles.is_none_or(|roles| roles.contains(declared)) && shown.role.is_none_or(|role| role == declared)
}

/// The names that a proof shows.
fn show<'a>(world: &'a World, evidence: &'a Evidence, proof: &'a Proof, now: Moment) -> Vec<Shown<'a>> {
    match proof {
        Proof::Address { ip, mac } => at_address(world, *ip, *mac)
            .map(|(id, panel)| Shown {
                id,
                assurance: Assurance::ADDRESS,
                roles: None,
                role: None,
                grant: None,
                at_panel: panel,
                ended: panel,
                until: Until::default(),
            })
            .collect(),
        Proof::Certificate { spki, role, not_before, not_after } => world
            .registry
            .keys
            .get(spki)
            // A name that the policy lets show itself by other ways alone has no use for its key.
            .filter(|id| world.policy.subjects.get(*id).is_none_or(SubjectEntry::admits_certificate))
            .map(|id| Shown {
                id,
                assurance: Assurance::KEY,
                // No good role extension is no role at all.
                roles: role.is_none().then_some(const { &BTreeSet::new() }),
                role: role.as_ref(),
                grant: None,
                at_panel: false,
                // A doubtful clock never drops an identity, and never revives one that is surely over.
                ended: now.is_past(*not_after) || now.is_before(*not_before),
                until: Until {
                    wall: later(*not_before, now).or_else(|| later(*not_after, now)),
                    boot: floor_reaches(*not_after, now),
                    ran: None,
                },
            })
            .into_iter()
            .collect(),
        Proof::Token { subject, roles, bound_to, expires, .. } => vec![Shown {
            id: subject,
            assurance: if bound_to.is_some() { Assurance::KEY } else { Assurance::PERSON },
            roles: Some(roles),
            role: None,
            grant: None,
            at_panel: false,
            ended: expires.is_some_and(|end| now.wall >= end),
            until: Until { wall: expires.and_then(|end| later(end, now)), ..Until::default() },
        }],
        Proof::SessionGrant { grant } => at_its_panel(world, evidence, grant, now).into_iter().collect(),
    }
}

/// The subjects whose address (and hardware address, where one is named) this is; true for a panel, which is not logged in by
/// its address alone. The policy's own addresses come before those of the registry, which count only where the policy lets an
/// address show the name.
fn at_address(world: &World, ip: std::net::IpAddr, mac: Option<Mac>) -> impl Iterator<Item = (&SubjectId, bool)> {
    let ip = ip.to_canonical();
    let of_policy = world.policy.subjects.iter().filter_map(move |(id, entry)| {
        let (address, wanted) = entry.bound()?;
        let same = address.to_canonical() == ip && (wanted.is_none() || wanted == mac);
        same.then_some((id, entry.panel().is_some()))
    });
    let admits = |id: &&SubjectId| world.policy.subjects.get(*id).is_none_or(SubjectEntry::admits_address);
    of_policy.chain(world.registry.at(ip, mac).filter(admits).map(|id| (id, false)))
}

/// A grant counts only at the address of its panel. One that is over, or opened by a role that may not, leaves the panel's
/// address to speak.
fn at_its_panel<'a>(world: &World, evidence: &Evidence, grant: &'a Grant, now: Moment) -> Option<Shown<'a>> {
    let entry = world.policy.subjects.get(&grant.subject)?;
    let terms = entry.panel()?;
    let over = now.wall >= grant.ends || grant.ends_ran.is_some_and(|end| now.ran >= end);
    let there = evidence.proofs.iter().any(|proof| match proof {
        Proof::Address { ip, mac } => at_address(world, *ip, *mac).any(|(id, _)| *id == grant.subject),
        Proof::Certificate { .. } | Proof::Token { .. } | Proof::SessionGrant { .. } => false,
    });
    (there && !over && terms.opened_by.contains(&grant.by)).then_some(Shown {
        id: &grant.subject,
        assurance: Assurance::PERSON,
        roles: None,
        role: None,
        grant: Some(grant),
        at_panel: true,
        ended: false,
        until: Until { wall: Some(grant.ends), boot: None, ran: grant.ends_ran },
    })
}

fn later(end: UnixMs, now: Moment) -> Option<UnixMs> {
    (end > now.wall).then_some(end)
}

/// When the floor, which rises by time run, comes to an end that the doubtful clock does not show.
fn floor_reaches(end: UnixMs, now: Moment) -> Option<BootMs> {
    let left = u64::try_from(end.0.saturating_sub(now.floor.0)).ok().filter(|left| *left > 0)?;
    (now.trust == ClockTrust::Doubtful).then(|| BootMs(now.boot.0.saturating_add(left)))
}

/// What is known, completed from a weaker source.
fn or_else(known: Attributes, more: &Attributes) -> Attributes {
    Attributes {
        plant_mode: known.plant_mode.or_else(|| more.plant_mode.clone()),
        work_order: known.work_order.or(more.work_order),
        second_factor: known.second_factor.or(more.second_factor),
        line: known.line.or_else(|| more.line.clone()),
        location: known.location.or_else(|| more.location.clone()),
        shift: known.shift.or_else(|| more.shift.clone()),
        logged_in: known.logged_in.or(more.logged_in),
    }
}

#[cfg(test)]
mod tests;
