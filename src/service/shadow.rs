//! `policy shadow`: a candidate policy judged beside the one in force, on the same frames. Nothing that it says changes anything:
//! it has no way to a permit, a bucket, a record of a decision or an alarm. While none is judged a frame pays for one load.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwapOption;
use bulkhead_core::decision::Decision;
use bulkhead_core::digest::Sha256;
use bulkhead_core::identity::Evidence;
use bulkhead_core::journal::record::{Event, GatewayRecord};
use bulkhead_core::moment::{Moment, RanMs, UnixMs};
use bulkhead_core::policy::differences::{self, Differences, Gathering, Judged};
use bulkhead_core::policy::table::{Table, TableCache, decide};
use bulkhead_core::policy::{self, Policy};
use bulkhead_core::world::{World, derive_with};

use super::House;
use super::gate::Request;
use super::sessions::{Footing, Session};
use super::shared::Shared;
use super::world::Live;
use crate::ports::store::StoredShadow;

/// The candidate of now, if there is one, and what the last one came to.
#[derive(Debug, Default)]
pub(crate) struct Shadow {
    /// Whether `now` holds one: the one thing that a frame looks at.
    on: AtomicBool,
    now: ArcSwapOption<Candidate>,
    /// The number of the last one: what a session has derived from one candidate is never taken for another's.
    number: AtomicU64,
    last: Mutex<Option<Ended>>,
}

/// A candidate policy, and what it would have decided otherwise.
#[derive(Debug)]
pub struct Candidate {
    number: u64,
    name: String,
    policy: Arc<Policy>,
    /// The digest of the policy in force that it is compared with.
    against: Sha256,
    /// Its end, by time run.
    until: RanMs,
    /// Since when it is counted.
    since: Moment,
    judged: AtomicU64,
    found: Mutex<Gathering>,
    tables: Mutex<TableCache>,
}

/// What a session would stand on under a candidate.
#[derive(Debug)]
pub(crate) struct Shaded {
    number: u64,
    footing: Footing,
    /// The table in force that it is compared with.
    live: Arc<Table>,
    /// The two count something against different limits: only then a frame that both allow is looked at closer.
    other_limits: bool,
}

/// What a candidate came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Where it came from.
    pub name: String,
    /// Its digest.
    pub policy: Sha256,
    /// The digest of the policy that it was compared with.
    pub against: Sha256,
    /// Since when requests were counted.
    pub since: UnixMs,
    /// Milliseconds that it has left; none once it has ended.
    pub left: Option<u64>,
    /// Why and when it ended.
    pub ended: Option<(String, UnixMs)>,
    /// The differences.
    pub differences: Differences,
}

#[derive(Clone, Debug)]
struct Ended {
    candidate: Arc<Candidate>,
    why: String,
    at: UnixMs,
}

impl Shaded {
    /// Whether it still is what the candidate says.
    pub(super) fn is_of(&self, candidate: &Candidate, live: &Footing, now: Moment) -> bool {
        self.number == candidate.number
            && self.footing.standing.generation == live.standing.generation
            && Arc::ptr_eq(&self.live, &live.standing.table)
            && self.footing.holds(now)
    }

    /// The number of the candidate that it was derived from.
    pub(super) const fn number(&self) -> u64 {
        self.number
    }
}

impl Candidate {
    fn new(number: u64, name: String, policy: Arc<Policy>, against: Sha256, until: RanMs, since: Moment) -> Self {
        Self {
            number,
            name,
            policy,
            against,
            until,
            since,
            judged: AtomicU64::new(0),
            found: Mutex::default(),
            tables: Mutex::default(),
        }
    }

    /// What evidence is worth under the candidate, with the registry and the facts of the live world.
    pub(super) fn derive(&self, live: &Live, footing: &Footing, evidence: &Evidence, now: Moment) -> Shaded {
        let World { generation, registry, facts, .. } = &*live.world;
        let world = World {
            generation: *generation,
            policy: Arc::clone(&self.policy),
            registry: Arc::clone(registry),
            facts: facts.clone(),
        };
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        let standing = derive_with(&world, evidence, now, &mut tables);
        let table = Arc::clone(&footing.standing.table);
        let other_limits = !table.same_limits(&standing.table);
        Shaded { number: self.number, footing: Footing { standing, at: now }, live: table, other_limits }
    }

    fn report(&self) -> Differences {
        let report = self.found.lock().unwrap_or_else(PoisonError::into_inner).report();
        Differences { judged: self.judged.load(Ordering::Relaxed), ..report }
    }

    fn totals(&self, why: &str) -> GatewayRecord {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let [lost, gained, terms] = found.turns();
        GatewayRecord::ShadowEnded {
            policy: self.policy.hash,
            against: self.against,
            why: why.to_owned(),
            judged: self.judged.load(Ordering::Relaxed),
            lost,
            gained,
            terms,
            lines: u64::try_from(found.len()).unwrap_or(u64::MAX),
            left_out: found.left_out(),
        }
    }

    fn seen(&self, now: Moment) -> Seen {
        Seen {
            name: self.name.clone(),
            policy: self.policy.hash,
            against: self.against,
            since: self.since.wall,
            left: Some(self.until.0.saturating_sub(now.ran.0)),
            ended: None,
            differences: self.report(),
        }
    }
}

impl Shadow {
    /// The candidate that is judged now.
    pub(super) fn current(&self) -> Option<Arc<Candidate>> {
        self.now.load_full()
    }

    /// The number of the candidate that is judged now; 0 while none is.
    pub(super) fn number(&self) -> u64 {
        self.now.load().as_ref().map_or(0, |candidate| candidate.number)
    }

