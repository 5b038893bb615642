//! Why something is allowed or refused, on one screen: zone > conduit > each rule that names it, with its first failed
//! condition. The same model and the same words as the decision; a peer never sees any of it.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Policy;
use super::ask::{Ask, AskError, hint};
use super::calendar::Calendar;
use super::model::{Asset, Listen, SubjectProof};
use super::naming::{Named, Naming, Origin, name};
use super::problem::Place;
use super::table::{TableCache, decide, leading};
use crate::access::Access;
use crate::decision::{Decision, Effect, Keep, Reason};
use crate::digest::Sha256;
use crate::identity::{Assurance, Attributes, Evidence, Grant, Life, Proof};
use crate::moment::{ClockTrust, Moment, UnixMs};
use crate::names::{AssetId, ConduitId, Role, RuleId, SubjectId, ZoneId};
use crate::world::{World, derive_with};

mod part;
mod screen;

/// Why something is allowed or refused.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// Allow or deny.
    pub effect: Effect,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// The rule that allows, or came nearest; the `never` that refuses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<RuleId>,
    /// How surely it would be recorded.
    pub keep: Keep,
    /// It is a safe or heartbeat value (law 1).
    pub waived: bool,
    /// It counts against a limit.
    pub limited: bool,
    /// It is allowed only because the clock is in doubt and the role is local (law 2).
    pub doubtful: bool,
    /// When it was judged, in plant time.
    pub at: String,
    /// What that time is worth.
    pub clock: ClockTrust,
    /// The policy that judged.
    pub policy: Sha256,
    /// Who asks, if anybody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<SubjectId>,
    /// With which roles.
    pub roles: Vec<Role>,
    /// What the evidence is worth.
    pub assurance: Assurance,
    /// The proof that a question assumes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shown_by: Option<By>,
    /// Where it comes from: a zone, `remote:NAME`, or nothing that the policy knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The conduits that lead from there to the asset.
    pub conduits: Vec<ConduitId>,
    /// The asset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asset: Option<AssetId>,
    /// The asset's zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<ZoneId>,
    /// What else decided.
    pub notes: Vec<String>,
    /// Each thing that was asked for.
    pub asked: Vec<Asked>,
    /// How long the answer lasts, in plant time; no end means until something changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<String>,
}

/// One thing that was asked for.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Asked {
    /// In words: `write speed = 900 (holding 100)`.
    pub what: String,
    /// Why no rule can matter, where that is so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Every rule of the conduits that names it, for whichever role.
    pub rules: Vec<Considered>,
}

/// A rule that was looked at.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Considered {
    /// The rule.
    pub rule: RuleId,
    /// Where it stands in the file.
    pub place: Place,
    /// The stage at which it stopped; none where it allows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<Reason>,
    /// Why, in words.
    pub because: String,
}

/// Who a question is about.
#[derive(Clone, Copy, Debug)]
pub struct Who<'a> {
    /// The subject, taken to show the proof that the policy asks of it.
    pub subject: &'a SubjectId,
    /// The role that opened a grant on the panel; without it none is open.
    pub grant: Option<&'a Role>,
    /// The proof that it shows, of those that the policy lets it show; the strongest unless set.
    pub by: Option<By>,
}

/// A way of showing who somebody is, for a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum By {
    /// By where it comes from.
    Address,
    /// By a certificate with its role.
    Certificate,
    /// By a token with its role.
    Token,
    /// By the panel where it stands.
    SessionGrant,
}

impl By {
    const fn of(proof: &SubjectProof) -> Self {
        match proof {
            SubjectProof::Certificate => Self::Certificate,
            SubjectProof::Token => Self::Token,
            SubjectProof::Address { .. } => Self::Address,
            SubjectProof::SessionGrant { .. } => Self::SessionGrant,
        }
    }

    /// Its word in the policy.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Certificate => "certificate",
            Self::Token => "token",
            Self::SessionGrant => "session-grant",
        }
    }
}

/// Explains a question in the words of the policy, such as `write speed 900`.
pub fn question(
    world: &World,
    who: Who<'_>,
    asset: &AssetId,
    words: &str,
    now: Moment,
) -> Result<Explanation, AskError> {
    let policy = &world.policy;
    let Some((id, asset)) = policy.assets.get_key_value(asset) else {
        let help = hint(asset.as_str(), policy.assets.keys().map(AssetId::as_str));
        return Err(AskError::Asset { name: asset.to_string(), help });
    };
    let ask = Ask::parse(id, asset, words)?;
    let (world, evidence, assumed) = showing(world, who, asset, now)?;
    let mut explained = explain(&world, &evidence, &ask.accesses(), now);
    explained.shown_by = Some(assumed.by);
    explained.notes.extend(assumed.note);
    Ok(explained)
}

