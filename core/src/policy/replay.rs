//! `policy replay`: recorded traffic judged again, under another policy. Each record is judged at its own moment with the
//! evidence that it tells of; first under the policy that decided it, which must come to the same, else the record is told and
//! counted for nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;

use super::Policy;
use super::differences::{Differences, Gathering, Judged, Request};
use super::model::Detail;
use super::table::{TableCache, decide};
use crate::access::Verb;
use crate::decision::{Decision, Effect, Reason};
use crate::digest::Sha256;
use crate::identity::{Attributes, Evidence, Registry};
use crate::journal::record::{DecisionRecord, Event, GatewayRecord, Record, Seq};
use crate::moment::{Moment, UnixMs};
use crate::names::{AssetId, ConduitId};
use crate::world::{Standing, World, derive_with};

mod rebuild;

/// Standings kept at once: one for each evidence that recurs.
const STANDINGS: usize = 4_096;
/// Records that cannot be reproduced and are told one by one.
const TOLD: usize = 100;

/// A record that the policy which decided it does not decide alike any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unreproduced {
    /// The record.
    pub seq: Seq,
    /// Why, or what comes out instead.
    pub why: String,
}

/// What a journal cannot say about a policy, each with its number.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Blind {
    /// Conduits of the old policy of which allowed reads are not recorded (`detail = "writes"`).
    pub reads_unrecorded: Vec<ConduitId>,
    /// Refusals beyond the first ten of a minute, of which no operation is known and no single one can be told.
    pub unattributed: u64,
    /// Frames of which no access is known: malformed, or given up before they were judged.
    pub without_access: u64,
    /// Refusals of subjects that were revoked: no policy changes that.
    pub revoked: u64,
    /// Records that were decided by a policy that was not given, by the first digits of its digest: taken as they are.
    pub unchecked: BTreeMap<String, u64>,
    /// Records that could not be kept while the disk was in trouble.
    pub lost: u64,
    /// The last record that was removed to make room.
    pub trimmed: Option<Seq>,
    /// Lines that could not be read.
    pub unreadable: u64,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Replayed {
    /// The policy that decided, or that the records are compared with.
    pub old: Sha256,
    /// The other one.
    pub new: Sha256,
    /// The first and the last moment of what was judged.
    pub span: Option<(UnixMs, UnixMs)>,
    /// Decision records that were read.
    pub records: u64,
    /// Of these, allowed reads.
    pub reads: u64,
    /// Records that the old policy decided again, and alike.
    pub checked: u64,
    /// Records that cannot be reproduced, whatever the cause.
    pub unreproduced: u64,
    /// The first of them.
    pub told: Vec<Unreproduced>,
    /// What the new policy decides otherwise.
    pub differences: Differences,
    /// What the journal cannot say.
    pub blind: Blind,
}

/// Judges a journal again. [`Self::count`] sees every record first, [`Self::judge`] every record after that, in order.
#[derive(Debug)]
pub struct Replay {
    old: Side,
    new: Side,
    repeats: BTreeMap<Seq, u64>,
    /// Refusals that were only counted: what is known of them, and the one record that they are like.
    denied: BTreeMap<Denied, Option<Like>>,
    found: Gathering,
    out: Replayed,
}

/// All that a count of refusals says.
type Denied = (String, Option<AssetId>, Reason);

/// The one operation that was refused for a reason.
#[derive(Clone, Debug, PartialEq)]
struct Like {
    seq: Seq,
    what: Vec<(Verb, String)>,
    more: u64,
}

/// A policy with the standings derived from it.
#[derive(Debug)]
struct Side {
    policy: Arc<Policy>,
    tables: TableCache,
    standings: BTreeMap<rebuild::Key, (Standing, Moment)>,
}

impl Side {
    fn new(policy: Arc<Policy>) -> Self {
        Self { policy, tables: TableCache::default(), standings: BTreeMap::new() }
    }

    /// What evidence was worth at a moment; kept as long as a session would keep it.
    fn standing(
        &mut self,
        key: &rebuild::Key,
        evidence: &Evidence,
        registry: &Arc<Registry>,
        now: Moment,
    ) -> &Standing {
        let holds = |standing: &Standing, at: Moment| {
            !standing.valid_until.reached(now) && now.trust == at.trust && now.wall >= at.wall && now.boot >= at.boot
        };
        let kept = self.standings.get(key).is_some_and(|(standing, at)| holds(standing, *at));
        if !kept {
            let world = World {
                generation: 0,
                policy: Arc::clone(&self.policy),
                registry: Arc::clone(registry),
                facts: Attributes::default(),
            };
            if self.standings.len() >= STANDINGS {
                self.standings.clear();
            }
            let standing = derive_with(&world, evidence, now, &mut self.tables);
            self.standings.insert(key.clone(), (standing, now));
        }
        // INVARIANT: it stands there since the lines above at the latest.
        &self.standings.entry(key.clone()).or_insert_with(|| (nothing(), now)).0
    }
}