    /// The number of the next candidate, from 1.
    fn next(&self) -> u64 {
        self.number.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn put(&self, candidate: Option<Arc<Candidate>>) -> Option<Arc<Candidate>> {
        self.on.store(candidate.is_some(), Ordering::Relaxed);
        self.now.swap(candidate)
    }
}

impl Shared {
    /// Judges a request under the candidate too, if there is one.
    pub(super) fn beside<T: Request>(
        &self,
        session: &Session,
        footing: &Footing,
        request: &T,
        decision: &Decision,
        now: Moment,
    ) {
        if !self.shadow.on.load(Ordering::Relaxed) {
            return;
        }
        let guard = self.shadow.now.load();
        let Some(candidate) = guard.as_deref() else { return };
        let shaded = session.shaded_at(candidate, footing, now);
        let accesses = request.accesses();
        let standing = &shaded.footing.standing;
        let would = decide(&standing.table, &accesses, now);
        candidate.judged.fetch_add(1, Ordering::Relaxed);
        let turns = decision.effect != would.effect;
        if turns || shaded.other_limits && differences::differs(decision, &would) {
            let asked =
                differences::Request { accesses: &accesses, source: session.peer().ip(), at: now.wall, weight: 1 };
            let (before, after) =
                (Judged { standing: &footing.standing, decision }, Judged { standing, decision: &would });
            candidate.found.lock().unwrap_or_else(PoisonError::into_inner).add(&asked, before, after);
        }
    }

    /// Begins to judge a candidate.
    pub(super) fn shade(&self, name: String, policy: Arc<Policy>, until: RanMs, now: Moment) {
        let against = self.worlds.current().policy.hash;
        self.end_shadow("replaced", now);
        let number = self.shadow.next();
        self.shadow.put(Some(Arc::new(Candidate::new(number, name, policy, against, until, now))));
    }

    /// Ends the candidate that is judged, with a record of what it came to.
    pub(super) fn end_shadow(&self, why: &str, now: Moment) -> Option<Arc<Candidate>> {
        let candidate = self.shadow.put(None)?;
        self.say(Event::Gateway(candidate.totals(why)), now);
        let ended = Ended { candidate: Arc::clone(&candidate), why: why.to_owned(), at: now.wall };
        *self.shadow.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(ended);
        Some(candidate)
    }

    /// Another policy is in force: the candidate is compared with that one from now on, unless it is that one.
    pub(super) fn shadow_follows(&self, now: Moment) {
        let Some(candidate) = self.shadow.current() else { return };
        let against = self.worlds.current().policy.hash;
        if candidate.policy.hash == against {
            self.end_shadow("activated", now);
        } else if candidate.against != against {
            self.end_shadow("policy", now);
            let Candidate { name, policy, until, .. } = &*candidate;
            let (number, name, same) = (self.shadow.next(), name.clone(), Arc::clone(policy));
            self.shadow.put(Some(Arc::new(Candidate::new(number, name, same, against, *until, now))));
            self.say(goes_on(policy.hash, against, *until, now), now);
        }
    }

    /// What the candidate of now has come to, else the last one of this life.
    pub(super) fn shadow_seen(&self, now: Moment) -> Option<Seen> {
        if let Some(candidate) = self.shadow.current() {
            return Some(candidate.seen(now));
        }
        let last = self.shadow.last.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        Some(Seen { left: None, ended: Some((last.why, last.at)), ..last.candidate.seen(now) })
    }

    /// Digest, milliseconds left, requests judged, and the turns so far, for one line on a screen.
    pub(super) fn shadow_line(&self, now: Moment) -> Option<(Sha256, u64, u64, [u64; 3])> {
        let candidate = self.shadow.current()?;
        let turns = candidate.found.lock().unwrap_or_else(PoisonError::into_inner).turns();
        let left = candidate.until.0.saturating_sub(now.ran.0);
        Some((candidate.policy.hash, left, candidate.judged.load(Ordering::Relaxed), turns))
    }
}

fn goes_on(policy: Sha256, against: Sha256, until: RanMs, now: Moment) -> Event {
    let seconds = until.0.saturating_sub(now.ran.0).div_ceil(1_000);
    Event::Gateway(GatewayRecord::ShadowGoesOn { policy, against, seconds })
}

impl House {
    /// Goes on with the candidate of the last life, unless its time is over or it has come in force. What was counted before is
    /// in that life's record.
    pub(crate) fn resume_shadow(&self, kept: StoredShadow, now: Moment) {
        let against = self.world.current().policy.hash;
        if now.ran >= kept.until || kept.hash == against {
            return;
        }
        match policy::load(&kept.text) {
            Ok(loaded) => {
                self.shared.shade(kept.name, Arc::new(loaded.policy), kept.until, now);
                self.shared.say(goes_on(kept.hash, against, kept.until, now), now);
            }
            Err(problems) => {
                let first = problems.first().map(ToString::to_string).unwrap_or_default();
                let text = format!("the candidate {} does not load any more: {first}", kept.hash.short());
                self.shared.alarm("shadow", None, None, text, now);
            }
        }
    }

    /// Ends a candidate whose time is over; whether there was one. Its row is then to be ended too.
    pub(crate) fn end_shadow_in_time(&self) -> bool {
        let now = self.time.now();
        let over = self.shared.shadow.current().is_some_and(|candidate| now.ran >= candidate.until);
        over && self.shared.end_shadow("time", now).is_some()
    }

    /// Says what the candidate has come to in this life; the next one goes on with it.
    pub(crate) fn pause_shadow(&self, now: Moment) {
        self.shared.end_shadow("stop", now);
    }
}
