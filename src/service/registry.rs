//! Orders about names and their credentials. The record first, durable; then the rows, in one commit; then the world; then the
//! answer. What takes rights away (`revoke`, `suspend`) is in `orders`: it is in force at once.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use bulkhead_core::digest::Sha256;
use bulkhead_core::identity::{Credential, Edit, Life, Registry};
use bulkhead_core::journal::record::{GatewayRecord, Seq};
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

    /// Takes a credential from a subject. A key never comes back, under any name. Its sessions are cut: those by other
    /// credentials come back by themselves.
    ///
    /// # Errors
    /// `Registry` when it does not have it; `NotKept`.
    pub async fn remove(&self, subject: &SubjectId, credential: Credential, by: &str) -> Result<Changed, OrderError> {
        let _order = self.one.lock().await;
        self.change_locked(vec![Edit::Removed { subject: subject.clone(), credential }], by).await
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
        let mut of = std::collections::BTreeMap::new();
        let mut last = Seq(0);
        for part in parts(&edits) {
            let record = GatewayRecord::Registry { edits: part.to_vec(), by: by.to_owned(), cut: 0 };
            last = self.record(record).await.map_err(OrderError::NotKept)?;
            of.extend(part.iter().map(|edit| (edit.subject().clone(), last)));
        }
        let rows = of.into_iter().map(|(subject, seq)| rows(&next, subject, seq)).collect();
        let spent = {
            let before = &self.shared.worlds.current().registry.spent;
            next.spent.difference(before).copied().collect::<Vec<Sha256>>()
        };
        let is_less = !spent.is_empty();
        let kept = self.store.commit(Change::Registry { subjects: rows, spent, at }).await;
        // Done or told that it failed: the next start need not look at it.
        self.settled.fetch_max(last.0, Ordering::Relaxed);
        kept.map_err(|error| OrderError::NotKept(error.to_string()))?;
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
                Edit::Life { life, .. } => life.is_barred(),
                Edit::Added { again, .. } => *again,
            })
            .map(Edit::subject)
            .collect();
        let cut: usize = lost.into_iter().map(|subject| self.sessions.cut(subject)).sum();
        u32::try_from(cut).unwrap_or(u32::MAX)
    }
}

/// All that the registry knows of a subject.
fn rows(registry: &Registry, subject: SubjectId, seq: Seq) -> SubjectRows {
    SubjectRows {
        life: registry.life(&subject),
        keys: registry.keys_of(&subject).collect(),
        addresses: registry.addresses_of(&subject).collect(),
        subject,
        seq,
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
