//! Orders about names and their credentials. The record first, durable; then the rows, in one commit; then the world; then the
//! answer. What takes rights away (`revoke`, `suspend`) is in `orders`: it is in force at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bulkhead_core::digest::Sha256;
use bulkhead_core::identity::{Credential, Edit, Life, Registry};
use bulkhead_core::journal::record::{Event, GatewayRecord, Seq};
use bulkhead_core::names::SubjectId;

use super::orders::{OrderError, Orders};
use crate::ports::store::{Change, SubjectRows};

/// A record holds edits up to so many bytes; more edits are more records.
const RECORD: usize = 8_192;

/// A name to be registered, or what a registered one shall get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// Who.
    pub subject: SubjectId,
    /// A new name begins so; that of a name that is registered stays.
    pub life: Life,
    /// What it shows itself by, besides what it has.
    pub credentials: Vec<Credential>,
}

/// What a change of the registry did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// What was changed, in order; empty when everything was so already.
    pub edits: Vec<Edit>,
    /// Sessions that were cut.
    pub cut: u32,
    /// The last record; 0 when nothing was changed.
    pub seq: Seq,
}

impl Orders {
    /// Registers a name, or gives a registered one more credentials. What it has already is no mistake.
    ///
    /// # Errors
    /// `Registry` when the name or a credential cannot be had; `NotKept` when the disk did not take it. Nothing was changed.
    pub async fn register(&self, wanted: &Registration, by: &str) -> Result<Changed, OrderError> {
        let _order = self.one.lock().await;
        self.register_locked(wanted, by).await
    }

    /// Whether [`Self::register`] would take it now.
    pub(super) fn may_register(&self, wanted: &Registration) -> Result<(), OrderError> {
        let registry = &self.shared.worlds.current().registry;
        let edit = registry.registration(wanted.subject.clone(), wanted.life, wanted.credentials.clone());
        Ok(registry.check(&edit, self.hold, self.shared.time.now())?)
    }

    /// As [`Self::register`], by somebody who holds the order.
    pub(super) async fn register_locked(&self, wanted: &Registration, by: &str) -> Result<Changed, OrderError> {
        let edit = {
            let registry = &self.shared.worlds.current().registry;
            let edit = registry.registration(wanted.subject.clone(), wanted.life, wanted.credentials.clone());
            registry.check(&edit, self.hold, self.shared.time.now())?;
            let missing = |credential: &&Credential| !registry.has(&wanted.subject, credential);
            let known = registry.lives.contains_key(&wanted.subject) && registry.life(&wanted.subject) != Life::Revoked;
            (!known || wanted.credentials.iter().any(|credential| missing(&credential))).then_some(edit)
        };
        self.change_locked(edit.into_iter().collect(), by).await
    }

    /// Lets a suspended subject act again, or one that is registered for the first time.
    ///
    /// # Errors
    /// `NoSubject`; `Registry` when it is revoked; `NotKept`.
    pub async fn resume(&self, subject: &SubjectId, by: &str) -> Result<Changed, OrderError> {
        let _order = self.one.lock().await;
        let before = {
            let world = self.shared.worlds.current();
            if !world.policy.subjects.contains_key(subject) && !world.registry.lives.contains_key(subject) {
                return Err(OrderError::NoSubject(subject.clone()));
            }
            world.registry.life(subject)
        };
        let edit = Edit::Life { subject: subject.clone(), life: Life::Active };
        self.change_locked((before != Life::Active).then_some(edit).into_iter().collect(), by).await
    }

    /// Takes a credential from a subject. A key never comes back, under any name: that is in force at once, as a revocation is.
    /// Its sessions are cut: those by other credentials come back by themselves.
    ///
    /// # Errors
    /// `Registry` when it does not have it; `NotKept` for an address: nothing was changed; `NotDurable` for a key: it shows nobody
    /// any more, and a restart would forget that.
    pub async fn remove(&self, subject: &SubjectId, credential: Credential, by: &str) -> Result<Changed, OrderError> {
        let edit = Edit::Removed { subject: subject.clone(), credential };
        let Credential::Key(spki) = credential else {
            let _order = self.one.lock().await;
            return self.change_locked(vec![edit], by).await;
        };
        let at = self.shared.time.now();
        // One that is spent already may be ordered away again: the first time the disk may have refused.
        if !self.shared.worlds.current().registry.spent.contains(&spki) {
            self.shared.worlds.current().registry.check(&edit, self.hold, at)?;
        }
        let mut cut = self.without(&edit);
        let _order = self.one.lock().await;
        let not_durable = |why| {
            // Its record may be on the disk all the same: the next start has to look at it, whatever is ordered after it.
            self.unsettled.store(true, Ordering::Relaxed);
            OrderError::NotDurable { what: "the removal of the key", why }
        };
        let record = GatewayRecord::Registry { edits: vec![edit.clone()], by: by.to_owned(), cut };
        let seq = self.record(record).await.map_err(not_durable)?;
        let row = Change::Spent { subject: subject.clone(), spki, seq, at };
        self.store.commit(row).await.map_err(|error| not_durable(error.to_string()))?;
        self.settled.fetch_max(seq.0, Ordering::Relaxed);
        cut += self.without(&edit);
        self.taken_back.notify_one();
        Ok(Changed { edits: vec![edit], cut, seq })
    }