fn nothing() -> Standing {
    Standing {
        subject: None,
        assurance: crate::identity::Assurance::NONE,
        table: Arc::default(),
        valid_until: crate::world::Until::default(),
        generation: 0,
    }
}

impl Replay {
    /// Of records that `old` decided, under `new`.
    pub fn new(old: Arc<Policy>, new: Arc<Policy>) -> Self {
        let writes_only =
            |conduit: &&ConduitId| old.conduits.get(*conduit).is_some_and(|conduit| conduit.detail == Detail::Writes);
        let blind =
            Blind { reads_unrecorded: old.conduits.keys().filter(writes_only).cloned().collect(), ..Blind::default() };
        let out = Replayed {
            old: old.hash,
            new: new.hash,
            span: None,
            records: 0,
            reads: 0,
            checked: 0,
            unreproduced: 0,
            told: Vec::new(),
            differences: Differences::default(),
            blind,
        };
        Self {
            old: Side::new(old),
            new: Side::new(new),
            repeats: BTreeMap::new(),
            denied: BTreeMap::new(),
            found: Gathering::default(),
            out,
        }
    }

    /// The first pass: how often each record stands for more than itself.
    pub fn count(&mut self, record: &Record) {
        match &record.event {
            Event::Decision(decision) => {
                let Some(reason) = decision.reason else { return };
                let who =
                    decision.subject.as_ref().map_or_else(|| decision.source.ip().to_string(), ToString::to_string);
                let key = (who, decision.asset.clone(), reason);
                let what = decision.accesses.iter().map(|access| (access.verb, access.target.clone())).collect();
                let like = Like { seq: record.seq, what, more: 0 };
                self.denied
                    .entry(key)
                    .and_modify(|known| {
                        if known.as_ref().is_some_and(|known| known.what != like.what) {
                            *known = None;
                        }
                    })
                    .or_insert(Some(like));
            }
            Event::Repeated { like, count } => {
                let counted = self.repeats.entry(*like).or_default();
                *counted = counted.saturating_add(*count);
            }
            Event::Denied { who, asset, reason, count } => {
                match self.denied.get_mut(&(who.clone(), asset.clone(), *reason)) {
                    Some(Some(like)) => like.more = like.more.saturating_add(*count),
                    Some(None) | None => self.add_unattributed(*count),
                }
            }
            Event::Gateway(GatewayRecord::Disk { lost, .. }) => {
                self.out.blind.lost = self.out.blind.lost.saturating_add(*lost);
            }
            Event::Trimmed { until, .. } => self.out.blind.trimmed = self.out.blind.trimmed.max(Some(*until)),
            Event::Gateway(_) | Event::Outcome { .. } | Event::Session(_) | Event::Checkpoint { .. } => {}
        }
    }

    fn add_unattributed(&mut self, count: u64) {
        self.out.blind.unattributed = self.out.blind.unattributed.saturating_add(count);
    }

    /// A line that is no record.
    pub const fn unreadable(&mut self) {
        self.out.blind.unreadable += 1;
    }

    /// Between the passes: counts whose one operation turned out to be several are nobody's.
    fn weight(&mut self, record: &Record, decision: &DecisionRecord) -> u64 {
        let repeats = self.repeats.get(&record.seq).copied().unwrap_or_default();
        let more = decision.reason.and_then(|reason| {
            let who = decision.subject.as_ref().map_or_else(|| decision.source.ip().to_string(), ToString::to_string);
            let like = self.denied.get_mut(&(who, decision.asset.clone(), reason))?.as_mut()?;
            (like.seq == record.seq).then(|| std::mem::take(&mut like.more))
        });
        repeats.saturating_add(more.unwrap_or_default()).saturating_add(1)
    }