/// What a question takes for granted.
struct Assumed {
    by: By,
    note: Option<String>,
}

/// A world and the evidence in which a subject shows one of the proofs that the policy admits of it.
fn showing(world: &World, who: Who<'_>, asset: &Asset, now: Moment) -> Result<(World, Evidence, Assumed), AskError> {
    let policy = &world.policy;
    let Some((id, entry)) = policy.subjects.get_key_value(who.subject) else {
        let help = hint(who.subject.as_str(), policy.subjects.keys().map(SubjectId::as_str));
        return Err(AskError::Subject { name: who.subject.to_string(), help });
    };
    let chosen = match who.by {
        Some(by) => entry.proofs.iter().find(|proof| By::of(proof) == by),
        None => entry.strongest(),
    };
    let Some(proof) = chosen else {
        let by = who.by.map_or("", By::word);
        return Err(AskError::Proof { subject: id.to_string(), by, admitted: entry.proof_words() });
    };
    let remote = entry.zone.as_str().strip_prefix("remote:").map(Into::into);
    let nowhere = std::net::SocketAddr::from(([0, 0, 0, 0], 0));
    let here = |listen: &&Listen| policy.zone_of(listen.at.ip()) == Some(&entry.zone);
    // Of the listeners in its zone, the one where its proof can be shown: a certificate needs TLS, nothing else has it.
    let fits = |listen: &&Listen| listen.tls == (*proof == SubjectProof::Certificate);
    let all = || asset.listen.iter();
    let chosen = all().filter(here).find(fits).or_else(|| all().find(here)).or_else(|| all().next());
    let listener = chosen.map_or(nowhere, |listen| listen.at);
    let mut world = world.clone();
    let mut source = std::net::IpAddr::from([0, 0, 0, 0]);
    let mut proofs = Vec::new();
    let others: Vec<&str> = entry.proofs.iter().filter(|other| *other != proof).map(SubjectProof::word).collect();
    let mut note = (!others.is_empty()).then(|| {
        format!(
            "taken to be shown by {} (assurance {}); for another answer: --by {}",
            proof.word(),
            proof.assurance().0,
            others.join(", --by ")
        )
    });
    match proof {
        SubjectProof::Certificate => {
            let spki = Sha256::of(b"the key of an explanation");
            let mut registry = (*world.registry).clone();
            registry.keys.insert(spki, id.clone());
            world.registry = Arc::new(registry);
            proofs.push(Proof::Certificate {
                spki,
                role: entry.role.clone(),
                not_before: UnixMs(i64::MIN),
                not_after: UnixMs(i64::MAX),
            });
        }
        SubjectProof::Token => proofs.push(Proof::Token {
            subject: id.clone(),
            roles: entry.role.iter().cloned().collect(),
            claims: Attributes::default(),
            bound_to: None,
            expires: None,
        }),
        SubjectProof::Address { address, mac } => {
            let own = address.map(|address| (address, *mac));
            match own.or_else(|| world.registry.addresses_of(id).next()) {
                Some((ip, mac)) => {
                    source = ip;
                    proofs.push(Proof::Address { ip, mac });
                }
                None => note = Some("it has no address yet: bulkhead device add NAME --address IP".to_owned()),
            }
        }
        SubjectProof::SessionGrant { address, mac, grant } => {
            source = *address;
            proofs.push(Proof::Address { ip: *address, mac: *mac });
            if let Some(by) = who.grant {
                let lasts = i64::from(grant.minutes) + i64::from(grant.overlap);
                let ends = UnixMs(now.wall.0.saturating_add(lasts * 60_000));
                let grant = Grant { id: "explain".into(), subject: id.clone(), by: by.clone(), ends, ends_ran: None };
                proofs.push(Proof::SessionGrant { grant: Arc::new(grant) });
            }
        }
    }
    let assumed = Assumed { by: By::of(proof), note };
    Ok((world, Evidence { listener, source, remote, approvals: Vec::new(), proofs }, assumed))
}