    /// Takes a credential away in memory, and cuts.
    fn without(&self, edit: &Edit) -> u32 {
        let at = self.shared.time.now();
        self.shared.worlds.set_registry(|registry| registry.apply(edit, at));
        self.cut_after(std::slice::from_ref(edit))
    }

    /// Makes edits all at once or not at all: every one is checked in the world that those before it leave.
    ///
    /// # Errors
    /// The first that cannot be made, or `NotKept`. Nothing was changed.
    pub async fn edit(&self, edits: Vec<Edit>, by: &str) -> Result<Changed, OrderError> {
        let _order = self.one.lock().await;
        self.change_locked(edits, by).await
    }

    async fn change_locked(&self, edits: Vec<Edit>, by: &str) -> Result<Changed, OrderError> {
        if edits.is_empty() {
            return Ok(Changed { edits, cut: 0, seq: Seq(0) });
        }
        let at = self.shared.time.now();
        let mut next = Registry::clone(&self.shared.worlds.current().registry);
        for edit in &edits {
            next.check(edit, self.hold, at)?;
            next.apply(edit, at);
        }
        let before = Arc::clone(&self.shared.worlds.current().registry);
        let mut of = BTreeMap::new();
        let mut last = Seq(0);
        for part in parts(&edits) {
            let record = GatewayRecord::Registry { edits: part.to_vec(), by: by.to_owned(), cut: 0 };
            match self.record(record).await {
                Ok(seq) => last = seq,
                Err(why) => {
                    // All of it or nothing: the parts that are on record already were not carried out.
                    for of in of.into_values().collect::<BTreeSet<Seq>>() {
                        self.shared.say(Event::Gateway(GatewayRecord::Abandoned { of }), at);
                    }
                    return Err(OrderError::NotKept(why));
                }
            }
            of.extend(part.iter().map(|edit| (edit.subject().clone(), last)));
        }
        // Whoever loses a place or a key to somebody else has other rows too.
        let displaced = before.addresses.iter().filter(|(place, owner)| next.addresses.get(place) != Some(*owner));
        for (_, owner) in displaced {
            of.entry(owner.clone()).or_insert(last);
        }
        let spent: Vec<Sha256> = next.spent.difference(&before.spent).copied().collect();
        let is_less = !spent.is_empty();
        self.commit(Change::Registry { subjects: SubjectRows::of(&next, of), spent, at }, last).await?;
        // Made again in the world of now, where somebody may have been revoked meanwhile.
        self.shared.worlds.set_registry(|registry| edits.iter().for_each(|edit| registry.apply(edit, at)));
        let cut = self.cut_after(&edits);
        if is_less || cut > 0 {
            self.taken_back.notify_one();
        }
        Ok(Changed { edits, cut, seq: last })
    }

    /// Ends the sessions of those who lost something.
    fn cut_after(&self, edits: &[Edit]) -> u32 {
        let lost: BTreeSet<&SubjectId> = edits
            .iter()
            .filter(|edit| match edit {
                Edit::Removed { .. } => true,
                // A name that is only registered may do nothing: whoever is connected under it is told by the end of that.
                Edit::Life { life, .. } => *life != Life::Active,
                Edit::Added { again, life, .. } => *again || *life != Life::Active,
            })
            .map(Edit::subject)
            .collect();
        let cut: usize = lost.into_iter().map(|subject| self.sessions.cut(subject)).sum();
        u32::try_from(cut).unwrap_or(u32::MAX)
    }
}

/// Edits in the portions of one record each.
fn parts(edits: &[Edit]) -> Vec<&[Edit]> {
    let mut parts = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (index, edit) in edits.iter().enumerate() {
        let length = serde_json::to_string(edit).map_or(RECORD, |text| text.len());
        if index > start && bytes + length > RECORD {
            parts.extend(edits.get(start..index));
            (start, bytes) = (index, 0);
        }
        bytes += length;
    }
    parts.extend(edits.get(start..).filter(|rest| !rest.is_empty()));
    parts
}

#[cfg(test)]
mod tests;