    /// The second pass: judges a decision again.
    pub fn judge(&mut self, record: &Record) {
        let Event::Decision(decision) = &record.event else { return };
        self.out.records += 1;
        self.out.reads += u64::from(is_read(decision));
        let weight = self.weight(record, decision);
        if decision.accesses.is_empty() {
            self.out.blind.without_access = self.out.blind.without_access.saturating_add(weight);
            return;
        }
        if decision.reason == Some(Reason::Revoked) {
            self.out.blind.revoked = self.out.blind.revoked.saturating_add(weight);
            return;
        }
        let rebuilt = match rebuild::request(decision) {
            Ok(rebuilt) => rebuilt,
            Err(why) => return self.tell(record.seq, why),
        };
        let accesses = rebuilt.accesses();
        let (key, evidence, registry) = rebuild::evidence(decision, &self.old.policy);
        let now = record.at;
        let before = self.old.standing(&key, &evidence, &registry, now).clone();
        let again = decide(&before.table, &accesses, now);
        let recorded = recorded(decision, &again);
        if decision.policy == self.old.policy.hash {
            if let Some(why) = disagreement(decision, &recorded, &again) {
                return self.tell(record.seq, why);
            }
            self.out.checked += 1;
        } else {
            let seen = self.out.blind.unchecked.entry(decision.policy.short()).or_default();
            *seen = seen.saturating_add(1);
        }
        let after = self.new.standing(&key, &evidence, &registry, now);
        let would = decide(&after.table, &accesses, now);
        self.found.judged(weight);
        let request = Request { accesses: &accesses, source: evidence.source, at: now.wall, weight };
        let (before, after) =
            (Judged { standing: &before, decision: &recorded }, Judged { standing: after, decision: &would });
        self.found.add(&request, before, after);
        let (first, last) = self.out.span.unwrap_or((now.wall, now.wall));
        self.out.span = Some((first.min(now.wall), last.max(now.wall)));
    }

    fn tell(&mut self, seq: Seq, why: String) {
        self.out.unreproduced += 1;
        if self.out.told.len() < TOLD {
            self.out.told.push(Unreproduced { seq, why });
        }
    }

    /// What came of it.
    pub fn finish(mut self) -> Replayed {
        let left: u64 = self.denied.values().flatten().map(|like| like.more).sum();
        self.add_unattributed(left);
        self.out.differences = self.found.report();
        self.out
    }
}

/// The decision as the policy made it: what came behind it (a limit, a disk, a device) refused what the policy allowed.
fn recorded(record: &DecisionRecord, again: &Decision) -> Decision {
    let allowed = record.effect == Effect::Allow || record.reason.is_some_and(is_behind);
    Decision {
        effect: if allowed { Effect::Allow } else { Effect::Deny },
        reason: record.reason.filter(|_| !allowed),
        rule: record.rule.clone(),
        keep: again.keep,
        waived: again.waived,
        limited: again.limited,
        doubtful: record.doubtful,
    }
}

const fn is_behind(reason: Reason) -> bool {
    match reason {
        Reason::Limit | Reason::Busy | Reason::Journal | Reason::AssetDown | Reason::Abandoned => true,
        Reason::Malformed
        | Reason::Revoked
        | Reason::NoSubject
        | Reason::NoConduit
        | Reason::Ended
        | Reason::Never
        | Reason::NoRule
        | Reason::Range
        | Reason::Condition
        | Reason::Clock => false,
    }
}

/// Why judging again came to something else; none where it came to the same.
fn disagreement(record: &DecisionRecord, recorded: &Decision, again: &Decision) -> Option<String> {
    if recorded.effect == again.effect && recorded.reason == again.reason && record.rule == again.rule {
        return None;
    }
    let says = |effect: Effect, reason: Option<Reason>, rule: Option<&crate::names::RuleId>| {
        let word = if effect == Effect::Allow { "allowed" } else { "refused" };
        let reason = reason.map_or_else(String::new, |reason| format!(" ({})", reason.name()));
        let rule = rule.map_or_else(String::new, |rule| format!(" by {rule}"));
        format!("{word}{reason}{rule}")
    };
    Some(format!(
        "it was {}, and comes out as {}: something that the journal does not tell played a part",
        says(recorded.effect, recorded.reason, record.rule.as_ref()),
        says(again.effect, again.reason, again.rule.as_ref())
    ))
}

/// Whether a record is of an allowed read: what `detail = "full"` alone writes.
fn is_read(record: &DecisionRecord) -> bool {
    let verbs: BTreeSet<Verb> = record.accesses.iter().map(|access| access.verb).collect();
    record.effect == Effect::Allow && verbs == BTreeSet::from([Verb::Read])
}

#[cfg(test)]
mod tests;