/// Explains what is decided about the accesses of a frame.
pub fn explain(world: &World, evidence: &Evidence, accesses: &[Access<'_>], now: Moment) -> Explanation {
    let policy = &*world.policy;
    let standing = derive_with(world, evidence, now, &mut TableCache::default());
    let Decision { effect, reason, rule, keep, waived, limited, doubtful } = decide(&standing.table, accesses, now);
    let found = policy.asset_at(evidence.listener);
    let conduits = found.map_or_else(Vec::new, |(_, asset)| leading(policy, evidence, asset));
    let origin = Origin::of(policy, evidence);
    let naming = name(world, evidence, now);
    let named = match &naming {
        Naming::Named(named) => Some(&**named),
        Naming::Barred(..) | Naming::Nobody => None,
    };
    let asked = match found {
        Some((id, asset)) => {
            let calendar = &Calendar::of(policy, now.wall);
            let view = part::View { world, evidence, named, id, asset, conduits: &conduits, calendar, now };
            accesses.iter().flat_map(|access| view.access(access)).collect()
        }
        None => Vec::new(),
    };
    Explanation {
        effect,
        reason,
        rule,
        keep,
        waived,
        limited,
        doubtful,
        at: plant_time(policy, now.wall),
        clock: now.trust,
        policy: policy.hash,
        roles: standing.subject.iter().flat_map(|subject| subject.roles.iter().cloned()).collect(),
        subject: standing.subject.map(|subject| subject.id),
        assurance: standing.assurance,
        shown_by: None,
        from: origin.remote.map(|name| format!("remote:{name}")).or_else(|| origin.zone.map(ToString::to_string)),
        conduits: conduits.iter().map(|(id, _)| (*id).clone()).collect(),
        asset: found.map(|(id, _)| id.clone()),
        zone: found.map(|(_, asset)| asset.zone.clone()),
        notes: notes(world, evidence, &naming, found.is_some(), conduits.is_empty()),
        asked,
        // An end that no calendar has is none.
        valid_until: standing
            .valid_until
            .wall
            .filter(|at| Timestamp::from_millisecond(at.0).is_ok())
            .map(|at| plant_time(policy, at)),
    }
}

fn notes(world: &World, evidence: &Evidence, naming: &Naming, listens: bool, no_conduit: bool) -> Vec<String> {
    let mut notes = Vec::new();
    if !listens {
        notes.push(format!("no asset of the policy listens on `{}`", evidence.listener));
    }
    match naming {
        Naming::Nobody => {
            let mac = evidence.proofs.iter().find_map(|proof| match proof {
                Proof::Address { mac, .. } => *mac,
                Proof::Certificate { .. } | Proof::Token { .. } | Proof::SessionGrant { .. } => None,
            });
            let mac = mac.map_or_else(|| "no known MAC".to_owned(), |mac| format!("MAC {mac}"));
            notes.push(format!("nothing shown from {} ({mac}) names a subject of this zone", evidence.source));
        }
        Naming::Barred(named, _) => {
            let life = named.as_ref().map(|named| world.registry.life(&named.subject.id));
            notes.push(match life {
                Some(Life::Registered) => "the subject is registered and not active yet: nothing is allowed".to_owned(),
                Some(Life::Suspended) => "the subject is suspended: nothing is allowed until it is resumed".to_owned(),
                Some(Life::Revoked | Life::Active) | None => "the subject is revoked: nothing is allowed".to_owned(),
            });
        }
        Naming::Named(named) => notes.extend(ended(named)),
    }
    if listens && no_conduit {
        notes.push("no conduit leads from there to the asset's zone".to_owned());
    }
    notes
}

fn ended(named: &Named) -> Option<String> {
    let keeps = named.keeps.iter().map(Role::as_str).collect::<Vec<_>>().join(", ");
    match (named.panel, named.ended) {
        (true, true) => {
            Some(format!("no grant is open: reads, heartbeat and safe values of {keeps} stay, nothing else"))
        }
        (true, false) => Some(format!("a grant is open; reads, heartbeat and safe values of {keeps} stay without it")),
        (false, true) => Some(format!("the proof is past its end: heartbeat and safe values of {keeps} stay")),
        (false, false) => None,
    }
}

/// A moment on the plant's wall, with its offset.
pub(super) fn plant_time(policy: &Policy, at: UnixMs) -> String {
    let Ok(at) = Timestamp::from_millisecond(at.0) else {
        return format!("{} ms after 1970", at.0);
    };
    let whole = at.as_millisecond() % 1000 == 0;
    let format = if whole { "%Y-%m-%d %H:%M:%S %:z" } else { "%Y-%m-%d %H:%M:%S%.3f %:z" };
    at.to_zoned(policy.plant.timezone.clone()).strftime(format).to_string()
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        screen::show(self, f)
    }
}

#[cfg(test)]
mod tests;
